"""Which shares of positions the owner sold elsewhere, on the website say: told by the venue. Pure.

The wallet is its owner's: what they sell is booked at its price, and never fought for. These rules
say of which position it is:

1. Shares beyond those of our positions go first, in the order of the trades: what was bought
   elsewhere before a sale covers it, what was bought after it does not.
2. Of our positions those lose first that the venue was found to lack shares of. Then shares go that
   no sale of ours offers, since the venue does not let the owner sell what is on offer. Then any.
3. Within each of these the newest position loses first.
"""

from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal

from positions.engine.adoption import Holding
from positions.model.events import OwnerSold
from positions.model.position import ZERO, Position
from positions.model.trades import Trade, is_reported_otherwise
from positions.model.venue_rules import micro


def owner_sales(
    holders: Iterable[Position], known: Collection[str], holding: Holding, now: int
) -> Iterator[tuple[str, OwnerSold]]:
    """What to book of the wallet's trades that are neither ours nor booked.

    Parameters
    ----------
    holders
        The positions that hold shares of the outcome.
    known
        The ids of the trades that are booked, or were looked at before.
    holding
        What the wallet has, and how it came by it.
    now
        The time of the events, in nanoseconds.
    """
    held = {p.id: p for p in holders}
    left = {p.id: p.held for p in held.values()}
    new = [t for t in holding.trades if not is_known(t, known)]
    spare = holding.shares - sum(left.values(), ZERO)
    spare += sum((-t.shares if t.is_buy else t.shares for t in new), ZERO)
    for trade in sorted(new, key=lambda t: t.time):
        if trade.is_buy:
            spare += trade.shares
            continue
        ours = min(trade.shares - min(max(spare, ZERO), trade.shares), sum(left.values(), ZERO))
        spare -= trade.shares - ours
        for p, shares in _lost(held.values(), left, ours):
            left[p.id] -= shares
            yield p.id, _sold(trade, shares, now)


def is_known(trade: Trade, known: Collection[str]) -> bool:
    """Whether a trade is among these, be it whole or in parts."""
    return trade.id in known or is_reported_otherwise(trade.id, known)


def _lost(
    holders: Iterable[Position], left: dict[str, Decimal], shares: Decimal
) -> Iterator[tuple[Position, Decimal]]:
    """Share out what was sold among those who lost it; see the module."""
    newest = sorted(holders, key=lambda p: (p.created_at, p.id), reverse=True)
    lost = dict.fromkeys(left, ZERO)
    for bound in (
        {p.id: p.decision.missing - (p.held - left[p.id]) for p in newest},
        {p.id: left[p.id] - p.locked for p in newest},
        left,
    ):
        for p in newest:
            more = max(min(bound[p.id], left[p.id]) - lost[p.id], ZERO)
            lost[p.id] += min(more, shares)
            shares -= min(more, shares)
    return ((p, lost[p.id]) for p in newest if lost[p.id] > 0)


def _sold(trade: Trade, shares: Decimal, now: int) -> OwnerSold:
    return OwnerSold(
        time=now,
        trade_id=trade.id,
        price=trade.price,
        shares=shares,
        fee=micro(trade.fee * shares / trade.shares),
        liquidity="maker" if trade.is_maker else "taker",
    )
