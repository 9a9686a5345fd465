"""The venue's arithmetic, on both sides of each boundary."""

from decimal import Decimal

import pytest

from positions.model.venue_rules import (
    FeeSchedule,
    Obstacle,
    Offer,
    break_even_price,
    ceil_to,
    decimals,
    exit_offer,
    floor_to,
    is_dust,
    sellable_size,
    taker_fee,
)

D = Decimal
CENT, MILL = D("0.01"), D("0.001")


def test_rounding_has_a_direction() -> None:
    assert floor_to(D("0.559"), CENT) == D("0.55")
    assert ceil_to(D("0.551"), CENT) == D("0.56")
    assert floor_to(D("0.55"), CENT) == ceil_to(D("0.55"), CENT) == D("0.55")


@pytest.mark.parametrize(
    ("value", "expected"), [("0.5500", 2), ("0.555", 3), ("100", 0), ("1E+2", 0), ("0.0001", 4)]
)
def test_decimals(value: str, expected: int) -> None:
    assert decimals(D(value)) == expected


@pytest.mark.parametrize(
    ("shares", "price", "rate", "exponent", "expected"),
    [
        ("100", "0.5", "0.04", 1, "1"),
        ("10", "0.52", "0.04", 1, "0.09984"),
        ("100", "0.99", "0.072", 1, "0.07128"),
        ("0.01", "0.5", "0.0001", 1, "0.00000"),
        ("100", "0.5", "0", 1, "0"),
        ("100", "0.5", "0.25", 2, "1.5625"),  # 100 x 0.25 x 0.25^2
        ("10", "0.52", "0.04", 2, "0.02492"),  # 10 x 0.04 x 0.2496^2 = 0.024920064
        ("100", "0.5", "0.25", None, "6.25"),  # not known: the highest of all that can be
        ("100", "0.5", "0", None, "0"),
    ],
)
def test_fee(shares: str, price: str, rate: str, exponent: int | None, expected: str) -> None:
    assert taker_fee(D(shares), D(price), FeeSchedule(D(rate), exponent)) == D(expected)


@pytest.mark.parametrize("exponent", [1, 2, 3, 9, None])
@pytest.mark.parametrize("rate", ["0", "0.04", "0.25", "1"])
@pytest.mark.parametrize("paid", ["0.01", "0.5", "0.5625", "0.99"])
def test_a_sale_at_the_break_even_price_pays_what_was_paid(
    paid: str, rate: str, exponent: int | None
) -> None:
    fee = FeeSchedule(D(rate), exponent)
    price = break_even_price(D(paid), fee)
    assert abs(price - fee.per_share(price) - D(paid)) < D("1e-12")
    assert D(paid) <= price <= 1


@pytest.mark.parametrize(
    ("shares", "tick", "expected"),
    [
        ("1.01", CENT, True),  # 1.01 x 0.99 = 0.9999
        ("1.02", CENT, False),  # 1.02 x 0.99 = 1.0098
        ("1.00", MILL, True),
        ("1.01", MILL, False),  # 1.01 x 0.999 = 1.00899
        ("1.019", CENT, True),  # the venue's grid leaves 1.01
    ],
)
def test_dust(shares: str, tick: Decimal, expected: bool) -> None:
    assert is_dust(D(shares), tick) is expected


@pytest.mark.parametrize(
    ("shares", "price", "expected"),
    [
        ("10.13", "0.98", "10.13"),
        ("10.13", "0.985", "10.1"),
        ("10.13", "0.9855", "10"),
        ("10.139", "0.9", "10.13"),
    ],
)
def test_sellable_size(shares: str, price: str, expected: str) -> None:
    size = sellable_size(D(shares), D(price))
    assert size == D(expected)
    assert decimals(size * D(price)) <= 4


NO = Obstacle
OFFERS = [
    # shares, bid, tick, slip, floor -> price, size or why not
    ("100", "0.45", CENT, "0.03", "0", ("0.42", "100")),
    ("100", "0.45", CENT, "0", "0", ("0.45", "100")),
    ("100", None, CENT, "0.03", "0", NO.NO_BID),
    ("100", "0.45", CENT, "0.03", "0.44", ("0.44", "100")),
    ("100", "0.45", CENT, "0.03", "0.45", ("0.45", "100")),
    ("100", "0.44", CENT, "0.03", "0.45", NO.BELOW_FLOOR),
    ("100", "0.02", CENT, "0.05", "0", ("0.01", "100")),  # never under one tick
    ("2", "0.50", CENT, "0.03", "0", ("0.50", "2")),  # a lower limit would be worth under $1
    ("2", "0.49", CENT, "0.03", "0", NO.BELOW_MINIMUM),
    ("0", "0.49", CENT, "0.03", "0", NO.BELOW_MINIMUM),
    ("10.13", "0.985", MILL, "0.003", "0", ("0.98", "10.13")),  # the cent below: no tail
    ("10.1", "0.985", MILL, "0.003", "0", ("0.982", "10.1")),
    ("10.13", "0.985", MILL, "0.003", "0.981", ("0.982", "10.1")),  # the floor forbids the cent
    ("1.07", "0.939", MILL, "0", "0.939", NO.BELOW_MINIMUM),  # 1.0 x 0.939 is under $1
    ("10.005", "0.5", CENT, "0", "0", ("0.5", "10")),
    ("100", "0.455", CENT, "0", "0", ("0.45", "100")),  # a bid finer than the tick
]


@pytest.mark.parametrize(("shares", "bid", "tick", "slip", "floor", "expected"), OFFERS)
def test_exit_offer(
    shares: str,
    bid: str | None,
    tick: Decimal,
    slip: str,
    floor: str,
    expected: tuple[str, str] | Obstacle,
) -> None:
    found = exit_offer(D(shares), None if bid is None else D(bid), tick, D(slip), D(floor))
    if isinstance(expected, Obstacle):
        assert found is expected
    else:
        assert found == Offer(D(expected[0]), D(expected[1]))
