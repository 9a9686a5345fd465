"""The owner's command: run with the alarm's text, not too often, and never in the node's way."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio
from stage import Stage, filled, quote, submit

from actors.alarm_bell import AlarmBell
from bridge.messages import ALARMS, BELL_ALARM
from positions.engine.alarms import unprotected
from positions.engine.effects import Alarm
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.position import Role
from positions.operations import bell as bells

WRITE = 'printf "%s|" "$1" >> told'
"""A command's script; what it is told ends in `told`."""


class Bell:
    """A bell on a message bus of its own, with a clock that is moved by hand."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.now = 0.0
        self.troubles: list[str] = []
        clock = TestClock()
        self.bus = MessageBus(TraderId("TESTER-000"), clock)
        cache = Cache()
        self.bell = bells.Bell(command, self.troubles.append, lambda: self.now, pauses=(0.01,))
        self.actor = AlarmBell(self.bell)
        self.actor.register_base(Portfolio(self.bus, cache, clock), self.bus, cache, clock)
        self.actor.start()

    def alarm(
        self, text: str, kind: str = "stuck", position_id: str = "P", *, is_open: bool = True
    ) -> None:
        self.bus.publish(ALARMS, Alarm(1, position_id, kind, text, is_open))


def ring(
    script: str,
    play: Callable[[Bell], None],
    *,
    meanwhile: Callable[[Bell], None] = lambda _: None,
    program: str = "sh",
) -> list[str]:
    """Play some alarms to a bell, and see its command succeed; returns the troubles it had."""
    bell = Bell((program, "-c", script, "the bell"))
    play(bell)
    given_up = time.monotonic() + 60
    while not bell.bell.is_quiet:
        assert time.monotonic() < given_up, bell.troubles
        time.sleep(0.01)
        meanwhile(bell)
    bell.bell.close()
    bell.bell.thread.join(10)
    return bell.troubles


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
    assert "\n".join(told()) == "\n".join(["stuck"] * times)


def test_alarms_of_two_kinds_are_both_told(told: Callable[[], list[str]]) -> None:
    def play(bell: Bell) -> None:
        bell.alarm("no bid", "stuck")
        bell.alarm("oversold", "disputed")

    ring(WRITE, play)
    assert "\n".join(told()) == "no bid\noversold"


def test_a_crowd_of_alarms_is_one_text_of_bounded_length(told: Callable[[], list[str]]) -> None:
    def play(bell: Bell) -> None:
        bell.alarm("first")
        while bell.bell._unsent:
            time.sleep(0.01)
        for n in range(2000):
            bell.alarm(f"alarm {n}", f"kind {n}")
        Path("go").touch()

    ring(f"{WRITE}; while ! test -e go; do sleep 0.05; done", play)
    first, text = told()
    assert first == "first"
    lines = text.split("\n")
    assert lines[-1] == "and 1980 more"
    assert lines[:-1] == [f"alarm {n}" for n in range(bells.SENT_AT_ONCE)]


SUBJECTS = {
    "two markets without prices": (("feed", "a Yes: no prices"), ("feed", "b Yes: no prices")),
    "two outcomes of a market": (("feed", "a Yes: no prices"), ("feed", "a No: no prices")),
    "two unforeseen errors": (
        ("unexpected", "unexpected KeyError: a"),
        ("unexpected", "unexpected ValueError: a"),
    ),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_concerns_another_market_is_told_too(told: Callable[[], list[str]], name: str) -> None:
    def play(bell: Bell) -> None:
        for kind, text in SUBJECTS[name]:
            bell.alarm(text, kind, "")
            bell.alarm(text + " again", kind, "")  # the same subject: folded

    ring(WRITE, play)
    assert "\n".join(told()).split("\n") == [text for _, text in SUBJECTS[name]]


def test_a_command_that_hangs_is_killed_with_what_it_started(
    told: Callable[[], list[str]],
) -> None:
    pids = Path("pids")

    def wait_long(bell: Bell) -> None:
        if pids.exists() and pids.read_text().endswith("\n"):
            bell.now = bells.PATIENCE

    script = f'{WRITE}; test -e pids && exit; sleep 100000 & echo "$$ $!" > pids; wait'
    troubles = ring(script, lambda bell: bell.alarm("first"), meanwhile=wait_long)
    assert told() == ["first", "first"]  # nobody knows whether it was told before it hung
    assert troubles == ["ran over 30 s and was killed", ""]
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


FAILURES = {
    "exit 3": "failed: exit 3",
    "kill -9 $$": "failed: ended by signal 9",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_command_that_fails_is_tried_again_and_said_to_fail(
    told: Callable[[], list[str]], failure: str
) -> None:
    script = f"{WRITE}; echo >> tries; test $(wc -l < tries) -ge 3 || {failure}"
    troubles = ring(script, lambda bell: bell.alarm("first"))
    assert told() == ["first"] * 3
    assert troubles == [FAILURES[failure], ""]


def test_a_missing_program_is_said_and_tried_again(
    told: Callable[[], list[str]], tmp_path: Path
) -> None:
    program = tmp_path / "late"

    def install(bell: Bell) -> None:
        if bell.troubles and not program.exists():
            program.with_suffix(".part").symlink_to("/bin/sh")
            program.with_suffix(".part").rename(program)

    troubles = ring(
        WRITE, lambda bell: bell.alarm("first"), meanwhile=install, program=str(program)
    )
    assert told() == ["first"]
    assert "No such file" in troubles[0]
    assert troubles[-1] == ""


def test_what_could_not_be_told_for_an_hour_is_dropped(told: Callable[[], list[str]]) -> None:
    def pass_time(bell: Bell) -> None:
        if bell.troubles:
            bell.now = bells.STALE_SECONDS

    ring("exit 3", lambda bell: bell.alarm("first"), meanwhile=pass_time)
    assert told() == []


def test_the_bell_does_not_ring_about_itself(told: Callable[[], list[str]]) -> None:
    ring(WRITE, lambda bell: bell.alarm("the alarm command failed: exit 3", BELL_ALARM))
    assert told() == []


@pytest.mark.parametrize(
    "text", ["a\0b", "a\ud800b", "a" * 300_000], ids=["NUL", "surrogate", "long"]
)
def test_no_text_keeps_the_command_from_running(told: Callable[[], list[str]], text: str) -> None:
    assert ring(WRITE, lambda bell: bell.alarm(text)) == []
    assert told() == [clean(text, REASON_LENGTH)]


def test_the_last_alarm_is_told_after_the_end(told: Callable[[], list[str]]) -> None:
    bell = Bell(("sh", "-c", f"sleep 0.2; {WRITE}", "the bell"))
    bell.alarm("the last one")
    bell.bell.close()
    assert not bell.bell._unsent
    bell.bell.thread.join(10)
    assert told() == ["the last one"]


def test_the_owner_is_called_although_no_descriptor_is_left(
    told: Callable[[], list[str]], tmp_path: Path
) -> None:
    script = """
