"""One outcome's book, kept from what the venue reports of it.

It is whole from a snapshot on: what a change means is only known on top of one. A snapshot comes on
the market channel or is read; what has changed while it was being read is changed in it, too. What
is newer than what is said in `freshness`.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum

from nautilus_trader.core.datetime import millis_to_nanos
from nautilus_trader.model.book import BookLevel, OrderBook
from nautilus_trader.model.data import (
    BookOrder,
    CustomData,
    DataType,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
)
from nautilus_trader.model.enums import BookAction, BookType, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price, Quantity

from bridge.one_sided_book import OneSidedBook
from venues.polymarket.market_data.freshness import NewestTime
from venues.polymarket.market_data.market_messages import BookSnapshot, Change, Changes, Touch
from venues.polymarket.market_data.own_levels import Level, OwnLevels

_LEVELS_MAX = 20
"""Levels of each side of a book that are looked at."""

View = tuple[Price | None, Quantity | None, Price | None, Quantity | None]
"""Best bid, its size, best ask, its size."""
Resting = tuple[Mapping[Decimal, Decimal], Mapping[Decimal, Decimal]]
"""What of a book is ours, bids and asks: price -> shares."""


class Verdict(StrEnum):
    """What a book that was read is worth."""

    TAKEN = "taken"
    OLDER = "older"
    """Something newer was known when it was asked for."""
    OVERTAKEN = "overtaken"
    """Another one was reported, or requested, since."""


class SnapshotRequest:
    """A snapshot that is asked for."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.changes: list[tuple[int | None, OrderBookDeltas]] = []
        """What has changed since."""


class LocalBook:
    """The book of one outcome."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        self.is_whole = False
        self.published: View | None = None
        """What of it was last published."""
        self._newest = NewestTime()
        self._stated: Touch | None = None
        self._book = OrderBook(instrument_id, BookType.L2_MBP)
        self._reading: SnapshotRequest | None = None
        self._own = OwnLevels(is_bid=True), OwnLevels(is_bid=False)

    @property
    def newest_at(self) -> int:
        """The newest time of what was reported of it, in milliseconds of the venue's clock."""
        return self._newest.at

    @property
    def touch(self) -> Touch:
        """Its best prices, our own orders included."""
        return Touch(_plain(self._book.best_bid_price()), _plain(self._book.best_ask_price()))

    @property
    def is_contradicted(self) -> bool:
        """Whether the best prices that were stated last are not its own: something was lost."""
        return self.is_whole and self._stated is not None and self._stated != self.touch

    def forget(self) -> None:
        """Wait for the next snapshot; what is heard while one is read counts on."""
        self.is_whole, self.published = False, None

    def take(
        self, instrument: BinaryOption, snapshot: BookSnapshot, now: int
    ) -> OrderBookDeltas | None:
        """Take the whole book, as the channel sends it; None if something newer was received.

        What is being read is older, then.
        """
        if not self._newest.advance(snapshot.at):
            return None
        self._reading = None
        return self._replace(instrument, snapshot, now)

    def _replace(
        self, instrument: BinaryOption, snapshot: BookSnapshot, now: int
    ) -> OrderBookDeltas:
        deltas = _snapshot_deltas(instrument, snapshot, now)
        self._book.apply_deltas(deltas)
        self.is_whole, self._stated = True, None
        return deltas

    def change(
        self, instrument: BinaryOption, changes: Changes, at: int | None, now: int
    ) -> OrderBookDeltas | None:
        """Change levels; None while the book is not whole, or if something newer was received."""
        if not self._newest.advance(at):
            return None
        deltas = _deltas(instrument, changes.levels, at, now)
        if self._reading is not None:
            self._reading.changes.append((at, deltas))
        self._stated = changes.stated
        if not self.is_whole:
            return None
        self._book.apply_deltas(deltas)
        return deltas

    def is_after(self, at: int | None) -> bool:
        """Whether something newer than that was received."""
        return self._newest.is_after(at)

    def state(self, touch: Touch | None, at: int | None) -> None:
        """The channel states the best prices without telling a change: that is no newer book."""
        if not self._newest.is_after(at):
            self._stated = touch

    def request_snapshot(self) -> SnapshotRequest:
        """A snapshot is asked for. An earlier one, if it is still to come, counts no more."""
        self._reading = SnapshotRequest(self._newest.at)
        return self._reading

    def give_up(self, reading: SnapshotRequest) -> None:
        """The snapshot asked for does not come."""
        if self._reading is reading:
            self._reading = None

    def take_requested(
        self, reading: SnapshotRequest, instrument: BinaryOption, snapshot: BookSnapshot, now: int
    ) -> tuple[Verdict, list[OrderBookDeltas]]:
        """Take the snapshot that was asked for, and change it as the channel has reported since.

        Some of those changes may be in it. As each states all of its level, the last counts, and
        the channel reports those that are missing here.

        Returns
        -------
        What it is worth, and what the book is now if it was taken.
        """
        if self._reading is not reading:
            return Verdict.OVERTAKEN, []
        self._reading = None
        if (
            snapshot.at is not None
            and snapshot.at < reading.since
            and not self._has_what_was_lost(snapshot)
        ):
            return Verdict.OLDER, []
        self._newest.advance(snapshot.at)
        stated, later = (
            self._stated,
            [d for at, d in reading.changes if not _is_before(at, snapshot)],
        )
        changes = [self._replace(instrument, snapshot, now), *later]
        for deltas in later:
            self._book.apply_deltas(deltas)
        self._stated = stated if later else None
        return Verdict.TAKEN, changes

    def _has_what_was_lost(self, snapshot: BookSnapshot) -> bool:
        """Whether an older book has the best prices that were stated last, and ours has not."""
        return self.is_contradicted and snapshot.touch == self._stated

    def look(self, instrument: BinaryOption, resting: Resting) -> tuple[View, list[Level]]:
        """The best prices of others, and all their bids."""
        book, bids = self._book, best(self._book.bids())
        if not any(resting) and not any(self._own):
            touch = book.best_bid_price(), book.best_bid_size()
            return (*touch, book.best_ask_price(), book.best_ask_size()), bids
        last = self.published or (None,) * 4
        bids = self._own[0].without(bids, resting[0], _plain(last[0]))
        asks = self._own[1].without(best(book.asks()), resting[1], _plain(last[2]))
        return (*_touch(instrument, bids), *_touch(instrument, asks)), bids

    def publishable(self, instrument: BinaryOption, view: View) -> View | None:
        """What of a view may be published; None = nothing, what was published last stands.

        While the best prices are stated otherwise, a price is missing here or should not be here.
        Then a bid is publishable to have fallen as far as both say, and not to have risen.
        """
        if not self.is_contradicted or self._stated is None:
            return view
        last = None if self.published is None else _plain(self.published[0])
        bid = max(_plain(view[0]) or _ZERO, self._stated.bid or _ZERO)
        if self.published is None or last is None or bid >= last:
            return None
        if bid == (_plain(view[0]) or _ZERO):
            return view
        return instrument.make_price(bid), view[1] or self.published[1], *view[2:]


