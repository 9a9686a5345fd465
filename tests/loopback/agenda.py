"""The venue's clock, and what it will do later."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

Work = Callable[[], object]


class Agenda:
    """Does things at their time, in one event loop. Times in seconds of the venue's clock, which is
    the wall clock plus what was skipped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._skipped = 0.0
        self._due: list[tuple[float, int, Work]] = []
        self._counter = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The venue's time."""
        return time.time() + self._skipped

    def now_ms(self) -> int:
        """The venue's time in milliseconds, as its messages state it."""
        return int(self.now() * 1000)

    def later(self, seconds: float, work: Work) -> None:
        """Do something after so many seconds, never within the call."""
        self.at(self.now() + seconds, work)

    def at(self, when: float, work: Work) -> None:
        """Do something at a time."""
        heapq.heappush(self._due, (when, next(self._counter), work))
        self._arm()

    def skip(self, seconds: float) -> None:
        """Set the clock forward; what falls due is done now, in order."""
        self._skipped += seconds
        self._wake()

    def stop(self) -> None:
        """Do nothing more."""
        self._due.clear()
        self._arm()

    def _wake(self) -> None:
        while self._due and self._due[0][0] <= self.now():
            heapq.heappop(self._due)[2]()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = self._due[0][0] - self.now() if self._due else None
        self._timer = None if wait is None else self._loop.call_later(max(wait, 0), self._wake)
