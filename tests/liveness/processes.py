"""Acts for which a node needs a process of its own: terminals, signals, and a loop that stands."""

import contextlib
import fcntl
import os
import pty
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from liveness.scene import Failed
from liveness.stand import START_ROUNDS, STATUS_ROUNDS, Stand, Streams


class Alone(NamedTuple):
    """An act on a node in a process of its own."""

    name: str
    play: Callable[[Stand], None]


# -- terminals and pipes ---------------------------------------------------------------------------


def terminal(chance: random.Random) -> Alone:
    """The node's output goes where nobody reads, or cannot go anywhere."""
    kind = chance.choice(sorted(_OUTPUTS))

    def play(stand: Stand) -> None:
        opened, spoil = _OUTPUTS[kind]
        streams, other_end = opened()
        try:
            stand.start(streams)
            stand.open()
            spoil(other_end)
            time.sleep(0.2)
            _sold_whatever_happens(stand)
        finally:
            for end in {streams.out, streams.err, other_end} - {-1}:
                with contextlib.suppress(OSError):
                    os.close(end)

    return Alone(f"terminal: {kind}", play)


def _sold_whatever_happens(stand: Stand) -> None:
    """Sold by the running node, which says that it runs, or after a restart if it ended."""
    if stand.is_over:
        if stand.shown_running():
            raise Failed("`status` said that it runs of a node that had ended")
        stand.fall()
        stand.start()
        stand.sold(START_ROUNDS)
        return
    stand.fall()
    stand.sold()
    if not stand.is_over:
        stand.within(STATUS_ROUNDS, stand.shown_running, "`status` did not say that the node runs")


def _terminal() -> tuple[Streams, int]:
    master, slave = pty.openpty()
    return Streams(slave, slave, is_terminal=True), master


def _pipe() -> tuple[Streams, int]:
    reader, writer = os.pipe()
    return Streams(writer, writer), reader


def _full_pipe() -> tuple[Streams, int]:
    """A pipe that takes only a few lines before somebody has to read."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 3500)
    return Streams(writer, writer), reader


def _half_pipe() -> tuple[Streams, int]:
    """Only what is no error goes to the pipe."""
    streams, reader = _full_pipe()
    return Streams(streams.out, subprocess.DEVNULL), reader


def _full_device() -> tuple[Streams, int]:
    device = os.open("/dev/full", os.O_WRONLY)
    return Streams(device, device), -1


def _stop_output(master: int) -> None:
    os.write(master, b"\x13")


def _nothing(_: int) -> None:
    pass


_OUTPUTS: dict[str, tuple[Callable[[], tuple[Streams, int]], Callable[[int], None]]] = {
    "Ctrl-S": (_terminal, _stop_output),
    "a terminal that is closed": (_terminal, os.close),
    "a terminal that nobody reads": (_terminal, _nothing),
    "a pipe whose reader is gone": (_pipe, os.close),
    "a pipe that nobody reads": (_full_pipe, _nothing),
    "a pipe for output alone that nobody reads": (_half_pipe, _nothing),
    "a full disk": (_full_device, _nothing),
}


# -- signals ---------------------------------------------------------------------------------------

_SIGNALS = (
    signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
    signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH,
    signal.SIGXFSZ, signal.SIGXCPU, signal.SIGCHLD, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL,
)  # fmt: skip


def sent(chance: random.Random) -> Alone:
    """A signal reaches the node, before or while the stop triggers."""
    number = chance.choice(_SIGNALS)
    is_during = chance.random() < 0.5
    times = chance.choice((1, 1, 3))

    def play(stand: Stand) -> None:
        stand.start()
        stand.open()
        if is_during:
            stand.fall()
        for _ in range(times):
            stand.send(number)
            time.sleep(0.01)
        stand.send(signal.SIGCONT)
        _wait_for_end(stand)
        if not (is_during and stand.is_sold()):
            _sold_whatever_happens(stand)
        cores = [path.name for path in Path.cwd().glob("core*")]
        if cores:
            raise Failed(f"a core was written: {cores}")

    when = "while the stop triggers" if is_during else "before the stop triggers"
    return Alone(f"signal: {number.name} x{times} {when}", play)


def _wait_for_end(stand: Stand) -> None:
    """Give the process the time that it takes to end, if it is to end."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and not stand.is_over and not stand.is_sold():
        time.sleep(0.05)


def frozen(chance: random.Random) -> Alone:
    """The whole process stands; `status` must say so, and once it goes on the stop is sold."""
    falls_first = chance.random() < 0.5

    def play(stand: Stand) -> None:
        stand.start()
        stand.open()
        if falls_first:
            stand.fall()
        stand.send(signal.SIGSTOP)
        if not falls_first:
            stand.fall()
        if not stand.is_sold():
            untrue = "`status` said that it runs of a node that stands"
            stand.within(STATUS_ROUNDS, lambda: not stand.shown_running(), untrue)
        stand.send(signal.SIGCONT)
        stand.sold(START_ROUNDS)
        stand.within(
            STATUS_ROUNDS, stand.shown_running, "`status` did not say that the node runs again"
        )

    return Alone(f"signal: SIGSTOP {'after' if falls_first else 'before'} the fall", play)


# -- a loop that stands, and no memory -------------------------------------------------------------

_STAND = """
import asyncio, threading, time
from pathlib import Path
import node
from positions.operations.settings import load
from positions.storage.locks import StateLock

async def stand(*_):
    while not Path("stand").exists():
        await asyncio.sleep(0.05)
    {stand}

settings = load(Path("live.toml"))
with StateLock(settings.state_dir, "live"):
    node.Node(settings).run(stand)
"""
_STANDS = (
    "time.sleep(1000)",
    "while True: sum(range(1000))",
    "threading.Lock().acquire() and threading.Event().wait()",
    "open('pipe').read()",
)
_BELL = """
[alarms]
command = ["sh", "-c", 'printf "%s\\n" "$1" >> told', "bell"]
[safety]
restart_when_stuck = "10s"
"""


def standing(chance: random.Random) -> Alone:
    """The event loop stands: told from beside it, the process ends, and the next one sells."""
    kind = chance.choice(_STANDS)

    def play(stand: Stand) -> None:
        stand.configure(_BELL)
        os.mkfifo(stand.told.with_name("pipe"))
        stand.start(script=_STAND.format(stand=kind))
        stand.open()
        stand.touch("stand")
        time.sleep(0.2)
        stand.fall()
        untrue = "`status` said that it runs of a loop that stands"
        stand.within(STATUS_ROUNDS, lambda: not stand.shown_running(), untrue)
        stand.within(STATUS_ROUNDS, stand.told.exists, "nobody was alarmed")
        stand.within(STATUS_ROUNDS, lambda: stand.is_over, "the process did not end")
        stand.start()
        stand.sold(START_ROUNDS)

    return Alone(f"loop: {kind}", play)


def starved(chance: random.Random) -> Alone:
    """The process gets no more memory: it goes on, or ends and the next one sells."""
    more = chance.choice((0, 1, 8, 40)) << 20

    def play(stand: Stand) -> None:
        stand.start()
        stand.open()
        limit = _address_space(stand.pid) + more
        resource.prlimit(stand.pid, resource.RLIMIT_AS, (limit, limit))
        stand.within(
            STATUS_ROUNDS,
            lambda: stand.is_over or stand.shown_running(),
            "the process neither ended nor was well",
        )
        _wait_for_end(stand)
        _sold_whatever_happens(stand)

    return Alone(f"memory: {more >> 20} MB more, and none after that", play)


def _address_space(pid: int) -> int:
    """What a process has of it, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()
