"""The stories of runs, from wherever they were told, and where two of them differ.

A run's stories are the events of each position by its id, and the refusals by command. What may
differ between two runs is named by whoever compares them: ids of the venue, times of a wall clock.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

import backtest
from positions.commands import files
from positions.operations.settings import load
from positions.research.backtest_result import Outcome

VENUE_IDS = frozenset({"venue_order_id", "trade_id"})
VIEWS = frozenset({"quote_seq"})
"""How many views of the book a run has seen: one that began earlier has seen more."""
WALL_CLOCK = frozenset({"time", "sent_at", "created_at", "filled_at", "updated_at"})


class Stories(NamedTuple):
    """What one run tells."""

    events: dict[str, list[dict[str, Any]]]
    refused: dict[str, str]


def told(state: Path) -> Stories:
    """The stories that a node has recorded."""
    events: dict[str, list[dict[str, Any]]] = {}
    with duckdb.connect(str(state / "positions.duckdb"), read_only=True) as db:
        rows = db.execute("SELECT position_id, story FROM events ORDER BY position_id, seq")
        for position_id, story in rows.fetchall():
            events.setdefault(position_id, []).append(json.loads(story))
        replies = db.execute("SELECT id, reply FROM commands ORDER BY id").fetchall()
    refused = {i: json.loads(r)["message"] for i, r in replies if "code" in json.loads(r)}
    return Stories(events, refused)


def backtested(config: str, catalog: Path, requests: Iterable[dict[str, Any]]) -> Stories:
    """The stories of a backtest with a replay's configuration."""
    return of(backtest_of(config, catalog, requests))


def backtest_of(
    config: str, catalog: Path, requests: Iterable[dict[str, Any]], **options: str
) -> Outcome:
    """The outcome of a backtest with a replay's configuration."""
    file = catalog.with_name(f"{catalog.name}.backtest.toml")
    file.write_text(config)
    settings = load(file, backtest={"catalog": str(catalog)} | options)
    return backtest.run(settings, files.checked(requests, "requests"))


def of(o: Outcome) -> Stories:
    """The stories of an outcome, as JSON would give them."""
    return Stories(json.loads(json.dumps(o.events)), {r.id: r.message for r in o.refused})


def differences(one: Stories, other: Stories, ignore: frozenset[str] = frozenset()) -> list[str]:
    """A line for each position whose stories differ: the first event that does."""
    found = []
    for position_id in sorted(one.events.keys() | other.events.keys()):
        pair = (_without(s.events.get(position_id, []), ignore) for s in (one, other))
        mine, theirs = pair
        if mine != theirs:
            at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), -1)
            found.append(f"{position_id}: {mine[at:][:1]} is not {theirs[at:][:1]}")
    if one.refused != other.refused:
        found.append(f"refused: {sorted(one.refused.items() ^ other.refused.items())[:2]}")
    return found


def _without(events: list[dict[str, Any]], ignore: frozenset[str]) -> list[dict[str, Any]]:
    return [{k: v for k, v in e.items() if k not in ignore} for e in events]
