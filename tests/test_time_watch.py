"""The node tells systemd that it lives, and its owner when time did not pass as it should."""

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from actors.clock_watch import STAYS_SECONDS, ClockWatch, Moment, now, what_happened
from actors.watchdog import Watchdog
from positions.storage.pulse import Pulse

START = Moment(wall=1_776_000_000.0, boot=5000.0, awake=4000.0)


@pytest.fixture
def systemd() -> Iterator[tuple[socket.socket, str]]:
    """What systemd listens on; its name must be short, unlike pytest's folders."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        path = str(Path(folder) / "notify")
        listening.bind(path)
        listening.setblocking(False)
        yield listening, path


def heard(listening: socket.socket, values: dict[str, str], beats: int) -> list[str]:
    """What a watchdog tells that stops after so many beats."""

    async def life() -> list[str]:
        loop, told = asyncio.get_running_loop(), []
        dog = Watchdog(Pulse(lambda: 0), values=values)
        dog.on_start()
        while len(told) < 1 + beats:
            told.append((await asyncio.wait_for(loop.sock_recv(listening, 64), 30)).decode())
        dog.on_stop()
        while told[-1] != "STOPPING=1":
            told.append((await asyncio.wait_for(loop.sock_recv(listening, 64), 30)).decode())
        return told

    return asyncio.run(life())


def test_systemd_hears_that_the_node_is_up_lives_and_stops(
    systemd: tuple[socket.socket, str],
) -> None:
    listening, path = systemd
    told = heard(listening, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"}, beats=3)
    assert told[:4] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert told[-1] == "STOPPING=1"


def test_without_a_watchdog_only_start_and_stop_are_told(
    systemd: tuple[socket.socket, str],
) -> None:
    listening, path = systemd
    assert heard(listening, {"NOTIFY_SOCKET": path}, beats=0) == ["READY=1", "STOPPING=1"]


def test_an_abstract_socket_is_spoken_to() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # the kernel gives an abstract name
        listening.setblocking(False)
        name = "@" + listening.getsockname()[1:].decode()
        assert heard(listening, {"NOTIFY_SOCKET": name}, beats=0)[0] == "READY=1"


def test_without_systemd_nothing_is_told_and_nothing_fails() -> None:
    async def life() -> None:
        dog = Watchdog(Pulse(lambda: 0), values={"WATCHDOG_USEC": "2"})
        dog.on_start()
        await asyncio.sleep(0)
        dog.on_stop()

    asyncio.run(life())


def test_a_thread_that_ended_is_told_once() -> None:
    gone, lives, told = Thread(name="store"), threading.current_thread(), []
    gone.start()
    gone.join()

    async def life() -> None:
        pulse = Pulse(int)
        dog = Watchdog(pulse, [gone, lives], told.append, values={})
        dog.on_start()
        while pulse.beats < 3:
            await asyncio.sleep(0.01)
        dog.on_stop()

    asyncio.run(life())
    assert told == ["store"]


def after(wall: float, boot: float, awake: float) -> Moment:
    """A later moment: how much each clock has gone on."""
    return Moment(START.wall + wall, START.boot + boot, START.awake + awake)


# fmt: off
HAPPENED: dict[str, tuple[Moment, str | None]] = {
    "a second passed": (after(1, 1, 1), None),
    "a loop was a little late": (after(4, 4, 4), None),
    "a clock was nudged": (after(1.5, 1, 1), None),
    "a laptop slept": (after(3601, 3601, 1), "the machine slept for 3600 s; nothing was sold meanwhile"),
    "a node stood still": (after(31, 31, 31), "the node stood still for 30 s; nothing was sold meanwhile"),
    "a clock was set forward": (after(61, 1, 1), "the clock was set forward by 60.0 s"),
    "a clock was set back": (after(-9, 1, 1), "the clock was set back by 10.0 s"),
    "a laptop slept, and its clock lost that": (after(1, 61, 1), "the machine slept for 60 s and the clock was set back by 60.0 s; nothing was sold meanwhile"),
}
# fmt: on


@pytest.mark.parametrize("name", HAPPENED)
def test_what_happened_between_two_moments(name: str) -> None:
    moment, said = HAPPENED[name]
    assert what_happened(START, moment) == said


def test_this_machine_has_the_clocks() -> None:
    assert what_happened(now(), now()) is None


def test_an_alarm_stays_for_a_while_and_ends() -> None:
    told: list[str] = []
    moment = START
    watch = ClockWatch(told.append, lambda: moment)
    slept = False
    for second in range(int(STAYS_SECONDS) + 10):
        slept = slept or second == 5
        moment = after(second + 90 * slept, second + 90 * slept, second)
        watch.look()
        if second == 5:
            assert told == ["the machine slept for 90 s; nothing was sold meanwhile"]
    assert told[1:] == [""]
