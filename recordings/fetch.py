"""Loads what changed hands in a market, from the venue's public history, page by page.

Each page is on disk before the next one is asked for, so that a load which is cut goes on where it
was; the pages become trades of a catalog once all of them are there.
"""

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from nautilus_trader.core.nautilus_pyo3 import polymarket_trade_id
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from bridge.conversion import identifier
from bridge.venue import VENUE
from positions.commands.market_names import market_name
from positions.model.durations import SECOND
from positions.operations.settings import VenueSettings
from positions.storage.locks import AlreadyRunning, StateLock
from recordings.importer import Token, instrument
from recordings.reading.values import PRICE_DECIMALS, SIZE_DECIMALS, RecordingError
from venues.polymarket.api.gamma import Gamma, GammaError, GammaMarket, UnknownProtocol
from venues.polymarket.api.history import History, HistoryError, Page, PastTrade

LIMITS = """\
This is what changed hands, and nothing of what was offered: no bids, no asks, no sizes that stood
in the book. It cannot be replayed or backtested, since it does not show whether an order would
have been filled. Times are whole seconds; the newest trades come some minutes late."""

_EMPTY_PAGES_MAX = 20
"""So many pages without a trade, one after the other, are a list without an end."""
_FIRST = 1
"""The second from which on the venue tells all; without any, it tells the newest trades alone."""
_SIDES = {"BUY": AggressorSide.BUYER, "SELL": AggressorSide.SELLER}


class Fetched(NamedTuple):
    """What was loaded.

    `resumed` of the trades were there from a load that was cut; `left_out` rows made no sense.
    """

    trades: int
    resumed: int
    left_out: int


class _Walk(Struct, frozen=True):
    """Which trades are asked for: the same in every page. Times in seconds, `end` is excluded."""

    condition_id: str
    start: int
    end: int


def fetch(
    venue: VenueSettings, market: str, begin: int | None, end: int | None, catalog: Path
) -> Fetched:
    """Load the trades of a market's outcomes into a catalog; times in nanoseconds, both included.

    A load that was cut goes on, with the end that it had; trades that the catalog has are not
    written again.

    Raises
    ------
    RecordingError
        If the market is not known, the venue does not answer, or there is no trade.
    """
    try:
        return asyncio.run(_Fetch(venue, catalog, begin, end).run(market))
    except AlreadyRunning:
        raise RecordingError(f"{catalog}: is being filled by another process") from None
    except (GammaError, UnknownProtocol) as e:
        raise RecordingError(f"market was {market!r}: {e}") from None
    except HistoryError as e:
        again = "" if e.is_refused else "; the same command goes on from here"
        raise RecordingError(f"market was {market!r}: the trades cannot be read: {e}{again}") from e


