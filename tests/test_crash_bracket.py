"""A node killed in the middle of every scenario at once, and started again: each ends as it would.

All scenarios of the real engine are one recording, so one SIGKILL falls into the midst of a stop's
rise, a confirmation, a part sold, an exit at its floor ... `make crash` plays every instant;
otherwise a few.
"""

import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from engine_scenarios import SCENARIOS
from engine_stage import SIGNALLED, Stage
from test_crash import Instant, run

from positions.storage.store import Store

D = Decimal
_FILLS = "SELECT role, shares, price FROM fills WHERE position_id = ? ORDER BY rowid"
_IN = "SELECT id FROM positions WHERE market = ? AND volume > 0"
End = tuple[str, str | None, list[tuple[str, Decimal, Decimal]]]


def instants() -> Iterator[tuple[Instant, ...]]:
    """Every moment, in the midst of it; every commit, before and after; and two deaths in a row."""
    for number in range(1, 100):
        yield (("moment", number),)
    for number in range(1, 60):
        yield (("before", number),)
        yield (("after", number),)
    for number in range(3, 40, 4):
        yield (("moment", number), ("after", 2))


COUNTED_ANEW = {
    "a stop confirmed by quotes": ("holding", None, [("entry", D(100), D("0.55"))]),
}
"""How scenarios may end as well: what is counted in views of the book is counted anew."""
FEW = [(("moment", 57),), (("before", 20), ("after", 2))]
CASES = list(instants()) if os.environ.get("CRASHES") == "all" else FEW


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(tmp_path_factory.mktemp("scenarios"))
    made.add_all()
    made.add_signal()
    made.write()
    return made


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_scenario_ends_as_if_the_node_had_lived(
    case: tuple[Instant, ...], stage: Stage, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    shutil.copytree(stage.folder / "state", state)
    config = stage.folder / "config.toml"
    for instant in case:
        assert run(state, stage.folder / "c", instant, config) == -9, "it was not killed"
    assert run(state, stage.folder / "c", ("never", 0), config) == 0
    store = Store(state / "positions.duckdb", lambda work: work(), lambda _: None)
    try:
        found = {name: end(store, stage.ids[name]) for name in SCENARIOS}
        signalled = len(store.cursor().execute(_IN, [stage.markets[-1]["slug"]]).fetchall())
    finally:
        store.close()
    assert signalled == SIGNALLED
    allowed = {name: (undisturbed(name), COUNTED_ANEW.get(name)) for name in SCENARIOS}
    assert {n: e for n, e in found.items() if e not in allowed[n]} == {}


def undisturbed(name: str) -> End:
    """How a scenario ends."""
    _, _, phase, reason, fills = SCENARIOS[name]
    return phase, reason, [(role, D(shares), D(price)) for role, shares, price in fills]


def end(store: Store, position_id: str) -> End:
    """How it ended by its events; its fills as they are kept."""
    p = store.replay(position_id)
    fills = store.cursor().execute(_FILLS, [position_id]).fetchall()
    return p.phase, p.ledger.exit_reason, fills
