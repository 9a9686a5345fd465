"""What people and programs may ask of the node, and what it answers.

A command is one JSON object in one file of the spool. `decode` turns its bytes into a frozen struct
or raises `Malformed`, which names the field, the value and the rule; nothing is believed before.
Field names are those of the stored position; the short names of the command line are accepted too.
"""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from positions.commands import strict
from positions.commands.fields import (
    TERMS,
    Malformed,
    Parser,
    amount,
    expiry,
    expiry_or_none,
    flag,
    fraction,
    is_span,
    level,
    level_or_none,
    price,
    price_or_none,
    slices,
    text,
    time,
    uuid,
)
from positions.commands.market_names import is_token_id
from positions.model.durations import MINUTE
from positions.model.terms import PriceOrPercent, Slice, Terms

VALID_FOR = 15 * MINUTE
"""How long after it was due a command is still acted on, unless it says otherwise."""
BUY_VALID_FOR = 10 * MINUTE
"""The same for what opens a position: it is meant for the prices that its owner saw."""


class Command(Struct, frozen=True, kw_only=True):
    """What all commands carry. Times are nanoseconds; `at` and `expires_at` are market time."""

    id: str
    at: int | None = None
    expires_at: int | None = None
    created_at: int | None = None
    source: str = ""
    """What it was asked with, if that says so: "http", "page"."""
    digest: str = ""
    """SHA-256 of the content in which the command came: the same id with another is refused."""


class Opening(Command, frozen=True, kw_only=True):
    """What asks for a position: its outcome, and when that is to be sold."""

    market: str
    outcome: str
    sell_price: PriceOrPercent | None = None
    stop_loss_price: PriceOrPercent | None = None
    floor_price: Decimal | None = None
    terms: Terms = Terms()
    dry_run: bool = False
    """Only report what would be sent and what it could win or lose."""


class Submit(Opening, frozen=True, kw_only=True):
    """Open a position: buy `size` shares, or for `stake` USDC, at no more than the max bid."""

    max_bid_price: Decimal
    size: Decimal | None = None
    stake: Decimal | None = None
    post_only: bool = False
    expires: int | None = None
    """Nanoseconds after acceptance at which the unfilled entry is taken back."""
    expires_on: int | None = None
    """The same as a time."""
    risk: Decimal | None = None
    """The size is so large that the stop would lose this much, in USDC."""


class Adopt(Opening, frozen=True, kw_only=True):
    """Protect shares that the wallet holds and no position owns: so many, or all."""

    shares: Decimal | None = None
    entry_price: Decimal | None = None
    """What a share cost; None = as the venue's trades have it."""


class Sell(Command, frozen=True, kw_only=True):
    """Cash out by hand: `shares`, or `fraction` of what is held, or all."""

    position_id: str
    shares: Decimal | None = None
    fraction: Decimal | None = None
    min_price: Decimal | None = None
    dry_run: bool = False


class Cancel(Command, frozen=True, kw_only=True):
    """Take the unfilled entry back."""

    position_id: str


class Close(Command, frozen=True, kw_only=True):
    """The owner's word that what the venue lacks of a position was sold at this price."""

    position_id: str
    price: Decimal
    dry_run: bool = False


class Release(Command, frozen=True, kw_only=True):
    """The owner's word that so many shares of a position are their own again, and not sold."""

    position_id: str
    shares: Decimal
    dry_run: bool = False


