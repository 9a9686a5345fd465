"""Wires one node: settings in, a TradingNode with its actors, strategy and venue, exit code out."""

import asyncio
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from nautilus_trader.common.component import Clock, flush_logger

from actors.alarm_bell import AlarmBell
from actors.cache_purge import CachePurge
from actors.clock_watch import ClockWatch
from actors.command_reader import CommandReader
from actors.console import Console
from actors.disk_watch import DiskWatch
from actors.ending import Ending
from actors.every_second import EverySecond
from actors.failure_reporter import FailureReporter
from actors.journal import NodeJournal
from actors.notifier import NOTIFY_ALARM, Notifier
from actors.price_cross import PriceCrossActor
from actors.redeem_watch import RedeemWatch
from actors.watchdog import Watchdog
from bridge.aside import Threads, Worker, call_from_thread
from bridge.live_node import NotStarted, drive, make_node
from modes import Play, RunModeError, run_mode
from positions.engine.alarms import unprotected
from positions.engine.engine import Engine
from positions.model.errors import WalletUnreadable
from positions.operations import logs
from positions.operations.console import Terminal, open_missing
from positions.operations.core_dumps import forbid_core_dumps
from positions.operations.loop_watch import NO_MEMORY_CODE
from positions.operations.notifying import bells
from positions.operations.process import (
    lack_of_descriptors,
    run_from_arguments,
    run_locked,
)
from positions.operations.redeeming import redeem
from positions.operations.settings import Settings
from positions.operations.wallet import environment
from positions.storage.bars import BarWriter
from positions.storage.pulse import Pulse
from positions.storage.resume import prepare, sign
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.spool import Spool
from recordings.journal import Journal
from recordings.recorder import Recorder
from strategies.position_manager import PositionManagerStrategy
from strategies.resume import Resume
from strategies.stop_holder import StopHolder
from venues.spare import leave_positions_alone

THREADS = 64
"""Requests to the venue that may be in flight at once."""


def run(settings: Settings, *, fresh: bool = False) -> int:
    """Run a node until its data ends or it is stopped; returns the exit code."""
    forbid_core_dumps()
    with Terminal() as terminal:
        make = partial(Node, settings, fresh=fresh, terminal=terminal)
        return run_locked(settings, terminal.warn, lambda: make().run())


