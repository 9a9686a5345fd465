"""A small made-up recording for the demo: seeded, and labelled synthetic wherever it shows."""

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from positions.model.durations import SECOND
from recordings.importer import import_recording

START_NS = 1_772_452_800 * SECOND
"""2026-03-02T12:00:00Z."""
SECONDS = 840
CALM = 300
"""So many seconds long nothing happens, so that who types slowly is in time."""
_CENT = Decimal("0.01")
_MILL = Decimal("0.001")

Path_ = Callable[[float], float]


class Script(NamedTuple):
    """How one market goes: the Yes price in cents, the sizes shown, and what happens to it."""

    slug: str
    question: str
    price: Path_
    sizes: Callable[[float], tuple[int, int]]
    no_bid: tuple[float, float] = (-1, -1)
    fine_tick_from: float = SECONDS + 1
    no_ask_from: float = SECONDS + 1
    resolved_at: float = SECONDS + 1


def _line(*points: tuple[float, float]) -> Path_:
    """A path of straight lines through (seconds, cents)."""

    def price(t: float) -> float:
        for (t0, p0), (t1, p1) in pairwise(points):
            if t <= t1:
                return p0 + (p1 - p0) * (t - t0) / (t1 - t0)
        return points[-1][1]

    return price


SCRIPTS = (
    Script(
        "synthetic-rain-in-london",
        "Synthetic: will it rain in London?",
        _line((0, 55), (30, 54), (CALM + 50, 54), (CALM + 240, 73), (SECONDS, 71)),
        lambda t: (8, 30) if t < CALM + 60 else (20, 60),
    ),
    Script(
        "synthetic-team-red-wins",
        "Synthetic: will team red win?",
        _line((0, 60), (439.9, 60), (440, 42), (500, 40), (SECONDS, 33)),
        lambda t: (100, 400) if t < 440 else (10, 40),
    ),
    Script(
        "synthetic-rate-cut-in-june",
        "Synthetic: will rates be cut in June?",
        _line((0, 44), (390, 46), (540, 43), (SECONDS, 47)),
        lambda _: (80, 400),
        no_bid=(455, 465),
    ),
    Script(
        "synthetic-film-wins-award",
        "Synthetic: will the film win the award?",
        _line((0, 36), (540, 37), (SECONDS, 36)),
        lambda _: (50, 300),
    ),
    Script(
        "synthetic-launch-before-friday",
        "Synthetic: will the rocket launch before Friday?",
        _line((0, 63), (CALM, 64), (660, 97), (SECONDS, 97.5)),
        lambda _: (60, 300),
        fine_tick_from=670,
        no_ask_from=720,
        resolved_at=780,
    ),
)


def make_sample(catalog: Path, seed: int = 7) -> None:
    """Make the sample's catalog; its files stand beside it as `NAME.quotes.parquet` and so on."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number, script in enumerate(SCRIPTS, start=1):
        rows += _quotes(number, script, rng)
    rows.sort(key=lambda r: r["ts_event_ns"])
    decimal = pyarrow.decimal128
    schema = pyarrow.schema(
        [
            ("ts_event_ns", pyarrow.int64()),
            ("token_id", pyarrow.string()),
            ("bid", decimal(9, 6)),
            ("ask", decimal(9, 6)),
            ("bid_size", decimal(18, 6)),
            ("ask_size", decimal(18, 6)),
        ]
    )
    quotes = catalog.with_name(f"{catalog.name}.quotes.parquet")
    markets = catalog.with_name(f"{catalog.name}.markets.json")
    catalog.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), quotes)
    described = [_market(number, script) for number, script in enumerate(SCRIPTS, start=1)]
    markets.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    import_recording(quotes, markets, catalog)


def _token(number: int, outcome: str) -> str:
    return str(9000 + 10 * number + (outcome == "No"))


def _market(number: int, script: Script) -> dict[str, Any]:
    ends = min(script.resolved_at, SECONDS)
    is_resolved = script.resolved_at <= SECONDS

    def token(outcome: str, payout: str) -> dict[str, Any]:
        changes = []
        if script.fine_tick_from <= SECONDS:
            changes = [{"ts_ns": _time(script.fine_tick_from), "tick_size": "0.001"}]
        return {
            "token_id": _token(number, outcome),
            "outcome": outcome,
            "tick_size": "0.01",
            "tick_changes_inferred": changes,
            "settlement_price_inferred": payout if is_resolved else None,
        }

    return {
        "slug": script.slug,
        "condition_id": f"0x5a{number:062x}",
        "question": script.question,
        "start_ts_ns": START_NS,
        "end_ts_ns": _time(ends),
        "min_order_size": "5",
        "fee_rate": "0.04",
        "neg_risk": False,
        "synthetic": True,
        "tokens": [token("Yes", "1"), token("No", "0")],
    }


def _time(seconds: float) -> int:
    return START_NS + round(seconds * 1000) * 1_000_000


def _quotes(number: int, script: Script, rng: random.Random) -> Iterator[dict[str, Any]]:
    t = rng.uniform(0, 0.5)
    while t < min(SECONDS, script.resolved_at - 1):
        tick = _MILL if t >= script.fine_tick_from else _CENT
        cents = Decimal(str(round(script.price(t) + rng.choice((-0.4, 0, 0, 0.4)), 2)))
        bid = (cents * _CENT // tick) * tick
        ask = bid + tick * rng.choice((1, 1, 1, 2))
        low, high = script.sizes(t)
        bid_size, ask_size = (Decimal(rng.randint(low, high)) for _ in range(2))
        no_bid = script.no_bid[0] <= t < script.no_bid[1]
        no_ask = t >= script.no_ask_from
        yes = (None if no_bid else bid, None if no_ask else ask)
        no = (None if no_ask else 1 - ask, None if no_bid else 1 - bid)
        for outcome, prices, sizes in (
            ("Yes", yes, (bid_size, ask_size)),
            ("No", no, (ask_size, bid_size)),
        ):
            yield {
                "ts_event_ns": _time(t),
                "token_id": _token(number, outcome),
                "bid": prices[0],
                "ask": prices[1],
                "bid_size": None if prices[0] is None else sizes[0],
                "ask_size": None if prices[1] is None else sizes[1],
            }
        t += rng.uniform(0.2, 0.8)
