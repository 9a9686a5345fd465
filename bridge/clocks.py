"""What time it is, for components too that go by another clock: a replay's is that of its data."""

import time

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock, LiveClock, MessageBus
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.identifiers import TraderId


def now_ns(clock: Clock) -> int:
    """The time of a clock, in nanoseconds; of a live one that of the wall clock.

    Nautilus' live clock never goes back: where the wall clock is set back by an hour it stands
    still for an hour, and no pause would end.
    """
    return time.time_ns() if isinstance(clock, LiveClock) else int(clock.timestamp_ns())


class ClockOverride:
    """A mixin of Nautilus' components: registers them with another clock than the node's."""

    clock_override: Clock | None = None
    """The clock to use in place of the node's own; a replay gives that of its data."""

    def register_base(
        self, portfolio: object, msgbus: MessageBus, cache: object, clock: Clock
    ) -> None:
        """Register an Actor with the trader."""
        clock = self.clock_override or clock
        super().register_base(portfolio, msgbus, cache, clock)  # type: ignore[misc]

    def register(
        self,
        trader_id: TraderId,
        portfolio: object,
        msgbus: MessageBus,
        cache: object,
        clock: Clock,
    ) -> None:
        """Register a Strategy or an ExecAlgorithm with the trader."""
        clock = self.clock_override or clock
        super().register(trader_id, portfolio, msgbus, cache, clock)  # type: ignore[misc]


class ClockedActor(ClockOverride, Actor):
    """An Actor that may have another clock than the node's: a replay gives that of its data."""

    def __init__(self, name: str, clock: Clock | None) -> None:
        super().__init__(ActorConfig(component_id=name))
        self.clock_override = clock
