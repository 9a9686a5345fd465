"""Timers whose callbacks run where everything else does.

A live clock of Nautilus calls back on a thread of its own, in the middle of whatever the event loop
is doing; a replay's clock calls back on the loop's thread.
"""

import asyncio
import threading
from collections.abc import Callable

from nautilus_trader.common.component import TimeEvent

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
