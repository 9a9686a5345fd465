"""What follows for one position: the orders that should exist now.

A pure function. `plan` compares the orders that should exist with those that do and says what to
send: cancels first. It is called after every event that matters and once a second, once
`next_event` has none to add, so a rejected order, a restart or a fill that raced a cancel needs no
case of its own: the next round sees what is missing.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from positions.model import stops, targets
from positions.model.durations import SECOND
from positions.model.instrument_book import InstrumentBook
from positions.model.position import (
    EXITS,
    GTD_LASTS,
    GTD_MARGIN,
    OVER,
    PROTECTED,
    ZERO,
    Order,
    OrderState,
    Phase,
    Position,
    Role,
)
from positions.model.terms import AfterFloor
from positions.model.venue_rules import (
    SIZE_STEP,
    Obstacle,
    Offer,
    exit_offer,
    floor_to,
)

CANCEL_AGAIN_AFTER = 5 * SECOND
"""A cancel that nothing answered is sent again."""
SELF_TRADE_WAIT = 5 * SECOND
"""How long an exit waits for its own entry to be off the book before it sells all the same."""
SLIP_WIDENED_MAX = 4
"""An exit that met no bid widens its slip with each attempt, to so many times what is set."""


class Send(Struct, frozen=True):
    """Submit this order."""

    order: Order


class Cancel(Struct, frozen=True):
    """Cancel this live order."""

    order_id: str


class MoveStop(Struct, frozen=True):
    """Give the armed stop another trigger or size."""

    order_id: str
    price: Decimal
    shares: Decimal


Intent = Send | Cancel | MoveStop


# -- the orders that should exist ------------------------------------------------------------------


def plan(
    p: Position, book: InstrumentBook, now: int, slip_ticks: int, entry_lasts: int | None = None
) -> list[Intent]:
    """What to send so that the orders that exist become those that should.

    An entry is sent to last `entry_lasts` nanoseconds and renewed when two thirds of that are over.
    """
    intents: list[Intent] = [
        *_cancel_unwanted(p, book, now, entry_lasts),
        *_entry(p, book, now, entry_lasts),
        *_targets(p, book, now),
        *_stop(p, book, now),
        *_exit(p, book, now, slip_ticks),
    ]
    number = p.next_order
    for index, intent in enumerate(intents):
        if isinstance(intent, Send):
            intents[index] = Send(replace(intent.order, id=f"{p.id}-{number}"))
            number += 1
    return intents


def _cancel_unwanted(
    p: Position, book: InstrumentBook, now: int, entry_lasts: int | None
) -> Iterator[Cancel]:
    surplus = targets.surplus(p, book) if p.live(Role.TARGET) else frozenset()
    for order in p.orders:
        is_cancelling = order.state is OrderState.CANCELLING
        unanswered = _is_past(order.cancel_sent_at, CANCEL_AGAIN_AFTER, now)
        unwanted = not _is_wanted(order, p, book) or _is_to_be_renewed(
            order, p, book, now, entry_lasts
        )
        unwanted = unwanted or order.id in surplus
        if unwanted and (unanswered or not is_cancelling):
            yield Cancel(order.id)


def _is_to_be_renewed(
    order: Order, p: Position, book: InstrumentBook, now: int, entry_lasts: int | None
) -> bool:
    """Whether an entry is to be replaced by one that lasts longer.

    Not where its remainder is too small to be sent again: that one is left to expire.
    """
    if order.role is not Role.ENTRY or order.expires_at is None or entry_lasts is None:
        return False
    if order.expires_at == _expiry(p, order.sent_at, None) or order.leaves < book.minimum_size:
        return False
    return now >= order.sent_at + entry_lasts * 2 // 3


def _is_wanted(order: Order, p: Position, book: InstrumentBook) -> bool:
    if book.payout is not None or p.phase in OVER:
        return False
    if order.immediate:
        return True  # it ends by itself
    match order.role:
        case Role.ENTRY:
            return _wants_entry(p, book) and order.price == floor_to(
                p.request.max_bid_price, book.tick
            )
        case Role.TARGET:
            prices = [price for price, _ in targets.wanted(p, book)]
            return order.price in prices and p.locked <= p.sellable
        case Role.EXIT:
            return p.phase in EXITS
        case _:
            return _wants_stop(p) and order.state is not OrderState.RELEASED


def _wants_entry(p: Position, book: InstrumentBook) -> bool:
    return p.decision.entry_ended is None and book.entries_allowed and book.payout is None


def _expiry(p: Position, now: int, entry_lasts: int | None) -> int | None:
    """The time that an entry states to the venue; None = it is good till cancelled."""
    ends = [
        *([] if p.request.entry_expires_at is None else [p.request.entry_expires_at]),
        *([] if entry_lasts is None else [now + entry_lasts]),
    ]
    return max(min(ends), now + GTD_LASTS) + GTD_MARGIN if ends else None


def _entry(p: Position, book: InstrumentBook, now: int, entry_lasts: int | None) -> Iterator[Send]:
    price = floor_to(p.request.max_bid_price, book.tick)
    size = floor_to(p.remaining, SIZE_STEP)
    if not _wants_entry(p, book) or _entries(p) or size < book.minimum_size or price <= 0:
        return
    if (p.request.post_only and book.would_take(price)) or not book.takes(
        post_only=p.request.post_only
    ):
        return  # the venue would refuse it: it waits until it would rest, or is taken
    if p.may_send(Role.ENTRY, now):
        yield Send(
            _order(
                book,
                now,
                Role.ENTRY,
                price,
                size,
                post_only=p.request.post_only,
                expires_at=_expiry(p, now, entry_lasts),
            )
        )


def _targets(p: Position, book: InstrumentBook, now: int) -> Iterator[Intent]:
    """The resting sells; where little is free the highest is served first."""
    may_rest = book.payout is None and book.takes(post_only=True)
    if not may_rest or p.decision.targets_off or not p.may_send(Role.TARGET, now):
        return
    surplus = targets.surplus(p, book) if p.live(Role.TARGET) else frozenset()
    if any(_is_leaving(o, now) for o in p.orders if o.id in surplus):
        return  # what it leaves is offered with the rest, in one order
    uncovered = p.sellable - p.locked
    for price, shares in reversed(targets.wanted(p, book)):
        resting = [o for o in p.live(Role.TARGET) if o.price == price]
        missing = min(uncovered, shares - sum((o.leaves for o in resting), ZERO))
        missing = floor_to(missing, SIZE_STEP)
        if missing > 0:
            uncovered -= missing
            intent = _target(p, book, now, price, missing, resting)
            if intent is not None:
                yield intent
            if isinstance(intent, Send) and intent.order.immediate:
                return  # one at a time


def _is_leaving(order: Order, now: int) -> bool:
    """Whether the venue may be about to take an order off its book."""
    return order.cancel_sent_at == 0 or not _is_past(order.cancel_sent_at, CANCEL_AGAIN_AFTER, now)


def _target(
    p: Position,
    book: InstrumentBook,
    now: int,
    price: Decimal,
    shares: Decimal,
    resting: list[Order],
) -> Intent | None:
    if shares >= book.minimum_size:
        rests_alone = not book.takes(post_only=False)
        if rests_alone and book.bid is not None and book.bid >= price:
            return None  # it would take, and waits until it may
        return Send(_order(book, now, Role.TARGET, price, shares, post_only=rests_alone))
    resting = [o for o in resting if o.state is not OrderState.CANCELLING]
    smallest = min(resting, key=lambda o: o.leaves, default=None)
    if smallest is not None and smallest.leaves + shares >= book.minimum_size:
        return Cancel(smallest.id)
    if book.bid is not None and book.bid >= price and _may_take(p, book, now):
        # Too few shares to rest: taken at the target once the bid is there.
        # Its limit is the target, whatever the bid: in a falling book one at the bid misses.
        offer = exit_offer(shares, book.bid, book.tick, book.bid - price, price)
        if isinstance(offer, Offer):
            return Send(_order(book, now, Role.TARGET, *offer, immediate=True))
    return None


def _wants_stop(p: Position) -> bool:
    return p.stop_in_force is not None and p.phase in PROTECTED and p.sellable > 0


def _stop(p: Position, book: InstrumentBook, now: int) -> Iterator[Intent]:
    price = stops.armed_price(p, book)
    if not _wants_stop(p) or price is None or book.payout is not None:
        return
    live = p.live(Role.STOP)
    if not live:
        if p.decision.released_seq is None and p.may_send(Role.STOP, now):
            yield Send(_order(book, now, Role.STOP, price, p.sellable))
        return
    armed = live[0]
    if armed.state in (OrderState.SENT, OrderState.WORKING) and (
        armed.price != price or armed.shares != p.sellable
    ):
        yield MoveStop(armed.id, price, p.sellable)


def _exit(p: Position, book: InstrumentBook, now: int, slip_ticks: int) -> Iterator[Send]:
    if book.payout is not None or not _may_take(p, book, now):
        return
    free = p.sellable - p.locked
    if p.phase in EXITS:
        offer = offer_all(p, book, slip_ticks, free)
    elif p.phase is Phase.SELLING and p.decision.sale is not None:
        offer = _sale_offer(p, book, free)
    else:
        return
    if _entry_in_the_way(p, now):
        return
    if isinstance(offer, Offer):
        yield Send(_order(book, now, Role.EXIT, *offer, immediate=True))
    elif p.phase is Phase.WAITING and p.request.terms.after_floor is AfterFloor.REST:
        yield from _rest(p, book, now, floor_to(free, SIZE_STEP))


def _rest(p: Position, book: InstrumentBook, now: int, shares: Decimal) -> Iterator[Send]:
    """An offer at the floor, where the bids there are lie below it."""
    if p.request.floor_price > 0 and shares >= book.minimum_size:
        price = targets.on_tick(p.request.floor_price, book.tick)
        yield Send(_order(book, now, Role.EXIT, price, shares))


def offer_all(
    p: Position, book: InstrumentBook, slip_ticks: int, shares: Decimal | None = None
) -> Offer | Obstacle:
    """The sale of everything, or of so many shares, that an exit can make now, or why it cannot."""
    slip = book.tick * slip_ticks * min(1 + p.pacing.attempts, SLIP_WIDENED_MAX)
    floor = p.request.floor_price
    if (
        p.request.terms.after_floor is AfterFloor.ANYTHING
        and book.bid is not None
        and book.bid < floor
    ):
        floor = ZERO
    return exit_offer(p.sellable if shares is None else shares, book.bid, book.tick, slip, floor)


def _sale_offer(p: Position, book: InstrumentBook, free: Decimal) -> Offer | Obstacle:
    assert p.decision.sale is not None
    return exit_offer(
        min(p.decision.sale.left, free),
        book.bid,
        book.tick,
        Decimal(1),
        p.decision.sale.limit_price,
    )


def _may_take(p: Position, book: InstrumentBook, now: int) -> bool:
    """Whether a further FAK may go out: one at a time, and each on a newer view of the book.

    A view that does not change is tried again after a pause, since it may be stale.
    """
    if any(o.immediate for o in p.orders) or not p.may_send(Role.EXIT, now):
        return False
    pause = min(30, 2 ** min(p.pacing.attempts, 5)) * SECOND
    return book.seq != p.pacing.exit_seq or _is_past(p.pacing.exit_at, pause, now)


def _is_past(since: int, pause: int, now: int) -> bool:
    """Whether a pause is over; also when the clock was set back to before it began."""
    return not 0 <= now - since < pause


def _entry_in_the_way(p: Position, now: int) -> bool:
    """Whether a resting entry of ours could meet our own sale."""
    return any(
        o.cancel_sent_at == 0 or not _is_past(o.cancel_sent_at, SELF_TRADE_WAIT, now)
        for o in _entries(p)
    )


def _entries(p: Position) -> tuple[Order, ...]:
    return p.live(Role.ENTRY)


def _order(
    book: InstrumentBook,
    now: int,
    role: Role,
    price: Decimal,
    shares: Decimal,
    *,
    immediate: bool = False,
    post_only: bool = False,
    expires_at: int | None = None,
) -> Order:
    return Order(
        id="",  # numbered by `plan`
        role=role,
        price=price,
        shares=shares,
        sent_at=now,
        quote_seq=book.seq,
        immediate=immediate,
        post_only=post_only,
        expires_at=expires_at,
    )