class Node:
    """One node and what it is made of; `keys` are a live wallet's, None = the environment's."""

    def __init__(
        self,
        settings: Settings,
        keys: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
        terminal: Terminal | None = None,
    ) -> None:
        self._settings, self._keys = settings, keys or {}
        self._has_own_terminal = terminal is None
        self._terminal = terminal or Terminal()
        self._state = state = settings.state_dir
        logs.prune(state / "logs")
        mode = self._mode = run_mode(settings, keys, lambda *a: self.strategy.signed(*a))
        cursor = prepare(state, settings.mode, mode.source, fresh=fresh)
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        # One slow call to the venue must never keep an exit waiting for a thread.
        self._threads = Threads(THREADS, "venue")
        loop.set_default_executor(self._threads)
        self._disk = Worker("disk", loop)
        self._node = make_node("POLYBRACKET-001", loop, state / "logs" / "node", *mode.clients())
        kernel = self._node.kernel
        clock = mode.clock or kernel.clock
        journal = self._journal = NodeJournal(state, loop, kernel.msgbus, clock)
        self.store = journal.store
        sign(self.store, settings.mode, mode.source)
        mode.restore(self.store, cursor)
        engine = Engine(settings.rules(), settings.account.cash)
        self.strategy = PositionManagerStrategy(engine, journal, mode.clock)
        journal.on_record = self.strategy.record_changed
        self._pulse = Pulse(self.strategy.undecided)
        self._snapshots = self._make_snapshots(clock)
        self._failures = FailureReporter(
            journal, self._terminal, state / "logs", loop, self._disk, settings.alarms.command
        )
        failed = partial(call_from_thread, loop, partial(journal.helper_failed, NOTIFY_ALARM))
        self._notify_bells = bells(environment(), failed) if settings.notify.events else []
        self._watch = self._failures.watch(self._pulse, settings.safety.restart_seconds)
        self._reader = CommandReader(
            Spool(state),
            self.store.commands(),
            journal.refused,
            mode.clock,
            lambda: not self.store.failure,
            self._disk,
        )
        self._ending = Ending(
            self.store, self._disk, self._reader, self._snapshots, self._terminal.warn
        )

    def _make_snapshots(self, clock: Clock) -> SnapshotWriter:
        mode = self._mode
        about = NodeRow(self._settings.mode, mode.catalog, mode.is_synthetic)
        return SnapshotWriter(
            self._state,
            self.store.cursor,
            self.strategy.engine,
            mode.redeemable,
            clock.timestamp_ns,
            about,
            self._journal.open_alarms,
            self._pulse,
        )

    def _redeem_watch(self) -> RedeemWatch:
        return RedeemWatch(
            partial(redeem, self._settings, self._keys),
            self._mode.redeemable,
            self._terminal.say,
            partial(self._journal.helper_failed, "winnings are not redeemed"),
            self._loop,
        )

    def _build(self) -> None:
        trader, settings, clock = self._node.trader, self._settings, self._mode.clock
        threads = [self.store.thread, self._watch.thread]
        actors = [Console(self._terminal.say), self._reader]
        actors.append(EverySecond("Publisher", self._snapshots.publish))
        books, at = self.strategy.engine.markets.values, clock or self._node.kernel.clock
        actors.append(EverySecond("Bars", BarWriter(self._state, books, at.timestamp_ns).look))
        if self._failures.bell is not None:
            threads.append(self._failures.bell.thread)
            actors.append(AlarmBell(self._failures.bell))
        # Nautilus keeps kilobytes of its log back: that of a node that was killed would lack them.
        actors.append(EverySecond("LogKeeper", flush_logger))
        actors += [Watchdog(self._pulse, threads, self._journal.thread_ended)]
        troubles = {
            "published.duckdb is not written": self._snapshots.trouble,
            "replies/ cannot be written": self._reader.trouble,
            "spool/ is not read": self._disk.trouble,
            "no further thread can be started": self._threads.trouble,
            "no further file can be opened": lack_of_descriptors,
        }
        disk_watch = DiskWatch(troubles, self._journal.helper_failed)
        actors.append(EverySecond("DiskWatch", disk_watch.look))
        if settings.mode != "replay":  # which has a time of its own
            actors.append(ClockWatch(self._journal.clock_jumped))
        if settings.record.catalog:
            catalog = Path(settings.record.catalog)
            actors.append(Recorder(catalog, Journal(catalog), self._journal.recording_failed))
        if settings.redeem.auto and settings.mode == "live":
            actors.append(self._redeem_watch())
        known_ids = self.store.commands()
        actors += [PriceCrossActor(s, known_ids.__contains__, clock) for s in settings.signals]
        if self._notify_bells:
            actors.append(Notifier(self._notify_bells, settings.notify.events, settings.mode))
            threads += [bell.thread for bell in self._notify_bells]
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
        orders, journal = self._mode.earlier_orders(), self._journal
        self._resume = Resume(
            self.strategy, self.store, journal.logged, orders, journal.market_missing
        )

    def run(self, play: Play | None = None) -> int:
        """Run it for as long as `play` lasts, by default its mode's; returns the exit code."""
        hook, threading.excepthook = threading.excepthook, self._failures.on_thread_error
        self._watch.start()
        try:
            self._greet()
            self._build()
            code = int(self._loop.run_until_complete(self._drive(play or self._mode.play)))
            return code if self._ending.is_on_disk() else 1
        except MemoryError:
            why = "no memory is left; the node ends, to be started anew"
            self._failures.end(NO_MEMORY_CODE, why)
            raise
        finally:
            self._watch.watches_loop = False
            for bell in (self._failures.bell, *self._notify_bells):
                if bell is not None:
                    bell.close()
            is_closed = self._ending.close()
            self._loop.run_until_complete(self._mode.close())
            self._node.dispose()
            self._ending.sync_log(is_closed)
            self._watch.stop()
            threading.excepthook = hook
            if self._has_own_terminal:
                self._terminal.close()

    def _greet(self) -> None:
        """Say what is traded; what forbids a node to begin keeps no stop from being armed."""
        try:
            self._terminal.say(self._mode.greeting(self.store.known_orders()))
        except (WalletUnreadable, RunModeError) as e:
            if not self.store.open_positions():
                raise
            if isinstance(e, WalletUnreadable):
                self._journal.wallet_unread(str(e))
            if self._mode.without:
                self._journal.without_dead_man(self._mode.without)
            self._terminal.say(f"{e}; state in {self._state}")

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
        self._journal.tell_open_alarms()
        await self._resume.run()
        await self._mode.prepare(self._node, self._is_idle)
        self._watch.watches_loop = self._settings.mode != "replay"  # which may read for long
        self._reading = self._loop.create_task(self._reader.begin())

    async def _play(self, play: Play) -> None:
        if self._mode.clock is not None:  # waiting commands come before the first of the data
            await self._reading
        await play(self._node, self._is_idle)

    async def _finish(self, has_ended: bool) -> None:
        self._terminal.say(self._mode.farewell if has_ended else "stopping")
        left = "" if has_ended else unprotected(self.strategy.engine.open_positions())
        if left:
            self._failures.warn(left)
        await self._ending.finish()


def main() -> int:
    """Run the node that a configuration file describes."""
    open_missing()
    return run_from_arguments(lambda settings, fresh: run(settings, fresh=fresh))


if __name__ == "__main__":
    sys.exit(main())
