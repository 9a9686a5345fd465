"""Stops and targets that count from the entry price: what they come to in prices.

Pure. Once shares are bought such a term counts from the average price paid, anew with each fill of
the entry, until nothing more is bought. Before that it counts from what the entry would pay now:
the lower of max bid and ask. A stop is rounded down to the tick and a target up, so that neither
sells before the price has gone as far as was asked for. Prices are USDC per share.
"""

from decimal import Decimal

from msgspec.structs import replace

from positions.model.instrument_book import InstrumentBook
from positions.model.position import PROTECTED, Position, Request, entry_price
from positions.model.terms import Percent, PriceOrPercent, Terms
from positions.model.venue_rules import CENT, ceil_to, floor_to


def below(asked: PriceOrPercent, base: Decimal, tick: Decimal) -> Decimal:
    """The price so far below `base`, rounded down to the tick."""
    distance = base * asked.value * CENT if isinstance(asked, Percent) else asked
    return floor_to(base - distance, tick)


def above(asked: Percent, base: Decimal, tick: Decimal) -> Decimal:
    """The price so far above `base`, rounded up to the tick."""
    return ceil_to(base * (100 + asked.value) * CENT, tick)


def would_pay(max_bid: Decimal, book: InstrumentBook) -> Decimal:
    """What an entry would pay for a share now: the max bid, or the ask where that is lower."""
    return max_bid if book.ask is None else min(max_bid, book.ask)


def base_of(p: Position, book: InstrumentBook) -> Decimal:
    """The price that the terms of a position count from."""
    paid = entry_price(p)
    return would_pay(p.request.max_bid_price, book) if paid is None else paid


def fixed(asked: PriceOrPercent | None) -> Decimal | None:
    """A price that counts from nothing; None where it does."""
    return None if isinstance(asked, Percent) else asked


def relative(
    terms: Terms,
    target: PriceOrPercent | None,
    stop: PriceOrPercent | None,
    *,
    starts_trail: bool = True,
) -> Terms:
    """The terms with what counts from the entry price.

    A trail begins with a stop as far below the entry price, unless a stop is given or it waits for
    a price of its own.
    """
    start = terms.trail if starts_trail and terms.trail_from is None else None
    return replace(
        terms,
        target_above=target if isinstance(target, Percent) else None,
        stop_below=stop if isinstance(stop, Percent) else start if stop is None else None,
        targets=tuple(
            replace(t, above=t.price) if isinstance(t.price, Percent) else t for t in terms.targets
        ),
    )


def is_relative(terms: Terms) -> bool:
    """Whether anything counts from the entry price."""
    levels = (terms.stop_below, terms.target_above, *(t.above for t in terms.targets))
    return any(level is not None for level in levels)


def starts_by_trail(terms: Terms) -> bool:
    """Whether the stop begins where the trail does."""
    return terms.stop_below is not None and terms.stop_below == terms.trail


def priced(asked: Request, base: Decimal, tick: Decimal) -> Request:
    """The request with what counts from `base` in prices; a trail that leaves none has no stop."""
    terms, stop, target = asked.terms, asked.stop_loss_price, asked.sell_price
    if terms.stop_below is not None:
        number = below(terms.stop_below, base, tick)
        stop = None if number < tick and starts_by_trail(terms) else number
    if terms.target_above is not None:
        target = above(terms.target_above, base, tick)
    targets = tuple(
        t if t.above is None else replace(t, price=above(t.above, base, tick))
        for t in terms.targets
    )
    return replace(
        asked,
        sell_price=target,
        stop_loss_price=stop,
        terms=replace(terms, targets=targets),
    )


def priced_within(asked: Request, base: Decimal, tick: Decimal) -> Request:
    """The same within the venue's range: what is bought already cannot be refused for it."""
    found, highest = priced(asked, base, tick), 1 - tick
    stop, target = found.stop_loss_price, found.sell_price
    if asked.terms.stop_below is not None:
        stop = tick if stop is None else min(max(stop, tick), highest)
    if asked.terms.target_above is not None:
        target = min(target or highest, highest)
    targets = tuple(
        t if t.above is None else replace(t, price=min(t.price, highest))  # type: ignore[type-var]
        for t in found.terms.targets
    )
    terms = replace(found.terms, targets=targets)
    return replace(found, sell_price=target, stop_loss_price=stop, terms=terms)


def is_due(p: Position) -> bool:
    """Whether something counts from an entry price that is no longer the one of now."""
    if p.phase not in PROTECTED or not is_relative(p.request.terms):
        return False
    paid = entry_price(p)
    return paid is not None and paid != p.decision.priced_from
