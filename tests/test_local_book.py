"""A book is right whatever is told while it is being read."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import CustomData, OrderBookDeltas, QuoteTick
from nautilus_trader.model.enums import BookType, RecordFlag
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from venues.polymarket.market_data.local_book import (
    LocalBook,
    Resting,
    SnapshotRequest,
    Verdict,
    as_data,
    fits,
)
from venues.polymarket.market_data.market_messages import BookSnapshot, Change, Changes, Touch

D = Decimal
OUTCOME = TestInstrumentProvider.binary_option()
NOTHING = ({}, {})


def whole(bids: Mapping[str, str], at: int | None = None) -> BookSnapshot:
    return BookSnapshot("m", "t", at, {D(p): D(size) for p, size in bids.items()}, {})


def bids(book: LocalBook) -> dict[str, str]:
    return {f"{price:f}": f"{size:.0f}" for price, size in book.look(OUTCOME, NOTHING)[1]}


def change(
    book: LocalBook, price: str, size: str, at: int | None = None, stated: Touch | None = None
) -> OrderBookDeltas | None:
    told = Changes("t", [Change(True, D(price), D(size))], stated)
    return book.change(OUTCOME, told, at, 2)


def take_requested(
    book: LocalBook, reading: SnapshotRequest, told: BookSnapshot
) -> list[OrderBookDeltas]:
    return book.take_requested(reading, OUTCOME, told, 3)[1]


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
        begun = book.take(OUTCOME, whole({"0.5": "8", "0.3": "1"}), 1)
        assert begun is not None
        copy.apply_deltas(begun)
    reading = book.request_snapshot()
    for price, size in told:
        if (deltas := change(book, price, size)) is not None:
            copy.apply_deltas(deltas)
    for deltas in take_requested(book, reading, whole(read)):
        copy.apply_deltas(deltas)
    assert book.is_whole
    assert bids(book) == known
    assert {
        f"{level.price.as_decimal().normalize():f}": f"{level.size():.0f}" for level in copy.bids()
    } == known


def test_a_reading_counts_no_more_once_the_channel_told_the_whole_book() -> None:
    book = LocalBook(OUTCOME.id)
    reading = book.request_snapshot()
    book.take(OUTCOME, whole({"0.4": "5"}), 1)
    assert take_requested(book, reading, whole({"0.5": "9"})) == []
    assert bids(book) == {"0.4": "5"}


def test_only_the_last_of_two_readings_counts() -> None:
    book = LocalBook(OUTCOME.id)
    first, last = book.request_snapshot(), book.request_snapshot()
    book.give_up(first)
    change(book, "0.5", "0")
    assert take_requested(book, first, whole({"0.5": "9"})) == []
    assert not book.is_whole
    assert take_requested(book, last, whole({"0.5": "9", "0.3": "1"})) != []
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
        deltas = book.take(OUTCOME, whole(levels), 1)
        assert deltas is not None
        copy.apply_deltas(deltas)
    assert book.look(OUTCOME, NOTHING) == ((None,) * 4, [])
    assert not copy.bids()


def test_prices_fit_when_they_are_whole_ticks() -> None:
    assert fits(OUTCOME, [D("0.501"), D("0.5"), D("0.999")])
    assert not fits(OUTCOME, [D("0.5"), D("0.5015")])


def test_what_is_older_than_the_newest_that_was_heard_changes_nothing() -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}, at=10), 1)
    assert change(book, "0.5", "0", at=9) is None
    assert book.take(OUTCOME, whole({"0.1": "9"}, at=9), 1) is None
    assert bids(book) == {"0.5": "9"}
    assert change(book, "0.5", "8", at=10) is not None  # of one time the later is the newer
    assert change(book, "0.5", "7") is not None  # without a time the order of arrival counts
    assert bids(book) == {"0.5": "7"}
    assert book.newest_at == 10


@pytest.mark.parametrize(
    ("at", "verdict", "known"),
    [
        (9, Verdict.OLDER, {"0.5": "9", "0.4": "5"}),
        (10, Verdict.TAKEN, {"0.3": "1", "0.4": "5"}),
        (11, Verdict.TAKEN, {"0.3": "1", "0.4": "5"}),
        (12, Verdict.TAKEN, {"0.3": "1", "0.4": "5"}),  # may have the change of its time, or not
        (13, Verdict.TAKEN, {"0.3": "1"}),  # has the change that was told meanwhile
        (None, Verdict.TAKEN, {"0.3": "1", "0.4": "5"}),
    ],
)
def test_a_book_that_is_read_is_as_old_as_it_says(
    at: int | None, verdict: Verdict, known: dict[str, str]
) -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}, at=10), 1)
    reading = book.request_snapshot()
    change(book, "0.4", "5", at=12)
    assert book.take_requested(reading, OUTCOME, whole({"0.3": "1"}, at=at), 3)[0] is verdict
    assert bids(book) == known
    assert book.newest_at == max(12, at or 0)


@pytest.mark.parametrize(
    ("stated", "read", "verdict"),
    [
        ("0.4", "0.4", Verdict.TAKEN),  # it has what the channel lost
        ("0.4", "0.3", Verdict.OLDER),
        ("0.5", "0.5", Verdict.OLDER),  # nothing was lost
        (None, "0.4", Verdict.OLDER),
    ],
)
def test_an_older_book_counts_if_it_alone_has_the_prices_that_are_stated(
    stated: str | None, read: str, verdict: Verdict
) -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}, at=10), 1)
    change(book, "0.1", "5", at=12, stated=None if stated is None else Touch(D(stated), None))
    assert book.is_contradicted is (stated == "0.4")
    reading = book.request_snapshot()
    assert book.take_requested(reading, OUTCOME, whole({read: "1"}, at=11), 3)[0] is verdict
    assert book.is_contradicted is (stated == "0.4" and verdict is Verdict.OLDER)


def test_prices_may_be_stated_without_a_change() -> None:
    book = LocalBook(OUTCOME.id)
    book.state(Touch(D("0.4"), None), 9)
    assert not book.is_contradicted  # nothing is known yet
    book.take(OUTCOME, whole({"0.5": "9"}, at=10), 1)
    book.state(Touch(D("0.4"), None), 9)  # of before
    assert not book.is_contradicted
    book.state(Touch(D("0.4"), None), 11)
    assert book.is_contradicted
    assert book.newest_at == 10  # a book of that time is not known


def test_a_view_without_a_side_is_told_as_one() -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}), 1)
    assert isinstance(as_data(OUTCOME.id, book.look(OUTCOME, NOTHING)[0], 2, 3), CustomData)
    both = BookSnapshot("m", "t", None, {D("0.5"): D(9)}, {D("0.6"): D(1)})
    book.take(OUTCOME, both, 1)
    quote = as_data(OUTCOME.id, book.look(OUTCOME, NOTHING)[0], 2, 3)
    assert isinstance(quote, QuoteTick)
    assert (str(quote.bid_price), str(quote.ask_price)) == ("0.500", "0.600")


@pytest.mark.parametrize("levels", [{}, {"0.5": "9"}, {"0.5": "9", "0.4": "1"}])
def test_only_the_last_change_of_a_snapshot_ends_it(levels: dict[str, str]) -> None:
    deltas = LocalBook(OUTCOME.id).take(OUTCOME, whole(levels), 1)
    assert deltas is not None
    ends = [bool(d.flags & RecordFlag.F_LAST) for d in deltas.deltas]
    assert ends == [False] * len(levels) + [True]
    assert all(d.flags & RecordFlag.F_SNAPSHOT for d in deltas.deltas)


@pytest.mark.parametrize("times", [(None, None, None), (1, 3, 1), (1, 3, 3)])
def test_a_book_that_is_given_up_while_it_is_read_keeps_what_was_stated(
    times: tuple[int | None, int | None, int | None],
) -> None:
    """A bid at 0.52 was lost: a stop at 0.5 must not be triggered by the book that is read."""
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}, at=times[0]), 1)
    reading = book.request_snapshot()
    change(book, "0.3", "7", at=times[1], stated=Touch(D("0.52"), None))
    book.forget()
    assert take_requested(book, reading, whole({"0.5": "9"}, at=times[2])) != []
    assert book.is_contradicted
    assert book.publishable(OUTCOME, book.look(OUTCOME, NOTHING)[0]) is None
    change(book, "0.52", "1", at=times[1], stated=Touch(D("0.52"), None))
    assert not book.is_contradicted


def test_what_is_ours_alone_is_not_told() -> None:
    book = LocalBook(OUTCOME.id)
    own = ({D("0.5"): D(9)}, {D("0.6"): D(4)})

    def told(resting: Resting) -> list[str | None]:
        view, _ = book.look(OUTCOME, resting)
        book.published = view
        return [None if value is None else str(value) for value in view]

    sides = {D("0.5"): D(9), D("0.4"): D(5)}, {D("0.6"): D(6)}
    book.take(OUTCOME, BookSnapshot("m", "t", None, *sides), 1)
    assert told(own) == ["0.400", "5.00", "0.600", "6.00"]  # a level that others share stays
    assert told(NOTHING)[:2] == ["0.400", "5.00"]  # the channel tells it later
    change(book, "0.5", "0")
    change(book, "0.4", "0")
    assert told(NOTHING)[:2] == [None, None]


def test_a_bid_that_is_doubted_may_be_gone_altogether() -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}), 1)
    book.published = book.look(OUTCOME, NOTHING)[0]
    change(book, "0.5", "0", stated=Touch(None, D("0.6")))
    look = book.look(OUTCOME, NOTHING)[0]
    assert book.publishable(OUTCOME, look) == look == (None,) * 4
    book.state(Touch(D("0.3"), D("0.6")), None)
    view = book.publishable(OUTCOME, look)
    assert view is not None
    assert [str(value) for value in view[:2]] == ["0.300", "9.00"]  # as large as it was told


def test_the_side_that_is_there_is_told() -> None:
    book = LocalBook(OUTCOME.id)
    book.take(OUTCOME, whole({"0.5": "9"}), 1)
    told = as_data(OUTCOME.id, book.look(OUTCOME, NOTHING)[0], 2, 3)
    assert isinstance(told, CustomData)
    sides = told.data.bid, told.data.bid_size, told.data.ask, told.data.ask_size
    assert sides == ("0.500", "9.00", "", "")
