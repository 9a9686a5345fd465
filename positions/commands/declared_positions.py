"""Positions as a file declares them, and what has to be asked so that they become so.

Pure: a declaration and the position's row give the changes to ask for and what cannot be changed.
The same name is the same position for as long as the file is applied; a request that was refused
may be corrected and is then asked for anew.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from positions.commands.fields import TERMS, Malformed
from positions.commands.market_names import market_name
from positions.commands.messages import (
    Adopt,
    Command,
    Submit,
    from_fields,
)
from positions.model.formatting import term_texts
from positions.model.relative_terms import fixed, relative

_NAMES = UUID("5b1f0d0e-6a3c-5f0e-9d0a-0f6f9a4c2b71")
_ASKED_ONCE = ("stake", "risk", "post_only", "expires", "expires_on", "entry_price", "at")
"""What only the request states: it is acted on once, and nothing changes it."""
_BUYING = frozenset({"entering", "filling"})


class Difference(Struct, frozen=True):
    """What separates a declaration from its position: the fields to amend, what cannot be."""

    changes: dict[str, Any]
    lines: list[str]
    fixed: list[str]


def id_of(name: str, attempt: int = 0) -> str:
    """The id of the position that a file calls `name`, the same every time."""
    return str(uuid5(_NAMES, f"{name}\n{attempt}"))


def request(name: str, fields: Mapping[str, Any], attempt: int = 0) -> dict[str, Any]:
    """The request that makes the position: `submit`, or `adopt` where that is declared."""
    return {"command": "submit", "id": id_of(name, attempt), **fields}


def checked(fields: Mapping[str, Any]) -> Submit | Adopt:
    """A declaration's request, understood; Malformed if it cannot be, or makes no position."""
    c = from_fields(fields)
    if not isinstance(c, Submit | Adopt):
        raise Malformed("command", fields["command"], "must be submit or adopt in a declaration")
    return c


def difference(
    fields: Mapping[str, Any],
    row: Mapping[str, Any],
    made_by: Command | None = None,
) -> Difference:
    """What separates the declaration from the position's row.

    What the row lacks, such as a stake, is compared with the request that made the position. Raises
    Malformed if the declaration cannot be understood.
    """
    c = checked(fields)
    terms = _terms(c)
    before, wanted = _levels(row, row["terms"]), _wanted(c, row, terms)
    changes: dict[str, Any] = {}
    said: list[str] = []
    for name, value in wanted.items():
        if before[name] != value and (name != "max_bid_price" or row["phase"] in _BUYING):
            said.append(f"{name} {before[name]} -> {value}")
            changes[name] = value
    if "stop_loss_price" in changes and c.stop_loss_price is None and "trail" in terms:
        changes |= {"stop_loss_price": "none", "trail": terms["trail"]}  # that begins it anew
    for name in TERMS:
        if row["terms"].get(name) != terms.get(name):
            said.append(f"{name} {_text(row['terms'].get(name))} -> {_text(terms.get(name))}")
            changes[name] = fields[name] if name in terms and name in fields else "none"
    parts, wanted_parts = row["terms"].get("targets"), terms.get("targets")
    if parts != wanted_parts:
        said.append(f"targets {_text(parts)} -> {_text(wanted_parts)}")
    if parts != wanted_parts or (wanted_parts and "sell_price" in changes):
        changes.pop("sell_price", None)
        changes |= _all_targets(wanted_parts, wanted["sell_price"])
    return Difference(changes, said, [*_fixed(c, row), *_otherwise(c, made_by)])


def _all_targets(parts: str | None, last: str) -> dict[str, Any]:
    """The targets as one request: those for parts and the last one."""
    if not parts:
        return {"sell_price": last}
    return {"targets": parts if last == "none" else f"{parts} {last}"}


def _levels(prices: Mapping[str, Any], terms: Mapping[str, str]) -> dict[str, str]:
    """Max bid, target and stop as they are asked for: a term, where one counts from the entry."""
    return {
        "max_bid_price": _text(prices["max_bid_price"]),
        "sell_price": terms.get("target_above") or _text(prices["sell_price"]),
        "stop_loss_price": terms.get("stop_below") or _text(prices["stop_loss_price"]),
    }


def _wanted(c: Submit | Adopt, row: Mapping[str, Any], terms: Mapping[str, str]) -> dict[str, str]:
    prices = {
        "max_bid_price": c.max_bid_price if isinstance(c, Submit) else row["max_bid_price"],
        "sell_price": fixed(c.sell_price),
        "stop_loss_price": fixed(c.stop_loss_price),
    }
    follows = c.terms.trail is not None and c.terms.trail_from is None
    if isinstance(c, Adopt) and c.stop_loss_price is None and follows:
        prices["stop_loss_price"] = row["stop_loss_price"]  # that began below the bid of then
        terms = dict(terms) | {"stop_below": row["terms"].get("stop_below", "")}
    return _levels(prices, terms)


def _terms(c: Submit | Adopt) -> dict[str, str]:
    terms = relative(c.terms, c.sell_price, c.stop_loss_price, starts_trail=isinstance(c, Submit))
    return term_texts(msgspec.to_builtins(terms, builtin_types=(Decimal,)))


def _fixed(c: Submit | Adopt, row: Mapping[str, Any]) -> list[str]:
    """What is declared otherwise than it is and cannot be changed any more."""
    fixed = []
    size = c.size if isinstance(c, Submit) else c.shares
    if size is not None and size != row["size"]:
        fixed.append(f"size is {_text(row['size'])}, declared {size}")
    if c.floor_price is not None and c.floor_price != row["floor_price"]:
        fixed.append(f"floor_price is {_text(row['floor_price'])}, declared {c.floor_price}")
    if market_name(c.market) not in (row["market"].lower(), row["market_id"], row["outcome_id"]):
        fixed.append(f"market is {row['market']}, declared {c.market}")
    if c.outcome.casefold() not in (row["outcome"].casefold(), row["outcome_id"]):
        fixed.append(f"outcome is {row['outcome']}, declared {c.outcome}")
    return fixed


def _otherwise(c: Submit | Adopt, before: Command | None) -> list[str]:
    """What was asked for otherwise when the position was made."""
    if not isinstance(before, Submit | Adopt):
        return []
    if type(before) is not type(c):
        made, declared = (type(one).__name__.lower() for one in (before, c))
        return [f"command was {made}, declared {declared}"]
    return [
        f"{name} was {_text(getattr(before, name))}, declared {_text(getattr(c, name))}"
        for name in _ASKED_ONCE
        if getattr(before, name, None) != getattr(c, name, None)
    ]


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "none" if value is None else str(value)
