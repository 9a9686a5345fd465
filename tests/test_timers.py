"""Timers run on the event loop's thread, whichever clock they hang on."""

import asyncio
import threading
from datetime import timedelta

from nautilus_trader.common.component import LiveClock, TestClock, TimeEvent

from bridge.timers import on_this_thread


def test_a_live_clock_calls_back_on_the_loop() -> None:
    async def run() -> threading.Thread:
        fired: asyncio.Future[threading.Thread] = asyncio.get_running_loop().create_future()

        def handler(_: TimeEvent) -> None:
            if not fired.done():
                fired.set_result(threading.current_thread())

        clock = LiveClock()
        clock.set_timer("beat", timedelta(milliseconds=1), callback=on_this_thread(handler))
        try:
            return await asyncio.wait_for(fired, 30)
        finally:
            clock.cancel_timers()

    assert asyncio.run(run()) is threading.current_thread()


def test_a_replays_clock_calls_back_at_once() -> None:
    async def run() -> list[int]:
        seen: list[int] = []
        clock = TestClock()
        clock.set_time_alert_ns("alert", 5, on_this_thread(lambda e: seen.append(e.ts_event)))
        for due in clock.advance_time(10):
            due.handle()
        return seen

    assert asyncio.run(run()) == [5]
