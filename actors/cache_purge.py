"""Purges what is long over: Nautilus' cache would keep every order, position and balance."""

from datetime import timedelta

from nautilus_trader.common.component import Clock, TimeEvent
from nautilus_trader.model.identifiers import ClientOrderId, PositionId

from bridge.clocks import ClockedActor
from bridge.timers import on_this_thread
from positions.engine.engine import Engine
from positions.model.durations import SECOND
from positions.model.position import Position

KEPT = timedelta(days=1)
"""How long a position that is over stays in memory, for late events."""
EVERY = timedelta(minutes=10)


class CachePurge(ClockedActor):
    """Purges positions that are long over, with all that Nautilus' cache has of them."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        super().__init__("CachePurge", clock)
        self._engine = engine

    def on_start(self) -> None:
        """Start the timer."""
        self.clock.set_timer("cache-purge", EVERY, callback=on_this_thread(self._purge_all))

    def _purge_all(self, _: TimeEvent) -> None:
        now, kept = self.clock.timestamp_ns(), int(KEPT.total_seconds())
        for p in self._engine.forget(now - kept * SECOND):
            self._purge(p)
        self.cache.purge_account_events(now, kept)

    def _purge(self, p: Position) -> None:
        for order_id in (ClientOrderId(name) for name in p.order_ids):
            if self.cache.order_exists(order_id):
                self.cache.purge_order(order_id)
        if self.cache.position_exists(PositionId(p.id)):
            self.cache.purge_position(PositionId(p.id))
