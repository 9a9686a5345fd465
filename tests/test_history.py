"""Positions older than the published window are there when they are asked for."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from stage import LIMITS
from world import World

from positions.engine.engine import Engine
from positions.storage import snapshot, snapshot_writer
from positions.storage.pulse import Pulse
from positions.storage.snapshot import NoSnapshot, Snapshot, history
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import Store

ABOUT = NodeRow(mode="replay", pid=1, started_at=0, catalog="c", is_synthetic=False)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SnapshotWriter:
    """A record of many positions that are over, of which only one is published with its story."""
    narrow = snapshot_writer._COPY.format(positions=3, stories=1, alarms=10)
    monkeypatch.setattr(snapshot_writer, "_RECENT", narrow)
    store = Store(tmp_path / "positions.duckdb", lambda f: f(), lambda _: None)
    for seed in range(8):
        world = World(seed)
        world.commands = seed * 1000
        world.live(rounds=40)
        for step in world.steps:
            store.step(step)
    store.flush()
    engine = Engine(LIMITS)
    return SnapshotWriter(
        tmp_path, store.cursor, engine, lambda: Decimal(0), lambda: 0, ABOUT, list, Pulse(int)
    )


def over(tmp_path: Path) -> list[str]:
    with Snapshot(tmp_path) as copy:
        return [r["id"] for r in copy.positions(everything=True) if r["status"] != "open"]


def test_a_running_node_copies_its_history_when_asked(
    tmp_path: Path, copied: SnapshotWriter
) -> None:
    copied.publish()
    copied._thread.join()  # type: ignore[union-attr]
    listed = over(tmp_path)
    with Snapshot(tmp_path) as copy:
        told = [i for i in listed if copy.has_story(i)]
    assert (len(listed), len(told)) == (3, 1)

    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.05):
            copied.publish()

    node = threading.Thread(target=beat)
    node.start()
    try:
        with history(tmp_path) as whole:
            found = [r for r in whole.positions(everything=True) if r["status"] != "open"]
            assert len(found) > 3
            assert all(whole.story(r["id"]) for r in found)
    finally:
        stopped.set()
        node.join()


def test_the_last_copy_holds_everything(tmp_path: Path, copied: SnapshotWriter) -> None:
    copied.publish_last()
    listed = over(tmp_path)
    assert len(listed) > 3
    with Snapshot(tmp_path) as copy:
        assert all(copy.has_story(i) for i in listed)


def test_a_node_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_ANSWER_SECONDS", 0.1)
    with pytest.raises(NoSnapshot, match="did not copy its history in time"):
        history(tmp_path)
    assert list(tmp_path.iterdir()) == []
