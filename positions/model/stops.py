"""The stop: which price it watches, where it stands, when it has to be raised, and when it sells.

Pure functions of a position and its market. The stop in force stands in the position itself and
only events change it, so that a restart finds it where it was. Prices are USDC per share, times
nanoseconds.
"""

from decimal import Decimal

from positions.model import targets
from positions.model.durations import SECOND
from positions.model.instrument_book import InstrumentBook
from positions.model.position import PROTECTED, Position
from positions.model.terms import Percent, Terms, Trigger
from positions.model.venue_rules import break_even_price, ceil_to, floor_to


def seen(p: Position, book: InstrumentBook) -> Decimal | None:
    """The price that the stop watches; None while there is none."""
    match p.request.terms.trigger:
        case Trigger.SIZE:
            return book.average_bid(p.sellable if p.sellable > 0 else p.request.size)
        case Trigger.LAST if book.last is not None:
            return book.last
    return book.bid


def is_reached(p: Position, book: InstrumentBook) -> bool:
    """Whether the watched price stands at or below the stop; never without a price or a stop."""
    price, stop = seen(p, book), p.stop_in_force
    return price is not None and stop is not None and price <= stop


def takes_entry_back(p: Position, book: InstrumentBook) -> bool:
    """Whether an entry that bought nothing is given up for its stop.

    One that counts from the entry price is not in force before there is one.
    """
    terms = p.request.terms
    is_in_force = terms.stop_below is None and not terms.keep_if_stop_trades
    return is_in_force and is_reached(p, book)


def is_certain(p: Position, book: InstrumentBook, now: int) -> bool:
    """Whether a stop that is reached sells now: confirmed, or the bid is at the hard stop."""
    if book.through(p.request.terms.stop_hard):
        return True
    confirm, touch = p.request.terms.stop_confirm, p.decision.touch
    if confirm is None:
        return is_reached(p, book)
    if touch is None or is_older_view(p, book) or not is_reached(p, book):
        return False
    if confirm.span is not None:
        # A clock that was set back must not hold it up for as long.
        return not -SECOND <= now - touch.time < confirm.span
    return book.seq - touch.quote_seq + 1 >= (confirm.quotes or 1)


def confirmed_at(p: Position) -> int | None:
    """The time at which a stop that is touched sells if the price stays; None = at none."""
    confirm = p.request.terms.stop_confirm
    if p.decision.touch is None or confirm is None or confirm.span is None:
        return None
    return p.decision.touch.time + confirm.span


def is_older_view(p: Position, book: InstrumentBook) -> bool:
    """Whether the stop was touched on a view of the book that an earlier run counted."""
    return p.decision.touch is not None and book.seq < p.decision.touch.quote_seq


def armed_price(p: Position, book: InstrumentBook) -> Decimal | None:
    """The trigger of the emulated stop: the hard stop while a touch is being confirmed."""
    price = p.stop_in_force
    if price is not None and p.decision.touch is not None and p.request.terms.stop_hard is not None:
        price = p.request.terms.stop_hard
    return None if price is None else max(floor_to(price, book.tick), book.tick)


def raised(p: Position, book: InstrumentBook) -> Decimal | None:
    """The price to which the stop is to be raised now, at least a tick higher and below the bid."""
    price = seen(p, book)
    if price is None or p.sellable <= 0 or p.phase not in PROTECTED:
        return None
    stops = [trailing(p.request.terms, price, book.tick), _break_even(p, book, price)]
    best = max((c for c in stops if c is not None and c < price), default=None)
    if best is None or (p.stop_in_force is not None and best < _next(p.stop_in_force, book.tick)):
        return None
    return best


def _next(stop: Decimal, tick: Decimal) -> Decimal:
    """The next price above the stop on the venue's grid."""
    return floor_to(stop, tick) + tick


def trailing(terms: Terms, price: Decimal, tick: Decimal) -> Decimal | None:
    """Where a trailing stop stands below this price; None where it does not follow."""
    if terms.trail is None or (terms.trail_from is not None and price < terms.trail_from):
        return None
    if isinstance(terms.trail, Percent):
        stop = price * (100 - terms.trail.value) / 100
    else:
        stop = price - terms.trail
    stop = floor_to(stop, tick)
    return stop if stop >= tick else None


def _break_even(p: Position, book: InstrumentBook, price: Decimal) -> Decimal | None:
    terms = p.request.terms
    at = terms.break_even_at is not None and price >= terms.break_even_at
    count = terms.break_even_after
    after = count is not None and targets.are_sold(p, count, book.minimum_size)
    return break_even(p, book) if at or after else None


def break_even(p: Position, book: InstrumentBook) -> Decimal:
    """The price at which a share held is sold without a loss, fees counted, and the offset."""
    paid = (p.ledger.cost + p.ledger.buy_fees) / p.ledger.bought
    return ceil_to(break_even_price(paid, book.fee) + p.request.terms.break_even_offset, book.tick)


def wakes_below(p: Position) -> Decimal | None:
    """The highest price at or below which the stop may sell; None = at none."""
    levels = (p.stop_in_force, p.request.terms.stop_hard)
    return max((level for level in levels if level is not None), default=None)


def wakes_above(p: Position, book: InstrumentBook) -> Decimal | None:
    """The lowest bid above which the stop may have to be raised; None = at none."""
    terms, stop = p.request.terms, p.stop_in_force
    levels = []
    if terms.trail is not None:
        follows = book.tick if stop is None else _next(stop, book.tick)
        if isinstance(terms.trail, Percent):
            follows = follows * 100 / (100 - terms.trail.value)
        else:
            follows += terms.trail
        levels.append(max(follows, terms.trail_from or follows))
    if p.ledger.bought > 0 and (
        terms.break_even_at is not None or terms.break_even_after is not None
    ):
        level = break_even(p, book)
        if stop is None or level >= _next(stop, book.tick):
            levels.append(max(level, terms.break_even_at or level))
    return min(levels, default=None)


def ends_at(p: Position, book: InstrumentBook) -> int | None:
    """The time at which everything is sold; None = never."""
    times = [] if p.request.terms.exit_at is None else [p.request.terms.exit_at]
    if p.request.terms.exit_before_end is not None and book.closes_at is not None:
        times.append(book.closes_at - p.request.terms.exit_before_end)
    return min(times, default=None)


def is_time_up(p: Position, book: InstrumentBook, now: int) -> bool:
    """Whether everything is to be sold for the time."""
    ends = ends_at(p, book)
    return ends is not None and now >= ends
