"""What people and programs may ask of the node, and what it answers.

A command is one JSON object in one file of the spool. `decode` turns its bytes into a frozen struct
or raises `Malformed`, which names the field, the value and the rule; nothing is believed before.
Field names are those of the stored position; the short names of the command line are accepted too.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from positions.rules import CENT, ceil_to, floor_to

MINUTE = 60 * 1_000_000_000
VALID_FOR = 15 * MINUTE
"""How long after it was due a command is still acted on, unless it says otherwise."""


class Malformed(ValueError):
    """The command cannot be understood: its sender must change it."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        is_number = isinstance(value, str) and value.replace(".", "", 1).isdigit()
        shown = str(value) if is_number or isinstance(value, Decimal | int) else repr(value)
        if value is None:
            shown = "empty"
        super().__init__(f"{field} was {shown if len(shown) <= 80 else shown[:77] + '...'}, {rule}")
        self.field = field


class Percent(Struct, frozen=True):
    """A distance from the max bid, such as the 20 of `+20%`."""

    value: Decimal


Level = Decimal | Percent


class Command(Struct, frozen=True, kw_only=True):
    """What all commands carry. Times are nanoseconds; `at` and `expires_at` are market time."""

    id: str
    at: int | None = None
    expires_at: int | None = None
    created_at: int | None = None
    digest: str = ""
    """SHA-256 of the content in which the command came: the same id with another is refused."""


class Submit(Command, frozen=True, kw_only=True):
    """Open a position: buy `size` shares, or for `stake` USDC, at no more than the max bid."""

    market: str
    outcome: str
    max_bid_price: Decimal
    size: Decimal | None = None
    stake: Decimal | None = None
    sell_price: Level | None = None
    stop_loss_price: Level | None = None
    floor_price: Decimal | None = None
    post_only: bool = False
    expires: int | None = None
    """Nanoseconds after acceptance at which the unfilled entry is taken back."""
    expires_on: int | None = None
    """The same as a time."""


class Sell(Command, frozen=True, kw_only=True):
    """Cash out by hand: `shares`, or `fraction` of what is held, or all."""

    position_id: str
    shares: Decimal | None = None
    fraction: Decimal | None = None
    min_price: Decimal | None = None


class Cancel(Command, frozen=True, kw_only=True):
    """Take the unfilled entry back."""

    position_id: str


class Amend(Command, frozen=True, kw_only=True):
    """Change prices; what is unset stays, None removes."""

    position_id: str
    max_bid_price: Decimal | UnsetType = UNSET
    sell_price: Decimal | None | UnsetType = UNSET
    stop_loss_price: Decimal | None | UnsetType = UNSET


class Halt(Command, frozen=True, kw_only=True):
    """No new entries: resting ones are taken off the book."""


class Resume(Command, frozen=True, kw_only=True):
    """Entries again."""


class Flatten(Command, frozen=True, kw_only=True):
    """Halt, and sell everything that is held."""


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The node's answer to one command.

    `done` is False while work that the command started goes on; the reply is then replaced once it
    is over.
    """

    id: str
    status: str
    message: str
    code: str = ""
    position_id: str = ""
    done: bool = True
    time: int = 0


class Refusal(Struct, frozen=True):
    """Why a command is not acted on: a code for programs, a sentence for people."""

    code: str
    message: str


ACCEPTED = "accepted"
REFUSED = "refused"


# -- the fields ------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_PERCENT = re.compile(r"[+-]?([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NANOS = 1_000_000_000


def number(field: str, value: object) -> Decimal:
    """A plain non-negative decimal with at most six decimals."""
    text = str(value) if isinstance(value, int | Decimal | str) else ""
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise Malformed(field, value, 'must be a plain decimal such as "0.55"')
    return Decimal(text)


def price(field: str, value: object) -> Decimal:
    """A price strictly between 0 and 1 USDC per share."""
    result = number(field, value)
    if not 0 < result < 1:
        raise Malformed(field, value, "must be above 0 and below 1 USDC per share")
    return result


def price_or_none(field: str, value: object) -> Decimal | None:
    """A price, or None for `none`."""
    return None if value is None or value == "none" else price(field, value)


def level(field: str, value: object) -> Level:
    """A price, or a percentage of the max bid."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return Percent(Decimal(match[1])) if match else price(field, value)


def amount(field: str, value: object) -> Decimal:
    """A positive number of shares or USDC."""
    result = number(field, value)
    if result <= 0:
        raise Malformed(field, value, "must be above 0")
    return result


def fraction(field: str, value: object) -> Decimal:
    """A part of a whole: above 0 and at most 1."""
    result = number(field, value)
    if not 0 < result <= 1:
        raise Malformed(field, value, "must be above 0 and at most 1")
    return result


def flag(field: str, value: object) -> bool:
    """True or false."""
    known = {"true": True, "false": False, True: True, False: False}
    if not isinstance(value, bool | str) or value not in known:
        raise Malformed(field, value, "must be true or false")
    return known[value]


def text(field: str, value: object) -> str:
    """A printable name of at most 300 characters."""
    if not isinstance(value, str) or not 0 < len(value) <= 300 or not value.isprintable():
        raise Malformed(field, value, "must be 1 to 300 printable characters")
    return value


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
    if moment is None or moment.tzinfo is None or moment.year < 1971:
        raise Malformed(field, value, rule)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * _NANOS + moment.microsecond * 1000


