"""Makes the copy of the record that everyone but the node reads: `published.duckdb`.

The node's own file cannot be opened by another process, so once a second, and when it stops, the
node writes a small copy aside and renames it: what is open with its current price and estimated
profit, what closed lately, the events and fills of those, the markets, and the node's heartbeat.
The copy made when it stops holds the whole history; while it runs, the whole is copied to
`history.duckdb` when a reader asks for it. Nothing outside can block the node.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from msgspec import Struct, field

from positions.engine.engine import Engine
from positions.model.instrument_book import InstrumentBook
from positions.model.position import Position
from positions.model.venue_rules import FeeSchedule
from positions.storage.backup import COPY, WANTED
from positions.storage.patience import HUNG, HUNG_SECONDS, ends_within
from positions.storage.pulse import Pulse
from positions.storage.record_copies import copy_whole
from positions.storage.rows import unrealized_pnl
from positions.storage.snapshot import HISTORY_WANTED, RECENT_POSITIONS

RECENT_STORIES = 500
"""Positions that are over and still published with their events and fills."""
RECENT_ALARMS = 500
DEPTH = 20
"""Bids of an outcome that are published, best first."""

_TABLES = """
CREATE TABLE pub.node (
    mode TEXT, pid INTEGER, started_at TIMESTAMP_NS, heartbeat TIMESTAMP_NS,
    market_time TIMESTAMP_NS, catalog TEXT, is_synthetic BOOLEAN, is_halted BOOLEAN,
    cash DECIMAL(18, 6), redeemable DECIMAL(18, 6), open_positions INTEGER,
    loop_lag BIGINT, undecided BIGINT, rate_limit TEXT, staked DECIMAL(18, 6),
    reserved DECIMAL(18, 6), default_stake DECIMAL(18, 6),
    max_stake_per_position DECIMAL(18, 6), max_total_stake DECIMAL(18, 6));
CREATE TABLE pub.markets (
    market_id TEXT, slug TEXT, question TEXT, outcome_id TEXT, outcome TEXT,
    bid DECIMAL(9, 6), bid_size DECIMAL(18, 6), ask DECIMAL(9, 6), ask_size DECIMAL(18, 6),
    tick DECIMAL(9, 6), minimum_size DECIMAL(18, 6), fee_rate DECIMAL(9, 6),
    quoted_at TIMESTAMP_NS, payout DECIMAL(9, 6), ends_at TIMESTAMP_NS, last DECIMAL(9, 6),
    problem TEXT, bids TEXT);
CREATE TABLE pub.marks (
    id TEXT, current_price DECIMAL(9, 6), unrealized_pnl DECIMAL(18, 6));
CREATE TABLE pub.live_orders (
    order_id TEXT, position_id TEXT, role TEXT, price DECIMAL(9, 6), shares DECIMAL(18, 6),
    filled DECIMAL(18, 6), state TEXT, sent_at TIMESTAMP_NS, expires_at TIMESTAMP_NS,
    venue_order_id TEXT);
CREATE TABLE pub.open_alarms (position_id TEXT, kind TEXT, text TEXT);
"""
_COPY = """
CREATE TABLE pub.positions AS
    SELECT p.* EXCLUDE (body), m.current_price, m.unrealized_pnl
    FROM positions p LEFT JOIN pub.marks m USING (id)
    WHERE status = 'open' OR id IN (
        SELECT id FROM positions WHERE status <> 'open'
        ORDER BY updated_at DESC LIMIT {positions});
DROP TABLE pub.marks;
CREATE TEMP TABLE recent AS
    SELECT id FROM positions WHERE status = 'open'
    UNION SELECT id FROM (
        SELECT id FROM positions WHERE status <> 'open'
        ORDER BY updated_at DESC LIMIT {stories});
CREATE TABLE pub.events AS
    SELECT position_id, seq, time, kind, story FROM events
    WHERE position_id IN (SELECT id FROM recent);
