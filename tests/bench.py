"""Speed and memory, as ratios to a bare Nautilus (or DuckDB) baseline measured in the same run.

    python tests/bench.py [--positions 0,100,1000,10000]

Whole processes are measured: the cost of a quote is what a longer recording takes more than a short
one, divided by the quotes it has more. Figures of one run are told as they are; quote the ratios.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import pyarrow
import pyarrow.parquet
from bench_live import bench_live
from msgspec.structs import replace
from stage import LIMITS, Stage, filled, market, quote, submit
from world import World

from positions.commands import from_fields
from positions.desk import Act, Desk, Step
from positions.facts import OrderFilled
from positions.plan import Send
from positions.position import EntryEnd, Phase, Role
from positions.published import Copier, NodeRow
from positions.spool import Spool, uuid7
from positions.store import Store
from recordings.journal import Journal

D = Decimal
T0 = 1_776_000_000
ROOT = Path(__file__).parents[1]
SHORT, LONG = 2_000, 42_000
_BASELINE = """
import sys
from pathlib import Path
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.trading.strategy import Strategy
from recordings.catalog import Recording
class Idle(Strategy):
    def on_start(self):
        for i in self.cache.instruments(): self.subscribe_quote_ticks(i.id)
    def on_quote_tick(self, tick): pass
