"""The simulated venue's rules, row by row, on both sides of each boundary."""

from decimal import Decimal
from typing import Any

import pytest

from venues.matching import (
    Accepted,
    Canceled,
    CancelRejected,
    Denied,
    Expired,
    Filled,
    Order,
    Rejected,
    Side,
    SimulatedPolymarket,
    TimeInForce,
)

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
GTC, GTD, IOC, FOK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
MINUTE = 60_000_000_000


def venue(cash: str = "1000", held: str = "0", tick: str = "0.01") -> SimulatedPolymarket:
    """A venue with one token, its book at 0.50 x 30 / 0.52 x 40, and so many shares held."""
    v = SimulatedPolymarket(D(cash))
    v.list_token("T", D(tick), D(5), D("0.04"))
    v.tokens["T"].held = D(held)
    v.quote("T", D("0.50"), D(30), D("0.52"), D(40), 0)
    return v


def order(side: Side, price: str | None, shares: str, **fields: Any) -> Order:
    """An order GTC unless told otherwise."""
    return Order("O", "T", side, None if price is None else D(price), D(shares), **fields)


# fmt: off
ROWS: list[tuple[str, SimulatedPolymarket, Order, list[type]]] = [
    # what the adapter denies
    ("reduce-only", venue(held="10"), order(SELL, "0.60", "10", reduce_only=True), [Denied]),
    ("market GTC", venue(held="10"), order(SELL, None, "10"), [Denied]),
    ("market buy in shares", venue(), order(BUY, None, "10", time_in_force=IOC), [Denied]),
    ("market IOC sell", venue(held="10"), order(SELL, None, "10", time_in_force=IOC), [Accepted, Filled]),
    # prices
    ("on the tick", venue(), order(BUY, "0.45", "10"), [Accepted]),
    ("off the tick", venue(), order(BUY, "0.455", "10"), [Rejected]),
    ("on the fine tick", venue(tick="0.001"), order(BUY, "0.455", "10"), [Accepted]),
    ("lowest price", venue(), order(BUY, "0.01", "10"), [Accepted]),
    ("below the lowest", venue(), order(BUY, "0.00", "10"), [Rejected]),
    ("highest price", venue(held="10"), order(SELL, "0.99", "10"), [Accepted]),
    ("above the highest", venue(held="10"), order(SELL, "1.00", "10"), [Rejected]),
    # sizes
    ("minimum to rest", venue(), order(BUY, "0.45", "5"), [Accepted]),
    ("under the minimum to rest", venue(), order(BUY, "0.45", "4.99"), [Rejected]),
    ("off the size grid", venue(), order(BUY, "0.45", "5.001"), [Rejected]),
    ("under five shares at once", venue(held="10"), order(SELL, "0.50", "2", time_in_force=IOC), [Accepted, Filled]),
    ("a dollar at once", venue(held="10"), order(SELL, "0.50", "2.00", time_in_force=IOC), [Accepted, Filled]),
    ("under a dollar at once", venue(held="10"), order(SELL, "0.50", "1.99", time_in_force=IOC), [Rejected]),
    ("under a dollar resting", venue(held="10"), order(SELL, "0.10", "5"), [Rejected]),
    ("under a dollar far off", venue(), order(BUY, "0.10", "5"), [Accepted]),
    ("four decimals at once", venue(held="10"), order(SELL, "0.50", "3.33", time_in_force=IOC), [Accepted, Filled]),
    ("five decimals at once", venue(held="20", tick="0.001"), order(SELL, "0.485", "10.13", time_in_force=IOC), [Rejected]),
    ("five decimals resting", venue(held="20", tick="0.001"), order(SELL, "0.985", "10.13"), [Accepted]),
    # money and shares
    ("all the cash", venue(cash="4.50"), order(BUY, "0.45", "10"), [Accepted]),
    ("a cent too little", venue(cash="4.49"), order(BUY, "0.45", "10"), [Rejected]),
    ("the taker's fee counts", venue(cash="5.20"), order(BUY, "0.52", "10"), [Rejected]),
    ("with the taker's fee", venue(cash="5.30"), order(BUY, "0.52", "10"), [Accepted, Filled]),
    ("all that is held", venue(held="10"), order(SELL, "0.60", "10"), [Accepted]),
    ("more than is held", venue(held="10"), order(SELL, "0.60", "10.01"), [Rejected]),
    ("a naked sell", venue(), order(SELL, "0.60", "10"), [Rejected]),
    # how orders stand
    ("post-only that rests", venue(), order(BUY, "0.51", "10", post_only=True), [Accepted]),
    ("post-only that crosses", venue(), order(BUY, "0.52", "10", post_only=True), [Rejected]),
    ("IOC takes what is there", venue(held="50"), order(SELL, "0.40", "50", time_in_force=IOC), [Accepted, Filled, Canceled]),
    ("IOC without a match", venue(held="50"), order(SELL, "0.51", "50", time_in_force=IOC), [Accepted, Canceled]),
    ("FOK whole", venue(held="50"), order(SELL, "0.50", "30", time_in_force=FOK), [Accepted, Filled]),
    ("FOK a share too many", venue(held="50"), order(SELL, "0.50", "30.01", time_in_force=FOK), [Accepted, Canceled]),
    ("GTD a minute ahead", venue(), order(BUY, "0.45", "10", time_in_force=GTD, expires_at=MINUTE), [Accepted]),
    ("GTD too near", venue(), order(BUY, "0.45", "10", time_in_force=GTD, expires_at=MINUTE - 1), [Rejected]),
]
# fmt: on


