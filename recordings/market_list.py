"""The list of a recording's markets: read from JSON, each value checked before it is believed.

A backtest of a market whose fee is below zero, whose shares pay 5, or whose minimum is no number
shows profits that nobody can have.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from positions.commands import strict
from positions.model.durations import SECOND
from positions.model.foreign_text import clean
from positions.model.venue_rules import EXPONENT_MAX
from recordings import market_forms
from recordings.market_forms import MissingField
from recordings.reading.values import PRICE_DECIMALS, RecordingError

_MICRO = Decimal("0.000001")
_SIZE_MAX = Decimal(1_000_000)
_TICK_MIN = Decimal(1).scaleb(-PRICE_DECIMALS)
_TICK_MAX = Decimal("0.1")
_TIME_MAX = 4_102_444_800 * SECOND
"""The year 2100."""
_NAME_MAX = 300
_BYTES_MAX = 64 * 2**20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Wrong(ValueError):
    """A value breaks a rule: field, value, rule."""


def read_markets(path: Path) -> list[dict[str, Any]]:
    """The markets of a file, each with at least one token.

    Raises
    ------
    RecordingError
        With the file, the market, and the field, its value and its rule.
    """
    listed = market_forms.listed(_value(path))
    if not listed:
        raise RecordingError(f"{path}: is no list of markets with their tokens")
    token_ids: set[str] = set()
    markets: list[dict[str, Any]] = []
    for number, value in enumerate(listed, start=1):
        try:
            market = market_forms.ours(value) if isinstance(value, dict) else value
            if market is not value and market in markets:
                continue  # the venue's pages overlap
            _check(market, token_ids)
            markets.append(market)
        except (_Wrong, MissingField) as e:
            slug = value.get("slug") if isinstance(value, dict) else None
            which = f"market {number}{f' ({clean(slug, 60)})' if slug else ''}"
            raise RecordingError(f"{path}: {which}: {e}") from None
    return markets


def _value(path: Path) -> Any:
    """What a file holds: one JSON value, or a list of those of its lines."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
        if len(content) > _BYTES_MAX:
            raise RecordingError(f"{path}: is larger than {_BYTES_MAX >> 20} MB")
        if content.startswith(b"\x1f\x8b"):
            raise RecordingError(f"{path}: is packed with gzip: unpack it first")
        text = content.decode("utf-16" if content[:2] in _UTF16 else "utf-8-sig")
    except OSError as e:
        raise RecordingError(f"{path}: cannot be read: {e.strerror}") from None
    except ValueError:
        raise RecordingError(f"{path}: is not JSON: it is no text") from None
    try:
        return strict.json_value(text)
    except ValueError as e:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith("}"):
            raise RecordingError(f"{path}: is not JSON: {clean(e)}") from None
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(strict.json_value(line))
        except ValueError as e:
            raise RecordingError(f"{path}: line {number}: is not JSON: {clean(e)}") from None
    return values


def _check(market: Any, token_ids: set[str]) -> None:
    for name, rule in _MARKET.items():
        rule(name, _present("a market", market, name))
    tokens = market.get("tokens")
    if not isinstance(tokens, list) or not tokens:
        raise _wrong("tokens", tokens, "must be a list of at least one token")
    for token in tokens:
        for name, rule in _TOKEN.items():
            rule(name, _present("a token", token, name))
        token_id = str(token["token_id"])
        if token_id in token_ids:
            raise _wrong("token_id", token_id, "must be listed once")
        token_ids.add(token_id)
        for change in _changes(token.get("tick_changes_inferred")):
            _time("ts_ns", change.get("ts_ns"))
            _tick("tick_size", change.get("tick_size"))


def _present(what: str, value: Any, name: str) -> Any:
    """The value of a field, which must be there unless it need not be stated."""
    fields = _fields(what, value)
    if name in _NEEDED and name not in fields:
        raise _Wrong(f"{name} is missing, must be stated: see docs/import.md")
    return fields.get(name)


