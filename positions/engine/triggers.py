"""What the market and the time mean for one position: the next event to book.

A pure function, called after every event that matters and once a second, until nothing more
follows. What should be sent about it is decided in `plan`.
"""

from positions.engine.plan import offer_all
from positions.model import relative_terms, stops
from positions.model.events import (
    AnyEvent,
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
    TermsPriced,
    Triggered,
    Unstuck,
)
from positions.model.instrument_book import InstrumentBook
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
    entry_price,
)
from positions.model.terms import TakenOff
from positions.model.venue_rules import Obstacle, is_dust


def next_event(p: Position, book: InstrumentBook, now: int, slip_ticks: int) -> AnyEvent | None:
    """The next event that follows from the market and the time; None when nothing does."""
    is_over = p.phase in OVER
    if book.payout is not None:
        # What is reported only now to have been sold, or not to have been bought, was not paid out.
        shares = max(p.sellable, ZERO) if p.held > 0 else max(p.held, -p.ledger.settled)
        if shares or (p.ledger.payout is None and not is_over):
            return Settled(time=now, payout=book.payout, shares=shares)
    elif p.decision.dust and is_over and p.held > 0 and not is_dust(p.held, book.tick):
        return NoMoreDust(time=now, shares=p.held)
    if is_over and p.decision.sale is None:
        return None
    for question in (
        _priced,
        _entry_over,
        _triggered,
        _touched,
        _raised,
        _dust,
        _sale_over,
        _stuck,
        _bid_gone,
    ):
        event = question(p, book, now, slip_ticks)
        if event is not None:
            return event
    return None


def _priced(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    paid = entry_price(p) if relative_terms.is_due(p) else None
    if paid is None:
        return None
    asked = relative_terms.priced_within(p.request, paid, book.tick)
    return TermsPriced(
        time=now,
        entry_price=paid,
        sell_price=asked.sell_price,
        stop_loss_price=asked.stop_loss_price,
        targets=asked.terms.targets,
    )


def _entry_over(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if p.decision.entry_ended is not None:
        return None
    reason = None
    if p.request.entry_expires_at is not None and now >= p.request.entry_expires_at:
        reason = EntryEnd.EXPIRED
    elif p.ledger.sold > 0:
        reason = EntryEnd.TARGET_REACHED
    elif stops.is_time_up(p, book, now):
        reason = EntryEnd.TIME_UP
    elif p.decision.was_taken_off and p.request.terms.if_taken_off is TakenOff.END:
        reason = EntryEnd.TAKEN_OFF
    elif _is_refused_for_good(p):
        reason = EntryEnd.REFUSED
    elif p.held == 0 and stops.takes_entry_back(p, book):
        reason = EntryEnd.STOP_REACHED
    elif p.remaining <= 0 or (
        p.ledger.bought > 0 and p.remaining < book.minimum_size and not p.live(Role.ENTRY)
    ):
        reason = EntryEnd.COMPLETE
    return None if reason is None else EntryEnded(time=now, reason=reason)


def _is_refused_for_good(p: Position) -> bool:
    backoff = p.pacing.backoffs.get(Role.ENTRY)
    return backoff is not None and backoff.is_lasting


def _triggered(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if p.phase not in PROTECTED or p.sellable <= 0:
        return None
    if stops.is_certain(p, book, now):
        cause = ExitReason.STOP
    elif stops.is_time_up(p, book, now):
        cause = ExitReason.TIME
    else:
        return None
    return Triggered(
        time=now,
        cause=cause,
        bid=book.bid,
        bid_size=book.bid_size,
        stop_loss_price=p.stop_in_force,
    )


def _touched(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if p.phase not in PROTECTED or p.sellable <= 0:
        return None
    price, armed = stops.seen(p, book), stops.armed_price(p, book)
    if p.request.terms.stop_confirm is not None and stops.is_reached(p, book):
        if p.decision.touch is None or stops.is_older_view(p, book):
            return StopTouched(time=now, seen=price, quote_seq=book.seq)
    elif p.decision.touch is not None and price is not None:
        return StopRecovered(time=now, seen=price)
    is_newer = p.decision.released_seq is not None and book.seq != p.decision.released_seq
    if is_newer and book.bid is not None and (armed is None or book.bid > armed):
        return StopDismissed(time=now, bid=book.bid)
    return None


def _raised(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    price, stop = stops.seen(p, book), stops.raised(p, book)
    if price is None or stop is None:
        return None
    return StopRaised(time=now, price=stop, seen=price)


def _sale_over(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if p.decision.sale is None:
        return None
    if book.payout is not None:
        reason = SaleEnd.MARKET_OVER
    elif p.decision.cause is not None:
        reason = SaleEnd.OVERTAKEN
    elif _is_sold(p, p.decision.sale):
        reason = SaleEnd.DONE
    elif now >= p.decision.sale.until and not p.live(Role.EXIT):
        reason = SaleEnd.LAPSED
    else:
        return None
    return SaleEnded(
        time=now,
        command_id=p.decision.sale.command_id,
        reason=reason,
        sold=p.decision.sale.sold,
        left=max(p.decision.sale.left, ZERO),
    )


def _is_sold(p: Position, sale: Sale) -> bool:
    if sale.everything and p.live(Role.ENTRY):
        return False  # it may buy until it is off the book
    return sale.left <= 0 or p.held <= 0 or p.decision.dust


def _stuck(p: Position, book: InstrumentBook, now: int, slip_ticks: int) -> AnyEvent | None:
    if p.phase not in EXITS or any(o.role in SELLS for o in p.orders):
        return None
    offer = offer_all(p, book, slip_ticks)
    if isinstance(offer, Obstacle):
        return None if p.decision.stuck is offer else Stuck(time=now, obstacle=offer, bid=book.bid)
    if p.decision.stuck is not None and book.bid is not None:
        return Unstuck(time=now, bid=book.bid)
    return None


def _dust(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if (
        p.decision.entry_ended is None
        or p.decision.dust
        or p.held <= 0
        or not is_dust(p.held, book.tick)
    ):
        return None
    return None if p.live(Role.ENTRY) or p.locked > 0 else LeftAsDust(time=now, shares=p.held)


def _bid_gone(p: Position, book: InstrumentBook, now: int, _: int) -> AnyEvent | None:
    if p.decision.no_bid and book.bid is not None:
        return BidReturned(time=now, bid=book.bid)
    gone = book.bid is None and book.seq > 0
    if gone and not p.decision.no_bid and p.phase in PROTECTED and p.held > 0:
        return BidVanished(time=now)
    return None
