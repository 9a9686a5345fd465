"""What came of a request, in a sentence: of an entry, and of a sale by hand. Pure.

Rows and events are those of the snapshot. An entry's outcome may still change: `is_final` says
whether there is more to wait for.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from positions.model.formatting import plain

_Row = Mapping[str, Any]
_ZERO = Decimal(0)
_CENT = Decimal("0.01")


class Outcome(Struct, frozen=True):
    """What is known; `is_final` = nothing more is to be expected soon."""

    text: str
    is_final: bool


def entry_outcome(row: _Row, events: Sequence[_Row]) -> Outcome:
    """What an entry came to: bought, resting, or neither; and the terms that hold."""
    size, bought = row["size"], row["volume"]
    fees = _sum(events, "entry", "fee")
    terms = f"; {terms_in_force(row)}"
    if bought >= size:
        return Outcome(f"bought {_paid(row, fees)}{terms}", is_final=True)
    rest = f"the rest rests at {plain(row['max_bid_price'])}" if _rests(events) else "more may come"
    if bought > 0:
        text = f"bought {_paid(row, fees)} of {plain(size)}; {rest}{terms}"
        return Outcome(text, is_final=_is_over(row))
    if _is_over(row):
        return Outcome(f"nothing is bought: {_why(events)}", is_final=True)
    if _rests(events):
        text = f"resting: {plain(size)} at {plain(row['max_bid_price'])}, nothing is bought yet"
        return Outcome(f"{text}{terms}", is_final=False)
    return Outcome(f"not on the book yet{terms}", is_final=False)


def sale_outcome(row: _Row, events: Sequence[_Row], command_id: str) -> Outcome | None:
    """What a sale by hand brought; None while it is not known."""
    mine = _since(events, command_id)
    if mine is None:
        return None
    fills = [e for e in mine if e["kind"] == "order_filled" and e["role"] != "entry"]
    shares = _sum(fills, None, "shares")
    if shares == 0:
        return Outcome("nothing is sold", is_final=False)
    money = sum((_number(e["shares"]) * _number(e["price"]) for e in fills), _ZERO)
    fees = _sum(fills, None, "fee")
    text = f"sold {plain(shares)} at {plain((money / shares).quantize(Decimal('0.0001')))}"
    text += f": {_money(money - fees)} USDC after {_money(fees)} of fees"
    profit = f"profit of the position {_money(row['realized_pnl'], sign=True)}"
    is_final = any(e["kind"] == "sale_ended" for e in mine)
    return Outcome(f"{text}; {profit}, {plain(row['held'])} are held", is_final=is_final)


def terms_in_force(row: _Row) -> str:
    """Target, stop and every further term of a position, as they hold now."""
    said = {
        "target": _or_none(row["sell_price"]),
        "stop": _or_none(row["stop_in_force"]),
    }
    if row["waiting_for"] == "trail_from":
        said["stop"] = "none yet"
    if row["floor_price"]:
        said["floor"] = plain(row["floor_price"])
    further = (f"{name.replace('_', ' ')} {value}" for name, value in row["terms"].items())
    return ", ".join([*(f"{name} {value}" for name, value in said.items()), *further])


def _since(events: Sequence[_Row], command_id: str) -> Sequence[_Row] | None:
    for i, e in enumerate(events):
        if e["kind"] == "sale_asked" and e.get("command_id") == command_id:
            rest = events[i + 1 :]
            ends = (n for n, e in enumerate(rest) if e["kind"] == "sale_ended")
            return rest[: next(ends, len(rest)) + 1]
    return None


def _paid(row: _Row, fees: Decimal) -> str:
    return f"{plain(row['volume'])} at {plain(row['entry_price'])}, fee {_money(fees)}"


def _rests(events: Sequence[_Row]) -> bool:
    return any(e["kind"] == "order_accepted" for e in events)


def _is_over(row: _Row) -> bool:
    return bool(row["status"] != "open" or row["phase"] not in ("entering", "filling"))


def _why(events: Sequence[_Row]) -> str:
    reasons = [str(e["reason"]) for e in events if e.get("reason")]
    return reasons[-1] if reasons else "the entry is over"


def _sum(events: Sequence[_Row], role: str | None, field: str) -> Decimal:
    fills = (e for e in events if e["kind"] == "order_filled" and role in (None, e["role"]))
    return sum((_number(e[field]) for e in fills), _ZERO)


def _number(value: Any) -> Decimal:
    return Decimal(str(value))


def _money(value: Decimal, *, sign: bool = False) -> str:
    return f"{value.quantize(_CENT):+f}" if sign else f"{value.quantize(_CENT):f}"


def _or_none(value: Decimal | None) -> str:
    return "none" if value is None else plain(value)
