"""The node's record: `positions.duckdb`, which the running node alone has open.

Everything is written by one thread, which takes all that is queued, writes it in one transaction
and only then calls back: the event loop never waits for the disk. Facts are kept as they came, so
that applying a position's events again gives the position; its row is for people and for a quick
start. Money is DECIMAL, exact; times are nanoseconds since 1970 (TIMESTAMP_NS).
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from positions.commands import Command, Reply, encode_reply
from positions.desk import Alarm, Step
from positions.facts import AnyFact, OrderSent, OrderSigned
from positions.life import apply
from positions.position import Position, Role
from positions.record import fill, row, story, to_json
from positions.recovery import SignedOrder


class StoreError(RuntimeError):
    """The record cannot be used."""


_M001 = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE commands (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, received_at TIMESTAMP_NS NOT NULL,
    digest TEXT NOT NULL, body TEXT NOT NULL, reply TEXT NOT NULL);
CREATE TABLE positions (
    id TEXT PRIMARY KEY, market_id TEXT NOT NULL, market TEXT NOT NULL,
    outcome_id TEXT NOT NULL, outcome TEXT NOT NULL, status TEXT NOT NULL, phase TEXT NOT NULL,
    size DECIMAL(18, 6) NOT NULL, max_bid_price DECIMAL(9, 6) NOT NULL,
    sell_price DECIMAL(9, 6), stop_loss_price DECIMAL(9, 6), floor_price DECIMAL(9, 6) NOT NULL,
    entry_price DECIMAL(9, 6), filled_at TIMESTAMP_NS, volume DECIMAL(18, 6) NOT NULL,
    held DECIMAL(18, 6) NOT NULL, exit_price DECIMAL(9, 6), exit_time TIMESTAMP_NS,
    exit_reason TEXT, was_auto BOOLEAN, realized_pnl DECIMAL(18, 6) NOT NULL,
    fees DECIMAL(18, 6) NOT NULL, waiting_for TEXT, created_at TIMESTAMP_NS NOT NULL,
    updated_at TIMESTAMP_NS NOT NULL, body TEXT NOT NULL);
CREATE TABLE events (
    position_id TEXT NOT NULL, seq BIGINT NOT NULL, time TIMESTAMP_NS NOT NULL,
    kind TEXT NOT NULL, story TEXT NOT NULL, fact TEXT NOT NULL);
CREATE TABLE orders (
    order_id TEXT NOT NULL, position_id TEXT NOT NULL, role TEXT NOT NULL,
    price DECIMAL(9, 6) NOT NULL, shares DECIMAL(18, 6) NOT NULL, sent_at TIMESTAMP_NS NOT NULL,
    expected_hash TEXT);
CREATE TABLE fills (
    position_id TEXT NOT NULL, order_id TEXT NOT NULL, trade_id TEXT NOT NULL,
    time TIMESTAMP_NS NOT NULL, side TEXT NOT NULL, shares DECIMAL(18, 6) NOT NULL,
    price DECIMAL(9, 6) NOT NULL, fee DECIMAL(18, 6) NOT NULL, liquidity TEXT NOT NULL,
    role TEXT NOT NULL);
CREATE TABLE alarms (
    time TIMESTAMP_NS NOT NULL, position_id TEXT NOT NULL, kind TEXT NOT NULL,
    text TEXT NOT NULL, is_open BOOLEAN NOT NULL);
"""
_M002 = """
CREATE TABLE account (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
"""
MIGRATIONS = {"m001_initial": _M001, "m002_account": _M002}
"""Applied in order, each in one transaction with its own record; never changed once shipped."""

_POSITION_COLUMNS = (
    "id",
    "market_id",
    "market",
    "outcome_id",
    "outcome",
    "status",
    "phase",
    "size",
    "max_bid_price",
    "sell_price",
    "stop_loss_price",
    "floor_price",
    "entry_price",
    "filled_at",
    "volume",
    "held",
    "exit_price",
    "exit_time",
    "exit_reason",
    "was_auto",
    "realized_pnl",
    "fees",
    "waiting_for",
    "created_at",
    "updated_at",
    "body",
)
_TIMES = frozenset({"filled_at", "exit_time", "created_at", "updated_at", "time", "sent_at"})
_Row = tuple[Any, ...]


