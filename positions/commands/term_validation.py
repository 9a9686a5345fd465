"""Validation of the further terms of a request, for its market, its prices and its size.

Pure, a part of `validation`. Each refusal names the field, the value and the rule.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from positions.commands.messages import Refusal
from positions.model.formatting import iso, plain, term
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Request
from positions.model.relative_terms import starts_by_trail
from positions.model.stops import trailing
from positions.model.targets import split
from positions.model.terms import AfterFloor, PriceOrPercent, Slice, Terms, Trigger
from positions.model.venue_rules import MINIMUM_AMOUNT, SIZE_STEP, FeeSchedule, floor_to, on_grid


def minimum_rule(minimum: Decimal) -> str:
    """The rule that a size broke which is below the market's minimum, in shares."""
    return f"must be at least the market's minimum of {minimum} shares"


class Frame(Struct, frozen=True):
    """A request in prices, and what it must fit into.

    Parameters
    ----------
    asked
        The request; what is relative in it counts from `base`.
    is_buying
        Whether the max bid is still to be met.
    may_act
        Whether a time that is over already is none to refuse.
    """

    market: InstrumentBook
    size: Decimal
    asked: Request
    base: Decimal
    now: int
    is_buying: bool = True
    may_act: bool = False

    @property
    def target(self) -> Decimal | None:
        """The last target's price."""
        return self.asked.sell_price

    @property
    def stop(self) -> Decimal | None:
        """The stop's price, or the one at which a trail that waits begins."""
        asked, tick = self.asked, self.market.tick
        if asked.stop_loss_price is not None or asked.terms.trail_from is None:
            return asked.stop_loss_price
        return trailing(asked.terms, asked.terms.trail_from, tick)

    def limit(self, distance: PriceOrPercent | None) -> Decimal | None:
        """The price that an exit must not be beyond: what is paid, by the most or by its base."""
        if not self.is_buying:
            return None
        return self.asked.max_bid_price if distance is None else self.base

    def paid(self, distance: PriceOrPercent | None) -> str:
        """That price as a rule names it."""
        return f"max_bid_price {self.limit(None)}" if distance is None else plain(self.base)

    def told(self, name: str) -> str:
        """A price as it was asked for: its field, its value, and what that comes to."""
        distance, price = self._asked(name)
        if distance is None:
            return f"{name} was {price}"
        if name == "stop_loss_price" and starts_by_trail(self.asked.terms):
            name = "trail"
        return f"{name} was {term(distance)} ({price}, counted from {plain(self.base)})"

    def named(self, name: str) -> str:
        """A price as a rule names it."""
        distance, price = self._asked(name)
        what = "the stop" if name == "stop_loss_price" else "the target"
        return f"{name} {price}" if distance is None else f"{what} {price}"

    def _asked(self, name: str) -> tuple[PriceOrPercent | None, Decimal | None]:
        if name == "stop_loss_price":
            return self.asked.terms.stop_below, self.asked.stop_loss_price
        if name == "sell_price":
            return self.asked.terms.target_above, self.asked.sell_price
        return None, self.asked.max_bid_price


def check_terms(frame: Frame) -> Refusal | None:
    """The first thing that does not fit."""
    checks = (_targets, _slices, _trail, _break_even, _stop, _floor, _time)
    terms = frame.asked.terms
    return next((r for r in (one(terms, frame) for one in checks) if r is not None), None)


def _targets(terms: Terms, f: Frame) -> Refusal | None:
    if not terms.targets:
        return None
    tick = f.market.tick
    below = f.asked.stop_loss_price or ZERO
    last = [] if f.target is None else [Slice(f.target, above=terms.target_above)]
    for target in [*terms.targets, *last]:
        price = target.price
        assert isinstance(price, Decimal)
        text = f"targets was {price}"
        if target.above is not None:
            text = f"targets was {term(target.above)} ({price}, counted from {plain(f.base)})"
        below = max(below, f.limit(target.above) or ZERO)
        if not on_grid(price, tick) or not tick <= price <= 1 - tick:
            rule = f"must be a multiple of the market's tick {tick}, at most {1 - tick}"
            return Refusal("PRICE_OFF_TICK", f"{text}, {rule}")
        if price <= below:
            rule = f"must be above {below}: max bid, stop and targets rise in this order"
            return Refusal("TARGETS_OUT_OF_ORDER", f"{text}, {rule}")
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
    stop = f.asked.stop_loss_price
    if terms.targets and stop is not None and 0 < rest * stop < MINIMUM_AMOUNT:
        rule = f"must leave nothing, or $1 worth at the stop {stop}"
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
        rule = "must start from a stop: be less, or go with stop_loss_price"
        if terms.trail_from is not None:
            rule = f"must be less than trail_from {terms.trail_from}, from which it starts"
        return Refusal("TRAIL_WITHOUT_STOP", f"trail was {term(terms.trail)}, {rule}")
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
        rule = f"must be below {f.named('stop_loss_price')} and go with stop_confirm or trigger"
        return Refusal("STOP_HARD_NOT_BELOW_STOP", f"stop_hard was {terms.stop_hard}, {rule}")
    if not on_grid(terms.stop_hard, f.market.tick):
        rule = f"must be a multiple of the market's tick {f.market.tick}"
        return Refusal("PRICE_OFF_TICK", f"stop_hard was {terms.stop_hard}, {rule}")
    return None


def _floor(terms: Terms, f: Frame) -> Refusal | None:
    if terms.after_floor is not AfterFloor.HOLD and f.asked.floor_price <= 0:
        text = f"after_floor was {terms.after_floor}, must be given together with floor_price"
        return Refusal("AFTER_FLOOR_WITHOUT_FLOOR", text)
    return None


def _time(terms: Terms, f: Frame) -> Refusal | None:
    if terms.exit_at is not None and terms.exit_at <= f.now and not f.may_act:
        rule = f"must be later than now ({iso(f.now)})"
        return Refusal("EXPIRED", f"exit_at was {iso(terms.exit_at)}, {rule}")
    if terms.exit_before_end is None:
        return None
    closes = f.market.closes_at
    if closes is None:
        text = "exit_before_end was given, but the market states no end: give exit_at"
        return Refusal("MARKET_END_UNKNOWN", text)
    if closes - terms.exit_before_end <= f.now and not f.may_act:
        rule = f"must be less than the {_minutes(closes - f.now)} to the market's end"
        text = f"exit_before_end was {_minutes(terms.exit_before_end)}, {rule}"
        return Refusal("EXPIRED", text)
    return None


def _minutes(span: int) -> str:
    return f"{max(span, 0) // 60_000_000_000} minutes"


def size_at_risk(risk: Decimal, max_bid: Decimal, stop: Decimal, fee: FeeSchedule) -> Decimal:
    """The shares of which a sale at the stop loses `risk` USDC, the fees of both sides counted."""
    fees = fee.per_share(max_bid) + fee.per_share(stop)
    return floor_to(risk / (max_bid - stop + fees), SIZE_STEP)
