"""What is measured with: calm recordings, positions that stay protected, and processes of their own."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from positions.storage.spool import uuid7

D = Decimal
T0 = 1_776_000_000
ROOT = Path(__file__).parents[2]
_DECIMAL = pyarrow.decimal128
_COLUMNS = [
    ("ts_event_ns", pyarrow.int64()),
    ("token_id", pyarrow.string()),
    ("bid", _DECIMAL(9, 6)),
    ("ask", _DECIMAL(9, 6)),
    ("bid_size", _DECIMAL(18, 6)),
    ("ask_size", _DECIMAL(18, 6)),
]


class Run(NamedTuple):
    """One process: seconds by the clock, MB at its peak, seconds of the processor."""

    wall: float
    memory: float
    cpu: float


def run(*arguments: str) -> Run:
    """Run one Python process to its end."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        _, status, usage = os.wait4(child.pid, 0)
        if status != 0:
            out.seek(0)
            raise SystemExit(out.read()[-2000:].decode())
    wall = time.perf_counter() - begun
    return Run(wall, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def best(folder: Path, *arguments: str) -> dict[str, float]:
    """The figures of the quickest of three runs: what else the machine does only slows one down."""
    return min((figures(folder, *arguments) for _ in range(3)), key=lambda found: found["quote"])


def figures(folder: Path, *arguments: str) -> dict[str, float]:
    """What one process of `bench.timed` measured of itself, and its peak of memory in MB."""
    told = folder / f"{uuid7()}.figures"
    memory = run("-m", "bench.timed", str(told), *arguments).memory
    measured: dict[str, float] = json.loads(told.read_text())
    return {"memory": memory} | measured


def recording(folder: Path, instruments: int, count: int) -> Path:
    """A calm recording of so many quotes, one each 10 ms, over so many outcomes."""
    catalog = folder / f"c-{instruments}-{count}"
    if catalog.exists():
        return catalog
    rng = random.Random(1)
    table = pyarrow.Table.from_pylist(
        [_quote(rng, n, instruments) for n in range(count)], schema=pyarrow.schema(_COLUMNS)
    )
    pyarrow.parquet.write_table(table, folder / "q.parquet")
    (folder / "m.json").write_text(json.dumps([market(n) for n in range(instruments)]))
    options = ["--markets", str(folder / "m.json"), "--catalog", str(catalog)]
    run("-m", "cli.main", "catalog", "import", str(folder / "q.parquet"), *options)
    return catalog


def _quote(rng: random.Random, n: int, instruments: int) -> dict[str, object]:
    bid = D(rng.randint(50, 53)) / 100
    return {
        "ts_event_ns": T0 * 10**9 + n * 10_000_000,
        "token_id": str(n % instruments),
        "bid": bid,
        "ask": bid + D("0.01"),
        "bid_size": D(100_000),
        "ask_size": D(rng.randint(100_000, 200_000)),
    }


def market(n: int) -> dict[str, object]:
    """A market of one outcome, as an import reads it."""
    return {
        "slug": f"m-{n}",
        "condition_id": f"0x{n:064x}",
        "min_order_size": "5",
        "fee_rate": "0.04",
        "tokens": [{"token_id": str(n), "outcome": "Yes", "tick_size": "0.01"}],
    }


def requests(positions: int, instruments: int, **terms: str) -> list[dict[str, str]]:
    """So many positions that are opened in the first seconds and stay protected."""
    return [
        {
            "command": "submit",
            "market": f"m-{n % instruments}",
            "outcome": "Yes",
            "max_bid": "0.60",
            "size": "10",
            "target": "0.90",
            "stop": f"0.{20 + n % 25}",
            "at": "2026-04-12T13:20:02Z",
        }
        | terms
        for n in range(positions)
    ]


def configuration(path: Path, mode: str, state: str = "x") -> Path:
    """Write a configuration with money enough for all positions."""
    head = f'mode = "{mode}"\n' + ("" if mode == "backtest" else f'state = "{state}"\n')
    rest = "[account]\ncash = 1000000\n[limits]\nmax_total_stake = 1000000\n"
    path.write_text(head + rest)
    return path


def spooled(folder: Path, asked: list[dict[str, str]]) -> Path:
    """A new state folder whose spool holds these requests."""
    state = Path(tempfile.mkdtemp(dir=folder))
    spool = state / "spool" / "new"
    spool.mkdir(parents=True)
    for fields in asked:
        (spool / f"{uuid7()}.json").write_text(json.dumps(fields))
    return state


def listed(folder: Path, asked: list[dict[str, str]]) -> Path:
    """A file of these requests."""
    path = folder / "positions.jsonl"
    path.write_text("\n".join(map(json.dumps, asked or [{"command": "resume"}])))
    return path


def resident() -> float:
    """Memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024
