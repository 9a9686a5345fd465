"""Wires one node: settings in, a TradingNode with its actors, strategy and venue, exit code out."""

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from nautilus_trader.common.component import Clock, sync_logger_to_disk

from actors.alarm_bell import AlarmBell
from actors.cache_purge import CachePurge
from actors.clock_watch import ClockWatch
from actors.command_reader import CommandReader
from actors.console import Console
from actors.failure_reporter import FailureReporter
from actors.journal import NodeJournal
from actors.log_keeper import LogKeeper
from actors.price_cross import PriceCrossActor
from actors.publisher import Publisher
from actors.watchdog import Watchdog
from bridge.aside import Worker
from bridge.live_node import NotStarted, drive, make_node
from modes import LiveMode, PaperMode, Play, ReplayMode, RunMode
from positions.engine.engine import Engine
from positions.model.errors import PolybracketError, in_words
from positions.operations import logs
from positions.operations.console import Terminal, open_missing
from positions.operations.core_dumps import forbid_core_dumps
from positions.operations.loop_watch import NO_MEMORY_CODE
from positions.operations.malloc_arenas import share_heaps
from positions.operations.settings import Settings, load
from positions.operations.wallet import environment, wallet
from positions.storage.locks import StateLock, WalletLock
from positions.storage.patience import ends_within
from positions.storage.pulse import Pulse
from positions.storage.resume import prepare, sign
from positions.storage.snapshot import NodeRow, SnapshotWriter
from positions.storage.spool import Spool
from recordings.journal import Journal
from recordings.recorder import Recorder
from strategies.position_manager import PositionManagerStrategy
from strategies.resume import Resume
from strategies.stop_holder import StopHolder
from venues.spare import leave_positions_alone

THREADS = 64
"""Requests to the venue that may be in flight at once."""
_ANSWER_SECONDS = 5.0
"""How long a stop waits for the last replies to be written."""
_DISK_SECONDS = 15.0
"""How long it waits for a disk that takes nothing of what is to be recorded; all its waits together
are shorter than the 60 s after which systemd kills it."""


def run(settings: Settings, *, fresh: bool = False) -> int:
    """Run a node until its data ends or it is stopped; returns the exit code."""
    forbid_core_dumps()
    with Terminal() as terminal:
        return _run(settings, terminal, fresh=fresh)


def _run(settings: Settings, terminal: Terminal, *, fresh: bool) -> int:
    if settings.mode == "backtest":
        terminal.warn("polybracket: mode was backtest, is run by `polybracket backtest`")
        return 2
    if settings.mode == "live" and not settings.really_trade:
        rule = (
            "must be allowed by --yes-really-trade, or by really_trade = true: it trades with money"
        )
        terminal.warn(f"polybracket: mode was live, {rule}")
        return 2
    share_heaps()
    os.umask(0o077)  # whatever writes here, also Nautilus and DuckDB, writes for its owner
    try:
        with StateLock(settings.state_dir, settings.mode), _wallet_lock(settings):
            return Node(settings, fresh=fresh, terminal=terminal).run()
    except PolybracketError as e:
        terminal.warn(f"polybracket: {in_words(e)}")
        return e.node_exit_code
    except OSError as e:
        terminal.warn(f"polybracket: {in_words(e)}")
        return 1


def _wallet_lock(settings: Settings) -> AbstractContextManager[object]:
    """The lock that keeps a second node of this machine from the same wallet."""
    live = settings.mode == "live"
    return WalletLock(wallet(environment()).funder) if live else nullcontext()


