"""Holds a command back until the market that it names is listed and has its first prices."""

import asyncio
import time
from collections.abc import Callable, Collection

from nautilus_trader.model.instruments import BinaryOption

from bridge.boundary import report
from bridge.ports import Finder
from positions.commands.instruments import Listing
from positions.commands.market_names import SeveralMarkets, market_name
from positions.commands.messages import Command, Refusal
from positions.model.foreign_text import REASON_LENGTH, clean

_FIRST_PRICES = 200
"""Checks, each after 50 ms, of whether a market that a command names has its first prices."""
SEARCHES_MAX = 4
"""Searches in progress at once: others send requests to the venue, too."""
WAITING_MAX = 5_000
"""Markets that are searched for at most; a command that names another is refused."""
_MISS_SECONDS = 30.0
"""How long a market that the venue does not have is not searched for again."""
_MISSES_MAX = 10_000


class MarketSearch:
    """Searches for markets while the node runs."""

    def __init__(
        self,
        listing: Listing,
        list_market: Callable[[BinaryOption], None],
        admit: Callable[[Command], None],
        refuse: Callable[[Command, Refusal], None],
    ) -> None:
        self._listing = listing
        self._list_market = list_market
        self._admit = admit
        self._refuse = refuse
        self._waiting: dict[str, list[Command]] = {}
        self._behind: dict[str, str] = {}
        """The market that a command waits for, by the command's id."""
        self._turns = asyncio.Semaphore(SEARCHES_MAX)
        self._misses: dict[str, float] = {}
        """When a market was not found, by its name; the oldest first."""
        self._searches: set[asyncio.Task[None]] = set()
        self.finder: Finder | None = None
        """Where markets are searched for; None = all are listed."""

    async def find(self, names: Collection[str]) -> set[str]:
        """List the markets of recorded positions; the names of those that are listed."""
        for name in names:
            if self.finder is not None:
                try:
                    await self._find(self.finder, name)
                except (RuntimeError, SeveralMarkets):
                    pass  # the venue did not answer, or not with one market
                except Exception as e:  # one market's answer must not keep the others waiting
                    report(e)
        return {name for name in names if self._listing.knows(name)}

    def holds(self, command: Command, market: str) -> bool:
        """Whether a command waits: for its market ("" = for none), or behind another that does."""
        first = self._behind.get(getattr(command, "position_id", ""))
        if first is not None:
            self._wait(first, command)  # the position that it names is to be opened first
            return True
        if self.finder is None or not market or not self._listing.awaits_prices(market):
            return False
        name = market_name(market)
        if name not in self._waiting:
            if self._is_missed(name):
                return False  # which refuses it
            if len(self._waiting) >= WAITING_MAX:
                text = f"market was {market!r}: {WAITING_MAX} others are looked for already"
                self._refuse(command, Refusal("VENUE_BUSY", f"{text}; send it again later"))
                return True
        self._wait(name, command)
        if len(self._waiting[name]) == 1:
            search = asyncio.get_running_loop().create_task(self._search(self.finder, market))
            self._searches.add(search)
            search.add_done_callback(self._searches.discard)
        return True

    def _wait(self, name: str, command: Command) -> None:
        self._waiting.setdefault(name, []).append(command)
        self._behind[command.id] = name

    def _is_missed(self, name: str) -> bool:
        """Whether the venue did not have this market a short while ago."""
        return time.monotonic() - self._misses.get(name, -_MISS_SECONDS) < _MISS_SECONDS

    def _miss(self, name: str) -> None:
        self._misses.pop(name, None)
        self._misses[name] = time.monotonic()
        if len(self._misses) > _MISSES_MAX:
            del self._misses[next(iter(self._misses))]

    async def _search(self, finder: Finder, name: str) -> None:
        """Find a market, wait for its first prices, and admit the commands that name it."""
        refusal: Refusal | None = None
        try:
            if not self._listing.knows(name):
                async with self._turns:
                    await self._find(finder, name)
                if not self._listing.knows(name):
                    self._miss(market_name(name))
        except SeveralMarkets as e:
            refusal = Refusal("SEVERAL_MARKETS", str(e), e.choices)
        except RuntimeError as e:
            refusal = _unreachable(name, e)
        except Exception as e:
            refusal = _unreachable(name, f"{type(e).__name__}: {e}")
            report(e)
        for _ in range(_FIRST_PRICES):
            if refusal or not (self._listing.knows(name) and self._listing.awaits_prices(name)):
                break
            await asyncio.sleep(0.05)
        for command in self._waiting.pop(market_name(name)):
            self._behind.pop(command.id, None)
            if refusal:
                self._refuse(command, refusal)
            else:
                self._admit(command)

    async def _find(self, finder: Finder, name: str) -> None:
        for instrument in [] if self._listing.knows(name) else await finder.find(name):
            self._list_market(instrument)


def _unreachable(name: str, why: object) -> Refusal:
    problem = clean(why, REASON_LENGTH)
    text = f"market was {name!r}: {problem}; send it again later"
    return Refusal("VENUE_UNREACHABLE", text)
