"""A position whose row in the record cannot be read: what else the record knows of it.

Its events give it whole. Where they cannot be read either, the columns that people read still say
what is held and where its stop stands, which is enough to protect it; it is disputed then.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb

from positions.model.position import ZERO, Decision, EntryEnd, Ledger, Position, Request
from positions.model.soundness import check

_COLUMNS = (
    "market_id market outcome_id outcome size max_bid_price floor_price stop_in_force"
    " entry_price held"
)
_CHARACTERS = 200


def salvage(
    connection: duckdb.DuckDBPyConnection,
    replay: Callable[[str], Position],
    position_id: str,
    error: Exception,
) -> tuple[Position | None, str]:
    """The position, None if nothing is left of it, and the text of an alarm about it."""
    why = f"the row of position {position_id[:60]} cannot be read: {_short(error)}"
    try:
        p = replay(position_id)
        check(p)
    except Exception as e:
        why += f"; nor can its events: {_short(e)}"
    else:
        return p, f"{why}; it is read from its events"
    try:
        p = _from_columns(connection, position_id, why)
        check(p)
    except Exception as e:
        return None, f"{why}; nor can its columns: {_short(e)}; it is NOT protected"
    return p, f"{why}; only its stop goes on, for the {p.held} shares that its row names"


def _from_columns(connection: duckdb.DuckDBPyConnection, position_id: str, why: str) -> Position:
    columns = _COLUMNS.split()
    sql = f"SELECT {', '.join(columns)} FROM positions WHERE id = ?"
    row = connection.execute(sql, [position_id]).fetchone()
    values: dict[str, Any] = dict(zip(columns, row or (), strict=True))
    held: Decimal = max(values["held"], ZERO)
    sent = "SELECT order_id FROM orders WHERE position_id = ?"
    numbers = [order_id.rpartition("-")[2] for (order_id,) in _rows(connection, sent, position_id)]
    return Position(
        id=position_id,
        market_id=values["market_id"],
        market=values["market"],
        outcome_id=values["outcome_id"],
        outcome=values["outcome"],
        created_at=0,
        request=Request(
            size=values["size"],
            max_bid_price=values["max_bid_price"],
            stop_loss_price=values["stop_in_force"],
            floor_price=values["floor_price"],
        ),
        ledger=Ledger(bought=held, cost=held * (values["entry_price"] or values["max_bid_price"])),
        decision=Decision(entry_ended=EntryEnd.CANCELLED, dispute=why),
        next_order=1 + max((int(n) for n in numbers if n.isdecimal() and len(n) < 10), default=0),
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, *values: object) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def _short(e: Exception) -> str:
    return next(iter(str(e).splitlines()), type(e).__name__)[:_CHARACTERS]
