"""Records that an earlier version made open, migrate, and go on."""

import gzip
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from stage import LIMITS, market
from test_crash import run

from positions.engine.effects import Step
from positions.engine.engine import Engine
from positions.model.position import EXITS, Phase, Position, Role
from positions.storage.store import Store
from recordings.catalog import Recording
from recordings.sample import make_sample

D = Decimal
RECORDS = {
    "all-open": {
        Phase.HOLDING: 5,
        Phase.ENTERING: 2,
    },
    "some-closed": {
        Phase.HOLDING: 1,
        Phase.ENTERING: 2,
        Phase.CLOSED: 4,
    },
}
"""Replays of the sample that were killed in the middle, each with the phases of its positions."""


@pytest.fixture(params=RECORDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state(tmp_path: Path, name: str) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    packed = Path(__file__).parent / "records" / f"{name}.duckdb.gz"
    with gzip.open(packed) as source, (state / "positions.duckdb").open("wb") as target:
        shutil.copyfileobj(source, target)
    return state


def opened(state: Path) -> Store:
    return Store(state / "positions.duckdb", lambda f: f(), pytest.fail)


@pytest.fixture
def store(state: Path) -> Iterator[Store]:
    store = opened(state)
    store.on_set_aside = pytest.fail  # type: ignore[assignment]
    yield store
    store.close()


def positions(store: Store) -> list[Position]:
    return sorted([*store.open_positions(), *store.lately_over()], key=lambda p: p.id)


def test_its_events_give_its_positions(store: Store, name: str) -> None:
    found = positions(store)
    phases = [p.phase for p in found]
    assert {phase: phases.count(phase) for phase in phases} == RECORDS[name]
    assert [store.replay(p.id) for p in found] == found


def test_it_migrates_once(state: Path, store: Store) -> None:
    before = positions(store)
    store.close()
    again = opened(state)
    assert positions(again) == before
    again.close()


def test_an_engine_takes_it_up_and_sells_at_the_stop(store: Store) -> None:
    engine = Engine(LIMITS, cash=D(1000), strict=True)
    found = store.open_positions()
    now = max(p.updated_at for p in found) + 1
    for outcome_id in sorted({p.outcome_id for p in found}):
        book = market(outcome_id=outcome_id, slug=outcome_id)
        engine.list_market(book)
        book.show(D("0.10"), D(1000), D("0.11"), D(1000), now)
    engine.load(found, halted=False)
    steps = [e for e in engine.turn(now) if isinstance(e, Step)]
    for step in steps:
        store.step(step)
    store.flush()
    for before in found:
        after = engine.positions[before.id]
        if before.phase is Phase.HOLDING:
            assert after.phase in EXITS or after.decision.touch is not None
            assert {o.state for o in after.live(Role.TARGET)} <= {"cancelling"}
        assert store.replay(before.id) == after


def test_a_replay_goes_on_with_it(state: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "sample"
    make_sample(catalog)
    recording = Recording(catalog)
    store = opened(state)
    store.set("source", f"{catalog} {recording.start_ns} {recording.end_ns}")
    store.close()
    assert run(state, catalog, ("never", 0)) == 0
    store = opened(state)
    assert store.setting("cursor") == "over"
    found = positions(store)
    assert not (state / "earlier").exists()
    assert len(found) == 7
    assert [store.replay(p.id) for p in found] == found
    assert sum(p.phase is Phase.CLOSED for p in found) >= 4
    store.close()
