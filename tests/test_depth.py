"""The depth of a book: how it is read, and what a whole position could be sold for."""

from decimal import Decimal

import pytest
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder
from nautilus_trader.model.enums import BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from stage import market

from venues.polymarket.market_data.local_book import best

D = Decimal


def test_the_bids_of_a_book_are_told_best_first_and_exactly() -> None:
    book = OrderBook(InstrumentId.from_str("RAIN-1.POLYMARKET"), BookType.L2_MBP)
    for number, (price, size) in enumerate(
        [("0.500", "50.00"), ("0.511", "3.10"), ("0.400", "7.01")]
    ):
        order = BookOrder(OrderSide.BUY, Price.from_str(price), Quantity.from_str(size), number)
        book.add(order, 0, 0)
    assert best(book.bids()) == [(D("0.511"), D("3.1")), (D("0.5"), D(50)), (D("0.4"), D("7.01"))]


@pytest.mark.parametrize(
    ("shares", "average"),
    [
        ("1", "0.5"),  # less than the touch
        ("50", "0.5"),  # all of the touch
        ("100", "0.45"),  # 50 at 0.50 and 50 at 0.40
        ("150", "0.45"),  # what no bid takes is not counted
    ],
)
def test_the_average_bid_of_a_size(shares: str, average: str) -> None:
    m = market()
    m.show(D("0.5"), D(50), None, D(0), 0, ((D("0.5"), D(50)), (D("0.4"), D(50))))
    assert m.average_bid(D(shares)) == D(average)


def test_without_depth_the_best_bid_is_the_average() -> None:
    m = market()
    assert m.average_bid(D(100)) is None
    m.show(D("0.5"), D(1), None, D(0), 0)
    assert m.average_bid(D(100)) == D("0.5")


def test_depth_stays_until_newer_is_told() -> None:
    m = market()
    m.show(D("0.5"), D(50), None, D(0), 0, ((D("0.5"), D(50)), (D("0.4"), D(50))))
    m.show(D("0.49"), D(50), None, D(0), 0)
    assert m.average_bid(D(100)) == D("0.45")
    assert m.bid_size_from(D("0.45")) == D(50)
