"""What a sale is told to have cost, against the stop."""

import pytest

from positions.storage.story import sentence


@pytest.mark.parametrize(
    ("slippage", "said"),
    [
        (None, "taker"),
        ("0", "taker, at the stop"),
        ("0.02", "taker, 0.02 under the stop"),
        ("-0.01", "taker, 0.01 above the stop"),
    ],
)
def test_a_sale_tells_how_far_from_the_stop_it_was(slippage: str | None, said: str) -> None:
    sale = {"kind": "order_filled", "role": "exit", "shares": "5", "price": "0.4", "fee": "0"}
    told = sentence(sale | {"liquidity": "taker", "slippage": slippage})
    assert told == f"sold 5 at 0.4 (exit), fee 0, {said}"