@pytest.mark.parametrize(("name", "v", "o", "expected"), ROWS, ids=[r[0] for r in ROWS])
def test_rule(name: str, v: SimulatedPolymarket, o: Order, expected: list[type]) -> None:
    assert [type(e) for e in v.submit(o, 0)] == expected, name


def test_a_taker_pays_the_touch_and_the_fee() -> None:
    v = venue()
    (_, fill) = v.submit(order(BUY, "0.60", "10"), 0)
    assert isinstance(fill, Filled)
    assert (fill.price, fill.fee) == (D("0.52"), D("0.09984"))  # 10 x 0.04 x 0.52 x 0.48
    assert v.cash == 1000 - D("5.2") - D("0.09984")


def test_displayed_size_is_taken_once() -> None:
    v = venue()
    (_, first) = v.submit(order(BUY, "0.55", "100"), 0)
    assert isinstance(first, Filled)
    assert first.shares == 40
    assert v.quote("T", D("0.50"), D(30), D("0.52"), D(40), 1) == [], "the same display again"
    (second,) = v.quote("T", D("0.50"), D(30), D("0.52"), D(41), 2)
    assert isinstance(second, Filled)
    assert (second.shares, second.price, second.fee) == (D(41), D("0.55"), D(0)), "as maker"


def test_a_resting_sell_waits_for_its_price() -> None:
    v = venue(held="10")
    v.submit(order(SELL, "0.60", "10"), 0)
    assert v.quote("T", D("0.59"), D(30), D("0.62"), D(40), 1) == []
    (fill,) = v.quote("T", D("0.63"), D(30), D("0.65"), D(40), 2)
    assert isinstance(fill, Filled)
    assert (fill.price, fill.is_maker) == (D("0.60"), True)


def test_resting_sells_lock_shares_until_they_are_cancelled() -> None:
    v = venue(held="10")
    v.submit(order(SELL, "0.60", "10"), 0)
    late = Order("L", "T", SELL, D("0.50"), D(10), IOC)
    assert isinstance(v.submit(late, 1)[0], Rejected)
    assert isinstance(v.cancel("O", 2)[0], Canceled)
    assert isinstance(v.cancel("O", 2)[0], CancelRejected)
    assert isinstance(v.submit(late, 3)[1], Filled)


def test_better_then_earlier_orders_are_filled_first() -> None:
    v = venue(held="30")
    for name, price in (("late", "0.61"), ("first", "0.60"), ("second", "0.60")):
        v.submit(Order(name, "T", SELL, D(price), D(10)), 0)
    fills = v.quote("T", D("0.61"), D(15), D("0.70"), D(1), 1)
    assert [(e.order_id, e.shares) for e in fills if isinstance(e, Filled)] == [
        ("first", D(10)),
        ("second", D(5)),
    ]


def test_a_side_that_vanished_fills_nothing() -> None:
    v = venue(held="10")
    v.submit(order(SELL, "0.60", "10"), 0)
    assert v.quote("T", None, D(0), D("0.62"), D(40), 1) == []


def test_gtd_expires_a_minute_before_its_time() -> None:
    v = venue()
    v.submit(order(BUY, "0.45", "10", time_in_force=GTD, expires_at=2 * MINUTE), 0)
    assert v.quote("T", D("0.50"), D(1), D("0.52"), D(1), MINUTE - 1) == []
    (expired,) = v.quote("T", D("0.50"), D(2), D("0.52"), D(1), MINUTE)
    assert isinstance(expired, Expired)


@pytest.mark.parametrize("payout", ["0", "0.5", "1"])
def test_settlement_pays_what_is_held_apart_from_cash(payout: str) -> None:
    v = venue(held="10")
    v.submit(order(SELL, "0.60", "10"), 0)
    before = v.cash
    assert [type(e) for e in v.settle("T", D(payout), 1)] == [Canceled]
    assert (v.cash, v.redeemable, v.shares("T")) == (before, D(10) * D(payout), D(0))
    assert isinstance(v.submit(order(BUY, "0.45", "10"), 2)[0], Rejected)
