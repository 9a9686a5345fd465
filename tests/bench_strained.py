"""From a quote's bytes to `POST /order` while the node is under strain.

A terminal that stands still, a slow disk, a story to be told, a flood of files: each is compared
with calm in the same run.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from trading import Session, trade

from positions.operations.console import Console
from positions.storage.spool import uuid7

SYNC_SECONDS = 0.05
LINES = 5_000
FILES = 50_000
_UNASKED = b'{"command":"cancel","position_id":"%s"}' % uuid7().encode()


@contextmanager
def _stalled(s: Session, lines: int = 0) -> Iterator[None]:
    """The terminal takes nothing; so many lines wait for it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    calm, s.node._terminal.out = s.node._terminal.out, Console(writer, None)
    for number in range(lines):
        s.node._terminal.say(lambda n=number: f"line {n}")  # type: ignore[misc]
    try:
        yield
    finally:
        s.node._terminal.out = calm
        os.close(reader)


@contextmanager
def _slow_disk(s: Session) -> Iterator[None]:
    """Every sync of ours takes long, and commands are queued to be answered."""
    sync, ended = os.fsync, threading.Event()

    def slow(file: int) -> None:
        time.sleep(SYNC_SECONDS)
        sync(file)

    def ask() -> None:
        while not ended.wait(0.02):
            _queue(s, [_UNASKED])

    os.fsync = slow
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()
        os.fsync = sync


@contextmanager
def _flooded(s: Session) -> Iterator[None]:
    """The queue is full of what is no command."""
    _queue(s, [b'{"command":"buy"}'] * FILES)
    yield


def _queue(s: Session, contents: list[bytes]) -> None:
    """Have files in the queue at once, without a sync."""
    spool = s.state / "spool"
    names = [f"{uuid7()}.json" for _ in contents]
    for name, content in zip(names, contents, strict=True):
        (spool / "tmp" / name).write_bytes(content)
    for name in names:
        (spool / "tmp" / name).rename(spool / "new" / name)


def strained(venue: Any, samples: int) -> dict[str, list[float]]:
    """Our exits, calm and under each strain."""
    from bench_live import CALM, _timed

    figures: dict[str, list[float]] = {}

    async def script(s: Session) -> None:
        strains: dict[str, AbstractContextManager[None]] = {
            "our exit, calm": nullcontext(),
            "a terminal that stands still": _stalled(s),
            f"a disk of {SYNC_SECONDS * 1000:.0f} ms a sync": _slow_disk(s),
            f"{LINES} lines of the story waiting": _stalled(s, LINES),
            f"{FILES} files in the queue": _flooded(s),
        }
        for number, (name, strain) in enumerate(strains.items()):
            markets = [venue.add_market(f"strained-{number}-{n}") for n in range(samples)]
            for market in markets:
                await asyncio.to_thread(venue.quote, market.tokens[0], **CALM)
                p = await s.submit(market, "0.55", "20", stop_loss_price="0.45")
                await s.held(p, "20")
            taken = figures.setdefault(f"{name}, against calm", [])
            await asyncio.to_thread(strain.__enter__)
            for market in markets:
                taken += await _timed(venue, market.tokens[0])
                await asyncio.sleep(0.05)
            await asyncio.to_thread(strain.__exit__, None, None, None)

    with tempfile.TemporaryDirectory() as state:
        trade(venue, Path(state), script, cash="1000000")
    return figures