class Store:
    """The record of one state folder.

    Parameters
    ----------
    path
        The database file; made if missing.
    call
        Runs a function on the caller's own thread, such as `loop.call_soon_threadsafe`.
    on_failure
        Told, on the caller's thread, why nothing can be written, and "" once it can again.

    Raises
    ------
    StoreError
        If the file is no record, is in use, or comes from a newer version.
    """

    def __init__(
        self,
        path: Path,
        call: Callable[[Callable[[], None]], object],
        on_failure: Callable[[str], None],
    ) -> None:
        try:
            self._connection = duckdb.connect(str(path))
            _migrate(self._connection, path)
            self._inserts = _inserts(self._connection)
        except duckdb.Error as e:
            raise StoreError(f"{path} cannot be used: {str(e).splitlines()[0]}") from None
        self._path = path
        self._call = call
        self._on_failure = on_failure
        self._queue: list[tuple[str, _Row]] = []
        self._callbacks: list[Callable[[], None]] = []
        self._together: tuple[list[tuple[str, _Row]], list[Callable[[], None]]] | None = None
        self._condition = threading.Condition()
        self._writing = 0
        self._is_closing = False
        self.stamp: Callable[[], str] | None = None
        """Tells how far a recording is played, which is kept with whatever is recorded."""
        self.failure = ""
        """Why nothing can be written now; empty while it can."""
        self._thread = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._thread.start()

    # -- recording ---------------------------------------------------------------------------------

    def step(self, step: Step, on_commit: Callable[[], None] | None = None) -> None:
        """Record a fact and the position after it."""
        p, fact = step.position, step.fact
        told = story(p, fact)
        encoded = msgspec.json.encode(to_json(told)).decode()
        rows: list[tuple[str, _Row]] = [
            ("positions", _position_row(p)),
            ("events", (p.id, p.seq, fact.time, told["kind"], encoded, _encode(fact))),
        ]
        if isinstance(fact, OrderSent):
            o = fact.order
            sent = (o.price, o.shares, o.sent_at, o.venue_order_id)
            rows.append(("orders", (o.id, p.id, o.role.value, *sent)))
        elif isinstance(fact, OrderSigned):
            rows.append(("hashes", (fact.venue_order_id, fact.order_id)))
        filled = fill(p, fact)
        if filled is not None:
            rows.append(("fills", tuple(filled.values())))
        self._put(rows, on_commit)

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
            (rows, callbacks), self._together = self._together, None
            self._enqueue(rows, callbacks)

    def _put(
        self, rows: Iterable[tuple[str, _Row]], on_commit: Callable[[], None] | None = None
    ) -> None:
        callbacks = [] if on_commit is None else [on_commit]
        if self._together is None:
            self._enqueue(rows, callbacks)
        else:
            self._together[0].extend(rows)
            self._together[1].extend(callbacks)

    def _enqueue(
        self, rows: Iterable[tuple[str, _Row]], callbacks: list[Callable[[], None]]
    ) -> None:
        with self._condition:
            if self.stamp is not None:
                self._queue.append(("settings", ("cursor", self.stamp())))
            self._queue.extend(rows)
            self._callbacks.extend(callbacks)
            self._condition.notify()

    @property
    def pending(self) -> int:
        """Rows that are not on disk yet."""
        with self._condition:
            return len(self._queue) + self._writing

    def flush(self) -> None:
        """Wait until everything recorded so far is on disk, or cannot be written."""
        with self._condition:
            self._condition.wait_for(
                lambda: not self._writing and (not self._queue or bool(self.failure))
            )

    def close(self) -> None:
        """Write what is queued, if that can be, and give the file up."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self._thread.join()
        with suppress(duckdb.Error):  # what could not be written cannot be checkpointed either
            self._connection.close()

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._is_closing)
                if not self._queue:
                    return
                rows, self._queue = self._queue, []
                callbacks, self._callbacks = self._callbacks, []
                self._writing = len(rows)
            try:
                self._write(rows)
            except duckdb.Error as e:
                self._fail(str(e).splitlines()[0])
                with self._condition:
                    self._queue[:0], self._callbacks[:0] = _newest(rows), callbacks
                    self._writing = 0
                    self._condition.notify_all()
                    if self._condition.wait_for(lambda: self._is_closing, timeout=1.0):
                        return
                self._reopen(e)
                continue
            if self.failure:
                self.failure = ""
                self._call(lambda: self._on_failure(""))
            with self._condition:
                self._writing = 0
                self._condition.notify_all()
            for callback in callbacks:
                self._call(callback)

    def _fail(self, why: str) -> None:
        if why != self.failure:
            self.failure = why
            self._call(lambda: self._on_failure(why))

    def _reopen(self, error: duckdb.Error) -> None:
        """After a fatal error DuckDB refuses everything until the file is opened anew."""
        if isinstance(error, duckdb.FatalException):
            with suppress(duckdb.Error):
                self._connection.close()
                self._connection = duckdb.connect(str(self._path))

    def _write(self, rows: list[tuple[str, _Row]]) -> None:
        by_table: dict[str, dict[Any, _Row]] = {}
        for table, values in rows:
            kept = by_table.setdefault(table, {})
            # Of a table that is replaced by key, only the last row of each key matters.
            kept[values[: _REPLACED[table]] if table in _REPLACED else len(kept)] = values
        cursor = self._connection
        cursor.begin()
        try:
            # What changes a row of another table comes after that row.
            for table, kept in sorted(by_table.items(), key=lambda item: item[0] in _CHANGES):
                if table in _CHANGES:
                    for values in kept.values():
                        cursor.execute(_CHANGES[table], values)
                else:
                    columns = zip(*kept.values(), strict=True)
                    exact = [[str(v) if type(v) is Decimal else v for v in c] for c in columns]
                    cursor.execute(self._inserts[table], exact)
            cursor.commit()
        except BaseException:
            # A commit that failed has ended the transaction; why it failed is what must be told.
            with suppress(duckdb.Error):
                cursor.rollback()
            raise

    # -- reading -----------------------------------------------------------------------------------

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection to the same file, for another thread."""
        return self._connection.cursor()

    def open_positions(self) -> list[Position]:
        """The positions that are not over."""
        sql = """
            SELECT body FROM positions
            WHERE status = 'open' OR held > 0 OR NOT contains(body, '"orders":[]') ORDER BY id"""
        return [_decode_position(body) for (body,) in self.cursor().execute(sql).fetchall()]

    def signed_orders(self) -> list[SignedOrder]:
        """What the orders of positions that are not over were signed as, live and past ones."""
        found: list[SignedOrder] = []
        ids = [p.id for p in self.open_positions()]
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            sql = f"""
                SELECT order_id, expected_hash, role FROM orders
                WHERE expected_hash IS NOT NULL AND position_id IN ({", ".join("?" * len(part))})"""
            rows = self.cursor().execute(sql, part).fetchall()
            found += [SignedOrder(order_id, hash_, Role(role)) for order_id, hash_, role in rows]
        return found

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

    def events(self, position_id: str) -> list[tuple[int, AnyFact]]:
        """The facts of a position in their order, each with its number."""
        sql = "SELECT seq, fact FROM events WHERE position_id = ? ORDER BY seq"
        found = self.cursor().execute(sql, [position_id]).fetchall()
        return [(seq, msgspec.json.decode(fact, type=AnyFact)) for seq, fact in found]

    def replay(self, position_id: str) -> Position:
        """The position that its facts give; a gap in them is an error."""
        position: Position | None = None
        for number, (seq, fact) in enumerate(self.events(position_id), start=1):
            if seq != number:
                raise StoreError(f"event {number} of position {position_id} is missing")
            position = apply(position, fact)
        if position is None:
            raise StoreError(f"position {position_id} has no events")
        return position

    def commands(self) -> dict[str, tuple[str, bytes]]:
        """Every command acted on: id -> (digest of its content, reply)."""
        found = self.cursor().execute("SELECT id, digest, reply FROM commands").fetchall()
        return {command_id: (digest, reply.encode()) for command_id, digest, reply in found}

    def setting(self, name: str) -> str | None:
        """A setting that was recorded."""
        found = self.cursor().execute("SELECT value FROM settings WHERE name = ?", [name])
        value = found.fetchone()
        return None if value is None else str(value[0])


