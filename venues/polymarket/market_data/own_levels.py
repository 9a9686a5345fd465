"""One side of a book without the levels that are our own orders and nobody else's.

The venue's book holds our resting orders, too. A bid that is ours alone is none at which anything
could be sold: it must neither hold a stop back nor raise one. A level that others share stays as it
is. What rests is reported on another channel than the book, so either may come first. Pure.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

Level = tuple[Decimal, Decimal]
"""Price and size."""


class OwnLevels:
    """Which levels of one side are ours alone."""

    def __init__(self, *, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._ours: dict[Decimal, Decimal] = {}

    def __bool__(self) -> bool:
        return bool(self._ours)

    def without(
        self, levels: Iterable[Level], resting: Mapping[Decimal, Decimal], touch: Decimal | None
    ) -> list[Level]:
        """The levels that are not ours alone.

        `resting` is what we have on this side, shares by price, as far as it is known; `touch` the
        best price of others when the book was last seen.
        """
        levels = list(levels)
        self._ours = {p: s for p, s in levels if self._is_ours(p, s, resting, touch)}
        return [level for level in levels if level[0] not in self._ours]

    def _is_ours(
        self,
        price: Decimal,
        size: Decimal,
        resting: Mapping[Decimal, Decimal],
        touch: Decimal | None,
    ) -> bool:
        known, before = resting.get(price), self._ours.get(price)
        if size == known:
            return True
        if before is not None and size <= before:
            return (
                True  # it was ours, and was met or taken back: that is reported later, or earlier
            )
        is_new = touch is None or (price > touch if self._is_bid else price < touch)
        return known is not None and size < known and is_new  # the rest of an order that took
