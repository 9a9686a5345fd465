"""The commands for setting up, without a venue: the `.env`, the service, what is refused."""

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from positions.operations import logs
from positions.operations.env_file import EnvFileError, write_env
from positions.operations.service import ServiceError, launchd_agent, unit
from positions.operations.settings import load

RUN = CliRunner()
CONFIG = Path(__file__).parents[1] / "config"
NAMES = ("POLYMARKET_PK", "POLYMARKET_FUNDER", "POLYMARKET_API_KEY", "POLYMARKET_API_SECRET")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own to be in, with nothing of a wallet in the environment."""
    for name in (*NAMES, "POLYMARKET_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# fmt: off
WRITTEN: dict[str, tuple[str | None, str]] = {
    "a new file": (None, "KEY=new\nOTHER=b==\n"),
    "an empty file": ("", "KEY=new\nOTHER=b==\n"),
    "other lines stay": ("# mine\n\nMINE=a b\nKEY=old\n", "# mine\n\nMINE=a b\nKEY=new\nOTHER=b==\n"),
    "an export is replaced": ("export KEY='old'\nMINE=1\n", "KEY=new\nMINE=1\nOTHER=b==\n"),
    "what stands twice is set once": ("KEY=1\nMINE=1\nKEY=2\n", "KEY=new\nMINE=1\nOTHER=b==\n"),
    "a longer name is another": ("KEYS=1\nMY_KEY=2\n", "KEYS=1\nMY_KEY=2\nKEY=new\nOTHER=b==\n"),
    "a last line without an end": ("MINE=1", "MINE=1\nKEY=new\nOTHER=b==\n"),
}
# fmt: on


@pytest.mark.parametrize("name", WRITTEN)
def test_a_dotenv_is_written(tmp_path: Path, name: str) -> None:
    before, expected = WRITTEN[name]
    file = tmp_path / ".env"
    if before is not None:
        file.write_text(before)
    write_env(file, {"KEY": "new", "OTHER": "b=="})
    assert file.read_text() == expected
    assert file.stat().st_mode & 0o777 == 0o600
    assert [f.name for f in tmp_path.iterdir()] == [".env"]


def test_a_dotenv_that_is_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / ".env"
    real.write_text("MINE=1\n")
    link.symlink_to(real)
    write_env(link, {"KEY": "new"})
    assert link.is_symlink()
    assert real.read_text() == "MINE=1\nKEY=new\n"


def test_a_value_that_is_no_key_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(EnvFileError, match="KEY has characters") as e:
        write_env(tmp_path / ".env", {"KEY": "a\nPATH=/evil"})
    assert "evil" not in str(e.value)
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize("name", ["doctor", "credentials"])
def test_a_dotenv_that_others_can_read_is_refused_in_one_line(here: Path, name: str) -> None:
    file = here / ".env"
    file.write_text("POLYMARKET_PK=0x" + "1f" * 32)
    file.chmod(0o640)
    done = RUN.invoke(app, [name, "--config", str(CONFIG / "live.toml")])
    assert done.exit_code == 1
    assert done.stderr == f"polybracket: {file} can be read by others: chmod 600 it\n"
    assert done.stdout == ""


def test_a_live_node_refuses_such_a_dotenv_for_good(here: Path) -> None:
    file = here / ".env"
    file.write_text("POLYMARKET_PK=0x" + "1f" * 32)
    file.chmod(0o604)
    config = ["--config", str(CONFIG / "live.toml"), "--yes-really-trade"]
    done = RUN.invoke(app, ["run", *config])
    assert done.exit_code == 2  # which systemd does not restart
    assert done.stderr == f"polybracket: {file} can be read by others: chmod 600 it\n"


def test_credentials_need_a_key(here: Path) -> None:
    done = RUN.invoke(app, ["credentials", "--config", str(CONFIG / "live.toml")])
    assert done.exit_code == 1
    assert done.stderr.startswith("polybracket: POLYMARKET_PK, POLYMARKET_FUNDER not set")
    assert done.stderr.count("\n") == 1
    assert not (here / ".env").exists()


def test_the_doctor_needs_no_network_for_a_replay(here: Path) -> None:
    done = RUN.invoke(app, ["doctor", "--config", str(CONFIG / "replay.toml")])
    assert done.exit_code == 0, done.output
    assert "mode replay" in done.stdout
    assert not list(here.iterdir())


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_systemd_takes_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.chdir(tmp_path)
    config = CONFIG / f"{mode}.toml"
    text = unit(load(config), config, Path(shutil.which("true") or "/bin/true"))
    assert "run --config" in text
    assert ("--yes-really-trade" in text) is (mode == "live")
    assert f"WorkingDirectory={tmp_path}" in text
    for line in ("Type=notify", "Restart=on-failure", "RestartPreventExitStatus=2"):
        assert line in text.splitlines()
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / f"polybracket-{mode}.service"
    file.write_text(text)
    done = subprocess.run([verify, "verify", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_launchd_takes_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    folder = tmp_path / "with spaces & <signs>"
    folder.mkdir()
    monkeypatch.chdir(folder)
    config = CONFIG / f"{mode}.toml"
    program = Path(shutil.which("true") or "/bin/true")
    text = launchd_agent(load(config), config, program)
    agent = plistlib.loads(text.encode())
    words = [str(program), "run", "--config", str(config)]
    assert agent["ProgramArguments"] == words + ["--yes-really-trade"] * (mode == "live")
    assert agent["WorkingDirectory"] == str(folder)
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["HardResourceLimits"] == {"Core": 0}
    with pytest.raises(ServiceError, match="a replay ends by itself"):
        launchd_agent(load(CONFIG / "replay.toml"), config, program)


@pytest.mark.parametrize(
    ("mode", "folder", "said"),
    [("replay", "fine", "a replay ends by itself"), ("paper", "not fine", "without spaces")],
)
def test_what_no_service_can_be_made_of_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, folder: str, said: str
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    config = CONFIG / f"{mode}.toml"
    with pytest.raises(ServiceError, match=said):
        unit(load(config), config, Path("/bin/true"))


def test_of_all_log_files_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"node_{number}.log").write_text("x")
    (tmp_path / "mine.txt").write_text("x")
    logs.prune(tmp_path, keep=4)
    names = sorted(f.name for f in tmp_path.iterdir())
    assert names == ["mine.txt", *(f"node_{n}.log" for n in range(5, 9))]
    logs.prune(tmp_path / "none")
