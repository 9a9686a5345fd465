"""TOML of which whatever cannot be read is one kind of error."""

import tomllib
from decimal import Decimal
from typing import Any


def loads(text: str) -> dict[str, Any]:
    """The tables that a TOML text states; numbers with a point are Decimals.

    Raises
    ------
    ValueError
        If it is no TOML, nested too deeply, or has an integer without end.
    """
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
