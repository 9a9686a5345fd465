"""The values that a command may carry: text, numbers or flags as they come, checked one by one.

Each parser takes the field's name and its raw value and gives the value, or raises `Malformed`,
which names the field, the value and the rule.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from positions.commands import typed_numbers
from positions.model.durations import SECOND
from positions.model.errors import InputError
from positions.model.terms import (
    AfterFloor,
    Confirm,
    Percent,
    PriceOrPercent,
    Slice,
    TakenOff,
    Trigger,
)
from positions.model.venue_rules import CENT

Parser = Callable[[str, object], Any]


class Malformed(InputError, ValueError):
    """The command cannot be understood: its sender must change it."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        if isinstance(value, int) and abs(value) >= _INT_MAX:
            value = hex(value)  # a very long one has no decimal form
        is_number = isinstance(value, str) and value.replace(".", "", 1).isdigit()
        shown = str(value) if is_number or isinstance(value, Decimal | int) else repr(value)
        if value is None:
            shown = "empty"
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"{field} was {shown}, {rule}")
        self.field, self.shown, self.rule = field, shown, rule


_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_QUOTES = re.compile(r"([1-9][0-9]{0,3})quotes?")
_TARGETS_MAX = 9
_NAME_MAX = 40
_INT_MAX = 10**18
YEARS = (2020, 2100)
"""The venue began in the first; clocks, tables and the record end some time after the second."""
_YEARS = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in YEARS)
SPAN_DAYS_MAX = 366
CONFIRM_HOURS_MAX = 24
"""A stop that waits for longer is none."""


def number(field: str, value: object) -> Decimal:
    """A non-negative number as people type it, with at most six decimals."""
    is_long = isinstance(value, int) and abs(value) >= _INT_MAX
    text = str(value) if isinstance(value, int | Decimal | str) and not is_long else ""
    result = None if isinstance(value, bool) else typed_numbers.number(text)
    if result is None:
        meant = typed_numbers.ambiguity(text) or _without_percent(text)
        raise Malformed(field, value, _asking('must be a plain decimal such as "0.55"', meant))
    return result


def _without_percent(text: str) -> str:
    found = typed_numbers.percent(text)
    return "" if found is None else f"{(found * CENT).normalize():f}?"


def _asking(rule: str, meant: str) -> str:
    return f"{rule}; {meant}" if meant else rule


def price(field: str, value: object) -> Decimal:
    """A price strictly between 0 and 1 USDC per share."""
    result = number(field, value)
    if not 0 < result < 1:
        rule = "must be above 0 and below 1 USDC per share"
        raise Malformed(field, value, _asking(rule, typed_numbers.in_hundredths(result)))
    return result


def level(field: str, value: object) -> PriceOrPercent:
    """A price, or a percentage of the entry price."""
    found = typed_numbers.percent(value) if isinstance(value, str) else None
    return price(field, value) if found is None else Percent(found)


def level_or_none(field: str, value: object) -> PriceOrPercent | None:
    """The same, or None for `none`."""
    return None if value is None or value == "none" else level(field, value)


def price_or_none(field: str, value: object) -> Decimal | None:
    """A price, or None for `none`."""
    return None if value is None or value == "none" else price(field, value)


def amount(field: str, value: object) -> Decimal:
    """A positive number of shares or USDC."""
    result = number(field, value)
    if result <= 0:
        raise Malformed(field, value, "must be above 0")
    return result


def fraction(field: str, value: object) -> Decimal:
    """A part of a whole, above 0 and at most 1: as such, or in percent."""
    found = typed_numbers.percent(value) if isinstance(value, str) else None
    result = number(field, value) if found is None else found * CENT
    if not 0 < result <= 1:
        meant = f"{result:f}%?" if found is None and 1 < result <= 100 else ""
        raise Malformed(field, value, _asking("must be above 0 and at most 1", meant))
    return result


def flag(field: str, value: object) -> bool:
    """True or false."""
    words = {"true": True, "false": False, True: True, False: False}
    if not isinstance(value, bool | str) or value not in words:
        raise Malformed(field, value, "must be true or false")
    return words[value]


def text(field: str, value: object) -> str:
    """A printable name of at most 300 characters."""
    if not isinstance(value, str) or not 0 < len(value) <= 300 or not value.isprintable():
        raise Malformed(field, value, "must be 1 to 300 printable characters")
    return value


def own_name(field: str, value: object) -> str:
    """What an owner calls a position: at most 40 characters."""
    result = text(field, value).strip()
    if not 0 < len(result) <= _NAME_MAX:
        raise Malformed(field, value, f"must be 1 to {_NAME_MAX} printable characters")
    return result


def uuid(field: str, value: object) -> str:
    """A UUID in its usual form, lower case."""
    try:
        result = str(UUID(value)) if isinstance(value, str) else ""
    except ValueError:
        result = ""
    if not result or result != value:
        raise Malformed(field, value, "must be a UUID in lower case with hyphens")
    return result


