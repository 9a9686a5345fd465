"""Records markets of Polymarket by a node that has no orders: it needs no wallet and no key."""

import asyncio
import sys
from pathlib import Path

from bridge.live_node import NotStarted, drive, make_node
from positions.operations.settings import Settings
from positions.storage.locks import AlreadyRunning
from recordings.fold import fold
from recordings.journal import Journal, live
from recordings.reading.values import RecordingError
from recordings.recorder import Recorder
from venues.polymarket.factories import Polymarket
from venues.polymarket.markets import VenueUnreachable


def record(settings: Settings, markets: list[str], catalog: Path, seconds: float | None) -> int:
    """Record markets for so long, or until Ctrl-C; returns the exit code.

    Raises RecordingError if the catalog is in use, or a market cannot be found.
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
        self._venue = Polymarket(settings)
        self._journal = journal
        log = live(catalog) / "recorder"
        self._node = make_node("POLYBRACKET-002", self._loop, log, self._venue.data_client())
        self._node.trader.add_actor(Recorder(catalog, journal, _warn))
        self._node.build()

    def run(self, markets: list[str], seconds: float | None) -> int:
        """Run it to its end."""

        async def prepare() -> None:
            count = await self._find(markets)
            print(f"recording {count} outcomes in {self._catalog}", flush=True)

        async def play() -> None:
            await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))

        async def finish(_: bool) -> None:
            """Nothing waits to be recorded."""

        try:
            self._loop.run_until_complete(drive(self._node, prepare, play, finish))
        except NotStarted:
            raise RecordingError("the recorder did not come up: is the network there?") from None
        finally:
            self._loop.run_until_complete(self._venue.close())
            self._node.dispose()
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


def _warn(failure: str) -> None:
    print(f"polybracket: {failure or 'the recording is written again'}", file=sys.stderr)
