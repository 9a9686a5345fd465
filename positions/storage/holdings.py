"""What a wallet holds, and what of it no position protects. Pure; rows are of the snapshot."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

_ZERO = Decimal(0)
_Row = Mapping[str, Any]


def protected(positions: Iterable[_Row]) -> dict[str, Decimal]:
    """The shares that positions hold, by outcome."""
    held: dict[str, Decimal] = {}
    for r in positions:
        held[r["outcome_id"]] = held.get(r["outcome_id"], _ZERO) + max(r["held"], _ZERO)
    return held


def split(holdings: Iterable[_Row], positions: Iterable[_Row]) -> list[dict[str, Any]]:
    """Each holding with the shares of it that positions protect, and those that are free."""
    by_outcome = protected(positions)
    made = []
    for h in holdings:
        mine = min(by_outcome.get(h["outcome_id"], _ZERO), h["shares"])
        made.append({**h, "protected": mine, "free": h["shares"] - mine})
    return made
