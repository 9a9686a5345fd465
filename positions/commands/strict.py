"""JSON and TOML of which whatever cannot be read, or says two things, is one kind of error.

Of an object with the same name twice every reader takes another of the two values: whoever reads
the text over may see one price and the node act on the other. NaN and Infinity are no JSON either.
Numbers with a point are Decimals.
"""

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from positions.model.errors import PolybracketError
from positions.model.foreign_text import REASON_LENGTH, clean


def json_value(text: str) -> Any:
    """The value that a JSON text states.

    Raises
    ------
    ValueError
        If it is no JSON, nested too deeply, or an object has a name twice, which is named.
    """
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def toml_tables(text: str) -> dict[str, Any]:
    """The tables that a TOML text states.

    Raises
    ------
    ValueError
        If it is no TOML, nested too deeply, or has an integer without end.
    """
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def toml_file(path: Path, kind: type[PolybracketError]) -> dict[str, Any]:
    """The tables of a TOML file; an error is of this kind, and names the file."""
    try:
        return toml_tables(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise kind(f"{path}: cannot be read: {e.strerror}") from None
    except ValueError as e:
        raise kind(f"{path}: is not TOML: {clean(e, REASON_LENGTH)}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name[:80]!r} stands there twice")
            seen.add(name)
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
