"""What a position would send and could win or lose, told before anything is sent.

Pure. Buys are counted as taking liquidity unless they are post-only, targets as making it, stops as
taking it: the costs are those of the worse case. Money is USDC, prices USDC per share.
"""

from collections.abc import Iterator
from decimal import Decimal

from positions.model import targets
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Position
from positions.model.venue_rules import MICRO, break_even_price, taker_fee


def what_if(p: Position, book: InstrumentBook) -> str:
    """The orders, the break-even, and the profit or loss at each end."""
    return "; ".join(_lines(p, book))


def _lines(p: Position, book: InstrumentBook) -> Iterator[str]:
    paid = _paid(p, book)
    kind = " post-only" if p.post_only else ""
    if p.bought > 0:
        yield f"would adopt {p.size} that cost {_money(paid)} with fee"
    else:
        yield f"would buy {p.size} at {p.max_bid_price}{kind}, for at most {_money(paid)} with fee"
    offers = _offers(p, book)
    for price, shares in offers:
        yield f"offer {shares:f} at {price}"
    if p.stop_in_force is not None:
        yield f"arm the stop at {p.stop_in_force}"
    even = break_even_price(paid / p.size, book.fee_rate)
    yield f"break-even {even.quantize(MICRO)}"
    if offers:
        won = sum((price * shares for price, shares in offers), ZERO)
        share = sum((shares for _, shares in offers), ZERO) / p.size
        yield f"profit at target {_money(won - paid * share)}"
    if p.stop_in_force is not None:
        got = p.size * p.stop_in_force - taker_fee(p.size, p.stop_in_force, book.fee_rate)
        yield f"result at stop {_money(got - paid)}"
    yield f"result if no bid is left {_money(-paid)}"


def _paid(p: Position, book: InstrumentBook) -> Decimal:
    if p.bought > 0:
        return p.cost + p.buy_fees
    fee = ZERO if p.post_only else taker_fee(p.size, p.max_bid_price, book.fee_rate)
    return p.size * p.max_bid_price + fee


def _offers(p: Position, book: InstrumentBook) -> list[tuple[Decimal, Decimal]]:
    levels = [*(t.price for t in p.terms.targets), p.sell_price]
    has_last = p.sell_price is not None
    sizes = targets.split(p.size, p.terms.targets, book.minimum_size, has_last=has_last)
    return [
        (targets.on_tick(price, book.tick), shares)
        for price, shares in zip(levels, sizes, strict=True)
        if isinstance(price, Decimal) and shares > 0
    ]


def _money(value: Decimal) -> str:
    return f"{value:+.2f}" if value < 0 else f"{value:.2f}"
