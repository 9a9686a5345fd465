"""A trade of the wallet, in the one form that it has from the venue's report to the ledger. Pure.

The venue may report a trade whole at one time, and in parts at another, one for each price. What
was reported before a crash and is reported anew after it must then be known to be the same. Prices
are USDC per share, fees USDC, times nanoseconds.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from positions.model.durations import MINUTE
from positions.model.events import FillReversed, OrderFilled
from positions.model.position import Role
from positions.model.venue_rules import FeeSchedule, taker_fee

_AHEAD = MINUTE
"""How far the venue's clock may be ahead of ours."""
_LENGTH = 36
"""What Nautilus lets a trade's id be."""
_KEPT = 25
"""As much of the trade's own id as each of the names has."""
_NAME = re.compile(r"(.+)-([0-9a-f]{6})(-\d{1,3})?")


class Settlement(StrEnum):
    """How far a trade has come on the chain."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


class Trade(Struct, frozen=True):
    """One order's part of one trade, at one price.

    `whole` names the order's part of the whole trade, which the venue may report at one price or at
    several.
    """

    id: str
    price: Decimal
    shares: Decimal
    is_maker: bool
    time: int
    status: Settlement = Settlement.CONFIRMED
    whole: str = ""
    venue_order_id: str = ""
    outcome_id: str = ""
    is_buy: bool = False
    fee: Decimal = Decimal(0)

    @property
    def is_failed(self) -> bool:
        """Whether it did not settle on the chain."""
        return self.status is Settlement.FAILED

    @property
    def is_settled(self) -> bool:
        """Whether no other settlement follows."""
        return self.status in (Settlement.CONFIRMED, Settlement.FAILED)

    def at(self, now: int) -> int:
        """When it was matched, or now where the venue says that it will be: a position that was
        changed last in another year would be the only one that was changed lately."""
        return self.time if self.time <= now + _AHEAD else now

    def charged(self, fee: FeeSchedule) -> "Trade":
        """The same trade with the taker's fee; a maker pays none."""
        if self.is_maker:
            return self
        return replace(self, fee=taker_fee(self.shares, self.price, fee))

    def event(
        self, kind: type[OrderFilled | FillReversed], order_id: str, role: Role, time: int
    ) -> OrderFilled | FillReversed:
        """The event that books it, or takes it back."""
        return kind(
            time=time,
            order_id=order_id,
            trade_id=self.id,
            role=role,
            price=self.price,
            shares=self.shares,
            fee=self.fee,
            liquidity="maker" if self.is_maker else "taker",
        )


def trade_name(trade_id: str, order_hash: str, part: int | None = None) -> str:
    """The name of what an order made in a trade, or of one part of that."""
    ending = f"-{order_hash[-6:]}" + ("" if part is None else f"-{part}")
    return trade_id[: _LENGTH - len(ending)] + ending


def is_reported_otherwise(name: str, reported: Iterable[str]) -> bool:
    """Whether a trade was reported whole that now comes in parts, or the other way round."""
    name_parts = _NAME.fullmatch(name)
    if name_parts is None:
        return False
    start = name_parts[1][:_KEPT]
    names = (_NAME.fullmatch(t) for t in reported if t.startswith(start))
    return any(
        n is not None
        and (n[1][:_KEPT], n[2]) == (start, name_parts[2])
        and (n[3] is None) is not (name_parts[3] is None)
        for n in names
    )
