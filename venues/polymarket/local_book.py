"""One outcome's book, kept from what the venue tells of it.

It is whole from a snapshot on: what a change means is only known on top of one. A snapshot comes on
the market channel or is read; what has changed while it was being read is changed in it, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from nautilus_trader.adapters.polymarket.schemas.book import (
    PolymarketBookSnapshot,
    PolymarketQuote,
)
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
from venues.polymarket.own_levels import Level, OwnLevels

_LEVELS_MAX = 20
"""Levels of each side of a book that are looked at."""

View = tuple[Price | None, Quantity | None, Price | None, Quantity | None]
"""Best bid, its size, best ask, its size."""
Resting = tuple[Mapping[Decimal, Decimal], Mapping[Decimal, Decimal]]
"""What of a book is ours, bids and asks: price -> shares."""
Reading = list[OrderBookDeltas]
"""What has changed since a snapshot was asked for."""


class LocalBook:
    """The book of one outcome."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        self.is_whole = False
        self.told: View | None = None
        """What of it was last told."""
        self._book = OrderBook(instrument_id, BookType.L2_MBP)
        self._reading: Reading | None = None
        self._own = OwnLevels(is_bid=True), OwnLevels(is_bid=False)

    def forget(self) -> None:
        """Wait for the next snapshot."""
        self.is_whole, self.told = False, None

    def take(
        self, instrument: BinaryOption, snapshot: PolymarketBookSnapshot, now: int
    ) -> OrderBookDeltas:
        """Take the whole book, as the channel tells it; what is being read is older, then."""
        deltas = snapshot.parse_to_snapshot(instrument, now) or _cleared(instrument, snapshot, now)
        self._book.apply_deltas(deltas)
        self.is_whole, self._reading = True, None
        return deltas

    def change(
        self, instrument: BinaryOption, changes: Sequence[PolymarketQuote], ts_event: int, now: int
    ) -> OrderBookDeltas | None:
        """Change levels; None while the book is not whole."""
        deltas = _deltas(instrument, changes, ts_event, now)
        if self._reading is not None:
            self._reading.append(deltas)
        if not self.is_whole:
            return None
        self._book.apply_deltas(deltas)
        return deltas

    def begin_reading(self) -> Reading:
        """A snapshot is asked for. An earlier one, if it is still to come, counts no more."""
        self._reading = []
        return self._reading

    def give_up(self, reading: Reading) -> None:
        """The snapshot asked for does not come."""
        if self._reading is reading:
            self._reading = None

    def take_read(
        self,
        reading: Reading,
        instrument: BinaryOption,
        snapshot: PolymarketBookSnapshot,
        now: int,
    ) -> list[OrderBookDeltas]:
        """Take the snapshot that was asked for, and change it as the channel has told since.

        Some of those changes may be in it. As each tells all of its level, the last counts, and the
        channel tells those that are missing here.

        Returns
        -------
        What the book is now, nothing if it counts no more.
        """
        if self._reading is not reading:
            return []
        told = [self.take(instrument, snapshot, now), *reading]
        for deltas in reading:
            self._book.apply_deltas(deltas)
        return told

    def look(self, instrument: BinaryOption, resting: Resting) -> tuple[View, list[Level]]:
        """The best prices of others, and all their bids."""
        book, bids = self._book, best(self._book.bids())
        if not any(resting) and not any(self._own):
            touch = book.best_bid_price(), book.best_bid_size()
            return (*touch, book.best_ask_price(), book.best_ask_size()), bids
        told = self.told or (None,) * 4
        bids = self._own[0].without(bids, resting[0], _plain(told[0]))
        asks = self._own[1].without(best(book.asks()), resting[1], _plain(told[2]))
        return (*_touch(instrument, bids), *_touch(instrument, asks)), bids


def as_data(
    instrument_id: InstrumentId, view: View, ts_event: int, now: int
) -> QuoteTick | CustomData:
    """A view as the strategy hears of it."""
    bid, bid_size, ask, ask_size = view
    if bid is not None and ask is not None:
        return QuoteTick(instrument_id, bid, ask, bid_size, ask_size, ts_event, now)
    sides = ["" if value is None else str(value) for value in view]
    one_sided = OneSidedBook(ts_event, now, instrument_id, *sides)
    return CustomData(DataType(OneSidedBook), one_sided)


def fits(instrument: BinaryOption, prices: Iterable[str]) -> bool:
    """Whether all prices are whole ticks."""
    tick = instrument.price_increment.as_decimal()
    return not any(Decimal(price) % tick for price in prices)


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


def _cleared(
    instrument: BinaryOption, snapshot: PolymarketBookSnapshot, now: int
) -> OrderBookDeltas:
    """Defect: the adapter tells of an empty book nothing. Can go when it tells that it is empty."""
    ts_event = millis_to_nanos(float(snapshot.timestamp))
    flags = RecordFlag.F_SNAPSHOT | RecordFlag.F_LAST
    clear = OrderBookDelta(instrument.id, BookAction.CLEAR, None, flags, 0, ts_event, now)
    return OrderBookDeltas(instrument.id, [clear])


def _deltas(
    instrument: BinaryOption, changes: Sequence[PolymarketQuote], ts_event: int, now: int
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
