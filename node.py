"""Runs one node: settings in, a TradingNode with its actors, strategy and venue, exit code out."""

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from nautilus_trader.common.component import Clock, sync_logger_to_disk
from nautilus_trader.config import (
    CacheConfig,
    LiveDataEngineConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode

from actors.alarm_bell import AlarmBell
from actors.cache_purge import Forgetter
from actors.clock_watch import ClockWatch
from actors.command_reader import CommandReader
from actors.console import Narrator
from actors.journal import NodeJournal
from actors.log_keeper import LogKeeper
from actors.price_cross import PriceCrossActor
from actors.publisher import Publisher
from actors.watchdog import Watchdog
from bridge.aside import Worker
from bridge.boundary import tell
from bridge.venue import VENUE
from modes import (
    Ground,
    LiveGround,
    PaperGround,
    Play,
    ReplayGround,
)
from positions.engine.engine import Engine
from positions.engine.recovery import Said, SignedOrder, recover
from positions.model.errors import PolybracketError, in_words
from positions.model.position import Position
from positions.operations import logs
from positions.operations.bell import Bell
from positions.operations.console import Terminal, open_missing
from positions.operations.core_dumps import forbid_core_dumps
from positions.operations.loop_watch import NO_MEMORY_CODE, LoopWatch
from positions.operations.malloc_arenas import share_heaps
from positions.operations.settings import Settings, load
from positions.operations.wallet import environment, wallet
from positions.storage import submit_log
from positions.storage.locks import StateLock, WalletLock
from positions.storage.patience import ends_within
from positions.storage.pulse import Pulse
from positions.storage.resume import Left, prepare, sign
from positions.storage.snapshot import NodeRow, SnapshotWriter
from positions.storage.spool import Spool
from positions.storage.store import Store
from positions.storage.submit_log import SentLog
from recordings.journal import Journal
from recordings.recorder import Recorder
from strategies.position_manager import PositionManagerStrategy
from strategies.stop_holder import StopHolder
from venues.spare import leave_positions_alone

THREADS = 64
"""Requests to the venue that may be under way at once."""
_START_PATIENCE = 800
"""Looks, each after 50 ms, at whether the node has come up."""
_TICKS_KEPT = 10
_FIND_AGAIN_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
"""So long the end of a node waits for the disk to take its last answers."""
_DISK_SECONDS = 15.0
"""So long it waits for a disk that takes nothing of what is to be recorded; all its waits together
are shorter than the 60 s after which systemd kills it."""


def run(settings: Settings, *, fresh: bool = False) -> int:
    """Run a node until its data ends or it is told to stop; returns the exit code."""
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
    """What keeps a second node of this machine from the same wallet."""
    live = settings.mode == "live"
    return WalletLock(wallet(environment()).funder) if live else nullcontext()


class Node:
    """One node and what it is made of.

    Parameters
    ----------
    settings
        What it is to be.
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
        self._keys = keys
        self._state = settings.state_dir
        logs.prune(self._state / "logs")
        self._ground = self._make_ground()
        source = self._ground.source
        cursor = prepare(self._state, settings.mode, source, fresh=fresh)
        loop = self._loop = self._make_loop()
        self._node = TradingNode(config=_config(settings, self._ground), loop=loop)
        # One slow call to the venue must never keep an exit waiting for a thread.
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="venue"))
        now = (clock := self._ground.clock) or self._node.kernel.clock
        journal = self._journal = NodeJournal(self._node.kernel.msgbus, now)
        record = self._state / "positions.duckdb"
        self.store = Store(record, self._on_loop, journal.store_failed)
        self.store.on_set_aside = journal.set_aside
        sign(self.store, settings.mode, source)
        self._ground.restore(self.store, cursor)
        journal.store = self.store
        log = self._state / "sent.log"
        self._logged = [
            SignedOrder(s.order_id, s.venue_order_id, order=s.order) for s in submit_log.read(log)
        ]
        self._recorded: set[str] = set()
        """The positions that an earlier process left."""
        self._signed: list[SignedOrder] = []
        """What it may have posted; what this process posts must not be taken for it."""
        self._late: set[asyncio.Task[None]] = set()
        journal.sent = SentLog(log)
        self.strategy = PositionManagerStrategy(
            Engine(settings.rules(), settings.account.cash), journal, clock
        )
        journal.on_record = self.strategy.record_changed
        self._reader = self._make_reader(clock)
        self._pulse = Pulse(self.strategy.undecided)
        self._copier = self._make_copier(now.timestamp_ns)
        self._bell = self._make_bell()
        self._watch = self._make_watch()

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._on_error)
        self._disk = Worker("disk", loop.call_soon_threadsafe)
        return loop

    def _on_loop(self, call: Callable[..., None], *values: object) -> None:
        """Have something done by the event loop, from any thread, unless it has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *values)

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note an error of a callback, or of a task that nobody awaits, and go on."""
        error = context.get("exception") or RuntimeError(context["message"])
        folder = self._state / "logs"
        self._journal.unforeseen(error, folder / logs.ERRORS)
        self._disk(partial(logs.try_to_note, folder, error), lambda _: None)

    def _make_bell(self) -> Bell | None:
        command = self._settings.alarms.command
        failed = partial(self._on_loop, self._journal.bell_failed)
        return Bell(command, failed) if command else None

    def _make_watch(self) -> LoopWatch:
        patience = self._settings.safety.restart_seconds
        return LoopWatch(self._pulse, self._on_stuck, self._end, patience)

    def _make_reader(self, clock: Clock | None) -> CommandReader:
        return CommandReader(
            Spool(self._state),
            self.store.commands(),
            self._journal.refused,
            clock,
            lambda: not self.store.failure,
            self._disk,
        )

    def _on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        """Note an error that ended a thread, and tell it."""
        error = args.exc_value or args.exc_type()
        self._on_loop(self._journal.unforeseen, error, logs.note_error(self._state / "logs", error))

    def _on_stuck(self, what: str) -> None:
        """Tell that the loop stands, from beside it: what the loop is to tell comes too late."""
        self._on_loop(self._journal.stood, what)
        if not what:
            return
        if self._bell is not None:
            self._bell.ring(what, "stuck")
        self._terminal.warn(f"ALARM: {what}")
        with suppress(OSError):
            logs.note_text(self._state / "logs", "\n  ".join([what, *self._watch.where()]))

    def _end(self, code: int, why: str) -> None:
        """End the process at once: what matters is on disk, and the next one goes on."""
        with suppress(Exception):
            if self._bell is not None:
                self._bell.ring(why, "end")
        with suppress(Exception):
            self._terminal.warn(f"polybracket: {why}")
            self._terminal.err.wait(1.0)
        with suppress(Exception):
            if self._bell is not None:
                self._bell.close(5.0)
        os._exit(code)

    def _make_copier(self, now: Callable[[], int]) -> SnapshotWriter:
        about = NodeRow(
            mode=self._settings.mode,
            pid=os.getpid(),
            started_at=time.time_ns(),
            catalog=self._ground.catalog,
            is_synthetic=self._ground.is_synthetic,
        )
        return SnapshotWriter(
            self._state,
            self.store.cursor,
            self.strategy.engine,
            self._ground.redeemable,
            now,
            about,
            self._journal.open_alarms,
            self._pulse,
        )

    def _make_ground(self) -> Ground:
        match self._settings.mode:
            case "replay":
                return ReplayGround(self._settings)
            case "paper":
                return PaperGround(self._settings)
            case _:
                own = wallet(environment() if self._keys is None else self._keys)
                return LiveGround(self._settings, own, lambda *a: self.strategy.signed(*a))

    def run(self, play: Play | None = None) -> int:
        """Run it for as long as `play` lasts, by default its ground's; returns the exit code."""
        hook, threading.excepthook = threading.excepthook, self._on_thread_error
        self._watch.start()
        try:
            self._terminal.say(self._ground.greeting(self.store.known_orders()))
            self._build()
            code = int(self._loop.run_until_complete(self._drive(play or self._ground.play)))
            return code if self._left_on_disk() else 1
        except MemoryError:
            self._end(NO_MEMORY_CODE, "no memory is left; the node ends, to be started anew")
            raise
        finally:
            self._watch.judges_loop = False
            if self._bell is not None:
                self._bell.close()
            answers = self.store.close(_DISK_SECONDS)
            answers &= self._disk.close(_ANSWER_SECONDS)
            self._loop.run_until_complete(self._ground.close())
            self._node.dispose()
            if not (answers and ends_within(_ANSWER_SECONDS, sync_logger_to_disk)):
                self._terminal.warn("polybracket: the disk does not answer; the log may lack lines")
            self._watch.stop()
            threading.excepthook = hook
            if self._has_own_terminal:
                self._terminal.close()

    def _left_on_disk(self) -> bool:
        """Whether the disk has taken all that it is to keep; what it has not is told."""
        is_flushed = self.store.flush(_ANSWER_SECONDS)
        if lost := self.store.pending:
            why = self.store.failure or "the disk does not answer"
            self._terminal.warn(f"polybracket: {lost} records could not be written: {why}")
        if not (is_flushed and self._copier.publish_last(_DISK_SECONDS)):
            text = "the disk does not answer; `status` and `show` read an older copy of the record"
            self._terminal.warn(f"polybracket: {text}")
        return not lost

    def _build(self) -> None:
        trader = self._node.trader
        publisher = Publisher(self._copier.publish)
        threads = [self.store.thread, self._watch.thread]
        if self._bell is not None:
            threads.append(self._bell.thread)
        watchdog = Watchdog(self._pulse, threads, self._journal.thread_ended)
        narrator = Narrator(self._terminal.say)
        for actor in (narrator, self._reader, publisher, LogKeeper(), watchdog):
            trader.add_actor(actor)
        if self._settings.mode != "replay":  # which has a time of its own
            trader.add_actor(ClockWatch(self._journal.clock_jumped))
        if self._bell is not None:
            trader.add_actor(AlarmBell(self._bell))
        if self._settings.record.catalog:
            catalog = Path(self._settings.record.catalog)
            trader.add_actor(Recorder(catalog, Journal(catalog), self._journal.recording_failed))
        known = self.store.commands()
        for signal in self._settings.signals:
            trader.add_actor(PriceCrossActor(signal, known.__contains__, self._ground.clock))
        trader.add_actor(Forgetter(self.strategy.engine, self._ground.clock))
        trader.add_exec_algorithm(StopHolder(self._ground.clock))
        trader.add_strategy(self.strategy)
        self._ground.attach(self._node)
        self._node.build()
        leave_positions_alone(self._node.kernel)
        self.strategy.search.finder = self._ground.finder()
        self.strategy.holdings = self._ground.holdings()
        self._ground.watch(self.strategy.engine)

    def _is_idle(self) -> bool:
        return self.strategy.is_idle

    async def _take_over(self) -> None:
        """Go on with the positions that an earlier process left, before any command is taken."""
        opened, over = self.store.open_positions(), self.store.lately_over()
        self._recorded = {p.id for p in (*opened, *over)}
        self._signed = [*self.store.signed_orders(), *self._logged]
        self.strategy.load(halted=self.store.setting("halted") == "yes")
        known = await self.strategy.search.find(dict.fromkeys(p.market_id for p in opened))
        await self._go_on([p for p in opened if p.market_id in known])
        late = [p for p in opened if p.market_id not in known]
        for market_id in dict.fromkeys(p.market_id for p in late):
            ours = [p for p in late if p.market_id == market_id]
            self._aside(self._go_on_later(market_id, ours))
        if over:
            self._aside(self._look_at(over))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)  # what went wrong is told once nobody has it

    async def _look_at(self, over: list[Position]) -> None:
        """Those that are over must keep neither stops from being armed nor commands from acting."""
        known = await self.strategy.search.find(dict.fromkeys(p.market_id for p in over))
        await self._go_on([p for p in over if p.market_id in known])

    async def _go_on(self, positions: list[Position]) -> None:
        now = self.strategy.clock.timestamp_ns()
        left = Left(positions, self._signed, self._recorded - {p.id for p in positions})
        try:
            found = await self._ground.recover(left, now)
        except Exception as e:  # as if the venue had said nothing: they are protected all the same
            tell(e)
            found = recover(positions, self._signed, Said(), now, left.others)
        for error in found.errors:
            tell(error)
        adopted = self.strategy.take_over(positions, found.events, self._ground.payouts())
        self._ground.adopt(adopted)

    async def _go_on_later(self, market_id: str, positions: list[Position]) -> None:
        """One market that cannot be found now must not keep the others' stops from being armed."""
        while not await self.strategy.search.find([market_id]):
            self._journal.market_missing(positions[0].market, is_open=True)
            await asyncio.sleep(_FIND_AGAIN_SECONDS)
        self._journal.market_missing(positions[0].market, is_open=False)
        await self._go_on(positions)

    async def _drive(self, play: Play) -> int:
        """Start the node, trade to the end of `play` or to Ctrl-C, and stop the node."""
        running = asyncio.ensure_future(self._node.run_async())
        for _ in range(_START_PATIENCE):
            if self._node.trader.is_running or running.done():
                break
            await asyncio.sleep(0.05)
        if not self._node.trader.is_running:
            logged = self._state / "logs"
            self._terminal.warn(f"polybracket: the node did not come up; {logged} says why")
            await self._node.stop_async()
            return 1
        await self._take_over()
        await self._ground.begin(self._node, self._is_idle)
        self._watch.judges_loop = self._settings.mode != "replay"  # which may read for long
        reading = self._loop.create_task(self._reader.begin())
        if self._ground.clock is not None:  # what waits is heard before the first of the data
            await asyncio.wait({reading, running}, return_when=asyncio.FIRST_COMPLETED)
        playing = asyncio.ensure_future(play(self._node, self._is_idle))
        await asyncio.wait({playing, running}, return_when=asyncio.FIRST_COMPLETED)
        has_ended = playing.done()
        if has_ended:
            self._terminal.say(self._ground.farewell)
        else:
            self._terminal.say("stopping")
            playing.cancel()
        await self._recorded_all()
        await self._answered()
        if has_ended:
            await self._node.stop_async()
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

    async def _recorded_all(self) -> None:
        """Wait for what is being written, which is still to be answered, while the disk goes on."""
        left, until = 0, 0.0
        while (pending := self.store.pending) and not self.store.failure:
            if pending != left:
                left, until = pending, self._loop.time() + _DISK_SECONDS
            elif self._loop.time() > until:
                return
            await asyncio.sleep(0.01)

    async def _answered(self) -> None:
        """Wait until what is recorded is answered, if the disk does not take too long."""
        until = self._loop.time() + _ANSWER_SECONDS
        await asyncio.sleep(0.01)
        while self._reader.has_answers and self._loop.time() < until:
            await asyncio.sleep(0.01)


