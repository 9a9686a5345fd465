"""Validation of requests: against the market, the position, the money and the owner's limits.

Pure functions: each gives an event to book, or a `Refusal` that names the field, the value and the
rule.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from positions.commands.messages import (
    Amend,
    Refusal,
    Sell,
    Submit,
    target_price,
)
from positions.commands.pre_trade_checks import Gate
from positions.commands.term_validation import (
    Frame,
    check_terms,
    initial_stop,
    minimum_rule,
    priced,
    size_at_risk,
)
from positions.model.durations import SECOND
from positions.model.events import Amended, EntryEnded, SaleAsked
from positions.model.instrument_book import InstrumentBook
from positions.model.position import EXITS, OVER, ZERO, EntryEnd, Position, Request, Role, Sale
from positions.model.terms import Slice, Terms
from positions.model.venue_rules import (
    CENT,
    MINIMUM_AMOUNT,
    SIZE_STEP,
    floor_to,
    micro,
    on_grid,
    taker_fee,
)


class Limits(Struct, frozen=True):
    """What one owner allows. Money in USDC, spans in nanoseconds.

    `entry_lasts` is how long an entry stays on the venue's book without being renewed, so that a
    dead node cannot keep buying; None = until it is cancelled.
    """

    default_stake: Decimal
    max_stake_per_position: Decimal
    max_total_stake: Decimal
    slip_ticks: int = 3
    sale_lasts: int = 60 * SECOND
    floor_price: Decimal = ZERO
    entry_lasts: int | None = None
    gate: Gate = Gate()


class Funds(Struct, frozen=True):
    """The money as it stands: `cash` at the venue, less what live and planned buys still need."""

    cash: Decimal
    reserved: Decimal = ZERO
    staked: Decimal = ZERO
    halted: bool = False


def reserved_by(p: Position, fee_rate: Decimal) -> Decimal:
    """Cash that the position's entry may still take, fee included, in USDC."""
    if p.decision.entry_ended is None:
        shares = max(p.remaining, ZERO)
    else:
        shares = sum((o.leaves for o in p.live(Role.ENTRY)), ZERO)
    return _cost(shares, p.request.max_bid_price, fee_rate)


def staked_by(p: Position) -> Decimal:
    """What the position has at stake: the cost of what it holds and of what it may still buy."""
    held = micro(p.ledger.cost * p.held / p.ledger.bought) if p.ledger.bought else ZERO
    open_entry = p.decision.entry_ended is None or p.live(Role.ENTRY)
    return held + (max(p.remaining, ZERO) * p.request.max_bid_price if open_entry else ZERO)


def _cost(shares: Decimal, limit: Decimal, fee_rate: Decimal) -> Decimal:
    return shares * limit + taker_fee(shares, limit, fee_rate)


def open_position(
    c: Submit, book: InstrumentBook, funds: Funds, limits: Limits, now: int
) -> Position | Refusal:
    """The position that the request asks for, or why it is refused."""
    target = target_price(c.sell_price, c.max_bid_price, book.tick)
    stop = initial_stop(c.stop_loss_price, c.terms, c.max_bid_price, book.tick)
    size = _size(c, book, stop, limits)
    if isinstance(size, Refusal):
        return size
    terms = replace(c.terms, targets=priced(c.terms.targets, c.max_bid_price, book.tick))
    expires = c.expires_on if c.expires is None else now + c.expires
    floor = limits.floor_price if c.floor_price is None else c.floor_price
    refusal = (
        _check_market(book, funds)
        or check_prices(book, c.max_bid_price, target, stop, floor)
        or check_against_bid(book, stop)
        or _check_post_only(c.post_only, book, c.max_bid_price)
        or _check_size(book, size, stop)
        or check_terms(terms, Frame(book, size, c.max_bid_price, target, stop, floor, now))
        or _check_money(book, size, c.max_bid_price, funds, limits)
    )
    if refusal is None and expires is not None and expires <= now:
        refusal = Refusal("EXPIRED", f"expires was {expires}, must be later than now ({now})")
    if refusal is not None:
        return refusal
    return Position(
        id=c.id,
        market_id=book.market_id,
        market=book.slug,
        outcome_id=book.outcome_id,
        outcome=book.outcome,
        created_at=now,
        request=Request(
            size=size,
            max_bid_price=c.max_bid_price,
            sell_price=target,
            stop_loss_price=stop,
            floor_price=floor,
            post_only=c.post_only,
            entry_expires_at=expires,
            terms=terms,
        ),
    )


