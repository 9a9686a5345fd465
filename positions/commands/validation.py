"""Validation of requests: against the market, the position, the money and the owner's limits.

Pure functions: each gives an event to book, or a `Refusal` that names the field, the value and the
rule.
"""

from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType, to_builtins
from msgspec.structs import replace

from positions.commands.immediacy import AtOnce, follows
from positions.commands.messages import (
    Amend,
    Close,
    Refusal,
    Release,
    Sell,
    Submit,
)
from positions.commands.pre_trade_checks import Gate
from positions.commands.term_validation import (
    Frame,
    check_terms,
    minimum_rule,
    size_at_risk,
)
from positions.model.durations import SECOND
from positions.model.events import Amended, EntryEnded, OwnerSold, Released, SaleAsked
from positions.model.formatting import iso, plain, term_texts
from positions.model.instrument_book import InstrumentBook
from positions.model.position import (
    EXITS,
    OVER,
    ZERO,
    EntryEnd,
    Position,
    Request,
    Role,
    Sale,
    update,
)
from positions.model.relative_terms import (
    base_of,
    fixed,
    priced,
    priced_within,
    relative,
    starts_by_trail,
    would_pay,
)
from positions.model.terms import Percent, PriceOrPercent, Terms
from positions.model.venue_rules import (
    CENT,
    MINIMUM_AMOUNT,
    SIZE_STEP,
    FeeSchedule,
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


def reserved_by(p: Position, fee: FeeSchedule) -> Decimal:
    """Cash that the position's entry may still take, fee included, in USDC."""
    if p.decision.entry_ended is None:
        shares = max(p.remaining, ZERO)
    else:
        shares = sum((o.leaves for o in p.live(Role.ENTRY)), ZERO)
    return _cost(shares, p.request.max_bid_price, fee)


def staked_by(p: Position) -> Decimal:
    """What the position has at stake: the cost of what it holds and of what it may still buy."""
    held = micro(p.ledger.cost * p.held / p.ledger.bought) if p.ledger.bought else ZERO
    open_entry = p.decision.entry_ended is None or p.live(Role.ENTRY)
    return held + (max(p.remaining, ZERO) * p.request.max_bid_price if open_entry else ZERO)


def _cost(shares: Decimal, limit: Decimal, fee: FeeSchedule) -> Decimal:
    return shares * limit + taker_fee(shares, limit, fee)


def open_position(
    c: Submit, book: InstrumentBook, funds: Funds, limits: Limits, now: int
) -> Position | Refusal:
    """The position that the request asks for, or why it is refused."""
    base = would_pay(c.max_bid_price, book)
    raw = Request(
        size=ZERO,
        max_bid_price=c.max_bid_price,
        sell_price=fixed(c.sell_price),
        stop_loss_price=fixed(c.stop_loss_price),
        floor_price=limits.floor_price if c.floor_price is None else c.floor_price,
        post_only=c.post_only,
        entry_expires_at=c.expires_on if c.expires is None else now + c.expires,
        terms=relative(c.terms, c.sell_price, c.stop_loss_price),
    )
    size = _size(c, raw, book, limits)
    if isinstance(size, Refusal):
        return size
    asked = priced(replace(raw, size=size), base, book.tick)
    frame, expires = Frame(book, size, asked, base, now), asked.entry_expires_at
    refusal = (
        _check_market(book, funds)
        or check_prices(frame)
        or check_against_bid(frame)
        or _check_post_only(c.post_only, book, c.max_bid_price)
        or _check_size(frame)
        or check_terms(frame)
        or _check_money(book, size, c.max_bid_price, funds, limits)
    )
    if refusal is None and expires is not None and expires <= now:
        refusal = Refusal("EXPIRED", _past(expires, now))
    if refusal is not None:
        return refusal
    return Position(
        id=c.id,
        market_id=book.market_id,
        market=book.slug,
        outcome_id=book.outcome_id,
        outcome=book.outcome,
        created_at=now,
        request=asked,
    )


def _past(expires: int, now: int) -> str:
    return f"expires was {iso(expires)}, must be later than now ({iso(now)})"


def _size(c: Submit, raw: Request, book: InstrumentBook, limits: Limits) -> Decimal | Refusal:
    """The shares asked for: as such, for a stake, or for a loss at the stop."""
    if c.size is not None:
        return c.size
    if c.risk is None:
        stake = limits.default_stake if c.stake is None else c.stake
        return floor_to(stake / c.max_bid_price, SIZE_STEP)
    sizes = []
    # A stop that counts from the entry price may lose more at either: the smaller size holds.
    for paid in {c.max_bid_price, would_pay(c.max_bid_price, book)}:
        stop = priced(raw, paid, book.tick).stop_loss_price
        if raw.terms.stop_below is None:
            paid = c.max_bid_price
        if stop is None or stop >= paid:
            rule = f"must have a stop_loss_price below max_bid_price {c.max_bid_price}"
            return Refusal("RISK_WITHOUT_STOP", f"risk was {c.risk}, {rule}")
        sizes.append(size_at_risk(c.risk, paid, stop, book.fee))
    return min(sizes)


def _check_market(book: InstrumentBook, funds: Funds) -> Refusal | None:
    if book.payout is not None:
        return Refusal("MARKET_CLOSED", f"market {book.slug} is resolved, must be open")
    if not book.fee.is_known:
        rule = "has a fee exponent that cannot be: what a trade costs is not known"
        return Refusal("FEE_UNKNOWN", f"market {book.slug} {rule}")
    if funds.halted:
        return Refusal("HALTED", "the node is halted and takes no new entries; see `resume`")
    return None


def check_prices(f: Frame) -> Refusal | None:
    """Refuse prices off the grid, or that contradict each other; see `_check_order`."""
    tick, asked = f.market.tick, f.asked
    named = {
        "max_bid_price": asked.max_bid_price if f.is_buying else None,
        "sell_price": asked.sell_price,
        "stop_loss_price": asked.stop_loss_price,
    }
    for field, value in named.items():
        if value is None:
            continue
        if not tick <= value <= 1 - tick:
            rule = f"must be from {tick} to {1 - tick} USDC per share"
            return Refusal("PRICE_OUT_OF_RANGE", f"{f.told(field)}, {rule}")
        if not on_grid(value, tick):
            rule = f"must be a multiple of the market's tick {tick}"
            return Refusal("PRICE_OFF_TICK", f"{f.told(field)}, {rule}")
    return _check_order(f)


def _check_order(f: Frame) -> Refusal | None:
    """Refuse prices that contradict each other."""
    stop, target, floor = f.asked.stop_loss_price, f.asked.sell_price, f.asked.floor_price
    highest, lowest = f.limit(f.asked.terms.stop_below), f.limit(f.asked.terms.target_above)
    if highest is not None and stop is not None and stop >= highest:
        rule = f"must be below {f.paid(f.asked.terms.stop_below)}"
        return Refusal("STOP_NOT_BELOW_MAX_BID", f"{f.told('stop_loss_price')}, {rule}")
    if lowest is not None and target is not None and target <= lowest:
        rule = f"must be above {f.paid(f.asked.terms.target_above)}"
        return Refusal("TARGET_NOT_ABOVE_MAX_BID", f"{f.told('sell_price')}, {rule}")
    if stop is not None and target is not None and target <= stop:
        rule = f"must be above {f.named('stop_loss_price')}"
        return Refusal("TARGET_NOT_ABOVE_STOP", f"{f.told('sell_price')}, {rule}")
    if stop is not None and floor > stop:
        rule = f"must not be above {f.named('stop_loss_price')}"
        return Refusal("FLOOR_ABOVE_STOP", f"floor_price was {floor}, {rule}")
    return None


def check_against_bid(f: Frame) -> Refusal | None:
    """Refuse a stop that would sell at once."""
    if f.market.through(f.asked.stop_loss_price):
        rule = f"must be below the current bid {f.market.bid}"
        return Refusal("STOP_AT_OR_ABOVE_BID", f"{f.told('stop_loss_price')}, {rule}")
    return None


def _check_post_only(post_only: bool, book: InstrumentBook, max_bid: Decimal) -> Refusal | None:
    """Refuse a bid that shall only rest, and would take."""
    if post_only and book.would_take(max_bid):
        rule = f"must be below the current ask {book.ask} to rest (post_only)"
        return Refusal("POST_ONLY_WOULD_CROSS", f"max_bid_price was {max_bid}, {rule}")
    return None


def _check_size(f: Frame) -> Refusal | None:
    if not on_grid(f.size, SIZE_STEP):
        return Refusal("SIZE_OFF_GRID", f"size was {f.size}, must be a multiple of 0.01 shares")
    return check_minimum("size", f.size, f.market) or check_worth("size", f.size, f)


def check_minimum(field: str, size: Decimal, book: InstrumentBook) -> Refusal | None:
    """Refuse shares that are too few to rest on the book."""
    if size < book.minimum_size:
        text = f"{field} was {size}, {minimum_rule(book.minimum_size)}"
        return Refusal("SIZE_BELOW_MINIMUM", text)
    return None


def check_worth(field: str, size: Decimal, f: Frame) -> Refusal | None:
    """Refuse shares that the stop could not sell: a FAK needs $1."""
    stop = f.asked.stop_loss_price
    if stop is not None and size * stop < MINIMUM_AMOUNT:
        where = f.named("stop_loss_price")
        rule = f"must be worth at least $1 at {where}, or the stop could not sell it"
        return Refusal("STOP_UNSELLABLE", f"{field} was {size}, {rule}")
    return None


def _check_money(
    book: InstrumentBook, size: Decimal, max_bid: Decimal, funds: Funds, limits: Limits
) -> Refusal | None:
    stake, cost = size * max_bid, _cost(size, max_bid, book.fee)
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
        rule = f"must be above 0 to sell{_unless_missing(p)}"
        return Refusal("NOTHING_TO_SELL", f"held was {max(p.sellable, ZERO)}, {rule}")
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
        text = f"the entry is over already: {p.decision.entry_ended}{_unless_missing(p)}"
        return Refusal("NOTHING_TO_CANCEL", text)
    return EntryEnded(time=now, reason=EntryEnd.CANCELLED)


def _unless_missing(p: Position) -> str:
    """What to do about shares that the venue does not have."""
    if p.decision.missing <= 0:
        return ""
    return f"; the venue lacks {p.decision.missing:f} of {p.held:f} shares: see `close`, `release`"


def close(c: Close, p: Position, book: InstrumentBook, now: int) -> OwnerSold | Refusal:
    """The sale that the owner states, of what the venue lacks, or why it cannot be."""
    refusal = _check_open(p, book)
    if refusal is not None:
        return refusal
    if p.decision.missing <= 0:
        rule = (
            "the venue lacks none of it as far as is known: `sell` sells it, `release` lets it go"
        )
        return Refusal("NOTHING_MISSING", f"held was {p.held:f}, {rule}")
    return OwnerSold(
        time=now,
        trade_id=f"word {c.id}",
        price=c.price,
        shares=p.decision.missing,
        fee=ZERO,
        liquidity="word",
    )


def release(c: Release, p: Position, book: InstrumentBook, now: int) -> Released | Refusal:
    """The shares that are the owner's own again, or why they cannot be."""
    refusal = _check_open(p, book)
    if refusal is not None:
        return refusal
    if p.phase in EXITS and c.shares > p.decision.missing:
        return Refusal("ALREADY_EXITING", f"phase was {p.phase}, everything is being sold already")
    free = p.held - sum((o.leaves for o in p.live(Role.EXIT)), ZERO)
    if c.shares > free:
        rule = f"must be at most {free:f}, which are held and not being sold"
        return Refusal("SIZE_ABOVE_HELD", f"shares was {c.shares}, {rule}")
    if c.shares != p.held and c.shares != p.decision.missing and not on_grid(c.shares, SIZE_STEP):
        return Refusal("SIZE_OFF_GRID", f"shares was {c.shares}, must be a multiple of 0.01")
    return Released(time=now, shares=c.shares)


def _check_open(p: Position, book: InstrumentBook) -> Refusal | None:
    if book.payout is not None:
        return Refusal("MARKET_CLOSED", f"market {book.slug} is resolved, must be open")
    if p.held <= 0:
        return Refusal("NOT_OPEN", f"phase was {p.phase} and held {p.held:f}, must be above 0")
    return None


def amend(
    c: Amend, p: Position, book: InstrumentBook, funds: Funds, limits: Limits, now: int
) -> Amended | Refusal:
    """The prices that hold from now on, or why they may not."""
    if p.phase in OVER or book.payout is not None:
        return Refusal("NOT_OPEN", f"phase was {p.phase}, must be open to be amended")
    if p.phase in EXITS:
        return Refusal("ALREADY_EXITING", f"phase was {p.phase}, everything is being sold already")
    is_buying = p.decision.entry_ended is None
    if c.max_bid_price is not UNSET and not is_buying:
        rule = f"must be left out: the entry is over ({p.decision.entry_ended})"
        return Refusal("ENTRY_OVER", f"max_bid_price was {c.max_bid_price}, {rule}")
    for field in ("size", "post_only", "expires", "expires_on"):
        if getattr(c, field) is not UNSET and not is_buying:
            rule = f"must be left out: the entry is over ({p.decision.entry_ended})"
            return Refusal("ENTRY_OVER", f"{field.removesuffix('_on')} was given, {rule}")
    raw = _amended_request(c, p, now)
    base = base_of(update(p, request=raw), book)
    size = raw.size if is_buying else p.ledger.bought
    frame = Frame(book, size, priced(raw, base, book.tick), base, now, is_buying, may_act=c.now)
    asked = priced_within(raw, base, book.tick)
    keeps = c.stop_loss_price is UNSET or (
        asked.stop_loss_price is not None and asked.stop_loss_price == p.request.stop_loss_price
    )
    amended = Amended(
        time=now,
        max_bid_price=asked.max_bid_price,
        sell_price=asked.sell_price,
        stop_loss_price=asked.stop_loss_price,
        terms=asked.terms,
        keeps_raised_stop=keeps,
        size=c.size,
        floor_price=UNSET if c.floor_price is UNSET else asked.floor_price,
        post_only=c.post_only,
        entry_expires_at=_new_expiry(c, now),
    )
    after = update(p, request=asked, raised_stop=p.decision.raised_stop if keeps else None)
    return (
        _check_amended_prices(c, frame)
        or _check_order(frame)
        or check_terms(frame)
        or _check_amended_entry(c, p, frame, funds, limits)
        or _check_immediacy(c, p, after, frame)
        or amended
    )


def _new_expiry(c: Amend, now: int) -> int | UnsetType | None:
    """When the unfilled entry is taken back from now on: a time, never, or UNSET as before."""
    if c.expires_on is not UNSET:
        return c.expires_on
    return now + c.expires if isinstance(c.expires, int) else c.expires


def _amended_request(c: Amend, p: Position, now: int) -> Request:
    """The request with what changes; a new target takes the place of all that there were."""
    old = p.request
    changes = {
        name: getattr(_AS_NEVER_ASKED, name) if value is None else value
        for name, value in c.terms.items()
    }
    target: PriceOrPercent | None = old.terms.target_above or old.sell_price
    if c.targets is not UNSET:
        changes["targets"] = tuple(t for t in c.targets if t.part is not None)
        target = c.targets[-1].price if c.targets[-1].part is None else None
    elif c.sell_price is not UNSET:
        changes["targets"], target = (), c.sell_price
    terms = replace(old.terms, **changes)
    stop = _amended_stop(c, old, terms)
    # A stop is not taken back from under a trail that stays.
    starts_trail = c.stop_loss_price is not None or "trail" in c.terms
    expires = _new_expiry(c, now)
    return replace(
        old,
        size=old.size if c.size is UNSET else c.size,
        floor_price=old.floor_price if c.floor_price is UNSET else c.floor_price or ZERO,
        post_only=old.post_only if c.post_only is UNSET else c.post_only,
        entry_expires_at=old.entry_expires_at if expires is UNSET else expires,
        max_bid_price=old.max_bid_price if c.max_bid_price is UNSET else c.max_bid_price,
        sell_price=fixed(target),
        stop_loss_price=fixed(stop),
        terms=relative(terms, target, stop, starts_trail=starts_trail),
    )


_AS_NEVER_ASKED = Terms()


def _amended_stop(c: Amend, old: Request, terms: Terms) -> PriceOrPercent | None:
    """The stop as it is asked for by now; None also where a trail begins anew."""
    if c.stop_loss_price is not UNSET:
        return c.stop_loss_price
    if starts_by_trail(old.terms):
        is_moved = terms.trail is not None and terms.trail_from is None
        return None if is_moved else old.stop_loss_price  # it stays where it is
    below = old.terms.stop_below
    return below if isinstance(below, Percent) else old.stop_loss_price


def _check_amended_prices(c: Amend, f: Frame) -> Refusal | None:
    """Refuse prices off the venue's grid, of those that change."""
    tick, asked = f.market.tick, f.asked
    changed = (
        ("max_bid_price", c.max_bid_price, asked.max_bid_price),
        ("sell_price", c.sell_price, asked.sell_price),
        ("stop_loss_price", c.stop_loss_price, asked.stop_loss_price),
    )
    for field, value, price in changed:
        if value is UNSET or price is None:
            continue
        if not on_grid(price, tick) or not tick <= price <= 1 - tick:
            rule = f"must be a multiple of the market's tick {tick}, at most {1 - tick}"
            return Refusal("PRICE_OFF_TICK", f"{f.told(field)}, {rule}")
    return None


def _check_amended_entry(
    c: Amend, p: Position, f: Frame, funds: Funds, limits: Limits
) -> Refusal | None:
    """Refuse what the entry, as far as it is still to be bought, may not be amended to."""
    max_bid, refusal = f.asked.max_bid_price, None
    expires = f.asked.entry_expires_at
    if expires != p.request.entry_expires_at and expires is not None and expires <= f.now:
        return Refusal("EXPIRED", _past(expires, f.now))
    if c.max_bid_price is not UNSET or c.post_only is True:
        refusal = _check_post_only(f.asked.post_only, f.market, max_bid)
    if refusal is None and c.size is not UNSET:
        refusal = _check_new_size(c.size, p, f)
    if refusal is None and (max_bid > p.request.max_bid_price or f.asked.size > p.request.size):
        refusal = _check_raise(p, f, funds, limits)
    if refusal is None and f.asked.stop_loss_price != p.request.stop_loss_price:
        refusal = check_worth("size", f.asked.size, f)
    return refusal


def _check_new_size(size: Decimal, p: Position, f: Frame) -> Refusal | None:
    """Refuse less than what is bought, or may be by orders that work: `cancel` takes those back."""
    least = p.ledger.bought + sum((o.leaves for o in p.live(Role.ENTRY)), ZERO)
    if size < least:
        rule = f"must be at least the {plain(least)} that are bought or on order; see `cancel`"
        return Refusal("SIZE_BELOW_ORDERED", f"size was {size}, {rule}")
    return _check_size(f)


def _check_immediacy(c: Amend, p: Position, after: Position, f: Frame) -> Refusal | None:
    """Refuse what would be sold at once, unless that is asked for."""
    if c.now or c.dry_run:
        return None
    at_once = follows(p, after, f.market, f.now)
    if at_once is None:
        return None
    text = _what_was_amended(c, p, after, at_once, f)
    what = f"{at_once.shares} shares would be sold at once"
    if at_once.shares <= 0:
        what = "the entry would be given up at once"
    return Refusal(at_once.code, f"{text}, {at_once.rule}: {what}; give now to have that")


def _what_was_amended(c: Amend, p: Position, after: Position, at_once: AtOnce, f: Frame) -> str:
    """The field that brings it about, as it was asked for."""
    if not at_once.is_exit:
        return "targets was lower" if c.targets is not UNSET else f.told("sell_price")
    if at_once.code == "STOP_AT_OR_ABOVE_BID" and after.stop_in_force != p.stop_in_force:
        return f.told("stop_loss_price")
    names = [n for n in c.terms if getattr(after.request.terms, n) != getattr(p.request.terms, n)]
    values = term_texts(to_builtins(after.request.terms, builtin_types=(Decimal,)))
    return "; ".join(f"{name} was {values.get(name, 'none')}" for name in names)


def _check_raise(p: Position, f: Frame, funds: Funds, limits: Limits) -> Refusal | None:
    """Refuse a higher max bid, or a larger size, that money or caps do not allow."""
    others = Funds(
        cash=funds.cash,
        reserved=funds.reserved - reserved_by(p, f.market.fee),
        staked=funds.staked - staked_by(p) + p.ledger.cost,
        halted=funds.halted,
    )
    remaining = f.asked.size - p.ledger.bought
    return _check_money(f.market, remaining, f.asked.max_bid_price, others, limits)
