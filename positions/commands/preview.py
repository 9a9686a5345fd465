"""What a position would send and could win or lose, told before anything is sent.

Pure. Buys are counted as taking liquidity unless they are post-only, targets as making it, stops as
taking it: the costs are those of the worse case. Money is USDC, prices USDC per share.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from positions.commands.immediacy import follows
from positions.model import targets
from positions.model.formatting import iso, plain, term_texts
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Position, Request, Sale, update
from positions.model.relative_terms import priced_within, would_pay
from positions.model.venue_rules import MICRO, break_even_price, taker_fee


def what_if(p: Position, book: InstrumentBook) -> str:
    """The orders, the break-even, and the profit or loss at each end.

    It is told for the max bid, and for the ask where that is lower.
    """
    if p.ledger.bought > 0:
        first = f"would adopt {p.request.size} that cost {_money(_paid(p, book))} with fee"
        return "; ".join([first, *_lines(p, book)])
    max_bid, kind = p.request.max_bid_price, " post-only" if p.request.post_only else ""
    cost = _money(_paid(p, book))
    first = f"would buy {p.request.size} at {max_bid}{kind}, for at most {cost} with fee"
    lines = [_touch(book), first, *_lines(_bought_at(p, max_bid, book), book)]
    ask = would_pay(max_bid, book)
    if ask < max_bid:
        at_ask = _bought_at(p, ask, book)
        cost = _money(_paid(at_ask, book))
        lines += [f"bought at the ask {ask}:", f"for {cost} with fee", *_lines(at_ask, book)]
    return "; ".join(lines).replace(":; ", ": ")


def _touch(book: InstrumentBook) -> str:
    """The best prices, and how many shares want or offer them."""
    sides = (("bid", book.bid, book.bid_size), ("ask", book.ask, book.ask_size))
    return ", ".join(
        f"no {name}" if price is None else f"{name} {price} ({plain(size)} shares)"
        for name, price, size in sides
    )


def figures(p: Position, book: InstrumentBook) -> dict[str, Any]:
    """The same for programs: bought at the max bid, and as `at_ask` at the ask if that is lower."""
    if p.ledger.bought > 0:
        return _figures(p, book)
    max_bid = p.request.max_bid_price
    ask = would_pay(max_bid, book)
    found = _figures(_bought_at(p, max_bid, book), book)
    if ask < max_bid:
        found["at_ask"] = _figures(_bought_at(p, ask, book), book)
    return found


def _figures(p: Position, book: InstrumentBook) -> dict[str, Any]:
    paid, offers, stop = _paid(p, book), _offers(p, book), p.stop_in_force
    return {
        "shares": p.request.size,
        "price": p.request.max_bid_price,
        "cost": paid,
        "break_even": _break_even(p, paid, book),
        "offers": [{"price": price, "shares": shares} for price, shares in offers],
        "profit_at_target": _won(p, paid, offers) if offers else None,
        "stop": stop,
        "no_stop_until": no_stop_until(p) or None,
        "result_at_stop": None if stop is None else _lost(p, paid, stop, book),
        "depth_at_stop": None if stop is None else book.bid_size_from(stop),
        "result_without_bid": -paid,
    }


def _bought_at(p: Position, price: Decimal, book: InstrumentBook) -> Position:
    """The position with all that it asks for in prices, as if that were paid for each share."""
    asked = replace(p.request, max_bid_price=price)
    return update(p, request=priced_within(asked, price, book.tick))


def no_stop_until(p: Position) -> str:
    """What is to be said of a trail that waits, while there is no stop; "" otherwise."""
    terms = p.request.terms
    if terms.trail is None or p.stop_in_force is not None:
        return ""
    return f"NO STOP until {terms.trail_from} was seen, from which the stop follows"


def _lines(p: Position, book: InstrumentBook) -> Iterator[str]:
    paid = _paid(p, book)
    offers = _offers(p, book)
    for price, shares in offers:
        yield f"offer {shares:f} at {price}"
    if p.stop_in_force is not None:
        yield f"arm the stop at {p.stop_in_force}"
    elif no_stop_until(p):
        yield no_stop_until(p)
    yield f"break-even {_break_even(p, paid, book)}"
    if offers:
        yield f"profit at target {_money(_won(p, paid, offers))}"
    if p.stop_in_force is not None:
        yield f"result at stop {_money(_lost(p, paid, p.stop_in_force, book))}"
    yield f"result if no bid is left {_money(-paid)}"


def _break_even(p: Position, paid: Decimal, book: InstrumentBook) -> Decimal:
    return break_even_price(paid / p.request.size, book.fee).quantize(MICRO)


def _won(p: Position, paid: Decimal, offers: list[tuple[Decimal, Decimal]]) -> Decimal:
    got = sum((price * shares for price, shares in offers), ZERO)
    share = sum((shares for _, shares in offers), ZERO) / p.request.size
    return got - paid * share


def _lost(p: Position, paid: Decimal, stop: Decimal, book: InstrumentBook) -> Decimal:
    return p.request.size * stop - taker_fee(p.request.size, stop, book.fee) - paid


def _paid(p: Position, book: InstrumentBook) -> Decimal:
    asked, ledger = p.request, p.ledger
    if ledger.bought > 0:
        return ledger.cost + ledger.buy_fees
    fee = ZERO if asked.post_only else taker_fee(asked.size, asked.max_bid_price, book.fee)
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


def amendment(before: Position, after: Position, book: InstrumentBook, now: int) -> str:
    """What an amendment would change, and whether it would sell at once."""
    old, new = _told(before.request, before), _told(after.request, after)
    changes = [
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
    lines = [f"would change {', '.join(changes)}" if changes else "would change nothing"]
    at_once = follows(before, after, book, now)
    if at_once is None:
        lines.append("nothing would be sold at once")
    elif at_once.shares <= 0:
        lines.append("WARNING: the entry would be given up at once; it is refused without now")
    else:
        lowest = ZERO if at_once.is_exit else targets.lowest(after) or ZERO
        text = proceeds(at_once.shares, max(lowest, after.request.floor_price), book)
        lines.append(f"WARNING: would sell at once, and is refused without now: {text}")
    if no_stop_until(after):
        lines.append(no_stop_until(after))
    return "; ".join(lines)


def _told(asked: Request, p: Position) -> dict[str, str]:
    """All that may be amended, in words."""
    prices: dict[str, Any] = {
        "max bid": asked.max_bid_price,
        "target": asked.sell_price,
        "stop": p.stop_in_force,
        "floor": asked.floor_price or None,
        "size": asked.size,
    }
    entry = {"post only": str(asked.post_only).lower()}
    if asked.entry_expires_at is not None:
        entry["expires"] = iso(asked.entry_expires_at)
    found = {name: plain(price) for name, price in prices.items() if price is not None}
    return found | entry | term_texts(to_builtins(asked.terms, builtin_types=(Decimal,)))


def amendment_figures(
    before: Position, after: Position, book: InstrumentBook, now: int
) -> dict[str, Any]:
    """What an amendment would sell at once, for programs, besides what the position then is."""
    at_once = follows(before, after, book, now)
    found = _figures(after, book) if after.request.size > 0 else {}
    if at_once is None:
        return found | {"sells_at_once": None}
    if at_once.shares <= 0:
        return found | {"sells_at_once": {"shares": ZERO}}
    lowest = ZERO if at_once.is_exit else targets.lowest(after) or ZERO
    lowest = max(lowest, after.request.floor_price)
    return found | {"sells_at_once": _taken_by_bids(at_once.shares, lowest, book)}


def sale(asked: Sale, book: InstrumentBook) -> str:
    """What a sale by hand would bring now."""
    text = f"would sell {asked.shares} shares at {asked.limit_price} or more"
    return f"{text}: {proceeds(asked.shares, asked.limit_price, book)}"


def sale_figures(asked: Sale, book: InstrumentBook) -> dict[str, Any]:
    """The same for programs."""
    found = _taken_by_bids(asked.shares, asked.limit_price, book)
    return {"limit_price": asked.limit_price, **found}


def proceeds(shares: Decimal, lowest: Decimal, book: InstrumentBook) -> str:
    """What the bids that are known would pay for so many shares, at no less than a price."""
    found = _taken_by_bids(shares, lowest, book)
    if not found["taken"]:
        return "the bids shown take none"
    taken, money = found["taken"], _money(found["proceeds"])
    return f"the bids shown take {taken:f} of {shares:f} shares for {money} after fees"


def _taken_by_bids(shares: Decimal, lowest: Decimal, book: InstrumentBook) -> dict[str, Decimal]:
    left, money, fees = shares, ZERO, ZERO
    touch = () if book.bid is None else ((book.bid, book.bid_size),)
    for price, size in book.bids or touch:
        part = min(size, left) if price >= lowest else ZERO
        left, money = left - part, money + part * price
        fees += taker_fee(part, price, book.fee)
    return {"shares": shares, "taken": shares - left, "proceeds": money - fees, "fees": fees}


def _money(value: Decimal) -> str:
    return f"{value:+.2f}" if value < 0 else f"{value:.2f}"