def _size(
    c: Submit, book: InstrumentBook, stop: Decimal | None, limits: Limits
) -> Decimal | Refusal:
    """The shares asked for: as such, for a stake, or for a loss at the stop."""
    if c.size is not None:
        return c.size
    if c.risk is None:
        stake = limits.default_stake if c.stake is None else c.stake
        return floor_to(stake / c.max_bid_price, SIZE_STEP)
    if stop is None or stop >= c.max_bid_price:
        rule = f"must have a stop_loss_price below max_bid_price {c.max_bid_price}"
        return Refusal("RISK_WITHOUT_STOP", f"risk was {c.risk}, {rule}")
    return size_at_risk(c.risk, c.max_bid_price, stop, book.fee_rate)


def _check_market(book: InstrumentBook, funds: Funds) -> Refusal | None:
    if book.payout is not None:
        return Refusal("MARKET_CLOSED", f"market {book.slug} is resolved, must be open")
    if funds.halted:
        return Refusal("HALTED", "the node is halted and takes no new entries; see `resume`")
    return None


def check_prices(
    book: InstrumentBook,
    max_bid: Decimal | None,
    target: Decimal | None,
    stop: Decimal | None,
    floor: Decimal,
) -> Refusal | None:
    """Refuse prices off the grid, or that contradict each other; see `_check_order`."""
    named = {"max_bid_price": max_bid, "sell_price": target, "stop_loss_price": stop}
    for field, value in named.items():
        if value is None:
            continue
        if not book.tick <= value <= 1 - book.tick:
            rule = f"must be from {book.tick} to {1 - book.tick} USDC per share"
            return Refusal("PRICE_OUT_OF_RANGE", f"{field} was {value}, {rule}")
        if not on_grid(value, book.tick):
            rule = f"must be a multiple of the market's tick {book.tick}"
            return Refusal("PRICE_OFF_TICK", f"{field} was {value}, {rule}")
    return _check_order(max_bid, target, stop, floor)


def _check_order(
    max_bid: Decimal | None,
    target: Decimal | None,
    stop: Decimal | None,
    floor: Decimal,
) -> Refusal | None:
    """Refuse prices that contradict each other; a `max_bid` of None is no longer to be met."""
    if max_bid is not None and stop is not None and stop >= max_bid:
        rule = f"must be below max_bid_price {max_bid}"
        return Refusal("STOP_NOT_BELOW_MAX_BID", f"stop_loss_price was {stop}, {rule}")
    if max_bid is not None and target is not None and target <= max_bid:
        rule = f"must be above max_bid_price {max_bid}"
        return Refusal("TARGET_NOT_ABOVE_MAX_BID", f"sell_price was {target}, {rule}")
    if stop is not None and target is not None and target <= stop:
        rule = f"must be above stop_loss_price {stop}"
        return Refusal("TARGET_NOT_ABOVE_STOP", f"sell_price was {target}, {rule}")
    if stop is not None and floor > stop:
        rule = f"must not be above stop_loss_price {stop}"
        return Refusal("FLOOR_ABOVE_STOP", f"floor_price was {floor}, {rule}")
    return None


def check_against_bid(book: InstrumentBook, stop: Decimal | None) -> Refusal | None:
    """Refuse a stop that would sell at once."""
    if book.through(stop):
        rule = f"must be below the current bid {book.bid}"
        return Refusal("STOP_AT_OR_ABOVE_BID", f"stop_loss_price was {stop}, {rule}")
    return None


def _check_post_only(post_only: bool, book: InstrumentBook, max_bid: Decimal) -> Refusal | None:
    """Refuse a bid that shall only rest, and would take."""
    if post_only and book.would_take(max_bid):
        rule = f"must be below the current ask {book.ask} to rest (post_only)"
        return Refusal("POST_ONLY_WOULD_CROSS", f"max_bid_price was {max_bid}, {rule}")
    return None


def _check_size(book: InstrumentBook, size: Decimal, stop: Decimal | None) -> Refusal | None:
    if not on_grid(size, SIZE_STEP):
        return Refusal("SIZE_OFF_GRID", f"size was {size}, must be a multiple of 0.01 shares")
    return check_minimum("size", size, book) or check_worth("size", size, stop)


def check_minimum(field: str, size: Decimal, book: InstrumentBook) -> Refusal | None:
    """Refuse shares that are too few to rest on the book."""
    if size < book.minimum_size:
        text = f"{field} was {size}, {minimum_rule(book.minimum_size)}"
        return Refusal("SIZE_BELOW_MINIMUM", text)
    return None


