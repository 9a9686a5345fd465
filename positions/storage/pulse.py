"""The signs of life that the event loop leaves behind, for threads and readers to check."""

import time
from collections.abc import Callable

BEAT_SECONDS = 0.25
_LATELY_SECONDS = 10.0


class Pulse:
    """Beaten by the event loop alone; read by any thread.

    Parameters
    ----------
    undecided
        Nanoseconds, of the node's time, since everything that was to be decided was decided.
    clock
        Seconds that only ever grow, and not while the machine sleeps.
    wall
        The wall-clock time in nanoseconds.
    """

    def __init__(
        self,
        undecided: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self.undecided = undecided
        self.beats = 0
        self.is_beating = False
        self.beaten_at = wall()
        """When the loop turned last, in nanoseconds of the wall clock."""
        self._last = clock()
        self._worst, self._worst_at = 0.0, self._last

    def beat(self) -> None:
        """Leave a sign; to be called every `BEAT_SECONDS`."""
        now = self._clock()
        late = max(0.0, now - self._last - BEAT_SECONDS)
        if late >= self._worst or now - self._worst_at > _LATELY_SECONDS:
            self._worst, self._worst_at = late, now
        self._last = now
        self.beaten_at = self._wall()
        self.beats += 1
        self.is_beating = True

    def end(self) -> None:
        """Leave no signs any more: the node stops."""
        self.is_beating = False

    @property
    def lag(self) -> int:
        """The most that the loop was late within the last ten seconds, in nanoseconds."""
        return int(self._worst * 1e9)
