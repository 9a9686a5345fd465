"""How people name a position: by an end of its id, its market, or a name of their own. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from positions.commands.declared_positions import id_of
from positions.commands.market_names import market_name

ID_LENGTH = 36
PART_LENGTH_MIN = 4
"""So many characters of an id are enough, where they are unique."""
_ATTEMPTS = 10

_Row = Mapping[str, Any]


def named(rows: Iterable[_Row], text: str) -> list[_Row]:
    """The positions that a text names, of rows with `id`, `market`, `market_id`, `outcome_id`,
    `status` and `terms`.

    An id, or a part of it from either end, goes first; then a name that its owner gave it, then its
    market, of which the open positions are meant if there are any.
    """
    known = list(rows)
    own = {id_of(text, attempt) for attempt in range(_ATTEMPTS)}
    market, wanted = market_name(text), text.strip().casefold()
    for found in (
        [r for r in known if len(text) >= PART_LENGTH_MIN and _is_part(text, r["id"])],
        _open_first(
            r
            for r in known
            if r["id"] in own or (r["terms"] or {}).get("name", "").casefold() == wanted
        ),
        _open_first(
            r for r in known if market in (r["market"].lower(), r["market_id"], r["outcome_id"])
        ),
    ):
        if found:
            return found
    return []


def _is_part(text: str, position_id: str) -> bool:
    return position_id.startswith(text) or position_id.endswith(text)


def _open_first(rows: Iterable[_Row]) -> list[_Row]:
    found = list(rows)
    return [r for r in found if r["status"] == "open"] or found
