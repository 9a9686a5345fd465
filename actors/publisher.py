"""Publishes the snapshot for readers in other processes once a second."""

from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.timers import RepeatingTimer

EVERY_SECONDS = 1.0


class Publisher(Actor):
    """Calls `publish` once a second of wall-clock time.

    Parameters
    ----------
    publish
        Starts to write a snapshot; must not block.
    """

    def __init__(self, publish: Callable[[], None]) -> None:
        super().__init__(ActorConfig(component_id="Publisher"))
        self._timer = RepeatingTimer(publish, EVERY_SECONDS)

    def on_start(self) -> None:
        """Start publishing."""
        self._timer.start()

    def on_stop(self) -> None:
        """Stop; the node publishes once more when everything is recorded."""
        self._timer.stop()