import os, resource, sys, time
from positions.operations.bell import Bell
from positions.operations.process import lack_of_descriptors
troubles = []
bell = Bell(("sh", "-c", sys.argv[1], "the bell"), troubles.append, pauses=(0.01,))
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
assert not lack_of_descriptors()
try:
    while True:
        os.open(os.devnull, os.O_RDONLY)
except OSError:
    assert lack_of_descriptors()
for text in ("one", "two"):
    bell.ring(text, text)
    while not bell.is_quiet:
        time.sleep(0.01)
assert not troubles, troubles
"""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script, WRITE],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert told() == ["one", "two"]
    assert tmp_path == Path.cwd()


@pytest.mark.parametrize("program", ["no-such-program", "./no-program", "/"])
def test_a_program_that_cannot_be_run_is_a_trouble(program: str, tmp_path: Path) -> None:
    (tmp_path / "no-program").write_text("text")
    bell = Bell((program,))
    bell.alarm("one")
    while not bell.troubles:
        time.sleep(0.01)
    bell.bell.close()
    assert bell.troubles[0].startswith("cannot be run: ")
    assert bell.troubles[0].endswith(f": {program}")


# fmt: off
UNPROTECTED = {
    "nothing is held": ([], ""),
    "one": (["100"], "1 position is unprotected from now on: 100 Yes of rain-in-london; no stop sells"),
    "an entry that is not bought": (["0"], ""),
    "many": (["1", "2", "3", "4", "5", "6", "0"], "6 positions are unprotected from now on: 1 Yes of rain-in-london, 2 Yes"),
}
# fmt: on


@pytest.mark.parametrize("name", UNPROTECTED)
def test_the_end_of_a_node_says_what_is_unprotected(name: str) -> None:
    shares, said = UNPROTECTED[name]
    positions = []
    for held in shares:
        stage = Stage()
        quote("0.53", "0.55")(stage)
        submit()(stage)
        if held != "0":
            filled(Role.ENTRY, held, "0.55")(stage)
        positions.append(stage.position)
    told = unprotected(positions)
    assert told.startswith(said)
    assert bool(told) == bool(said)
    assert (" and 1 more;" in told) == (len(shares) > 5)
