"""The simulated venue's rules, row by row, on both sides of each boundary."""

from decimal import Decimal
from typing import Any

import pytest

from positions.model.venue_rules import FeeSchedule
from venues.simulated.matching import (
    TAKER_DELAY,
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
    v.list_token("T", D(tick), D(5), FeeSchedule(D("0.04")))
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
    ("GTD three minutes ahead", venue(), order(BUY, "0.45", "10", time_in_force=GTD, expires_at=3 * MINUTE), [Accepted]),
    ("GTD too near", venue(), order(BUY, "0.45", "10", time_in_force=GTD, expires_at=3 * MINUTE - 1), [Rejected]),
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
    assert (second.shares, second.price, second.fee) == (D(1), D("0.55"), D(0)), "as maker"


GONE = (None, "0")
# fmt: off
DISPLAYS: dict[str, tuple[list[tuple[Any, str]], str]] = {
    # what the ask's touch showed, and what a buy of 1000 at 0.90 got of it then
    "a level that shrinks shows nothing new": ([(("0.52", "50"), "50"), (("0.52", "49"), "0"), (("0.52", "46"), "0")], "50"),
    "growth is new": ([(("0.52", "50"), "50"), (("0.52", "40"), "0"), (("0.52", "45"), "5"), (("0.52", "45"), "0")], "55"),
    "a shrink below what is left leaves what is shown": ([(("0.52", "50"), "20"), (("0.52", "10"), "10")], "30"),
    "a shrink to what is left takes nothing from it": ([(("0.52", "50"), "20"), (("0.52", "30"), "30")], "50"),
    "a level that a better one hid is remembered": (
        [(("0.52", "50"), "50"), (("0.51", "7"), "7"), (("0.52", "50"), "0"), (("0.52", "53"), "3")], "60"),
    "a level shrunk while it was hidden is remembered": (
        [(("0.52", "50"), "30"), (("0.51", "7"), "7"), (("0.52", "25"), "20")], "57"),
    "a better level that is gone and comes again is new": (
        [(("0.51", "7"), "7"), (("0.52", "50"), "50"), (("0.51", "7"), "7"), (("0.52", "50"), "0")], "64"),
    "a level that the touch has passed is over": (
        [(("0.52", "50"), "50"), (("0.53", "5"), "5"), (("0.52", "50"), "50")], "105"),
    "with its whole side a level is gone": ([(("0.52", "50"), "50"), (GONE, "0"), (("0.52", "50"), "50")], "100"),
    "two hidden levels are both remembered": (
        [(("0.53", "9"), "9"), (("0.52", "8"), "8"), (("0.51", "7"), "7"), (("0.52", "8"), "0"), (("0.53", "9"), "0")], "24"),
}
# fmt: on


@pytest.mark.parametrize("name", DISPLAYS)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_only_growth_is_new(name: str, side: Side) -> None:
    rows, in_all = DISPLAYS[name]
    v = venue(cash="10000", held="1000")
    got = D(0)
    for number, ((touch, size), most) in enumerate(rows):
        best = None if touch is None else D(touch) if side is BUY else 1 - D(touch)
        other = D("0.01") if side is BUY else D("0.99")
        asks, bids = ((best, D(size)), (other, D(1)))[:: 1 if side is BUY else -1]
        v.quote("T", *bids, *asks, number)
        shares = D(most) if D(most) else D(1000)
        display = v.tokens["T"].opposite(side)
        taken = min(display.left, shares)
        if taken:
            limit = "0.90" if side is BUY else "0.40"
            wanted = Order(str(number), "T", side, D(limit), taken, IOC)
            got += sum((e.shares for e in v.submit(wanted, number) if isinstance(e, Filled)), D(0))
        assert taken == D(most)
    assert got == D(in_all)


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
    v.submit(order(BUY, "0.45", "10", time_in_force=GTD, expires_at=3 * MINUTE), 0)
    assert v.quote("T", D("0.50"), D(1), D("0.52"), D(1), 2 * MINUTE - 1) == []
    (expired,) = v.quote("T", D("0.50"), D(2), D("0.52"), D(1), 2 * MINUTE)
    assert isinstance(expired, Expired)


@pytest.mark.parametrize(
    ("exponent", "fee"),
    [(1, "0.09984"), (2, "0.02492"), (None, "0.09984")],  # 10 x 0.04 x (0.52 x 0.48)^exponent
)
def test_a_taker_pays_by_the_exponent_and_a_maker_nothing(exponent: int | None, fee: str) -> None:
    v = SimulatedPolymarket(D(1000))
    v.list_token("T", D("0.01"), D(5), FeeSchedule(D("0.04"), exponent))
    v.quote("T", D("0.50"), D(30), D("0.52"), D(40), 0)
    _, taken = v.submit(order(BUY, "0.52", "10"), 0)
    v.submit(Order("P", "T", SELL, D("0.55"), D(10)), 0)
    (made,) = v.quote("T", D("0.55"), D(30), D("0.57"), D(40), 1)
    assert isinstance(taken, Filled)
    assert isinstance(made, Filled)
    assert (taken.fee, made.fee) == (D(fee), 0)
    assert v.cash == 1000 - D("5.2") - D(fee) + D("5.5")


# fmt: off
HELD = {
    # an order on the book 0.50 x 30 / 0.52 x 40                                   is it held
    "a buy at the ask": (order(BUY, "0.52", "10"), True),
    "a buy under the ask": (order(BUY, "0.51", "10"), False),
    "a sale at the bid": (order(SELL, "0.50", "10", time_in_force=IOC), True),
    "a sale above the bid": (order(SELL, "0.51", "10", time_in_force=IOC), False),
    "a sale at any price": (order(SELL, None, "10", time_in_force=IOC), True),
    "post-only": (order(BUY, "0.52", "10", post_only=True), False),
    "what the adapter denies": (order(SELL, "0.50", "10", reduce_only=True), False),
}
# fmt: on


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("delay", [0, TAKER_DELAY])
def test_what_would_take_is_held_where_the_market_has_a_delay(name: str, delay: int) -> None:
    asked, is_held = HELD[name]
    v = unseen(held="10")
    v.tokens["T"].taker_delay = delay
    assert v.holds_for(asked) == 0, "no book is known that it would meet"
    v.quote("T", D("0.50"), D(30), D("0.52"), D(40), 0)
    assert v.holds_for(asked) == (delay if is_held else 0)


@pytest.mark.parametrize("payout", ["0", "0.5", "1"])
def test_settlement_pays_what_is_held_apart_from_cash(payout: str) -> None:
    v = venue(held="10")
    v.submit(order(SELL, "0.60", "10"), 0)
    before = v.cash
    assert [type(e) for e in v.settle("T", D(payout), 1)] == [Canceled]
    assert (v.cash, v.redeemable, v.shares("T")) == (before, D(10) * D(payout), D(0))
    assert isinstance(v.submit(order(BUY, "0.45", "10"), 2)[0], Rejected)


# -- before the first book -------------------------------------------------------------------------


def unseen(cash: str = "1000", held: str = "0") -> SimulatedPolymarket:
    """A venue with a token of which no book is known."""
    v = SimulatedPolymarket(D(cash))
    v.list_token("T", D("0.01"), D(5), FeeSchedule(D("0.04")))
    v.tokens["T"].held = D(held)
    return v


def fills(events: list[Any]) -> list[tuple[str, str, str, bool]]:
    """Of each fill: the order, the price, the shares, and whether it was as maker."""
    return [
        (e.order_id, f"{e.price}", f"{e.shares}", e.is_maker)
        for e in events
        if isinstance(e, Filled)
    ]


def test_an_order_before_any_book_takes_at_the_first_one() -> None:
    v = unseen()
    assert [type(e) for e in v.submit(order(BUY, "0.90", "10"), 0)] == [Accepted]
    (fill,) = v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1)
    assert fills([fill]) == [("O", "0.64", "10", False)]
    assert fill.fee == D("0.09216")  # 10 x 0.04 x 0.64 x 0.36
    assert v.cash == 1000 - D("6.4") - D("0.09216")


