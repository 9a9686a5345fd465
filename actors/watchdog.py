"""Leaves signs that the event loop turns, and tells systemd so.

The thread of `positions.operations.loop_watch` and the snapshot's readers judge the signs. To
systemd it is told that the node has come up, that its loop still turns, and that it stops, on the
socket that systemd names in the environment of a `Type=notify` service; where there is none,
nothing is.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from threading import Thread

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from positions.storage.pulse import BEAT_SECONDS, Pulse


class Watchdog(Actor):
    """Beats from the event loop; to systemd at half the interval that it allows.

    Parameters
    ----------
    pulse
        What is beaten.
    threads
        What must live as long as the loop, by name.
    on_dead
        Told, once, which of the threads has ended.
    values
        The environment: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` in microseconds.
    """

    def __init__(
        self,
        pulse: Pulse,
        threads: Iterable[Thread] = (),
        on_dead: Callable[[str], None] = lambda _: None,
        values: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__(ActorConfig(component_id="Watchdog"))
        self._socket = values.get("NOTIFY_SOCKET", "")
        self._seconds = int(values.get("WATCHDOG_USEC") or 0) / 2e6
        self._pulse = pulse
        self._threads = list(threads)
        self._on_dead = on_dead
        self._pulse_handle: asyncio.TimerHandle | None = None
        self._beat_handle: asyncio.TimerHandle | None = None

    def on_start(self) -> None:
        """Tell that the node trades, once every other component has started, too."""
        self._leave_sign()
        asyncio.get_running_loop().call_soon(self._up)

    def on_stop(self) -> None:
        """Tell that the node stops."""
        self._pulse.end()
        for handle in (self._beat_handle, self._pulse_handle):
            if handle is not None:
                handle.cancel()
        self._tell("STOPPING=1")

    def _leave_sign(self) -> None:
        self._pulse_handle = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._leave_sign)
        self._pulse.beat()
        for thread in [t for t in self._threads if not t.is_alive()]:
            self._threads.remove(thread)
            self._on_dead(thread.name)

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
