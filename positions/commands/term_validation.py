"""Validation of the further terms of a request, for its market, its prices and its size.

Pure, a part of `validation`. Each refusal names the field, the value and the rule.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from positions.commands.messages import Refusal, stop_price, target_price
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO
from positions.model.stops import trailing
from positions.model.targets import split
from positions.model.terms import AfterFloor, PriceOrPercent, Slice, Terms, Trigger
from positions.model.venue_rules import MINIMUM_AMOUNT, SIZE_STEP, floor_to, on_grid


def initial_stop(
    asked: PriceOrPercent | None,
    terms: Terms,
    paid: Decimal,
    tick: Decimal,
    *,
    bid: Decimal | None = None,
) -> Decimal | None:
    """The stop that a position begins with: as asked for, or where its trail starts.

    A percentage is taken off what is `paid`; a trail starts below the `bid`, or below what is paid.
    """
    stop = stop_price(asked, paid, tick)
    return trailing(replace(terms, trail_from=None), bid or paid, tick) if stop is None else stop


def minimum_rule(minimum: Decimal) -> str:
    """The rule that a size broke which is below the market's minimum, in shares."""
    return f"must be at least the market's minimum of {minimum} shares"


class Frame(Struct, frozen=True):
    """What the terms must fit into; a `max_bid` of None is no longer to be met."""

    market: InstrumentBook
    size: Decimal
    max_bid: Decimal | None
    target: Decimal | None
    stop: Decimal | None
    floor: Decimal
    now: int


def priced(targets: Sequence[Slice], max_bid: Decimal, tick: Decimal) -> tuple[Slice, ...]:
    """The targets with percentages turned into prices."""
    return tuple(replace(t, price=target_price(t.price, max_bid, tick)) for t in targets)


def check_terms(terms: Terms, frame: Frame) -> Refusal | None:
    """The first thing that does not fit."""
    checks = (_targets, _slices, _trail, _break_even, _stop, _floor, _time)
    return next((r for r in (one(terms, frame) for one in checks) if r is not None), None)


def _targets(terms: Terms, f: Frame) -> Refusal | None:
    if not terms.targets:
        return None
    tick = f.market.tick
    below = max((p for p in (f.max_bid, f.stop) if p is not None), default=ZERO)
    for price in [*_prices(terms.targets), *([] if f.target is None else [f.target])]:
        if not on_grid(price, tick) or not tick <= price <= 1 - tick:
            rule = f"must be a multiple of the market's tick {tick}, at most {1 - tick}"
            return Refusal("PRICE_OFF_TICK", f"targets was {price}, {rule}")
        if price <= below:
            rule = f"must be above {below}: max bid, stop and targets rise in this order"
            return Refusal("TARGETS_OUT_OF_ORDER", f"targets was {price}, {rule}")
        below = price
    return None


def _prices(targets: Iterable[Slice]) -> list[Decimal]:
    return [t.price for t in targets if isinstance(t.price, Decimal)]


def _slices(terms: Terms, f: Frame) -> Refusal | None:
    minimum, has_last = f.market.minimum_size, f.target is not None
    sizes = split(f.size, terms.targets, ZERO, has_last=has_last)
    prices = [*_prices(terms.targets), *([] if f.target is None else [f.target])]
    for price, shares in zip(prices, sizes, strict=False):
        if terms.targets and shares < minimum:
            text = f"targets was {price} for {shares:f} of {f.size} shares, {minimum_rule(minimum)}"
            return Refusal("TARGET_BELOW_MINIMUM", text)
    rest = ZERO if has_last else sizes[-1]
    if terms.targets and f.stop is not None and 0 < rest * f.stop < MINIMUM_AMOUNT:
        rule = f"must leave nothing, or $1 worth at the stop {f.stop}"
        return Refusal("STOP_UNSELLABLE", f"targets was {rest} shares short of all, {rule}")
    return None


