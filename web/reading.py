"""What the interface answers, made of the published rows. Pure, apart from the search."""

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import to_builtins

from positions.commands.fields import time as moment
from positions.model.errors import InputError
from positions.model.position import ZERO
from positions.operations.settings import Settings
from positions.storage.bars import STEPS, read_bars
from positions.storage.snapshot import Snapshot
from positions.storage.totals import By, grouped, totals
from web.endpoint import Absent
from web.source import Row, View

_BY = {"day": By.DAY, "market": By.MARKET, "reason": By.EXIT}


def page(rows: Iterable[Row], query: Mapping[str, Any]) -> tuple[list[Row], str | None]:
    """The positions that a query asks for, the newest first, and the cursor of those after them."""
    status, market = query.get("status", "open"), query.get("market")
    since = moment("since", query["since"]) if "since" in query else 0
    limit = query.get("limit", 100)
    found = [
        row
        for row in rows
        if status in (row["status"], "all")
        and market in (None, row["market"], row["market_id"])
        and row["updated_at"] >= since
    ]
    found.sort(key=_place, reverse=True)
    if "cursor" in query:
        after = _decoded(query["cursor"])
        found = [row for row in found if _place(row) < after]
    shown = found[:limit]
    return shown, f"{shown[-1]['created_at']}.{shown[-1]['id']}" if len(found) > limit else None


def _place(row: Row) -> tuple[int, str]:
    return row["created_at"], row["id"]


def _decoded(cursor: str) -> tuple[int, str]:
    number, _, position_id = cursor.partition(".")
    if not (number.isascii() and number.isdecimal() and position_id):
        raise InputError(f"cursor was {cursor!r}, must be the next of an answer")
    return int(number), position_id


def book(name: str, outcome: str, rows: Iterable[Row]) -> dict[str, Any]:
    """The book of one outcome of a market, by its slug, its condition id or the outcome's id."""
    found = [
        row
        for row in rows
        if name in (row["slug"], row["market_id"], row["outcome_id"])
        and outcome.lower() in ("", row["outcome"].lower(), row["outcome_id"])
    ]
    if not found:
        raise Absent(f"the node follows no market {name!r} {outcome}".rstrip())
    row = found[0]
    bids = msgspec.json.decode(row.get("bids") or "[]", type=list[tuple[Decimal, Decimal]])
    if not bids and row["bid"] is not None:
        bids = [(row["bid"], row["bid_size"])]
    asks = [] if row["ask"] is None else [(row["ask"], row["ask_size"])]
    names = ("market_id", "outcome_id", "outcome", "quoted_at", "tick", "minimum_size")
    kept = {key: row[key] for key in names}
    return {**kept, "ends_at": row.get("ends_at"), "bids": bids, "asks": asks}


def chart(state: Path, copy: Snapshot, position_id: str, step: str) -> dict[str, Any]:
    """Bid and ask since a position was opened, its levels, how its stop moved, and its fills."""
    row = copy.position(position_id)
    begin = row["created_at"] // STEPS[step] * STEPS[step]
    bars = read_bars(state, row["outcome_id"], step, begin)
    levels = ("max_bid_price", "entry_price", "sell_price", "stop_in_force", "floor_price")
    return {
        "outcome_id": row["outcome_id"],
        "step": step,
        **{name: row[name] for name in levels},
        "bars": listed(bars),
        "stops": [
            {"time": event["time"], "price": event["price"]}
            for event in copy.story(position_id)
            if event["kind"] in ("stop_moved", "stop_raised")
            or (event["kind"] == "order_sent" and event["role"] == "stop")
        ],
        "fills": copy.fills(position_id),
    }


def listed(bars: Iterable[Any]) -> list[dict[str, Any]]:
    """Bars as rows."""
    return [to_builtins(bar, builtin_types=(Decimal,)) for bar in bars]


def status(view: View, *, may_trade: bool) -> dict[str, Any]:
    """What the node does, and with what."""
    node = view.node
    same = ("mode", "heartbeat", "market_time", "cash", "redeemable", "open_positions")
    newer = ("staked", "reserved", "default_stake", "max_stake_per_position", "max_total_stake")
    return {
        "health": view.health.word,
        "why": list(view.health.why),
        "running": view.health.is_well,
        **{name: node[name] for name in same},
        "synthetic": node["is_synthetic"],
        "halted": node["is_halted"],
        "may_trade": may_trade,
        **{name: node.get(name) for name in newer},
        "alarms": [alarm["text"] for alarm in view.alarms],
    }


def summary(rows: Iterable[Row], by: str) -> dict[str, Any]:
    """The sums of the positions that are over, by day, market or reason."""
    over = list(rows)
    groups = [to_builtins(t, builtin_types=(Decimal,)) for t in grouped(over, _BY[by])]
    return {"by": by, "rows": groups, "total": to_builtins(totals(over), builtin_types=(Decimal,))}


def metrics(view: View) -> str:
    """The numbers that Prometheus reads."""
    node = view.node
    open_pnl = sum((r["unrealized_pnl"] or ZERO for r in view.positions.values()), ZERO)
    values: dict[str, object] = {
        "up": int(view.health.is_well),
        "open_positions": len(view.positions),
        "open_alarms": len(view.alarms),
        "unrealized_pnl_usdc": open_pnl,
    }
    if node:
        values["heartbeat_age_seconds"] = f"{view.age(time.time_ns()):.3f}"
        values["loop_lag_seconds"] = f"{node.get('loop_lag', 0) / 1e9:.6f}"
        values["cash_usdc"] = node["cash"]
        values["halted"] = int(node["is_halted"])
    lines = [
        f"# TYPE polybracket_{name} gauge\npolybracket_{name} {value}\n"
        for name, value in values.items()
    ]
    return "".join(lines)


async def search(settings: Settings, text: str) -> list[dict[str, Any]]:
    """Markets as Polymarket describes them now."""
    if not text.strip():
        raise InputError("q was empty, must say what to look for")
    from venues.polymarket.api.gamma import search_rows

    return await search_rows(settings.venue.gamma, text)