recording = Recording(Path(sys.argv[1]))
config = BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
engine = BacktestEngine(config)
engine.add_venue(Venue("POLYMARKET"), OmsType.NETTING, AccountType.CASH, [Money(1000, pUSD)])
for i in recording.instruments: engine.add_instrument(i)
engine.add_strategy(Idle(StrategyConfig()))
engine.add_data([d for _, batch in recording.batches() for d in batch])
engine.run()
"""


def recording(folder: Path, instruments: int, count: int) -> Path:
    """A calm recording of so many quotes over so many outcomes."""
    rng = random.Random(1)
    catalog = folder / f"c-{instruments}-{count}"
    if catalog.exists():
        return catalog
    rows = []
    for n in range(count):
        bid = D(rng.randint(50, 53)) / 100
        rows.append(
            {
                "ts_event_ns": T0 * 10**9 + n * 10_000_000,
                "token_id": str(n % instruments),
                "bid": bid,
                "ask": bid + D("0.01"),
                "bid_size": D(100_000),
                "ask_size": D(rng.randint(100_000, 200_000)),
            }
        )
    markets = [
        {
            "slug": f"m-{n}",
            "condition_id": f"0x{n:064x}",
            "min_order_size": "5",
            "fee_rate": "0.04",
            "tokens": [{"token_id": str(n), "outcome": "Yes", "tick_size": "0.01"}],
        }
        for n in range(instruments)
    ]
    decimal = pyarrow.decimal128
    fields = [("ts_event_ns", pyarrow.int64()), ("token_id", pyarrow.string())]
    fields += [(n, decimal(9, 6)) for n in ("bid", "ask")]
    fields += [(n, decimal(18, 6)) for n in ("bid_size", "ask_size")]
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(fields))
    pyarrow.parquet.write_table(table, folder / "q.parquet")
    (folder / "m.json").write_text(json.dumps(markets))
    options = ["--markets", str(folder / "m.json"), "--catalog", str(catalog)]
    run("-m", "positions.cli.main", "catalog", "import", str(folder / "q.parquet"), *options)
    return catalog


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
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        _, status, usage = os.wait4(child.pid, 0)
        if status != 0:
            out.seek(0)
            raise SystemExit(out.read()[-2000:].decode())
    wall = time.perf_counter() - begun
    return Run(wall, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def requests(positions: int, instruments: int) -> list[dict[str, str]]:
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
        for n in range(positions)
    ]


def replay(folder: Path, catalog: Path, positions: int, instruments: int) -> Run:
    """The node on a recording, with so many protected positions from its first second on."""
    state = Path(tempfile.mkdtemp(dir=folder))
    spool = state / "spool" / "new"
    spool.mkdir(parents=True)
    for fields in requests(positions, instruments):
        (spool / f"{uuid7()}.json").write_text(json.dumps(fields))
    config = state / "config.toml"
    config.write_text(
        'mode = "replay"\nstate = "x"\n[account]\ncash = 1000000\n'
        "[limits]\nmax_total_stake = 1000000\n"
    )
    options = ["--config", str(config), "--catalog", str(catalog), "--state", str(state)]
    return run("-m", "positions.cli.main", "run", *options, "--speed", "max")


def backtest(folder: Path, catalog: Path, positions: int, instruments: int) -> Run:
    """The same in a backtest."""
    asked = folder / "positions.jsonl"
    lines = requests(positions, instruments) or [{"command": "resume"}]
    asked.write_text("\n".join(map(json.dumps, lines)))
    config = folder / "backtest.toml"
    config.write_text(
        'mode = "backtest"\n[account]\ncash = 1000000\n[limits]\nmax_total_stake = 1000000\n'
    )
    options = ["--config", str(config), "--catalog", str(catalog), "--positions", str(asked)]
    return run("backtest.py", *options)


def recording_speed(folder: Path) -> None:
    """Messages per second that a recorder notes, against writing raw lines."""
    count, line = 200_000, ["0.53", "500.000000", "0.55", "500.000000", T0 * 10**9, T0 * 10**9]
    raw = (json.dumps(["book", "0xc-1", *line]) + "\n").encode()
    begun = time.process_time()
    with (folder / "raw").open("wb") as file:
        for _ in range(count):
            file.write(raw)
    base = time.process_time() - begun
    noted = Journal(folder / "recorded")
    noted.hold()
    begun = time.process_time()
    for _ in range(count):
        noted.note("book", "0xc-1", *line)
        if noted.is_heavy:
            noted.flush()
    noted.flush()
    ours = time.process_time() - begun
    print(f"recording, messages per second: {count / ours:,.0f}, time x{ours / base:.1f} raw lines")


def backtest_speed(folder: Path) -> None:
    """Quotes per second of the processor, as a ratio to an idle strategy on a bare BacktestEngine."""
    print("backtest: quotes per second of the processor, time as a ratio to a bare BacktestEngine")
    script = folder / "baseline.py"
    script.write_text(_BASELINE)
    for instruments in (1, 100):
        short, long = (recording(folder, instruments, n) for n in (SHORT, LONG))
        bare = (run(str(script), str(long)).cpu - run(str(script), str(short)).cpu) / (LONG - SHORT)
        print(f"  bare Nautilus,     {instruments:>3} instruments: {1 / bare:10,.0f}")
        for count in (0, 10, 1_000):
            full, brief = (backtest(folder, c, count, instruments).cpu for c in (long, short))
            cost = (full - brief) / (LONG - SHORT)
            speed = f"{1 / cost:10,.0f}  x{cost / bare:4.1f}"
            print(f"  {count:>6} positions, {instruments:>3} instruments: {speed}")


def cost_per_quote(folder: Path, positions: list[int]) -> None:
    """Microseconds a quote, ours against a strategy that does nothing on a BacktestEngine."""
    print("cost per quote (µs), ratio to an idle strategy on a bare BacktestEngine")
    for instruments in (1, 100):
        short = recording(folder, instruments, SHORT)
        long = recording(folder, instruments, LONG)
        script = folder / "baseline.py"
        script.write_text(_BASELINE)
        bare = (run(str(script), str(long)).wall - run(str(script), str(short)).wall) / (
            LONG - SHORT
        )
        print(f"  bare Nautilus, {instruments:>3} instruments: {bare * 1e6:7.1f}")
        empty = 0.0
        for count in positions:
            brief, memory, _ = replay(folder, short, count, instruments)
            full = replay(folder, long, count, instruments).wall
            cost = (full - brief) / (LONG - SHORT)
            empty = empty or memory
            grown = f", {(memory - empty) / count * 1000:6.1f} MB per 1,000" if count else ""
            times = f"{cost * 1e6:7.1f}  x{cost / bare:5.1f}"
            print(f"  {count:>6} positions, {instruments:>3} instruments: {times}{grown}")


def answers(folder: Path) -> None:
    """From `submit` to the order at the venue and to the reply, and commands per second."""
    catalog = recording(folder, 1, LONG)
    state = folder / "live"
    config = folder / "live.toml"
    config.write_text(
        f'mode = "replay"\nstate = "{state}"\n[account]\ncash = 1000000\n'
        "[limits]\nmax_total_stake = 1000000\n"
    )
    command = ["-m", "positions.cli.main", "run", "--config", str(config)]
    node = subprocess.Popen(
        [sys.executable, *command, "--catalog", str(catalog)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    bought: dict[str, float] = {}
    reader = threading.Thread(target=_note_fills, args=(node, bought))
    reader.start()
    try:
        while not (state / "published.duckdb").exists():
            time.sleep(0.05)
        time.sleep(1)
        spool = Spool(state)
        _delays(spool, bought)
        begun = time.perf_counter()
        ids = [spool.put(_request("0.30")) for _ in range(500)]
        for command_id in ids:
            _wait(lambda i=command_id: spool.read_reply(i))
        print(f"commands per second, 500 at once: {500 / (time.perf_counter() - begun):.0f}")
    finally:
        node.terminate()
        node.wait(timeout=20)
        reader.join()


def _note_fills(node: subprocess.Popen[str], bought: dict[str, float]) -> None:
    """When the node said of each position, by the end of its id, that the venue filled it."""
    assert node.stdout is not None
    for line in node.stdout:
        words = line.split()
        if "bought" in words:
            bought.setdefault(words[words.index("bought") - 1], time.perf_counter())


def _request(max_bid: str) -> bytes:
    fields = {"command": "submit", "market": "m-0", "outcome": "Yes"}
    return json.dumps(fields | {"max_bid": max_bid, "size": "10"}).encode()


def _delays(spool: Spool, bought: dict[str, float]) -> None:
    """Requests one by one, at prices that are filled at once."""
    replied, filled_after = [], []
    for _ in range(100):
        begun = time.perf_counter()
        command_id = spool.put(_request("0.60"))
        _wait(lambda i=command_id: spool.read_reply(i))
        replied.append((time.perf_counter() - begun) * 1e3)
        _wait(lambda i=command_id: bought.get(i[-8:]))
        filled_after.append((bought[command_id[-8:]] - begun) * 1e3)
    print("from submit (ms; files are looked for every 100 ms)")
    for name, taken in (("the reply", replied), ("the order at the venue, filled", filled_after)):
        p50, p99 = statistics.median(taken), sorted(taken)[98]
        print(f"  to {name}: p50 {p50:.0f}, p99 {p99:.0f}")


def _wait(is_there: Callable[[], object]) -> None:
    while is_there() is None:
        time.sleep(0.001)


def copies(folder: Path) -> None:
    """What a published copy costs as the history grows, against a bare file with one row."""
    begun = time.perf_counter()
    for n in range(10):
        path = folder / f"bare-{n}.duckdb"
        with duckdb.connect(str(path)) as bare:
            bare.execute("CREATE TABLE t AS SELECT 1")
    base = (time.perf_counter() - begun) / 10
    print(f"a DuckDB file with one row: {base * 1e3:.1f} ms; the published copy with a history of")
    state = folder / "copies"
    state.mkdir()
    store = Store(state / "positions.duckdb", lambda f: f(), print)
    about = NodeRow(mode="replay", pid=1, started_at=0, catalog="c", is_synthetic=True)
    copier = Copier(state, store.cursor, Desk(LIMITS), lambda: D(0), lambda: 0, about, list)
    told = events = 0
    for size in (100, 1000, 3000):
        while told < size:
            world = World(told)
            world.commands = told * 1000
            world.live(rounds=40)
            told += 1
            events += len(world.steps)
            for step in world.steps:
                store.step(step)
        store.flush()
        begun = time.perf_counter()
        for _ in range(5):
            copier.publish(1)
            assert copier._thread is not None
            copier._thread.join()
        cost = (time.perf_counter() - begun) / 5
        print(f"  {told:>5} lives, {events:>6} events: {cost * 1e3:6.1f} ms  x{cost / base:.1f}")
    store.close()


def commits(folder: Path) -> None:
    """What a commit costs, against one row in a bare DuckDB table."""
    bare = duckdb.connect(str(folder / "bare.duckdb"))
    bare.execute("CREATE TABLE t (a TEXT, b BIGINT)")
    begun = time.perf_counter()
    for n in range(50):
        bare.execute("INSERT INTO t VALUES (?, ?)", ["x", n])
    base = (time.perf_counter() - begun) / 50
    print(f"one row, one commit, bare DuckDB: {base * 1e3:.2f} ms")
    steps = _steps()
    store = Store(folder / "s.duckdb", lambda f: f(), print)
    for size in (1, 10, 100):
        begun = time.perf_counter()
        for n in range(30):
            for k in range(size):
                store.step(steps[(n * size + k) % len(steps)])
            store.flush()
        cost = (time.perf_counter() - begun) / 30
        print(f"  {size:>3} steps a commit: {cost * 1e3:6.2f} ms  x{cost / base:.1f}")
    store.close()


def _steps() -> list[Step]:
    stage, steps = Stage(), []
    turn = stage.desk.turn

    def kept(now: int) -> list[Any]:
        effects = turn(now)
        steps.extend(e for e in effects if isinstance(e, Step))
        return effects

    stage.desk.turn = kept  # type: ignore[method-assign]
    for cue in (quote("0.5", "0.56"), submit(), filled(Role.ENTRY, "30", "0.55")):
        cue(stage)
    return steps


def starts(folder: Path, counts: list[int]) -> None:
    """What a start reads, by how many positions are over: seconds, and what the process grew."""
    stage = Stage()
    kept = _steps()
    for count in (c for c in counts if c):
        path = folder / f"start-{count}.duckdb"
        store = Store(path, lambda f: f(), print)
        for n in range(count):
            position_id = f"0190b5a2-7a3f-7c3e-8c3e-{n:012}"
            for step in kept:
                over = replace(
                    step.position,
                    id=position_id,
                    orders=(),
                    sold=step.position.bought,
                    entry_ended=EntryEnd.COMPLETE,
                    phase=Phase.CLOSED,
                )
                store.step(Step(over, step.fact))
        store.close()
        before = _resident()
        begun = time.perf_counter()
        store = Store(path, lambda f: f(), print)
        stage.desk.load(store.open_positions(), halted=False)
        for read in (store.signed_orders, store.commands, store.account_entries):
            read()
        seconds = time.perf_counter() - begun
        grown = _resident() - before
        store.close()
        size = path.stat().st_size / 1e6
        print(f"start with {count:>5} positions over: {seconds:.3f} s, +{grown} kB, {size:.1f} MB")


def _resident() -> int:
    """Memory of this process, in kB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