CREATE TABLE pub.fills AS
    SELECT * FROM fills WHERE position_id IN (SELECT id FROM recent) ORDER BY rowid;
CREATE TABLE pub.orders AS
    SELECT * FROM orders WHERE position_id IN (SELECT id FROM recent) ORDER BY rowid;
DROP TABLE recent;
CREATE TABLE pub.alarms AS SELECT * FROM alarms ORDER BY rowid DESC LIMIT {alarms};
"""
_RECENT = _COPY.format(positions=RECENT_POSITIONS, stories=RECENT_STORIES, alarms=RECENT_ALARMS)
_WHOLE = _COPY.format(positions="ALL", stories="ALL", alarms="ALL")


class NodeRow(Struct, frozen=True):
    """What does not change of a running node."""

    mode: str
    catalog: str
    is_synthetic: bool
    pid: int = field(default_factory=os.getpid)
    started_at: int = field(default_factory=time.time_ns)


class SnapshotWriter:
    """The node's side: makes the copies, on a thread of its own.

    The engine is read on the caller's thread. The event loop's signs of life come from the `pulse`:
    a copy made by a live thread must not hide a dead loop.
    """

    def __init__(
        self,
        state: Path,
        cursor: Callable[[], duckdb.DuckDBPyConnection],
        engine: Engine,
        redeemable: Callable[[], Decimal],
        market_time: Callable[[], int],
        about: NodeRow,
        own_alarms: Callable[[], list[tuple[str, str, str]]],
        pulse: Pulse,
    ) -> None:
        self._state = state
        self._path = state / "published.duckdb"
        self._history = state / "history.duckdb"
        self._wanted = state / HISTORY_WANTED
        self._cursor = cursor
        self._engine = engine
        self._redeemable = redeemable
        self._market_time = market_time
        self._about = about
        self._own_alarms = own_alarms
        self._pulse = pulse
        self._thread: threading.Thread | None = None
        self._begun = 0.0
        self._failure = ""

    def trouble(self) -> str:
        """Why the copy cannot be written now, "" while it can."""
        is_busy = self._thread is not None and self._thread.is_alive()
        is_stuck = is_busy and time.monotonic() - self._begun > HUNG_SECONDS
        return HUNG if is_stuck else self._failure

    def publish(self) -> None:
        """Begin a copy, unless the last one is still being made."""
        if self._thread is None or not self._thread.is_alive():
            rows = self._rows()
            self._begun = time.monotonic()
            # A disk that stands still must not keep the process from ending.
            self._thread = threading.Thread(
                target=self._copies, args=(rows,), name="published", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError as e:  # no thread can be started: the next beat tries again
                self._thread, self._failure = None, str(e)

    def publish_last(self, seconds: float | None = None) -> bool:
        """Make the copy that stays when the node has stopped, with the whole history; whether the
        disk took it within so many seconds, None = however long that takes.
        """
        begun = time.monotonic()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
        if seconds is None:
            self._copy_last(self._rows())
            return True
        left = max(0.0, seconds - (time.monotonic() - begun))
        return ends_within(left, partial(self._copy_last, self._rows()))

    def _copy_last(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        with suppress(duckdb.Error, OSError):
            self._copy(self._path, _WHOLE, rows)
        with suppress(OSError):
            self._history.unlink(missing_ok=True)

    def _rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """What the event loop knows; what can be computed from it is left to the thread."""
        engine, about = self._engine, self._about
        held = []
        for p in engine.open_positions():
            m = engine.markets[p.outcome_id]
            held.append((p, m.bid if m.payout is None else m.payout, m.fee))
        node = (
            about.mode,
            about.pid,
            about.started_at,
            self._pulse.beaten_at,
            self._market_time(),
            about.catalog,
            about.is_synthetic,
            engine.halted,
            engine.cash,
            self._redeemable(),
            len(held),
            self._pulse.lag,
            self._pulse.undecided(),
            engine.rate_limit,
            engine.exposure.staked,
            engine.exposure.reserved,
            engine.limits.default_stake,
            engine.limits.max_stake_per_position,
            engine.limits.max_total_stake,
        )
        return {
            "node": [node],
            "markets": [_market_row(m) for m in engine.markets.values()],
            "marks": held,
            "live_orders": held,
            "open_alarms": [*engine.open_alarms(), *self._own_alarms()],
        }

    def _copies(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        try:
            self._copy(self._path, _RECENT, rows)
        except Exception as e:  # the next beat tries again; readers see the age of what they read
            self._failure = next(iter(str(e).splitlines()), type(e).__name__)
            return
        self._failure = ""
        if self._wanted.is_file():
            with suppress(duckdb.Error, OSError):
                self._copy(self._history, _WHOLE, rows)
            self._wanted.unlink(missing_ok=True)
        if (self._state / WANTED).is_file():
            self._back_up()

    def _back_up(self) -> None:
        aside = self._state / "backup.tmp"
        cursor = self._cursor()
        try:
            copy_whole(cursor, aside)
            aside.replace(self._state / COPY)
            (self._state / WANTED).unlink(missing_ok=True)
        except (duckdb.Error, OSError):
            aside.unlink(missing_ok=True)  # the next beat tries again
        finally:
            cursor.close()

    def _copy(self, path: Path, selection: str, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        aside = path.with_suffix(".tmp")
        _make_way(aside)
        aside.unlink(missing_ok=True)
        cursor = self._cursor()
        try:
            cursor.execute(f"ATTACH '{_quoted(aside)}' AS pub")
            try:
                for statement in _TABLES.split(";"):
                    cursor.execute(statement)
                for table, values in rows.items():
                    _insert(cursor, table, _MADE_OF_HELD.get(table, list)(values))
                for statement in selection.split(";"):
                    cursor.execute(statement)
            finally:
                cursor.execute("DETACH pub")
            _make_way(path)
            aside.replace(path)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        finally:
            cursor.close()


def _make_way(path: Path) -> None:
    """Move a folder aside that stands where a file belongs: what is in it may be somebody's."""
    if path.is_dir():
        path.rename(path.with_name(f"{path.name}.{time.time_ns()}"))


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


