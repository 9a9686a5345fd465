"""The prices at which a token's positions want to be looked at.

A quote concerns few positions: those whose stop or target it reaches, whose stop it may raise,
or that every view of the book concerns. Prices are USDC per share.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from decimal import Decimal

from positions.model import stops, targets
from positions.model.instrument_book import InstrumentBook
from positions.model.position import EXITS, OVER, ZERO, Position
from positions.model.terms import Trigger

_Entry = tuple[Decimal, str]
_LAST_ID = "\U0010ffff"


class PriceIndex:
    """The levels of a token's positions, kept sorted, apart by the price that their stops watch."""

    def __init__(self) -> None:
        self._stops: dict[Trigger, list[_Entry]] = {t: [] for t in Trigger}
        self._targets: dict[Trigger, list[_Entry]] = {t: [] for t in Trigger}
        self._of: dict[str, tuple[Trigger, Decimal | None, Decimal | None]] = {}
        self._largest = ZERO
        self._kept: tuple[Trigger, ...] = ()
        """The triggers that any position's levels are kept by."""
        self.restless: dict[str, None] = {}
        """Positions that every view of the book concerns; a dict, for its order is kept."""

    def place(self, p: Position, book: InstrumentBook) -> None:
        """Keep the levels of a position as it is now."""
        over, exits = p.phase in OVER, p.phase in EXITS
        stop = None if over or exits else stops.wakes_below(p)
        target = None if over or exits else _wakes_above(p, book)
        waits = (
            p.decision.touch is not None or p.decision.released_seq is not None or p.decision.no_bid
        )
        if (exits or waits or p.decision.sale is not None) and not over:
            self.restless[p.id] = None
        else:
            self.restless.pop(p.id, None)
        self._largest = max(self._largest, p.request.size)  # which may be amended
        before, after = (
            self._of.get(p.id),
            None if over else (p.request.terms.trigger, stop, target),
        )
        if before == after:
            return
        if before is not None:
            self._forget(p.id, *self._of.pop(p.id))
        if after is not None:
            self._of[p.id] = after
            self._keep(p, *after)
        self._kept = tuple(t for t in Trigger if self._stops[t] or self._targets[t])

    def drop(self, position_id: str) -> None:
        """Keep nothing of a position."""
        self.restless.pop(position_id, None)
        if position_id in self._of:
            self._forget(position_id, *self._of.pop(position_id))

    def _keep(
        self, p: Position, trigger: Trigger, stop: Decimal | None, target: Decimal | None
    ) -> None:
        if stop is not None:
            insort(self._stops[trigger], (stop, p.id))
        if target is not None:
            insort(self._targets[trigger], (target, p.id))

    def _forget(
        self, position_id: str, trigger: Trigger, stop: Decimal | None, target: Decimal | None
    ) -> None:
        for levels, level in ((self._stops, stop), (self._targets, target)):
            if level is not None:
                found = bisect_left(levels[trigger], (level, position_id))
                del levels[trigger][found]

    def watch(self, trigger: Trigger) -> bool:
        """Whether the stop of any position watches this price."""
        return trigger in self._kept

    def crossed(self, book: InstrumentBook) -> Iterable[str]:
        """The positions that the market as it is seen now concerns."""
        yield from self.restless
        if book.bid is None:
            yield from self._of
            return
        for trigger in self._kept:
            low, high = self._prices(trigger, book, book.bid)
            reached = self._stops[trigger]
            if reached and reached[-1][0] >= low:
                yield from (p for _, p in reached[bisect_left(reached, (low, "")) :])
            passed = self._targets[trigger]
            if passed and passed[0][0] <= high:
                yield from (p for _, p in passed[: bisect_right(passed, (high, _LAST_ID))])

    def _prices(
        self, trigger: Trigger, book: InstrumentBook, bid: Decimal
    ) -> tuple[Decimal, Decimal]:
        """The lowest and the highest price that any of these positions may see."""
        match trigger:
            case Trigger.SIZE:
                return book.average_bid(self._largest) or bid, bid
            case Trigger.LAST if book.last is not None:
                return min(book.last, bid), max(book.last, bid)  # the hard stop watches the bid
        return bid, bid


def _wakes_above(p: Position, book: InstrumentBook) -> Decimal | None:
    """The lowest price above which a target may sell or the stop may be raised."""
    levels = (targets.lowest(p), stops.wakes_above(p, book) if p.held > 0 else None)
    return min((level for level in levels if level is not None), default=None)