_REPLACED = {"positions": 1, "commands": 1, "settings": 1, "account": 2}
"""Tables whose rows are replaced by key, each with the number of columns of that key."""
_CHANGES = {
    "replies": "UPDATE commands SET reply = ? WHERE id = ?",
    "hashes": "UPDATE orders SET expected_hash = ? WHERE order_id = ?",
}
_SHAPES: dict[str, Sequence[str]] = {
    "positions": _POSITION_COLUMNS,
    "events": ("position_id", "seq", "time", "kind", "story", "fact"),
    "orders": (
        "order_id",
        "position_id",
        "role",
        "price",
        "shares",
        "sent_at",
        "expected_hash",
    ),
    "fills": (
        "position_id",
        "order_id",
        "trade_id",
        "time",
        "side",
        "shares",
        "price",
        "fee",
        "liquidity",
        "role",
    ),
    "alarms": ("time", "position_id", "kind", "text", "is_open"),
    "commands": ("id", "kind", "received_at", "digest", "body", "reply"),
    "settings": ("name", "value"),
    "account": ("kind", "id", "body"),
}
_INSTANTS = _TIMES | {"received_at"}


def lacking(path: Path, published: Path) -> int:
    """How many positions of a published copy have events that the record lacks.

    DuckDB opens a file whose write-ahead log is gone without a word, as it was at the last
    checkpoint.
    """
    sql = """
        WITH told AS (SELECT position_id, max(seq) AS seq FROM pub.events GROUP BY ALL),
            kept AS (SELECT position_id, max(seq) AS seq FROM events GROUP BY ALL)
        SELECT count(*) FROM told LEFT JOIN kept USING (position_id)
        WHERE kept.seq IS NULL OR kept.seq < told.seq"""
    try:
        with duckdb.connect(str(path)) as connection:
            quoted = str(published).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS pub (READ_ONLY)")
            found = connection.execute(sql).fetchone()
    except duckdb.Error:
        return 0  # there is no copy to compare with
    return int(found[0]) if found else 0


