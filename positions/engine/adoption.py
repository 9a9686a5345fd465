"""Shares that the wallet holds already become a position of their own.

Pure: a request and what the wallet has of the outcome give the position, or a `Refusal` that names
the field, the value and the rule. Nothing is bought, so neither a halt nor the caps on stakes hold
it up. Prices are USDC per share, sizes shares, times nanoseconds.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from decimal import Decimal

from msgspec import Struct

from positions.commands.messages import Adopt, Refusal
from positions.commands.term_validation import Frame, check_terms
from positions.commands.validation import (
    Limits,
    check_against_bid,
    check_minimum,
    check_prices,
    check_worth,
)
from positions.model.instrument_book import InstrumentBook
from positions.model.position import (
    ZERO,
    Decision,
    EntryEnd,
    Ledger,
    Position,
    Request,
    entry_price,
    update,
)
from positions.model.relative_terms import below, fixed, priced, relative
from positions.model.targets import lowest
from positions.model.trades import Trade, is_reported_otherwise
from positions.model.venue_rules import SIZE_STEP, floor_to, micro, on_grid


class Holding(Struct, frozen=True):
    """What the wallet has of one outcome, at one moment.

    Parameters
    ----------
    shares
        All that it has, whoever bought them.
    offered
        Those of them that sells of others than this node may take.
    trades
        How it came by them, as far as the venue knows; the trades of our own orders, too.
    order_ids
        Our own order of each hash that this process knows as ours.
    problem
        Why nothing is known of it; "" where that is not so.
    """

    shares: Decimal = ZERO
    offered: Decimal = ZERO
    trades: tuple[Trade, ...] = ()
    order_ids: Mapping[str, str] = {}
    problem: str = ""


def open_position(
    c: Adopt,
    book: InstrumentBook,
    holding: Holding,
    ours: Collection[Position],
    limits: Limits,
    now: int,
) -> Position | Refusal:
    """The position that holds the shares, or why it is refused; `ours` are those of the outcome."""
    if book.payout is not None:
        return Refusal("MARKET_CLOSED", f"market {book.slug} is resolved, must be open")
    if holding.problem:
        text = f"the shares of the wallet are not known: {holding.problem}; send it again later"
        return Refusal("WALLET_UNKNOWN", text)
    shares = _shares(c, holding, sum((max(p.held, ZERO) for p in ours), ZERO))
    if isinstance(shares, Refusal):
        return shares
    paid = _paid(c, holding, {t for p in ours for t in p.ledger.trades}, shares)
    if isinstance(paid, Refusal):
        return paid
    entry, fee = paid
    ledger = Ledger(
        bought=shares,
        cost=micro(shares * entry),
        buy_fees=micro(shares * fee),
        filled_at=now,
    )
    p = Position(
        id=c.id,
        market_id=book.market_id,
        market=book.slug,
        outcome_id=book.outcome_id,
        outcome=book.outcome,
        created_at=now,
        request=Request(
            size=shares,
            max_bid_price=entry,
            sell_price=fixed(c.sell_price),
            stop_loss_price=_stop(c, book, entry),
            floor_price=limits.floor_price if c.floor_price is None else c.floor_price,
            terms=relative(c.terms, c.sell_price, c.stop_loss_price, starts_trail=False),
        ),
        ledger=ledger,
        decision=Decision(entry_ended=EntryEnd.ADOPTED),
    )
    base = entry_price(p) or entry
    p = update(p, request=priced(p.request, base, book.tick), priced_from=base)
    return _check(p, book, base, now) or p


def _stop(c: Adopt, book: InstrumentBook, entry: Decimal) -> Decimal | None:
    """The stop's price; a trail without one begins below the bid, or below what was paid."""
    trail = None if c.terms.trail_from is not None else c.terms.trail
    if c.stop_loss_price is not None or trail is None:
        return fixed(c.stop_loss_price)
    start = below(trail, book.bid or entry, book.tick)
    return start if start >= book.tick else None