def check_worth(field: str, size: Decimal, stop: Decimal | None) -> Refusal | None:
    """Refuse shares that the stop could not sell: a FAK needs $1."""
    if stop is not None and size * stop < MINIMUM_AMOUNT:
        rule = f"must be worth at least $1 at stop_loss_price {stop}, or the stop could not sell it"
        return Refusal("STOP_UNSELLABLE", f"{field} was {size}, {rule}")
    return None


def _check_money(
    book: InstrumentBook, size: Decimal, max_bid: Decimal, funds: Funds, limits: Limits
) -> Refusal | None:
    stake, cost = size * max_bid, _cost(size, max_bid, book.fee_rate)
    if cost < MINIMUM_AMOUNT:
        rule = "must be worth at least $1 at max_bid_price"
        return Refusal("SIZE_BELOW_MINIMUM", f"size was {size}, {rule} {max_bid}")
    if stake > limits.max_stake_per_position:
        rule = f"must be at most max_stake_per_position {limits.max_stake_per_position}"
        return Refusal("MAX_STAKE_PER_POSITION", f"stake was {stake}, {rule}")
    if funds.staked + stake > limits.max_total_stake:
        rule = f"with {funds.staked} staked already must be at most {limits.max_total_stake}"
        return Refusal("MAX_TOTAL_STAKE", f"stake was {stake}, {rule}")
    free = funds.cash - funds.reserved
    if cost > free:
        rule = f"must be at most the free cash {free}"
        return Refusal("INSUFFICIENT_CASH", f"cost with fee was {cost}, {rule}")
    return None


def sell(
    c: Sell, p: Position, book: InstrumentBook, limits: Limits, now: int
) -> SaleAsked | Refusal:
    """The cash-out that the request asks for, or why it is refused."""
    if p.sellable <= 0 or p.phase in OVER:
        return Refusal("NOTHING_TO_SELL", f"held was {p.sellable}, must be above 0 to sell")
    if book.payout is not None:
        return Refusal("MARKET_CLOSED", f"market {book.slug} is resolved, must be open")
    if p.phase in EXITS:
        return Refusal("ALREADY_EXITING", f"phase was {p.phase}, everything is being sold already")
    if p.decision.sale is not None:
        rule = (
            f"{p.decision.sale.left} shares are being sold already by {p.decision.sale.command_id}"
        )
        return Refusal("SALE_UNDER_WAY", f"position_id was {p.id}, {rule}")
    shares = _shares_to_sell(c, p)
    if isinstance(shares, Refusal):
        return shares
    limit = c.min_price
    if limit is None:
        if book.bid is None:
            return Refusal("NO_BID", "the book has no bid; give min_price to wait for one")
        # A cent below at a finer tick: there every size can be sold (see rules.sellable_size).
        limit = max(
            floor_to(book.bid - limits.slip_ticks * book.tick, max(book.tick, CENT)), book.tick
        )
    elif not on_grid(limit, book.tick):
        rule = f"must be a multiple of the market's tick {book.tick}"
        return Refusal("PRICE_OFF_TICK", f"min_price was {limit}, {rule}")
    if shares * max(limit, book.bid or ZERO) < MINIMUM_AMOUNT:
        rule = "must be worth at least $1, the venue's minimum"
        return Refusal("SIZE_BELOW_MINIMUM", f"shares was {shares}, {rule}")
    rest = p.sellable - shares
    worth = min((x for x in (book.bid, p.stop_in_force) if x is not None), default=limit)
    if rest >= SIZE_STEP and rest * worth < MINIMUM_AMOUNT:
        rule = f"would leave {rest}, at {worth} under the venue's $1: sell all instead"
        return Refusal("LEAVES_UNSELLABLE_REST", f"shares was {shares}, {rule}")
    everything = c.shares is None and c.fraction in (None, 1)
    sale = Sale(c.id, shares, limit, now + limits.sale_lasts, everything=everything)
    return SaleAsked(time=now, sale=sale)


def _shares_to_sell(c: Sell, p: Position) -> Decimal | Refusal:
    if c.shares is None:
        return floor_to(p.sellable * (c.fraction or 1), SIZE_STEP)
    if not on_grid(c.shares, SIZE_STEP):
        return Refusal("SIZE_OFF_GRID", f"shares was {c.shares}, must be a multiple of 0.01")
    if c.shares > p.sellable:
        rule = f"must be at most held {p.sellable}"
        return Refusal("SIZE_ABOVE_HELD", f"shares was {c.shares}, {rule}")
    return c.shares


