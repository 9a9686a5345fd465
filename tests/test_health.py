"""What is said of a node that a process holds and that does nothing."""

import os
import time
from decimal import Decimal as D
from pathlib import Path

import msgspec
import pytest
from stage import LIMITS
from typer.testing import CliRunner

from cli.main import app
from positions.engine.engine import Engine
from positions.operations.doctor import Level, check_node
from positions.operations.health import health_of, judge_node
from positions.operations.settings import SafetySettings
from positions.storage.locks import Holder, StateLock
from positions.storage.pulse import BEAT_SECONDS, Pulse
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import Store

SECOND = 1_000_000_000
START = 1_776_000_000 * SECOND
HELD = Holder(pid=1, mode="live", started_at=START, host="h")


def node(heartbeat: float = 100, lag: float = 0, undecided: float = 0) -> dict[str, int]:
    """A published row: seconds after the node's start, seconds late, seconds without a decision."""
    return {
        "heartbeat": START + int(heartbeat * SECOND),
        "loop_lag": int(lag * SECOND),
        "undecided": int(undecided * SECOND),
    }


# fmt: off
TOLD: dict[str, tuple[Holder | None, dict[str, int], int, str]] = {
    "a node at work": (HELD, node(), 101, "running"),
    "a copy took its time": (HELD, node(), 110, "running"),
    "a clock was nudged back": (HELD, node(), 95, "running"),
    "a process that is stopped": (HELD, node(), 111, "NOT RESPONDING: its event loop gave no heartbeat for 11 s"),
    "a clock that was set back under a stopped one": (HELD, node(), 50, "NOT RESPONDING: its heartbeat is 50 s in the future: the clock was set"),
    "a loop that is late": (HELD, node(lag=5.5), 101, "NOT RESPONDING: its event loop was late by 5.5 s"),
    "a loop that is a little late": (HELD, node(lag=5), 101, "running"),
    "an engine that decides nothing": (HELD, node(undecided=7), 101, "NOT RESPONDING: nothing was decided for 7.0 s"),
    "all of it": (HELD, node(lag=6, undecided=7), 160, "NOT RESPONDING: its event loop gave no heartbeat for 60 s; its event loop was late by 6.0 s; nothing was decided for 7.0 s"),
    "a killed node": (None, node(), 101, "NOT RUNNING"),
    "a new node over the copy of a killed one": (HELD, node(heartbeat=-5), 3, "starting: nothing is published yet, 3 s after its start"),
    "the copy of an earlier version": (HELD, {"heartbeat": START}, 1, "running"),
}
# fmt: on


@pytest.mark.parametrize("name", TOLD)
def test_a_node_is_judged_by_what_it_does(name: str) -> None:
    held, row, seconds, said = TOLD[name]
    found = judge_node(held, row, START + seconds * SECOND)
    assert str(found) == said
    assert found.is_well is (said == "running")


def test_a_folder_without_a_copy(tmp_path: Path) -> None:
    assert health_of(tmp_path).word == "NOT RUNNING"
    with StateLock(tmp_path, "live"):
        assert health_of(tmp_path).word == "starting"


def test_the_pulse_tells_the_most_it_was_late_lately() -> None:
    now = 0.0
    pulse = Pulse(int, lambda: now)
    for late in (0, 3, 1, 0):
        now += BEAT_SECONDS + late
        pulse.beat()
    assert pulse.lag == 3 * SECOND
    for _ in range(int(11 / BEAT_SECONDS)):
        now += BEAT_SECONDS
        pulse.beat()
    assert pulse.lag == 0


def frozen(folder: Path) -> None:
    """A copy whose heartbeat is of long ago, as a process leaves it that was stopped."""
    pulse = Pulse(int, wall=lambda: time.time_ns() - 3600 * SECOND)
    store = Store(folder / "positions.duckdb", lambda f: f(), lambda _: None)
    about = NodeRow("live", "", False, 1, 0)
    SnapshotWriter(
        folder, store.cursor, Engine(LIMITS), lambda: D(0), lambda: 0, about, list, pulse
    ).publish_last()
    store.close()


def held_since_long(folder: Path) -> StateLock:
    """The lock of a process that began before its last heartbeat."""
    lock = StateLock(folder, "live")
    lock.__enter__()
    holder = Holder(pid=os.getpid(), mode="live", started_at=1, host="h")
    (folder / "lock").write_bytes(msgspec.json.encode(holder))
    return lock


VIEWS = {
    "status": (["status"], 1, "node NOT RESPONDING"),
    "status for programs": (["status", "--json"], 1, '"running": false'),
    "positions": (["positions"], 0, "node NOT RESPONDING: its event loop gave no heartbeat for 36"),
    "a command": (["halt"], 0, "does not respond: it is acted on once it does"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_calls_a_frozen_node_running(name: str, tmp_path: Path) -> None:
    command, code, said = VIEWS[name]
    frozen(tmp_path)
    lock = held_since_long(tmp_path)
    try:
        done = CliRunner().invoke(app, [*command, "--state", str(tmp_path)])
        doctor = check_node(tmp_path)
    finally:
        lock.__exit__(None, None, None)
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert doctor.level is Level.FAILED
    assert "NOT RESPONDING" in doctor.found


@pytest.mark.parametrize("value", ["5s", "2h", "1", ""])
def test_how_long_a_node_may_stand_has_a_rule(value: str) -> None:
    with pytest.raises(ValueError, match=r"restart_when_stuck was .*, must be "):
        SafetySettings(restart_when_stuck=value)


def test_how_long_a_node_may_stand() -> None:
    assert SafetySettings().restart_seconds is None
    assert SafetySettings(restart_when_stuck="1m").restart_seconds == 60
