"""The combinations that a sweep tries. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any

from positions.commands.messages import SHORT_NAMES
from positions.model.errors import InputError

_RANGE = re.compile(r"([0-9.]+):([0-9.]+):([0-9.]+)")
_VALUES_MAX = 1_000
COMBINATIONS_MAX = 100_000
_FIXED = frozenset({"command", "id", "market", "market_id", "outcome", "outcome_id", "at"})

Combination = dict[str, str]
"""Field -> value, as a request has them."""


class BadGrid(InputError):
    """The grid cannot be understood: field, value and rule."""


def axis(text: str) -> tuple[str, list[str]]:
    """A field and its values: `stop=0.30:0.50:0.02`, both ends included, or `target=0.6,0.7,none`.

    Raises BadGrid with what is wrong.
    """
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise BadGrid(f"vary was {text!r}, must be FIELD=FROM:TO:STEP or FIELD=VALUE,VALUE")
    if name in _FIXED:
        raise BadGrid(f"vary was {text!r}, must name a price, a size or another option of submit")
    match = _RANGE.fullmatch(values)
    return name, values.split(",") if match is None else _steps(text, *match.groups())


def _steps(text: str, *numbers: str) -> list[str]:
    try:
        first, last, step = (Decimal(n) for n in numbers)
        fits = step > 0 and first <= last and (last - first) / step < _VALUES_MAX
    except ArithmeticError:
        fits = False
    if not fits:
        rule = f"must go up by a step above 0, with at most {_VALUES_MAX} values"
        raise BadGrid(f"vary was {text!r}, {rule}")
    return [f"{first + i * step:f}" for i in range(int((last - first) / step) + 1)]


def axes_of(texts: Iterable[str]) -> dict[str, list[str]]:
    """The fields that are varied, each with its values."""
    axes: dict[str, list[str]] = {}
    for name, values in map(axis, texts):
        if name in axes:
            raise BadGrid(f"vary was {name!r} twice, must be given once for each field")
        axes[name] = values
    return axes


def combinations(axes: Mapping[str, list[str]]) -> list[Combination]:
    """Every combination, the last field varying fastest."""
    size = 1
    for values in axes.values():
        size *= len(values)
    if size > COMBINATIONS_MAX:
        raise BadGrid(f"vary gives {size} combinations, must be at most {COMBINATIONS_MAX}")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def vary(
    requests: Iterable[Mapping[str, Any]], combination: Combination
) -> Iterator[dict[str, Any]]:
    """The requests, each that opens a position with the combination; `none` leaves a field out."""
    names = {_full(name) for name in combination}
    changes = {name: value for name, value in combination.items() if value != "none"}
    for fields in requests:
        if fields["command"] == "submit":
            yield {n: v for n, v in fields.items() if _full(n) not in names} | changes
        else:
            yield dict(fields)


def _full(name: str) -> str:
    return SHORT_NAMES.get(name, name)
