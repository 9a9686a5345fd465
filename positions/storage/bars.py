"""Best bid and ask of each outcome that a node follows, as bars: for charts, never for decisions.

They are kept in a file of their own, by a thread of its own: one a second for an hour, and one a
minute for a month. What did not change has no bar of its own. A disk that stands still, or is full,
costs bars and nothing else.
"""

import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from positions.model.durations import DAY, HOUR, MINUTE, SECOND
from positions.model.instrument_book import InstrumentBook
from positions.storage.private_files import NotPrivate, open_file

NAME = "bars.sqlite"
STEPS = {"1s": SECOND, "1m": MINUTE}
_KEPT = {"1s": HOUR, "1m": 31 * DAY}
BARS_MAX = 5_000
"""Bars that are read at once."""
_BATCHES_MAX = 60
_PRUNE_EVERY = 60
_MICRO = 1_000_000
_TABLE = """CREATE TABLE IF NOT EXISTS "{step}" (
    outcome_id TEXT, time INTEGER, bid INTEGER, bid_low INTEGER, ask INTEGER, ask_high INTEGER,
    PRIMARY KEY (outcome_id, time)) WITHOUT ROWID"""
_ADD = """INSERT INTO "{step}" VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    bid = excluded.bid, bid_low = min(coalesce(bid_low, excluded.bid), excluded.bid_low),
    ask = excluded.ask, ask_high = max(coalesce(ask_high, excluded.ask), excluded.ask_high)"""
_Sample = tuple[str, int, Decimal | None, Decimal | None]


class Bar(Struct, frozen=True):
    """Bid and ask at the end of a stretch that begins at `time`, the lowest bid and the highest ask
    in it; in USDC per share, None where a side of the book was empty, and nanoseconds."""

    time: int
    bid: Decimal | None
    bid_low: Decimal | None
    ask: Decimal | None
    ask_high: Decimal | None


class BarWriter:
    """The node's side: looks at the books when it is asked to, and never waits."""

    def __init__(
        self,
        state: Path,
        books: Callable[[], Iterable[InstrumentBook]],
        now: Callable[[], int],
    ) -> None:
        self._path = state / NAME
        self._books, self._now = books, now
        self._last: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        self._queue: queue.Queue[list[_Sample]] = queue.Queue(_BATCHES_MAX)
        self._thread: threading.Thread | None = None
        self._count = 0

    def look(self) -> None:
        """Take over what changed since the last look; what the disk does not take is left out."""
        now, found = self._now(), []
        for book in tuple(self._books()):
            touch = (book.bid, book.ask)
            if touch != self._last.get(book.outcome_id) and book.quoted_at is not None:
                self._last[book.outcome_id] = touch
                found.append((book.outcome_id, now, *touch))
        if found:
            with suppress(queue.Full):
                self._queue.put_nowait(found)
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="bars", daemon=True)
            with suppress(RuntimeError):  # no thread can be started
                self._thread.start()

    def flush(self) -> None:
        """Wait until all that was seen is written."""
        self._queue.join()

    def _write_all(self) -> None:
        while True:
            batch = self._queue.get()
            try:
                self._write(batch)
            except (sqlite3.OperationalError, OSError, NotPrivate):
                pass  # a full disk, say: what is there stays, and the next batch is tried
            except sqlite3.Error:
                with suppress(OSError):  # it is damaged, and only for charts
                    self._path.unlink(missing_ok=True)
            finally:
                self._queue.task_done()

    def _write(self, batch: list[_Sample]) -> None:
        os.close(open_file(self._path, os.O_RDWR | os.O_CREAT))
        with closing(sqlite3.connect(self._path, timeout=1)) as file, file:
            for name, step in STEPS.items():
                file.execute(_TABLE.format(step=name))
                file.executemany(
                    _ADD.format(step=name),
                    [
                        (i, at // step * step, _int(bid), _int(bid), _int(ask), _int(ask))
                        for i, at, bid, ask in batch
                    ],
                )
                if self._count % _PRUNE_EVERY == 0:
                    before = batch[-1][1] - _KEPT[name]
                    file.execute(f'DELETE FROM "{name}" WHERE time < ?', (before,))
            self._count += 1


def read_bars(state: Path, outcome_id: str, step: str, since: int = 0) -> list[Bar]:
    """The bars of an outcome from a time on, the newest `BARS_MAX` of them, in the order of time;
    none where the node has kept none."""
    path = state / NAME
    if not path.is_file():
        return []
    sql = f"""SELECT time, bid, bid_low, ask, ask_high FROM "{step}"
        WHERE outcome_id = ? AND time >= ? ORDER BY time DESC LIMIT {BARS_MAX}"""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as file:
            rows = file.execute(sql, (outcome_id, since)).fetchall()
    except sqlite3.Error:  # being made, or damaged
        return []
    return [Bar(time, *map(_decimal, prices)) for time, *prices in reversed(rows)]


def _int(price: Decimal | None) -> int | None:
    return None if price is None else int(price * _MICRO)


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else (Decimal(value) / _MICRO).normalize()
