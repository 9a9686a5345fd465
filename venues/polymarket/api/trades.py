"""One of our orders' part of a trade, as the venue reports it. Prices are USDC per share."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class Settlement(StrEnum):
    """How far a trade has come on the chain."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


SETTLEMENTS = {s.value: s for s in Settlement} | {"MATCHED_NOT_BROADCASTED": Settlement.MATCHED}
"""By the venue's words. What is matched and not yet sent to the chain is told by REST alone."""
FINAL = frozenset({Settlement.CONFIRMED, Settlement.FAILED})
"""The settlements that no other follows."""


class Trade(Struct, frozen=True):
    """Our order's part of one trade, at one price. `time` in nanoseconds.

    `whole` names the order's part of the whole trade, which the venue may report at one price or at
    several.
    """

    id: str
    price: Decimal
    shares: Decimal
    is_maker: bool
    time: int
    status: Settlement
    whole: str = ""
