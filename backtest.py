"""Runs one backtest: settings in, a BacktestNode with its strategy and venue, the outcome out."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from nautilus_trader.backtest.config import BacktestDataConfig, BacktestRunConfig
from nautilus_trader.backtest.engine import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig

from actors.equity import EquityWatch
from actors.notebook import Notebook
from bridge.event_loop import Passes, queue_as_live
from bridge.messages import CommandMessage
from positions.commands.age import lapsed
from positions.commands.files import Request
from positions.engine.engine import Engine
from positions.model.durations import SECOND
from positions.operations.settings import Settings
from positions.research.backtest_result import Outcome, outcome
from recordings.catalog import Recording
from recordings.tables import RecordingError
from strategies.position_manager import PositionManagerStrategy
from strategies.stop_holder import StopHolder
from venues.backtest import BacktestDataClient, LatentExecutionClient, Moment, RecordingNode, stream
from venues.simulated.account import Account
from venues.spare import leave_positions_alone

_POINTS = 2_000
"""About so many times is the account noted."""


def run(settings: Settings, requests: list[Request]) -> Outcome:
    """Play the requests on the recording, to its end.

    Raises
    ------
    RecordingError
        If the recording cannot be played.
    """
    return _Backtest(settings).run(requests)


class _Backtest:
    """One backtest and what it is made of."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        given = settings.backtest
        self._recording = Recording(Path(given.catalog))
        self._begin = max(self._recording.start_ns, given.begin_ns or 0)
        self._end = min(self._recording.end_ns, given.end_ns or self._recording.end_ns)
        if self._begin > self._end:
            raise RecordingError(
                f"{given.catalog}: holds nothing of the stretch that was asked for"
            )
        self._node = RecordingNode(configs=[_config(given.catalog, self._begin, self._end)])
        self._node.build()
        (self._nautilus,) = self._node.get_engines()
        self._passes = Passes()
        self._account = Account(settings.account.cash, settings.account.shares)
        self._notebook = Notebook(self._passes.recorded)
        self._never_due: list[str] = []
        self._engine = Engine(settings.rules(), settings.account.cash)
        self._strategy = PositionManagerStrategy(
            self._engine, self._notebook, later=self._passes.soon
        )
        span = max(1, (self._end - self._begin) // SECOND // _POINTS)
        self._watch = EquityWatch(
            self._engine, lambda: self._account.venue.redeemable, timedelta(seconds=span)
        )

    def run(self, requests: list[Request]) -> Outcome:
        """Run it to its end."""
        # Nautilus' live clients ask for an event loop; here none ever runs.
        loop = asyncio.new_event_loop()
        try:
            self._build(loop)
            batches = self._recording.batches(self._begin, self._end)
            self._node.stream = stream(batches, list(self._due(requests)), self._begin)
            self._node.run()
            self._watch.note()
        finally:
            self._node.dispose()
            loop.close()
        return outcome(
            self._notebook.steps,
            self._engine.markets,
            self._notebook.replies.values(),
            self._watch.points,
            self._never_due,
            self._begin if any(r.command.at is None for r in requests) else None,
        )

    def _build(self, loop: asyncio.AbstractEventLoop) -> None:
        kernel = self._nautilus.kernel
        kernel.clock.set_time(self._begin)
        queue_as_live(kernel, self._passes)
        leave_positions_alone(kernel)
        base = (loop, kernel.msgbus, kernel.cache, kernel.clock)
        data = BacktestDataClient(*base, self._recording.instruments_at(self._begin))
        orders = LatentExecutionClient(*base, self._account, kernel.clock)
        orders.passes, orders.latency_ns = self._passes, self._settings.backtest.latency_ns
        kernel.data_engine.register_client(data)
        kernel.exec_engine.register_client(orders)
        self._strategy.holdings = orders
        data.open(self._passes)
        orders.open()
        self._nautilus.add_actor(self._watch)
        self._nautilus.add_exec_algorithm(StopHolder())
        self._nautilus.add_strategy(self._strategy)

    def _due(self, requests: list[Request]) -> Iterable[CommandMessage]:
        """The requests in the order in which they are to be acted on."""
        for command, content in sorted(requests, key=lambda r: (r.command.at or 0, r.command.id)):
            at = max(self._begin, command.at or 0)
            refusal = lapsed(
                command, at, at, at if command.created_at is None else command.created_at
            )
            if refusal is not None:
                self._notebook.replies[command.id] = refusal
            elif at > self._end:
                self._never_due.append(command.id)
            else:
                yield CommandMessage(
                    command_id=command.id, content=content, ts_event=at, ts_init=at
                )


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