KINDS: dict[str, dict[str, str]] = {
    "plain": {},
    "trailing": {"trail": "0.10"},
    "confirmed": {"stop_confirm": "3s"},
    "size-weighted": {"trigger": "size"},
}


def stops(count: int) -> None:
    """What a quote costs the desk with so many positions of one market, by the kind of stop."""
    print(f"cost per quote of the desk alone (µs), {count} positions, ratio to plain stops")
    plain = 0.0
    for kind, terms in KINDS.items():
        rng = random.Random(1)
        desk = _protected(count, terms)
        (m,) = desk.markets.values()
        for n in range(2_100):
            if n <= 100:  # by then every trailing stop stands where it stays
                begun = time.perf_counter()
            bid = D(rng.randint(50, 53)) / 100
            m.show(bid, D(100_000), bid + D("0.01"), D(rng.randint(1, 10)), n)
            desk.viewed(m.outcome_id)
            if desk.has_work:
                desk.turn(n)
        cost = (time.perf_counter() - begun) / 2_000
        plain = plain or cost
        print(f"  {kind:>13}: {cost * 1e6:7.1f}  x{cost / plain:.1f}")


def _protected(count: int, terms: dict[str, str]) -> Desk:
    """A desk whose positions are all bought."""
    desk = Desk(replace(LIMITS, max_total_stake=D(10**9)), cash=D(10**9), strict=True)
    desk.list_market(market())
    for n in range(count):
        fields = {"command": "submit", "id": str(UUID(int=n)), "market": "rain-in-london"}
        asked = {"outcome": "Yes", "max_bid": "0.60", "size": "10", "stop": f"0.{20 + n % 25}"}
        desk.command(from_fields(fields | asked | terms))
    for act in [e for e in desk.turn(0) if isinstance(e, Act) and isinstance(e.intent, Send)]:
        order = act.intent.order
        filled = OrderFilled(
            time=0,
            order_id=order.id,
            trade_id=order.id,
            role=order.role,
            price=order.price,
            shares=order.shares,
            fee=D(0),
            liquidity="maker",
        )
        desk.fact(act.position.id, filled)
    desk.turn(0)
    return desk


def main() -> None:
    """Run every part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", default="0,100,1000,10000")
    counts = [int(n) for n in parser.parse_args().positions.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stops(1_000)
        commits(folder)
        starts(folder, [10, *counts])
        copies(folder)
        answers(folder)
        recording_speed(folder)
        backtest_speed(folder)
        bench_live()
        cost_per_quote(folder, counts)


if __name__ == "__main__":
    main()
