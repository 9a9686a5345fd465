"""What the cells of a table mean: times in nanoseconds, prices in USDC per share, sizes in shares.

A cell that cannot be what its column says raises BadRow, whatever stands in it: a row of the year
9999 or of sizes in the units of the chain is one bad row, and never the end of an import.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from positions.model.errors import RecordError

PRICE_DECIMALS = 4
SIZE_DECIMALS = 6
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "sec": 10**9, "seconds": 10**9}
"""The nanoseconds of a unit, as names of columns end with them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUR_DAYS = 10**17
"""Nanoseconds: a number without a unit is of 1973 at least, or of a finer unit."""
_TIME_MAX = 4_102_444_800 * 10**9
_SIZE_MAX = 10**10
"""More shares than there are; Nautilus ends the process over a few more."""
_DIGITS_MAX = 30
_SHOWN = 40
_TICK_MIN = Decimal(1).scaleb(-PRICE_DECIMALS)
_EMPTY = frozenset({"", "nan", "none", "null", "n/a", "<na>", "nat"})
_COMMA = re.compile(r"0?,\d+")


class RecordingError(RecordError):
    """A recording cannot be used: its file, and what is wrong in it."""


class BadRow(ValueError):
    """One row cannot be used. `kind` is what all rows of the same fault have in common."""

    def __init__(self, field: str, shown: object, rule: str) -> None:
        super().__init__(f"{field} was {str(shown)[: _SHOWN + 2]}, {rule}")
        self.kind = (field, rule)


class Stamp(NamedTuple):
    """A time of a column that knows its unit: Parquet's, which is of UTC, or of no zone."""

    ns: int
    is_utc: bool


Levels = dict[Decimal, Decimal]
"""Price -> size."""


def text(value: Any) -> str:
    """A cell as text; ids may come as bytes."""
    if isinstance(value, bytes):
        return value.decode("ascii", "replace").strip("\0 ")
    return "" if value is None else str(value).strip()


def is_empty(value: Any) -> bool:
    """Whether a cell says nothing."""
    return value is None or (
        isinstance(value, str | float) and str(value).strip().lower() in _EMPTY
    )


# -- times -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1_024)
def unit(name: str) -> int | None:
    """The nanoseconds of the unit that a column's name states."""
    return UNITS.get(name.rpartition("_")[2]) if "_" in name else None


def zone_of(name: str) -> tzinfo:
    """The time zone of a name; RecordingError if there is none."""
    try:
        return UTC if name.upper() in ("UTC", "GMT") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        rule = "must be the name of a time zone, such as UTC or America/New_York"
        raise RecordingError(f"zone was {name!r}, {rule}") from None


def is_exact(name: str, value: Any) -> bool:
    """Whether a cell is a time whatever the zone: a number since 1970, or with an offset."""
    if isinstance(value, Stamp):
        return value.is_utc
    try:
        time(name, value)
    except BadRow:
        return False
    return True


def time(name: str, value: Any, zone: tzinfo | None = None) -> int:
    """The nanoseconds of a cell; `zone` is that of a time which states no offset.

    Raises BadRow if it is none, if it needs a zone and there is none, or is beyond 1970 to 2100.
    """
    nanoseconds = _time(name, value, zone)
    if not 0 < nanoseconds < _TIME_MAX:
        shown = value.ns if isinstance(value, Stamp) else text(value)[:_SHOWN]
        raise BadRow(name, repr(shown), "must be from 1970 to 2100")
    return nanoseconds


