"""What an amendment would have sold at once: it asks first.

Pure. Only what the amendment itself brings about counts: what was due before it is due all the
same. Prices are USDC per share.
"""

from decimal import Decimal

from msgspec import Struct

from positions.model import stops, targets
from positions.model.formatting import iso
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Position


class AtOnce(Struct, frozen=True):
    """What follows at once: the code of its refusal, the rule it broke, the shares it sells."""

    code: str
    rule: str
    shares: Decimal
    is_exit: bool


def follows(before: Position, after: Position, book: InstrumentBook, now: int) -> AtOnce | None:
    """What the position is amended to do at once, that it would not do as it was before."""
    shares = max(after.sellable, ZERO)
    if _is_stopped(after, book, now) and not _is_stopped(before, book, now):
        return AtOnce("STOP_AT_OR_ABOVE_BID", _stop_rule(after, book), shares, is_exit=True)
    if stops.is_time_up(after, book, now):
        return AtOnce("EXPIRED", f"must be later than now ({iso(now)})", shares, is_exit=True)
    offered = _meets_bid(after, book)
    if offered > _meets_bid(before, book):
        rule = f"must be above the current bid {book.bid}"
        return AtOnce("TARGET_AT_OR_BELOW_BID", rule, offered, is_exit=False)
    return None


def _is_stopped(p: Position, book: InstrumentBook, now: int) -> bool:
    """Whether the stop is reached; one that is being confirmed counts once it is certain."""
    if p.decision.touch is not None:
        return stops.is_certain(p, book, now)
    return stops.is_reached(p, book) or stops.is_certain(p, book, now)


def _stop_rule(p: Position, book: InstrumentBook) -> str:
    seen, stop = stops.seen(p, book), p.stop_in_force
    if stops.is_reached(p, book) and seen != book.bid:
        return f"the stop {stop} must be below {seen}, the price that it watches"
    if stops.is_reached(p, book):
        return f"must be below the current bid {book.bid}"
    return f"stop_hard {p.request.terms.stop_hard} must be below the current bid {book.bid}"


def _meets_bid(p: Position, book: InstrumentBook) -> Decimal:
    """The shares offered at prices that the best bid pays now."""
    if book.bid is None:
        return ZERO
    return sum((n for price, n in targets.wanted(p, book) if price <= book.bid), ZERO)
