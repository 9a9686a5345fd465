"""JSON that says one thing: an object with the same name twice says two.

Every reader takes another of the two values, so whoever reads the text over may see one price and
the node act on the other. NaN and Infinity are no JSON either.
"""

import json
from decimal import Decimal
from typing import Any, NoReturn


def loads(text: str) -> Any:
    """The value that a JSON text states; numbers with a point are Decimals.

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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name[:80]!r} stands there twice")
            seen.add(name)
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
