"""Brings Nautilus' log to the disk once a second.

Nautilus keeps some kilobytes of it in memory until there are more, or until it ends well: of a node
that hardly ever has something to tell, or that was killed, nothing would be there to read.
"""

import asyncio

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import flush_logger
from nautilus_trader.config import ActorConfig

EVERY_SECONDS = 1.0


class LogKeeper(Actor):
    """Asks the log's own thread to write; waits for nothing."""

    def __init__(self) -> None:
        super().__init__(ActorConfig(component_id="LogKeeper"))
        self._handle: asyncio.TimerHandle | None = None

    def on_start(self) -> None:
        """Begin."""
        self._flush()

    def on_stop(self) -> None:
        """End; the node writes what is left."""
        if self._handle is not None:
            self._handle.cancel()

    def _flush(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._flush)
        flush_logger()