_ZERO = Decimal(0)


def as_data(
    instrument_id: InstrumentId, view: View, ts_event: int, now: int
) -> QuoteTick | CustomData:
    """A view as the strategy receives it."""
    bid, bid_size, ask, ask_size = view
    if bid is not None and ask is not None:
        return QuoteTick(instrument_id, bid, ask, bid_size, ask_size, ts_event, now)
    sides = ["" if value is None else str(value) for value in view]
    one_sided = OneSidedBook(ts_event, now, instrument_id, *sides)
    return CustomData(DataType(OneSidedBook), one_sided)


def fits(instrument: BinaryOption, prices: Iterable[Decimal]) -> bool:
    """Whether all prices are whole ticks."""
    tick = instrument.price_increment.as_decimal()
    return not any(price % tick for price in prices)


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


def _is_before(at: int | None, snapshot: BookSnapshot) -> bool:
    """Whether a book has what was reported at a time."""
    return at is not None and snapshot.at is not None and at < snapshot.at


def _ns(at: int | None, now: int) -> int:
    return now if at is None else millis_to_nanos(at)


def _snapshot_deltas(instrument: BinaryOption, snapshot: BookSnapshot, now: int) -> OrderBookDeltas:
    """Defects: the adapter publishes nothing of an empty book, and goes through floats. Can go when
    it reports that it is empty.
    """
    ts_event = _ns(snapshot.at, now)
    flags = RecordFlag.F_SNAPSHOT
    levels = [Change(True, *level) for level in snapshot.bids.items()]
    levels += [Change(False, *level) for level in snapshot.asks.items()]
    last = RecordFlag.F_LAST if not levels else 0
    clear = OrderBookDelta(instrument.id, BookAction.CLEAR, None, flags | last, 0, ts_event, now)
    if not levels:
        return OrderBookDeltas(instrument.id, [clear])
    added = _deltas(instrument, levels, snapshot.at, now, flags).deltas
    return OrderBookDeltas(instrument.id, [clear, *added])


def _deltas(
    instrument: BinaryOption, levels: list[Change], at: int | None, now: int, flags: int = 0
) -> OrderBookDeltas:
    deltas = []
    for index, level in enumerate(levels):
        size = instrument.make_qty(level.size)
        order = BookOrder(
            side=OrderSide.BUY if level.is_bid else OrderSide.SELL,
            price=instrument.make_price(level.price),
            size=size,
            order_id=0,
        )
        is_last = index == len(levels) - 1
        deltas.append(
            OrderBookDelta(
                instrument_id=instrument.id,
                action=_action(size, is_new=bool(flags)),
                order=order,
                flags=flags | RecordFlag.F_LAST if is_last else flags,
                sequence=0,
                ts_event=_ns(at, now),
                ts_init=now,
            )
        )
    return OrderBookDeltas(instrument.id, deltas)


def _action(size: Quantity, *, is_new: bool) -> BookAction:
    if is_new:
        return BookAction.ADD
    return BookAction.UPDATE if size > 0 else BookAction.DELETE
