"""Tells systemd that the node has come up, that its event loop still turns, and that it stops.

Speaks to the socket that systemd names in the environment of a `Type=notify` service; where there
is none, it says nothing.
"""

import asyncio
import os
import socket
from collections.abc import Mapping

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig


class Watchdog(Actor):
    """Beats from the event loop, at half the interval that systemd allows.

    Parameters
    ----------
    values
        The environment: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` in microseconds.
    """

    def __init__(self, values: Mapping[str, str] = os.environ) -> None:
        super().__init__(ActorConfig(component_id="Watchdog"))
        self._socket = values.get("NOTIFY_SOCKET", "")
        self._seconds = int(values.get("WATCHDOG_USEC") or 0) / 2e6
        self._beat_handle: asyncio.TimerHandle | None = None

    def on_start(self) -> None:
        """Tell that the node trades, once every other component has started, too."""
        asyncio.get_running_loop().call_soon(self._up)

    def on_stop(self) -> None:
        """Tell that the node stops."""
        if self._beat_handle is not None:
            self._beat_handle.cancel()
        self._tell("STOPPING=1")

    def _up(self) -> None:
        self._tell("READY=1")
        if self._seconds and self._socket:
            self._beat()

    def _beat(self) -> None:
        self._beat_handle = asyncio.get_running_loop().call_later(self._seconds, self._beat)
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._socket:
            return
        # A name that begins with @ is an abstract one, without a file.
        address = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto(state.encode(), address)
        except OSError as e:
            self.log.error(f"systemd cannot be told {state}: {e}")
