"""Holds a command back until the market that it names is known and has shown its prices."""

import asyncio
from collections.abc import Callable, Collection

from nautilus_trader.model.instruments import BinaryOption

from bridge.boundary import tell
from bridge.ports import Finder
from positions.commands.instruments import Listing
from positions.commands.market_names import market_name
from positions.commands.messages import Command, Refusal
from positions.foreign import REASON_LENGTH, clean

_FIRST_PRICES = 200
"""Looks, each after 50 ms, at whether a market that a command names has shown its prices."""


class MarketSearch:
    """Looks for markets while the node runs.

    Parameters
    ----------
    listing
        The markets that are known.
    list_market
        Makes an outcome tradable, once.
    admit
        Lets a command through.
    refuse
        Answers a command whose market the venue could not be asked for.
    """

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
        self._sought: dict[str, list[Command]] = {}
        self._searches: set[asyncio.Task[None]] = set()
        self.finder: Finder | None = None
        """Where markets that are not known yet are looked for; None = all are known."""

    async def find(self, names: Collection[str]) -> set[str]:
        """Make the markets of recorded positions tradable; those of them that are known now."""
        for name in names:
            if self.finder is not None:
                try:
                    await self._find(self.finder, name)
                except RuntimeError:
                    pass  # the venue did not answer
                except Exception as e:  # one market's answer must not keep the others waiting
                    tell(e)
        return {name for name in names if self._listing.knows(name)}

    def holds(self, command: Command, market: str) -> bool:
        """Whether a command waits: for its market ("" = for none), or behind another that does."""
        position_id = getattr(command, "position_id", None)
        for waiting in self._sought.values():
            if any(c.id == position_id for c in waiting):
                waiting.append(command)  # the position that it names is to be opened first
                return True
        if self.finder is None or not market or not self._listing.awaits_prices(market):
            return False
        waiting = self._sought.setdefault(market_name(market), [])
        waiting.append(command)
        if len(waiting) == 1:
            search = asyncio.get_running_loop().create_task(self._search(self.finder, market))
            self._searches.add(search)
            search.add_done_callback(self._searches.discard)
        return True

    async def _search(self, finder: Finder, name: str) -> None:
        """Find a market, wait for its first prices, and let the commands that named it through."""
        problem = ""
        try:
            await self._find(finder, name)
        except RuntimeError as e:
            problem = clean(e, REASON_LENGTH)
        except Exception as e:
            problem = clean(f"{type(e).__name__}: {e}", REASON_LENGTH)
            tell(e)
        for _ in range(_FIRST_PRICES):
            if problem or not (self._listing.knows(name) and self._listing.awaits_prices(name)):
                break
            await asyncio.sleep(0.05)
        for command in self._sought.pop(market_name(name)):
            if problem:
                text = f"market was {name!r}: {problem}; send it again later"
                self._refuse(command, Refusal("VENUE_UNREACHABLE", text))
            else:
                self._admit(command)

    async def _find(self, finder: Finder, name: str) -> None:
        for instrument in [] if self._listing.knows(name) else await finder.find(name):
            self._list_market(instrument)
