"""The venue's arithmetic: ticks, sizes, amounts, minimums, fees.

Pure functions over Decimal. Prices are USDC per share, inside (0, 1); sizes are shares; fees and
amounts are USDC. Every rounding has a direction, and that direction never favours the order over
its owner: a max bid is rounded down, a target up, a size down.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NamedTuple

SIZE_STEP = Decimal("0.01")
"""The venue's size grid, in shares."""
CENT = Decimal("0.01")
MINIMUM_AMOUNT = Decimal(1)
"""What an order that takes liquidity must be worth, in USDC."""
AMOUNT_DECIMALS = 4
"""Decimals that size x price of a FAK or FOK sell may have."""
FEE_STEP = Decimal("0.00001")
MICRO = Decimal("0.000001")
EXPONENT_MAX = 9
_BREAK_EVEN_STEPS = 60
"""Steps of a break-even price: each at least halves what the one before was off."""


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step`."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step + 0  # without an exponent


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of `step`."""
    return (value / step).to_integral_value(ROUND_CEILING) * step + 0


def on_grid(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a multiple of `step`."""
    return value % step == 0


def decimals(value: Decimal) -> int:
    """How many decimals `value` needs; trailing zeros do not count."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def micro(value: Decimal) -> Decimal:
    """Round to the micro-dollar, half to even."""
    return value.quantize(MICRO, ROUND_HALF_EVEN)


class FeeSchedule(NamedTuple):
    """What a market charges takers, as a part of each share's price; makers pay none.

    `exponent` is None where the market states one that cannot be: nothing is bought there. What is
    held is counted with 1 then, the highest fee of all exponents that can be.
    """

    rate: Decimal
    exponent: int | None = 1

    @property
    def is_known(self) -> bool:
        """Whether what a trade costs can be told."""
        return self.exponent is not None or self.rate == 0

    def per_share(self, price: Decimal) -> Decimal:
        """What a share costs at this price, in USDC, not rounded."""
        part = price * (1 - price)
        return self.rate * (part if self.exponent in (1, None) else part**self.exponent)


FREE = FeeSchedule(Decimal(0))


def taker_fee(shares: Decimal, price: Decimal, fee: FeeSchedule) -> Decimal:
    """The venue's fee in USDC: shares x rate x (p(1-p))^exponent, to 0.00001."""
    return (shares * fee.per_share(price)).quantize(FEE_STEP, ROUND_HALF_EVEN)


def break_even_price(paid: Decimal, fee: FeeSchedule) -> Decimal:
    """The price at which a share that cost `paid` is sold without a loss, the venue's fee counted.

    Where r is the fee rate and e its exponent it solves p - r (p(1-p))^e = paid; never above 1.
    """
    rate = fee.rate
    if rate == 0:
        return paid
    if fee.exponent in (1, None):
        root = ((1 - rate) ** 2 + 4 * rate * paid).sqrt()
        return min((root - 1 + rate) / (2 * rate), Decimal(1))
    price = paid
    for _ in range(_BREAK_EVEN_STEPS):
        price = min(paid + fee.per_share(price), Decimal(1))
    return price


def is_dust(shares: Decimal, tick: Decimal) -> bool:
    """Whether `shares` could not be sold at any price: worth under $1 at the highest tick."""
    return floor_to(shares, SIZE_STEP) * (1 - tick) < MINIMUM_AMOUNT


def sellable_size(shares: Decimal, price: Decimal) -> Decimal:
    """The most of `shares` that a FAK sell at `price` may carry.

    The venue refuses a FAK or FOK whose size x price has more than four decimals, so the size is
    floored to the step at which it has no more.
    """
    step = Decimal(1).scaleb(min(0, decimals(price) - AMOUNT_DECIMALS))
    return floor_to(shares, max(step, SIZE_STEP))


class Obstacle(StrEnum):
    """Why nothing can be sold now."""

    NO_BID = "no_bid"
    BELOW_FLOOR = "below_floor"
    BELOW_MINIMUM = "below_minimum"


class Offer(NamedTuple):
    """A FAK sell that the venue would take: limit price and size."""

    price: Decimal
    shares: Decimal


def exit_offer(
    shares: Decimal, bid: Decimal | None, tick: Decimal, slip: Decimal, floor: Decimal
) -> Offer | Obstacle:
    """The FAK sell for as much of `shares` as can go now, or why none can.

    Its limit is the bid less `slip`: an order exactly at the bid loses every race in a falling
    book; but never below `floor`, one tick, or the price at which the order is worth $1. Where the
    whole size could not be sold at that price (see `sellable_size`), the cent below is taken if the
    limits allow it: the order still fills at the bids it meets, and no tail is left.
    """
    if bid is None:
        return Obstacle.NO_BID
    if bid < floor:
        return Obstacle.BELOW_FLOOR
    whole = floor_to(shares, SIZE_STEP)
    if whole * bid < MINIMUM_AMOUNT:
        return Obstacle.BELOW_MINIMUM
    lowest = max(ceil_to(max(floor, MINIMUM_AMOUNT / whole), tick), tick)
    price = min(max(floor_to(bid - slip, tick), lowest), bid)
    cent_below = floor_to(price, CENT)
    if sellable_size(whole, price) < whole and cent_below >= lowest:
        price = cent_below
    size = sellable_size(whole, price)
    return Offer(price, size) if size * price >= MINIMUM_AMOUNT else Obstacle.BELOW_MINIMUM