class _Fetch:
    """One load."""

    def __init__(
        self, venue: VenueSettings, catalog: Path, begin: int | None, end: int | None
    ) -> None:
        self._venue = venue
        self._catalog = catalog
        self._begin, self._end = begin or 0, end
        self._history = History(venue.data, venue.clob)

    async def run(self, name: str) -> Fetched:
        """Load what is missing, and write it."""
        try:
            market = await self._find(name)
            with StateLock(self._catalog / "fetching", "fetch"):
                return await self._load(name, market)
        finally:
            await self._history.close()

    async def _load(self, name: str, market: GammaMarket) -> Fetched:
        span = "-".join("all" if t is None else str(t) for t in (self._begin or None, self._end))
        pages = _Pages(self._catalog / "fetching" / f"{market.condition_id}-{span}.jsonl")
        resumed = sum(len(page.trades) for page in pages.load(self._walk(market)))
        if pages.all and pages.all[-1].cursor:
            await self._go_on(pages, resumed)
        elif not pages.all:
            await self._follow(pages, "")
        count = _write(self._catalog, market, self._wanted(pages.all))
        pages.remove()
        if not count:
            raise RecordingError(f"market was {name!r}: there is no trade in that time")
        return Fetched(count, resumed, sum(page.left_out for page in pages.all))

    async def _find(self, name: str) -> GammaMarket:
        gamma = Gamma(self._venue.gamma)
        try:
            market = await gamma.find(market_name(name))
        finally:
            await gamma.close()
        if market is None:
            raise RecordingError(f"market was {name!r}, is not known to the venue")
        return market

    def _walk(self, market: GammaMarket) -> _Walk:
        last = time.time_ns() if self._end is None else self._end
        return _Walk(market.condition_id, max(self._begin // SECOND, _FIRST), last // SECOND + 1)

    async def _go_on(self, pages: "_Pages", resumed: int) -> None:
        """Follow an earlier load; from its beginning where the venue has forgotten the cursor."""
        try:
            await self._follow(pages, pages.all[-1].cursor)
        except HistoryError as e:
            if not e.is_refused or sum(len(page.trades) for page in pages.all) > resumed:
                raise
            pages.begin(pages.walk)
            await self._follow(pages, "")

    async def _follow(self, pages: "_Pages", cursor: str) -> None:
        walk, seen, empty = pages.walk, {page.cursor for page in pages.all}, 0
        while True:
            page = await self._history.trades(walk.condition_id, walk.start, walk.end, cursor)
            empty = 0 if page.trades else empty + 1
            if page.cursor and (page.cursor in seen or empty > _EMPTY_PAGES_MAX):
                raise HistoryError("the list of trades has no end", is_refused=True)
            pages.add(page)
            seen.add(cursor := page.cursor)
            if not cursor:
                return

    def _wanted(self, pages: Iterable[Page]) -> Iterator[PastTrade]:
        last = self._end
        for page in pages:
            for trade in page.trades:
                at = trade.at * SECOND
                if self._begin <= at and (last is None or at <= last):
                    yield trade


class _Pages:
    """The pages of one load, on disk; the first line says which trades are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.walk = _Walk("", 0, 0)
        self.all: list[Page] = []

    def load(self, walk: _Walk) -> list[Page]:
        """What an earlier load has got; begins anew where there was none, or it makes no sense."""
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be torn
        try:
            first, *lines = whole.splitlines()
            self.walk = msgspec.json.decode(first, type=_Walk)
            self.all = [msgspec.json.decode(line, type=Page) for line in lines]
        except (ValueError, msgspec.MsgspecError):
            self.begin(walk)
            return []
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
        return list(self.all)

    def begin(self, walk: _Walk) -> None:
        """Forget what was loaded."""
        self.walk, self.all = walk, []
        self._path.unlink(missing_ok=True)
        self._append(walk)

    def add(self, page: Page) -> None:
        """Keep a page."""
        self._append(page)
        self.all.append(page)

    def _append(self, line: _Walk | Page) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(msgspec.json.encode(line) + b"\n")
        except OSError as e:
            raise RecordingError(f"{self._path}: {e.strerror}") from None

    def remove(self) -> None:
        """Leave nothing behind."""
        self._path.unlink(missing_ok=True)


# -- the catalog -----------------------------------------------------------------------------------


def _write(folder: Path, market: GammaMarket, trades: Iterable[PastTrade]) -> int:
    """Write the trades that the catalog has not got yet; how many there are in all."""
    tokens = _tokens(market)
    by_token: dict[str, list[PastTrade]] = defaultdict(list)
    for trade in trades:
        if trade.token_id in tokens:
            by_token[trade.token_id].append(trade)
    if not by_token:
        return 0
    (folder / "data").mkdir(parents=True, exist_ok=True)
    catalog = ParquetDataCatalog(str(folder))
    for token_id, token in tokens.items():
        catalog.write_data([instrument(token, token.token["tick_size"], 0)])
        ticks = _new(catalog, list(_ticks(token.instrument_id, by_token[token_id])))
        if ticks:
            catalog.write_data(ticks, skip_disjoint_check=True)
    return sum(map(len, by_token.values()))


def _tokens(market: GammaMarket) -> dict[str, Token]:
    fee = market.fee or {}
    described = {
        "slug": market.slug or market.condition_id,
        "question": market.question,
        "condition_id": market.condition_id,
        "min_order_size": str(5 if market.minimum_size is None else market.minimum_size),
        "fee_rate": str(fee.get("rate") or 0),
    }
    tick = str(market.tick or "0.01")
    return {
        o.token_id: Token(
            described,
            {"token_id": o.token_id, "outcome": o.name or o.token_id, "tick_size": tick},
            InstrumentId(Symbol(f"{market.condition_id}-{o.token_id}"), VENUE),
        )
        for o in market.outcomes
    }


def _ticks(instrument_id: InstrumentId, trades: Iterable[PastTrade]) -> Iterator[TradeTick]:
    """Nautilus' trades, oldest first; those of one second count on by a nanosecond each."""
    in_second: dict[int, int] = defaultdict(int)
    in_transaction: dict[str, int] = defaultdict(int)
    oldest_first = list(trades)[::-1]
    for trade in sorted(oldest_first, key=lambda t: t.at):
        at = trade.at * SECOND + in_second[trade.at]
        name = trade.transaction_hash or f"at-{trade.at}"
        number = in_transaction[name]
        in_second[trade.at] += 1
        in_transaction[name] += 1
        yield TradeTick(
            instrument_id,
            Price.from_str(f"{trade.price:.{PRICE_DECIMALS}f}"),
            Quantity.from_str(f"{trade.size:.{SIZE_DECIMALS}f}"),
            _SIDES.get(trade.side, AggressorSide.NO_AGGRESSOR),
            identifier(TradeId, polymarket_trade_id(name, trade.token_id, number)),
            at,
            at,
        )


def _new(catalog: ParquetDataCatalog, ticks: list[TradeTick]) -> list[TradeTick]:
    """Those that the catalog has not got; it has one file for each stretch of time."""
    if not ticks:
        return []
    of: dict[str, Any] = {"identifiers": [ticks[0].instrument_id.value]}
    stretch = of | {"start": ticks[0].ts_init, "end": ticks[-1].ts_init}
    known = Counter(map(_subject, catalog.query(TradeTick, **stretch)))
    new = []
    for tick in ticks:
        if known[_subject(tick)] > 0:
            known[_subject(tick)] -= 1
        else:
            new.append(tick)
    taken = set(catalog.get_intervals(TradeTick, of["identifiers"][0])) if new else set()
    while new and (new[0].ts_init, new[-1].ts_init) in taken:  # it would take that file's place
        values = TradeTick.to_dict(new[-1])
        new[-1] = TradeTick.from_dict(values | {"ts_init": new[-1].ts_init + 1})
    return new


def _subject(tick: TradeTick) -> tuple[Any, ...]:
    """What makes a trade the same, wherever in its second and transaction it is told."""
    transaction = tick.trade_id.value.rpartition("-")[0]
    return tick.ts_event // SECOND, tick.price, tick.size, tick.aggressor_side, transaction
