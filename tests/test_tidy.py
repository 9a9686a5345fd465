"""The shape of the code: who may import whom, how long things are, and what is not written down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("actors", "bridge", "cli", "positions", "recordings", "strategies", "tests", "venues")
FILES = sorted(
    str(p.relative_to(ROOT))
    for p in (*ROOT.glob("*.py"), *(f for d in FOLDERS for f in (ROOT / d).rglob("*.py")))
)
TEXTS = sorted(
    str(p.relative_to(ROOT))
    for pattern in ("*.md", "*.toml", "*.lock", "Makefile", "config/*", "docs/*", "scripts/*")
    for p in ROOT.glob(pattern)
)
MONEY = tuple(
    f"positions/{name}.py"
    for name in (
        "commands/checks",
        "engine/engine",
        "engine/plan",
        "engine/transitions",
        "model/instrument_book",
        "model/venue_rules",
        "storage/rows",
    )
)
"""Where amounts and prices are computed: in decimals only."""

LINES_WITHOUT_A_WORD = 350
LONG_FILES = {
    "positions/commands/checks.py": "every check of a request",
    "positions/commands/messages.py": "what people and programs send, decoded",
    "positions/engine/engine.py": "the turn: events in, effects out",
    "positions/engine/transitions.py": "what each event changes in a position",
    "positions/storage/snapshot.py": "the copy that readers see, written and read",
    "positions/engine/recovery.py": "what a start makes of what the venue knows",
    "positions/operations/settings.py": "every setting, with its rule",
    "positions/storage/store.py": "the record's one writer, and what a start reads from it",
    "node.py": "the wiring of one node",
    "strategies/position_manager.py": "the translator between Nautilus and the desk",
    "tests/loopback/engine.py": "the loopback venue's order matching",
    "tests/loopback/server.py": "the loopback venue's HTTP and sockets",
    "tests/stage.py": "one live node on the loopback venue, played by a test",
    "tests/test_bracket.py": "the table of what a position can be asked for",
    "tests/test_faults.py": "the list of faults at the venue",
    "tests/test_inquiry.py": "the lookups of orders whose fate is unknown",
    "tests/test_life.py": "every state x every event",
    "tests/test_loopback.py": "the adapter on the loopback venue",
    "tests/test_loopback_rules.py": "the loopback venue's rules, each played",
    "tests/test_recovery.py": "the starts after every kind of stop",
    "tests/test_restart.py": "restarts on the loopback venue",
    "tests/test_scenarios.py": "the table of a position's life",
    "tests/test_storage_faults.py": "what a failing disk does",
    "tests/defects/lab.py": "one adapter client, stock or ours, on a scripted venue",
    "tests/world.py": "the simulated world of the money core",
    "modes.py": "the run modes: where data comes from and orders go",
    "venues/simulated/matching.py": "the simulated venue's rules",
    "venues/polymarket/data.py": "the market channel and what checks it",
    "venues/polymarket/execution.py": "the life of an order at the venue",
    "venues/simulated/execution.py": "the simulated venue's execution client",
}
"""What is longer, with the one idea that holds each together."""
FUNCTION_LINES_MAX = 50


def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imports(name: str) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            yield node.module or ""


def imported(name: str) -> set[str]:
    """The packages that a file imports."""
    return {module.split(".")[0] for module in imports(name)}


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("positions/")])
def test_the_positions_do_not_know_nautilus(name: str) -> None:
    found = imported(name)
    assert "nautilus_trader" not in found
    assert not found & {"node", "backtest", "modes", "cli", "bridge"}
    assert not found & {"actors", "recordings", "strategies", "venues"}


@pytest.mark.parametrize("name", [n for n in FILES if not n.startswith("tests/")])
def test_the_database_and_the_terminal_have_their_place(name: str) -> None:
    found = imported(name)
    if name.removeprefix("positions/") not in (
        "storage/store.py",
        "storage/schema.py",
        "storage/record_copies.py",
        "storage/snapshot.py",
    ):
        assert "duckdb" not in found
    if not name.startswith("cli/"):
        assert not found & {"typer", "rich"}


@pytest.mark.parametrize("name", MONEY)
def test_money_is_never_a_float(name: str) -> None:
    for node in ast.walk(tree(name)):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_named = isinstance(node, ast.Name) and node.id == "float"
        assert not is_float, f"{name}:{node.lineno}"
        assert not is_named, f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_are_short(name: str) -> None:
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert (lines > LINES_WITHOUT_A_WORD) is (name in LONG_FILES), f"{name} has {lines} lines"
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


def test_every_long_file_that_is_listed_is_there() -> None:
    assert set(LONG_FILES) <= set(FILES)


@pytest.mark.parametrize("name", [n for n in FILES if not n.endswith("__init__.py")])
def test_every_file_says_what_it_owns(name: str) -> None:
    assert ast.get_docstring(tree(name))


@pytest.mark.parametrize("name", [*FILES, *TEXTS])
def test_nothing_unfinished_and_nothing_of_one_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    unwanted = (
        "FIX" + "ME|TO" + "DO|XX" + "X",  # left for later
        r"(?<![\w.])/(home|root|Users|work|opt)/",  # someone's folders
        "py" + r"pi\.|python" + "hosted|--(extra-)?index-url|--find-links",  # package hosts
    )
    for pattern in unwanted:
        found = re.search(rf"\b({pattern})" if pattern[0].isupper() else pattern, text)
        if name != "tests/test_tidy.py":
            assert found is None, found
