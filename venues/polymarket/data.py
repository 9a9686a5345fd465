"""Polymarket's data client, hardened.

A thin subclass of the adapter's; each override names the defect that it mends. One view of the book
leaves it for each message of the venue, whatever that message changed; a book that lost a side is
told as one; and an outcome that falls silent is checked against the venue's REST interface, which
is read in the channel's place for as long as the two disagree.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.adapters.polymarket.data import PolymarketDataClient
from nautilus_trader.adapters.polymarket.schemas.book import (
    PolymarketBookSnapshot,
    PolymarketQuotes,
    PolymarketTickSizeChange,
)
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketChannel
from nautilus_trader.core.datetime import millis_to_nanos
from nautilus_trader.data.messages import SubscribeInstrument, SubscribeInstrumentClose
from nautilus_trader.model.data import InstrumentClose, OrderBookDeltas
from nautilus_trader.model.enums import InstrumentCloseType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price
from py_clob_client_v2.clob_types import BookParams

from bridge.venue_messages import DEPTHS, FEEDS, OWN_ORDERS, Depth, FeedState
from venues.polymarket import parsing
from venues.polymarket.channel import channel_of
from venues.polymarket.local_book import LocalBook, Reading, as_data, fits
from venues.polymarket.orders import LiveOrders
from venues.polymarket.parsing import Unreadable
from venues.polymarket.resolutions import Resolutions, ResolutionWatch

_BOOKS_MAX = 100
"""Books asked for at once."""
_RECONNECT_AFTER = 5
"""Seconds of frozen prices after which the channel is opened anew."""
_TICK_PAUSE = 1.0
"""Seconds between two questions for the tick, while prices are between the ticks."""
_IGNORED = frozenset({"best_bid_ask", "new_market"})


class HardenedDataClient(PolymarketDataClient):
    """Brings Polymarket's prices, ticks and resolutions.

    Parameters
    ----------
    orders
        Our orders: what is theirs alone in a book is not told.
    stale_seconds
        Silence after which an outcome's book is read to check it.
    resolutions
        Tells what resolved markets pay.
    """

    def __init__(
        self,
        *args: Any,
        orders: LiveOrders,
        stale_seconds: float,
        resolutions: Resolutions,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # The channel's own defects: see there.
        self._ws_client = channel_of(
            self, PolymarketWebSocketChannel.MARKET, self._handle_raw_ws_message
        )
        self._orders = orders
        self._books: dict[InstrumentId, LocalBook] = {}
        self._stale_seconds = stale_seconds
        self._misfits: set[InstrumentId] = set()
        self._seen: dict[InstrumentId, float] = {}
        self._frozen: dict[InstrumentId, float] = {}
        self._closed: set[InstrumentId] = set()
        self._resolution_watch = ResolutionWatch(
            resolutions, self._followed, self._close, self._log.warning
        )
        self._watches: list[asyncio.Task[None]] = []

    async def _connect(self) -> None:
        """Begins the watches, each against the defect that it names; can go with them."""
        await super()._connect()
        self._msgbus.subscribe(topic=OWN_ORDERS, handler=self._on_own_order)
        self._watches = [
            self._loop.create_task(self._watch_feed()),
            self._loop.create_task(self._resolution_watch.run()),
        ]

    async def _disconnect(self) -> None:
        """Ends what `_connect` began, against the same defects; can go with it."""
        for task in self._watches:
            task.cancel()
        self._msgbus.unsubscribe(topic=OWN_ORDERS, handler=self._on_own_order)
        await super()._disconnect()

    def add(self, instruments: Iterable[BinaryOption]) -> None:
        """Make markets known that were found while the node runs."""
        for instrument in instruments:
            self._instrument_provider.add(instrument)
            self._cache.add_instrument(instrument)
            self._handle_data(instrument)

    async def _subscribe_instrument(self, command: SubscribeInstrument) -> None:
        """Defect: an error is logged although updates come. Can go when the adapter accepts it."""

    async def _subscribe_instrument_close(self, command: SubscribeInstrumentClose) -> None:
        """Defect: as for `_subscribe_instrument`; can go with it. Closes come from `_close`."""

    # -- the market channel ------------------------------------------------------------------------

    def _handle_raw_ws_message(self, raw: bytes) -> None:
        """Defects: a resolution is an error and lost, and a price change without a hash loses its
        whole frame. Can go when the adapter decodes `market_resolved` and reads leniently.
        """
        try:
            decoded = self._decoder_market_msg.decode(raw)
        except msgspec.MsgspecError:
            self._handle_other(raw)
            return
        for message in decoded if isinstance(decoded, list) else [decoded]:
            try:
                self._handle_ws_message(message)
            except Exception as e:
                self._log.warning(f"a message of the market channel failed: {e!r}")
                self._resync(raw)

    def _handle_other(self, raw: bytes) -> None:
        try:
            for message in parsing.messages(raw):
                kind = message.get("event_type")
                if kind == "market_resolved":
                    self._take_resolution(message)
                elif kind == "price_change":
                    for change in message.get("price_changes") or []:
                        change.setdefault("hash", "")
                    self._handle_quotes(msgspec.convert(message, PolymarketQuotes))
                elif kind not in _IGNORED:
                    self._log.warning(f"a message of the market channel is not known: {kind!r}")
        except (Unreadable, msgspec.ValidationError, AttributeError, TypeError) as e:
            self._log.warning(f"a message of the market channel was not understood: {e}")
            self._resync(raw)

    def _handle_book_snapshot(
        self, instrument: BinaryOption, ws_message: PolymarketBookSnapshot
    ) -> None:
        """Defects: the best prices are taken from the ends of the lists as they happen to be
        sorted, and an empty book is skipped, so that the last prices seem to stand. Can go when the
        quote is taken from the book.
        """
        self._heard(instrument.id)
        if self._fits(instrument, _prices(ws_message)):
            now = self._clock.timestamp_ns()
            self._tell_changes(self._book(instrument.id).take(instrument, ws_message, now))
            self._show(instrument, millis_to_nanos(float(ws_message.timestamp)))

    def _handle_quotes(self, ws_message: PolymarketQuotes) -> None:
        """Defect: each change of a message is told on its own, so that quotes and deltas pass
        through prices that were never in force. Can go when a message is one update.
        """
        changes: dict[str, list[Any]] = {}
        for change in ws_message.price_changes:
            changes.setdefault(change.asset_id, []).append(change)
        ts_event = millis_to_nanos(float(ws_message.timestamp))
        for asset_id, changed in changes.items():
            instrument = self._instrument(ws_message.market, asset_id)
            if instrument is None:
                continue
            self._heard(instrument.id)
            if self._fits(instrument, [c.price for c in changed]):
                now = self._clock.timestamp_ns()
                deltas = self._book(instrument.id).change(instrument, changed, ts_event, now)
                if deltas is not None:
                    self._tell_changes(deltas)
                    self._show(instrument, ts_event)

    def _handle_instrument_update(
        self, instrument: BinaryOption, ws_message: PolymarketTickSizeChange
    ) -> None:
        """Defect: after a tick change no price is told until the venue sends a book of itself. Can
        go when the adapter asks for it.
        """
        super()._handle_instrument_update(instrument=instrument, ws_message=ws_message)
        if instrument.id in self._pending_snapshot_after_tick_change:
            self._pending_snapshot_after_tick_change.discard(instrument.id)
            self._book(instrument.id).forget()
            self.create_task(self._read_books([instrument.id]))

    def _followed(self) -> list[InstrumentId]:
        return [i for i in self.subscribed_quote_ticks() if i not in self._closed]

    def _instrument(self, market: str, asset_id: str) -> BinaryOption | None:
        return self._cache.instrument(InstrumentId.from_str(f"{market}-{asset_id}.POLYMARKET"))

    def _book(self, instrument_id: InstrumentId) -> LocalBook:
        book = self._books.get(instrument_id)
        if book is None:
            book = self._books[instrument_id] = LocalBook(instrument_id)
        return book

    def _tell_changes(self, deltas: OrderBookDeltas) -> None:
        if self.is_subscribed_order_book_deltas(deltas.instrument_id):
            self._handle_data(deltas)

    def _show(self, instrument: BinaryOption, ts_event: int) -> None:
        """Tell the book's best prices, if they changed."""
        book = self._book(instrument.id)
        view, bids = book.look(instrument, self._orders.resting(instrument.id))
        self._msgbus.publish(DEPTHS, Depth(instrument.id, tuple(bids)))
        if book.told == view:
            return
        book.told = view
        self._handle_data(as_data(instrument.id, view, ts_event, now=self._clock.timestamp_ns()))

    def _on_own_order(self, instrument_id: InstrumentId) -> None:
        """Tell both outcomes' books anew: what of them is ours has changed."""
        market = get_polymarket_condition_id(instrument_id)
        for known, book in self._books.items():
            if book.is_whole and get_polymarket_condition_id(known) == market:
                self._show(self._cache.instrument(known), self._clock.timestamp_ns())

    def _fits(self, instrument: BinaryOption, prices: Iterable[str]) -> bool:
        """A price between the ticks means that a tick change was missed: the market is read anew.

        Defect: the adapter rounds such prices without a word. Can go when it refuses them.
        """
        if fits(instrument, prices):
            return True
        self._book(instrument.id).forget()
        if instrument.id not in self._misfits:
            self._misfits.add(instrument.id)
            self.create_task(self._read_tick(instrument.id))
        return False

    async def _read_tick(self, instrument_id: InstrumentId) -> None:
        self._log.warning(f"{instrument_id} has prices between its ticks: read anew")
        try:
            await self._ask_tick(self._cache.instrument(instrument_id))
            await self._read_books([instrument_id])
            if not self._book(instrument_id).is_whole:
                await asyncio.sleep(_TICK_PAUSE)
        finally:
            self._misfits.discard(instrument_id)

    async def _ask_tick(self, instrument: BinaryOption) -> None:
        token_id = get_polymarket_token_id(instrument.id)
        reply = await asyncio.to_thread(
            self._http_client._get,
            f"{self._http_client.host}/tick-size",
            None,
            {"token_id": token_id},
        )
        change = PolymarketTickSizeChange(
            market=get_polymarket_condition_id(instrument.id),
            asset_id=token_id,
            new_tick_size=str(reply["minimum_tick_size"]),
            old_tick_size=str(instrument.price_increment),
            timestamp=str(self._clock.timestamp_ms()),
        )
        super()._handle_instrument_update(instrument=instrument, ws_message=change)

    # -- silence -----------------------------------------------------------------------------------

    def _heard(self, instrument_id: InstrumentId) -> None:
        self._seen[instrument_id] = self._loop.time()
        if self._frozen.pop(instrument_id, None) is not None:
            self._tell_feed(instrument_id, "")

    def _tell_feed(self, instrument_id: InstrumentId, problem: str) -> None:
        self._msgbus.publish(FEEDS, FeedState(instrument_id, problem))

    async def _watch_feed(self) -> None:
        """Defect: silence is not noticed. Can go when the adapter tells how old its prices are."""
        while True:
            await asyncio.sleep(1.0)
            try:
                await self._check_feed()
            except Exception as e:
                self._log.warning(f"the watch over the prices failed and goes on: {e!r}")

    async def _check_feed(self) -> None:
        now = self._loop.time()
        watched = self._followed()
        if not watched:
            return
        is_up = self._ws_client.is_connected()
        patience = self._stale_seconds if is_up else min(2.0, self._stale_seconds)
        stale = [
            i
            for i in watched
            if i in self._frozen
            or now - self._seen.setdefault(i, now) >= patience
            or (i in self._books and not self._books[i].is_whole)
        ]
        for start in range(0, len(stale), _BOOKS_MAX):
            await self._read_books(stale[start : start + _BOOKS_MAX])
        if any(now - since > _RECONNECT_AFTER for since in self._frozen.values()):
            await self._reopen()

    async def _read_books(self, ids: list[InstrumentId]) -> None:
        """Compare the books known with the venue's own, and take those over where they differ."""
        readings = {i: self._book(i).begin_reading() for i in ids}
        try:
            books = await asyncio.to_thread(
                self._http_client.get_order_books,
                [BookParams(token_id=get_polymarket_token_id(i)) for i in ids],
            )
            found = {str(book["asset_id"]): book for book in books}
        except Exception as e:
            if len(ids) > 1 and getattr(e, "status_code", None) == 404:
                # One market without a book any more makes the venue refuse the whole list.
                for instrument_id in ids:
                    await self._read_books([instrument_id])
                return
            self._log.warning(f"the books could not be read: {e!r}")
            found = {}
        for instrument_id, reading in readings.items():
            book = found.get(get_polymarket_token_id(instrument_id))
            if book is None:
                self._book(instrument_id).give_up(reading)
                self._froze(instrument_id, "its prices are silent and its book cannot be read")
            else:
                self._compare(instrument_id, reading, book)

    def _compare(self, instrument_id: InstrumentId, reading: Reading, read: dict[str, Any]) -> None:
        fields = {name: read.get(name) for name in ("market", "asset_id", "bids", "asks")}
        stamp = str(read.get("timestamp") or self._clock.timestamp_ms())
        snapshot = msgspec.convert(
            {"event_type": "book", **fields, "timestamp": stamp}, PolymarketBookSnapshot
        )
        instrument, book = self._cache.instrument(instrument_id), self._book(instrument_id)
        if not self._fits(instrument, _prices(snapshot)):
            return
        before = book.told
        changes = book.take_read(reading, instrument, snapshot, self._clock.timestamp_ns())
        if not changes:
            return
        for deltas in changes:
            self._tell_changes(deltas)
        self._show(instrument, changes[-1].ts_event)
        is_changed = before is not None and book.told != before
        if not self._ws_client.is_connected():
            self._froze(instrument_id, "its channel is down; its book is read instead")
        elif is_changed or instrument_id in self._frozen:
            self._froze(instrument_id, "its prices are silent; its book is read instead")
        else:
            self._seen[instrument_id] = self._loop.time()

    def _froze(self, instrument_id: InstrumentId, problem: str) -> None:
        if instrument_id not in self._closed:
            self._frozen.setdefault(instrument_id, self._loop.time())
            self._tell_feed(instrument_id, problem)

    async def _reopen(self) -> None:
        """Open the channel anew."""
        self._log.warning("the market channel is opened anew")
        since = self._loop.time()
        self._frozen = dict.fromkeys(self._frozen, since)
        await self._ws_client.reopen()

    def _resync(self, raw: bytes) -> None:
        ids = [i for i in self._followed() if get_polymarket_token_id(i).encode() in raw]
        if ids:
            self.create_task(self._read_books(ids))

    # -- resolution --------------------------------------------------------------------------------

    def _take_resolution(self, message: dict[str, Any]) -> None:
        market, winner = parsing.text(message, "market"), parsing.text(message, "winning_asset_id")
        for instrument in self._cache.instruments():
            if get_polymarket_condition_id(instrument.id) == market:
                won = get_polymarket_token_id(instrument.id) == winner
                self._close(instrument.id, Decimal(won))

    def _close(self, instrument_id: InstrumentId, payout: Decimal) -> None:
        """Defect: the adapter never tells that a market is resolved. Can go when it emits
        `InstrumentClose`.
        """
        if instrument_id in self._closed:
            return
        self._closed.add(instrument_id)
        if self._frozen.pop(instrument_id, None) is not None:
            self._tell_feed(instrument_id, "")
        now = self._clock.timestamp_ns()
        price = Price.from_str(f"{payout:f}")
        kind = InstrumentCloseType.CONTRACT_EXPIRED
        self._handle_data(InstrumentClose(instrument_id, price, kind, now, now))


def _prices(snapshot: PolymarketBookSnapshot) -> list[str]:
    return [level.price for level in (*snapshot.bids, *snapshot.asks)]
