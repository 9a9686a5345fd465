"""The node's record: `positions.duckdb`, which the running node alone has open.

Everything is written by one thread, which takes all that is queued, writes it in one transaction
and only then calls back: the event loop never waits for the disk. Events are kept as they came, so
that applying a position's events again gives the position; its row is for people and for a quick
start. Money is DECIMAL, exact; times are nanoseconds since 1970 (TIMESTAMP_NS).
"""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from positions.commands.messages import Command, Reply, encode_reply
from positions.engine.effects import Alarm, Step
from positions.engine.lifecycle import phase_of
from positions.engine.transitions import apply
from positions.model.events import AnyEvent, OrderSent, OrderSigned
from positions.model.formatting import to_json
from positions.model.orders import SignedOrder, is_order_id, is_venue_order_id
from positions.model.position import Position, Role
from positions.model.soundness import check
from positions.model.venue_rules import FREE
from positions.storage.database import connect, in_words
from positions.storage.patience import ends_within
from positions.storage.private_files import open_file
from positions.storage.rows import fill, row, story
from positions.storage.salvage import salvage
from positions.storage.schema import (
    CHANGES,
    POSITION_COLUMNS,
    REPLACED,
    Row,
    StoreError,
    migrate,
    writes,
)

UNWRITABLE = "unwritable.jsonl"
"""Beside the record: the rows that its columns cannot hold, each as text."""
_KEY_CHARACTERS = 60
_GATHER_SECONDS = 0.01
"""So long what nobody waits for may wait for more."""
_LOOK_SECONDS = 1.0
"""So often it is looked whether the file is still in its place while nothing is written."""
DISPLACED = "positions.duckdb was removed or replaced; export the record before the node stops"
_ROLES = frozenset(Role)
_OPEN = """(status = 'open' OR held > 0 OR NOT contains(body, '"orders":[]'))"""
_LATELY = """
    epoch_ns(updated_at) > (SELECT max(epoch_ns(updated_at)) FROM positions) - 3_600_000_000_000"""
"""Within the record's last hour: a trade settles, or fails to, within minutes."""
_FORGOTTEN = """
    SELECT id FROM commands WHERE kind IN ('submit', 'adopt')
        AND CASE WHEN json_valid(reply) THEN reply->>'status' END = 'accepted'
        AND id NOT IN (SELECT id FROM positions)
        AND id NOT IN (SELECT position_id FROM events)"""


class _Waiter(Struct):
    """Who is called back once some rows are on disk, or one of them can never be."""

    rows: Sequence[tuple[str, Row]]
    on_commit: Callable[[], None]
    on_lost: Callable[[], None]

    def call(self, lost: list[Row]) -> Callable[[], None]:
        """What is to be called."""
        is_lost = any(values is row for _, values in self.rows for row in lost)
        return self.on_lost if is_lost else self.on_commit