def copy_whole(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy everything that a connection sees, as of one moment, to a database of its own."""
    target.unlink(missing_ok=True)
    quoted = str(target).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS whole")
    try:
        found = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f'COPY FROM DATABASE "{found[0] if found else ""}" TO whole')
    finally:
        connection.execute("DETACH whole")


def copy_record(path: Path, target: Path) -> None:
    """Copy a record that nobody has open.

    Raises
    ------
    StoreError
        If it cannot be read, or the copy not be written.
    """
    try:
        with duckdb.connect(str(path)) as connection:
            _migrate(connection, path)
            copy_whole(connection, target)
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be copied: {str(e).splitlines()[0]}") from None


def note_sent_log(path: Path, content: str) -> None:
    """Put the notes of `sent.log` into a copy."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('sent_log', ?)", [content])


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a record that nobody has open; none if it is too young to have any.

    Raises
    ------
    StoreError
        If the file is no record.
    """
    try:
        with duckdb.connect(str(path)) as connection:
            _migrate(connection, path)
            return dict(connection.execute("SELECT name, value FROM settings").fetchall())
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be used: {str(e).splitlines()[0]}") from None


def _newest(rows: list[tuple[str, _Row]]) -> list[tuple[str, _Row]]:
    """The rows without those that later ones replace, so that what waits for a disk stays small."""
    kept: dict[Any, tuple[str, _Row]] = {}
    for number, (table, values) in enumerate(rows):
        key = (table, *values[: _REPLACED[table]]) if table in _REPLACED else number
        kept.pop(key, None)
        kept[key] = (table, values)
    return list(kept.values())


def _inserts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """For each table, the statement that inserts any number of rows, given column by column.

    Their number is no part of the text: DuckDB takes longer to read a statement that lists a
    thousand values than to store them.
    """
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
    )
    types = {(table, column): kind for table, column, kind in found.fetchall()}
    made = {}
    for table, columns in _SHAPES.items():
        values = ", ".join(
            "make_timestamp_ns(unnest(?::BIGINT[]))"
            if c in _INSTANTS
            else f"unnest(?::{types[table, c]}[])"
            for c in columns
        )
        verb = "INSERT OR REPLACE" if table in _REPLACED else "INSERT"
        made[table] = f"{verb} INTO {table} ({', '.join(columns)}) SELECT {values}"
    return made


def _position_row(p: Position) -> _Row:
    values = row(p, None, p.floor_price) | {"body": _encode(p)}
    return tuple(values[name] for name in _POSITION_COLUMNS)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decode_position(body: str) -> Position:
    return msgspec.json.decode(body, type=Position)


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    unknown = sorted(applied - set(MIGRATIONS))
    if unknown:
        raise StoreError(f"{path} comes from a newer version of polybracket ({unknown[0]})")
    for name, sql in MIGRATIONS.items():
        if name not in applied:
            connection.begin()
            for statement in sql.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?)", [name])
            connection.commit()
