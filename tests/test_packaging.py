"""What is installed: one version, every import declared, and the default configurations found."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from cli.main import app
from cli.options import SHIPPED, default_config

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUN = CliRunner()
MAINS = {"backtest", "modes", "node"}
FOLDERS = {
    "actors",
    "bridge",
    "cli",
    "phone",
    "positions",
    "recordings",
    "strategies",
    "venues",
    "web",
}


def _imported() -> set[str]:
    """The top-level names that product code imports, wherever in a module."""
    files = [*(ROOT / f"{name}.py" for name in MAINS)]
    files += [file for name in FOLDERS for file in (ROOT / name).rglob("*.py")]
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
    return names


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    named = (*PROJECT["dependencies"], *extras["ray"], *extras["telegram"])
    declared = {Requirement(r).name.lower() for r in named}
    others = _imported() - set(sys.stdlib_module_names) - MAINS - FOLDERS
    owners = packages_distributions()
    imported = {owners.get(name, [name])[0].lower().replace("_", "-") for name in others}
    # The client library signs with it, eight times faster than with what it brings itself.
    assert {d.replace("_", "-") for d in declared} == imported | {"coincurve"}


def test_the_version_is_one_number() -> None:
    said = RUN.invoke(app, ["--version"])
    assert (said.exit_code, said.stdout) == (0, f"polybracket {PROJECT['version']}\n")
    assert version("polybracket") == PROJECT["version"]
    newest = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest is not None
    assert newest[1] == PROJECT["version"]
    assert requires("polybracket")


def test_the_default_configurations_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYBRACKET_STATE", raising=False)
    for mode in ("replay", "paper", "live", "backtest"):
        assert default_config(mode) == SHIPPED / "config" / f"{mode}.toml"
        assert default_config(mode).is_file()
    ran = RUN.invoke(app, ["run"])  # its recording is looked for here, as its state is
    assert (ran.exit_code, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("polybracket: catalog/sample")
    said = RUN.invoke(app, ["submit", "rain", "Yes", "--max-bid", "0.5", "--size", "10", "--queue"])
    assert said.exit_code == 0, said.output
    assert len(list((tmp_path / "state" / "replay" / "spool" / "new").iterdir())) == 1


def test_a_configuration_of_the_current_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "config" / "replay.toml"
    own.parent.mkdir()
    own.write_text('mode = "replay"\nstate = "state/mine"\n', encoding="utf-8")
    assert default_config("replay") == Path("config/replay.toml")
    said = RUN.invoke(app, ["submit", "rain", "Yes", "--max-bid", "0.5", "--size", "10", "--queue"])
    assert said.exit_code == 0, said.output
    assert (tmp_path / "state" / "mine" / "spool").is_dir()


def test_a_configuration_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = RUN.invoke(app, ["run", "--config", "config/live.toml"])  # another's caps are not taken
    assert ran.exit_code == 2
    assert ran.stderr.startswith("polybracket: config/live.toml: cannot be read")


INTRUDERS = ("config", "positions", "cli", "web", "node", "recordings", "polybracket")
"""Names of folders and modules that may well stand beside a user."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel of this tree installs, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "requirements.lock"):
        shutil.copy(ROOT / name, source)
    for name in MAINS:
        shutil.copy(ROOT / f"{name}.py", source)
    for name in (*FOLDERS, "config", "polybracket"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "setup.py", "-q", "bdist_wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_has_one_name_at_the_top_and_all_that_is_needed(wheel: Path) -> None:
    assert {p.name.partition("-")[0] for p in wheel.iterdir()} == {"polybracket"}
    program = wheel / "polybracket" / "program"
    ours = {str(p.relative_to(ROOT)) for n in FOLDERS for p in (ROOT / n).rglob("*.*")}
    ours |= {f"{name}.py" for name in MAINS}
    ours |= {str(p.relative_to(ROOT)) for p in (ROOT / "config").glob("*.toml")}
    missing = {n for n in ours if n.endswith((".py", ".toml", ".css")) and "__pycache__" not in n}
    assert not sorted(n for n in missing if not (program / n).is_file())
    entry = (next(wheel.glob("*.dist-info")) / "entry_points.txt").read_text()
    assert "polybracket = polybracket.__main__:main" in entry


def test_a_wheel_works_in_any_folder_whatever_stands_there(wheel: Path, tmp_path: Path) -> None:
    for name in INTRUDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('another program')\n")
    start = f"import sys; sys.path.insert(0, {str(wheel)!r}); import polybracket.__main__ as p;"
    typed = ["submit", "rain", "Yes", "--max-bid", "0.5", "--size", "10", "--queue"]
    for arguments in (["--version"], typed, ["backtest"]):
        command = [sys.executable, "-P", "-c", f"{start} p.main()", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "another program" not in done.stderr
        assert done.returncode == (2 if arguments == ["backtest"] else 0), done.stderr
    assert (
        done.stderr
        == "polybracket: config/positions.toml: cannot be read: No such file or directory\n"
    )
    assert len(list((tmp_path / "state" / "replay" / "spool" / "new").iterdir())) == 1
    own = f"{start} sys.path.insert(0, str(p.ROOT)); import subprocess;"
    own += "from positions.operations.program import module_command;"
    own += "print(subprocess.run(module_command('cli.main') + ('--version',)).returncode)"
    command = [sys.executable, "-P", "-c", own]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == f"polybracket {PROJECT['version']}\n0\n"