def test_what_the_first_book_leaves_of_it_rests() -> None:
    v = unseen()
    v.submit(order(BUY, "0.90", "50"), 0)
    first = v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1)
    later = v.quote("T", D("0.63"), D(30), D("0.65"), D(40), 2)
    assert fills(first + later) == [("O", "0.64", "40", False), ("O", "0.90", "10", True)]


def test_a_sale_before_any_book_takes_at_its_bid() -> None:
    v = unseen(held="10")
    v.submit(order(SELL, "0.10", "10"), 0)
    assert fills(v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1)) == [
        ("O", "0.63", "10", False)
    ]


def test_several_that_wait_are_served_as_they_came() -> None:
    v = unseen()
    for name, price in (("low", "0.70"), ("high", "0.90"), ("under", "0.50")):
        v.submit(Order(name, "T", BUY, D(price), D(30)), 0)
    got = fills(v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1))
    assert got == [("low", "0.64", "30", False), ("high", "0.64", "10", False)]
    assert [o.order_id for o in v.resting("T")] == ["high", "under"]


def test_a_post_only_order_that_the_first_book_crosses_is_refused() -> None:
    v = unseen()
    v.submit(order(BUY, "0.64", "10", post_only=True), 0)
    v.submit(Order("P", "T", BUY, D("0.63"), D(10), post_only=True), 0)
    (refusal,) = v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1)
    assert isinstance(refusal, Rejected)
    assert (refusal.order_id, [o.order_id for o in v.resting("T")]) == ("O", ["P"])
    assert v.tokens["T"].bound == D("6.3")


