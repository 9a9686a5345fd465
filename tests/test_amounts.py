"""What is signed is what was meant, to the last millionth."""

from decimal import Decimal

import pytest
from py_clob_client_v2.order_builder.builder import OrderBuilder
from py_clob_client_v2.order_utils import Side

from venues.polymarket.api.amounts import exact_amounts

D = Decimal
SIZES = [D(hundredths) / 100 for hundredths in range(500, 10_500)]


@pytest.mark.parametrize("price", ["0.01", "0.29", "0.57", "0.001", "0.277", "0.999", "0.0001"])
def test_every_size_is_signed_as_it_is(price: str) -> None:
    for size in SIZES:
        shares, amount = int(size * 10**6), int(size * D(price) * 10**6)
        buys = exact_amounts("BUY", float(size), float(price), None)
        sells = exact_amounts("SELL", float(size), float(price), None)
        assert buys == (Side.BUY, amount, shares)
        assert sells == (Side.SELL, shares, amount)


def test_the_library_still_needs_mending() -> None:
    from py_clob_client_v2.order_builder.builder import ROUNDING_CONFIG

    amounts = OrderBuilder.get_order_amounts
    assert amounts(None, "SELL", 20.4, 0.38, ROUNDING_CONFIG["0.01"])[1] == 20_390_000
