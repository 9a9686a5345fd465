"""Runs one backtest: settings in, a BacktestNode with its strategy and venue, the outcome out."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from nautilus_trader.backtest.config import BacktestDataConfig, BacktestRunConfig
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig

from actors.equity import EquityRecorder
from actors.notebook import Notebook
from bridge.event_loop import EventLoop, queue_as_live
from bridge.messages import CommandMessage
from positions.commands.age import lapsed
from positions.commands.messages import Command
from positions.engine.engine import Engine
from positions.model.durations import SECOND
from positions.operations.settings import Settings
from positions.research.backtest_result import Outcome, outcome
from recordings.catalog import Recording
from recordings.reading.values import RecordingError
from strategies.position_manager import PositionManagerStrategy
from strategies.stop_holder import StopHolder
from venues.backtest import BacktestDataClient, LatentExecutionClient, Moment, RecordingNode, stream
from venues.simulated.account import Account
from venues.spare import leave_positions_alone

_POINTS = 2_000
"""How many points the equity curve has, about."""


def run(settings: Settings, commands: list[Command]) -> Outcome:
    """Run the commands on the recording, to its end.

    Raises RecordingError if the recording cannot be played.
    """
    return _Backtest(settings).run(commands)


class _Backtest:
    """One backtest and what it is made of."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        catalog = settings.backtest.catalog
        self._recording = Recording(Path(catalog))
        self._begin = max(self._recording.start_ns, settings.backtest.begin_ns or 0)
        self._end = min(self._recording.end_ns, settings.backtest.end_ns or self._recording.end_ns)
        if self._begin > self._end:
            raise RecordingError(f"{catalog}: holds nothing of the stretch that was asked for")
        self._node = RecordingNode(configs=[_config(catalog, self._begin, self._end)])
        self._node.build()
        (self._nautilus,) = self._node.get_engines()
        self._event_loop = EventLoop()
        self._account = Account(settings.account.cash, settings.account.shares)
        self._notebook = Notebook(self._event_loop.call_on_commit)
        self._never_due: list[str] = []
        self._engine = Engine(settings.rules(), settings.account.cash)
        self._strategy = PositionManagerStrategy(
            self._engine, self._notebook, call_soon=self._event_loop.call_soon
        )
        seconds = max(1, (self._end - self._begin) // SECOND // _POINTS)
        self._equity = EquityRecorder(
            self._engine, lambda: self._account.venue.redeemable, timedelta(seconds=seconds)
        )

    def run(self, commands: list[Command]) -> Outcome:
        """Run it to its end."""
        # Nautilus' live clients ask for an event loop; here none ever runs.
        loop = asyncio.new_event_loop()
        try:
            self._build(loop)
            batches = self._recording.batches(self._begin, self._end)
            self._node.stream = stream(batches, list(self._due(commands)), self._begin)
            self._node.run()
            self._equity.record()
        finally:
            self._node.dispose()
            loop.close()
        return outcome(
            self._notebook.steps,
            self._engine.markets,
            self._notebook.replies.values(),
            self._equity.points,
            self._never_due,
            self._begin if any(c.at is None for c in commands) else None,
        )

    def _build(self, loop: asyncio.AbstractEventLoop) -> None:
        kernel = self._nautilus.kernel
        kernel.clock.set_time(self._begin)
        queue_as_live(kernel, self._event_loop)
        leave_positions_alone(kernel)
        base = (loop, kernel.msgbus, kernel.cache, kernel.clock)
        data = BacktestDataClient(*base, self._recording.instruments_at(self._begin))
        orders = LatentExecutionClient(*base, self._account, kernel.clock)
        orders.event_loop, orders.latency_ns = self._event_loop, self._settings.backtest.latency_ns
        kernel.data_engine.register_client(data)
        kernel.exec_engine.register_client(orders)
        self._strategy.holdings = orders
        data.open(self._event_loop)
        orders.open()
        self._nautilus.add_actor(self._equity)
        self._nautilus.add_exec_algorithm(StopHolder())
        self._nautilus.add_strategy(self._strategy)

    def _due(self, commands: list[Command]) -> Iterable[CommandMessage]:
        """The commands in the order in which they are to be acted on."""
        for command in sorted(commands, key=lambda c: (c.at or 0, c.id)):
            at = max(self._begin, command.at or 0)
            refusal = lapsed(
                command, at, at, at if command.created_at is None else command.created_at
            )
            if refusal is not None:
                self._notebook.replies[command.id] = refusal
            elif at > self._end:
                self._never_due.append(command.id)
            else:
                yield CommandMessage(command, at)


def _config(catalog: str, begin: int, end: int) -> BacktestRunConfig:
    return BacktestRunConfig(
        engine=BacktestEngineConfig(
            trader_id="POLYBRACKET-001",
            logging=LoggingConfig(bypass_logging=True),
            # Nautilus' own checks deny bursts of exits, and sells when fully invested.
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        ),
        # The venue is ours: see docs/decisions.md.
        venues=[],
        data=[BacktestDataConfig(catalog_path=catalog, data_cls=Moment)],
        start=begin,
        end=end,
        dispose_on_completion=False,
        raise_exception=True,
    )
