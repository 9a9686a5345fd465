"""Why a position of a backtest was not bought: what the data showed while its entry stood."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from positions.model.formatting import iso, plain
from positions.research.backtest_result import Outcome
from positions.storage.story import sentence
from recordings.catalog import Offer, Recording


def reasons(o: Outcome, recording: Recording) -> dict[str, str]:
    """By position id, why nothing was bought, of those of which nothing was."""
    seen: dict[str, list[Offer]] = {}
    found: dict[str, str] = {}
    for row in o.rows:
        if row["volume"] > 0:
            continue
        instrument_id = f"{row['market_id']}-{row['outcome_id']}.POLYMARKET"
        if instrument_id not in seen:
            seen[instrument_id] = recording.offers(instrument_id)
        last = o.equity[-1].time if row["status"] == "open" else row["updated_at"]
        offered = _between(seen[instrument_id], row["created_at"], last)
        found[row["id"]] = _why(row, offered, last) + _ended(o.events[row["id"]])
    return found


def _between(prices: list[Offer], begin: int, end: int) -> list[Offer]:
    """What held at the beginning, and all that came until the end."""
    first = bisect_right(prices, begin, key=lambda p: p.time) - 1
    return prices[max(first, 0) : bisect_left(prices, end + 1, key=lambda p: p.time)]


def _why(row: Mapping[str, Any], offered: list[Offer], end: int) -> str:
    limit: Decimal = row["max_bid_price"]
    if not offered:
        return f"the data has no price of it from {iso(row['created_at'])} to {iso(end)}"
    asks = [p for p in offered if p.price is not None]
    if not asks:
        return "there was no ask: nobody offered it"
    lowest = min(Decimal(str(p.price)) for p in asks)
    if lowest > limit:
        return f"the lowest ask was {plain(lowest)}, above its max bid of {plain(limit)}"
    within = [p for p in asks if Decimal(str(p.price)) <= limit]
    met = f"the ask was {plain(lowest)}, within its max bid of {plain(limit)}"
    if not any(p.shares for p in within):
        return f"{met}, but no size is known, and nothing is filled against none"
    return f"{met}, with {max(p.shares for p in within):g} shares at most"


def _ended(events: list[dict[str, Any]]) -> str:
    """What ended the entry, as its story tells it."""
    told = [e for e in events if e["kind"] == "entry_ended" or e.get("end") == "rejected"]
    return f"; {sentence(told[-1])}" if told else ""
