"""The shape of the record: its tables, their migrations, and how rows go in.

Only what the database needs to know; what the rows mean is `rows`'s.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from positions.model.errors import RecordError


class StoreError(RecordError):
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
_M003 = """
ALTER TABLE positions ADD COLUMN stop_in_force DECIMAL(9, 6);
ALTER TABLE positions ADD COLUMN terms TEXT;
UPDATE positions SET stop_in_force = stop_loss_price, terms = '{}';
"""
_M004_GROUPS = {
    "request": (
        "size, max_bid_price, sell_price, stop_loss_price, floor_price, post_only,"
        " entry_expires_at, terms"
    ),
    "ledger": (
        "bought, cost, buy_fees, sold, proceeds, sell_fees, target_sold, settled, payout,"
        " filled_at, exit_time, exit_reason, trades"
    ),
    "decision": (
        "entry_ended, was_taken_off, raised_stop, touch, released_seq, no_bid, sale, cause,"
        " stuck, dust, dispute, missing"
    ),
    "pacing": "exit_seq, exit_at, attempts, backoffs",
}
_M004_REST = (
    "id, market_id, market, outcome_id, outcome, created_at, orders, next_order, phase, seq,"
    " updated_at"
)


def _m004_object(source: str, fields: str) -> str:
    return ", ".join(f"'{field}', {source}->'{field}'" for field in fields.split(", "))


def _m004_grouped(source: str) -> str:
    """The position in a JSON text with its fields in groups; what was never set stays out."""
    groups = [
        f"'{name}', json_object({_m004_object(source, fields)})"
        for name, fields in _M004_GROUPS.items()
    ]
    whole = ", ".join((_m004_object(source, _M004_REST), *groups))
    return f"json_merge_patch('{{}}', json_object({whole}))::TEXT"


_M004 = f"""
UPDATE positions SET body =
    CASE WHEN json_valid(body) THEN {_m004_grouped("body")} ELSE body END;
UPDATE events SET fact = CASE WHEN json_valid(fact) THEN json_object(
    'kind', fact->'kind', 'time', fact->'time',
    'position', {_m004_grouped("(fact->'position')")}::JSON)::TEXT ELSE fact END
WHERE kind IN ('opened', 'adopted');
"""
MIGRATIONS = {
    "m001_initial": _M001,
    "m002_account": _M002,
    "m003_terms": _M003,
    "m004_groups": _M004,
}
"""Applied in order, each in one transaction with its own record; never changed once shipped."""

TIMES = frozenset({"filled_at", "exit_time", "created_at", "updated_at", "time", "sent_at"})
Row = tuple[Any, ...]

REPLACED = {"positions": 1, "commands": 1, "settings": 1, "account": 2}
"""Tables whose rows are replaced by key, each with the number of columns of that key."""
CHANGES = {
    "replies": "UPDATE commands SET reply = ? WHERE id = ?",
    "hashes": "UPDATE orders SET expected_hash = ? WHERE order_id = ?",
}
SHAPES = {
    "positions": (
        "id market_id market outcome_id outcome status phase size max_bid_price sell_price"
        " stop_loss_price stop_in_force floor_price entry_price filled_at volume held exit_price"
        " exit_time exit_reason was_auto realized_pnl fees waiting_for terms created_at updated_at"
        " body"
    ),
    "events": "position_id seq time kind story fact",
    "orders": "order_id position_id role price shares sent_at expected_hash",
    "fills": "position_id order_id trade_id time side shares price fee liquidity role",
    "alarms": "time position_id kind text is_open",
    "commands": "id kind received_at digest body reply",
    "settings": "name value",
    "account": "kind id body",
}
POSITION_COLUMNS = SHAPES["positions"].split()
INSTANTS = TIMES | {"received_at"}


class Writes(NamedTuple):
    """What writes rows of a table: one statement that inserts them, or one that updates those whose
    key is there and one that inserts the others. Each answers with how many rows it wrote.
    """

    many: tuple[str, ...]
    """Given any number of rows, column by column."""
    one: tuple[str, ...]
    """Given one row: planned in a fraction of the time, as it joins nothing."""


def writes(connection: duckdb.DuckDBPyConnection) -> dict[str, Writes]:
    """For each table, what writes its rows.

    `INSERT OR REPLACE` would say it at once, but takes three times as long and keeps memory for
    every row that it replaced. The number of rows is no part of the text: DuckDB takes longer to
    read a statement that lists a thousand values than to store them.
    """
    result = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
    )
    types = {(table, column): kind for table, column, kind in result.fetchall()}
    made: dict[str, Writes] = {}
    for table, names in SHAPES.items():
        columns = names.split()
        kinds = ["BIGINT" if c in INSTANTS else types[table, c] for c in columns]
        lists = _times(columns, [f"unnest(?::{kind}[])" for kind in kinds])
        one = _times(columns, [f"${n}::{kind}" for n, kind in enumerate(kinds, start=1)])
        made[table] = Writes(_write_many(table, lists), _write_one(table, one))
    return made


def _times(columns: list[str], values: list[str]) -> dict[str, str]:
    return {
        c: f"make_timestamp_ns({v})" if c in INSTANTS else v
        for c, v in zip(columns, values, strict=True)
    }


def _write_many(table: str, lists: dict[str, str]) -> tuple[str, ...]:
    values = ", ".join(f"{v} AS {c}" for c, v in lists.items())
    insert = f"INSERT INTO {table} ({', '.join(lists)}) SELECT * FROM (SELECT {values}) new"
    if table not in REPLACED:
        return (insert,)
    key, others = [*lists][: REPLACED[table]], [*lists][REPLACED[table] :]
    same = " AND ".join(f"{table}.{c} = new.{c}" for c in key)
    changed = ", ".join(f"{c} = new.{c}" for c in others)
    update = f"UPDATE {table} SET {changed} FROM (SELECT {values}) new WHERE {same}"
    return update, f"{insert} ANTI JOIN {table} ON {same}"


def _write_one(table: str, row: dict[str, str]) -> tuple[str, ...]:
    insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"
    if table not in REPLACED:
        return (insert,)
    pairs = [f"{c} = {v}" for c, v in row.items()]
    key, others = pairs[: REPLACED[table]], pairs[REPLACED[table] :]
    return f"UPDATE {table} SET {', '.join(others)} WHERE {' AND '.join(key)}", insert


def migrate(
    connection: duckdb.DuckDBPyConnection, path: Path, migrations: Sequence[str] = tuple(MIGRATIONS)
) -> None:
    """Bring a database to the shape that these migrations, by default all, make.

    Raises StoreError if it comes from a newer version.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    unknown = sorted(applied - set(MIGRATIONS))
    if unknown:
        raise StoreError(f"{path} comes from a newer version of polybracket ({unknown[0]})")
    for name in migrations:
        if name not in applied:
            connection.begin()
            for statement in MIGRATIONS[name].split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?)", [name])
            connection.commit()
