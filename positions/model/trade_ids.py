"""What one order's part of a trade is called. Pure.

The venue may tell a trade whole at one time, and in parts at another, one for each price. What was
told before a crash and is told anew after it must then be known to be the same.
"""

import re
from collections.abc import Iterable

_LENGTH = 36
"""What Nautilus lets a trade's id be."""
_KEPT = 25
"""As much of the trade's own id as each of the names has."""
_NAME = re.compile(r"(.+)-([0-9a-f]{6})(-\d{1,3})?")


def trade_name(trade_id: str, order_hash: str, part: int | None = None) -> str:
    """The name of what an order made in a trade, or of one part of that."""
    ending = f"-{order_hash[-6:]}" + ("" if part is None else f"-{part}")
    return trade_id[: _LENGTH - len(ending)] + ending


def is_told_otherwise(name: str, told: Iterable[str]) -> bool:
    """Whether a trade was told whole that is now told in parts, or the other way round."""
    asked = _NAME.fullmatch(name)
    if asked is None:
        return False
    start = asked[1][:_KEPT]
    found = (_NAME.fullmatch(t) for t in told if t.startswith(start))
    return any(
        f is not None
        and (f[1][:_KEPT], f[2]) == (start, asked[2])
        and (f[3] is None) is not (asked[3] is None)
        for f in found
    )
