"""A week of market time through one node: what it costs later, beside what it cost at first.

    python tests/soak.py [--days 7] [--positions 5000] [--markets 8] [--every 5]

A real node replays a synthetic recording, whose prices wander, and opens and closes positions all
the time. Each line of the table is one day of the market. It fails if the last day costs much more
than the second: memory that is never given back, or work that grows with what is over.
"""

import argparse
import contextlib
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
from bench import material
from nautilus_trader.model.identifiers import Venue

from node import Node
from positions.model.formatting import iso
from positions.operations.process import share_heaps
from positions.operations.settings import load
from positions.storage.spool import Spool
from recordings.importer import import_recording

D = Decimal
CENT = D("0.01")
NANOS = 1_000_000_000
_WIDTH = 11
DAY = 86_400
START = 1_776_124_800
CONFIG = """
mode = "replay"
state = "{folder}/state"
[replay]
catalog = "{folder}/catalog"
speed = "max"
[account]
cash = 1000000
[limits]
max_total_stake = 1000000
"""
GROWTH_MAX = {"memory_mb": 15.0, "objects": 3_000.0}
"""What each day may add, once the node has run for two: then as much is let go as comes. DuckDB
keeps a little of all that it ever wrote until it is opened again, 10 MB for such a day, and goes up
and down by 20 MB with its checkpoints."""
RATIO_MAX = {
    "loop_us": 1.5,
    "copy_ms": 2.0,
    "positions": 1.3,
    "orders": 1.3,
    "states": 1.3,
}
"""What the last day may have or cost of the second. Costs are the processor's, for a quote that of
the event loop alone; how long a command takes by the clock is told, and depends on the machine."""