class Amend(Command, frozen=True, kw_only=True):
    """Change prices; what is unset stays, None removes."""

    position_id: str
    max_bid_price: Decimal | UnsetType = UNSET
    sell_price: PriceOrPercent | None | UnsetType = UNSET
    stop_loss_price: PriceOrPercent | None | UnsetType = UNSET
    targets: tuple[Slice, ...] | UnsetType = UNSET
    size: Decimal | UnsetType = UNSET
    """Shares to buy in all; what works at the venue already is not made smaller."""
    floor_price: Decimal | None | UnsetType = UNSET
    post_only: bool | UnsetType = UNSET
    expires: int | None | UnsetType = UNSET
    """Nanoseconds from now on after which the unfilled entry is taken back."""
    expires_on: int | UnsetType = UNSET
    """The same as a time."""
    terms: dict[str, Any] = {}
    """What changes of the position's terms; None = as if it had never been asked for."""
    now: bool = False
    """Also where everything, or the target's part, would be sold at once."""
    dry_run: bool = False


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
    preview: dict[str, Any] = {}
    """What a dry run found, as fields: prices and amounts as text, as everywhere in JSON."""
    choices: tuple[tuple[str, str], ...] = ()
    """Markets of which one is to be named, by slug, each with its outcomes and prices."""


class Refusal(Struct, frozen=True):
    """Why a command is not acted on: a code for programs, a sentence for people."""

    code: str
    message: str
    choices: tuple[tuple[str, str], ...] = ()
    """What could have been meant, and what is to be said of each."""


ACCEPTED = "accepted"
REFUSED = "refused"


def refused(command_id: str, refusal: Refusal, now: int) -> Reply:
    """The reply that a command is not acted on, its code before the sentence."""
    text = f"{refusal.code}: {refusal.message}"
    return Reply(
        id=command_id,
        status=REFUSED,
        code=refusal.code,
        message=text,
        time=now,
        choices=refusal.choices,
    )