def duration(field: str, value: object) -> int:
    """A span such as 90s, 15m, 2h or 3d, in nanoseconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise Malformed(field, value, "must be a span such as 90s, 15m, 2h or 3d")
    return int(match[1]) * _SECONDS[match[2]] * _NANOS


_Parser = Callable[[str, object], Any]
_COMMON: dict[str, _Parser] = {"at": time, "expires_at": time, "created_at": time}
_FIELDS: dict[str, tuple[type[Command], dict[str, _Parser]]] = {
    "submit": (
        Submit,
        {
            "market": text,
            "outcome": text,
            "max_bid_price": price,
            "size": amount,
            "stake": amount,
            "sell_price": level,
            "stop_loss_price": level,
            "floor_price": price,
            "post_only": flag,
            "expires": lambda f, v: duration(f, v) if _is_span(v) else time(f, v),
        },
    ),
    "sell": (
        Sell,
        {
            "position_id": uuid,
            "shares": amount,
            "fraction": fraction,
            "min_price": price,
        },
    ),
    "cancel": (Cancel, {"position_id": uuid}),
    "amend": (
        Amend,
        {
            "position_id": uuid,
            "max_bid_price": price,
            "sell_price": price_or_none,
            "stop_loss_price": price_or_none,
        },
    ),
    "halt": (Halt, {}),
    "resume": (Resume, {}),
    "flatten": (Flatten, {}),
}
SHORT_NAMES = {
    "market_id": "market",
    "outcome_id": "outcome",
    "max_bid": "max_bid_price",
    "target": "sell_price",
    "stop": "stop_loss_price",
    "floor": "floor_price",
}
_REQUIRED = {
    "submit": ("market", "outcome", "max_bid_price"),
    "sell": ("position_id",),
    "cancel": ("position_id",),
    "amend": ("position_id",),
}
_EITHER = (("size", "stake"), ("shares", "fraction"))


def _is_span(value: object) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


def decode(content: bytes, command_id: str | None = None) -> Command:
    """The command in one file.

    Parameters
    ----------
    content
        One JSON object.
    command_id
        The id that the file's name states; the content may repeat it, not contradict it.

    Raises
    ------
    Malformed
        With the field, the value and the rule.
    """
    try:
        data = _DECODER.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError) as e:
        raise Malformed("command", content[:40], f"must be one JSON object: {e}") from None
    if not isinstance(data, dict):
        raise Malformed("command", data, "must be one JSON object")
    return from_fields(data, command_id, sha256(content).hexdigest())


_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def from_fields(
    data: Mapping[str, object], command_id: str | None = None, digest: str = ""
) -> Command:
    """The command with these fields; see `decode`."""
    fields = dict(data)
    kind = fields.pop("command", None)
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise Malformed("command", kind, f"must be one of {', '.join(_FIELDS)}")
    own_id = uuid("id", fields.pop("id", command_id))
    if command_id is not None and own_id != command_id:
        raise Malformed("id", own_id, f"must be the file's name {command_id}")
    struct, parsers = _FIELDS[kind]
    parsed = _parse(_long_names(fields), _COMMON | parsers, keep_none=kind == "amend")
    for name in _REQUIRED.get(kind, ()):
        if name not in parsed:
            raise Malformed(name, None, f"is required by {kind}")
    for one, other in _EITHER:
        if one in parsed and other in parsed:
            raise Malformed(other, fields[other], f"must not be given together with {one}")
    if kind == "submit" and "expires" in parsed and not _is_span(fields["expires"]):
        parsed["expires_on"] = parsed.pop("expires")
    if kind == "amend" and not set(parsed) & set(parsers) - {"position_id"}:
        raise Malformed("amend", None, "must change at least one price")
    return struct(id=own_id, digest=digest, **parsed)


def _long_names(fields: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, value in fields.items():
        full = SHORT_NAMES.get(name, name)
        if full in result:
            raise Malformed(name, value, f"must not be given twice (it is {full})")
        result[full] = value
    return result


def _parse(
    fields: Mapping[str, object], parsers: Mapping[str, _Parser], *, keep_none: bool
) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, value in fields.items():
        parser = parsers.get(name)
        if parser is None:
            raise Malformed(name, value, f"is not a field; known: {', '.join(parsers)}")
        if value is not None or (keep_none and parser is price_or_none):
            parsed[name] = parser(name, value)
    return parsed


def target_price(asked: Level | None, max_bid: Decimal, tick: Decimal) -> Decimal | None:
    """The sell price in USDC; a percentage is taken above the max bid and rounded up."""
    if not isinstance(asked, Percent):
        return asked
    return ceil_to(max_bid * (100 + asked.value) * CENT, tick)


def stop_price(asked: Level | None, max_bid: Decimal, tick: Decimal) -> Decimal | None:
    """The stop in USDC; a percentage is taken below the max bid and rounded down."""
    if not isinstance(asked, Percent):
        return asked
    return floor_to(max_bid * (100 - asked.value) * CENT, tick)


def encode_reply(reply: Reply) -> bytes:
    """The reply as one JSON object."""
    return msgspec.json.encode(reply)


def decode_reply(content: bytes) -> Reply:
    """The reply in one file."""
    return msgspec.json.decode(content, type=Reply)
