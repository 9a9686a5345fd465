"""The tree of errors: it is drawn as it is, and each of them becomes a line and an exit code."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import node
from cli.main import Program
from positions.model import errors
from positions.model.errors import PolybracketError, in_words

ROOT = Path(__file__).parents[1]
CODE = ("actors", "bridge", "cli", "positions", "recordings", "strategies", "venues")
BESIDE_THE_TREE = {"VenueError", "AnswerTooLarge", "BadRow", "MissingField"}


def _modules_with_errors() -> list[str]:
    """The modules that define a class of errors, by its name's look or its base's."""
    files = [*ROOT.glob("*.py"), *(f for name in CODE for f in (ROOT / name).rglob("*.py"))]
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if re.search(r"^class \w+\(.*(Error|Failure|Bug|Exception)", file.read_text(), re.M)
    ]


def _all_errors() -> dict[str, type[BaseException]]:
    made = {}
    for name in _modules_with_errors():
        module = importlib.import_module(name)
        for statement in ast.parse(Path(str(module.__file__)).read_text()).body:
            kind = getattr(module, statement.name) if isinstance(statement, ast.ClassDef) else None
            if isinstance(kind, type) and issubclass(kind, BaseException):
                made[kind.__name__] = kind
    return {name: kind for name, kind in made.items() if not name.startswith("_")}


def _drawn() -> dict[str, tuple[str, int, int]]:
    """By error: the one above it, and what a command and a node exit with."""
    picture = str(errors.__doc__)
    rows, above, codes = {}, [""] * 4, [(1, 1)] * 4
    for line in picture.splitlines():
        match = re.match(r"^ {4}([│├└─ ]*)([A-Z]\w+)(.*)$", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        stated = re.search(r" {3}(\d) +(\d)$", match[3])
        code = (int(stated[1]), int(stated[2])) if stated else codes[max(0, depth - 1)]
        above[depth], codes[depth] = match[2], code
        rows[match[2]] = (above[depth - 1] if depth else "", *code)
    return rows


def test_the_tree_is_drawn_as_it_is() -> None:
    found = {
        name: (
            "" if kind is PolybracketError else str(kind.__bases__[0].__name__),
            kind.exit_code,
            kind.node_exit_code,
        )
        for name, kind in _all_errors().items()
        if issubclass(kind, PolybracketError)
    }
    assert found == _drawn()


def test_nothing_stands_beside_the_tree_but_what_is_said_to() -> None:
    beside = {n for n, kind in _all_errors().items() if not issubclass(kind, PolybracketError)}
    assert beside == BESIDE_THE_TREE
    assert all(name in str(errors.__doc__) for name in beside)


class Surprise(Exception):
    """What nobody foresaw."""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.InputError("size was 0\nprice was 0"), 2, "size was 0\npolybracket: price was 0"),
        (errors.ConfigurationError("no key"), 1, "no key"),
        (errors.RecordError("no record"), 1, "no record"),
        (errors.VenueFailure("no answer\x1b[2J"), 1, "no answer"),
        (OSError(28, "No space left on device", "a.txt"), 1, "a.txt: No space left on device"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (Surprise("the roof fell in"), 1, "unexpected Surprise: the roof fell in; details in "),
    ],
)
def test_every_error_of_a_command_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int, said: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    app = typer.Typer(cls=Program, pretty_exceptions_enable=False, no_args_is_help=True)

    @app.command()
    def go() -> None:
        raise error

    @app.command()
    def stay() -> None:
        pass

    done = CliRunner().invoke(app, ["go"])
    assert done.exit_code == code
    assert done.stderr.startswith(f"polybracket: {said}")
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output
    notes = [file.read_text() for file in tmp_path.iterdir()]
    assert ["Surprise: the roof fell in" in note for note in notes] == [True] * (
        not isinstance(error, OSError | PolybracketError)
    )


def test_an_error_without_a_file_for_its_details_is_a_line() -> None:
    assert in_words(Surprise("the roof fell in")) == "unexpected Surprise: the roof fell in"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.ConfigurationError("no key"), 2, "polybracket: no key\n"),
        (errors.RecordError("no record"), 1, "polybracket: no record\n"),
        (OSError(28, "No space left on device"), 1, "polybracket: No space left on device\n"),
        (Surprise("the roof fell in"), 1, "polybracket: unexpected Surprise: the roof fell in; "),
    ],
)
def test_every_error_of_a_node_is_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
    code: int,
    said: str,
) -> None:
    class Failing:
        def __init__(self, *_: object, **__: object) -> None:
            raise error

    monkeypatch.setattr(node, "Node", Failing)
    config, state = str(ROOT / "config" / "replay.toml"), str(tmp_path / "state")
    monkeypatch.setattr("sys.argv", ["node.py", "--config", config, "--state", state])
    assert node.main() == code
    assert capfd.readouterr().err.startswith(said)
    noted = (tmp_path / "state" / "logs" / "errors.log").exists()
    assert noted == isinstance(error, Surprise)
