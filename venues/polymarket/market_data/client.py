"""Polymarket's data client, hardened.

A thin subclass of the adapter's; each override names the defect that it mends. One view of the book
leaves it for each message of the venue, whatever that message changed; a book that lost a side is
published as one; and an outcome that falls silent is checked against the venue's REST interface,
which is read in the channel's place for as long as the two disagree.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from nautilus_trader.adapters.polymarket.common.enums import PolymarketOrderSide
from nautilus_trader.adapters.polymarket.common.parsing import determine_trade_id
from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.adapters.polymarket.data import PolymarketDataClient
from nautilus_trader.adapters.polymarket.schemas.book import PolymarketTickSizeChange
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketChannel
from nautilus_trader.core.datetime import millis_to_nanos
from nautilus_trader.data.messages import SubscribeInstrument, SubscribeInstrumentClose
from nautilus_trader.model.data import InstrumentClose, OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import AggressorSide, InstrumentCloseType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price
from py_clob_client_v2.clob_types import BookParams
from py_clob_client_v2.exceptions import PolyApiException

from bridge.clocks import now_ns
from bridge.venue_messages import DEPTHS, FEEDS, OWN_ORDERS, VENUE_ALARMS, Depth, FeedState
from positions.commands.market_names import condition_id_of
from venues.polymarket.api import parsing
from venues.polymarket.api.channel import channel_of
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.protocol import Protocol, position_ids, protocol_of_condition
from venues.polymarket.api.refusals import Refusals
from venues.polymarket.api.ticks import ImpossibleTick, tick_of
from venues.polymarket.market_data import market_messages
from venues.polymarket.market_data.book_requests import BookRequests
from venues.polymarket.market_data.freshness import NewestTime, venue_time
from venues.polymarket.market_data.local_book import (
    LocalBook,
    Resting,
    SnapshotRequest,
    Verdict,
    View,
    as_data,
    fits,
)
from venues.polymarket.market_data.market_messages import BookSnapshot, Changes, mentioned
from venues.polymarket.market_data.resolutions import (
    ClobMarket,
    Resolutions,
    ResolutionWatch,
    clob_market,
    compact_market,
)

_BOOKS_MAX = 100
"""Books asked for at once."""
_RECONNECT_AFTER = 5
"""Seconds of frozen prices after which the channel is opened anew."""
_TICK_PAUSE, _TICK_PAUSE_MAX = 1.0, 30.0
"""Seconds between two questions for the tick, while prices are between the ticks."""
_READ_SECONDS = 90.0
"""How often the book of an outcome that is held is read, however much the channel reports of it."""
_DOUBT_SECONDS = 5.0
"""How long a book may be in doubt before that is published, and the channel opened anew."""
_DOUBT_REOPEN = 60.0
"""Seconds between two such openings."""
_IGNORED = frozenset({"new_market"})
_UNKNOWN_MAX = 100
"""Kinds of messages that are not known and logged, once each."""
_LEAST_SIZE = Decimal("0.000001")


class HardenedDataClient(PolymarketDataClient):
    """Brings Polymarket's prices, ticks and resolutions.

    `resting` has our bids and asks on a book, shares by price: a level of ours alone is not
    published. After `stale_seconds` of silence an outcome's book is read to check it.
    """

    def __init__(
        self,
        *args: Any,
        resting: Callable[[InstrumentId], Resting],
        stale_seconds: float,
        resolutions: Resolutions,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # The channel's own defects: see there.
        self._ws_client = channel_of(
            self, PolymarketWebSocketChannel.MARKET, self._handle_raw_ws_message
        )
        self._resting = resting
        self._refusals = Refusals(
            self._log.warning, partial(self._msgbus.publish, VENUE_ALARMS), self._loop.time
        )
        self._books: dict[InstrumentId, LocalBook] = {}
        self._stale_seconds = stale_seconds
        self._misfits: set[InstrumentId] = set()
        self._alive_at: dict[InstrumentId, float] = {}
        self._frozen: dict[InstrumentId, float] = {}
        self._closed: set[InstrumentId] = set()
        self._requests = BookRequests(self._read_books, self._loop.time)
        self._doubted_at: dict[InstrumentId, float] = {}
        self._problems: dict[InstrumentId, dict[str, str]] = {}
        self._too_old: dict[InstrumentId, int] = {}
        self._known_old: dict[InstrumentId, int] = {}
        self._ticks: dict[InstrumentId, NewestTime] = {}
        self._trades: dict[InstrumentId, NewestTime] = {}
        self._last_trades: dict[InstrumentId, Decimal] = {}
        self._trades_lost: set[InstrumentId] = set()
        self._unknown: set[str] = set()
        self._reopened_at = float("-inf")
        self.read_seconds = _READ_SECONDS
        self.held: Callable[[], Collection[str]] = tuple
        """Gives the outcomes that are held: their books are read now and then."""
        self._kinds = self._handlers()
        self._resolution_watch = ResolutionWatch(
            resolutions,
            self._describe,
            self._followed,
            self._close,
            self._publish_resolution,
            self._log.warning,
        )
        self._watches: list[asyncio.Task[None]] = []

    def _handlers(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """What takes each kind of message."""
        return {
            "book": self._take_book,
            "price_change": self._take_changes,
            "best_bid_ask": self._take_touch,
            "last_trade_price": self._take_trade,
            "tick_size_change": self._take_tick,
            "market_resolved": self._take_resolution,
        }

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
        """Defects: one message that is not understood loses its whole frame; a resolution is an
        error and lost, and so is a price change without a hash. Can go when the adapter reads
        leniently, message by message.
        """
        try:
            messages = parsing.messages(raw)
        except Unreadable as e:
            self._refusals.add(f"a frame of the market channel made no sense: {e}")
            self._request_mentioned(raw)
            return
        for message in messages:
            try:
                self._take(message)
            except Exception as e:
                self._refusals.add(f"a message of the market channel made no sense: {e!r}")
                self._request_mentioned(msgspec.json.encode(message))

    def _take(self, message: dict[str, Any]) -> None:
        kind = str(message.get("event_type"))
        take = self._kinds.get(kind)
        if take is not None:
            take(message)
        elif kind not in _IGNORED:
            if len(self._unknown) < _UNKNOWN_MAX and kind not in self._unknown:
                self._unknown.add(kind)
                self._log.warning(f"a message of the market channel is not known: {kind[:40]!r}")
            self._request_mentioned(msgspec.json.encode(message))

    def _request_mentioned(self, raw: bytes) -> None:
        """Ask anew for whatever a frame may have been about: books, ticks and last trades."""
        followed = {get_polymarket_token_id(i): i for i in self._followed()}
        ids = [followed[token] for token in mentioned(raw, followed)] or list(followed.values())
        self._trades_lost.update(ids)
        self._request_snapshots(ids)

    def _request_snapshots(self, ids: Iterable[InstrumentId]) -> None:
        if self._requests.add(ids):
            self.create_task(self._requests.run())

    def _take_book(self, message: dict[str, Any]) -> None:
        """Defects: the best prices are taken from the ends of the lists as they happen to be
        sorted, and an empty book is skipped, so that the last prices seem to stand. Can go when the
        quote is taken from the book.
        """
        snapshot = market_messages.book(message, self._now_ms())
        instrument = self._instrument(snapshot.market, snapshot.asset_id)
        if instrument is None:
            return
        self._mark_alive(instrument.id)
        if not self._book(instrument.id).is_after(snapshot.at):
            instrument = self._compare_tick(instrument, message, snapshot.at)
        if self._fits(instrument, (*snapshot.bids, *snapshot.asks)):
            now = self._clock.timestamp_ns()
            deltas = self._book(instrument.id).take(instrument, snapshot, now)
            if deltas is None:
                self._request_snapshots([instrument.id])
            else:
                self._publish_deltas(deltas)
                self._publish_quote(instrument, snapshot.at)

    def _take_changes(self, message: dict[str, Any]) -> None:
        """Defect: each change of a message is published on its own, so that quotes and deltas pass
        through prices that were never in force. Can go when a message is one update.
        """
        market, at = (
            parsing.text(message, "market"),
            venue_time(message.get("timestamp"), self._now_ms()),
        )
        found, spoilt = market_messages.changes(message)
        for changed in found:
            instrument = self._instrument(market, changed.asset_id)
            if instrument is not None:
                self._mark_alive(instrument.id)
                if self._fits(instrument, [c.price for c in changed.levels]):
                    self._change(instrument, changed, at)
        unread = [self._instrument(market, asset_id) for asset_id in spoilt]
        if unread:
            self._refusals.add(f"a price change made no sense: {spoilt}"[:200])
            self._request_snapshots([i.id for i in unread if i is not None])

    def _change(self, instrument: BinaryOption, changed: Changes, at: int | None) -> None:
        book = self._book(instrument.id)
        if book.is_after(at):
            self._request_snapshots([instrument.id])
            return
        deltas = book.change(instrument, changed, at, self._clock.timestamp_ns())
        if deltas is not None:
            self._publish_deltas(deltas)
            self._publish_quote(instrument, at)
            self._check_touch(instrument.id)

    def _take_touch(self, message: dict[str, Any]) -> None:
        instrument = self._instrument_of(message)
        if instrument is not None:
            touch = market_messages.stated_touch(message)
            at = venue_time(message.get("timestamp"), self._now_ms())
            book = self._book(instrument.id)
            book.state(touch, at)
            if book.is_whole:
                self._publish_quote(instrument, at)
            self._check_touch(instrument.id)

    def _check_touch(self, instrument_id: InstrumentId) -> None:
        """Defect: a message that is lost leaves a price that is gone, for as long as nothing
        touches it. Can go when the adapter compares its book with the best prices that are stated.
        """
        if not self._book(instrument_id).is_contradicted:
            if self._doubted_at.pop(instrument_id, None) is not None:
                self._publish_feed(instrument_id, "touch", "")
        else:
            self._doubted_at.setdefault(instrument_id, self._loop.time())
            self._request_snapshots([instrument_id])

    def _take_trade(self, message: dict[str, Any]) -> None:
        """Defect: an older trade passes for the last one. Can go when the adapter compares them."""
        trade = market_messages.trade(message, self._now_ms())
        instrument = self._instrument(trade.market, trade.asset_id)
        if instrument is None or not self._trades_of(instrument.id).advance(trade.at):
            return
        if not fits(instrument, [trade.price]):
            self._trades_lost.add(instrument.id)
            self._fits(instrument, [trade.price])
            return
        side = PolymarketOrderSide.BUY if trade.is_buy else PolymarketOrderSide.SELL
        self._publish_trade(instrument, trade.price, trade.size, side, trade.at)

    def _trades_of(self, instrument_id: InstrumentId) -> NewestTime:
        return self._trades.setdefault(instrument_id, NewestTime())

    def _publish_trade(
        self,
        instrument: BinaryOption,
        price: Decimal,
        size: Decimal,
        side: PolymarketOrderSide | None,
        at: int | None,
    ) -> None:
        self._last_trades[instrument.id] = price
        now = self._clock.timestamp_ns()
        name = (str(price), str(size), str(at or now))
        aggressor = {
            PolymarketOrderSide.BUY: AggressorSide.BUYER,
            PolymarketOrderSide.SELL: AggressorSide.SELLER,
        }
        self._handle_data(
            TradeTick(
                instrument_id=instrument.id,
                price=instrument.make_price(price),
                size=instrument.make_qty(size),
                aggressor_side=AggressorSide.NO_AGGRESSOR if side is None else aggressor[side],
                trade_id=determine_trade_id(
                    get_polymarket_token_id(instrument.id),
                    side or PolymarketOrderSide.SELL,
                    *name,
                ),
                ts_event=now if at is None else millis_to_nanos(at),
                ts_init=now,
            )
        )

    def _take_tick(self, message: dict[str, Any]) -> None:
        instrument = self._instrument_of(message)
        if instrument is None:
            return
        at = venue_time(message.get("timestamp"), self._now_ms())
        try:
            tick = tick_of(message.get("new_tick_size"))
        except ImpossibleTick as e:
            self._log.warning(f"{instrument.id}: {e}; it is asked for")
            self._publish_feed(instrument.id, "tick", f"its {e}; it is asked for")
            self._request_tick(instrument.id)
            return
        if self._ticks_of(instrument.id).advance(at):
            self._change_tick(instrument, tick, at)
        else:
            self._request_tick(instrument.id)

    def _ticks_of(self, instrument_id: InstrumentId) -> NewestTime:
        return self._ticks.setdefault(instrument_id, NewestTime())

    def _change_tick(self, instrument: BinaryOption, tick: Decimal, at: int | None) -> None:
        """Defect: after a tick change no price is published until the venue sends a book of itself.
        Can go when the adapter asks for it.
        """
        self._publish_feed(instrument.id, "tick", "")
        change = PolymarketTickSizeChange(
            market=get_polymarket_condition_id(instrument.id),
            asset_id=get_polymarket_token_id(instrument.id),
            new_tick_size=f"{tick:f}",
            old_tick_size=str(instrument.price_increment),
            timestamp=str(at or self._now_ms()),
        )
        super()._handle_instrument_update(instrument=instrument, ws_message=change)
        if instrument.id in self._pending_snapshot_after_tick_change:
            self._pending_snapshot_after_tick_change.discard(instrument.id)
            self._book(instrument.id).forget()
            self.create_task(self._read_books([instrument.id]))

    def _now_ms(self) -> int:
        return now_ns(self._clock) // 1_000_000

    def _instrument_of(self, message: dict[str, Any]) -> BinaryOption | None:
        return self._instrument(parsing.text(message, "market"), parsing.text(message, "asset_id"))

    def _followed(self) -> list[InstrumentId]:
        return [i for i in self.subscribed_quote_ticks() if i not in self._closed]

    def _instrument(self, market: str, asset_id: str) -> BinaryOption | None:
        condition_id = condition_id_of(market)
        return self._cache.instrument(
            InstrumentId.from_str(f"{condition_id}-{asset_id}.POLYMARKET")
        )

    def _book(self, instrument_id: InstrumentId) -> LocalBook:
        book = self._books.get(instrument_id)
        if book is None:
            book = self._books[instrument_id] = LocalBook(instrument_id)
        return book

    def _publish_deltas(self, deltas: OrderBookDeltas) -> None:
        if self.is_subscribed_order_book_deltas(deltas.instrument_id):
            self._handle_data(deltas)

    def _publish_quote(self, instrument: BinaryOption, at: int | None) -> None:
        """Publish the book's best prices, if they changed."""
        book = self._book(instrument.id)
        look, bids = book.look(instrument, self._resting(instrument.id))
        view = book.publishable(instrument, look)
        if view == look:
            self._msgbus.publish(DEPTHS, Depth(instrument.id, tuple(bids)))
        if view is None or view == book.published:
            return
        book.published = view
        now = self._clock.timestamp_ns()
        ts_event = now if at is None else millis_to_nanos(at)
        self._handle_data(as_data(instrument.id, view, ts_event, now=now))

    def _on_own_order(self, instrument_id: InstrumentId) -> None:
        """Publish both outcomes' books anew: what of them is ours has changed."""
        market = get_polymarket_condition_id(instrument_id)
        for known, book in self._books.items():
            if book.is_whole and get_polymarket_condition_id(known) == market:
                self._publish_quote(self._cache.instrument(known), None)

    def _fits(self, instrument: BinaryOption, prices: Iterable[Decimal]) -> bool:
        """A price between the ticks means that a tick change was missed: the market is read anew.

        Defect: the adapter rounds such prices without a word. Can go when it refuses them.
        """
        if fits(instrument, prices):
            return True
        self._book(instrument.id).forget()
        self._log.warning(f"{instrument.id} has prices between its ticks: read anew")
        self._request_tick(instrument.id)
        return False

    def _request_tick(self, instrument_id: InstrumentId) -> None:
        if instrument_id not in self._misfits:
            self._misfits.add(instrument_id)
            self.create_task(self._read_tick(instrument_id))

    async def _read_tick(self, instrument_id: InstrumentId) -> None:
        try:
            pause = _TICK_PAUSE
            while not await self._has_read_tick(instrument_id):
                await asyncio.sleep(pause)
                pause = min(2 * pause, _TICK_PAUSE_MAX)
            await self._read_books([instrument_id])
            if not self._book(instrument_id).is_whole:
                await asyncio.sleep(_TICK_PAUSE)
        finally:
            self._misfits.discard(instrument_id)

    async def _has_read_tick(self, instrument_id: InstrumentId) -> bool:
        before = self._ticks_of(instrument_id).at
        try:
            reply = await asyncio.to_thread(
                self._http_client._get,
                f"{self._http_client.host}/tick-size",
                None,
                {"token_id": get_polymarket_token_id(instrument_id)},
            )
            tick = tick_of(reply["minimum_tick_size"])
        except Exception as e:
            self._log.warning(f"the tick of {instrument_id} could not be read: {e!r}")
            return instrument_id in self._closed
        if self._ticks_of(instrument_id).at == before:  # none was reported meanwhile
            self._change_tick(self._cache.instrument(instrument_id), tick, None)
        return True

    # -- silence -----------------------------------------------------------------------------------

    def _mark_alive(self, instrument_id: InstrumentId) -> None:
        self._alive_at[instrument_id] = self._loop.time()
        self._frozen.pop(instrument_id, None)
        self._publish_feed(instrument_id, "silence", "")

    def _publish_feed(self, instrument_id: InstrumentId, kind: str, problem: str) -> None:
        """Publish what is wrong with an outcome's prices, by its kind; "" = nothing of it."""
        problems = self._problems.setdefault(instrument_id, {})
        if problems.get(kind, "") == problem:
            return
        problems[kind] = problem
        text = "; ".join(p for p in problems.values() if p)
        self._msgbus.publish(FEEDS, FeedState(instrument_id, text))

    async def _watch_feed(self) -> None:
        """Defect: silence is not noticed. Can go when the adapter reports the age of its prices."""
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
        held = self.held()
        stale = [
            i
            for i in watched
            if i in self._frozen
            or now - self._alive_at.setdefault(i, now) >= patience
            or (i in self._books and not self._books[i].is_whole)
            or (get_polymarket_token_id(i) in held and self._is_unread(i, now))
        ]
        for start in range(0, len(stale), _BOOKS_MAX):
            await self._read_books(stale[start : start + _BOOKS_MAX])
        self._check_doubts(now)
        if any(now - since > _RECONNECT_AFTER for since in self._frozen.values()):
            await self._reopen()

    def _is_unread(self, instrument_id: InstrumentId, now: float) -> bool:
        """Whether it is time to read a book, however much is reported of it."""
        read_at = self._requests.sent_at(instrument_id)
        if read_at is None:
            self._requests.mark_sent([instrument_id])  # from now on
        return read_at is not None and now - read_at >= self.read_seconds

    def _check_doubts(self, now: float) -> None:
        for instrument_id, since in self._doubted_at.items():
            self._request_snapshots([instrument_id])
            if now - since > _DOUBT_SECONDS:
                problem = "its book is not as its best prices are stated, and cannot be read"
                self._publish_feed(instrument_id, "touch", problem)
                if now - self._reopened_at > _DOUBT_REOPEN:
                    self._frozen.setdefault(instrument_id, since)

    async def _read_books(self, ids: list[InstrumentId]) -> None:
        """Compare the books known with the venue's own, and take those over where they differ."""
        self._requests.mark_sent(ids)
        readings = {i: self._book(i).request_snapshot() for i in ids}
        try:
            books = await asyncio.to_thread(
                self._http_client.get_order_books,
                [BookParams(token_id=get_polymarket_token_id(i)) for i in ids],
            )
            by_token = {str(book["asset_id"]): book for book in books}
        except Exception as e:
            if len(ids) > 1 and getattr(e, "status_code", None) == 404:
                # One market without a book any more makes the venue refuse the whole list.
                for instrument_id in ids:
                    await self._read_books([instrument_id])
                return
            self._log.warning(f"the books could not be read: {e!r}")
            by_token = {}
        for instrument_id, reading in readings.items():
            book = by_token.get(get_polymarket_token_id(instrument_id))
            if book is not None and self._compare_book(instrument_id, reading, book):
                continue
            self._book(instrument_id).give_up(reading)
            self._mark_frozen(instrument_id, "its prices are silent and its book cannot be read")

    def _compare_book(
        self, instrument_id: InstrumentId, reading: SnapshotRequest, read: dict[str, Any]
    ) -> bool:
        """Compare one book that was read; whether it makes sense."""
        try:
            snapshot = market_messages.book(read, self._now_ms())
        except Unreadable as e:
            self._refusals.add(f"the book of {instrument_id} made no sense: {e}")
            return False
        instrument, book = self._cache.instrument(instrument_id), self._book(instrument_id)
        if snapshot.at is None or snapshot.at >= reading.since:
            instrument = self._compare_tick(instrument, read, snapshot.at)
        if not self._fits(instrument, (*snapshot.bids, *snapshot.asks)):
            return True
        before = book.published
        verdict, deltas = book.take_requested(
            reading, instrument, snapshot, self._clock.timestamp_ns()
        )
        for changed in deltas:
            self._publish_deltas(changed)
        if verdict is Verdict.TAKEN:
            self._publish_quote(instrument, snapshot.at)
            self._compare_trade(instrument, read, snapshot.at)
        if verdict is not Verdict.OVERTAKEN:
            self._requests.mark_answered(instrument_id, is_news=book.published != before)
            self._check_touch(instrument_id)
            self._assess(instrument_id, verdict, before, snapshot)
        return True

    def _assess(
        self,
        instrument_id: InstrumentId,
        verdict: Verdict,
        before: View | None,
        snapshot: BookSnapshot,
    ) -> None:
        """What a book that was read means for the outcome's prices."""
        book, now = self._book(instrument_id), self._loop.time()
        is_changed = before is not None and book.published != before
        is_silent = now - self._alive_at.get(instrument_id, now) >= self._stale_seconds
        is_older = verdict is Verdict.OLDER and snapshot.touch != book.touch
        if is_older and snapshot.at != self._known_old.get(instrument_id):
            # It is not taken; once the channel is opened anew, it sends the book.
            self._too_old[instrument_id] = snapshot.at or 0
            if is_silent or not self._ws_client.is_connected():
                problem = "its prices are silent; what can be read is older than what was reported"
                self._mark_frozen(instrument_id, problem)
        elif not self._ws_client.is_connected():
            self._mark_frozen(instrument_id, "its channel is down; its book is read instead")
        elif instrument_id in self._frozen or (is_silent and is_changed):
            self._mark_frozen(instrument_id, "its prices are silent; its book is read instead")
        elif is_silent or instrument_id not in self._alive_at:
            self._alive_at[instrument_id] = now

    def _compare_tick(
        self, instrument: BinaryOption, values: dict[str, Any], at: int | None
    ) -> BinaryOption:
        """A whole book may state its tick, too; the instrument as it is then."""
        try:
            tick = tick_of(values["tick_size"])
        except (KeyError, ImpossibleTick):
            return instrument
        is_new = tick != instrument.price_increment.as_decimal()
        if is_new and self._ticks_of(instrument.id).advance(at):
            self._change_tick(instrument, tick, at)
        return self._cache.instrument(instrument.id)

    def _compare_trade(
        self, instrument: BinaryOption, read: dict[str, Any], at: int | None
    ) -> None:
        """A book that is read states the price of the last trade, too: the size is not known."""
        if instrument.id not in self._trades_lost or self._trades_of(instrument.id).is_after(at):
            return
        self._trades_lost.discard(instrument.id)
        try:
            price = market_messages.price(read, "last_trade_price")
        except Unreadable:
            return  # none, so far
        if price != self._last_trades.get(instrument.id) and fits(instrument, [price]):
            self._publish_trade(instrument, price, _LEAST_SIZE, None, at)

    def _mark_frozen(self, instrument_id: InstrumentId, problem: str) -> None:
        if instrument_id not in self._closed:
            self._frozen.setdefault(instrument_id, self._loop.time())
            self._publish_feed(instrument_id, "silence", problem)

    async def _reopen(self) -> None:
        """Open the channel anew."""
        now = self._reopened_at = self._loop.time()
        self._log.warning("the market channel is opened anew")
        self._frozen = dict.fromkeys(self._frozen, now)
        self._known_old |= self._too_old
        self._doubted_at = dict.fromkeys(self._doubted_at, now)
        await self._ws_client.reopen()

    # -- resolution --------------------------------------------------------------------------------

    def _take_resolution(self, message: dict[str, Any]) -> None:
        """It is publishable once another source says the same: a stop that is dropped is gone."""
        winner = parsing.text(message, "winning_asset_id")
        market = condition_id_of(parsing.text(message, "market"))
        self._resolution_watch.on_report(market, winner)

    def _publish_resolution(self, instrument_id: InstrumentId, problem: str) -> None:
        self._publish_feed(instrument_id, "resolution", problem)

    async def _describe(self, market: str) -> ClobMarket:
        if protocol_of_condition(market) is Protocol.V1:
            return clob_market(await asyncio.to_thread(self._http_client.get_market, market))
        address = f"{self._http_client.host}/clob-markets/{market}"
        try:
            return compact_market(await asyncio.to_thread(self._http_client._get, address))
        except PolyApiException as e:
            if e.status_code != 404:
                raise
            # It was known when it was loaded; whether it is kept after its end is not documented.
            return ClobMarket(True, frozenset(position_ids(market)), frozenset())

    def _close(self, instrument_id: InstrumentId, payout: Decimal) -> None:
        """Defect: the adapter never reports that a market is resolved. Can go when it emits
        `InstrumentClose`.
        """
        if instrument_id in self._closed:
            return
        self._closed.add(instrument_id)
        self._frozen.pop(instrument_id, None)
        self._doubted_at.pop(instrument_id, None)
        for kind in list(self._problems.get(instrument_id, ())):
            self._publish_feed(instrument_id, kind, "")
        now = self._clock.timestamp_ns()
        price = Price.from_str(f"{payout:f}")
        kind = InstrumentCloseType.CONTRACT_EXPIRED
        self._handle_data(InstrumentClose(instrument_id, price, kind, now, now))
