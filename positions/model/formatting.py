"""How times, numbers and terms are written everywhere: exact plain text, ISO 8601. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from positions.model.durations import SECOND
from positions.model.terms import Percent

_SPANS = frozenset({"stop_confirm", "exit_before_end"})
_TIMES = (
    "filled_at exit_time created_at updated_at time quoted_at started_at heartbeat market_time"
    " entry_expires_at sent_at until ends_at expires_at"
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


def lasting(nanoseconds: int) -> str:
    """How long something takes, as people say it: 3.2 s, 8 min 32 s, 14 h 5 min, 3 d 2 h."""
    seconds = nanoseconds // SECOND
    if seconds < 10:
        return f"{Decimal(nanoseconds) / SECOND:.1f} s"
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h")]
    parts += [(seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next(n for n, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def percent(ratio: Decimal) -> str:
    """A ratio as people say it: 50 %."""
    return f"{ratio * 100:.0f} %"


def plain(value: Decimal) -> str:
    """A number as exact text without exponent or superfluous zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def term_texts(terms: Mapping[str, Any]) -> dict[str, str]:
    """The terms of a position as a person would ask for them, and what targets come to."""
    found = {name: _term(name, value) for name, value in terms.items() if value is not None}
    targets = terms.get("targets") or ()
    if any(t.get("above") and not isinstance(t["price"], Mapping) for t in targets):
        found["target_prices"] = " ".join(plain(Decimal(t["price"])) for t in targets)
    return found


def term(value: Percent | Decimal) -> str:
    """A distance as a person would ask for it: 0.05 or 5%."""
    return f"{plain(value.value)}%" if isinstance(value, Percent) else plain(value)


def _term(name: str, value: Any) -> str:
    match value:
        case {"span": int(span)} | int(span) if name in _SPANS:
            return f"{span // SECOND}s"
        case {"quotes": int(quotes)}:
            return f"{quotes}quotes"
        case {"value": percent}:
            return f"{plain(Decimal(percent))}%"
        case list() | tuple():
            return " ".join(f"{_level(t)}:{plain(Decimal(t['part']) * 100)}%" for t in value)
        case bool():
            return str(value).lower()
        case int() if name == "exit_at":
            return iso(value)
        case Decimal():
            return plain(value)
    return str(value)


def _level(target: Mapping[str, Any]) -> str:
    above = target.get("above")
    return f"+{_term('', above)}" if above else plain(Decimal(target["price"]))


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
