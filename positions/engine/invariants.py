"""What must hold of a position after each event, whatever happened: checked in production, too.

Pure, and cheap enough for every event. A breach is a bug of ours, or something that the venue
cannot do: it is a sentence, "" where nothing is wrong. The engine books what happened all the same,
disputes the position and raises an alarm; an order that would breach a rule is not submitted.
"""

from decimal import Decimal

from positions.engine.lifecycle import misstep
from positions.model.errors import Bug
from positions.model.events import AnyEvent, FillReversed, OrderFilled, OwnerSold, Settled
from positions.model.instrument_book import InstrumentBook
from positions.model.orders import find
from positions.model.position import PROTECTED, SELLS, ZERO, Order, Position, Role


class Breach(Bug):
    """A rule that holds for every position was broken, or would be."""


def breach(before: Position | None, after: Position, event: AnyEvent) -> str:
    """What an event did that it must not do."""
    if before is None:
        return ""
    return misstep(before, after, event) or _sums(before, after, event) or _limit(before, event)


def order_breach(after: Position, order: Order) -> str:
    """Why an order of ours, live in `after`, must not be submitted."""
    if order.role is Role.ENTRY:
        highest, live = after.request.max_bid_price, after.live(Role.ENTRY)
        if order.price > highest:
            return f"an entry at {order.price} is above the max bid {highest}"
        if sum((o.leaves for o in live), ZERO) > after.remaining:
            return f"entries for more than the {after.remaining} shares that are not bought"
    elif order.role in SELLS and after.locked > after.sellable:
        return f"sells of {after.locked} shares, {after.sellable} can be sold"
    return ""


def unprotected(p: Position, book: InstrumentBook) -> str:
    """Why what is held is neither armed, nor exiting, nor over once all was decided."""
    if p.phase not in PROTECTED or p.sellable <= 0 or book.payout is not None:
        return ""
    excused = p.decision.released_seq is not None or Role.STOP in p.pacing.backoffs
    if p.stop_in_force is None or p.live(Role.STOP) or excused:
        return ""
    return f"{p.sellable} shares are held and no stop is armed at {p.stop_in_force}"


def _sums(before: Position, after: Position, event: AnyEvent) -> str:
    """The ledger is the sum of its fills: each event adds to it what it states, or nothing."""
    bought = after.ledger.bought - before.ledger.bought
    sold = after.ledger.sold - before.ledger.sold
    if not bought and not sold:
        return ""
    expected = _change(event)
    if (bought, sold) != expected:
        return f"the ledger changed by {bought} bought and {sold} sold, not by {expected}"
    return ""


def _change(event: AnyEvent) -> tuple[Decimal, Decimal]:
    """The shares bought and sold that an event states."""
    match event:
        case OrderFilled(role=role, shares=shares):
            return (shares, ZERO) if role is Role.ENTRY else (ZERO, shares)
        case FillReversed(role=role, shares=shares):
            return (-shares, ZERO) if role is Role.ENTRY else (ZERO, -shares)
        case Settled(shares=shares) | OwnerSold(shares=shares):
            return ZERO, shares
    return ZERO, ZERO


def _limit(before: Position, event: AnyEvent) -> str:
    """Nothing is bought above the limit of its order, nor sold below it."""
    if not isinstance(event, OrderFilled):
        return ""
    order = find(before, event.order_id)
    if order is None or order.role is not event.role:
        return ""
    if event.role is Role.ENTRY and event.price > order.price:
        return f"bought at {event.price}, above the limit {order.price}"
    if event.role in SELLS and event.price < order.price:
        return f"sold at {event.price}, below the limit {order.price}"
    return ""