OF_ENTRIES = frozenset({"keep_if_stop_trades", "if_taken_off"})
"""Terms about what is still to be bought."""
COMMON: dict[str, Parser] = {"at": time, "expires_at": time, "created_at": time, "source": text}
FIELDS: dict[str, tuple[type[Command], dict[str, Parser]]] = {
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
            "expires": expiry,
            "risk": amount,
            "targets": slices,
            "dry_run": flag,
        }
        | TERMS,
    ),
    "adopt": (
        Adopt,
        {
            "market": text,
            "outcome": text,
            "shares": amount,
            "entry_price": price,
            "sell_price": level,
            "stop_loss_price": level,
            "floor_price": price,
            "targets": slices,
            "dry_run": flag,
        }
        | {name: parser for name, parser in TERMS.items() if name not in OF_ENTRIES},
    ),
    "sell": (
        Sell,
        {
            "position_id": uuid,
            "shares": amount,
            "fraction": fraction,
            "min_price": price,
            "dry_run": flag,
        },
    ),
    "cancel": (Cancel, {"position_id": uuid}),
    "close": (Close, {"position_id": uuid, "price": price, "dry_run": flag}),
    "release": (Release, {"position_id": uuid, "shares": amount, "dry_run": flag}),
    "amend": (
        Amend,
        {
            "position_id": uuid,
            "max_bid_price": price,
            "sell_price": level_or_none,
            "stop_loss_price": level_or_none,
            "targets": slices,
            "size": amount,
            "floor_price": price_or_none,
            "post_only": flag,
            "expires": expiry_or_none,
            "now": flag,
            "dry_run": flag,
        }
        | TERMS,
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
REQUIRED = {
    "submit": ("market", "outcome", "max_bid_price"),
    "adopt": ("market", "outcome"),
    "sell": ("position_id",),
    "cancel": ("position_id",),
    "close": ("position_id", "price"),
    "release": ("position_id", "shares"),
    "amend": ("position_id",),
}
_OR_NONE = (level_or_none, price_or_none, expiry_or_none)
_EITHER = (
    ("size", "stake"),
    ("size", "risk"),
    ("stake", "risk"),
    ("sell_price", "targets"),
    ("shares", "fraction"),
)


def decode(content: bytes, command_id: str | None = None) -> Command:
    """The command in one file, whose name states `command_id`; the content may not contradict it.

    Raises
    ------
    Malformed
        With the field, the value and the rule.
    """
    try:
        data = strict.json_value(content.decode())
    except ValueError as e:
        raise Malformed("command", content[:40], f"must be one JSON object: {e}") from None
    if not isinstance(data, dict):
        raise Malformed("command", data, "must be one JSON object")
    return from_fields(data, command_id, sha256(content).hexdigest())


def from_fields(
    data: Mapping[str, object], command_id: str | None = None, digest: str = ""
) -> Command:
    """The command with these fields; see `decode`."""
    try:
        return _from_fields(data, command_id, digest)
    except Malformed:
        raise
    except Exception as e:  # whatever it holds is its sender's to change
        rule = f"cannot be understood: {type(e).__name__}: {e}"
        raise Malformed("command", data.get("command"), rule) from None


def _from_fields(data: Mapping[str, object], command_id: str | None, digest: str) -> Command:
    fields = dict(data)
    kind = fields.pop("command", None)
    if not isinstance(kind, str) or kind not in FIELDS:
        raise Malformed("command", kind, f"must be one of {', '.join(FIELDS)}")
    own_id = uuid("id", fields.pop("id", command_id))
    if command_id is not None and own_id != command_id:
        raise Malformed("id", own_id, f"must be the file's name {command_id}")
    struct, parsers = FIELDS[kind]
    if kind in ("submit", "adopt") and is_token_id(str(fields.get("market", ""))):
        fields.setdefault("outcome", fields["market"])  # which is the outcome of its market
    named = _long_names(fields)
    parsed = _parse(named, COMMON | parsers, keep_none=kind == "amend")
    for name in REQUIRED.get(kind, ()):
        if name not in parsed:
            raise Malformed(name, None, f"is required by {kind}")
    for one, other in _EITHER:
        if one in parsed and other in parsed:
            raise Malformed(*named[other], f"must not be given together with {one}")
    if parsed.get("expires") is not None and not is_span(named["expires"][1]):
        parsed["expires_on"] = parsed.pop("expires")
    if kind == "amend" and not parsed.keys() - COMMON.keys() - {"position_id", "now", "dry_run"}:
        raise Malformed("amend", None, "must change something")
    return struct(id=own_id, digest=digest, **_grouped(kind, parsed))


def _grouped(kind: str, parsed: dict[str, Any]) -> dict[str, Any]:
    """The fields as the structs have them: the terms together, the last target on its own."""
    terms = {name: parsed.pop(name) for name in TERMS if name in parsed}
    if kind in ("submit", "adopt"):
        targets: tuple[Slice, ...] = parsed.pop("targets", ())
        if targets and targets[-1].part is None:
            parsed["sell_price"], targets = targets[-1].price, targets[:-1]
        parsed["terms"] = Terms(targets=targets, **terms)
    elif kind == "amend":
        parsed["terms"] = terms
    return parsed


def _long_names(fields: Mapping[str, object]) -> dict[str, tuple[str, object]]:
    """The values by their fields' full names, each with the name that was typed."""
    result: dict[str, tuple[str, object]] = {}
    for name, value in fields.items():
        full = SHORT_NAMES.get(name, name)
        if full == "sell_price" and (isinstance(value, list) or ":" in str(value)):
            full = "targets"
        if full in result:
            raise Malformed(name, value, f"must not be given twice (it is {full})")
        result[full] = (name, value)
    return result


def _parse(
    fields: Mapping[str, tuple[str, object]], parsers: Mapping[str, Parser], *, keep_none: bool
) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, (typed, value) in fields.items():
        parser = parsers.get(name)
        if parser is None:
            raise Malformed(typed, value, f"is not a field; known: {', '.join(parsers)}")
        if keep_none and name in TERMS and value in (None, "none"):
            parsed[name] = None
        elif value is not None or (keep_none and parser in _OR_NONE):
            parsed[name] = parser(typed, value)
    return parsed


def encode_reply(reply: Reply) -> bytes:
    """The reply as one JSON object."""
    return msgspec.json.encode(reply)


def decode_reply(content: bytes) -> Reply:
    """The reply in one file."""
    return msgspec.json.decode(content, type=Reply)