def cancel(p: Position, now: int) -> EntryEnded | Refusal:
    """The end of the entry, or why there is nothing to take back."""
    if p.decision.entry_ended is not None:
        return Refusal("NOTHING_TO_CANCEL", f"the entry is over already: {p.decision.entry_ended}")
    return EntryEnded(time=now, reason=EntryEnd.CANCELLED)


def amend(
    c: Amend, p: Position, book: InstrumentBook, funds: Funds, limits: Limits, now: int
) -> Amended | Refusal:
    """The prices that hold from now on, or why they may not."""
    if p.phase in OVER or book.payout is not None:
        return Refusal("NOT_OPEN", f"phase was {p.phase}, must be open to be amended")
    if p.phase in EXITS:
        return Refusal("ALREADY_EXITING", f"phase was {p.phase}, everything is being sold already")
    if c.max_bid_price is not UNSET and p.decision.entry_ended is not None:
        rule = f"must be left out: the entry is over ({p.decision.entry_ended})"
        return Refusal("ENTRY_OVER", f"max_bid_price was {c.max_bid_price}, {rule}")
    max_bid = p.request.max_bid_price if c.max_bid_price is UNSET else c.max_bid_price
    target = p.request.sell_price if c.sell_price is UNSET else c.sell_price
    stop = p.request.stop_loss_price if c.stop_loss_price is UNSET else c.stop_loss_price
    changed: Iterable[tuple[str, Decimal | None]] = (
        ("max_bid_price", None if c.max_bid_price is UNSET else max_bid),
        ("sell_price", None if c.sell_price is UNSET else target),
        ("stop_loss_price", None if c.stop_loss_price is UNSET else stop),
    )
    for field, value in changed:
        if value is not None and (not on_grid(value, book.tick) or not value <= 1 - book.tick):
            rule = f"must be a multiple of the market's tick {book.tick}, at most {1 - book.tick}"
            return Refusal("PRICE_OFF_TICK", f"{field} was {value}, {rule}")
    entry_limit = None if p.decision.entry_ended is not None else max_bid
    terms = _amended_terms(c, p, book)
    if c.targets is not UNSET:
        target = _last_target(c.targets, p, book)
    size = p.request.size if p.decision.entry_ended is None else p.ledger.bought
    frame = Frame(book, size, entry_limit, target, stop, p.request.floor_price, now)
    refusal = _check_order(entry_limit, target, stop, p.request.floor_price) or check_terms(
        terms, frame
    )
    if refusal is None and c.max_bid_price is not UNSET:
        refusal = _check_post_only(p.request.post_only, book, max_bid)
    if refusal is None and max_bid > p.request.max_bid_price:
        refusal = _check_raise(p, book, max_bid, funds, limits)
    if refusal is None and c.stop_loss_price is not UNSET:
        refusal = check_worth("size", p.request.size, stop)
    if refusal is not None:
        return refusal
    return Amended(
        time=now,
        max_bid_price=max_bid,
        sell_price=target,
        stop_loss_price=stop,
        terms=terms,
    )


_AS_NEVER_ASKED = Terms()


def _amended_terms(c: Amend, p: Position, book: InstrumentBook) -> Terms:
    """The terms with what changes; a new target takes the place of all that there were."""
    changes = {
        name: getattr(_AS_NEVER_ASKED, name) if value is None else value
        for name, value in c.terms.items()
    }
    if c.targets is not UNSET:
        parts = [t for t in c.targets if t.part is not None]
        changes["targets"] = priced(parts, p.request.max_bid_price, book.tick)
    elif c.sell_price is not UNSET:
        changes["targets"] = ()
    return replace(p.request.terms, **changes)


def _last_target(targets: tuple[Slice, ...], p: Position, book: InstrumentBook) -> Decimal | None:
    """The price at which all that the other targets leave is sold."""
    last = targets[-1]
    return (
        None
        if last.part is not None
        else target_price(last.price, p.request.max_bid_price, book.tick)
    )


def _check_raise(
    p: Position, book: InstrumentBook, max_bid: Decimal, funds: Funds, limits: Limits
) -> Refusal | None:
    """Refuse a higher max bid that money or caps do not allow."""
    others = Funds(
        cash=funds.cash,
        reserved=funds.reserved - reserved_by(p, book.fee_rate),
        staked=funds.staked - staked_by(p) + p.ledger.cost,
        halted=funds.halted,
    )
    return _check_money(book, p.remaining, max_bid, others, limits)
