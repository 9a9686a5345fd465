"""What the venue says of an order gives the same end in every sequence, told once or twice."""

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations

import pytest
from msgspec.structs import replace

from positions.model.durations import MINUTE
from positions.model.trades import Settlement, Trade, is_reported_otherwise, trade_name
from venues.polymarket.api import parsing
from venues.polymarket.execution.order_fill_tracker import (
    Accepted,
    Canceled,
    Filled,
    FillReversed,
    OrderFillTracker,
    OrderUpdate,
    Rejected,
)

D = Decimal
Said = Callable[[OrderFillTracker], list[OrderUpdate]]


def trade(number: int, shares: str, status: Settlement = Settlement.MATCHED) -> Said:
    made = Trade(f"T-{number}", D("0.5"), D(shares), is_maker=False, time=number, status=status)
    return lambda t: t.apply_trade(made)


def placed(t: OrderFillTracker) -> list[OrderUpdate]:
    return t.apply_acceptance()


def ended(matched: str | None) -> Said:
    return lambda t: t.apply_end(None if matched is None else D(matched), "done")


def play(said: list[Said], shares: str = "8") -> tuple[OrderFillTracker, list[OrderUpdate]]:
    tracker = OrderFillTracker(D(shares))
    return tracker, [news for say in said for news in say(tracker)]


def held(news: list[OrderUpdate]) -> Decimal:
    filled = sum((n.trade.shares for n in news if isinstance(n, Filled)), D(0))
    return filled - sum((n.trade.shares for n in news if isinstance(n, FillReversed)), D(0))


WHOLE = [placed, trade(1, "3"), trade(2, "5")]
PART = [placed, trade(1, "3"), trade(2, "2"), ended("5")]
SETTLED = [trade(1, "8"), trade(1, "8", Settlement.MINED), trade(1, "8", Settlement.CONFIRMED)]
FAILED = [placed, trade(1, "8"), trade(1, "8", Settlement.FAILED)]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("said", "shares", "is_cancelled"),
    [(WHOLE, "8", False), (PART, "5", True), (SETTLED, "8", False), (FAILED, "0", False)],
)
def test_every_sequence_ends_alike(
    said: list[Said], shares: str, is_cancelled: bool, twice: bool
) -> None:
    for order in permutations(said * 2 if twice and len(said) == 3 else said):
        tracker, news = play([*order, *order] if twice else list(order))
        assert held(news) == D(shares)
        assert sum(isinstance(n, Accepted) for n in news) <= 1
        is_unfilled = not any(isinstance(n, Filled) for n in news)
        assert sum(isinstance(n, Canceled) for n in news) == (is_cancelled or is_unfilled)
        assert tracker.is_over
        assert not tracker.lacks_trades
        if is_cancelled:
            assert isinstance(news[-1], Canceled), "the end comes after every fill"


def test_an_end_that_matched_more_than_was_told_waits_for_the_trades() -> None:
    tracker, news = play([placed, ended("5"), trade(1, "3")])
    assert [type(n) for n in news] == [Accepted, Filled]
    assert tracker.lacks_trades
    assert not tracker.is_over
    assert [
        type(n) for n in tracker.apply_trade(Trade("T-2", D(1), D(2), True, 1, Settlement.MINED))
    ] == [
        Filled,
        Canceled,
    ]
    assert tracker.is_over


def test_an_end_that_does_not_say_what_matched_is_none_of_less_than_was_said() -> None:
    tracker, news = play([placed, ended("5"), ended("2"), ended(None)])
    assert [type(n) for n in news] == [Accepted]
    assert tracker.lacks_trades
    assert [type(n) for n in tracker.abandon("gone")] == [Canceled]
    assert tracker.is_over


WHOLE = Trade("T", D("0.53"), D(8), False, 1, Settlement.MATCHED, "T")
PARTS = [replace(WHOLE, id=f"T-{n}", shares=D(shares)) for n, shares in enumerate(("5", "3"))]


