"""A signal that opens positions: the price crosses a level. With caps of its own.

Pure. A `PriceCross` says what to watch and what to ask for; its `Watcher` is shown the prices and
gives the requests that are due. The requests of a signal have ids in a row, so that none is acted
on twice and a watcher that begins anew counts what was asked before. Money is USDC, prices USDC per
share, spans seconds.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from positions.commands.declared_positions import id_of
from positions.commands.fields import Malformed
from positions.commands.messages import from_fields
from positions.model.durations import SECOND

_NAME_MAX = 60
_STAKE_MAX = 10**9
_PAUSE_MAX = 366 * 86_400


class PriceCross(Struct, frozen=True, forbid_unknown_fields=True):
    """Open a position each time the ask crosses a level.

    Parameters
    ----------
    name
        Its own name; another name counts anew.
    market, outcome
        What it watches and buys, as in a request.
    crosses
        Whether the ask must come from below to the level or above it, or the other way.
    level
        The price that is crossed.
    request
        The further fields of each request: `max_bid`, `stake`, `target`, `stop` ...
    positions_max
        How many positions it may ever ask for.
    stake_max
        What they may cost together.
    pause_seconds
        How long it keeps still after each.
    """

    name: str
    market: str
    outcome: str
    crosses: Literal["up", "down"]
    level: Decimal
    request: dict[str, Any]
    positions_max: int = 1
    stake_max: Decimal = Decimal(50)
    pause_seconds: int = 60

    def __post_init__(self) -> None:
        is_plain = self.name.isascii() and self.name.isprintable() and self.name.strip()
        if not (is_plain and len(self.name) <= _NAME_MAX):
            rule = f"must be 1 to {_NAME_MAX} characters of printable ASCII"
            raise ValueError(f"name was {self.name[:_NAME_MAX]!r}, {rule}")
        if not (self.level.is_finite() and 0 < self.level < 1):
            raise ValueError(f"level was {self.level}, must be above 0 and below 1 USDC per share")
        if not 1 <= self.positions_max <= 1000:
            raise ValueError(f"positions_max was {self.positions_max}, must be from 1 to 1000")
        if not (self.stake_max.is_finite() and 0 < self.stake_max < _STAKE_MAX):
            rule = f"must be above 0 and below {_STAKE_MAX} USDC"
            raise ValueError(f"stake_max was {self.stake_max}, {rule}")
        if not 0 <= self.pause_seconds <= _PAUSE_MAX:
            raise ValueError(f"pause_seconds was {self.pause_seconds}, must be 0 to {_PAUSE_MAX}")
        if "stake" not in self.request:
            raise ValueError("request.stake was not given, must be given: it is counted by the cap")
        try:
            from_fields(self.fields(0))
        except Malformed as e:
            raise ValueError(f"request: {e}") from None

    def fields(self, number: int) -> dict[str, Any]:
        """The request for its position of this number, counted from 0."""
        return {
            **self.request,
            "command": "submit",
            "id": id_of(f"signal {self.name}", number),
            "market": self.market,
            "outcome": self.outcome,
        }

    @property
    def stake(self) -> Decimal:
        """What each of its positions may cost."""
        return Decimal(str(self.request["stake"]))


class Watcher:
    """Sees the prices and says when a position is due; `is_known`: an id was asked for before."""

    def __init__(self, signal: PriceCross, is_known: Callable[[str], bool]) -> None:
        self.signal = signal
        self.asked = 0
        while is_known(signal.fields(self.asked)["id"]):
            self.asked += 1
        self._was_beyond: bool | None = None
        self._still_until = 0

    def see(self, ask: Decimal | None, now: int) -> dict[str, Any] | None:
        """The request that this view of the book causes; `now` is in nanoseconds."""
        if ask is None:
            return None
        up = self.signal.crosses == "up"
        is_beyond = ask >= self.signal.level if up else ask <= self.signal.level
        crossed = is_beyond and self._was_beyond is False
        self._was_beyond = is_beyond
        if not crossed or now < self._still_until or not self.may_ask:
            return None
        fields = self.signal.fields(self.asked)
        self.asked += 1
        self._still_until = now + self.signal.pause_seconds * SECOND
        return fields

    @property
    def may_ask(self) -> bool:
        """Whether its own caps allow another position."""
        s = self.signal
        return self.asked < s.positions_max and (self.asked + 1) * s.stake <= s.stake_max
