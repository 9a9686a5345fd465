"""A recording fed to a live node as if it happened now, in lock-step.

The next moment of the recording is fed only when everything that the last one caused is done, and
every timer runs on the recording's time, so the same recording and the same commands have the same
outcome at every speed and on every machine.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import chain

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus, TestClock
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.core.data import Data
from nautilus_trader.data.messages import RequestData, SubscribeData, UnsubscribeData
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import CustomData, DataType
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.system.kernel import NautilusKernel

from bridge.one_sided_book import OneSidedBook
from bridge.venue import CLIENT_ID, VENUE
from positions.model.durations import SECOND
from positions.storage.resume import Cursor
from venues.simulated.arrivals import ARRIVAL

_IDLE_ITERATIONS = 4
"""Iterations of the event loop without work after which nothing is in progress: a message takes up
to three from one of Nautilus' queues to its handler."""
_BUSY_ITERATIONS = 40
_SLEEP = 0.001
"""uvloop counts in whole milliseconds: a shorter sleep is none, and would spin."""
_SLICE = 0.05
"""Seconds of waiting after which time moves on while nothing is recorded."""


class ReplayDataClient(LiveMarketDataClient):
    """The data client of a recording: it publishes what it is fed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        instruments: list[BinaryOption],
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=CLIENT_ID,
            venue=VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=InstrumentProvider(),
        )
        self._instruments = instruments

    def publish(self, data: Data) -> None:
        """Hand one piece of data to the data engine."""
        if isinstance(data, OneSidedBook):
            data = CustomData(DataType(OneSidedBook), data)
        self._handle_data(data)

    async def _connect(self) -> None:
        for instrument in self._instruments:
            self._instrument_provider.add(instrument)
            self._cache.add_instrument(instrument)

    async def _disconnect(self) -> None:
        """Nothing is connected."""

    # A recording plays whole whatever is subscribed; Nautilus routes it to its subscribers.
    def subscribe(self, command: SubscribeData) -> None:
        """Accept every subscription."""

    def unsubscribe(self, command: UnsubscribeData) -> None:
        """Accept the end of every subscription."""

    def request(self, request: RequestData) -> None:
        """Give nothing: what is past is past."""

    request_quote_ticks = request_order_book_deltas = request
    subscribe_quote_ticks = subscribe_order_book_deltas = subscribe_instrument = subscribe
    subscribe_instruments = subscribe_instrument_close = subscribe_trade_ticks = subscribe
    unsubscribe_quote_ticks = unsubscribe_order_book_deltas = unsubscribe
    unsubscribe_instrument = unsubscribe_instruments = unsubscribe
    unsubscribe_instrument_close = unsubscribe_trade_ticks = unsubscribe


class Replay:
    """Feeds a recording to a node.

    What is timed for the very moment of data comes after the data, as in Nautilus' backtests.

    Parameters
    ----------
    batches
        The data of each moment, in time order: (nanoseconds, data).
    clock
        The node's clock; set to the recording's start before the node is built.
    pace
        Market seconds per second; None = as fast as possible.
    since
        The moment that an earlier process fed last, if one did.
    """

    def __init__(
        self,
        batches: Iterator[tuple[int, list[Data]]],
        client: ReplayDataClient,
        clock: TestClock,
        kernel: NautilusKernel,
        is_idle: Callable[[], bool],
        pace: Decimal | None,
        since: int | None = None,
    ) -> None:
        self._batches = batches
        self._client = client
        self._clock = clock
        self._kernel = kernel
        self._is_idle = is_idle
        self._pace = pace
        self._since = since
        self._moment = clock.timestamp_ns() if since is None else since

    @property
    def cursor(self) -> Cursor:
        """The moment that was fed last, and the time: where to go on after a crash.

        That moment is fed once more then, and changes nothing that is recorded: its book is the
        same, and a market resolves once.
        """
        return Cursor(self._moment, self._clock.timestamp_ns())

    async def begin(self) -> None:
        """Feed an earlier process' last moment once more: the prices at which it ended."""
        for moment, batch in self._batches:
            if self._since is None or moment > self._since:
                self._batches = chain([(moment, batch)], self._batches)
                return
            await self._feed(moment, batch)

    async def run(self) -> None:
        """Feed everything, to the end of the recording."""
        begun_wall, begun = time.monotonic(), self._clock.timestamp_ns()
        await self._settle()
        for moment, batch in self._batches:
            if self._pace is not None:
                await self._wait_for(moment, begun_wall, begun, float(self._pace))
            await self._feed(moment, batch)
        await self._advance(self._clock.timestamp_ns())

    async def _feed(self, moment: int, batch: list[Data]) -> None:
        """Advance time to a moment, and publish its data; time never goes back."""
        await self._advance(max(moment - 1, self._clock.timestamp_ns()))
        self._clock.set_time(max(moment, self._clock.timestamp_ns()))
        self._moment = moment
        for data in batch:
            self._client.publish(data)
        await self._settle()

    async def _wait_for(self, moment: int, begun_wall: float, begun: int, pace: float) -> None:
        """Advance time, at the pace, up to a moment of the recording."""
        while True:
            if not self._is_idle():  # a command came: time stands still until it is acted on
                await self._settle()
            now = begun + int((time.monotonic() - begun_wall) * pace * SECOND)
            if now >= moment:
                return
            await self._advance(max(now, self._clock.timestamp_ns()))
            await asyncio.sleep(min(_SLICE, (moment - now) / pace / SECOND))

    async def _advance(self, moment: int) -> None:
        """Move the clock on, running each timer that comes due at its own time."""
        due = deque(self._clock.advance_time(moment, set_time=False))
        while due:
            handler = due.popleft()
            self._clock.set_time(handler.event.ts_event)
            handler.handle()
            # What the venue says is on its way to a queue then, and in none yet.
            if handler.event.name == ARRIVAL or not self._is_idle():
                await self._settle()
            # What that set may ring before the next does.
            until = due[0].event.ts_event if due else moment
            due.extendleft(reversed(self._clock.advance_time(until, set_time=False)))
        self._clock.set_time(moment)

    async def _settle(self) -> None:
        """Return once everything that was caused is done."""
        idle = iterations = 0
        while idle < _IDLE_ITERATIONS:
            # What takes long waits for the disk: leave the processor to the store's thread.
            iterations += 1
            await asyncio.sleep(0 if iterations < _BUSY_ITERATIONS else _SLEEP)
            idle = idle + 1 if self._are_queues_empty() else 0

    def _are_queues_empty(self) -> bool:
        data, execution, risk = (
            self._kernel.data_engine,
            self._kernel.exec_engine,
            self._kernel.risk_engine,
        )
        return self._is_idle() and not (
            data.data_qsize()
            or data.cmd_qsize()
            or data.req_qsize()
            or data.res_qsize()
            or execution.cmd_qsize()
            or execution.evt_qsize()
            or risk.cmd_qsize()
            or risk.evt_qsize()
        )
