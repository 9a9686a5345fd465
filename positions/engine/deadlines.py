"""When the mere passing of time concerns a position: to the moment, and once a second.

What an owner or a pause has set a time for is looked at at that very time. The second is for all
that may wait for it, and for a clock that was set. Times are nanoseconds.
"""

from collections.abc import Iterator
from heapq import heappop, heappush

from positions.model import stops
from positions.model.instrument_book import InstrumentBook
from positions.model.position import EXITS, Position, Role


class Deadlines:
    """The times at which positions are looked at."""

    def __init__(self) -> None:
        self.each_second: dict[str, None] = {}
        """Positions that every second concerns; a dict, for its order is kept."""
        self._times: dict[str, frozenset[int]] = {}
        self._heap: list[tuple[int, str]] = []
        """Every time to come; one that holds no more is skipped once it is the first."""

    def place(self, p: Position, book: InstrumentBook) -> None:
        """Keep the times of a position as it is now."""
        if not p.is_over and (p.phase in EXITS or _is_waiting(p)):
            self.each_second[p.id] = None
        else:
            self.each_second.pop(p.id, None)
        before = self._times.get(p.id, frozenset())
        after = frozenset() if p.is_over else frozenset(_times(p, book))
        for time in after - before:
            heappush(self._heap, (time, p.id))
        if after:
            self._times[p.id] = after
        else:
            self._times.pop(p.id, None)

    def drop(self, position_id: str) -> None:
        """Keep nothing of a position."""
        self.each_second.pop(position_id, None)
        self._times.pop(position_id, None)

    def next(self) -> int | None:
        """The first time to come; None = there is none."""
        while self._heap and not self._holds(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def reached(self, now: int) -> Iterator[str]:
        """The positions of which a time has come since this was last asked."""
        while self._heap and self._heap[0][0] <= now:
            time, position_id = heappop(self._heap)
            if self._holds(time, position_id):
                yield position_id

    def _holds(self, time: int, position_id: str) -> bool:
        return time in self._times.get(position_id, ())


def _times(p: Position, book: InstrumentBook) -> Iterator[int]:
    asked, decision = p.request, p.decision
    times = (
        asked.entry_expires_at,
        stops.ends_at(p, book),
        stops.confirmed_at(p),
        None if decision.sale is None else decision.sale.until,
        *(backoff.until for backoff in p.pacing.backoffs.values()),
    )
    return (time for time in times if time is not None)


def _is_waiting(p: Position) -> bool:
    """Whether anything waits for time to pass."""
    cancelling = any(o.cancel_sent_at for o in p.orders)
    asked, decision = p.request, p.decision
    is_buying = decision.entry_ended is None
    expires = is_buying and (
        asked.entry_expires_at is not None or any(o.expires_at is not None for o in p.orders)
    )
    ends = asked.terms.exit_at is not None or asked.terms.exit_before_end is not None
    waits = asked.post_only and is_buying and not p.live(Role.ENTRY)  # for the ask
    pauses = decision.touch or decision.sale or p.pacing.backoffs
    return bool(cancelling or expires or ends or waits or pauses)
