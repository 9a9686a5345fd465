"""Components on a clock of their own: a replay goes by the clock of its data."""

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock, MessageBus
from nautilus_trader.config import ActorConfig
from nautilus_trader.model.identifiers import TraderId


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