def test_an_order_that_expired_before_the_first_book_is_not_filled() -> None:
    v = unseen()
    v.submit(order(BUY, "0.90", "10", time_in_force=GTD, expires_at=3 * MINUTE), 0)
    (end,) = v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 2 * MINUTE)
    assert isinstance(end, Expired)


def test_one_that_is_cancelled_before_the_first_book_is_off() -> None:
    v = unseen()
    v.submit(order(BUY, "0.90", "10"), 0)
    assert isinstance(v.cancel("O", 1)[0], Canceled)
    assert v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 2) == []


def test_an_order_that_a_first_book_of_one_side_leaves_rests_in_it() -> None:
    """It is the best bid of a book without asks: whoever sells then meets it."""
    v = unseen()
    v.submit(order(BUY, "0.90", "10"), 0)
    assert v.quote("T", D("0.63"), D(30), None, D(0), 1) == []
    assert fills(v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 2)) == [("O", "0.90", "10", True)]


def test_each_token_has_a_first_book_of_its_own() -> None:
    v = unseen()
    v.list_token("U", D("0.01"), D(5), FeeSchedule(D("0.04")))
    v.quote("U", D("0.35"), D(30), D("0.36"), D(40), 0)
    v.submit(order(BUY, "0.90", "10"), 1)
    assert v.quote("U", D("0.35"), D(30), D("0.37"), D(40), 2) == []
    assert fills(v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 3)) == [
        ("O", "0.64", "10", False)
    ]


def test_the_book_of_an_account_that_was_kept_is_not_known() -> None:
    """It is that of another day: an order waits for what is shown now."""
    before = venue()
    v = SimulatedPolymarket(D(1000))
    v.restore("T", before.tokens["T"])
    v.restore_order(Order("R", "T", BUY, D("0.60"), D(5)))
    assert [type(e) for e in v.submit(order(BUY, "0.90", "10"), 0)] == [Accepted]
    assert fills(v.quote("T", D("0.63"), D(30), D("0.64"), D(40), 1)) == [
        ("O", "0.64", "10", False)
    ]
    assert fills(v.quote("T", D("0.55"), D(30), D("0.56"), D(40), 2)) == [("R", "0.60", "5", True)]
