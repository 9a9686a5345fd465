"""What a person may not have meant: the same once more, or the other outcome of what is held. Pure.

A doubt is a question to whoever asks for a position; it refuses nothing on its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from positions.commands.market_names import market_name
from positions.commands.messages import Submit
from positions.model.formatting import plain

SAME_WITHIN = 60
"""Seconds within which the same request is taken for a slip of the hand."""


def doubts(
    asked: Submit, before: Iterable[tuple[Submit, int]], rows: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Sentences about a request, given earlier ones with their age in seconds, and the positions.

    Requests that were refused are not to be among the earlier ones.
    """
    found = [
        f"the same was asked for {age} s ago ({one.id[-8:]})"
        for one, age in before
        if age <= SAME_WITHIN and _is_same(asked, one)
    ]
    market = market_name(asked.market)
    for row in rows:
        is_other = asked.outcome.casefold() not in (row["outcome"].casefold(), row["outcome_id"])
        is_here = market in (row["market"].lower(), row["market_id"])
        if row["status"] == "open" and row["held"] > 0 and is_here and is_other:
            what = f"{plain(row['held'])} {row['outcome']} of {row['market']}"
            found.append(f"position {row['id'][-8:]} holds {what}, which is the other outcome")
    return found


def _is_same(one: Submit, other: Submit) -> bool:
    return _essence(one) == _essence(other)


def _essence(c: Submit) -> tuple[object, ...]:
    """What is asked for, without what makes a request one of its own."""
    named = (market_name(c.market), c.outcome.casefold())
    amounts = (c.max_bid_price, c.size, c.stake, c.risk, c.post_only, c.expires, c.at)
    return (*named, *amounts, c.sell_price, c.stop_loss_price, c.floor_price, c.terms)