def _shares(c: Adopt, holding: Holding, owned: Decimal) -> Decimal | Refusal:
    """The shares asked for: as such, or all that nobody else counts on."""
    free = floor_to(max(holding.shares - holding.offered - owned, ZERO), SIZE_STEP)
    rule = (
        f"must be at most {free:f}: the wallet has {holding.shares:f}, positions own {owned:f},"
        f" other orders offer {holding.offered:f}"
    )
    if c.shares is None:
        return free or Refusal("NOTHING_TO_ADOPT", f"shares was empty, {rule}")
    if not on_grid(c.shares, SIZE_STEP):
        return Refusal("SIZE_OFF_GRID", f"shares was {c.shares}, must be a multiple of 0.01")
    return (
        c.shares
        if c.shares <= free
        else Refusal("SIZE_ABOVE_FREE", f"shares was {c.shares}, {rule}")
    )


def _paid(
    c: Adopt, holding: Holding, ours: Set[str], shares: Decimal
) -> tuple[Decimal, Decimal] | Refusal:
    """What a share cost, and its fee: as stated, or as the wallet's own trades have it."""
    if c.entry_price is not None:
        return c.entry_price, ZERO
    paid = _average(holding.trades, ours, shares)
    if paid is not None:
        return paid
    rule = (
        f"must be given: the venue's trades do not say what all {shares:f} shares cost;"
        " the bid of now counts profit from now on"
    )
    return Refusal("ENTRY_PRICE_UNKNOWN", f"entry_price was empty, {rule}")


def _average(
    trades: Iterable[Trade], ours: Set[str], wanted: Decimal
) -> tuple[Decimal, Decimal] | None:
    """The average price and fee of a share of what others than our positions traded.

    A sale takes its part of the cost with it. None where that explains fewer than are wanted.
    """
    shares = cost = fees = ZERO
    for trade in sorted(trades, key=lambda t: t.time):
        if trade.id in ours or is_reported_otherwise(trade.id, ours):
            continue
        if trade.is_buy:
            shares += trade.shares
            cost += trade.price * trade.shares
            fees += trade.fee
        elif shares > 0:
            kept = max(shares - trade.shares, ZERO) / shares
            shares, cost, fees = shares * kept, cost * kept, fees * kept
    return (micro(cost / shares), fees / shares) if shares >= wanted else None


def _check(p: Position, book: InstrumentBook, base: Decimal, now: int) -> Refusal | None:
    frame = Frame(book, p.request.size, p.request, base, now, is_buying=False)
    return (
        _check_purpose(p)
        or check_prices(frame)
        or check_against_bid(frame)
        or _check_target(p, frame)
        or _check_size(p, frame)
        or check_terms(frame)
    )


def _check_purpose(p: Position) -> Refusal | None:
    exits = (
        p.request.stop_loss_price,
        lowest(p),
        p.request.terms.exit_at,
        p.request.terms.exit_before_end,
        p.request.terms.trail,
    )
    if any(e is not None for e in exits):
        return None
    rule = "must be given, or a sell_price, an exit_at or an exit_before_end"
    return Refusal("NO_EXIT", f"stop_loss_price was empty, {rule}")


def _check_target(p: Position, f: Frame) -> Refusal | None:
    target, book = lowest(p), f.market
    if target is None or book.bid is None or target > book.bid:
        return None
    rule = f"must be above the current bid {book.bid}, at which it would be sold at once"
    text = f"targets was {target}" if p.request.terms.targets else f.told("sell_price")
    return Refusal("TARGET_AT_OR_BELOW_BID", f"{text}, {rule}")


def _check_size(p: Position, f: Frame) -> Refusal | None:
    """Refuse what its exit could not sell: a FAK needs $1, an offer that rests the minimum."""
    rests = p.stop_in_force is None or lowest(p) is not None
    return check_worth("shares", f.size, f) or (
        check_minimum("shares", f.size, f.market) if rests else None
    )
