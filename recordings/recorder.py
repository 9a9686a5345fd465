"""Records what a node sees of its markets: books, trades, changes of books, instruments, closes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.data import (
    DataType,
    InstrumentClose,
    OrderBookDeltas,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from bridge.boundary import bounded
from bridge.one_sided_book import OneSidedBook
from bridge.timers import RepeatingTimer
from bridge.venue import VENUE
from positions.operations.program import module_command
from positions.storage.locks import AlreadyRunning
from recordings.importer import described
from recordings.journal import Journal

EVERY_SECONDS = 1.0


class Recorder(Actor):
    """Notes all that comes of every instrument that the node knows.

    `failed` is called with why the disk takes nothing, and with "" once it does again.
    """

    def __init__(self, catalog: Path, journal: Journal, failed: Callable[[str], None]) -> None:
        super().__init__(ActorConfig(component_id="Recorder"))
        self._catalog = catalog
        self._journal = journal
        self._failed = failed
        self._failure = ""
        self._known: set[InstrumentId] = set()
        self._last: dict[InstrumentId, int] = {}
        self._timer = RepeatingTimer(self._flush, EVERY_SECONDS)
        self._folding: asyncio.Task[Any] | None = None

    def on_start(self) -> None:
        """Begin with what is known."""
        try:
            self._journal.hold()
        except AlreadyRunning:
            self._tell(f"{self._catalog} is being recorded by another process; nothing is recorded")
            return
        listen = self.msgbus.subscribe
        listen(topic=f"data.instrument.{VENUE}.*", handler=bounded(self._on_instrument))
        listen(topic=f"data.quotes.{VENUE}.*", handler=bounded(self._on_quote))
        listen(topic=f"data.{DataType(OneSidedBook).topic}", handler=bounded(self._on_one_sided))
        listen(topic=f"data.trades.{VENUE}.*", handler=bounded(self._on_trade))
        listen(topic=f"data.book.deltas.{VENUE}.*", handler=bounded(self._on_deltas))
        listen(topic="data.venue.close_price.*", handler=bounded(self._on_close))
        for instrument in self.cache.instruments(venue=VENUE):
            self._on_instrument(instrument)
        self._timer.start()

    def on_stop(self) -> None:
        """Write what is left."""
        self._timer.stop()
        self._flush()
        self._journal.release()

    def _flush(self) -> None:
        try:
            is_complete = self._journal.flush()
        except OSError as e:
            self._tell(f"the recording cannot be written: {e.strerror}")
            return
        self._tell("")
        if is_complete and (self._folding is None or self._folding.done()):
            self._folding = asyncio.get_running_loop().create_task(self._fold())

    async def _fold(self) -> None:
        # In a process of its own: it takes seconds of the processor, and the node must not wait.
        command = (*module_command("recordings.fold"), str(self._catalog))
        process = await asyncio.create_subprocess_exec(*command)
        if await process.wait() != 0:
            self._tell("a part of the recording could not be folded; it is kept, and tried again")

    def _tell(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            self._failed(failure)

    # -- what comes --------------------------------------------------------------------------------

    def _note(self, kind: str, instrument_id: InstrumentId, *values: Any) -> None:
        self._journal.note(kind, instrument_id.value, *values)
        if self._journal.is_heavy:
            self._flush()

    def _received(self, instrument_id: InstrumentId, ts_init: int) -> int:
        """The time of receipt, counted on for what came at once: a catalog loses that order."""
        self._last[instrument_id] = max(ts_init, self._last.get(instrument_id, 0) + 1)
        return self._last[instrument_id]

    def _on_instrument(self, i: BinaryOption) -> None:
        self._note("instrument", i.id, *described(i), self.clock.timestamp_ns())
        if i.id not in self._known:
            self._known.add(i.id)
            self.subscribe_quote_ticks(i.id)
            self.subscribe_trade_ticks(i.id)
            self.subscribe_order_book_deltas(i.id, managed=False)
            self.subscribe_instrument(i.id)
            self.subscribe_instrument_close(i.id)

    def _on_quote(self, q: QuoteTick) -> None:
        at = self._received(q.instrument_id, q.ts_init)
        bid, ask = (q.bid_price, q.bid_size), (q.ask_price, q.ask_size)
        self._note("book", q.instrument_id, *map(str, bid + ask), q.ts_event, at)

    def _on_one_sided(self, b: OneSidedBook) -> None:
        at = self._received(b.instrument_id, b.ts_init)
        sides = (b.bid or None, b.bid_size or "0", b.ask or None, b.ask_size or "0")
        self._note("book", b.instrument_id, *sides, b.ts_event, at)

    def _on_trade(self, t: TradeTick) -> None:
        at = self._received(t.instrument_id, t.ts_init)
        what = (str(t.price), str(t.size), int(t.aggressor_side), t.trade_id.value)
        self._note("trade", t.instrument_id, *what, t.ts_event, at)

    def _on_deltas(self, deltas: OrderBookDeltas) -> None:
        for d in deltas.deltas:
            at = self._received(d.instrument_id, d.ts_init)
            o = d.order
            what = (0, "0", "0") if o is None else (int(o.side), str(o.price), str(o.size))
            self._note("delta", d.instrument_id, int(d.action), *what, d.flags, d.ts_event, at)

    def _on_close(self, c: InstrumentClose) -> None:
        at = self._received(c.instrument_id, c.ts_init)
        self._note("close", c.instrument_id, str(c.close_price), c.ts_event, at)
