"""Finds markets by the names that people use, and makes them known to a running node."""

from collections.abc import Callable

from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from positions.commands.market_names import SeveralMarkets
from positions.model.errors import VenueFailure
from venues.polymarket.api.gamma import Gamma, GammaError, UnknownProtocol
from venues.polymarket.api.protocol import Protocol
from venues.polymarket.provider import HardenedProvider


class VenueUnreachable(VenueFailure, RuntimeError):
    """The venue did not answer, so nothing can be said of the market."""


class MarketFinder:
    """Loads the outcomes of a market that a request names."""

    def __init__(
        self,
        gamma: Gamma,
        provider: HardenedProvider,
        add: Callable[[list[BinaryOption]], None],
        prepare: Callable[[InstrumentId], None],
    ) -> None:
        self._gamma = gamma
        self._provider = provider
        self._add = add
        self._prepare = prepare

    async def find(self, name: str) -> list[BinaryOption]:
        """The outcomes of the market; none where the venue knows no such market.

        Raises VenueUnreachable if the venue did not answer, SeveralMarkets if it names an event.
        """
        try:
            market = await self._gamma.find(name)
            if market is None:
                return []
            ids = [
                InstrumentId.from_str(f"{market.condition_id}-{o.token_id}.POLYMARKET")
                for o in market.outcomes
            ]
            if market.protocol is Protocol.V2:
                await self._provider.load_positions(market)
            else:
                await self._provider.load_ids_async(ids[:1])  # brings every outcome of the market
        except SeveralMarkets:
            raise
        except (GammaError, UnknownProtocol) as e:
            raise VenueUnreachable(str(e)) from None
        except Exception as e:
            raise VenueUnreachable(f"the market could not be read: {e}") from None
        found = [i for i in map(self._provider.find, ids) if i is not None]
        if not found:
            raise VenueUnreachable(f"the description of market {name} makes no sense: not traded")
        self._add(found)
        self._prepare(found[0].id)  # outcomes of one market share its channel
        return found
