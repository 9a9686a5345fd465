"""Tables of quotes or of books, as people have them: CSV or Parquet, under many names of columns.

See docs/import.md for the format. A row that cannot be used is reported with its number, its field
and the rule, and left out; the others are taken. Times are nanoseconds, prices USDC per share.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from positions.model.errors import RecordError

PRICE_DECIMALS = 4
SIZE_DECIMALS = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"_ns": 1, "_us": 10**3, "_ms": 10**6, "_s": 10**9}
_NAMES = {
    "time": "time timestamp ts datetime date_time ts_event event_time",
    "token_id": "token_id token asset_id outcome_id",
    "bid": "bid best_bid bid_price",
    "ask": "ask best_ask ask_price",
    "bid_size": "bid_size best_bid_size bid_qty bid_quantity",
    "ask_size": "ask_size best_ask_size ask_qty ask_quantity",
    "bids": "bids",
    "asks": "asks",
    "side": "side",
    "price": "price",
    "size": "size qty quantity",
}
_SIDES = {"buy": "bids", "bid": "bids", "b": "bids", "sell": "asks", "ask": "asks", "a": "asks"}
_SIDES["s"] = "asks"


_TIME_MAX = 4_102_444_800 * 10**9
_SIZE_MAX = 10**10
"""More shares than there are; Nautilus ends the process over a few more."""
_DIGITS_MAX = 30
_SHOWN = 40
_UNREADABLE = (OSError, ValueError, OverflowError, csv.Error, pyarrow.ArrowException)


class RecordingError(RecordError):
    """A recording cannot be used: its file, and what is wrong in it."""


class _BadRow(ValueError):
    """One row cannot be used: field, value and rule."""


class BestPrices(NamedTuple):
    """The best prices that a row shows; a size of None was not recorded."""

    time: int
    token_id: str
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None


Levels = dict[Decimal, Decimal]
"""Price -> size."""


def read(path: Path, tokens: Mapping[str, Any], reject: Callable[[str], None]) -> list[BestPrices]:
    """What a table shows of the tokens, in the order of time; each row left out is rejected in a
    line.

    Raises RecordingError if the file is no such table.
    """
    names, rows = _open(path)
    columns = _columns(path, names)
    entries: list[tuple[int, str, dict[str, Any]]] = []
    for number, row in enumerate(_readable(path, rows), start=1):
        try:
            at = _time(columns["time"], row[columns["time"]])
            token_id = str(row[columns["token_id"]] or "")
            if token_id not in tokens:
                raise _BadRow(f"token_id was {token_id!r}, is not among the markets")
            entries.append((at, token_id, _values(columns, row)))
        except _BadRow as e:
            reject(f"{path}: row {number}: {e}")
    entries.sort(key=lambda r: r[0])  # of one time, the order of the file stays
    quotes = list(_levels(entries) if "side" in columns else map(_best_of, entries))
    if not quotes:
        raise RecordingError(f"{path}: holds no row that can be used")
    return quotes


# -- the file --------------------------------------------------------------------------------------


def _open(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    try:
        if path.suffix.lower() == ".csv":
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            reader = csv.DictReader(lines)
            return list(reader.fieldnames or ()), iter(reader)
        table = pyarrow.parquet.ParquetFile(path)
        return table.schema_arrow.names, _parquet(table)
    except _UNREADABLE as e:
        raise _unreadable(path, e) from None


def _readable(path: Path, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, of which a later one may show that the file is no such table."""
    try:
        yield from rows
    except _UNREADABLE as e:
        raise _unreadable(path, e) from None


def _unreadable(path: Path, e: Exception) -> RecordingError:
    why = getattr(e, "strerror", None) or next(iter(str(e).splitlines()), type(e).__name__)
    return RecordingError(f"{path}: cannot be read as CSV or Parquet: {why}")


def _parquet(table: pyarrow.parquet.ParquetFile) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches():
        yield from batch.to_pylist()


