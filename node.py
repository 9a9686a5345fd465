"""Runs one node: settings in, a TradingNode with its actors, strategy and venue, exit code out."""

import argparse
import asyncio
import os
import shutil
import sys
import time
from decimal import Decimal
from pathlib import Path

from nautilus_trader.common.component import TestClock
from nautilus_trader.config import (
    LiveDataClientConfig,
    LiveDataEngineConfig,
    LiveExecClientConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode

from actors.alarm_bell import AlarmBell
from actors.command_reader import CommandReader
from actors.journal import NodeJournal
from actors.narrator import Narrator
from actors.publisher import Publisher
from positions.desk import Desk
from positions.locks import AlreadyRunning, StateLock
from positions.published import Copier, NodeRow
from positions.settings import Settings, SettingsError, load
from positions.spool import Spool
from positions.store import Store, StoreError
from recordings.catalog import Recording
from recordings.importer import RecordingError
from strategies.position_manager import PositionManagerStrategy
from strategies.stop_holder import StopHolder
from venues.matching import SimulatedPolymarket
from venues.replay import Replay, ReplayDataClient, replay_factory
from venues.simulated import simulated_factory

VENUE = "POLYMARKET"


def run(settings: Settings) -> int:
    """Run a node until its data ends or it is told to stop; returns the exit code."""
    try:
        with StateLock(settings.state_dir, settings.mode):
            recording = Recording(Path(settings.replay.catalog))
            _begin_anew(settings.state_dir)
            return _run_replay(settings, recording)
    except (AlreadyRunning, RecordingError, StoreError) as e:
        print(f"polybracket: {e}", file=sys.stderr)
        return 1


def _begin_anew(state: Path) -> None:
    """Put an earlier replay's record aside: a replay begins with its data, not where one ended."""
    earlier = [p for p in (state / "positions.duckdb", state / "published.duckdb") if p.exists()]
    if earlier:
        shelf = state / "earlier" / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        shelf.mkdir(parents=True, exist_ok=True)
        for path in [*earlier, *state.glob("*.duckdb.wal")]:
            shutil.move(path, shelf / path.name)


def _run_replay(settings: Settings, recording: Recording) -> int:
    clock = TestClock()
    clock.set_time(recording.start_ns)
    venue = SimulatedPolymarket(settings.account.cash)
    clients: list[ReplayDataClient] = []
    node = TradingNode(config=_config(settings))
    loop = node.get_event_loop()
    state = settings.state_dir
    journal = NodeJournal(node.kernel.msgbus, clock)
    store = Store(state / "positions.duckdb", loop.call_soon_threadsafe, journal.store_failed)
    try:
        journal.store = store
        desk = Desk(settings.rules(), settings.account.cash)
        strategy = PositionManagerStrategy(desk, journal, clock)
        reader = CommandReader(Spool(state), store.commands(), journal.refused, clock)
        about = NodeRow(
            mode=settings.mode,
            pid=os.getpid(),
            started_at=time.time_ns(),
            catalog=settings.replay.catalog,
            is_synthetic=recording.is_synthetic,
        )
        copier = Copier(
            state, store.cursor, desk, lambda: venue.redeemable, clock.timestamp_ns, about
        )
        for actor in (Narrator(_say), reader, Publisher(copier.publish)):
            node.trader.add_actor(actor)
        if settings.alarms.command:
            node.trader.add_actor(AlarmBell(settings.alarms.command))
        node.trader.add_exec_algorithm(StopHolder(clock))
        node.trader.add_strategy(strategy)
        node.add_data_client_factory(VENUE, replay_factory(recording.instruments, clients.append))
        node.add_exec_client_factory(VENUE, simulated_factory(venue, clock))
        node.build()
        replay = Replay(
            recording.batches(),
            clients[0],
            clock,
            node.kernel,
            lambda: strategy.is_idle,
            settings.replay.pace,
        )
        _say(_greeting(settings, recording))
        code: int = loop.run_until_complete(_drive(node, replay, store))
        store.flush()
        copier.publish_last()
        return code
    finally:
        store.close()
        node.dispose()


async def _drive(node: TradingNode, replay: Replay, store: Store) -> int:
    """Start the node, play the recording to its end or to Ctrl-C, and stop the node."""
    running = asyncio.ensure_future(node.run_async())
    for _ in range(200):
        if node.trader.is_running or running.done():
            break
        await asyncio.sleep(0.05)
    if not node.trader.is_running:
        print("polybracket: the node did not come up; see the log", file=sys.stderr)
        await node.stop_async()
        return 1
    playing = asyncio.ensure_future(replay.run())
    await asyncio.wait({playing, running}, return_when=asyncio.FIRST_COMPLETED)
    has_ended = playing.done()
    if has_ended:
        _say("the recording has ended")
    else:
        playing.cancel()
    while store.pending and not store.failure:
        await asyncio.sleep(0.01)  # what is being written is still to be answered
    await asyncio.sleep(0.01)
    if has_ended:
        await node.stop_async()
    await asyncio.wait({running}, timeout=10)
    await asyncio.gather(playing, return_exceptions=True)
    # Nautilus leaves its actors' idle workers behind; a closed loop would complain of them.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    error = None if playing.cancelled() else playing.exception()
    if error is not None:
        raise error
    return 0


def _config(settings: Settings) -> TradingNodeConfig:
    return TradingNodeConfig(
        trader_id="POLYBRACKET-001",
        logging=LoggingConfig(
            log_level="ERROR",
            log_level_file="WARNING",
            log_directory=str(settings.state_dir / "logs"),
            log_file_name="node",
            log_file_max_size=10_000_000,
            log_colors=False,
        ),
        data_engine=LiveDataEngineConfig(qsize=1_000_000),
        # Nautilus' own checks deny bursts of exits, and sells when fully invested.
        risk_engine=LiveRiskEngineConfig(bypass=True, qsize=1_000_000),
        exec_engine=LiveExecEngineConfig(
            reconciliation=False, inflight_check_interval_ms=0, qsize=1_000_000
        ),
        data_clients={VENUE: LiveDataClientConfig()},
        exec_clients={VENUE: LiveExecClientConfig()},
        timeout_connection=20,
        timeout_post_stop=0.1,
        timeout_disconnection=2,
    )


def _greeting(settings: Settings, recording: Recording) -> str:
    kind = "SYNTHETIC data" if recording.is_synthetic else "recorded data"
    speed = settings.replay.speed
    pace = "as fast as possible" if speed == "max" else f"at {Decimal(speed)}x"
    return f"replaying {kind} {settings.replay.catalog} {pace}; state in {settings.state_dir}"


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Run the node that a configuration file describes."""
    parser = argparse.ArgumentParser(description="Run a polybracket node in the foreground.")
    parser.add_argument("--config", type=Path, required=True, help="a TOML file, see config/")
    parser.add_argument("--catalog", help="replay this catalog")
    parser.add_argument("--speed", help='market seconds per second, or "max"')
    parser.add_argument("--state", help="the folder of the node's record")
    given = parser.parse_args()
    try:
        settings = load(given.config, catalog=given.catalog, speed=given.speed, state=given.state)
    except SettingsError as e:
        print(f"polybracket: {e}", file=sys.stderr)
        return 2
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
