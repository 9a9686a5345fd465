"""What is said of a node that a process holds and that does nothing."""

from pathlib import Path

import pytest

from positions.operations.health import health_of, judge_node
from positions.storage.locks import Holder, StateLock
from positions.storage.pulse import BEAT_SECONDS, Pulse

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
