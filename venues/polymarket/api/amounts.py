"""What an order gives and takes, in the millionths that are signed, exactly.

Defect: the client library floors sizes as floats, so that one in eighteen loses a hundredth of a
share: 20.4 is signed as 20.39. A resting order is then smaller than it was meant to be, and the
product of a sale on a fine tick has more decimals than the venue takes: it is refused at every
attempt. Can go when the library computes in decimals.
"""

from decimal import Decimal
from typing import Any

from py_clob_client_v2.order_utils import Side

_MILLION = 10**6


def exact_amounts(
    side: Any,
    size: float,
    price: float,
    round_config: Any,  # noqa: ARG001  (the library's signature; sizes and prices are on its grid)
) -> tuple[Side, int, int]:
    """The side, and what is given and what is taken of a limit order."""
    shares = Decimal(str(size))
    given = shares * Decimal(str(price))
    is_buy = side in (Side.BUY, "BUY")
    maker, taker = (given, shares) if is_buy else (shares, given)
    return Side.BUY if is_buy else Side.SELL, int(maker * _MILLION), int(taker * _MILLION)