def _fields(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(what, value, "must be an object with its fields")
    return value


def _changes(value: Any) -> Iterator[Mapping[str, Any]]:
    if value is not None and not isinstance(value, list):
        raise _wrong("tick_changes_inferred", value, "must be a list")
    for change in value or ():
        yield _fields("a change of the tick", change)


def _wrong(name: str, value: Any, rule: str) -> _Wrong:
    return _Wrong(f"{name} was {'empty' if value is None else clean(repr(value), 80)}, {rule}")


def _number(name: str, value: Any, rule: str) -> Decimal:
    is_plain = isinstance(value, int | Decimal | str) and not isinstance(value, bool)
    try:
        number = Decimal(value) if is_plain else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    # Beyond these digits a remainder is rounded, and an exponent written out has no end.
    if not number.is_finite() or not -30 <= int(number.as_tuple().exponent) <= 30:
        raise _wrong(name, value, rule)
    return number


def _name(name: str, value: Any) -> None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not 0 < len(text) <= _NAME_MAX:
        raise _wrong(name, value, f"must be a text of 1 to {_NAME_MAX} characters")


def _id(name: str, value: Any) -> None:
    _name(name, value)
    if not str(value).isascii() or not str(value).replace("_", "").isalnum():
        raise _wrong(name, value, "must be of letters and digits")


def _fee(name: str, value: Any) -> None:
    rule = "must be from 0 to below 1, with at most 6 decimals"
    fee = _number(name, value, rule)
    if not 0 <= fee < 1 or fee % _MICRO != 0:
        raise _wrong(name, value, rule)


def _exponent(name: str, value: Any) -> None:
    rule = f"must be a whole number from 1 to {EXPONENT_MAX}, or null where it is not known"
    if value is not None:
        exponent = _number(name, value, rule)
        if not 1 <= exponent <= EXPONENT_MAX or exponent != int(exponent):
            raise _wrong(name, value, rule)


def _minimum(name: str, value: Any) -> None:
    rule = f"must be from 0 to {_SIZE_MAX} shares, with at most 6 decimals"
    size = _number(name, value, rule)
    if not 0 <= size <= _SIZE_MAX or size % _MICRO != 0:
        raise _wrong(name, value, rule)


def _tick(name: str, value: Any) -> None:
    rule = f"must be from {_TICK_MIN} to {_TICK_MAX} USDC, a whole number of times in 1"
    tick = _number(name, value, rule)
    if not _TICK_MIN <= tick <= _TICK_MAX or 1 % tick != 0 or tick % _TICK_MIN != 0:
        raise _wrong(name, value, rule)


def _payout(name: str, value: Any) -> None:
    rule = f"must be from 0 to 1 USDC per share, with at most {PRICE_DECIMALS} decimals"
    if value is not None:
        payout = _number(name, value, rule)
        if not 0 <= payout <= 1 or payout % _TICK_MIN != 0:
            raise _wrong(name, value, rule)


def _time(name: str, value: Any) -> None:
    rule = "must be nanoseconds since 1970, before the year 2100"
    number = _number(name, value, rule)
    if not 0 <= number <= _TIME_MAX or number != int(number):
        raise _wrong(name, value, rule)


def _time_or_none(name: str, value: Any) -> None:
    if value is not None:
        _time(name, value)


def _flag(name: str, value: Any) -> None:
    if value not in (None, True, False):
        raise _wrong(name, value, "must be true or false")


_Rule = Callable[[str, Any], None]
_MARKET: dict[str, _Rule] = {
    "slug": _name,
    "condition_id": _id,
    "min_order_size": _minimum,
    "fee_rate": _fee,
    "fee_exponent": _exponent,
    "start_ts_ns": _time_or_none,
    "end_ts_ns": _time_or_none,
    "neg_risk": _flag,
    "taker_delay": _flag,
    "synthetic": _flag,
}
_TOKEN: dict[str, _Rule] = {
    "token_id": _id,
    "outcome": _name,
    "tick_size": _tick,
    "settlement_price_inferred": _payout,
}
_NEEDED = frozenset({"slug", "condition_id", "min_order_size", "fee_rate"})
_NEEDED |= frozenset({"token_id", "outcome", "tick_size"})
