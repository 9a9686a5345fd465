"""The shape of the code: who may import whom, how long things are, and what is not written down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mutants

ROOT = Path(__file__).parents[1]
FLOORS: tuple[tuple[str, ...], ...] = (
    ("cli", "phone", "web"),
    ("node", "backtest"),
    ("modes",),
    ("recordings",),
    ("actors", "strategies", "venues"),
    ("bridge",),
    ("positions.operations",),
    ("positions.research",),
    ("positions.storage",),
    ("positions.engine",),
    ("positions.commands",),
    ("positions.model",),
)
"""From the top: each imports only what is below it; those side by side never import each other."""
LAZY = {
    "cli": {
        "node",
        "backtest",
        "recordings",
        "venues",
        "web",
        "phone",
        "positions.operations.settings",
    },
    "modes": {"venues.polymarket"},
    "recordings": {"venues.polymarket.api"},
    "positions.storage": {"positions.storage.database"},
}
"""What a floor imports inside functions, as what is started may need none of it: Nautilus takes
a second to load, its adapter for Polymarket half a second, DuckDB a tenth."""
PLACES = {
    "nautilus_trader": (
        *("node", "backtest", "modes", "recordings", "actors", "strategies", "venues", "bridge"),
        *("examples", "tests"),
    ),
    "duckdb": ("positions.storage", "tests"),
    "typer": ("cli", "tests"),
    "rich": ("cli", "tests"),
    "textual": ("cli", "tests"),
    "py_clob_client_v2": ("venues.polymarket", "tests"),
    "venues.polymarket.execution": (
        *("venues.polymarket.execution", "venues.polymarket.factories", "modes", "tests"),
    ),
}
"""The packages that have their place."""
MONEY = (
    "positions.model",
    "positions.commands.validation",
    "positions.engine",
    "positions.storage.rows",
)
"""Where amounts and prices are computed: in decimals only."""

LINES_WITHOUT_A_WORD = 350
LONG_FILES = {
    "positions/engine/plan.py": "which orders should exist",
    "positions/commands/validation.py": "every check of a request",
    "positions/commands/messages.py": "what people and programs send, decoded",
    "positions/model/position.py": "what a position is, and what follows from its ledger",
    "positions/engine/engine.py": "the turn: events in, effects out",
    "positions/engine/transitions.py": "what each event changes in a position",
    "positions/engine/recovery.py": "what a start makes of what the venue knows",
    "positions/operations/settings.py": "every setting, with its rule",
    "positions/storage/store.py": "the record's one writer, and what a start reads from it",
    "strategies/position_manager.py": "the translator between Nautilus and the engine",
    "tests/test_venue_rules.py": "the rules of the simulated venue, row by row",
    "tests/test_redeem.py": "winnings become cash, whatever happens on the way",
    "tests/chain.py": "the contracts, the chain and the relayer that pay winnings",
    "tests/fuzz.py": "the generator of nonsense, with what must hold whatever it makes",
    "tests/loopback/engine.py": "the loopback venue's order matching",
    "tests/loopback/ledger.py": "what the loopback venue keeps",
    "tests/loopback/server.py": "the loopback venue's HTTP and sockets",
    "tests/storm.py": "one storm: what is done, what is seen, and what must hold",
    "tests/stage.py": "one live node on the loopback venue, played by a test",
    "tests/test_bracket.py": "the table of what a position can be asked for",
    "tests/test_imports.py": "the tables that people have, and what is made of each",
    "tests/test_faults.py": "the list of faults at the venue",
    "tests/test_order_reconciliation.py": "the lookups of orders whose fate is unknown",
    "tests/test_life.py": "every state x every event",
    "tests/test_loopback.py": "the adapter on the loopback venue",
    "tests/test_loopback_rules.py": "the loopback venue's rules, each played",
    "tests/test_recovery.py": "the starts after every kind of stop",
    "tests/test_restart.py": "restarts on the loopback venue",
    "tests/test_scenarios.py": "the table of a position's life",
    "tests/test_storage_faults.py": "what a failing disk does",
    "tests/defects/lab.py": "one adapter client, stock or ours, on a scripted venue",
    "tests/test_web.py": "what the interface answers, and what it asks of the node",
    "web/routes.py": "every operation of the interface",
    "tests/world.py": "the simulated world of the money core",
    "venues/simulated/matching.py": "the simulated venue's rules",
    "venues/polymarket/market_data/client.py": "the market channel and what checks it",
    "venues/polymarket/doctor.py": "what the doctor asks the venue",
    "venues/polymarket/execution/client.py": "the life of an order at the venue",
}
"""What is longer, with the one idea that holds each together."""
FUNCTION_LINES_MAX = 50


def _floor(module: str) -> int | None:
    """The floor that a module stands on; None = it is not ours, or a test."""
    for number, names in enumerate(FLOORS):
        if _is_in(module, names):
            return number
    return None


def _is_in(module: str, names: tuple[str, ...] | set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


FOLDERS = {name.partition(".")[0] for names in FLOORS for name in names} | {"tests", "examples"}
FILES = {
    str(p.relative_to(ROOT)): ast.parse(p.read_text(encoding="utf-8"))
    for p in sorted((*ROOT.glob("*.py"), *(f for d in FOLDERS for f in (ROOT / d).rglob("*.py"))))
}
MODULES = {n.removesuffix(".py").removesuffix("/__init__").replace("/", "."): n for n in FILES}
TEXTS = sorted(
    str(p.relative_to(ROOT))
    for pattern in ("*.md", "*.toml", "*.lock", "Makefile", "config/*", "docs/*.md", "scripts/*")
    for p in ROOT.glob(pattern)
    if p.is_file() and p.suffix != ".png"
)


def _imports(module: str) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports, wherever in it, and whether inside of a function."""
    tree = FILES[MODULES[module]]
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in inner
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in MODULES else source, id(node) in inner


