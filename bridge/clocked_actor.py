"""An Actor on a clock that it is given: a replay goes by the clock of its data."""

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock, MessageBus
from nautilus_trader.config import ActorConfig


class ClockedActor(Actor):
    """An Actor that may have another clock than the node's.

    Parameters
    ----------
    name
        The component's id.
    clock
        The clock to use in place of the node's own; a replay gives that of its data.
    """

    def __init__(self, name: str, clock: Clock | None) -> None:
        super().__init__(ActorConfig(component_id=name))
        self._given_clock = clock

    def register_base(
        self, portfolio: object, msgbus: MessageBus, cache: object, clock: Clock
    ) -> None:
        """Register with the trader, on the given clock."""
        super().register_base(portfolio, msgbus, cache, self._given_clock or clock)
