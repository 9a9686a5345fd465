"""The thread beside the event loop: what it notices, and what it must not take for a fault."""

import bdb
import threading
from collections.abc import Callable

import pytest

from positions.operations import loop_watch
from positions.operations.loop_watch import (
    LOOK_SECONDS,
    NO_MEMORY_CODE,
    STOOD_SECONDS,
    STUCK_CODE,
    LoopWatch,
)
from positions.storage.pulse import Pulse

SECOND = 1_000_000_000
LOOKS = int(STOOD_SECONDS / LOOK_SECONDS)


class Stage:
    """A watch whose looks are played by hand, and a loop that beats when it is told to."""

    def __init__(self, restart_seconds: float | None = None) -> None:
        self.undecided = 0
        self.told: list[str] = []
        self.ends: list[tuple[int, str]] = []
        self.pulse = Pulse(lambda: self.undecided)
        self.watch = LoopWatch(
            self.pulse, self.told.append, lambda *e: self.ends.append(e), restart_seconds
        )
        self.watch.watches_loop = True
        self.beat()

    def beat(self) -> None:
        self.pulse.beat()
        self.watch.look(LOOK_SECONDS)

    def stand(self, looks: int = LOOKS) -> None:
        for _ in range(looks):
            self.watch.look(LOOK_SECONDS)


def test_a_loop_that_stands_is_told_once_and_when_it_is_over() -> None:
    stage = Stage()
    stage.stand(LOOKS - 1)
    assert stage.told == []
    stage.stand(LOOKS)
    assert stage.told == ["the event loop stands still: for 5 s nothing was sold"]
    stage.beat()
    assert stage.told[1:] == [""]
    assert stage.ends == []


def test_a_loop_that_turns_without_deciding_is_told() -> None:
    stage = Stage()
    stage.undecided = int((STOOD_SECONDS + 1) * SECOND)
    for _ in range(LOOKS):
        stage.beat()
    assert stage.told == ["the node decides nothing: for 5 s nothing was sold"]


def quiet_start(stage: Stage) -> None:
    stage.watch.watches_loop = False
    stage.stand()


def quiet_end(stage: Stage) -> None:
    stage.pulse.end()
    stage.stand()


def quiet_beats(stage: Stage) -> None:
    for _ in range(10):
        stage.stand(LOOKS - 1)
        stage.beat()


def set_clock(stage: Stage) -> None:
    """The time since the last decision jumps for one look."""
    stage.undecided = 3600 * SECOND
    stage.beat()
    stage.undecided = 0
    stage.beat()


CALM: dict[str, Callable[[Stage], None]] = {
    "a long start": quiet_start,
    "a node that stops": quiet_end,
    "a loop that is slow": quiet_beats,
    "a clock that is set": set_clock,
}


@pytest.mark.parametrize("name", CALM)
def test_nothing_is_told_of(name: str) -> None:
    stage = Stage(restart_seconds=1)
    CALM[name](stage)
    assert (stage.told, stage.ends) == ([], [])


def test_a_debugger_may_hold_the_loop() -> None:
    stage = Stage(restart_seconds=1)
    code = compile("stand()", "debugger", "exec")
    exec(code, {"__name__": bdb.__name__, "stand": stage.stand})
    assert (stage.told, stage.ends) == ([], [])


def test_the_process_ends_once_the_loop_stood_for_long() -> None:
    stage = Stage(restart_seconds=10)
    stage.stand(2 * LOOKS - 1)
    assert stage.ends == []
    stage.stand(1)
    assert stage.ends == [
        (STUCK_CODE, "the event loop stands still for 10 s; the node ends, to be started anew")
    ]


def test_it_is_told_where_the_loop_stands() -> None:
    stage = Stage()
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.extend(stage.watch.where()))
    thread.start()
    thread.join()
    assert any(test_it_is_told_where_the_loop_stands.__name__ in frame for frame in seen)


def test_no_memory_ends_the_process_in_start_and_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.watch.watches_loop = False
    monkeypatch.setattr(loop_watch, "MEMORY_NEEDED", 2**61)
    stage.stand(3)
    assert stage.ends == []
    stage.stand(1)
    assert [code for code, _ in stage.ends] == [NO_MEMORY_CODE]
