"""Which ticks a market can have: the venue's are 0.1, 0.01, 0.005, 0.0025, 0.001 and 0.0001."""

from decimal import Decimal, InvalidOperation
from typing import Any

from positions.model.errors import VenueFailure

_TICK_MAX = Decimal("0.1")
_DECIMALS_MAX = 6
_TEXT_MAX = 12


class ImpossibleTick(VenueFailure, ValueError):
    """No market can have this tick."""


def tick_of(value: Any) -> Decimal:
    """A tick that the venue states, without trailing zeros.

    Raises
    ------
    ImpossibleTick
        If no market can have it: it must be above 0, at most 0.1 and of at most six decimals, and
        1 a multiple of it. A wrong one makes every price of the market wrong.
    """
    text = str(value)
    try:
        tick = Decimal(text) if len(text) <= _TEXT_MAX else Decimal("NaN")
    except InvalidOperation:
        tick = Decimal("NaN")
    if not tick.is_finite() or not 0 < tick <= _TICK_MAX:
        raise ImpossibleTick(f"tick was {text[:_TEXT_MAX]}, must be above 0 and at most 0.1")
    tick = tick.normalize()
    exponent = tick.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_DECIMALS_MAX:
        raise ImpossibleTick(f"tick was {text}, must have at most {_DECIMALS_MAX} decimals")
    if 1 % tick:
        raise ImpossibleTick(f"tick was {text}, 1 must be a multiple of it")
    return tick
