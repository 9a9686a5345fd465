"""Negates every condition of the money core, one at a time, and lists what no test notices.

    python tests/mutants.py [MODULE ...]      by default all of `TESTS`

Each mutant is a copy of the tree with one `if`, `while`, conditional expression, comprehension
condition or operand of `and`/`or` negated. Survivors that are not explained below are printed with
their line; the exit code is their number, capped.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = (
    *("positions", "bridge", "venues", "actors", "strategies", "recordings"),
    *("tests", "examples", "docs"),
)
CORE = (
    "test_scenarios.py",
    "test_bracket.py",
    "test_replies.py",
    "test_life.py",
    "test_settlement.py",
    "test_rules.py",
    "test_recovery.py",
    "test_simulation.py",
)
REQUESTS = (
    "test_checks.py",
    "test_validation.py",
    "test_scenarios.py",
    "test_bracket.py",
    "test_replies.py",
)
BOUNDARIES = ("test_boundaries.py", "test_poisoned_record.py", "test_fuzz.py")
VIEWS = ("test_local_book.py", "test_views.py")
TESTS: dict[str, tuple[str, ...]] = {
    "engine/adoption": ("test_adopt.py",),
    "engine/alarms": ("test_alarm_bell.py", *CORE),
    "engine/backoff": CORE,
    "engine/balances": ("test_balances.py", "test_owner.py", *CORE),
    "engine/command_handlers": (*REQUESTS, "test_adopt.py"),
    "engine/deadlines": ("test_deadlines.py",),
    "engine/effects": ("test_acts_first.py", *CORE),
    "engine/engine": (*BOUNDARIES, *CORE),
    "engine/exposure": (*CORE, "test_checks.py"),
    "engine/invariants": ("test_invariants.py", "test_life.py"),
    "engine/last_resort": BOUNDARIES,
    "engine/lifecycle": CORE,
    "engine/owner_sales": ("test_owner.py",),
    "engine/plan": CORE,
    "engine/price_index": ("test_levels.py", *CORE),
    "engine/recovery": CORE,
    "engine/transitions": CORE,
    "engine/triggers": CORE,
    "model/durations": CORE,
    "model/errors": ("test_errors.py",),
    "model/events": CORE,
    "model/foreign_text": ("test_alarm_bell.py", "test_foreign.py"),
    "model/formatting": ("test_tables.py", "test_story.py", *CORE),
    "model/instrument_book": CORE,
    "model/orders": CORE,
    "model/position": CORE,
    "model/refusals": ("test_scenarios.py",),
    "model/relative_terms": ("test_relative_terms.py",),
    "model/soundness": ("test_bounds.py", *BOUNDARIES),
    "model/stops": CORE,
    "model/targets": (*CORE, "test_validation.py"),
    "model/terms": REQUESTS,
    "model/trades": CORE,
    "model/venue_mode": ("test_modes.py",),
    "model/venue_rules": CORE,
    "storage/rows": ("test_tables.py", "test_store.py", *CORE),
    "commands/validation": (*REQUESTS, "test_relative_terms.py", "test_immediacy.py"),
    "commands/term_validation": (*REQUESTS, "test_relative_terms.py"),
    "commands/pre_trade_checks": REQUESTS,
    "commands/immediacy": ("test_immediacy.py",),
    "commands/preview": (*REQUESTS, "test_relative_terms.py", "test_immediacy.py"),
    "commands/signals": ("test_signals.py",),
    "venues/polymarket/market_data/freshness": VIEWS,
    "venues/polymarket/market_data/local_book": VIEWS,
    "venues/polymarket/market_data/market_messages": ("test_market_messages.py",),
    "venues/polymarket/market_data/resolutions": ("test_resolutions.py",),
    "venues/polymarket/api/ticks": ("test_market_messages.py",),
}
"""Each module with the tests that concern it, the likeliest to notice first. All modules of the
engine and of the model are here: `test_tidy.py` says which one is not."""
EXPLAINED: dict[str, str] = {
    "model/stops: 1": "a confirmation without a span has a number of quotes",
    "model/stops: follows": "of nothing and the price itself the price is the higher one",
    "model/stops: level": "of nothing and the price itself the price is the higher one",
    "engine/price_index: bid": "while there is a bid, there is an average",
    "venues/polymarket/market_data/local_book: not any(resting) and not any(self._own)": (
        "without orders of ours the long way finds the same"
    ),
    "model/targets: ZERO": "a target before the last has a part",
}
"""Conditions whose negation changes nothing that can be seen: "MODULE: CONDITION" -> why."""


def conditions(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression whose truth decides something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            yield node.test
        elif isinstance(node, ast.comprehension):
            yield from node.ifs
        elif isinstance(node, ast.BoolOp):
            yield from node.values
        elif isinstance(node, ast.Assert):
            continue
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Compare):
            yield node.value


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Each condition with where it stands, and the source in which it is negated."""
    seen = set()
    for node in conditions(ast.parse(source)):
        where = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        if where in seen:
            continue
        seen.add(where)
        text = ast.get_source_segment(source, node) or ""
        lines = source.splitlines(keepends=True)
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line.encode()))
        data = source.encode()
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        changed = data[:start] + b"(not (" + data[start:end] + b"))" + data[end:]
        yield f"{node.lineno}: {' '.join(text.split())}", changed.decode()


def path_of(module: str) -> str:
    """Where a module is: in `positions` unless it says otherwise."""
    return f"{module}.py" if module.startswith("venues/") else f"positions/{module}.py"


def survives(module: str, source: str) -> bool:
    """Whether every test still passes with this source in place of a module's."""
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            shutil.copytree(ROOT / part, Path(folder) / part)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, folder)
        (Path(folder) / path_of(module)).write_text(source)
        try:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-x",
                    *(f"tests/{t}" for t in TESTS[module]),
                ],
                cwd=folder,
                env=os.environ | {"LIVES": "150", "PYTHONPATH": folder},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False  # it finds no end: anybody would notice
        return done.returncode == 0


def main() -> int:
    """Try every mutant; returns how many survived."""
    modules = sys.argv[1:] or list(TESTS)
    tried = 0
    survivors: list[tuple[str, str]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for module in modules:
            source = (ROOT / path_of(module)).read_text()
            made = list(mutants(source))
            tried += len(made)
            alive = pool.map(lambda m, name=module: survives(name, m[1]), made)
            survivors += [
                (f"{module}: {where.partition(': ')[2]}", f"{path_of(module)}:{where}")
                for (where, _), lives in zip(made, alive, strict=True)
                if lives
            ]
    found = {condition for condition, _ in survivors}
    stale = [c for c in EXPLAINED if c.partition(":")[0] in modules and c not in found]
    unexplained = [line for condition, line in survivors if condition not in EXPLAINED]
    for line in unexplained:
        print(line)
    for condition in stale:
        print(f"explained, but some test notices it: {condition}")
    explained = len(survivors) - len(unexplained)
    print(f"{tried} mutants, {len(unexplained)} survived, and {explained} that are explained")
    return min(len(unexplained) + len(stale), 100)


if __name__ == "__main__":
    sys.exit(main())
