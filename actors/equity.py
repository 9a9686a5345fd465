"""Records the account as time passes: its cash, and all that is held at the bid."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from positions.engine.engine import Engine
from positions.research.backtest_result import Point


class EquityRecorder(Actor):
    """Records the account at an interval."""

    def __init__(
        self, engine: Engine, redeemable: Callable[[], Decimal], interval: timedelta
    ) -> None:
        super().__init__(ActorConfig(component_id="EquityRecorder"))
        self._engine = engine
        self._redeemable = redeemable
        self._interval = interval
        self.points: list[Point] = []

    def on_start(self) -> None:
        """Start recording."""
        self.record()
        self.clock.set_timer("equity", self._interval, callback=lambda _: self.record())

    def record(self) -> None:
        """Record the account as it is now."""
        engine = self._engine
        held = sum(
            (self._worth(outcome_id, s) for outcome_id, s in engine.exposure.held.items()),
            Decimal(0),
        )
        equity = engine.cash + self._redeemable() + held
        self.points.append(Point(self.clock.timestamp_ns(), engine.cash, equity))

    def _worth(self, outcome_id: str, shares: Decimal) -> Decimal:
        m = self._engine.markets[outcome_id]
        # What a resolved market pays stands in `redeemable`.
        return shares * m.bid if m.bid is not None and m.payout is None else Decimal(0)
