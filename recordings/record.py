"""Records markets of Polymarket by a node that has no orders: it needs no wallet and no key."""

import asyncio
import sys
from pathlib import Path

from nautilus_trader.config import LiveDataEngineConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from bridge.venue import VENUE
from positions.operations.settings import Settings
from positions.storage.locks import AlreadyRunning
from recordings import journal
from recordings.fold import fold
from recordings.journal import Journal
from recordings.recorder import Recorder
from recordings.tables import RecordingError
from venues.polymarket.factories import Polymarket
from venues.polymarket.markets import VenueUnreachable

_START_PATIENCE = 800
"""Looks, each after 50 ms, at whether the node has come up."""


def record(settings: Settings, markets: list[str], catalog: Path, seconds: float | None) -> int:
    """Record markets for so long, or until Ctrl-C; returns the exit code.

    Raises
    ------
    RecordingError
        If the catalog is in use, or a market cannot be found.
    """
    journal = Journal(catalog)
    try:
        journal.hold()
        fold(catalog)
        return _Recording(settings, catalog, journal).run(markets, seconds)
    except AlreadyRunning:
        raise RecordingError(f"{catalog}: is being recorded by another process") from None
    finally:
        journal.release()
        fold(catalog)


class _Recording:
    """One recorder and what it is made of."""

    def __init__(self, settings: Settings, catalog: Path, journal: Journal) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._catalog = catalog
        self._venue = Polymarket(settings, None, _never_signed)
        self._journal = journal
        self._recorder = Recorder(catalog, self._journal, _complain)
        self._node = TradingNode(config=self._config(), loop=self._loop)
        self._node.trader.add_actor(self._recorder)
        self._node.add_data_client_factory(VENUE.value, self._venue.data_factory())
        self._node.build()

    def _config(self) -> TradingNodeConfig:
        return TradingNodeConfig(
            trader_id="POLYBRACKET-002",
            logging=LoggingConfig(
                log_level="ERROR",
                log_level_file="WARNING",
                log_directory=str(journal.live(self._catalog)),
                log_file_name="recorder",
                log_file_max_size=10_000_000,
                log_colors=False,
            ),
            data_engine=LiveDataEngineConfig(qsize=1_000_000),
            data_clients={VENUE.value: self._venue.data_config()},
            timeout_connection=20,
            timeout_post_stop=0.1,
            timeout_disconnection=2,
        )

    def run(self, markets: list[str], seconds: float | None) -> int:
        """Run it to its end."""
        try:
            return int(self._loop.run_until_complete(self._drive(markets, seconds)))
        finally:
            self._loop.run_until_complete(self._venue.close())
            self._node.dispose()

    async def _drive(self, markets: list[str], seconds: float | None) -> int:
        running = asyncio.ensure_future(self._node.run_async())
        for _ in range(_START_PATIENCE):
            if self._node.trader.is_running or running.done():
                break
            await asyncio.sleep(0.05)
        if not self._node.trader.is_running:
            raise RecordingError("the recorder did not come up: is the network there?")
        try:
            count = await self._find(markets)
            print(f"recording {count} outcomes in {self._catalog}", flush=True)
            await asyncio.wait({running}, timeout=seconds)
        finally:
            if not running.done():
                await self._node.stop_async()
            await asyncio.wait({running}, timeout=10)
            await _end_all()
        lost = f"; {self._journal.lost} lost: the disk was full" if self._journal.lost else ""
        print(f"recorded {self._journal.total} lines in {self._catalog}{lost}", flush=True)
        return 1 if lost else 0

    async def _find(self, markets: list[str]) -> int:
        finder, count = self._venue.finder(), 0
        for name in markets:
            try:
                instruments = await finder.find(name)
            except VenueUnreachable as e:
                raise RecordingError(f"market was {name!r}: {e}") from None
            if not instruments:
                raise RecordingError(f"market was {name!r}, is not known to the venue")
            count += len(instruments)
        return count


async def _end_all() -> None:
    """Nautilus leaves its actors' idle workers behind; a closed loop would complain of them."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _complain(failure: str) -> None:
    print(f"polybracket: {failure or 'the recording is written again'}", file=sys.stderr)


def _never_signed(*_: object) -> None:
    raise RuntimeError("a recorder has no orders")
