"""What the venue tells of a market is read message by message, or refused with its reason."""

from decimal import Decimal
from typing import Any

import pytest

from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.ticks import ImpossibleTick, tick_of
from venues.polymarket.market_data import market_messages
from venues.polymarket.market_data.market_messages import Change, Changes, Touch

D = Decimal
NOW = 1_796_000_000_000
BOOK = {
    "market": "m",
    "asset_id": "t",
    "timestamp": str(NOW),
    "bids": [{"price": "0.40", "size": "5"}, {"price": "0.5", "size": "9"}],
    "asks": [{"price": "0.6", "size": "1"}],
}
CHANGE = {"asset_id": "t", "price": "0.5", "size": "9", "side": "BUY"}
TRADE = {
    "market": "m",
    "asset_id": "t",
    "timestamp": str(NOW),
    "price": "0.5",
    "size": "9",
    "side": "SELL",
}
BAD_PRICES = ["NaN", "Infinity", "-0.4", "1e999999", "0", "1", "2", "1e-7", "0.12345678", "", None]
BAD_SIZES = ["NaN", "-5", "1e30", "99999999999999999999", "1e999999999", "1e-9", "9" * 41, "", None]


def level(price: Any, size: Any) -> dict[str, Any]:
    return {"price": price, "size": size}


def test_a_book_is_read() -> None:
    told = market_messages.book(BOOK, NOW)
    assert told.bids == {D("0.4"): D(5), D("0.5"): D(9)}
    assert (told.at, told.touch) == (NOW, Touch(D("0.5"), D("0.6")))
    assert market_messages.book(BOOK | {"bids": [], "asks": []}, NOW).touch == Touch(None, None)
    twice = BOOK | {"bids": [level("0.5", "1"), level("0.50", "9")]}
    assert market_messages.book(twice, NOW).bids == {D("0.5"): D(9)}
    assert market_messages.book(BOOK | {"best_bid": "0.50", "best_ask": "0.60"}, NOW) == told


@pytest.mark.parametrize(
    "wrong",
    [
        *({"bids": [level(price, "5")]} for price in BAD_PRICES),
        *({"asks": [level("0.7", size)]} for size in BAD_SIZES),
        {"asks": [level("0.01", "5")]},  # crossed
        {"asks": [level("0.5", "5")]},
        {"bids": [level("0.5", "1")] * 10_001},
        {"bids": None},
        {"bids": {"0.5": "9"}},
        {"bids": ["0.5"]},
        {"market": None},
        {"asset_id": 7},
        {"best_bid": "0.4", "best_ask": "0.6"},
    ],
)
def test_a_book_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        market_messages.book(BOOK | wrong, NOW)


def test_changes_are_read_by_outcome_with_the_prices_that_are_stated_last() -> None:
    entries = [
        CHANGE | {"best_bid": "0.5", "best_ask": "0.6"},
        CHANGE | {"asset_id": "other", "side": "SELL"},
        CHANGE | {"price": "0.4", "size": "0", "best_bid": "0.30", "best_ask": "1"},
    ]
    assert market_messages.changes({"price_changes": entries}) == (
        [
            Changes(
                "t",
                [Change(True, D("0.5"), D(9)), Change(True, D("0.4"), D(0))],
                Touch(D("0.3"), None),
            ),
            Changes("other", [Change(False, D("0.5"), D(9))], None),
        ],
        set(),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *({"price": price} for price in BAD_PRICES),
        *({"size": size} for size in BAD_SIZES),
        {"side": "HOLD"},
        {"side": None},
        {"best_bid": "-1", "best_ask": "0.6"},
        {"best_bid": "0.5", "best_ask": "NaN"},
        {"best_bid": "2", "best_ask": "0.6"},
    ],
)
def test_an_outcome_with_one_wrong_change_is_read_anew_and_the_others_are_changed(
    wrong: dict[str, Any],
) -> None:
    entries = [CHANGE, CHANGE | wrong, CHANGE | {"asset_id": "other"}]
    found, spoilt = market_messages.changes({"price_changes": entries})
    assert [c.asset_id for c in found] == ["other"]
    assert spoilt == {"t"}


@pytest.mark.parametrize("entries", [None, {"a": 1}, [None], ["t"], [{"price": "0.5"}]])
def test_changes_of_nobody_knows_what_are_refused(entries: Any) -> None:
    with pytest.raises(Unreadable):
        market_messages.changes({"price_changes": entries})


@pytest.mark.parametrize(
    "wrong",
    [
        *({"price": price} for price in BAD_PRICES),
        *({"size": size} for size in [*BAD_SIZES, "0"]),
        {"side": "X"},
    ],
)
def test_a_trade_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    assert market_messages.trade(TRADE, NOW).price == D("0.5")
    with pytest.raises(Unreadable):
        market_messages.trade(TRADE | wrong, NOW)


def test_a_frame_is_searched_for_what_it_may_be_about() -> None:
    assert market_messages.mentioned(b'{"asset_id": "12", "x"', ["12", "34"]) == {"12"}
    assert market_messages.mentioned(b"x" * 200_000 + b"12", ["12"]) == set()


@pytest.mark.parametrize(
    "value", ["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001", 0.01, "0.0100", "0.000001"]
)
def test_a_tick_is_a_part_of_one(value: Any) -> None:
    assert tick_of(value) == D(str(value))
    assert str(tick_of("0.0100")) == "0.01"


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "0.3",
        "1e-12",
        "1e-20",
        "0",
        "-0.01",
        "nan",
        "inf",
        "0.2",
        "0.003",
        "0.0000001",
        "",
        None,
        "x",
        "0.5",
        "1e999999999",
        "0" * 500,
        {},
        True,
    ],
)
def test_an_impossible_tick_is_refused(value: Any) -> None:
    with pytest.raises(ImpossibleTick):
        tick_of(value)
