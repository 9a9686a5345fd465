"""What a setting may be, in words, where its value is of another kind.

Pure: the type of a setting says what is allowed, so that no list of it is kept beside it.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec import inspect

_PLACE = re.compile(r"^(.*) - at `\$\.?([\w.]*)(?:\[[^`]*)?`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_KINDS: dict[type[inspect.Type], str] = {
    inspect.StrType: 'text, such as "abc"',
    inspect.IntType: "a whole number",
    inspect.DecimalType: 'a number, such as 0.55 or "0.55"',
    inspect.BoolType: "true or false",
    inspect.VarTupleType: "a list, such as [ ... ]",
    inspect.StructType: "a table of its own",
}


def explained(error: Exception, settings: type[msgspec.Struct], data: Mapping[str, Any]) -> str:
    """An error of msgspec about settings: the field, its value and what it may be."""
    text = str(error)
    found = _PLACE.match(text)
    what, place = (found[1], found[2].split(".")) if found else (text, [])
    place = [name for name in place if name]
    unknown = _UNKNOWN.fullmatch(what)
    kind = _kind_at(inspect.type_info(settings), place)
    if unknown:
        known = ", ".join(f.name for f in kind.fields) if _is_table(kind) else "none"
        name = ".".join([*place, unknown[1]])
        return f"{name} is not a setting; known here: {known}"
    allowed = _allowed(kind)
    if not place or allowed is None or not what.startswith(("Invalid", "Expected")):
        return f"{what} (in {'.'.join(place)})" if place else what
    return f"{'.'.join(place)} was {_value_at(data, place)!r}, must be {allowed}"


def _is_table(kind: Any) -> bool:
    return isinstance(kind, inspect.StructType)


def _kind_at(kind: Any, place: list[str]) -> Any:
    """The type of the setting at a place."""
    for name in place:
        if isinstance(kind, inspect.VarTupleType | inspect.ListType):
            kind = kind.item_type
        if not _is_table(kind):
            return None
        kind = next((f.type for f in kind.fields if f.name == name), None)
    return kind


def _allowed(kind: Any) -> str | None:
    if isinstance(kind, inspect.UnionType):
        parts = [_allowed(one) for one in kind.types if not isinstance(one, inspect.NoneType)]
        return " or ".join(part for part in parts if part) or None
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    if isinstance(kind, inspect.EnumType):
        members: list[Enum] = list(kind.cls)
        return f"one of {', '.join(str(member.value) for member in members)}"
    return _KINDS.get(type(kind))


def _value_at(data: Mapping[str, Any], place: list[str]) -> Any:
    value: Any = data
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
