"""What an owner may ask of a position beyond a max bid, a target and a stop.

Only values, part of the request and of the position: everything here has a default that asks for
nothing. Prices are USDC per share, times and spans nanoseconds.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Percent(Struct, frozen=True):
    """A distance in hundredths of a price, such as the 20 of `+20%`."""

    value: Decimal


PriceOrPercent = Decimal | Percent


class Slice(Struct, frozen=True):
    """A target for a part of what was bought: 0.5 is half; None = all that the others leave.

    `above` is how far above the entry price it was asked for; `price` is then what that comes to.
    """

    price: PriceOrPercent
    part: Decimal | None = None
    above: Percent | None = None


class Confirm(Struct, frozen=True):
    """How long, or for how many views of the book, the price must stay at the stop."""

    span: int | None = None
    quotes: int | None = None


class Trigger(StrEnum):
    """Which price the stop watches."""

    BID = "bid"
    """The best bid."""
    SIZE = "size"
    """The average bid at which all that is held could be sold."""
    LAST = "last"
    """The last trade; the best bid until one is known."""


class AfterFloor(StrEnum):
    """What an exit does when only bids below the floor remain."""

    HOLD = "hold"
    """Wait until a bid is back at the floor."""
    REST = "rest"
    """Rest an order at the floor."""
    ANYTHING = "anything"
    """Sell at the bids there are."""


class TakenOff(StrEnum):
    """What follows when the venue takes an entry off its book, as it does when a game starts."""

    REPLACE = "replace"
    END = "end"


class Terms(Struct, frozen=True, omit_defaults=True):
    """The further terms that an owner sets.

    Parameters
    ----------
    targets
        Targets for parts, lowest first, below the price at which the rest is sold.
    target_above, stop_below
        How far the last target and the stop are from the entry price; what that comes to is part of
        the request, see `relative_terms`. A trail without a stop begins so, too.
    trail
        How far the stop follows below the highest price seen; it never falls.
    trail_from
        The price from which on it follows.
    break_even_after
        After so many targets the stop is raised to where the position makes no loss.
    break_even_at
        The same, once the price was there.
    break_even_offset
        Added to that price.
    stop_confirm
        How long the price must stay at the stop before all is sold.
    stop_hard
        The bid at which all is sold without waiting for that.
    exit_at, exit_before_end
        The time at which all is sold, or how long before the market closes.
    keep_if_stop_trades
        Whether an unfilled entry stays although the price is at its stop.
    name
        What its owner calls the position.
    """

    targets: tuple[Slice, ...] = ()
    target_above: Percent | None = None
    stop_below: PriceOrPercent | None = None
    trail: PriceOrPercent | None = None
    trail_from: Decimal | None = None
    break_even_after: int | None = None
    break_even_at: Decimal | None = None
    break_even_offset: Decimal = Decimal(0)
    stop_confirm: Confirm | None = None
    stop_hard: Decimal | None = None
    trigger: Trigger = Trigger.BID
    after_floor: AfterFloor = AfterFloor.HOLD
    exit_at: int | None = None
    exit_before_end: int | None = None
    keep_if_stop_trades: bool = False
    if_taken_off: TakenOff = TakenOff.REPLACE
    name: str = ""
