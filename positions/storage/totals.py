"""What all positions come to: invested, worth, won and lost; in all, and by day, market or exit.

Pure. Rows are those of the snapshot. What has no bid has no worth that is known: it is counted, and
never taken for nothing. Money is USDC.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from positions.model.durations import SECOND

_Row = Mapping[str, Any]
_ZERO = Decimal(0)


class By(StrEnum):
    """What positions are put together by."""

    DAY = "day"
    MARKET = "market"
    EXIT = "exit"


class Totals(Struct, frozen=True):
    """The sums of some positions.

    Parameters
    ----------
    invested
        What the shares cost that are held, without fees.
    value
        What they would bring at the bids that there are, before fees.
    without_bid
        How many positions hold shares that nothing is bid for: their value is not known.
    open_pnl
        What selling them would make after fees, of those with a bid.
    """

    key: str
    positions: int
    open: int
    won: int
    lost: int
    invested: Decimal
    value: Decimal
    without_bid: int
    open_pnl: Decimal
    realized_pnl: Decimal
    fees: Decimal


def totals(rows: Iterable[_Row], key: str = "total") -> Totals:
    """The sums of the positions that bought anything."""
    bought = [r for r in rows if r["volume"] > 0]
    held = [r for r in bought if r["status"] == "open" and r["held"] > 0]
    over = [r for r in bought if r["status"] != "open"]
    priced = [r for r in held if r["current_price"] is not None]
    return Totals(
        key=key,
        positions=len(bought),
        open=len(bought) - len(over),
        won=sum(r["realized_pnl"] > 0 for r in over),
        lost=sum(r["realized_pnl"] < 0 for r in over),
        invested=sum((r["held"] * r["entry_price"] for r in held), _ZERO),
        value=sum((r["held"] * r["current_price"] for r in priced), _ZERO),
        without_bid=len(held) - len(priced),
        open_pnl=sum((r["unrealized_pnl"] or _ZERO for r in priced), _ZERO),
        realized_pnl=sum((r["realized_pnl"] for r in bought), _ZERO),
        fees=sum((r["fees"] for r in bought), _ZERO),
    )


def grouped(rows: Iterable[_Row], by: By) -> list[Totals]:
    """The sums of each group, in the order of its name; what is open stands at the end."""
    groups: dict[str, list[_Row]] = {}
    for r in rows:
        if r["volume"] > 0:
            groups.setdefault(_KEYS[by](r), []).append(r)
    return [totals(groups[key], key) for key in sorted(groups, key=lambda k: (k == OPEN, k))]


OPEN = "open"


def closed_on(rows: Iterable[_Row], day: date) -> list[_Row]:
    """The positions that were over on a day of the user's time zone."""
    return [r for r in rows if r["status"] != "open" and _day(r) == day.isoformat()]


def _day(r: _Row) -> str:
    if r["status"] == "open":
        return OPEN
    return datetime.fromtimestamp((r["exit_time"] or r["updated_at"]) // SECOND).date().isoformat()


_KEYS: dict[By, Callable[[_Row], str]] = {
    By.DAY: _day,
    By.MARKET: lambda r: str(r["market"]),
    By.EXIT: lambda r: OPEN if r["status"] == "open" else str(r["exit_reason"] or r["phase"]),
}