@pytest.mark.parametrize(("first", "later"), [([WHOLE], PARTS), (PARTS, [WHOLE])])
def test_a_trade_that_is_told_in_other_parts_is_the_same(
    first: list[Trade], later: list[Trade]
) -> None:
    tracker = OrderFillTracker(D(8))
    news = [n for t in first + later for n in tracker.apply_trade(t)]
    assert held(news) == 8
    assert tracker.matched == 8
    failed = [replace(t, status=Settlement.FAILED) for t in later + first]
    assert held([*news, *(n for t in failed for n in tracker.apply_trade(t))]) == 0
    assert not tracker.has_unsettled


UUID = "0b9a1d3c-7f52-4e8e-9c1a-5d6e7f809a1b"


@pytest.mark.parametrize("trade_id", ["T-1", UUID])
@pytest.mark.parametrize("part", [0, 9, 10, 123])
def test_a_part_of_a_trade_is_known_by_its_name(trade_id: str, part: int) -> None:
    whole, one = trade_name(trade_id, "0x12abcdef"), trade_name(trade_id, "0x12abcdef", part)
    assert len(one) <= 36
    assert is_reported_otherwise(whole, [one])
    assert is_reported_otherwise(one, ["T-7", whole])
    assert not is_reported_otherwise(whole, [whole, f"{one} reversed"])
    assert not is_reported_otherwise(one, [trade_name(trade_id, "0x12abcdef", 1), one])
    assert not is_reported_otherwise(one, [trade_name(trade_id, "0x12fedcba")])
    assert not is_reported_otherwise(one, [trade_name(f"2{trade_id}", "0x12abcdef")])


def test_an_end_that_does_not_say_what_matched_is_told_at_once() -> None:
    tracker, news = play([placed, trade(1, "3"), ended(None)])
    assert [type(n) for n in news] == [Accepted, Filled, Canceled]
    late = tracker.apply_trade(Trade("T-2", D(1), D(2), True, 1, Settlement.MATCHED))
    assert [type(n) for n in late] == [Filled, Canceled], "a late fill ends the order again"
    assert late[0].is_late  # type: ignore[union-attr]
    whole = tracker.apply_trade(Trade("T-3", D(1), D(3), True, 1, Settlement.MATCHED))
    assert [type(n) for n in whole] == [Filled], "a whole order needs no end"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], [Rejected]),
        ([placed], [Accepted, Canceled]),
        ([trade(1, "3")], [Accepted, Filled, Canceled]),
        ([trade(1, "8")], [Accepted, Filled]),
        ([ended("0")], [Canceled]),
    ],
)
def test_only_an_order_that_the_venue_never_had_is_rejected(
    before: list[Said], expected: list[type]
) -> None:
    _, news = play([*before, lambda t: t.apply_rejection("no")])
    assert [type(n) for n in news] == expected


def test_a_rejected_order_that_trades_after_all_is_told_as_late() -> None:
    tracker, _ = play([lambda t: t.apply_rejection("not found")])
    assert tracker.is_rejected
    news = tracker.apply_trade(Trade("T-1", D(1), D(8), True, 1, Settlement.MATCHED))
    assert [type(n) for n in news] == [Accepted, Filled] or [type(n) for n in news] == [Filled]
    assert news[-1].is_late  # type: ignore[union-attr]


def test_a_trade_that_failed_before_it_was_told_never_counts_and_the_order_still_ends() -> None:
    _, news = play([placed, trade(1, "8", Settlement.FAILED), trade(1, "8")])
    assert [type(n) for n in news] == [Accepted, Canceled]
    _, news = play([placed, trade(1, "3", Settlement.FAILED), trade(2, "5"), trade(2, "5")])
    assert [type(n) for n in news] == [Accepted, Filled, Canceled]


