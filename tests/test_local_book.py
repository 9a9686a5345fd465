"""A book is right whatever is told while it is being read."""

from collections.abc import Mapping

import pytest
from nautilus_trader.adapters.polymarket.common.enums import PolymarketOrderSide
from nautilus_trader.adapters.polymarket.schemas.book import (
    PolymarketBookLevel,
    PolymarketBookSnapshot,
    PolymarketQuote,
)
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDeltas
from nautilus_trader.model.enums import BookType
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from venues.polymarket.local_book import LocalBook, fits

OUTCOME = TestInstrumentProvider.binary_option()
NOTHING = ({}, {})


def whole(bids: Mapping[str, str]) -> PolymarketBookSnapshot:
    levels = [PolymarketBookLevel(price, size) for price, size in bids.items()]
    return PolymarketBookSnapshot("m", "t", levels, [], "1")


def bids(book: LocalBook) -> dict[str, str]:
    return {f"{price:f}": f"{size:.0f}" for price, size in book.look(OUTCOME, NOTHING)[1]}


def change(book: LocalBook, price: str, size: str) -> OrderBookDeltas | None:
    told = PolymarketQuote("t", price, PolymarketOrderSide.BUY, size, "")
    return book.change(OUTCOME, [told], 2, 2)


@pytest.mark.parametrize(
    ("told", "read", "known"),
    [
        # what is told while a book is read, that book -> what is known
        ([], {"0.5": "9", "0.4": "5"}, {"0.5": "9", "0.4": "5"}),
        ([("0.5", "0")], {"0.5": "9", "0.4": "5"}, {"0.4": "5"}),  # a bid vanishes
        ([("0.5", "0")], {"0.4": "5"}, {"0.4": "5"}),  # and the reply knows it
        ([("0.45", "3")], {"0.4": "5"}, {"0.45": "3", "0.4": "5"}),
        ([("0.4", "3"), ("0.4", "2")], {"0.4": "3"}, {"0.4": "2"}),
        ([("0.4", "0")], {}, {}),
    ],
)
@pytest.mark.parametrize("was_whole", [True, False])
def test_what_is_told_while_a_book_is_read_counts(
    told: list[tuple[str, str]], read: dict[str, str], known: dict[str, str], was_whole: bool
) -> None:
    book, copy = LocalBook(OUTCOME.id), OrderBook(OUTCOME.id, BookType.L2_MBP)
    if was_whole:
        copy.apply_deltas(book.take(OUTCOME, whole({"0.5": "8", "0.3": "1"}), 1))
    reading = book.begin_reading()
    for price, size in told:
        if (deltas := change(book, price, size)) is not None:
            copy.apply_deltas(deltas)
    for deltas in book.take_read(reading, OUTCOME, whole(read), 3):
        copy.apply_deltas(deltas)
    assert book.is_whole
    assert bids(book) == known
    assert {
        f"{level.price.as_decimal().normalize():f}": f"{level.size():.0f}" for level in copy.bids()
    } == known


def test_a_reading_counts_no_more_once_the_channel_told_the_whole_book() -> None:
    book = LocalBook(OUTCOME.id)
    reading = book.begin_reading()
    book.take(OUTCOME, whole({"0.4": "5"}), 1)
    assert book.take_read(reading, OUTCOME, whole({"0.5": "9"}), 2) == []
    assert bids(book) == {"0.4": "5"}


def test_only_the_last_of_two_readings_counts() -> None:
    book = LocalBook(OUTCOME.id)
    first, last = book.begin_reading(), book.begin_reading()
    book.give_up(first)
    change(book, "0.5", "0")
    assert book.take_read(first, OUTCOME, whole({"0.5": "9"}), 2) == []
    assert not book.is_whole
    assert book.take_read(last, OUTCOME, whole({"0.5": "9", "0.3": "1"}), 2) != []
    assert bids(book) == {"0.3": "1"}


def test_what_is_told_before_the_whole_book_means_nothing() -> None:
    book = LocalBook(OUTCOME.id)
    assert change(book, "0.5", "9") is None
    book.take(OUTCOME, whole({"0.4": "5"}), 1)
    book.forget()
    assert change(book, "0.5", "9") is None
    assert not book.is_whole


def test_a_book_that_is_told_to_be_empty_is_empty() -> None:
    book, copy = LocalBook(OUTCOME.id), OrderBook(OUTCOME.id, BookType.L2_MBP)
    for levels in ({"0.4": "5"}, {}):
        copy.apply_deltas(book.take(OUTCOME, whole(levels), 1))
    assert book.look(OUTCOME, NOTHING) == ((None,) * 4, [])
    assert not copy.bids()


def test_prices_fit_when_they_are_whole_ticks() -> None:
    assert fits(OUTCOME, ["0.501", "0.5", "0.999"])
    assert not fits(OUTCOME, ["0.5", "0.5015"])
