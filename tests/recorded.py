"""The shared recordings: where they are, seeded positions drawn from them, and what they can give.

Nothing here imports the product: what is checked with it is recomputed from the raw files.
"""

import json
import os
import random
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
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


def nanoseconds(time: str) -> int:
    """A time as a story tells it, such as 2026-04-13T16:00:01.5Z, in nanoseconds."""
    whole, _, rest = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(rest.ljust(9, "0")[:9])


def part(name: str, slugs: Collection[str], folder: Path) -> None:
    """Write a recording of some markets of another one."""
    found = [m for m in markets(name) if m["slug"] in slugs]
    tokens = {t["token_id"] for m in found for t in m["tokens"]}
    table = pyarrow.parquet.read_table(FOLDER / f"{name}.quotes.parquet")
    kept = table.filter(pyarrow.compute.is_in(table["token_id"], pyarrow.array(sorted(tokens))))
    pyarrow.parquet.write_table(kept, folder / f"{name}.quotes.parquet")
    (folder / f"{name}.markets.json").write_text(json.dumps(found))


def positions(
    name: str,
    count: int,
    seed: int,
    folder: Path = FOLDER,
    *,
    shares_max: int | None = None,
    undated: int = 0,
) -> list[dict[str, Any]]:
    """Seeded requests whose times and prices are drawn from the recording.

    The last `undated` of them have no time of their own: they all begin at once.
    """
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
            "size": _size(rng, shares_max),
            "stop": f"{stop:.2f}",
            "at": at,
        }
        if target < D("0.97"):
            fields["target"] = f"{target:.2f}"
        if rng.random() < 0.1:
            fields["expires"] = "60s"
        if number >= count - undated:
            del fields["at"]
        made.append(fields)
    return made


def _size(rng: random.Random, shares_max: int | None) -> str:
    if shares_max is None:
        return rng.choice(("5", "20", "50", "100", "250"))
    return str(D(rng.randint(500, 100 * shares_max)) / 100)


class Side:
    """One side of a token's book, walked row by row: what its levels can still give.

    A level gives what it shows, less what was taken since; growth adds to it, and nothing else. One
    that the touch has passed, or that is gone with its whole side, is over: what is shown there
    later is new. One behind the touch stays as it was when it was last seen.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], name: str) -> None:
        self._rows = rows
        self._name = name
        self._next = 0
        self._shown: dict[Decimal, Decimal] = {}
        self._left: dict[Decimal, Decimal] = {}
        self._touch: Decimal | None = None

    def take(self, f: dict[str, Any]) -> str:
        """Take a fill's shares from the rows of its moment; what speaks against it, or ""."""
        while self._next < len(self._rows):
            if self._rows[self._next]["ts_event_ns"] > f["at"] or self._gives(f):
                break
            self._show(self._rows[self._next])
        if not self._gives(f):
            left = None if self._touch is None else self._left[self._touch]
            return f"{f['shares']} at {f['price']} of {left} at {self._touch}: {f}"
        assert self._touch is not None
        self._left[self._touch] -= f["shares"]
        return ""

    def _gives(self, f: dict[str, Any]) -> bool:
        touch = self._touch
        if touch is None or self._is_older(f["at"]) or self._left[touch] < f["shares"]:
            return False
        if f["liquidity"] == "taker":
            return bool(touch == f["price"])
        return bool(touch <= f["price"] if self._name == "ask" else touch >= f["price"])

    def _is_older(self, at: int) -> bool:
        """Whether another moment than that of the rows walked so far is the last one by then."""
        if self._next == len(self._rows):
            return False
        moment = self._rows[self._next - 1]["ts_event_ns"] if self._next else 0
        return bool(moment < self._rows[self._next]["ts_event_ns"] <= at)

    def _show(self, row: dict[str, Any]) -> None:
        self._next += 1
        price, size = row[self._name], row[f"{self._name}_size"]
        if size is None:  # not recorded: as it was last seen at this very touch, or nothing
            size = self._shown.get(price, D(0)) if price == self._touch else D(0)
        self._touch = price
        for level in [one for one in self._shown if self._is_over(one)]:
            del self._shown[level], self._left[level]
        if price is not None:
            growth = max(size - self._shown.get(price, D(0)), D(0))
            self._left[price] = min(self._left.get(price, D(0)) + growth, size)
            self._shown[price] = size

    def _is_over(self, level: Decimal) -> bool:
        if self._touch is None:
            return True
        return level < self._touch if self._name == "ask" else level > self._touch


def overdrawn(rows: Sequence[dict[str, Any]], fills: Iterable[dict[str, Any]]) -> list[str]:
    """The fills that a token's book cannot have given, in the order in which they happened.

    Of `fills` each has its `side`, `price`, `shares`, `liquidity`, `role` and `at`, its time.
    """
    sides = {"buy": Side(rows, "ask"), "sell": Side(rows, "bid")}
    told = (sides[f["side"]].take(f) for f in fills if f["role"] != "settlement")
    return [text for text in told if text]