def _trail(terms: Terms, f: Frame) -> Refusal | None:
    tick = f.market.tick
    if terms.trail is None:
        if terms.trail_from is not None:
            text = f"trail_from was {terms.trail_from}, must be given together with trail"
            return Refusal("TRAIL_FROM_WITHOUT_TRAIL", text)
        return None
    if f.stop is None:
        text = "trail was given without stop_loss_price, must start from a stop"
        return Refusal("TRAIL_WITHOUT_STOP", text)
    if isinstance(terms.trail, Decimal) and not on_grid(terms.trail, tick):
        rule = f"must be a multiple of the market's tick {tick}"
        return Refusal("PRICE_OFF_TICK", f"trail was {terms.trail}, {rule}")
    return None


def _break_even(terms: Terms, _: Frame) -> Refusal | None:
    after, before_last = terms.break_even_after, len(terms.targets)
    if after is not None and after > before_last:
        rule = f"must be at most the {before_last} targets for a part"
        return Refusal("BREAK_EVEN_AFTER_TOO_MANY", f"break_even_after was {after}, {rule}")
    if terms.break_even_offset and after is None and terms.break_even_at is None:
        rule = "must be given together with break_even_after or break_even_at"
        text = f"break_even_offset was {terms.break_even_offset}, {rule}"
        return Refusal("OFFSET_WITHOUT_BREAK_EVEN", text)
    return None


def _stop(terms: Terms, f: Frame) -> Refusal | None:
    thinks = terms.stop_confirm is not None or terms.trigger is not Trigger.BID
    if thinks and f.stop is None:
        text = "stop_confirm or trigger was given, must have a stop_loss_price"
        return Refusal("NO_STOP", text)
    if terms.stop_hard is None:
        return None
    if not thinks or f.stop is None or terms.stop_hard >= f.stop:
        rule = f"must be below stop_loss_price {f.stop} and go with stop_confirm or trigger"
        return Refusal("STOP_HARD_NOT_BELOW_STOP", f"stop_hard was {terms.stop_hard}, {rule}")
    if not on_grid(terms.stop_hard, f.market.tick):
        rule = f"must be a multiple of the market's tick {f.market.tick}"
        return Refusal("PRICE_OFF_TICK", f"stop_hard was {terms.stop_hard}, {rule}")
    return None


def _floor(terms: Terms, f: Frame) -> Refusal | None:
    if terms.after_floor is not AfterFloor.HOLD and f.floor <= 0:
        text = f"after_floor was {terms.after_floor}, must be given together with floor_price"
        return Refusal("AFTER_FLOOR_WITHOUT_FLOOR", text)
    return None


def _time(terms: Terms, f: Frame) -> Refusal | None:
    if terms.exit_at is not None and terms.exit_at <= f.now:
        rule = f"must be later than now ({f.now})"
        return Refusal("EXPIRED", f"exit_at was {terms.exit_at}, {rule}")
    if terms.exit_before_end is None:
        return None
    closes = f.market.closes_at
    if closes is None:
        text = "exit_before_end was given, but the market states no end: give exit_at"
        return Refusal("MARKET_END_UNKNOWN", text)
    if closes - terms.exit_before_end <= f.now:
        rule = f"must be less than the {_minutes(closes - f.now)} to the market's end"
        text = f"exit_before_end was {_minutes(terms.exit_before_end)}, {rule}"
        return Refusal("EXPIRED", text)
    return None


def _minutes(span: int) -> str:
    return f"{max(span, 0) // 60_000_000_000} minutes"


def size_at_risk(risk: Decimal, max_bid: Decimal, stop: Decimal, fee_rate: Decimal) -> Decimal:
    """The shares of which a sale at the stop loses `risk` USDC, the fees of both sides counted."""
    fees = fee_rate * (max_bid * (1 - max_bid) + stop * (1 - stop))
    return floor_to(risk / (max_bid - stop + fees), SIZE_STEP)
