"""Beats from the event loop, for the loop watch, for the snapshot's readers and for systemd.

systemd is notified that the node is running, that its event loop still runs, and that it stops, on
the socket that it names in the environment of a `Type=notify` service, if there is one.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import Thread

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.timers import RepeatingTimer
from positions.storage.pulse import BEAT_SECONDS, Pulse


class Watchdog(Actor):
    """Beats from the event loop; to systemd at half the interval that it allows.

    Parameters
    ----------
    threads
        Those that must live as long as the event loop.
    on_dead
        Called once with the name of each thread that has ended.
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
        self._pulse = pulse
        self._threads = list(threads)
        self._on_dead = on_dead
        self._pulse_timer = RepeatingTimer(self._beat, BEAT_SECONDS)
        self._interval = int(values.get("WATCHDOG_USEC") or 0) / 2e6
        self._systemd_timer = RepeatingTimer(partial(self._notify, "WATCHDOG=1"), self._interval)

    def on_start(self) -> None:
        """Start the beats; notify systemd once every other component has started, too."""
        self._pulse_timer.start()
        asyncio.get_running_loop().call_soon(self._on_running)

    def on_stop(self) -> None:
        """Stop the beats, and notify systemd."""
        self._pulse.end()
        self._pulse_timer.stop()
        self._systemd_timer.stop()
        self._notify("STOPPING=1")

    def _beat(self) -> None:
        self._pulse.beat()
        for thread in [t for t in self._threads if not t.is_alive()]:
            self._threads.remove(thread)
            self._on_dead(thread.name)

    def _on_running(self) -> None:
        self._notify("READY=1")
        if self._interval and self._socket:
            self._systemd_timer.start()

    def _notify(self, state: str) -> None:
        if not self._socket:
            return
        # A name that begins with @ is an abstract one, without a file.
        address = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto(state.encode(), address)
        except OSError as e:
            self.log.error(f"systemd cannot be notified of {state}: {e}")
