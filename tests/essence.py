"""What must be the same in the stories of one session, told live and told by a backtest.

What may differ is declared: ids, times of a wall clock, the split of a fill into parts, and, since
a live book shows what the node itself does to it, the size that is displayed.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

import stories

from positions.model.formatting import plain

D = Decimal
_DECLARED = (
    stories.WALL_CLOCK
    | stories.VENUE_IDS
    | stories.VIEWS
    | {"seq", "until", "bid_size", "cancel_sent_at"}
)
_PARTS = ("order_id", "price", "liquidity")
_ONE_FILL = ("kind", "role", "price", "liquidity")
_ORDERS = frozenset({"order_sent", "order_accepted", "order_closed", "cancel_sent"})
_ENDS = frozenset({"order_closed", "cancel_sent", "cancel_refused"})
_AT_ONCE = frozenset({"order_accepted", "order_closed", "cancel_sent"})
"""What several orders do at once comes in any sequence."""


def essence(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A story without what may differ; the parts of a fill are added up."""
    told: list[dict[str, Any]] = []
    for event in _before_the_end(events):
        e = {name: value for name, value in event.items() if name not in _DECLARED}
        if event["kind"] == "order_signed":
            continue  # which says the order's id at the venue
        if told and _is_part(told[-1], e):
            e |= {n: plain(D(told[-1][n]) + D(e[n])) for n in ("shares", "fee")}
            told.pop()
        told.append(e)
    if sum(e.get("role") == "target" and e["kind"] == "order_sent" for e in told) > 1:
        told = _sales_as_one(told)
    groups = groupby(told, lambda e: e["kind"])
    return [e for kind, group in groups for e in (_sorted(group) if kind in _AT_ONCE else group)]


def _before_the_end(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A story without what a resolution does to the orders, told before it or after."""
    settled = next((i for i, e in enumerate(events) if e["kind"] == "settled"), None)
    if settled is None:
        return events
    first = settled
    while events[first - 1]["kind"] in ("order_closed", "bid_vanished"):
        first -= 1
    return events[:first] + [e for e in events[settled:] if e["kind"] not in _ENDS]


def _sales_as_one(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A story whose sales are not told order by order: where several targets are taken back, what
    each of them held is sold as soon as it is off the book."""
    begun = (i for i, e in enumerate(told) if e["kind"] in ("triggered", "sale_asked"))
    first = next(begun, len(told))
    rest = [e for e in told[first:] if e["kind"] not in _ORDERS]
    return told[:first] + list(_added_up(rest))


def _added_up(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Events with consecutive fills at one price as one, whatever order they were of."""
    for key, group in groupby(events, lambda e: [e.get(name) for name in _ONE_FILL]):
        found = list(group)
        if key[0] != "order_filled":
            yield from found
            continue
        shares = sum((D(e["shares"]) for e in found), D(0))
        yield dict(zip(_ONE_FILL, key, strict=True)) | {"shares": plain(shares)}


def money(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What changed hands for a position, at which prices, and what it was paid in the end."""
    fills = [e for e in events if e["kind"] == "order_filled"]
    told = [f for role in ("entry", "target", "exit") for f in fills if f["role"] == role]
    paid = [(e["payout"], e["shares"]) for e in events if e["kind"] == "settled"]
    return [*_added_up(told), {"kind": "end", "paid": paid}]


def _is_part(one: dict[str, Any], other: dict[str, Any]) -> bool:
    kinds = {one["kind"], other["kind"]}
    return kinds == {"order_filled"} and all(one[n] == other[n] for n in _PARTS)


def _sorted(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda e: str(e["order_id"]))
