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
from msgspec.structs import replace

from positions.commands import Submit, from_fields, stop_price, target_price
from positions.fields import TERMS
from positions.record import told
from positions.stops import trailing
from positions.wishes import priced

_NAMES = UUID("5b1f0d0e-6a3c-5f0e-9d0a-0f6f9a4c2b71")
_BUYING = frozenset({"entering", "filling"})


class Difference(Struct, frozen=True):
    """What separates a declaration from its position: the fields to amend, what cannot be."""

    changes: dict[str, Any]
    told: list[str]
    fixed: list[str]


def id_of(name: str, attempt: int = 0) -> str:
    """The id of the position that a file calls `name`, the same every time."""
    return str(uuid5(_NAMES, f"{name}\n{attempt}"))


def request(name: str, fields: Mapping[str, Any], attempt: int = 0) -> dict[str, Any]:
    """The request that opens the position."""
    return {"command": "submit", "id": id_of(name, attempt), **fields}


def difference(fields: Mapping[str, Any], row: Mapping[str, Any], tick: Decimal) -> Difference:
    """What separates the declaration from the position's row.

    Raises
    ------
    Malformed
        If the declaration cannot be understood.
    """
    c = from_fields(fields)
    assert isinstance(c, Submit)
    wanted = _wanted(c, tick)
    terms = told(msgspec.to_builtins(_terms(c, tick), builtin_types=(Decimal,)))
    changes: dict[str, Any] = {}
    said: list[str] = []
    for name, value in wanted.items():
        if row[name] != value and (name != "max_bid_price" or row["phase"] in _BUYING):
            said.append(f"{name} {_text(row[name])} -> {_text(value)}")
            changes[name] = "none" if value is None else str(value)
    for name in TERMS:
        if row["terms"].get(name) != terms.get(name):
            said.append(f"{name} {_text(row['terms'].get(name))} -> {_text(terms.get(name))}")
            changes[name] = fields[name] if name in terms and name in fields else "none"
    before, after = row["terms"].get("targets"), terms.get("targets")
    if before != after:
        said.append(f"targets {_text(before)} -> {_text(after)}")
    if before != after or (after and "sell_price" in changes):
        changes.pop("sell_price", None)
        changes |= _all_targets(after, wanted["sell_price"])
    return Difference(changes, said, _fixed(c, row))


def _all_targets(parts: str | None, last: Decimal | None) -> dict[str, Any]:
    """The targets as one request: those for parts and the last one."""
    if not parts:
        return {"sell_price": _text(last)}
    return {"targets": parts if last is None else f"{parts} {_text(last)}"}


def _wanted(c: Submit, tick: Decimal) -> dict[str, Decimal | None]:
    stop = stop_price(c.stop_loss_price, c.max_bid_price, tick)
    if stop is None:
        stop = trailing(replace(c.terms, trail_from=None), c.max_bid_price, tick)
    return {
        "max_bid_price": c.max_bid_price,
        "sell_price": target_price(c.sell_price, c.max_bid_price, tick),
        "stop_loss_price": stop,
    }


def _terms(c: Submit, tick: Decimal) -> Any:
    return replace(c.terms, targets=priced(c.terms.targets, c.max_bid_price, tick))


def _fixed(c: Submit, row: Mapping[str, Any]) -> list[str]:
    """What is declared otherwise than it is and cannot be changed any more."""
    fixed = []
    if c.size is not None and c.size != row["size"]:
        fixed.append(f"size is {_text(row['size'])}, declared {c.size}")
    if c.floor_price is not None and c.floor_price != row["floor_price"]:
        fixed.append(f"floor_price is {_text(row['floor_price'])}, declared {c.floor_price}")
    if c.outcome.casefold() not in (row["outcome"].casefold(), row["outcome_id"]):
        fixed.append(f"outcome is {row['outcome']}, declared {c.outcome}")
    return fixed


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "none" if value is None else str(value)
