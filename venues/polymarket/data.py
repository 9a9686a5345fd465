"""Polymarket's data client, hardened.

A thin subclass of the adapter's; each override names the defect that it mends. One view of the book
leaves it for each message of the venue, whatever that message changed; a book that lost a side is
told as one; and an outcome that falls silent is checked against the venue's REST interface, which
is read in the channel's place for as long as the two disagree.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
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
from nautilus_trader.core.datetime import millis_to_nanos
from nautilus_trader.data.messages import SubscribeInstrument, SubscribeInstrumentClose
from nautilus_trader.model.book import BookLevel, OrderBook
from nautilus_trader.model.data import (
    BookOrder,
    CustomData,
    DataType,
    InstrumentClose,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
)
from nautilus_trader.model.enums import (
    BookAction,
    BookType,
    InstrumentCloseType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price, Quantity
from py_clob_client_v2.clob_types import BookParams

from venues.facts import DEPTHS, FEEDS, OWN_ORDERS, Depth, FeedState
from venues.one_sided import OneSidedBook
from venues.polymarket import wire
from venues.polymarket.orders import LiveOrders
from venues.polymarket.own_levels import Level, OwnLevels
from venues.polymarket.wire import Unreadable

_LEVELS_MAX = 20
"""Levels of each side of a book that are looked at."""
_BOOKS_MAX = 100
"""Books asked for at once."""
_RECONNECT_AFTER = 5
"""Seconds of frozen prices after which the channel is opened anew."""
RESOLUTION_SECONDS = 15.0
_IGNORED = frozenset({"best_bid_ask", "new_market"})

Resolutions = Callable[[list[str]], Awaitable[dict[str, Decimal]]]
"""Asks what the outcomes of markets (condition ids) pay: token id -> USDC per share, of those that
are resolved."""


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
        self._orders = orders
        self._own: dict[InstrumentId, tuple[OwnLevels, OwnLevels]] = {}
        self._stale_seconds = stale_seconds
        self._resolutions = resolutions
        self._views: dict[InstrumentId, tuple[Any, ...]] = {}
        self._complete: set[InstrumentId] = set()
        self._seen: dict[InstrumentId, float] = {}
        self._frozen: dict[InstrumentId, float] = {}
        self._closed: set[InstrumentId] = set()
        self._watches: list[asyncio.Task[None]] = []

    async def _connect(self) -> None:
        await super()._connect()
        self._msgbus.subscribe(topic=OWN_ORDERS, handler=self._on_own_order)
        self._watches = [
            self._loop.create_task(self._watch_feed()),
            self._loop.create_task(self._watch_resolutions()),
        ]

    async def _disconnect(self) -> None:
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
        """Defect: as for `_subscribe_instrument`; closes come from `_close`."""

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
                self._resync(getattr(message, "asset_id", None))

    def _handle_other(self, raw: bytes) -> None:
        try:
            for message in wire.messages(raw):
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

    def _handle_book_snapshot(
        self, instrument: BinaryOption, ws_message: PolymarketBookSnapshot
    ) -> None:
        """Defects: the best prices are taken from the ends of the lists as they happen to be
        sorted, and an empty book is skipped, so that the last prices seem to stand. Can go when the
        quote is taken from the book.
        """
        self._heard(instrument.id)
        self._take_book(instrument, ws_message)

    def _take_book(self, instrument: BinaryOption, ws_message: PolymarketBookSnapshot) -> None:
        now = self._clock.timestamp_ns()
        book = OrderBook(instrument.id, book_type=BookType.L2_MBP)
        deltas = ws_message.parse_to_snapshot(instrument=instrument, ts_init=now)
        if deltas is not None:
            book.apply_deltas(deltas)
            if self.is_subscribed_order_book_deltas(instrument.id):
                self._handle_data(deltas)
        self._local_books[instrument.id] = book
        self._pending_snapshot_after_tick_change.discard(instrument.id)
        self._complete.add(instrument.id)
        prices = [level.price for level in (*ws_message.bids, *ws_message.asks)]
        self._check_tick(instrument, prices)
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
            if instrument.id not in self._complete:
                continue  # what a change means is only known on top of a snapshot
            self._check_tick(instrument, [c.price for c in changed])
            deltas = _deltas(instrument, changed, ts_event, self._clock.timestamp_ns())
            self._local_books[instrument.id].apply_deltas(deltas)
            if self.is_subscribed_order_book_deltas(instrument.id):
                self._handle_data(deltas)
            self._show(instrument, ts_event)

    def _handle_instrument_update(
        self, instrument: BinaryOption, ws_message: PolymarketTickSizeChange
    ) -> None:
        """Defect: after a tick change no price is told until the venue sends a book of itself. Can
        go when the adapter asks for it.
        """
        super()._handle_instrument_update(instrument=instrument, ws_message=ws_message)
        if instrument.id in self._pending_snapshot_after_tick_change:
            self._complete.discard(instrument.id)
            self._views.pop(instrument.id, None)
            self._spawn(self._read_books([instrument.id]))

    def _instrument(self, market: str, asset_id: str) -> BinaryOption | None:
        return self._cache.instrument(InstrumentId.from_str(f"{market}-{asset_id}.POLYMARKET"))

    def _show(self, instrument: BinaryOption, ts_event: int) -> None:
        """Tell the book's best prices, if they changed."""
        book = self._local_books[instrument.id]
        bids = best(book.bids())
        resting, own = self._orders.resting(instrument.id), self._own_levels(instrument.id)
        if any(resting) or any(own):
            told = self._views.get(instrument.id, (None,) * 4)
            bids = own[0].without(bids, resting[0], _plain(told[0]))
            asks = own[1].without(best(book.asks()), resting[1], _plain(told[2]))
            bid, bid_size = _touch(instrument, bids)
            ask, ask_size = _touch(instrument, asks)
        else:
            bid, bid_size = book.best_bid_price(), book.best_bid_size()
            ask, ask_size = book.best_ask_price(), book.best_ask_size()
        self._msgbus.publish(DEPTHS, Depth(instrument.id, tuple(bids)))
        view = (bid, bid_size, ask, ask_size)
        if self._views.get(instrument.id) == view:
            return
        self._views[instrument.id] = view
        now = self._clock.timestamp_ns()
        if bid is not None and ask is not None:
            self._handle_data(QuoteTick(instrument.id, bid, ask, bid_size, ask_size, ts_event, now))
            return
        sides = ["" if value is None else str(value) for value in view]
        self._handle_data(
            CustomData(
                DataType(OneSidedBook),
                OneSidedBook(ts_event, now, instrument.id, *sides),
            )
        )

    def _own_levels(self, instrument_id: InstrumentId) -> tuple[OwnLevels, OwnLevels]:
        if instrument_id not in self._own:
            self._own[instrument_id] = (OwnLevels(is_bid=True), OwnLevels(is_bid=False))
        return self._own[instrument_id]

    def _on_own_order(self, instrument_id: InstrumentId) -> None:
        """Tell both outcomes' books anew: what of them is ours has changed."""
        market = get_polymarket_condition_id(instrument_id)
        for known in [i for i in self._complete if get_polymarket_condition_id(i) == market]:
            self._show(self._cache.instrument(known), self._clock.timestamp_ns())

    def _check_tick(self, instrument: BinaryOption, prices: Iterable[str]) -> None:
        """A price between the ticks means that a tick change was missed: the market is read anew.

        Without this the adapter would round such prices without a word.
        """
        tick = instrument.price_increment.as_decimal()
        if any(Decimal(price) % tick for price in prices):
            self._log.warning(f"{instrument.id} has prices between its ticks: read anew")
            self._complete.discard(instrument.id)
            self._spawn(self._read_tick(instrument))

    async def _read_tick(self, instrument: BinaryOption) -> None:
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
        self._handle_instrument_update(instrument=instrument, ws_message=change)

    # -- silence -----------------------------------------------------------------------------------

    def _heard(self, instrument_id: InstrumentId) -> None:
        self._seen[instrument_id] = self._loop.time()
        if self._frozen.pop(instrument_id, None) is not None:
            self._tell_feed(instrument_id, "")

    def _tell_feed(self, instrument_id: InstrumentId, problem: str) -> None:
        self._msgbus.publish(FEEDS, FeedState(instrument_id, problem))

    async def _watch_feed(self) -> None:
        """Defects: silence is not noticed, and a first connection that fails is not tried again.
        Can go when the adapter tells how old its prices are and connects until it is connected.
        """
        while True:
            await asyncio.sleep(1.0)
            try:
                await self._check_feed()
            except Exception as e:
                self._log.warning(f"the watch over the prices failed and goes on: {e!r}")

    async def _check_feed(self) -> None:
        now = self._loop.time()
        watched = [i for i in self.subscribed_quote_ticks() if i not in self._closed]
        if not watched:
            return
        is_connected = self._ws_client.is_connected()
        if not is_connected and self._ws_connect_task is None:
            self._schedule_delayed_connect()
        patience = self._stale_seconds if is_connected else min(2.0, self._stale_seconds)
        stale = [
            i
            for i in watched
            if i in self._frozen or now - self._seen.setdefault(i, now) >= patience
        ]
        for start in range(0, len(stale), _BOOKS_MAX):
            await self._read_books(stale[start : start + _BOOKS_MAX])
        if any(now - since > _RECONNECT_AFTER for since in self._frozen.values()):
            await self._reopen()

    async def _read_books(self, ids: list[InstrumentId]) -> None:
        """Compare the books known with the venue's own, and take those over where they differ."""
        tokens = {get_polymarket_token_id(i): i for i in ids}
        try:
            books = await asyncio.to_thread(
                self._http_client.get_order_books, [BookParams(token_id=t) for t in tokens]
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
        for token_id, instrument_id in tokens.items():
            book = found.get(token_id)
            if book is None:
                self._froze(instrument_id, "its prices are silent and its book cannot be read")
            else:
                self._compare(instrument_id, book)

    def _compare(self, instrument_id: InstrumentId, book: dict[str, Any]) -> None:
        fields = {name: book.get(name) for name in ("market", "asset_id", "bids", "asks")}
        stamp = str(book.get("timestamp") or self._clock.timestamp_ms())
        snapshot = msgspec.convert(
            {"event_type": "book", **fields, "timestamp": stamp}, PolymarketBookSnapshot
        )
        before = self._views.get(instrument_id)
        was_complete = instrument_id in self._complete
        self._take_book(self._cache.instrument(instrument_id), snapshot)
        is_changed = was_complete and self._views.get(instrument_id) != before
        if not self._ws_client.is_connected():
            self._froze(instrument_id, "its channel is down; its book is read instead")
        elif is_changed or instrument_id in self._frozen:
            self._froze(instrument_id, "its prices are silent; its book is read instead")
        else:
            self._seen[instrument_id] = self._loop.time()

    def _froze(self, instrument_id: InstrumentId, problem: str) -> None:
        if instrument_id in self._closed:
            return
        self._frozen.setdefault(instrument_id, self._loop.time())
        self._tell_feed(instrument_id, problem)

    async def _reopen(self) -> None:
        """Open the channel anew."""
        self._log.warning("the market channel is opened anew")
        since = self._loop.time()
        self._frozen = dict.fromkeys(self._frozen, since)
        for client_id in list(self._ws_client._clients):
            await self._ws_client._disconnect_client(client_id)
        await self._ws_client.connect()

    def _resync(self, asset_id: str | None) -> None:
        ids = [i for i in self.subscribed_quote_ticks() if get_polymarket_token_id(i) == asset_id]
        if ids:
            self._spawn(self._read_books(ids))

    def _spawn(self, work: Any) -> None:
        self.create_task(work)

    # -- resolution --------------------------------------------------------------------------------

    def _take_resolution(self, message: dict[str, Any]) -> None:
        market, winner = wire.text(message, "market"), wire.text(message, "winning_asset_id")
        for instrument in self._cache.instruments():
            if get_polymarket_condition_id(instrument.id) == market:
                won = get_polymarket_token_id(instrument.id) == winner
                self._close(instrument, Decimal(won))

    async def _watch_resolutions(self) -> None:
        """Defect: the adapter never tells that a market is resolved. Can go when it emits
        `InstrumentClose`.
        """
        while True:
            await asyncio.sleep(RESOLUTION_SECONDS)
            try:
                open_ids = [i for i in self.subscribed_quote_ticks() if i not in self._closed]
                markets = sorted({get_polymarket_condition_id(i) for i in open_ids})
                payouts = await self._resolutions(markets) if markets else {}
                for instrument_id in open_ids:
                    payout = payouts.get(get_polymarket_token_id(instrument_id))
                    if payout is not None:
                        self._close(self._cache.instrument(instrument_id), payout)
            except Exception as e:
                self._log.warning(f"the resolutions could not be read: {e!r}")

    def _close(self, instrument: BinaryOption, payout: Decimal) -> None:
        if instrument.id in self._closed:
            return
        self._closed.add(instrument.id)
        if self._frozen.pop(instrument.id, None) is not None:
            self._tell_feed(instrument.id, "")
        now = self._clock.timestamp_ns()
        price = Price.from_str(f"{payout:f}")
        kind = InstrumentCloseType.CONTRACT_EXPIRED
        self._handle_data(InstrumentClose(instrument.id, price, kind, now, now))


def best(levels: list[BookLevel]) -> list[Level]:
    """Price and size of the best levels of one side, best first."""
    return [
        (level.price.as_decimal(), sum((o.size.as_decimal() for o in level.orders()), Decimal(0)))
        for level in levels[:_LEVELS_MAX]
    ]


def _plain(price: Price | None) -> Decimal | None:
    return None if price is None else price.as_decimal()


def _touch(instrument: BinaryOption, levels: list[Level]) -> tuple[Price | None, Quantity | None]:
    if not levels:
        return None, None
    price, size = levels[0]
    return instrument.make_price(price), instrument.make_qty(size)


def _deltas(
    instrument: BinaryOption, changes: list[Any], ts_event: int, now: int
) -> OrderBookDeltas:
    deltas = []
    for index, change in enumerate(changes):
        size = instrument.make_qty(Decimal(change.size))
        order = BookOrder(
            side=OrderSide.BUY if change.side.value == "BUY" else OrderSide.SELL,
            price=instrument.make_price(Decimal(change.price)),
            size=size,
            order_id=0,
        )
        is_last = index == len(changes) - 1
        deltas.append(
            OrderBookDelta(
                instrument_id=instrument.id,
                action=BookAction.UPDATE if size > 0 else BookAction.DELETE,
                order=order,
                flags=RecordFlag.F_LAST if is_last else 0,
                sequence=0,
                ts_event=ts_event,
                ts_init=now,
            )
        )
    return OrderBookDeltas(instrument.id, deltas)
