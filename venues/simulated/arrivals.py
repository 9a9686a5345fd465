"""What is on its way to the simulated venue, or held by it, until its time has come."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from nautilus_trader.common.component import Clock, TimeEvent

from bridge.timers import Alert

ARRIVAL = "simulated-venue"
"""The name of the timer."""
_Act = Callable[[], None]


class Arrivals:
    """Acts later, in the order of time; made where the event loop runs, to which a live clock's
    thread has to hand over.

    `arrive` is given each act when its time has come.
    """

    def __init__(self, clock: Clock, arrive: Callable[[_Act], None]) -> None:
        self._clock = clock
        self._arrive = arrive
        self._waiting: list[tuple[int, int, _Act]] = []
        self._number = count()
        self._alert = Alert(clock, ARRIVAL, self._on_time)

    def later(self, span: int, act: _Act) -> None:
        """Act after a span of the market's time, in nanoseconds."""
        heappush(self._waiting, (self._clock.timestamp_ns() + span, next(self._number), act))
        self._alert.set(self._waiting[0][0])

    def _on_time(self, _: TimeEvent) -> None:
        while self._waiting and self._waiting[0][0] <= self._clock.timestamp_ns():
            self._arrive(heappop(self._waiting)[2])
        if self._waiting:
            self._alert.set(self._waiting[0][0])
