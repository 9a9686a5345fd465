"""Flushes Nautilus' log once a second.

Nautilus buffers some kilobytes of it until there are more, or until a normal shutdown: the log of a
node that logs little, or that was killed, would be empty.
"""

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import flush_logger
from nautilus_trader.config import ActorConfig

from bridge.timers import RepeatingTimer

EVERY_SECONDS = 1.0


class LogKeeper(Actor):
    """Asks the log's own thread to flush; does not wait for it."""

    def __init__(self) -> None:
        super().__init__(ActorConfig(component_id="LogKeeper"))
        self._timer = RepeatingTimer(flush_logger, EVERY_SECONDS)

    def on_start(self) -> None:
        """Start flushing."""
        self._timer.start()

    def on_stop(self) -> None:
        """Stop; the node flushes what is left."""
        self._timer.stop()
