"""Publishes what readers in other processes see: once a second, and when the node stops."""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

EVERY_SECONDS = 1.0


class Publisher(Actor):
    """Calls `publish` once a second of wall-clock time.

    Parameters
    ----------
    publish
        Starts a copy; must not block.
    """

    def __init__(self, publish: Callable[[], None]) -> None:
        super().__init__(ActorConfig(component_id="Publisher"))
        self._publish = publish
        self._beat_handle: asyncio.TimerHandle | None = None

    def on_start(self) -> None:
        """Begin to publish."""
        self._beat()

    def on_stop(self) -> None:
        """End; the node publishes once more when all is recorded."""
        if self._beat_handle is not None:
            self._beat_handle.cancel()

    def _beat(self) -> None:
        self._beat_handle = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._beat)
        self._publish()