_MARKET = (
    "market_id slug question outcome_id outcome bid bid_size ask ask_size tick minimum_size"
    " fee_rate quoted_at payout closes_at last feed_problem"
)
_TIME_COLUMNS = {"node": {2, 3, 4}, "markets": {12, 14}, "live_orders": {7, 8}}


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    times = _TIME_COLUMNS.get(table, set())
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        marks = ", ".join(
            "make_timestamp_ns(?)" if i in times else "?" for i in range(len(part[0]))
        )
        values = ", ".join([f"({marks})"] * len(part))
        cursor.execute(f"INSERT INTO pub.{table} VALUES {values}", [v for r in part for v in r])


def _marks(
    held: list[tuple[Position, Decimal | None, FeeSchedule]],
) -> list[tuple[str, Decimal | None, Decimal | None]]:
    """What each open position would bring now."""
    return [(p.id, price, unrealized_pnl(p, price, fee)) for p, price, fee in held]


def _live_orders(
    held: list[tuple[Position, Decimal | None, FeeSchedule]],
) -> list[tuple[Any, ...]]:
    """What works for each open position, or may."""
    return [
        (o.id, p.id, *(getattr(o, name) for name in _ORDER)) for p, *_ in held for o in p.orders
    ]


_ORDER = ["role", "price", "shares", "filled", "state", "sent_at", "expires_at", "venue_order_id"]
_MADE_OF_HELD: dict[str, Callable[..., list[tuple[Any, ...]]]] = {
    "marks": _marks,
    "live_orders": _live_orders,
}
"""What the thread computes from the positions that are open."""


def _market_row(m: InstrumentBook) -> tuple[Any, ...]:
    bids = msgspec.json.encode(m.bids[:DEPTH]).decode()
    return (*(getattr(m, name) for name in _MARKET.split()), bids)