def test_only_trades_that_may_still_fail_are_unsettled() -> None:
    for status in Settlement:
        tracker, _ = play([trade(1, "8", status)])
        final = status in (Settlement.CONFIRMED, Settlement.FAILED)
        assert tracker.has_unsettled is not final


@pytest.mark.parametrize(
    ("status", "is_live"),
    [
        ("LIVE", True),
        ("ORDER_STATUS_LIVE", True),
        ("delayed", True),
        ("a word of tomorrow", True),
        ("", True),
        ("ORDER_STATUS_MATCHED", False),
        ("CANCELED_MARKET_RESOLVED", False),
        ("ORDER_STATUS_INVALID", False),
        ("CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed.", False),
    ],
)
def test_an_order_is_over_only_where_a_known_word_says_so(status: str, is_live: bool) -> None:
    assert parsing.is_live({"status": status}) is is_live


@pytest.mark.parametrize(
    ("word", "settlement"),
    [
        *((s.value, s) for s in Settlement),
        *((f"TRADE_STATUS_{s}", s) for s in Settlement),
        ("mined", Settlement.MINED),
        ("MATCHED_NOT_BROADCASTED", Settlement.MATCHED),
        ("TRADE_STATUS_MATCHED_NOT_BROADCASTED", Settlement.MATCHED),
    ],
)
def test_a_trade_has_come_as_far_as_its_word_says(word: str, settlement: Settlement) -> None:
    told = {"id": "T", "status": word, "match_time": "1700000001", "taker_order_id": "0xCD"}
    told |= {"asset_id": "1", "size": "5", "price": "0.5"}
    (part,) = parsing.trades_of("0xcd", told)
    assert part.status is settlement
    assert not parsing.unknown_settlement(told)


@pytest.mark.parametrize("word", ["a word of tomorrow", "TRADE_STATUS_", "", None, 7, ["MINED"]])
def test_a_trade_with_another_word_is_matched_and_not_settled(word: object) -> None:
    told = {"id": "T", "status": word, "match_time": "1700000001", "taker_order_id": "0xCD"}
    told |= {"asset_id": "1", "size": "5", "price": "0.5", "maker_orders": None}
    (part,) = parsing.trades_of("0xcd", told)
    assert (part.shares, part.status) == (5, Settlement.MATCHED)
    assert "not known" in parsing.unknown_settlement(told)


def test_an_order_is_known_by_its_hash_in_either_case() -> None:
    maker = {"order_id": "0xAB", "price": "0.5", "matched_amount": "5", "asset_id": "1"}
    told = {"id": "T", "status": "MINED", "match_time": "1700000001", "taker_order_id": "0xCD"}
    trade = told | {"asset_id": "1", "size": "5", "price": "0.5", "maker_orders": [maker]}
    assert list(parsing.order_ids(trade)) == ["0xcd", "0xab"]
    for order_id, is_maker in (("0xab", True), ("0xcd", False)):
        (part,) = parsing.trades_of(order_id, trade)
        assert (part.shares, part.is_maker) == (5, is_maker)


@pytest.mark.parametrize("later", ["1", "8", "100000000000"])
def test_a_trade_that_is_told_again_with_another_size_stays_as_it_was(later: str) -> None:
    said = [placed, trade(1, "3"), trade(1, later, Settlement.MINED)]
    tracker, news = play(said)
    assert (held(news), tracker.matched, tracker.is_over) == (D(3), D(3), False)
    news += tracker.apply_trade(Trade("T-1", D("0.5"), D(later), False, 1, Settlement.FAILED))
    assert held(news) == 0


@pytest.mark.parametrize(("told", "at"), [(5, 5), (MINUTE, MINUTE), (MINUTE + 1, 0), (10**18, 0)])
def test_no_trade_is_of_the_future(told: int, at: int) -> None:
    made = Trade("T-1", D("0.5"), D(3), is_maker=False, time=told, status=Settlement.MATCHED)
    assert made.at(now=0) == at