class Store:
    """The record of one state folder.

    `call` runs a function on the caller's thread, such as `loop.call_soon_threadsafe`; `on_failure`
    is called there with why nothing can be written, and with "" once it can again. Raises
    StoreError if the file is no record, is in use, or comes from a newer version.
    """

    def __init__(
        self,
        path: Path,
        call: Callable[[Callable[[], None]], object],
        on_failure: Callable[[str], None],
    ) -> None:
        try:
            self._connection = connect(path)
            migrate(self._connection, path)
            self._writes = writes(self._connection)
        except duckdb.Error as e:
            raise StoreError(f"{path} cannot be used: {in_words(e)}") from None
        self._path = path
        self._file = _identity(path)
        self._call = call
        self._on_failure = on_failure
        self._queue: list[tuple[str, Row]] = []
        self._waiters: list[_Waiter] = []
        self._together: tuple[list[tuple[str, Row]], list[_Waiter]] | None = None
        self._condition = threading.Condition()
        self._unreadable: set[str] = set()
        self._lost: list[Row] = []
        """Of the rows that are being written, those that can never be."""
        self._writing = 0
        self._is_closing = self._is_flushed = False
        self.stamp: Callable[[], str] | None = None
        """Tells how far a recording is played, which is kept with whatever is recorded."""
        self.failure = ""
        """Why nothing can be written now; empty while it can."""
        self.on_set_aside: Callable[[str], None] = lambda _: None
        """Told, on the caller's thread, of what can never be written, or not be read."""
        self.thread = threading.Thread(target=self._write_all, name="store", daemon=True)
        self.thread.start()

    # -- recording ---------------------------------------------------------------------------------

    def step(
        self,
        step: Step,
        on_commit: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Record an event and the position after it.

        Call `on_commit` once that is on disk, or `on_lost` if a part of it can never be; None =
        alike.
        """
        p, event = step.position, step.event
        description = story(p, event)
        encoded = msgspec.json.encode(to_json(description)).decode()
        rows: list[tuple[str, Row]] = [
            ("positions", _position_row(p)),
            ("events", (p.id, p.seq, event.time, description["kind"], encoded, _encode(event))),
        ]
        if isinstance(event, OrderSent):
            o = event.order
            sent = (o.price, o.shares, o.sent_at, o.venue_order_id)
            rows.append(("orders", (o.id, p.id, o.role.value, *sent)))
        elif isinstance(event, OrderSigned):
            rows.append(("hashes", (event.venue_order_id, event.order_id)))
        filled = fill(p, event)
        if filled is not None:
            rows.append(("fills", tuple(filled.values())))
        self._put(rows, on_commit, on_lost)

    def command(
        self,
        command: Command,
        reply: Reply,
        on_commit: Callable[[], None] | None = None,
    ) -> None:
        """Record a command with its reply."""
        kind, answer = type(command).__name__.lower(), encode_reply(reply).decode()
        row = (command.id, kind, reply.time, command.digest, _encode(command), answer)
        self._put([("commands", row)], on_commit)

    def late_reply(self, reply: Reply, on_commit: Callable[[], None] | None = None) -> None:
        """Record the last reply to a command whose work went on."""
        self._put([("replies", (encode_reply(reply).decode(), reply.id))], on_commit)

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm that opened or is over."""
        row = (alarm.time, alarm.position_id, alarm.kind, alarm.text, alarm.is_open)
        self._put([("alarms", row)])

    def set(self, name: str, value: str) -> None:
        """Record a setting that must outlive the node."""
        self._put([("settings", (name, value))])

    def account(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Record parts of a simulated account: kind, id and content; "" when it is gone."""
        self._put([("account", entry) for entry in entries])

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit all that is recorded inside at once: after a crash all of it is there, or none."""
        self._together = ([], [])
        try:
            yield
        finally:
            (rows, waiters), self._together = self._together, None
            self._enqueue(rows, waiters)

    def _put(
        self,
        rows: Sequence[tuple[str, Row]],
        on_commit: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        waiters = [] if on_commit is None else [_Waiter(rows, on_commit, on_lost or on_commit)]
        if self._together is None:
            self._enqueue(rows, waiters)
        else:
            self._together[0].extend(rows)
            self._together[1].extend(waiters)

    def _enqueue(self, rows: Iterable[tuple[str, Row]], waiters: list[_Waiter]) -> None:
        with self._condition:
            if self.stamp is not None:
                self._queue.append(("settings", ("cursor", self.stamp())))
            self._queue.extend(rows)
            self._waiters.extend(waiters)
            self._condition.notify()

    @property
    def pending(self) -> int:
        """Rows that are not on disk yet."""
        with self._condition:
            return len(self._queue) + self._writing

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until everything recorded so far is on disk, or cannot be written; whether that came
        within so many seconds, None = however long it takes.
        """
        with self._condition:
            self._is_flushed = True
            self._condition.notify_all()
            return self._condition.wait_for(
                lambda: not self._writing and (not self._queue or bool(self.failure)), seconds
            )

    def close(self, seconds: float | None = None) -> bool:
        """Write what is queued, if that can be, and give the file up; whether that was done within
        so many seconds. If not, the process' end gives it up.
        """
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self.thread.join(seconds)
        if self.thread.is_alive():
            return False
        if seconds is None:
            self._close()
            return True
        return ends_within(seconds, self._close)

    def _close(self) -> None:
        with suppress(duckdb.Error):  # what could not be written cannot be checkpointed either
            self._connection.close()

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._is_closing, _LOOK_SECONDS)
                if self._is_closing and not self._queue:
                    return
                # What nobody waits for is written with what comes next: a commit costs more
                # than its rows.
                self._condition.wait_for(
                    lambda: self._waiters or self._is_flushed or self._is_closing, _GATHER_SECONDS
                )
                self._is_flushed = False
                rows, self._queue = self._queue, []
                waiters, self._waiters = self._waiters, []
                self._writing = len(rows)
            try:
                self._write_or_set_aside(rows)
            except Exception as e:  # nothing may end this thread
                self._fail(_first_line(e))
                with self._condition:
                    self._queue[:0], self._waiters[:0] = _newest(rows), waiters
                    self._writing = 0
                    self._condition.notify_all()
                    if self._condition.wait_for(lambda: self._is_closing, timeout=1.0):
                        return
                self._reopen(e)
                continue
            # What is written to a file that has no name any more goes with the process.
            self._fail("" if self._is_in_place() else DISPLACED)
            with self._condition:
                self._writing = 0
                self._condition.notify_all()
            lost, self._lost = self._lost, []
            for waiter in waiters:
                self._call(waiter.call(lost))

    def _is_in_place(self) -> bool:
        return _identity(self._path) == self._file

    def _fail(self, why: str) -> None:
        if why != self.failure:
            self.failure = why
            self._call(lambda: self._on_failure(why))

    def _write_or_set_aside(self, rows: list[tuple[str, Row]]) -> None:
        """Write all rows but those that can never be written: these are kept as text.

        What fails for the disk, or for the database as a whole, is raised, to be tried again with
        what is left in `rows` then.
        """
        count = len(rows)
        while rows:
            part = rows[:count]
            try:
                self._write(part)
            except (
                MemoryError,
                duckdb.OperationalError,
                duckdb.FatalException,
                duckdb.InternalError,
            ):
                raise
            except Exception as e:  # one of the rows cannot be what its columns hold
                if len(part) > 1:
                    count = len(part) // 2
                    continue
                ((table, values),) = part
                self._set_aside(table, values, _first_line(e))
                self._lost.append(values)
            del rows[: len(part)]
            count *= 2

    def _set_aside(self, table: str, values: Row, why: str) -> None:
        entry = {"table": table, "why": why, "row": [_text(v) for v in values]}
        path = self._path.parent / UNWRITABLE
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(open_file(path, flags), "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(entry)}\n")
        if table != "alarms":  # of which another one would be raised
            key = _text(values[0])[:_KEY_CHARACTERS] if values else ""
            self._call(lambda: self.on_set_aside(f"a row of {table} ({key}): {why}"))

    def _reopen(self, error: Exception) -> None:
        """After a fatal error DuckDB refuses everything until the file is opened anew."""
        if isinstance(error, duckdb.FatalException) and self._is_in_place():
            with suppress(duckdb.Error):
                self._connection.close()
                self._connection = connect(self._path)

    def _write(self, rows: list[tuple[str, Row]]) -> None:
        by_table: dict[str, dict[Any, Row]] = {}
        for table, values in rows:
            newest = by_table.setdefault(table, {})
            # Of a table that is replaced by key, only the last row of each key matters.
            newest[values[: REPLACED[table]] if table in REPLACED else len(newest)] = values
        cursor = self._connection
        cursor.begin()
        try:
            # What changes a row of another table comes after that row.
            for table, newest in sorted(by_table.items(), key=lambda item: item[0] in CHANGES):
                if table in CHANGES:
                    for values in newest.values():
                        cursor.execute(CHANGES[table], values)
                else:
                    exact = [[_exact(value) for value in row] for row in newest.values()]
                    statements, given = self._writes[table].one, exact[0]
                    if len(exact) > 1:
                        statements = self._writes[table].many
                        given = [list(column) for column in zip(*exact, strict=True)]
                    left = len(exact)
                    for statement in statements:
                        if left:
                            (written,) = cursor.execute(statement, given).fetchall()[0]
                            left -= written
            cursor.commit()
        except BaseException:
            # A commit that failed has ended the transaction; why it failed must be reported.
            with suppress(duckdb.Error):
                cursor.rollback()
            raise

    # -- reading -----------------------------------------------------------------------------------

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection to the same file, for another thread."""
        return self._connection.cursor()

    def open_positions(self) -> list[Position]:
        """The positions that are not over; of a row that cannot be read, what its events give."""
        for (position_id,) in self.cursor().execute(_FORGOTTEN).fetchall():
            text = f"nothing is left of position {position_id[:_KEY_CHARACTERS]} but its command"
            self._tell_once(position_id, f"{text}; it is NOT protected")
        return self._positions(_OPEN)

    def lately_over(self) -> list[Position]:
        """Those that were over only just before the record ends: a trade of theirs may have failed
        to settle since, and shares that were sold be there again."""
        return self._positions(f"NOT ({_OPEN}) AND {_LATELY}", "false")

    def _positions(self, which: str, without_row: str = "true") -> list[Position]:
        sql = f"""
            SELECT id, body, (SELECT max(seq) FROM events WHERE position_id = id)
            FROM (SELECT id, body FROM positions WHERE {which}
                UNION ALL SELECT DISTINCT position_id, '' FROM events
                ANTI JOIN positions ON id = position_id WHERE {without_row}) ORDER BY id"""
        rows = self.cursor().execute(sql).fetchall()
        positions = [self._restored(*row) for row in rows]
        return [p for p in positions if p is not None]

    def _restored(self, position_id: str, body: str, seq: int | None) -> Position | None:
        """The position of a row, "" where there is none, whose last event has this number.

        Nothing that a row holds may keep the others from being read.
        """
        p: Position | None
        try:
            p = _decode_position(body)
            check(p)
            if p.id != position_id:
                raise ValueError(f"it is that of {p.id[:_KEY_CHARACTERS]}")
            if p.seq != seq:
                self._tell_once(position_id, _without_events(p, seq))
        except Exception as e:
            p, text = salvage(self.cursor(), self.replay, position_id, e)
            self._tell_once(position_id, text)
        return None if p is None else replace(p, phase=phase_of(p))

    def _tell_once(self, position_id: str, text: str) -> None:
        if position_id not in self._unreadable:
            self._unreadable.add(position_id)
            self._call(lambda: self.on_set_aside(text))

    def signed_orders(self) -> list[SignedOrder]:
        """What the orders of these positions were signed as, live and past ones."""
        orders: list[SignedOrder] = []
        ids = [p.id for p in self._positions(f"{_OPEN} OR {_LATELY}")]
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            sql = f"""
                SELECT order_id, expected_hash, role FROM orders
                WHERE expected_hash IS NOT NULL AND position_id IN ({", ".join("?" * len(part))})"""
            rows = self.cursor().execute(sql, part).fetchall()
            orders += [
                SignedOrder(order_id, hash_, Role(role))
                for order_id, hash_, role in rows
                if role in _ROLES and is_order_id(order_id) and is_venue_order_id(hash_)
            ]
        return orders

    def account_entries(self) -> list[tuple[str, str, str]]:
        """The simulated account: kind, id and content of each part; of trades those not booked."""
        sql = """
            SELECT kind, id, body FROM account WHERE body <> '' AND
            (kind <> 'trade' OR id NOT IN (SELECT trade_id FROM fills)) ORDER BY kind, id"""
        return self.cursor().execute(sql).fetchall()

    def known_orders(self) -> frozenset[str]:
        """What the venue may know our live orders by."""
        orders = [order for p in self.open_positions() for order in p.orders]
        return frozenset(o.venue_order_id for o in orders if o.venue_order_id is not None)

    def events(self, position_id: str) -> list[tuple[int, AnyEvent]]:
        """The events of a position in their order, each with its number."""
        sql = "SELECT seq, fact FROM events WHERE position_id = ? ORDER BY seq"
        rows = self.cursor().execute(sql, [position_id]).fetchall()
        return [(seq, msgspec.json.decode(event, type=AnyEvent)) for seq, event in rows]

    def replay(self, position_id: str) -> Position:
        """The position that its events give; a gap in them is an error."""
        position: Position | None = None
        for number, (seq, event) in enumerate(self.events(position_id), start=1):
            if seq != number:
                raise StoreError(f"event {number} of position {position_id} is missing")
            position = apply(position, event)
        if position is None:
            raise StoreError(f"position {position_id} has no events")
        return position

    def commands(self) -> dict[str, tuple[str, bytes]]:
        """Every command acted on: id -> (digest of its content, reply)."""
        rows = self.cursor().execute("SELECT id, digest, reply FROM commands").fetchall()
        return {command_id: (digest, reply.encode()) for command_id, digest, reply in rows}

    def setting(self, name: str) -> str | None:
        """A setting that was recorded."""
        rows = self.cursor().execute("SELECT value FROM settings WHERE name = ?", [name])
        value = rows.fetchone()
        return None if value is None else str(value[0])


def _newest(rows: list[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """The rows without those that later ones replace, so that what waits for a disk stays small."""
    newest: dict[Any, tuple[str, Row]] = {}
    for number, (table, values) in enumerate(rows):
        key = (table, *values[: REPLACED[table]]) if table in REPLACED else number
        newest.pop(key, None)
        newest[key] = (table, values)
    return list(newest.values())


def _identity(path: Path) -> tuple[int, int] | None:
    """What file this is; None where there is none that can be reached."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _position_row(p: Position) -> Row:
    values = row(p, None, FREE) | {"body": _encode(p)}
    values["terms"] = _encode(values["terms"])
    return tuple(values[name] for name in POSITION_COLUMNS)


def _first_line(e: Exception) -> str:
    return next(iter(str(e).splitlines()), type(e).__name__)


def _without_events(p: Position, seq: int | None) -> str:
    last = f"its last is {seq}" if seq is not None else "it has none"
    return f"events of position {p.id} are missing: its row names {p.seq}, {last}; its row counts"


def _exact(value: Any) -> Any:
    return str(value) if type(value) is Decimal else value


def _text(value: object) -> str:
    return repr(value) if not isinstance(value, str) else value


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decode_position(body: str) -> Position:
    return msgspec.json.decode(body, type=Position)
