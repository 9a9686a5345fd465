"""The shared recordings: where they are, and seeded positions drawn from them.

Nothing here imports the product: what is checked with it is recomputed from the raw files.
"""

import json
import os
import random
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet

NAMES = ("btc5m-starter", "btc5m-20260413", "nhl-20260607")
FOLDER = Path(
    os.environ.get("POLYBRACKET_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings")
)
D = Decimal
CENT = D("0.01")


@cache
def quotes(name: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every row of a recording."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(
        folder / f"{name}.quotes.parquet"
    ).to_pylist()
    return rows


@cache
def markets(name: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The recording's markets."""
    found: list[dict[str, Any]] = json.loads((folder / f"{name}.markets.json").read_text())
    return found


def positions(name: str, count: int, seed: int, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Seeded requests whose times and prices are drawn from the recording."""
    rng = random.Random(seed)
    slugs = {t["token_id"]: m["slug"] for m in markets(name, folder) for t in m["tokens"]}
    rows = [
        r
        for r in quotes(name, folder)
        if r["bid"] and r["ask"] and D("0.15") < r["bid"] < D("0.8") and r["bid"] % CENT == 0
    ]
    made = []
    for number in range(count):
        r = rng.choice(rows)
        bid, ask = r["bid"], r["ask"]
        asks_cent = -(-ask // CENT) * CENT
        max_bid = bid if rng.random() < 0.25 else asks_cent
        stop = min(max_bid - CENT * rng.choice((2, 3, 5, 8)), bid - CENT)
        target = max_bid + CENT * rng.choice((1, 1, 2, 3, 8))
        at = datetime.fromtimestamp(r["ts_event_ns"] // 10**9 + 1, UTC).isoformat()
        fields = {
            "command": "submit",
            "id": str(uuid.UUID(int=(7 << 76) | (2 << 62) | (number + 1))),
            "market": slugs[r["token_id"]],
            "outcome": r["token_id"],
            "max_bid": f"{max_bid:.2f}",
            "size": rng.choice(("5", "20", "50", "100", "250")),
            "stop": f"{stop:.2f}",
            "at": at,
        }
        if target < D("0.97"):
            fields["target"] = f"{target:.2f}"
        if rng.random() < 0.1:
            fields["expires"] = "60s"
        made.append(fields)
    return made
