"""A level of the book that is ours alone is not told, whichever channel tells of a change first."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from venues.polymarket.market_data.own_levels import OwnLevels

D = Decimal
Book = Mapping[str, str]


def _levels(book: Book) -> list[tuple[Decimal, Decimal]]:
    return [(D(price), D(size)) for price, size in book.items()]


@pytest.mark.parametrize(
    ("moments", "best"),
    [
        # what the book shows, and what we have there -> the best bid of others, moment by moment
        ([({"0.50": "100", "0.49": "7"}, {})], ["0.50"]),
        ([({"0.50": "100", "0.49": "7"}, {"0.50": "100"})], ["0.49"]),
        ([({"0.50": "180", "0.49": "7"}, {"0.50": "100"})], ["0.50"]),  # others are there, too
        ([({"0.50": "80", "0.49": "7"}, {"0.50": "100"})], ["0.50"]),  # ours is not there yet
        ([({"0.50": "100"}, {"0.50": "100"})], [None]),
        # met or taken back: the order's own channel is the first to say so
        (
            [
                ({"0.50": "100", "0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "100", "0.49": "7"}, {"0.50": "40"}),
                ({"0.50": "100", "0.49": "7"}, {}),
                ({"0.49": "7"}, {}),
            ],
            ["0.49", "0.49", "0.49", "0.49"],
        ),
        # the book is the first to say so
        (
            [
                ({"0.50": "100", "0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "40", "0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "40", "0.49": "7"}, {"0.50": "40"}),
            ],
            ["0.49", "0.49", "0.49"],
        ),
        # an order takes first; its rest is seen before its fill is told
        (
            [
                ({"0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "60", "0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "60", "0.49": "7"}, {"0.50": "60"}),
            ],
            ["0.49", "0.49", "0.49"],
        ),
        # others come to where we stand, and where we stood
        (
            [
                ({"0.50": "100", "0.49": "7"}, {"0.50": "100"}),
                ({"0.50": "130", "0.49": "7"}, {"0.50": "100"}),
            ],
            ["0.49", "0.50"],
        ),
        (
            [
                ({"0.50": "100", "0.49": "7"}, {"0.50": "100"}),
                ({"0.49": "7"}, {}),
                ({"0.50": "90", "0.49": "7"}, {}),
            ],
            ["0.49", "0.49", "0.50"],
        ),
    ],
)
def test_only_the_bids_of_others_are_told(
    moments: list[tuple[Book, Book]], best: list[str | None]
) -> None:
    own, told = OwnLevels(is_bid=True), []
    for book, resting in moments:
        touch = told[-1] if told else D("0.50")
        left = own.without(_levels(book), dict(_levels(resting)), touch)
        told.append(left[0][0] if left else None)
    assert told == [None if price is None else D(price) for price in best]


def test_a_better_offer_is_a_lower_one() -> None:
    own = OwnLevels(is_bid=False)
    asks = _levels({"0.60": "60", "0.62": "5"})
    assert own.without(asks, {D("0.60"): D(100)}, D("0.62")) == asks[1:]
    assert bool(own)
    assert own.without(asks[1:], {}, D("0.62")) == asks[1:]
    assert not own