def time(field: str, value: object) -> int:
    """A moment in ISO 8601 with its offset from UTC, as nanoseconds since 1970."""
    rule = "must be a time with its offset, such as 2026-04-13T16:05:00Z"
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Malformed(field, value, rule)
    if not _YEARS[0] <= moment < _YEARS[1]:  # in UTC: an offset may lead into another year
        raise Malformed(field, value, f"must be in the years {YEARS[0]} to {YEARS[1] - 1}")
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1000


def duration(field: str, value: object) -> int:
    """A span such as 90s, 15m, 2h or 3d, in nanoseconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        is_bare = isinstance(value, str) and re.fullmatch("[1-9][0-9]{0,4}", value)
        meant = f"{value}s, {value}m or {value}h?" if is_bare else ""
        raise Malformed(field, value, _asking("must be a span such as 90s, 15m, 2h or 3d", meant))
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > SPAN_DAYS_MAX * _SECONDS["d"]:
        raise Malformed(field, value, f"must be at most {SPAN_DAYS_MAX}d")
    return seconds * SECOND


def waiting(field: str, value: object) -> int:
    """How long to wait, in nanoseconds: a duration, or seconds without their unit."""
    is_bare = isinstance(value, str) and value.isascii() and value.isdigit()
    return duration(field, f"{value}s" if is_bare else value)


def is_span(value: object) -> bool:
    """Whether a value is a duration rather than a time."""
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


def expiry(field: str, value: object) -> int:
    """A duration, or a time."""
    return duration(field, value) if is_span(value) else time(field, value)


def expiry_or_none(field: str, value: object) -> int | None:
    """A duration, or a time, or None for `none`."""
    return None if value is None or value == "none" else expiry(field, value)


def confirm(field: str, value: object) -> Confirm:
    """A span such as 3s, or a number of views of the book such as 5quotes."""
    match = _QUOTES.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return Confirm(quotes=int(match[1]))
    if not is_span(value):
        raise Malformed(field, value, "must be a span such as 3s, or 5quotes")
    span = duration(field, value)
    if span > CONFIRM_HOURS_MAX * _SECONDS["h"] * SECOND:
        raise Malformed(field, value, f"must be at most {CONFIRM_HOURS_MAX}h")
    return Confirm(span=span)


def slices(field: str, value: object) -> tuple[Slice, ...]:
    """Targets such as 0.60:50% 0.70:30% 0.85, in one text or a list; the last may take the rest."""
    texts = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not 0 < len(texts) <= _TARGETS_MAX:
        raise Malformed(field, value, f"must be 1 to {_TARGETS_MAX} targets such as 0.60:50%")
    targets = tuple(_slice(field, one) for one in texts)
    if any(s.part is None for s in targets[:-1]):
        raise Malformed(field, value, "must state a part such as 0.60:50% for all but the last")
    total = sum((s.part or Decimal(0) for s in targets), Decimal(0))
    if total > 1 or (total == 1 and targets[-1].part is None):
        rule = "must leave the last target something" if total == 1 else "must be at most 100%"
        raise Malformed(field, value, f"{rule}: the parts are {(total * 100).normalize():f}%")
    return targets


def _slice(field: str, value: object) -> Slice:
    where, colon, part = str(value).partition(":")
    if not colon:
        return Slice(level(field, where))
    found = typed_numbers.percent(part)
    if found is None or not 0 < found <= 100:
        raise Malformed(field, value, "must state a part such as 0.60:50%, at most 100%")
    return Slice(level(field, where), found * CENT)


def count(field: str, value: object) -> int:
    """A whole number from 1 to 9."""
    result = number(field, value)
    if result not in range(1, 10):
        raise Malformed(field, value, "must be a whole number from 1 to 9")
    return int(result)


def offset(field: str, value: object) -> Decimal:
    """A distance between prices: from 0 to below 1 USDC per share."""
    result = number(field, value)
    if result >= 1:
        raise Malformed(field, value, "must be from 0 to below 1 USDC per share")
    return result


def distance(field: str, value: object) -> PriceOrPercent:
    """How far below a price: USDC per share, or a percentage below 100."""
    result = level(field, value)
    if isinstance(result, Percent) and not 0 < result.value < 100:
        raise Malformed(field, value, "must be above 0% and below 100%")
    return result


class OneOf:
    """A parser of one of some words."""

    def __init__(self, choices: type[StrEnum]) -> None:
        self.choices = choices

    def __call__(self, field: str, value: object) -> StrEnum:
        """The word. Raises Malformed if it is none of them."""
        if not isinstance(value, str) or value not in self.choices:
            raise Malformed(field, value, f"must be one of {', '.join(self.choices)}")
        return self.choices(value)


TERMS: dict[str, Parser] = {
    "trail": distance,
    "trail_from": price,
    "break_even_after": count,
    "break_even_at": price,
    "break_even_offset": offset,
    "stop_confirm": confirm,
    "stop_hard": price,
    "trigger": OneOf(Trigger),
    "after_floor": OneOf(AfterFloor),
    "exit_at": time,
    "exit_before_end": duration,
    "keep_if_stop_trades": flag,
    "if_taken_off": OneOf(TakenOff),
    "name": own_name,
}
"""The fields of `Terms` as they are asked for; its targets come with the last one's price."""
