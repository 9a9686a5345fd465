"""The walk over raw quotes by which the fills of a recording are judged: what it lets through."""

from decimal import Decimal
from typing import Any

import pytest
from recorded import overdrawn

D = Decimal
Row = tuple[int, str | None, str | None]
"""Time, bid, and what is displayed there."""
Fill = tuple[int, str, str]
"""Time, price, and shares."""

# name: (rows, sales that take, those that the book cannot have given)
WALKS: dict[str, tuple[list[Row], list[Fill], list[int]]] = {
    "all that is displayed": ([(1, "0.45", "50")], [(1, "0.45", "20"), (5, "0.45", "30")], []),
    "more than is displayed": ([(1, "0.45", "50")], [(1, "0.45", "20"), (5, "0.45", "31")], [1]),
    "a level that only shrinks is sold to again": (
        [(n, "0.45", str(51 - n)) for n in range(1, 6)],
        [(n, "0.45", str(51 - n)) for n in range(1, 6)],
        [1, 2, 3, 4],
    ),
    "growth is new": (
        [(1, "0.45", "50"), (2, "0.45", "20"), (3, "0.45", "60")],
        [(1, "0.45", "50"), (2, "0.45", "1"), (3, "0.45", "40"), (3, "0.45", "1")],
        [1, 3],
    ),
    "others go before us from what is left": (
        [(1, "0.45", "50"), (2, "0.45", "20")], [(1, "0.45", "30"), (2, "0.45", "21")], [1]),
    "a level behind the touch is as it was": (
        [(1, "0.45", "50"), (2, "0.46", "9"), (3, "0.45", "50")],
        [(1, "0.45", "50"), (2, "0.46", "9"), (3, "0.45", "1")],
        [2],
    ),
    "a level that was passed is over": (
        [(1, "0.45", "50"), (2, "0.44", "9"), (3, "0.45", "50")],
        [(1, "0.45", "50"), (3, "0.45", "50")],
        [],
    ),
    "a level that was gone with its side": (
        [(1, "0.45", "50"), (2, None, None), (3, "0.45", "50")],
        [(1, "0.45", "50"), (2, "0.45", "1"), (3, "0.45", "50")],
        [1],
    ),
    "a price of another moment": (
        [(1, "0.45", "50"), (2, "0.44", "50")], [(2, "0.45", "1"), (2, "0.44", "1")], [0]),
    "any row of its moment": (
        [(1, "0.46", "50"), (1, "0.45", "50"), (1, "0.44", "50")],
        [(1, "0.46", "50"), (1, "0.45", "50"), (1, "0.44", "51")],
        [2],
    ),
    "a size that was not recorded": (
        [(1, "0.45", "50"), (2, "0.45", None), (3, "0.46", None)],
        [(2, "0.45", "50"), (3, "0.46", "1")],
        [1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WALKS)
def test_what_a_book_cannot_have_given_is_found(name: str) -> None:
    rows, sales, wrong = WALKS[name]
    walked = [
        {
            "ts_event_ns": time,
            "bid": None if bid is None else D(bid),
            "bid_size": None if size is None else D(size),
        }
        for time, bid, size in rows
    ]
    fills: list[dict[str, Any]] = [
        {
            "at": time,
            "price": D(price),
            "shares": D(shares),
            "side": "sell",
            "liquidity": "taker",
            "role": "exit",
        }
        for time, price, shares in sales
    ]
    found = overdrawn(walked, fills)
    assert found == [text for n in wrong for text in found if text.endswith(str(fills[n]))]
    assert len(found) == len(wrong)


@pytest.mark.parametrize(("price", "is_wrong"), [("0.45", False), ("0.44", True), ("0.46", False)])
def test_a_resting_buy_is_met_by_the_ask(price: str, is_wrong: bool) -> None:
    row = {"ts_event_ns": 1, "ask": D("0.45"), "ask_size": D(50)}
    fill = {
        "at": 1,
        "price": D(price),
        "shares": D(50),
        "side": "buy",
        "liquidity": "maker",
        "role": "entry",
    }
    assert bool(overdrawn([row], [fill])) is is_wrong
