"""What protects a position whose own book-keeping raises.

Pure functions that need nothing but the position as it last was, the events that could not be
booked since, and the bid. While a position is in trouble its entry is taken back; once the bid is
at the stop, or everything was being sold already, what rests is cancelled and what is free is sold
by one FAK at a time. More than is held, less what is out, is never offered.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from positions.engine.plan import Cancel, Intent, Send
from positions.model.durations import SECOND
from positions.model.events import AnyEvent, OrderClosed, OrderFilled, OrderSent
from positions.model.instrument_book import InstrumentBook
from positions.model.position import SELLS, ZERO, Order, Position, Role
from positions.model.soundness import check_order
from positions.model.venue_rules import SIZE_STEP, Offer, exit_offer

PAUSE = 2 * SECOND
"""No sale follows the one before sooner."""
CANCEL_PAUSE = 5 * SECOND
_TICKS = frozenset(map(Decimal, ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")))
"""The price grids that the venue has."""
_FACTS_MAX = 1000
_FAR = 10**8
"""The number of the next order, where the position's own cannot be one."""


class Trouble(Struct):
    """Why a position cannot be handled, and what happened to it since.

    Parameters
    ----------
    reason
        What its handling raised.
    unbooked
        The events that could not be booked, in order; our own orders among them.
    sent_at
        When a sale was last sent for it.
    cancelled_at
        When each of its orders was last asked to be cancelled.
    next_order
        The number of its next order, where that is higher than the position's.
    is_helpless
        Whether not even that can protect it.
    """

    reason: str
    unbooked: list[AnyEvent] = []
    sent_at: int | None = None
    cancelled_at: dict[str, int] = {}
    next_order: int = 1
    is_helpless: bool = False

    def add(self, event: AnyEvent) -> None:
        """Keep an event that could not be booked, once: by its text, as sNaN equals nothing."""
        if len(self.unbooked) < _FACTS_MAX and repr(event) not in map(repr, self.unbooked):
            self.unbooked.append(event)


def intents(
    p: Position, book: InstrumentBook, trouble: Trouble, now: int, slip_ticks: int
) -> list[Intent]:
    """What to send for a position in trouble, cancels first; noted in `trouble`."""
    live = orders(p, trouble.unbooked)
    free = min(p.sellable, p.held) - sum((shares for _, shares in live.values()), ZERO)
    free -= _sold(p, trouble.unbooked)
    is_selling = must_sell(p, book)
    found: list[Intent] = [
        Cancel(o.id) for o in _unwanted([o for o, _ in live.values()], p, trouble, now, is_selling)
    ]
    paused = trouble.sent_at is not None and 0 <= now - trouble.sent_at < PAUSE
    if is_selling and free >= SIZE_STEP and not paused:
        tick = book.tick if book.tick in _TICKS else Decimal("0.01")
        offer = exit_offer(free, book.bid, tick, tick * slip_ticks, p.request.floor_price)
        if isinstance(offer, Offer):
            number = max(p.next_order if 0 < p.next_order < _FAR else _FAR, trouble.next_order)
            sale = _sale(f"{p.id}-{number}", offer, book.seq, now)
            check_order(sale)
            trouble.next_order, trouble.sent_at = number + 1, now
            found.append(Send(sale))
    return found


def must_sell(p: Position, book: InstrumentBook) -> bool:
    """Whether everything is to be sold: the bid is at the stop, or a sale of all had begun."""
    if book.payout is not None or book.bid is None or not 0 < book.bid < 1:
        return False
    return (
        p.decision.cause is not None
        or book.through(p.stop_in_force)
        or book.through(p.request.terms.stop_hard)
    )


def orders(p: Position, unbooked: Iterable[AnyEvent]) -> dict[str, tuple[Order, Decimal]]:
    """The sells that may still be filled, each with so many shares."""
    live = {o.id: (o, max(o.leaves, ZERO)) for o in p.orders if o.role in SELLS}
    for event in unbooked:
        match event:
            case OrderSent(order=order) if order.role in SELLS:
                live[order.id] = (order, order.leaves)
            case OrderFilled(order_id=order_id, shares=shares) if order_id in live:
                order, leaves = live[order_id]
                live[order_id] = (order, leaves - _part(shares, leaves))
            case OrderClosed(order_id=order_id):
                live.pop(order_id, None)
    return live


def _sold(p: Position, unbooked: list[AnyEvent]) -> Decimal:
    """The shares that unbooked fills sold; no order sells more than it offered."""
    sold, so_far = ZERO, list[AnyEvent]()
    for event in unbooked:
        if isinstance(event, OrderFilled) and event.role in SELLS:
            _, leaves = orders(p, so_far).get(event.order_id, (None, ZERO))
            sold += _part(event.shares, leaves)
        so_far.append(event)
    return sold


def _part(shares: Decimal, leaves: Decimal) -> Decimal:
    """What a fill took of an order: never more than it offered; nothing, if it is no number."""
    return min(max(shares, ZERO), leaves) if shares.is_finite() else ZERO


def _unwanted(
    sells: list[Order], p: Position, trouble: Trouble, now: int, is_selling: bool
) -> Iterator[Order]:
    resting = [o for o in sells if not o.immediate] if is_selling else []
    for order in (*p.live(Role.ENTRY), *resting):
        before = trouble.cancelled_at.get(order.id)
        if before is None or not 0 <= now - before < CANCEL_PAUSE:
            trouble.cancelled_at[order.id] = now
            yield order


def _sale(order_id: str, offer: Offer, quote_seq: int, now: int) -> Order:
    return Order(
        id=order_id,
        role=Role.EXIT,
        price=offer.price,
        shares=offer.shares,
        sent_at=now,
        quote_seq=quote_seq,
        immediate=True,
    )