class Node:
    """One node and what it is made of.

    Parameters
    ----------
    settings
        Its settings.
    keys
        Where the wallet's keys are, for a live node; None = the process' environment.
    fresh
        Put an earlier record aside.
    terminal
        Where it prints; None = the process' own.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
        terminal: Terminal | None = None,
    ) -> None:
        self._settings = settings
        self._has_own_terminal = terminal is None
        self._terminal = terminal or Terminal()
        self._state = state = settings.state_dir
        logs.prune(state / "logs")
        mode = self._mode = self._make_mode(keys)
        cursor = prepare(state, settings.mode, mode.source, fresh=fresh)
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        # One slow call to the venue must never keep an exit waiting for a thread.
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="venue"))
        self._disk = Worker("disk", loop)
        self._node = make_node("POLYBRACKET-001", loop, state / "logs" / "node", *mode.clients())
        clock = mode.clock or self._node.kernel.clock
        msgbus = self._node.kernel.msgbus
        journal = self._journal = NodeJournal(state, loop, msgbus, clock)
        self.store = journal.store
        sign(self.store, settings.mode, mode.source)
        mode.restore(self.store, cursor)
        engine = Engine(settings.rules(), settings.account.cash)
        self.strategy = PositionManagerStrategy(engine, journal, mode.clock)
        journal.on_record = self.strategy.record_changed
        self._resume = Resume(
            self.strategy, self.store, journal.logged, mode, journal.market_missing
        )
        self._pulse = Pulse(self.strategy.undecided)
        self._snapshots = self._make_snapshots(clock)
        command = settings.alarms.command
        self._failures = FailureReporter(
            journal, self._terminal, state / "logs", loop, self._disk, command
        )
        self._watch = self._failures.watch(self._pulse, settings.safety.restart_seconds)
        self._reader = CommandReader(
            Spool(state),
            self.store.commands(),
            journal.refused,
            mode.clock,
            lambda: not self.store.failure,
            self._disk,
        )

    def _make_mode(self, keys: Mapping[str, str] | None) -> RunMode:
        match self._settings.mode:
            case "replay":
                return ReplayMode(self._settings)
            case "paper":
                return PaperMode(self._settings)
            case _:
                own = wallet(environment() if keys is None else keys)
                return LiveMode(self._settings, own, lambda *a: self.strategy.signed(*a))

    def _make_snapshots(self, clock: Clock) -> SnapshotWriter:
        about = NodeRow(
            mode=self._settings.mode,
            pid=os.getpid(),
            started_at=time.time_ns(),
            catalog=self._mode.catalog,
            is_synthetic=self._mode.is_synthetic,
        )
        return SnapshotWriter(
            self._state,
            self.store.cursor,
            self.strategy.engine,
            self._mode.redeemable,
            clock.timestamp_ns,
            about,
            self._journal.open_alarms,
            self._pulse,
        )

    def _build(self) -> None:
        trader, settings, clock = self._node.trader, self._settings, self._mode.clock
        threads = [self.store.thread, self._watch.thread]
        actors = [Console(self._terminal.say), self._reader, Publisher(self._snapshots.publish)]
        if self._failures.bell is not None:
            threads.append(self._failures.bell.thread)
            actors.append(AlarmBell(self._failures.bell))
        actors += [LogKeeper(), Watchdog(self._pulse, threads, self._journal.thread_ended)]
        if settings.mode != "replay":  # which has a time of its own
            actors.append(ClockWatch(self._journal.clock_jumped))
        if settings.record.catalog:
            catalog = Path(settings.record.catalog)
            actors.append(Recorder(catalog, Journal(catalog), self._journal.recording_failed))
        known_ids = self.store.commands()
        actors += [PriceCrossActor(s, known_ids.__contains__, clock) for s in settings.signals]
        actors.append(CachePurge(self.strategy.engine, clock))
        for actor in actors:
            trader.add_actor(actor)
        trader.add_exec_algorithm(StopHolder(clock))
        trader.add_strategy(self.strategy)
        self._node.build()
        leave_positions_alone(self._node.kernel)
        self.strategy.search.finder = self._mode.finder()
        self.strategy.holdings = self._mode.holdings()
        self._mode.watch(self.strategy.engine)

    def run(self, play: Play | None = None) -> int:
        """Run it for as long as `play` lasts, by default its mode's; returns the exit code."""
        hook, threading.excepthook = threading.excepthook, self._failures.on_thread_error
        self._watch.start()
        try:
            self._terminal.say(self._mode.greeting(self.store.known_orders()))
            self._build()
            code = int(self._loop.run_until_complete(self._drive(play or self._mode.play)))
            return code if self._is_on_disk() else 1
        except MemoryError:
            why = "no memory is left; the node ends, to be started anew"
            self._failures.end(NO_MEMORY_CODE, why)
            raise
        finally:
            self._watch.judges_loop = False
            if self._failures.bell is not None:
                self._failures.bell.close()
            answers = self.store.close(_DISK_SECONDS)
            answers &= self._disk.close(_ANSWER_SECONDS)
            self._loop.run_until_complete(self._mode.close())
            self._node.dispose()
            if not (answers and ends_within(_ANSWER_SECONDS, sync_logger_to_disk)):
                self._terminal.warn("polybracket: the disk does not answer; the log may lack lines")
            self._watch.stop()
            threading.excepthook = hook
            if self._has_own_terminal:
                self._terminal.close()

    def _is_on_disk(self) -> bool:
        """Whether the disk has taken all that is to be recorded; warns of what it has not."""
        is_flushed = self.store.flush(_ANSWER_SECONDS)
        if lost := self.store.pending:
            why = self.store.failure or "the disk does not answer"
            self._terminal.warn(f"polybracket: {lost} records could not be written: {why}")
        if not (is_flushed and self._snapshots.publish_last(_DISK_SECONDS)):
            text = "the disk does not answer; `status` and `show` read an older copy of the record"
            self._terminal.warn(f"polybracket: {text}")
        return not lost

    def _is_idle(self) -> bool:
        return self.strategy.is_idle

    async def _drive(self, play: Play) -> int:
        try:
            await drive(self._node, self._prepare, partial(self._play, play), self._finish)
        except NotStarted:
            log = self._state / "logs"
            self._terminal.warn(f"polybracket: the node did not come up; {log} says why")
            return 1
        return 0

    async def _prepare(self) -> None:
        await self._resume.run()
        await self._mode.prepare(self._node, self._is_idle)
        self._watch.judges_loop = self._settings.mode != "replay"  # which may read for long
        self._reading = self._loop.create_task(self._reader.begin())

    async def _play(self, play: Play) -> None:
        if self._mode.clock is not None:  # waiting commands come before the first of the data
            await self._reading
        await play(self._node, self._is_idle)

    async def _finish(self, has_ended: bool) -> None:
        """Wait until what happened is recorded and replied to, while the disk goes on."""
        self._terminal.say(self._mode.farewell if has_ended else "stopping")
        left, until = 0, 0.0
        while (pending := self.store.pending) and not self.store.failure:
            if pending != left:
                left, until = pending, self._loop.time() + _DISK_SECONDS
            elif self._loop.time() > until:
                break
            await asyncio.sleep(0.01)
        until = self._loop.time() + _ANSWER_SECONDS
        await asyncio.sleep(0.01)
        while self._reader.has_answers and self._loop.time() < until:
            await asyncio.sleep(0.01)


def main() -> int:
    """Run the node that a configuration file describes."""
    open_missing()
    parser = argparse.ArgumentParser(description="Run a polybracket node in the foreground.")
    parser.add_argument("--config", type=Path, required=True, help="a TOML file, see config/")
    parser.add_argument("--catalog", help="replay this catalog")
    parser.add_argument("--speed", help='market seconds per second, or "max"')
    parser.add_argument("--state", help="the folder of the node's record")
    parser.add_argument("--fresh", action="store_true", help="put an earlier record aside")
    parser.add_argument(
        "--yes-really-trade", action="store_true", help="let a live node trade with money"
    )
    options = parser.parse_args()
    try:
        settings = load(
            options.config,
            catalog=options.catalog,
            speed=options.speed,
            state=options.state,
            really_trade=options.yes_really_trade,
        )
    except PolybracketError as e:
        print(f"polybracket: {in_words(e)}", file=sys.stderr)
        return e.node_exit_code
    try:
        return run(settings, fresh=options.fresh)
    except Exception as e:
        details = logs.try_to_note(settings.state_dir / "logs", e)
        print(f"polybracket: {in_words(e, details)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