def test_every_import_goes_down() -> None:
    wrong, used = [], set()
    for module in MODULES:
        floor = _floor(module)
        if floor is None:
            continue
        for name, is_inner in _imports(module):
            below = _floor(name)
            if below is None or (below > floor and not is_inner):
                continue
            lazy = LAZY.get(FLOORS[floor][0], set())
            is_own = next(n for n in FLOORS[floor] if _is_in(module, (n,)))
            if is_inner and _is_in(name, lazy):
                used.add((FLOORS[floor][0], next(n for n in lazy if _is_in(name, {n}))))
            elif not _is_in(name, (is_own,)) or is_inner:
                wrong.append(f"{module} -> {name}")
    assert not wrong
    assert used == {(floor, name) for floor, names in LAZY.items() for name in names}


def test_no_modules_import_each_other() -> None:
    graph = {
        m: {n for n, _ in _imports(m) if n in MODULES} for m in MODULES if _floor(m) is not None
    }
    while leaves := [m for m, names in graph.items() if not names & graph.keys()]:
        for m in leaves:
            del graph[m]
    assert not graph


def test_packages_have_their_place() -> None:
    wrong = [
        f"{module} -> {name}"
        for module in MODULES
        for name, _ in _imports(module)
        for package, places in PLACES.items()
        if _is_in(name, (package,)) and not _is_in(module, places)
    ]
    assert not wrong


def test_money_is_never_a_float() -> None:
    wrong = [
        f"{MODULES[module]}:{node.lineno}"
        for module in MODULES
        if _is_in(module, MONEY)
        for node in ast.walk(FILES[MODULES[module]])
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]
    assert not wrong


def test_every_module_of_money_has_its_mutants() -> None:
    """The table of `mutants.py` names all that decides about money, and tests that there are."""
    money = {
        module.removeprefix("positions.").replace(".", "/")
        for module, name in MODULES.items()
        if _is_in(module, MONEY) and not name.endswith("__init__.py")
    }
    assert not sorted(money - mutants.TESTS.keys())
    named = {mutants.path_of(module) for module in mutants.TESTS}
    named |= {f"tests/{test}" for tests in mutants.TESTS.values() for test in tests}
    assert not sorted(named - FILES.keys())


def test_every_file_says_what_it_owns_and_is_short_or_of_one_idea() -> None:
    wrong = [
        f"{name} owns what?"
        for name, tree in FILES.items()
        if not (name.endswith("__init__.py") or ast.get_docstring(tree))
    ]
    longer = {
        name
        for name in FILES
        if len((ROOT / name).read_text(encoding="utf-8").splitlines()) > LINES_WITHOUT_A_WORD
    }
    wrong += [f"{name} is long, or is not any more" for name in longer ^ LONG_FILES.keys()]
    for name, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    wrong.append(f"{name}: {node.name} has {length} lines")
    assert not wrong


def test_nothing_unfinished_and_nothing_of_one_machine() -> None:
    unwanted = (
        r"\b(FIX" + "ME|TO" + "DO|XX" + "X)",  # left for later
        r"(?<![\w.])/(home|root|Users|work|opt)/",  # someone's folders
        "py" + r"pi\.|python" + "hosted|--(extra-)?index-url|--find-links",  # package hosts
    )
    wrong = [
        f"{name}: {found[0]}"
        for name in (*FILES, *TEXTS)
        if name != "tests/test_tidy.py"
        for pattern in unwanted
        if (found := re.search(pattern, (ROOT / name).read_text(encoding="utf-8")))
    ]
    assert not wrong
