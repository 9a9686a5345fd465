"""How times, numbers and terms are written everywhere: exact plain text, ISO 8601. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from positions.model.durations import SECOND

_SPANS = frozenset({"stop_confirm", "exit_before_end"})
_TIMES = (
    "filled_at exit_time created_at updated_at time quoted_at started_at heartbeat market_time"
    " entry_expires_at sent_at until"
)
TIMES = frozenset(_TIMES.split())
"""Names whose integers are nanoseconds since 1970."""


def iso(time: int) -> str:
    """A time in ISO 8601, UTC, to the millisecond or as finely as it needs."""
    whole, rest = divmod(time, SECOND)
    fraction = f"{rest:09}"
    if fraction.endswith("000000"):
        fraction = fraction[:3]
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def plain(value: Decimal) -> str:
    """A number as exact text without exponent or superfluous zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def term_texts(terms: Mapping[str, Any]) -> dict[str, str]:
    """The terms of a position as a person would ask for them."""
    return {name: _term(name, value) for name, value in terms.items() if value is not None}


def _term(name: str, value: Any) -> str:
    match value:
        case {"span": int(span)} | int(span) if name in _SPANS:
            return f"{span // SECOND}s"
        case {"quotes": int(quotes)}:
            return f"{quotes}quotes"
        case {"value": percent}:
            return f"{plain(Decimal(percent))}%"
        case list() | tuple():
            return " ".join(
                f"{plain(Decimal(t['price']))}:{plain(Decimal(t['part']) * 100)}%" for t in value
            )
        case bool():
            return str(value).lower()
        case int() if name == "exit_at":
            return iso(value)
        case Decimal():
            return plain(value)
    return str(value)


def to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with money as exact text and times in ISO 8601, ready to be one JSON object."""
    return {name: _json_value(name, value) for name, value in values.items()}


def _json_value(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if name in TIMES and isinstance(value, int):
        return iso(value)
    if isinstance(value, dict):
        return to_json(value)
    if isinstance(value, list | tuple):
        return [_json_value(name, item) for item in value]
    return value
