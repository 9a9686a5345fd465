"""Takes down the account as time passes: its cash, and all that is held at the bid."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from positions.engine.engine import Engine
from positions.research.backtest_result import Point


class EquityWatch(Actor):
    """Notes the account every so often.

    Parameters
    ----------
    engine
        Where the cash, the positions and their markets are.
    redeemable
        What resolved markets have paid and is not cash yet, in USDC.
    every
        The distance between two notes.
    """

    def __init__(self, engine: Engine, redeemable: Callable[[], Decimal], every: timedelta) -> None:
        super().__init__(ActorConfig(component_id="EquityWatch"))
        self._engine = engine
        self._redeemable = redeemable
        self._every = every
        self.points: list[Point] = []

    def on_start(self) -> None:
        """Begin."""
        self.note()
        self.clock.set_timer("equity", self._every, callback=lambda _: self.note())

    def note(self) -> None:
        """Note the account as it is now."""
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
