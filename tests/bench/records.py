"""The record: commits, published copies, starts after much history and with much that is open."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
from bench.material import D, configuration, figures, recording, requests, resident, spooled
from msgspec.structs import replace
from stage import LIMITS, Stage, filled, quote, submit
from world import World

from positions.engine.effects import Step
from positions.engine.engine import Engine
from positions.model.position import EntryEnd, Phase, Role
from positions.storage.pulse import Pulse
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import Store


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
    copier = SnapshotWriter(
        state, store.cursor, Engine(LIMITS), lambda: D(0), lambda: 0, about, list, Pulse(int)
    )
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
            copier.publish()
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
    turn = stage.engine.turn

    def kept(now: int) -> list[Any]:
        effects = turn(now)
        steps.extend(e for e in effects if isinstance(e, Step))
        return effects

    stage.engine.turn = kept  # type: ignore[method-assign]
    for cue in (quote("0.5", "0.56"), submit(), filled(Role.ENTRY, "30", "0.55")):
        cue(stage)
    return steps


def starts(folder: Path, counts: Iterable[int] = (10, 100, 1_000, 10_000)) -> None:
    """What a start reads, by how many positions are over: seconds, and what the process grew."""
    stage = Stage()
    kept = _steps()
    for count in counts:
        path = folder / f"start-{count}.duckdb"
        store = Store(path, lambda f: f(), print)
        for n in range(count):
            position_id = f"0190b5a2-7a3f-7c3e-8c3e-{n:012}"
            for step in kept:
                over = replace(
                    step.position,
                    id=position_id,
                    orders=(),
                    sold=step.position.ledger.bought,
                    entry_ended=EntryEnd.COMPLETE,
                    phase=Phase.CLOSED,
                )
                store.step(Step(over, step.event))
        store.close()
        before = resident()
        begun = time.perf_counter()
        store = Store(path, lambda f: f(), print)
        stage.engine.load(store.open_positions(), halted=False)
        for read in (store.signed_orders, store.commands, store.account_entries):
            read()
        seconds = time.perf_counter() - begun
        grown = resident() - before
        store.close()
        size = path.stat().st_size / 1e6
        print(
            f"start with {count:>5} positions over: {seconds:.3f} s, +{grown:.1f} MB, {size:.1f} MB"
        )


def restart(folder: Path) -> None:
    """From the start of a process to the last armed stop, with so many positions left open."""
    catalog = recording(folder, 100, 42_000)
    for count in (0, 100, 1_000):
        state = spooled(folder, requests(count, 100))
        config = configuration(state / "config.toml", "replay")
        where = (str(config), str(catalog), str(state))
        figures(folder, "left", *where)
        found = figures(folder, "again", *where)
        assert found["armed"] == count, found
        times = f"{found['seconds']:.2f} s ({found['cpu']:.2f} s of the processor)"
        print(f"restart, {count:>5} open positions, all armed: {times}, {found['resident']:.0f} MB")
