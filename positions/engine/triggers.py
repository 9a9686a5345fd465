"""What the market and the time mean for one position: the next fact to book.

A pure function, called after every fact that matters and once a second, until nothing more follows.
What should be sent about it is decided in `plan`.
"""

from positions.engine.plan import offer_all
from positions.model import stops
from positions.model.events import (
    AnyFact,
    BidReturned,
    BidVanished,
    EntryEnded,
    LeftAsDust,
    NoMoreDust,
    SaleEnded,
    Settled,
    StopDismissed,
    StopRaised,
    StopRecovered,
    StopTouched,
    Stuck,
    Triggered,
    Unstuck,
)
from positions.model.instrument_book import Market
from positions.model.position import (
    EXITS,
    OVER,
    PROTECTED,
    SELLS,
    ZERO,
    EntryEnd,
    ExitReason,
    Position,
    Role,
    Sale,
    SaleEnd,
)
from positions.model.terms import TakenOff
from positions.model.venue_rules import Obstacle, is_dust


def judge(p: Position, m: Market, now: int, slip_ticks: int) -> AnyFact | None:
    """The next fact that follows from the market and the time; None when nothing does."""
    is_over = p.phase in OVER
    if m.payout is not None:
        # What is heard only now to have been sold, or not to have been bought, was not paid out.
        shares = max(p.sellable, ZERO) if p.held > 0 else max(p.held, -p.settled)
        if shares or (p.payout is None and not is_over):
            return Settled(time=now, payout=m.payout, shares=shares)
    elif p.dust and is_over and p.held > 0 and not is_dust(p.held, m.tick):
        return NoMoreDust(time=now, shares=p.held)
    if is_over and p.sale is None:
        return None
    for question in (
        _entry_over,
        _triggered,
        _touched,
        _raised,
        _dust,
        _sale_over,
        _stuck,
        _bid_gone,
    ):
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
    elif stops.is_time_up(p, m, now):
        reason = EntryEnd.TIME_UP
    elif p.was_taken_off and p.terms.if_taken_off is TakenOff.END:
        reason = EntryEnd.TAKEN_OFF
    elif p.held == 0 and stops.is_reached(p, m) and not p.terms.keep_if_stop_trades:
        reason = EntryEnd.STOP_REACHED
    elif p.remaining <= 0 or (
        p.bought > 0 and p.remaining < m.minimum_size and not p.live(Role.ENTRY)
    ):
        reason = EntryEnd.COMPLETE
    return None if reason is None else EntryEnded(time=now, reason=reason)


def _triggered(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.phase not in PROTECTED or p.sellable <= 0:
        return None
    if stops.is_certain(p, m, now):
        cause = ExitReason.STOP
    elif stops.is_time_up(p, m, now):
        cause = ExitReason.TIME
    else:
        return None
    return Triggered(
        time=now,
        cause=cause,
        bid=m.bid,
        bid_size=m.bid_size,
        stop_loss_price=p.stop_in_force,
    )


def _touched(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.phase not in PROTECTED or p.sellable <= 0:
        return None
    price, armed = stops.seen(p, m), stops.armed_price(p, m)
    if p.terms.stop_confirm is not None and stops.is_reached(p, m):
        if p.touch is None or stops.is_older_view(p, m):
            return StopTouched(time=now, seen=price, quote_seq=m.seq)
    elif p.touch is not None and price is not None:
        return StopRecovered(time=now, seen=price)
    is_newer = p.released_seq is not None and m.seq != p.released_seq
    if is_newer and m.bid is not None and (armed is None or m.bid > armed):
        return StopDismissed(time=now, bid=m.bid)
    return None


def _raised(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    price, stop = stops.seen(p, m), stops.raised(p, m)
    if price is None or stop is None:
        return None
    return StopRaised(time=now, price=stop, seen=price)


def _sale_over(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.sale is None:
        return None
    if m.payout is not None:
        reason = SaleEnd.MARKET_OVER
    elif p.cause is not None:
        reason = SaleEnd.OVERTAKEN
    elif _is_sold(p, p.sale):
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


def _is_sold(p: Position, sale: Sale) -> bool:
    if sale.everything and p.live(Role.ENTRY):
        return False  # it may buy until it is off the book
    return sale.left <= 0 or p.held <= 0 or p.dust


def _stuck(p: Position, m: Market, now: int, slip_ticks: int) -> AnyFact | None:
    if p.phase not in EXITS or any(o.role in SELLS for o in p.orders):
        return None
    offer = offer_all(p, m, slip_ticks)
    if isinstance(offer, Obstacle):
        return None if p.stuck is offer else Stuck(time=now, obstacle=offer, bid=m.bid)
    if p.stuck is not None and m.bid is not None:
        return Unstuck(time=now, bid=m.bid)
    return None


def _dust(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.entry_ended is None or p.dust or p.held <= 0 or not is_dust(p.held, m.tick):
        return None
    return None if p.live(Role.ENTRY) or p.locked > 0 else LeftAsDust(time=now, shares=p.held)


def _bid_gone(p: Position, m: Market, now: int, _: int) -> AnyFact | None:
    if p.no_bid and m.bid is not None:
        return BidReturned(time=now, bid=m.bid)
    gone = m.bid is None and m.seq > 0
    if gone and not p.no_bid and p.phase in PROTECTED and p.held > 0:
        return BidVanished(time=now)
    return None
