"""Folds the segments of a recording into its catalog.

Every price gets four decimals and every instrument a folder, whatever its tick: a catalog written
as the data comes is read back wrongly once the tick changes. Folding a segment again gives the same
files, so it may be cut short at any time.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.core.data import Data
from nautilus_trader.model.data import BookOrder, InstrumentClose, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import (
    AggressorSide,
    BookAction,
    InstrumentCloseType,
    OrderSide,
)
from nautilus_trader.model.identifiers import InstrumentId, TradeId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from bridge.conversion import identifier
from positions.storage.locks import AlreadyRunning, StateLock
from recordings import importer, journal
from recordings.importer import ABOUT, Row, Token
from recordings.reading.values import PRICE_DECIMALS, SIZE_DECIMALS, RecordingError


def complete(catalog: Path) -> None:
    """Fold what a recorder left that is no more; nothing while one is at work."""
    if not journal.live(catalog).is_dir():
        return
    try:
        with StateLock(journal.live(catalog), "record"):
            journal.close_all(catalog)
            fold(catalog)
    except AlreadyRunning:
        return


def fold(catalog: Path) -> None:
    """Fold every segment that is complete; RecordingError if another process does so now."""
    try:
        with StateLock(journal.live(catalog) / "folding", "fold"):
            for segment in journal.closed(catalog):
                _fold(catalog, segment)
                segment.unlink(missing_ok=True)
    except AlreadyRunning:
        raise RecordingError(f"{catalog}: is being folded by another process") from None
    about = catalog / ABOUT
    if not about.exists():
        about.write_text(json.dumps({"source": "recorded", "synthetic": False}) + "\n")


def _fold(folder: Path, segment: Path) -> None:
    groups: dict[tuple[type, str], list[Data]] = defaultdict(list)
    for line in _lines(segment):
        data = _READ[line[0]](*line[1:])
        instrument_id = data.id if isinstance(data, BinaryOption) else data.instrument_id
        groups[type(data), instrument_id.value].append(data)
    (folder / "data").mkdir(exist_ok=True)
    catalog = ParquetDataCatalog(str(folder))
    for data in groups.values():
        data.sort(key=lambda d: d.ts_init)
        # Two recorders one after the other may overlap by what came at once.
        catalog.write_data(data, skip_disjoint_check=True)


def _lines(segment: Path) -> Iterator[list[Any]]:
    with segment.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):  # the last one may be torn
                yield msgspec.json.decode(raw)


def _id(value: str) -> InstrumentId:
    return InstrumentId.from_str(value)


def _price(value: str) -> Price:
    return Price.from_str(f"{Decimal(value):.{PRICE_DECIMALS}f}")


def _size(value: str) -> Quantity:
    return Quantity.from_str(f"{Decimal(value):.{SIZE_DECIMALS}f}")


def _instrument(
    instrument_id: str, market: dict[str, Any], token: dict[str, Any], since: int
) -> Data:
    description = Token(market, token, _id(instrument_id))
    return importer.instrument(description, token["tick_size"], since)


def _book(instrument_id: str, *values: Any) -> Data:
    bid, bid_size, ask, ask_size, ts_event, ts_init = values
    prices = (None if p is None else Decimal(p) for p in (bid, ask))
    sizes = (Decimal(s) for s in (bid_size, ask_size))
    (b, a), (bs, as_) = prices, sizes
    return importer.book(_id(instrument_id), Row(ts_event, ts_init, b, bs, a, as_))


def _trade(instrument_id: str, *values: Any) -> Data:
    price, size, side, trade_id, ts_event, ts_init = values
    return TradeTick(
        _id(instrument_id),
        _price(price),
        _size(size),
        AggressorSide(side),
        identifier(TradeId, trade_id),
        ts_event,
        ts_init,
    )


def _delta(instrument_id: str, *values: Any) -> Data:
    action, side, price, size, flags, ts_event, ts_init = values
    if action == BookAction.CLEAR:
        return OrderBookDelta.clear(_id(instrument_id), 0, ts_event, ts_init)
    order = BookOrder(OrderSide(side), _price(price), _size(size), 0)
    return OrderBookDelta(
        _id(instrument_id), BookAction(action), order, flags, 0, ts_event, ts_init
    )


def _close(instrument_id: str, payout: str, ts_event: int, ts_init: int) -> Data:
    kind = InstrumentCloseType.CONTRACT_EXPIRED
    return InstrumentClose(_id(instrument_id), _price(payout), kind, ts_event, ts_init)


_READ: dict[str, Callable[..., Data]] = {
    "instrument": _instrument,
    "book": _book,
    "trade": _trade,
    "delta": _delta,
    "close": _close,
}

if __name__ == "__main__":
    fold(Path(sys.argv[1]))
