"""Calls back once a second of wall-clock time, while the node runs."""

from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.timers import RepeatingTimer

EVERY_SECONDS = 1.0


class EverySecond(Actor):
    """Calls `callback`, which must not block, from the event loop."""

    def __init__(self, name: str, callback: Callable[[], None]) -> None:
        super().__init__(ActorConfig(component_id=name))
        self._timer = RepeatingTimer(callback, EVERY_SECONDS)

    def on_start(self) -> None:
        """Call back from now on."""
        self._timer.start()

    def on_stop(self) -> None:
        """Call back no more."""
        self._timer.stop()
