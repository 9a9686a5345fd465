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
    kind = " post-only" if p.request.post_only else ""
    if p.ledger.bought > 0:
        yield f"would adopt {p.request.size} that cost {_money(paid)} with fee"
    else:
        what = f"{p.request.size} at {p.request.max_bid_price}{kind}"
        yield f"would buy {what}, for at most {_money(paid)} with fee"
    offers = _offers(p, book)
    for price, shares in offers:
        yield f"offer {shares:f} at {price}"
    if p.stop_in_force is not None:
        yield f"arm the stop at {p.stop_in_force}"
    even = break_even_price(paid / p.request.size, book.fee_rate)
    yield f"break-even {even.quantize(MICRO)}"
    if offers:
        won = sum((price * shares for price, shares in offers), ZERO)
        share = sum((shares for _, shares in offers), ZERO) / p.request.size
        yield f"profit at target {_money(won - paid * share)}"
    if p.stop_in_force is not None:
        fee = taker_fee(p.request.size, p.stop_in_force, book.fee_rate)
        got = p.request.size * p.stop_in_force - fee
        yield f"result at stop {_money(got - paid)}"
    yield f"result if no bid is left {_money(-paid)}"


def _paid(p: Position, book: InstrumentBook) -> Decimal:
    asked, ledger = p.request, p.ledger
    if ledger.bought > 0:
        return ledger.cost + ledger.buy_fees
    fee = ZERO if asked.post_only else taker_fee(asked.size, asked.max_bid_price, book.fee_rate)
    return asked.size * asked.max_bid_price + fee


def _offers(p: Position, book: InstrumentBook) -> list[tuple[Decimal, Decimal]]:
    asked = p.request
    levels = [*(t.price for t in asked.terms.targets), asked.sell_price]
    has_last = asked.sell_price is not None
    sizes = targets.split(asked.size, asked.terms.targets, book.minimum_size, has_last=has_last)
    return [
        (targets.on_tick(price, book.tick), shares)
        for price, shares in zip(levels, sizes, strict=True)
        if isinstance(price, Decimal) and shares > 0
    ]


def _money(value: Decimal) -> str:
    return f"{value:+.2f}" if value < 0 else f"{value:.2f}"