def _time(name: str, value: Any, zone: tzinfo | None) -> int:
    if isinstance(value, Stamp):
        if value.is_utc or zone is UTC:
            return value.ns
        if not 0 < value.ns < _TIME_MAX:
            return value.ns
        moment = (_EPOCH + timedelta(microseconds=value.ns // 1000)).replace(tzinfo=None)
        return _in_zone(name, moment, zone) + value.ns % 1000
    plain = text(value)
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return _of_text(name, plain, zone)
    if not number.is_finite() or number <= 0 or number.adjusted() > _DIGITS_MAX:
        raise BadRow(name, repr(plain[:_SHOWN]), "must be a time above 0")
    stated = unit(name)
    if stated is None and number * 10**9 < _OUR_DAYS:
        raise BadRow(name, repr(plain[:_SHOWN]), "must be a time of our days, since 1970")
    return int(number * (stated or _guessed(number)))


def _of_text(name: str, plain: str, zone: tzinfo | None) -> int:
    for words in (" UTC", " GMT"):
        plain = plain.replace(words, "+00:00")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        rule = "must be a number since 1970 or a time such as 2026-04-13T16:05:00Z"
        raise BadRow(name, repr(plain[:_SHOWN]), rule) from None
    if moment.tzinfo is None:
        return _in_zone(name, moment, zone)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _in_zone(name: str, moment: datetime, zone: tzinfo | None) -> int:
    if zone is None:
        raise BadRow(name, repr(str(moment)), "states no offset: say its --zone")
    aware = moment.replace(tzinfo=zone)
    try:
        if aware.utcoffset() != aware.replace(fold=1).utcoffset():
            raise BadRow(name, repr(str(moment)), "is twice or never, where clocks change")
        return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
    except OverflowError:
        raise BadRow(name, repr(str(moment)), "must be from 1970 to 2100") from None


def _guessed(number: Decimal) -> int:
    """The unit in which a number is a time of our days."""
    return next((ns for ns in (1, 10**3, 10**6) if number * ns > _OUR_DAYS), 10**9)


# -- numbers ---------------------------------------------------------------------------------------


def price(name: str, value: Any) -> Decimal | None:
    """A price; None for an empty side, which some write as 0 or 1."""
    return _price(name, _plain(value))


def size(name: str, value: Any) -> Decimal | None:
    """A size; None = it was not recorded."""
    return _size(name, _plain(value))


def tick(name: str, value: Any) -> Decimal:
    """A tick of the venue."""
    number = _number(name, _plain(value))
    if number is None or not _TICK_MIN <= number <= Decimal("0.1") or 1 % number:
        raise BadRow(name, value, "must be a tick, from 0.0001 to 0.1")
    return number


def _plain(value: Any) -> Any:
    """A value as it is, if it can be a number; a list, say, as its text."""
    return value if isinstance(value, str | int | float | Decimal | None) else str(value)


@lru_cache(maxsize=65_536)
def _price(name: str, value: Any) -> Decimal | None:
    number = _number(name, value)
    if number is None or number in (0, 1):
        return None
    if not 0 < number < 1 or number != round(number, PRICE_DECIMALS):
        rule = f"must be above 0 and below 1, with at most {PRICE_DECIMALS} decimals"
        raise BadRow(name, value, rule)
    return number


@lru_cache(maxsize=65_536)
def _size(name: str, value: Any) -> Decimal | None:
    number = _number(name, value)
    if number is not None and not 0 <= number < _SIZE_MAX:
        raise BadRow(name, value, f"must be from 0 to below {_SIZE_MAX}")
    return number


def _number(name: str, value: Any) -> Decimal | None:
    if is_empty(value):
        return None
    plain = str(value).strip()
    if _COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    try:
        number = Decimal(plain)
        if not number.is_finite():
            raise InvalidOperation
        return round(number, SIZE_DECIMALS)
    except InvalidOperation:
        raise BadRow(name, repr(str(value)[:_SHOWN]), "must be a number") from None


# -- sides of a book -------------------------------------------------------------------------------


def levels(name: str, value: Any) -> Levels:
    """The levels of one side: pairs, or objects with price and size; as JSON text, too."""
    try:
        listed = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        return _by_price(name, map(_pair, listed or ()))
    except BadRow:
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadRow(name, repr(str(value)[:_SHOWN]), "must be a list of [price, size]") from None


def level_lists(name: str, prices: Any, sizes: Any) -> Levels:
    """The levels of one side of which prices and sizes are lists of their own."""
    try:
        return _by_price(name, zip(prices or (), sizes or (), strict=True))
    except (ValueError, TypeError) as e:
        if isinstance(e, BadRow):
            raise
        raise BadRow(name, repr(str(prices)[:_SHOWN]), "must have a size for each price") from None


def _pair(level: Any) -> tuple[Any, Any]:
    if isinstance(level, Mapping):
        return level["price"], level["size"]
    first, second = level
    return first, second


def _by_price(name: str, pairs: Any) -> Levels:
    by_price = {price(name, p): size(name, s) for p, s in pairs}
    return {p: s for p, s in by_price.items() if p is not None and s}
