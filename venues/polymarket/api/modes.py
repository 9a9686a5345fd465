"""The venue's modes, by the codes and words of its refusals. Pure."""

import re
from typing import Any

from msgspec import Struct

from positions.model.venue_mode import Taking
from venues.polymarket.api.clob import retry_after
from venues.polymarket.api.errors import describe_error

TOO_EARLY = 425
"""The status of each order while the venue restarts."""


class ToldMode(Struct, frozen=True):
    """A mode, as an answer tells it.

    Parameters
    ----------
    text
        What it is, for people.
    taking
        Which orders are taken.
    seconds
        For how long, as far as the venue says; else 0.
    is_of_wallet
        Whether it is our wallet's own.
    """

    text: str
    taking: Taking
    seconds: float = 0.0
    is_of_wallet: bool = False


_RESTARTING = ToldMode("the venue restarts", Taking.NOTHING)
_DISABLED = ToldMode("trading is disabled", Taking.NOTHING)
_CLOSED_ONLY = ToldMode(
    "the venue takes only sales of this wallet (closed-only)", Taking.ALL, is_of_wallet=True
)
_BANNED = ToldMode("the venue has banned this wallet", Taking.ALL, is_of_wallet=True)
_BLOCKED = ToldMode(
    "the venue refuses orders from this place (geoblock)", Taking.ALL, is_of_wallet=True
)
_WORDS: tuple[tuple[str, ToldMode], ...] = (
    ("post only mode", ToldMode("the venue is in post-only mode", Taking.POST_ONLY)),
    ("cancel only", ToldMode("the venue is in cancel-only mode", Taking.NOTHING)),
    ("trading is currently disabled", _DISABLED),
    ("trading is disabled", _DISABLED),
    ("trading disabled", _DISABLED),
    ("closed only mode", _CLOSED_ONLY),
    ("address banned", _BANNED),
    ("address is banned", _BANNED),
    ("geoblock", _BLOCKED),
    ("restricted in your region", _BLOCKED),
    ("not available in your region", _BLOCKED),
)


def of_words(said: Any) -> ToldMode | None:
    """The mode that a refusal tells of, by its words or its code, which writes the same with
    underscores; None where it tells of none."""
    text = " ".join(re.split(r"[\s_-]+", str(said).lower()))
    return next((mode for words, mode in _WORDS if words in text), None)


def of_error(error: BaseException) -> ToldMode | None:
    """The mode that an error of a request tells of."""
    status = getattr(error, "status_code", None)
    mode = None if status is None else of_words(describe_error(error))
    if mode is None and status == TOO_EARLY:
        mode = _RESTARTING
    if mode is None:
        return None
    return ToldMode(mode.text, mode.taking, retry_after(error), mode.is_of_wallet)
