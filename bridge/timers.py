"""Timers of the event loop's thread.

A live clock of Nautilus calls back on a thread of its own, in the middle of whatever the event loop
is doing; a replay's clock calls back on the loop's thread.
"""

import asyncio
import threading
from collections.abc import Callable

from nautilus_trader.common.component import Clock, TimeEvent

Handler = Callable[[TimeEvent], None]


def on_this_thread(handler: Handler) -> Handler:
    """The same handler for a clock, run by the event loop of the calling thread."""
    try:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
    except RuntimeError:  # a backtest has no loop, and its clock calls back on this thread
        return handler

    def call(event: TimeEvent) -> None:
        if threading.get_ident() == thread:
            handler(event)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(handler, event)

    return call


class RepeatingTimer:
    """Calls back at once and then at an interval of wall-clock time, until it is stopped.

    The next call is scheduled before the callback runs: an error of one call ends no timer.
    """

    def __init__(self, callback: Callable[[], None], seconds: float) -> None:
        self._callback = callback
        self._seconds = seconds
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Call back, and schedule the next call on the running event loop."""
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self.start)
        self._callback()

    def stop(self) -> None:
        """Cancel the next call."""
        if self._handle is not None:
            self._handle.cancel()


class Alert:
    """Calls back at the next of changing times.

    A clock keeps the callback of each alert for ever, so there is one for all of them.
    """

    def __init__(self, clock: Clock, name: str, handler: Handler) -> None:
        self._clock = clock
        self._name = name
        self._handler = handler
        self._callback = on_this_thread(self._on_time)
        self._due: int | None = None

    def set(self, due: int | None) -> None:
        """Call back at this time, in nanoseconds, unless an earlier alert is set."""
        if due is None or (self._due is not None and self._due <= due):
            return
        if self._name in self._clock.timer_names:
            self._clock.cancel_timer(self._name)
        self._due = due
        self._clock.set_time_alert_ns(self._name, due, self._callback)

    def _on_time(self, event: TimeEvent) -> None:
        due, self._due = self._due, None
        if due is not None:
            self._handler(event)
