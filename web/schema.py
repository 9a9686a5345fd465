"""The OpenAPI description: bodies from the tables that decode commands, answers from their structs.

Nothing about a field is written a second time: which fields a command has, and what each may be,
is what `positions/commands` reads it by.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from positions.commands import fields
from positions.commands.fields import OneOf, Parser
from positions.commands.messages import COMMON, FIELDS, REQUIRED, SHORT_NAMES

_NUMBER = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"
_DECIMAL: dict[str, Any] = {
    "anyOf": [{"type": "string", "pattern": _NUMBER}, {"type": "number", "minimum": 0}],
}
_LEVEL: dict[str, Any] = {
    "anyOf": [
        *_DECIMAL["anyOf"],
        {"type": "string", "pattern": r"^[+-]?[0-9]{1,3}(\.[0-9]{1,4})?%$"},
    ]
}
_SPAN: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]{1,6}(s|m|h|d)$"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_SCHEMAS: dict[Parser, dict[str, Any]] = {
    fields.text: {"type": "string", "minLength": 1, "maxLength": 300},
    fields.price: _DECIMAL,
    fields.amount: _DECIMAL,
    fields.fraction: _DECIMAL,
    fields.offset: _DECIMAL,
    fields.count: {"type": "integer", "minimum": 1, "maximum": 9},
    fields.level: _LEVEL,
    fields.distance: _LEVEL,
    fields.level_or_none: {"anyOf": [*_LEVEL["anyOf"], {"type": "null"}]},
    fields.price_or_none: {"anyOf": [*_DECIMAL["anyOf"], {"type": "null"}]},
    fields.flag: {"type": "boolean"},
    fields.time: _TIME,
    fields.duration: _SPAN,
    fields.expiry: {"anyOf": [_SPAN, _TIME]},
    fields.expiry_or_none: {"anyOf": [_SPAN, _TIME, {"type": "null"}]},
    fields.confirm: {"type": "string"},
    fields.slices: {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 9},
    fields.own_name: {"type": "string", "maxLength": 40},
    fields.uuid: {"type": "string", "format": "uuid"},
}
_GIVEN_OTHERWISE = frozenset({"position_id", "outcome"})
"""The one is in the path; the other need not be named where the market is named by it."""
_OF_THE_ENVELOPE = frozenset({"created_at", "source"})


def body_schema(kind: str) -> dict[str, Any]:
    """What the body of one kind of command may hold, under its long names and its short ones."""
    parsers = {
        name: parser
        for name, parser in (COMMON | FIELDS[kind][1]).items()
        if name not in _OF_THE_ENVELOPE and name != "position_id"
    }
    properties = {name: _of(parser) for name, parser in parsers.items()}
    for short, name in SHORT_NAMES.items():
        if name in parsers:
            properties[short] = {**_of(parsers[name]), "description": f"The same as {name}."}
    made: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": (FIELDS[kind][0].__doc__ or "").strip(),
    }
    needed = [name for name in REQUIRED.get(kind, ()) if name not in _GIVEN_OTHERWISE]
    if needed:
        made["allOf"] = [
            {"anyOf": [{"required": [n]} for n in (name, *_shorts(name))]} for name in needed
        ]
    return made


def _shorts(name: str) -> Iterable[str]:
    return (short for short, full in SHORT_NAMES.items() if full == name)


def _of(parser: Parser) -> dict[str, Any]:
    if isinstance(parser, OneOf):
        return {"type": "string", "enum": [str(choice) for choice in parser.choices]}
    first, _, _ = (parser.__doc__ or "").partition("\n")
    return {**_SCHEMAS[parser], "description": first}


def components(structs: Iterable[type]) -> tuple[dict[type, Any], dict[str, Any]]:
    """For each struct what refers to it, and the schemas that are referred to."""
    listed = list(structs)
    refs, made = msgspec.json.schema_components(listed, ref_template="#/components/schemas/{name}")
    return dict(zip(listed, refs, strict=True)), made


def parameter(name: str, where: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """One parameter of an operation."""
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": dict(schema),
        "description": text,
    }