def _columns(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Field -> the name of its column."""
    columns: dict[str, str] = {}
    for name, times in Counter(names).items():
        if times > 1:
            raise RecordingError(f"{path}: the header names {name!r} {times} times")
        plain = name.strip().lower().replace(" ", "_")
        for field, aliases in _NAMES.items():
            if plain in aliases.split() or (field == "time" and _unit(plain) is not None):
                columns.setdefault(field, name)
    for field in ("time", "token_id"):
        if field not in columns:
            names = ", ".join(_NAMES[field].split())
            raise RecordingError(f"{path}: has no column for {field}; it may be named {names}")
    forms = ({"bid", "ask"}, {"bids", "asks"}, {"side", "price", "size"})
    if not any(form <= columns.keys() for form in forms):
        rule = "must have bid and ask, or bids and asks, or side, price and size"
        raise RecordingError(f"{path}: {rule}; see docs/import.md")
    if not {"side", "price", "size"} <= columns.keys():
        columns.pop("side", None)
    return columns


# -- values ----------------------------------------------------------------------------------------


def _unit(name: str) -> int | None:
    """The nanoseconds of a column's unit, if its name states one and that it is a time."""
    stem, _, unit = name.rpartition("_")
    return _UNITS.get(f"_{unit}") if stem in _NAMES["time"].split() else None


def _time(column: str, value: Any) -> int:
    nanoseconds = _time_of(column, value)
    if not 0 < nanoseconds < _TIME_MAX:
        raise _BadRow(f"{column} was {str(value)[:_SHOWN]!r}, must be from 1970 to 2100")
    return nanoseconds


def _time_of(column: str, value: Any) -> int:
    if isinstance(value, datetime):
        return _nanoseconds(value)
    text = str(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        try:
            return _nanoseconds(datetime.fromisoformat(text))
        except ValueError:
            rule = "must be a number since 1970 or a time such as 2026-04-13T16:05:00Z"
            raise _BadRow(f"{column} was {text[:_SHOWN]!r}, {rule}") from None
    if not number.is_finite() or number <= 0 or number.adjusted() > _DIGITS_MAX:
        raise _BadRow(f"{column} was {str(value)[:_SHOWN]!r}, must be a time above 0")
    unit = _unit(column.strip().lower()) or _guessed(number)
    return int(number * unit)


def _guessed(number: Decimal) -> int:
    """The unit in which a number is a time of our days."""
    return next((unit for unit in (1, 10**3, 10**6) if number * unit > 10**17), 10**9)


def _nanoseconds(moment: datetime) -> int:
    """A time without an offset is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    own = getattr(moment, "value", None)  # pandas keeps nanoseconds
    return int(own) if own is not None else (aware - _EPOCH) // timedelta(microseconds=1) * 1_000


def _number(name: str, value: Any) -> Decimal | None:
    if value is None or str(value).strip().lower() in ("", "nan", "none", "null"):
        return None
    try:
        return round(Decimal(str(value).strip()), SIZE_DECIMALS)
    except InvalidOperation:
        raise _BadRow(f"{name} was {str(value)[:_SHOWN]!r}, must be a number") from None


def _plain(value: Any) -> Any:
    """A value as it is, if it can be a number; a list, say, as its text."""
    return value if isinstance(value, str | int | float | Decimal | None) else str(value)


def _price(name: str, value: Any) -> Decimal | None:
    """A price; None for an empty side, which some write as 0 or 1."""
    return _price_of(name, _plain(value))


@lru_cache(maxsize=65_536)
def _price_of(name: str, value: Any) -> Decimal | None:
    number = _number(name, value)
    if number is None or number in (0, 1):
        return None
    if not 0 < number < 1 or number != round(number, PRICE_DECIMALS):
        rule = f"must be above 0 and below 1, with at most {PRICE_DECIMALS} decimals"
        raise _BadRow(f"{name} was {str(value)[:_SHOWN]}, {rule}")
    return number


def _size(name: str, value: Any) -> Decimal | None:
    return _size_of(name, _plain(value))


@lru_cache(maxsize=65_536)
def _size_of(name: str, value: Any) -> Decimal | None:
    number = _number(name, value)
    if number is not None and not 0 <= number < _SIZE_MAX:
        raise _BadRow(f"{name} was {str(value)[:_SHOWN]}, must be from 0 to below {_SIZE_MAX}")
    return number


# -- the three forms -------------------------------------------------------------------------------


def _values(columns: Mapping[str, str], row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row shows, checked: best prices, or the change of one level."""

    def get(field: str) -> Any:
        return row.get(columns[field]) if field in columns else None

    if "side" in columns:
        side = _SIDES.get(str(get("side")).strip().lower())
        price, size = _price("price", get("price")), _size("size", get("size"))
        if side is None:
            raise _BadRow(f"side was {get('side')!r}, must be buy or sell, or bid or ask")
        if price is None or size is None:
            raise _BadRow(f"price was {get('price')}, size {get('size')}: both must be given")
        return {"side": side, "price": price, "size": size}
    if "bids" in columns:
        bids, asks = _book("bids", get("bids")), _book("asks", get("asks"))
        return _best(bids, asks)
    values = {name: _price(name, get(name)) for name in ("bid", "ask")}
    return values | {name: _size(name, get(name)) for name in ("bid_size", "ask_size")}


def _book(name: str, value: Any) -> Levels:
    """The levels of one side: pairs, or objects with price and size; as JSON text, too."""
    try:
        levels = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        pairs = [(lv["price"], lv["size"]) if isinstance(lv, dict) else lv for lv in levels or ()]
        by_price = {_price(name, price): _size(name, size) for price, size in pairs}
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        if isinstance(e, _BadRow):
            raise
        raise _BadRow(f"{name} was {str(value)[:40]!r}, must be a list of [price, size]") from None
    return {p: s for p, s in by_price.items() if p is not None and s}


def _best(bids: Levels, asks: Levels) -> dict[str, Decimal | None]:
    bid, ask = max(bids, default=None), min(asks, default=None)
    return {
        "bid": bid,
        "bid_size": None if bid is None else bids[bid],
        "ask": ask,
        "ask_size": None if ask is None else asks[ask],
    }


def _best_of(entries: tuple[int, str, dict[str, Any]]) -> BestPrices:
    time, token_id, values = entries
    return BestPrices(time, token_id, **values)


def _levels(entries: Iterable[tuple[int, str, dict[str, Any]]]) -> Iterator[BestPrices]:
    """The best prices after all changes of one moment, where they are others than before."""
    books: dict[str, dict[str, Levels]] = {}
    last: dict[str, Any] = {}
    changed: dict[str, None] = {}
    now = 0

    def flush() -> Iterator[BestPrices]:
        for token_id in changed:
            best = _best(**books[token_id])
            if last.get(token_id) != best:
                last[token_id] = best
                yield BestPrices(now, token_id, **best)
        changed.clear()

    for time, token_id, change in entries:
        if time != now:
            yield from flush()
            now = time
        levels = books.setdefault(token_id, {"bids": {}, "asks": {}})[change["side"]]
        if change["size"]:
            levels[change["price"]] = change["size"]
        else:
            levels.pop(change["price"], None)
        changed[token_id] = None
    yield from flush()