def make(folder: Path, size: argparse.Namespace) -> None:
    """Make the recording, and a list of commands for each day."""
    rng = random.Random(1)
    cents = [50] * size.markets
    rows: list[dict[str, Any]] = []
    shown: list[list[tuple[int, int]]] = [[] for _ in cents]
    for number in range(size.days * DAY // size.every):
        market = number % size.markets
        cents[market] = min(60, max(40, cents[market] + rng.choice((-1, 0, 1))))
        bid = cents[market] * CENT
        rows.append(
            {
                "ts_event_ns": (START + number * size.every) * NANOS,
                "token_id": str(market),
                "bid": bid,
                "ask": bid + CENT,
                "bid_size": D(rng.randint(500, 900)),
                "ask_size": D(rng.randint(500, 900)),
            }
        )
        shown[market].append((START + number * size.every, cents[market]))
    decimal = pyarrow.decimal128
    fields = [("ts_event_ns", pyarrow.int64()), ("token_id", pyarrow.string())]
    fields += [(n, decimal(9, 6)) for n in ("bid", "ask")]
    fields += [(n, decimal(18, 6)) for n in ("bid_size", "ask_size")]
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(fields))
    pyarrow.parquet.write_table(table, folder / "quotes.parquet")
    (folder / "markets.json").write_text(
        json.dumps([material.market(n) for n in range(size.markets)])
    )
    import_recording(folder / "quotes.parquet", folder / "markets.json", folder / "catalog")
    days: list[list[dict[str, str]]] = [[] for _ in range(size.days)]
    for number in range(size.positions):
        market = number % size.markets
        at, price = rng.choice(shown[market])
        days[(at - START) // DAY].append(_request(number, market, at, price))
    (folder / "commands.json").write_text(json.dumps(days))


def _request(number: int, market: int, at: int, cents: int) -> dict[str, str]:
    return {
        "command": "submit",
        "id": f"00000000-0000-7000-8000-{number:012}",
        "market": f"m-{market}",
        "outcome": "Yes",
        "max_bid": str((cents + 2) * CENT),
        "size": "20",
        "stop": str((cents - 2) * CENT),
        "target": str((cents + 4) * CENT),
        "expires": "600s",
        "at": iso(at * NANOS + NANOS // 2),
    }


class Soak:
    """One node, and what is measured of it."""

    def __init__(self, folder: Path) -> None:
        (folder / "node.toml").write_text(CONFIG.format(folder=folder))
        self._state = folder / "state"
        self._terminal = sys.stdout
        self._days = iter(json.loads((folder / "commands.json").read_text()))
        self._spool = Spool(self._state)
        share_heaps()  # as `node.run` does
        self._node = Node(load(folder / "node.toml"))
        self._due: dict[str, float] = {}
        self._latencies: list[float] = []
        self._quotes = 0
        self._begun = self._begun_cpu = 0.0
        self.days: list[dict[str, float]] = []
        self._listen()

    def _listen(self) -> None:
        """Note when commands are delivered and answered, and let the days' commands in."""
        reader, recording = self._node._reader, self._node._mode._recording
        deliver, on_reply, batches = reader._deliver, reader._on_reply, recording.batches

        def delivered(command: Any, text: str) -> None:
            self._due[command.id] = time.perf_counter()
            deliver(command, text)

        def replied(reply: Any) -> None:
            on_reply(reply)
            self._latencies.append(time.perf_counter() - self._due.pop(reply.id))

        reader._deliver, reader._on_reply = delivered, replied
        recording.batches = lambda begin: self._with_commands(batches(begin))

    def _with_commands(self, batches: Iterator[Any]) -> Iterator[Any]:
        ends = 0
        for moment, batch in batches:
            if moment >= ends:
                if ends:
                    self._note()
                ends = max(ends, START * NANOS) + DAY * NANOS
                for fields in next(self._days):
                    content = {k: v for k, v in fields.items() if k != "id"}
                    self._spool.put(json.dumps(content).encode(), fields["id"])
                self._node._reader.look()
                self._begun, self._begun_cpu = time.perf_counter(), time.thread_time()
            self._quotes += 1
            yield moment, batch
        self._note()

    def _note(self) -> None:
        wall, loop = time.perf_counter() - self._begun, time.thread_time() - self._begun_cpu
        node, cache = self._node, self._node._node.cache
        node.store.flush()
        gc.collect()
        day = {
            "day": len(self.days) + 1,
            "positions": len(node.strategy.engine.positions),
            "wall_s": wall,
            "loop_us": loop / self._quotes * 1e6,
            "command_ms": statistics.median(self._latencies) * 1000,
            "memory_mb": _resident(),
            "database_mb": sum(f.stat().st_size for f in self._state.glob("positions.*")) / 1e6,
            "copy_ms": statistics.median(self._copy() for _ in range(5)) * 1000,
            "objects": len(gc.get_objects()),
            "orders": cache.orders_total_count(),
            "states": cache.account_for_venue(Venue("POLYMARKET")).event_count,
        }
        if not self.days:
            self._say(f"{name:>{_WIDTH}}" for name in day)
        self.days.append(day)
        self._quotes = 0
        self._latencies.clear()
        self._say(f"{v:>{_WIDTH}.{_decimals(v)}f}" for v in day.values())

    def _copy(self) -> float:
        copier = self._node._snapshots
        if copier._thread is not None:
            copier._thread.join()
        begun = time.process_time()
        copier._copies(copier._rows(time.time_ns()))
        return time.process_time() - begun

    def run(self) -> int:
        """Play it to its end, without the stories of so many positions on the terminal."""
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            return self._node.run()

    def _say(self, cells: Iterable[str]) -> None:
        print(" ".join(cells), file=self._terminal, flush=True)


def too_much(days: list[dict[str, float]]) -> list[str]:
    """What a later day costs too much more than the second, a line each."""
    second, last = days[1], days[-1]
    span = last["day"] - second["day"]
    growth = {n: (last[n] - second[n]) / span for n in GROWTH_MAX}
    found = [
        f"{n} grows by {growth[n]:.1f} a day, must by at most {most:.0f}"
        for n, most in GROWTH_MAX.items()
        if growth[n] > most
    ]
    return found + [
        f"{n} was {second[n]:.1f} on the second day and {last[n]:.1f} on the last"
        for n, most in RATIO_MAX.items()
        if last[n] > most * second[n]
    ]


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _decimals(value: float) -> int:
    return 0 if value >= 100 or value == int(value) else 1


def main() -> int:
    """Make the recording, play it, and tell; 0 only if no later day costs much more."""
    parser = argparse.ArgumentParser(description="A week of market time through one node.")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--positions", type=int, default=5_500)
    parser.add_argument("--markets", type=int, default=8)
    parser.add_argument("--every", type=int, default=5, help="seconds between two quotes")
    parser.add_argument("--make", type=Path, help="make the recording in this folder, and no more")
    size = parser.parse_args()
    if size.make:  # in a process of its own: its memory is not the node's
        make(size.make, size)
        return 0
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, __file__, "--make", name, *sys.argv[1:]], check=True)
        soak = Soak(Path(name))
        code = soak.run()
        with duckdb.connect(str(Path(name) / "state" / "positions.duckdb"), read_only=True) as db:
            sql = "SELECT coalesce(exit_reason, phase), count(*) FROM positions GROUP BY ALL"
            ends = dict(db.execute(sql).fetchall())
    print(f"{size.days * DAY} seconds of the market; positions: {ends}")
    lines = too_much(soak.days) if size.days > 2 else ["too few days to compare"]
    print("\n".join(lines) or "no later day costs much more than the second")
    return code or bool(lines)


if __name__ == "__main__":
    sys.exit(main())
