"""Loads what changed hands in a market, from the venue's public history.

The adapter's loader has the venue's addresses built in; they are replaced by those of the settings.
"""

import asyncio
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from nautilus_trader.adapters.polymarket.loaders import PolymarketDataLoader
from nautilus_trader.core.datetime import unix_nanos_to_dt
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from positions.commands.market_names import market_name
from positions.operations.settings import VenueSettings
from recordings.importer import Token, described, instrument
from recordings.reading.values import RecordingError
from venues.polymarket.api.bounded_http import PublicClient

_FINEST = "0.0001"
"""Prices are taken as they were, whatever the tick is now."""

LIMITS = """\
This is what changed hands, and nothing of what was offered: no bids, no asks, no sizes that stood
in the book. It cannot be replayed or backtested, since it does not show whether an order would
have been filled. Times are whole seconds; the venue gives out about the newest 20,000 trades."""


class Fetched(NamedTuple):
    """What was loaded; `is_partial` = the venue gave out less than there is."""

    trades: int
    is_partial: bool


class _Client:
    """The loader's HTTP client, with the addresses of the settings."""

    def __init__(self, venue: VenueSettings) -> None:
        self._client = PublicClient()
        self._addresses = {
            "https://gamma-api.polymarket.com": venue.gamma,
            "https://clob.polymarket.com": venue.clob,
            "https://data-api.polymarket.com": venue.data,
        }

    async def get(self, url: str, **options: Any) -> Any:
        """Ask as the loader does."""
        for built_in, address in self._addresses.items():
            if url.startswith(built_in):
                url = address + url.removeprefix(built_in)
        return await self._client.get(url, **options)

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.close()


def fetch(
    venue: VenueSettings, market: str, begin: int | None, end: int | None, catalog: Path
) -> Fetched:
    """Load the trades of a market's outcomes into a catalog; times in nanoseconds, both included.

    Raises RecordingError if the market is not known, the venue does not answer, or there is no
    trade.
    """
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            outcomes = asyncio.run(_load(_Client(venue), market_name(market), begin, end))
    except (ValueError, RuntimeError, KeyError, httpx.HTTPError) as e:
        why = (str(e) or type(e).__name__).splitlines()[0]
        raise RecordingError(f"market was {market!r}: {why}") from None
    count = sum(len(trades) for _, trades in outcomes)
    if not count:
        raise RecordingError(f"market was {market!r}: there is no trade in that time")
    for token, trades in outcomes:
        _write(catalog, token, trades)
    return Fetched(count, any("partial" in str(w.message) for w in warned))


async def _load(
    client: _Client, slug: str, begin: int | None, end: int | None
) -> list[tuple[Token, list[TradeTick]]]:
    span = [None if t is None else unix_nanos_to_dt(t) for t in (begin, end)]
    trades = []
    try:
        for index in (0, 1):
            market = await PolymarketDataLoader.from_market_slug(
                slug, index, client, sanitize_info=True
            )
            token = Token(*described(market.instrument), _instrument_id(market))
            loader = PolymarketDataLoader(
                instrument(token, _FINEST, 0), market.token_id, market.condition_id, client
            )
            trades.append((token, await loader.load_trades(*span)))
    finally:
        await client.close()
    return trades


def _instrument_id(market: PolymarketDataLoader) -> InstrumentId:
    return InstrumentId.from_str(market.instrument.id.value)


def _write(folder: Path, token: Token, trades: list[TradeTick]) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    catalog = ParquetDataCatalog(str(folder))
    catalog.write_data([instrument(token, token.token["tick_size"], 0)])
    if trades:
        catalog.write_data(trades, skip_disjoint_check=True)
