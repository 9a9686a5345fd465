"""What follows for one position: the facts to note, and the orders that should exist now.

Two pure functions. `judge` says what the market and the time mean for the position (the stop is
reached, the entry has expired ...) as the next fact to book, until nothing more follows. `plan`
compares the orders that should exist with those that do and says what to send: cancels first. Both
are called after every fact that matters and once a second, so a rejected order, a restart or a fill
that raced a cancel needs no case of its own: the next round sees what is missing.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from positions.facts import (
    AnyFact,
    BidReturned,
    BidVanished,
    EntryEnded,
    LeftAsDust,
    SaleEnded,
    Settled,
    StopDismissed,
    Stuck,
    Triggered,
    Unstuck,
)
from positions.market import Market
from positions.position import (
    EXITS,
    GTD_MARGIN,
    OVER,
    PROTECTED,
    SECOND,
    SELLS,
    ZERO,
    EntryEnd,
    ExitReason,
    Order,
    OrderState,
    Phase,
    Position,
    Role,
    SaleEnd,
)
from positions.rules import (
    SIZE_STEP,
    Obstacle,
    Offer,
    ceil_to,
    exit_offer,
    floor_to,
    is_dust,
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


# -- what the market and the time mean -------------------------------------------------------------


def judge(p: Position, m: Market, now: int, slip_ticks: int) -> AnyFact | None:
    """The next fact that follows from the market and the time; None when nothing does."""
    is_over = p.phase in OVER
    if m.payout is not None and (p.sellable > 0 or (p.payout is None and not is_over)):
        return Settled(time=now, payout=m.payout, shares=max(p.sellable, ZERO))
    if is_over and p.sale is None:
        return None
    for question in (_entry_over, _triggered, _dust, _sale_over, _stuck, _bid_gone):
        fact = question(p, m, now, slip_ticks)
        if fact is not None:
            return fact
    return None


def _entry_over(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.entry_ended is not None:
        return None
    reason = None
    if p.entry_expires_at is not None and now >= p.entry_expires_at:
        reason = EntryEnd.EXPIRED
    elif p.sold > 0:
        reason = EntryEnd.TARGET_REACHED
    elif p.held == 0 and m.through(p.stop_loss_price):
        reason = EntryEnd.STOP_REACHED
    elif p.remaining <= 0 or (p.bought > 0 and p.remaining < m.minimum_size and not _entries(p)):
        reason = EntryEnd.COMPLETE
    return None if reason is None else EntryEnded(time=now, reason=reason)


def _triggered(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.phase not in PROTECTED or p.sellable <= 0:
        return None
    if m.through(p.stop_loss_price):
        return Triggered(
            time=now,
            cause=ExitReason.STOP,
            bid=m.bid,
            bid_size=m.bid_size,
            stop_loss_price=p.stop_loss_price,
        )
    if p.released_seq is not None and m.seq != p.released_seq and m.bid is not None:
        return StopDismissed(time=now, bid=m.bid)
    return None


def _sale_over(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.sale is None:
        return None
    if m.payout is not None:
        reason = SaleEnd.MARKET_OVER
    elif p.cause is not None:
        reason = SaleEnd.OVERTAKEN
    elif p.sale.left <= 0 or p.held <= 0 or p.dust:
        reason = SaleEnd.DONE
    elif now >= p.sale.until and not p.live(Role.EXIT):
        reason = SaleEnd.LAPSED
    else:
        return None
    return SaleEnded(
        time=now,
        command_id=p.sale.command_id,
        reason=reason,
        sold=p.sale.sold,
        left=max(p.sale.left, ZERO),
    )


def _stuck(p: Position, m: Market, now: int, slip_ticks: int) -> AnyFact | None:
    if p.phase not in EXITS or any(o.role in SELLS for o in p.orders):
        return None
    offer = _exit_offer(p, m, slip_ticks)
    if isinstance(offer, Obstacle):
        return None if p.stuck is offer else Stuck(time=now, obstacle=offer, bid=m.bid)
    if p.stuck is not None and m.bid is not None:
        return Unstuck(time=now, bid=m.bid)
    return None


def _dust(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.entry_ended is None or p.dust or p.held <= 0 or not is_dust(p.held, m.tick):
        return None
    return None if _entries(p) or p.locked > 0 else LeftAsDust(time=now, shares=p.held)


def _bid_gone(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.no_bid and m.bid is not None:
        return BidReturned(time=now, bid=m.bid)
    gone = m.bid is None and m.seq > 0
    if gone and not p.no_bid and p.phase in PROTECTED and p.held > 0:
        return BidVanished(time=now)
    return None


# -- the orders that should exist ------------------------------------------------------------------


def plan(
    p: Position, m: Market, now: int, slip_ticks: int, entry_lasts: int | None = None
) -> list[Intent]:
    """What to send so that the orders that exist become those that should.

    An entry is sent to last `entry_lasts` nanoseconds and renewed when two thirds of that are over.
    """
    intents: list[Intent] = [
        *_cancel_unwanted(p, m, now, entry_lasts),
        *_entry(p, m, now, entry_lasts),
        *_target(p, m, now),
        *_stop(p, m, now),
        *_exit(p, m, now, slip_ticks),
    ]
    number = p.next_order
    for index, intent in enumerate(intents):
        if isinstance(intent, Send):
            intents[index] = Send(replace(intent.order, id=f"{p.id}-{number}"))
            number += 1
    return intents


def _cancel_unwanted(p: Position, m: Market, now: int, entry_lasts: int | None) -> Iterator[Cancel]:
    for order in p.orders:
        asked = order.state is OrderState.CANCELLING
        unanswered = _is_past(order.cancel_sent_at, CANCEL_AGAIN_AFTER, now)
        unwanted = not _is_wanted(order, p, m) or _is_to_be_renewed(order, p, m, now, entry_lasts)
        if unwanted and (unanswered or not asked):
            yield Cancel(order.id)


def _is_to_be_renewed(
    order: Order, p: Position, m: Market, now: int, entry_lasts: int | None
) -> bool:
    """Whether an entry is to be replaced by one that lasts longer.

    Not where its remainder is too small to be sent again: that one is left to expire.
    """
    if order.role is not Role.ENTRY or order.expires_at is None or entry_lasts is None:
        return False
    if order.expires_at == _expiry(p, order.sent_at, None) or order.leaves < m.minimum_size:
        return False
    return now >= order.sent_at + entry_lasts * 2 // 3


def _is_wanted(order: Order, p: Position, m: Market) -> bool:
    if m.payout is not None or p.phase in OVER:
        return False
    if order.immediate:
        return True  # it ends by itself
    match order.role:
        case Role.ENTRY:
            return _wants_entry(p, m) and order.price == floor_to(p.max_bid_price, m.tick)
        case Role.TARGET:
            return _target_price(p, m) == order.price
        case _:
            return _wants_stop(p) and order.state is not OrderState.RELEASED


def _wants_entry(p: Position, m: Market) -> bool:
    return p.entry_ended is None and m.entries_allowed and m.payout is None


def _expiry(p: Position, now: int, entry_lasts: int | None) -> int | None:
    """The time that an entry states to the venue; None = it is good till cancelled."""
    ends = [
        *([] if p.entry_expires_at is None else [p.entry_expires_at]),
        *([] if entry_lasts is None else [now + entry_lasts]),
    ]
    return min(ends) + GTD_MARGIN if ends else None


def _entry(p: Position, m: Market, now: int, entry_lasts: int | None) -> Iterator[Send]:
    price = floor_to(p.max_bid_price, m.tick)
    size = floor_to(p.remaining, SIZE_STEP)
    if not _wants_entry(p, m) or _entries(p) or size < m.minimum_size or price <= 0:
        return
    if p.may_send(Role.ENTRY, now):
        yield Send(
            _order(
                m,
                now,
                Role.ENTRY,
                price,
                size,
                post_only=p.post_only,
                expires_at=_expiry(p, now, entry_lasts),
            )
        )


def _target_price(p: Position, m: Market) -> Decimal | None:
    if p.sell_price is None or p.phase not in (Phase.FILLING, Phase.HOLDING):
        return None
    return min(ceil_to(p.sell_price, m.tick), 1 - m.tick)


def _target(p: Position, m: Market, now: int) -> Iterator[Intent]:
    price = _target_price(p, m)
    if price is None or m.payout is not None or not p.may_send(Role.TARGET, now):
        return
    uncovered = floor_to(p.sellable - p.locked, SIZE_STEP)
    resting = [o for o in p.live(Role.TARGET) if o.state is not OrderState.CANCELLING]
    if uncovered >= m.minimum_size:
        yield Send(_order(m, now, Role.TARGET, price, uncovered))
    elif uncovered > 0:
        smallest = min(resting, key=lambda o: o.leaves, default=None)
        if smallest is not None and smallest.leaves + uncovered >= m.minimum_size:
            yield Cancel(smallest.id)
        elif m.bid is not None and m.bid >= price and _may_take(p, m, now):
            # Too few shares to rest: taken at the target once the bid is there.
            offer = exit_offer(uncovered, m.bid, m.tick, ZERO, price)
            if isinstance(offer, Offer):
                yield Send(_order(m, now, Role.TARGET, *offer, immediate=True))


def _wants_stop(p: Position) -> bool:
    return p.stop_loss_price is not None and p.phase in PROTECTED and p.sellable > 0


def _stop(p: Position, m: Market, now: int) -> Iterator[Intent]:
    if not _wants_stop(p) or p.stop_loss_price is None or m.payout is not None:
        return
    stops = p.live(Role.STOP)
    if not stops:
        if p.released_seq is None and p.may_send(Role.STOP, now):
            yield Send(_order(m, now, Role.STOP, p.stop_loss_price, p.sellable))
        return
    armed = stops[0]
    if armed.state in (OrderState.SENT, OrderState.WORKING) and (
        armed.price != p.stop_loss_price or armed.shares != p.sellable
    ):
        yield MoveStop(armed.id, p.stop_loss_price, p.sellable)


def _exit(p: Position, m: Market, now: int, slip_ticks: int) -> Iterator[Send]:
    if m.payout is not None or not _may_take(p, m, now):
        return
    free = p.sellable - p.locked
    if p.phase in EXITS:
        offer = _exit_offer(p, m, slip_ticks, free)
    elif p.phase is Phase.SELLING and p.sale is not None:
        offer = _sale_offer(p, m, free)
    else:
        return
    if isinstance(offer, Offer) and not _entry_in_the_way(p, now):
        yield Send(_order(m, now, Role.EXIT, *offer, immediate=True))


def _exit_offer(
    p: Position, m: Market, slip_ticks: int, shares: Decimal | None = None
) -> Offer | Obstacle:
    slip = m.tick * slip_ticks * min(1 + p.attempts, SLIP_WIDENED_MAX)
    return exit_offer(p.sellable if shares is None else shares, m.bid, m.tick, slip, p.floor_price)


def _sale_offer(p: Position, m: Market, free: Decimal) -> Offer | Obstacle:
    assert p.sale is not None
    return exit_offer(min(p.sale.left, free), m.bid, m.tick, Decimal(1), p.sale.limit_price)


def _may_take(p: Position, m: Market, now: int) -> bool:
    """Whether a further FAK may go out: one at a time, and each on a newer view of the book.

    A view that does not change is tried again after a pause, since it may be stale.
    """
    if any(o.immediate for o in p.orders) or not p.may_send(Role.EXIT, now):
        return False
    pause = min(30, 2 ** min(p.attempts, 5)) * SECOND
    return m.seq != p.exit_seq or _is_past(p.exit_at, pause, now)


def _is_past(since: int, pause: int, now: int) -> bool:
    """Whether a pause is over; also when the clock was set back to before it began."""
    return not 0 <= now - since < pause


def _entry_in_the_way(p: Position, now: int) -> bool:
    """Whether a resting entry of ours could meet our own sale."""
    return any(
        o.state is not OrderState.CANCELLING or not _is_past(o.cancel_sent_at, SELF_TRADE_WAIT, now)
        for o in _entries(p)
    )


def _entries(p: Position) -> tuple[Order, ...]:
    return p.live(Role.ENTRY)


def _order(
    m: Market,
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
        quote_seq=m.seq,
        immediate=immediate,
        post_only=post_only,
        expires_at=expires_at,
    )
