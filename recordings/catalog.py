"""Reads a Nautilus catalog in the order of time, a stretch at a time."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple

from nautilus_trader.core.data import Data
from nautilus_trader.model.data import InstrumentClose, QuoteTick
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from bridge.one_sided_book import OneSidedBook
from positions.model.durations import MINUTE
from recordings.fold import complete
from recordings.importer import ABOUT
from recordings.reading.values import PRICE_DECIMALS, RecordingError

_STRETCH = 15 * MINUTE
_TIME = attrgetter("ts_init")
_SAME_MOMENT = 1_000


class Price(NamedTuple):
    """The best prices of an outcome at one time, for drawing."""

    time: int
    bid: float | None
    ask: float | None


class Offer(NamedTuple):
    """The best ask of an outcome at one time, and how many shares; 0 = it was not recorded."""

    time: int
    price: float | None
    shares: float


class Recording:
    """The data of one catalog.

    Raises RecordingError if the folder is no catalog, or holds nothing that can be replayed
    exactly.
    """

    def __init__(self, folder: Path) -> None:
        complete(folder)
        if not (folder / "data").is_dir():
            raise RecordingError(f"{folder}: is no catalog: it must hold a folder `data`")
        self._folder = folder
        self._catalog = ParquetDataCatalog(str(folder))
        versions: list[BinaryOption] = sorted(self._catalog.instruments(), key=_TIME)
        first: dict[str, BinaryOption] = {}
        for instrument in versions:
            first.setdefault(instrument.id.value, instrument)
            if instrument.price_precision != PRICE_DECIMALS:
                rule = f"must be {PRICE_DECIMALS}, or prices would be read back wrongly"
                value = f"{instrument.id}: price precision was {instrument.price_precision}"
                raise RecordingError(f"{folder}: {value}, {rule}")
        if not first:
            raise RecordingError(f"{folder}: holds no instrument")
        self.instruments = list(first.values())
        """Each instrument as it was at first."""
        self._changes = [i for i in versions if i is not first[i.id.value]]
        self.start_ns, self.end_ns = self._span()

    @property
    def is_synthetic(self) -> bool:
        """Whether the data is made up."""
        try:
            about = json.loads((self._folder / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(about, dict) and bool(about.get("synthetic"))

    def _span(self) -> tuple[int, int]:
        times: list[tuple[int, int]] = []
        for kind in (QuoteTick, OneSidedBook, InstrumentClose):
            for instrument in self.instruments:
                times += self._catalog.get_intervals(kind, instrument.id.value)
            if kind is OneSidedBook:
                times += self._catalog.get_intervals(kind)
        if not times:
            raise RecordingError(f"{self._folder}: holds no quote")
        return min(start for start, _ in times), max(end for _, end in times)

    def instruments_at(self, time: int) -> list[BinaryOption]:
        """Each instrument as it was at a time."""
        first = {i.id: i for i in self.instruments}
        return list((first | {i.id: i for i in self._changes if i.ts_init < time}).values())

    def batches(self, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, list[Data]]]:
        """All data of each moment from `begin` to `end`, in time order: (nanoseconds, data).

        Of one moment, instruments come first, then quotes, one-sided books and closes. Where that
        is not the recording's beginning, all that holds then comes first, as of `begin`; with what
        that very moment brings, if it brings something, and without what that replaces.
        """
        holds: dict[tuple[bool, bool, str], Data] = {}
        for moment, data in self._moments(end or self.end_ns):
            if moment < begin:
                holds |= {_subject(d): d for d in data}
                continue
            if moment == begin:
                replaced = {_subject(d) for d in data}
                data = [*_ranked(d for s, d in holds.items() if s not in replaced), *data]
            elif holds:
                yield moment, _ranked(holds.values())
            holds = {}
            yield moment, data

    def _moments(self, last: int) -> Iterator[tuple[int, list[Data]]]:
        start = self.start_ns
        while start <= last:
            until = min(start + _STRETCH - 1, last)
            for moment, data in groupby(self._stretch(start, until), key=_moment):
                yield moment, list(data)
            start = until + 1

    def prices(self, instrument_id: str, begin: int, end: int) -> list[Price]:
        """The best bid and ask of one outcome at each moment; None = that side was empty."""
        stretch = {"identifiers": [instrument_id], "start": begin, "end": end}
        prices = [
            Price(q.ts_init, q.bid_price.as_double(), q.ask_price.as_double())
            for q in self._catalog.query(QuoteTick, **stretch)
        ]
        for gap in self._gaps(instrument_id, begin, end):
            bid, ask = (float(p) if p else None for p in (gap.bid, gap.ask))
            prices.append(Price(gap.ts_init, bid, ask))
        return sorted(prices, key=itemgetter(0))

    def offers(self, instrument_id: str) -> list[Offer]:
        """The best ask of one outcome at each moment of the recording."""
        offers = [
            Offer(q.ts_init, q.ask_price.as_double(), q.ask_size.as_double())
            for q in self._catalog.query(QuoteTick, identifiers=[instrument_id])
        ]
        for gap in self._gaps(instrument_id, self.start_ns, self.end_ns):
            ask = float(gap.ask) if gap.ask else None
            offers.append(Offer(gap.ts_init, ask, float(gap.ask_size or 0)))
        return sorted(offers, key=itemgetter(0))

    def _gaps(self, instrument_id: str, begin: int, end: int) -> Iterator[OneSidedBook]:
        for item in self._catalog.query(OneSidedBook, start=begin, end=end):
            gap = getattr(item, "data", item)
            if gap.instrument_id.value == instrument_id:
                yield gap

    def _stretch(self, start: int, end: int) -> list[Data]:
        data: list[Data] = [i for i in self._changes if start <= i.ts_init <= end]
        data += self._catalog.query(QuoteTick, start=start, end=end)
        gaps = self._catalog.query(OneSidedBook, start=start, end=end)
        data += [getattr(gap, "data", gap) for gap in gaps]
        data += self._catalog.query(InstrumentClose, start=start, end=end)
        # A query gives what has one time in any order; the same recording must play the same.
        data.sort(key=_order)
        return data


def _subject(data: Data) -> tuple[bool, bool, str]:
    """What data replaces earlier data of: the same kind (books are one) of one instrument."""
    if isinstance(data, BinaryOption):
        return True, False, data.id.value
    return False, isinstance(data, InstrumentClose), data.instrument_id.value


def _ranked(data: Iterable[Data]) -> list[Data]:
    return sorted(data, key=lambda d: _order(d)[1:])


def _order(data: Data) -> tuple[int, int, str]:
    """By time, then instruments before books before closes, then by instrument."""
    if isinstance(data, BinaryOption):
        return data.ts_init, 0, data.id.value
    return data.ts_init, 1 + isinstance(data, InstrumentClose), data.instrument_id.value


def _moment(data: Data) -> int:
    """The moment of the venue that data belongs to; its time of receipt where that is another.

    The importer counts the time of receipt on, by a nanosecond each, for what happened at once.
    """
    received: int = data.ts_init
    happened: int = data.ts_event
    return happened if 0 <= received - happened < _SAME_MOMENT else received
