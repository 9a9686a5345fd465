"""The owner's command: run with the alarm's text, not too often, and never in the node's way."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio

from actors import alarm_bell
from actors.alarm_bell import AlarmBell
from actors.messages import ALARMS
from positions.effects import Alarm

WRITE = 'printf "%s|" "$1" >> told'
"""A command's script; what it is told ends in `told`."""


class Bell:
    """A bell on a message bus of its own, with a clock that is moved by hand."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.now = 0.0
        clock = TestClock()
        self.bus = MessageBus(TraderId("TESTER-000"), clock)
        cache = Cache()
        self.actor = AlarmBell(command, lambda: self.now)
        self.actor.register_base(Portfolio(self.bus, cache, clock), self.bus, cache, clock)
        self.actor.start()

    def alarm(self, text: str, kind: str = "stuck", *, is_open: bool = True) -> None:
        self.bus.publish(ALARMS, Alarm(1, "P", kind, text, is_open))


def ring(
    script: str,
    play: Callable[[Bell], None],
    *,
    meanwhile: Callable[[Bell], None] = lambda _: None,
    program: str = "sh",
) -> None:
    """Play some alarms to a bell, and see its command to the end."""

    async def drive() -> None:
        bell = Bell((program, "-c", script, "the bell"))
        play(bell)
        while (ringing := bell.actor._ringing) is not None and not ringing.done():
            await asyncio.sleep(0.01)
            meanwhile(bell)

    asyncio.run(asyncio.wait_for(drive(), 60))


@pytest.fixture(autouse=True)
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    monkeypatch.chdir(tmp_path)
    return lambda: Path("told").read_text().split("|")[:-1] if Path("told").exists() else []


def test_the_command_gets_the_text_as_its_last_argument(told: Callable[[], list[str]]) -> None:
    ring(WRITE, lambda bell: bell.alarm('no bid; "$HOME" `id` stays text'))
    assert told() == ['no bid; "$HOME" `id` stays text']


def test_an_alarm_that_is_over_rings_nobody(told: Callable[[], list[str]]) -> None:
    ring(WRITE, lambda bell: bell.alarm("stuck", is_open=False))
    assert told() == []


@pytest.mark.parametrize(("seconds", "times"), [(59.9, 1), (60, 2)])
def test_the_same_alarm_again_within_a_minute_is_folded(
    told: Callable[[], list[str]], seconds: float, times: int
) -> None:
    def play(bell: Bell) -> None:
        bell.alarm("stuck")
        bell.now += seconds
        bell.alarm("stuck")

    ring(WRITE, play)
    assert told() == ["\n".join(["stuck"] * times)]


def test_alarms_of_two_kinds_are_both_told(told: Callable[[], list[str]]) -> None:
    def play(bell: Bell) -> None:
        bell.alarm("no bid", "stuck")
        bell.alarm("oversold", "disputed")

    ring(WRITE, play)
    assert told() == ["no bid\noversold"]


def test_a_crowd_of_alarms_is_one_text_of_bounded_length(told: Callable[[], list[str]]) -> None:
    def play(bell: Bell) -> None:
        for n in range(1000):
            bell.alarm(f"alarm {n}", f"kind {n}")

    ring(WRITE, play)
    (text,) = told()
    lines = text.split("\n")
    assert lines[-1] == "and 980 more"
    assert lines[:-1] == [f"alarm {n}" for n in range(alarm_bell.TOLD_AT_ONCE)]


def test_a_command_that_hangs_is_killed_with_what_it_started(
    told: Callable[[], list[str]],
) -> None:
    pids = Path("pids")

    def wait_long(bell: Bell) -> None:
        if pids.exists() and pids.read_text().endswith("\n"):
            bell.now = alarm_bell.PATIENCE

    script = f'{WRITE}; sleep 100000 & echo "$$ $!" > pids; wait'
    ring(script, lambda bell: bell.alarm("first"), meanwhile=wait_long)
    assert told() == ["first"]
    for pid in map(int, pids.read_text().split()):
        assert _ends(pid)


def _ends(pid: int) -> bool:
    """Whether a process ends; one that nobody has collected yet has ended, too."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
def test_a_command_that_fails_leaves_the_bell_as_it_was(
    told: Callable[[], list[str]], script: str
) -> None:
    ring(f"{WRITE}; {script}", lambda bell: bell.alarm("first"))
    assert told() == ["first"]


def test_a_missing_program_is_survived(told: Callable[[], list[str]]) -> None:
    ring(WRITE, lambda bell: bell.alarm("first"), program="/no/such/program")
    assert told() == []
