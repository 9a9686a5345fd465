"""Timers run on the event loop's thread, whichever clock they hang on."""

import asyncio
import threading
from datetime import timedelta
from functools import partial

from nautilus_trader.common.component import LiveClock, TestClock, TimeEvent

from bridge.timers import Alert, RepeatingTimer, on_this_thread
from venues.simulated.arrivals import Arrivals


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


def test_an_error_of_one_call_ends_no_repeating_timer() -> None:
    calls, errors = [], []

    def fail_first() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise LookupError

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        timer = RepeatingTimer(fail_first, 0.001)
        timer.start()
        assert calls == [1]
        while len(calls) < 4:
            await asyncio.sleep(0.001)
        timer.stop()
        count = len(calls)
        await asyncio.sleep(0.01)
        assert len(calls) == count

    asyncio.run(run())
    assert [type(e) for e in errors] == [LookupError]


def test_an_alert_rings_for_the_earliest_and_anew_for_what_comes_after() -> None:
    clock, seen = TestClock(), []
    alert = Alert(clock, "alert", lambda e: seen.append(e.ts_event))
    for due in (20, 10, None, 30):
        alert.set(due)
    for event in clock.advance_time(15):
        event.handle()
    assert seen == [10]
    alert.set(20)
    for event in clock.advance_time(40):
        event.handle()
    assert seen == [10, 20]


def test_what_arrives_by_a_live_clock_does_so_in_order_and_on_the_loops_thread() -> None:
    async def run() -> list[tuple[int, int]]:
        arrived: list[tuple[int, int]] = []
        arrivals = Arrivals(LiveClock(), lambda act: act())
        for number in (1, 2, 3):
            act = partial(lambda n: arrived.append((n, threading.get_ident())), number)
            arrivals.later(number * 1_000_000, act)
        async with asyncio.timeout(30):
            while len(arrived) < 3:
                await asyncio.sleep(0.001)
        return arrived

    assert asyncio.run(run()) == [(n, threading.get_ident()) for n in (1, 2, 3)]
