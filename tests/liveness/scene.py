"""What a hostile act is done to: one live node, its venue, and two positions.

Patience is counted in rounds of the venue's own event loop, which goes on whatever the node does,
and slower where the machine is busy.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from loopback.server import LoopbackPolymarket, MarketHandle
from trading import Session

ROUND_SECONDS = 0.005
ROUNDS_MAX = 600
"""Within so many rounds of the venue the other market's stop is sold; ten are usual."""
SHARES = "20"


class Failed(AssertionError):
    """A promise was broken."""


class Rounds:
    """Counts how often the venue's event loop came round.

    Parameters
    ----------
    sign
        Told now and then, while something is waited for, that whoever waits is not stuck itself.
    """

    def __init__(self, venue: LoopbackPolymarket, sign: Callable[[], None]) -> None:
        self.count = 0
        self.sign = sign
        self._loop = venue._loop
        self._loop.call_soon_threadsafe(self._round)

    def _round(self) -> None:
        self.count += 1
        self._loop.call_later(ROUND_SECONDS, self._round)


@dataclass(slots=True)
class Held:
    """A position and its market."""

    market: MarketHandle
    position_id: str = ""

    @property
    def token(self) -> str:
        """The outcome held."""
        return self.market.tokens[0]


@dataclass(slots=True)
class Scene:
    """One node on a venue, and the pair that an act is about.

    `victim` is what the act may be about; `other` must be sold, whatever it was.
    """

    venue: LoopbackPolymarket
    rounds: Rounds
    funder: str
    session: Session
    victim: Held
    other: Held
    chance: random.Random
    hands: ThreadPoolExecutor
    undo: list[Callable[[], None]] = field(default_factory=list)
    """What ends an act's faults once the other position was sold."""

    async def do[T](self, work: Callable[[], T]) -> T:
        """Do something at the venue or to a file, off the node's own event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.hands, work)

    async def fall(self, held: Held) -> None:
        """Let a bid fall through its stop, in a market deep enough to sell everything."""
        await self.do(lambda: self.venue.quote(held.token, "0.40", "5000", "0.60", "5000"))

    def is_sold(self, held: Held) -> bool:
        """Whether the wallet holds no share of it any more."""
        return self.venue.ledger.account(self.funder).held(held.token) == 0

    async def sold(self, held: Held, rounds: int, what: str) -> None:
        """Wait until a position is sold.

        Raises
        ------
        Failed
            If it is not within so many rounds of the venue.
        """
        await self.within(rounds, lambda: self.is_sold(held), f"{what} was not sold")

    async def within(self, rounds: int, is_so: Callable[[], bool], otherwise: str) -> None:
        """Wait for something for so many rounds of the venue; raises `Failed` in the end."""
        begun, wall = self.rounds.count, time.monotonic()
        while not is_so():
            gone, seconds = self.rounds.count - begun, time.monotonic() - wall
            if gone > rounds:
                raise Failed(f"{otherwise} within {gone} rounds of the venue ({seconds:.1f} s)")
            self.rounds.sign()
            await asyncio.sleep(0.002)


class Act(NamedTuple):
    """One hostile act.

    Parameters
    ----------
    name
        What it is, for the report.
    play
        Does it.
    rounds
        How many rounds of the venue the other position's sale may take.
    spares_victim
        Whether the victim's stop must be sold, too, once its bid really falls.
    """

    name: str
    play: Callable[[Scene], Awaitable[Any]]
    rounds: int = ROUNDS_MAX
    spares_victim: bool = True