def _config(settings: Settings, ground: Ground) -> TradingNodeConfig:
    data_client, exec_client = ground.clients()
    return TradingNodeConfig(
        trader_id="POLYBRACKET-001",
        logging=LoggingConfig(
            log_level="ERROR",
            log_level_file="WARNING",
            log_directory=str(settings.state_dir / "logs"),
            log_file_name="node",
            log_file_max_size=logs.FILE_BYTES,
            log_file_max_backup_count=logs.FILES_PER_RUN,
            log_colors=False,
            fileout_sync_on_flush=False,
        ),
        # Nautilus keeps the last 10,000 quotes and trades of each outcome; nobody reads them.
        cache=CacheConfig(tick_capacity=_TICKS_KEPT),
        data_engine=LiveDataEngineConfig(qsize=1_000_000),
        # Nautilus' own checks deny bursts of exits, and sells when fully invested.
        risk_engine=LiveRiskEngineConfig(bypass=True, qsize=1_000_000),
        # The execution client asks the venue itself: Nautilus' own checks infer fills without fees.
        exec_engine=LiveExecEngineConfig(
            reconciliation=False, inflight_check_interval_ms=0, qsize=1_000_000
        ),
        data_clients={VENUE.value: data_client},
        exec_clients={VENUE.value: exec_client},
        timeout_connection=20,
        timeout_post_stop=0.1,
        timeout_disconnection=2,
    )


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
    given = parser.parse_args()
    try:
        settings = load(
            given.config,
            catalog=given.catalog,
            speed=given.speed,
            state=given.state,
            really_trade=given.yes_really_trade,
        )
    except PolybracketError as e:
        print(f"polybracket: {in_words(e)}", file=sys.stderr)
        return e.node_exit_code
    try:
        return run(settings, fresh=given.fresh)
    except Exception as e:
        details = logs.try_to_note(settings.state_dir / "logs", e)
        print(f"polybracket: {in_words(e, details)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
