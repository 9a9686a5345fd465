"""What was sent ends: refused for good, forgotten, never seen, or done without a trace.

Nothing of it may hold up what else is owed for ever, or be taken for paid.
"""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from test_redeem import ONCE, Owner

from venues.polymarket.redemption import redeemer
from venues.polymarket.redemption.redeemer import Patience
from venues.polymarket.redemption.remote import RedemptionError

D = Decimal
FOLLOWED = Patience(30.0, 0.0)


@pytest.fixture(params=[1, 2, 3], ids=["proxy", "Safe", "deposit"])
def relayed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Owner]:
    made = Owner(tmp_path / "state", request.param)
    yield made
    made.chain.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Owner]:
    made = Owner(tmp_path / "state", 0)
    yield made
    made.chain.stop()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the clock is ahead."""
    ahead = [0.0]

    class Clock:
        monotonic, sleep = time.monotonic, time.sleep

        @staticmethod
        def time() -> float:
            return time.time() + ahead[0]

    monkeypatch.setattr(redeemer, "time", Clock)
    return ahead


def test_what_was_paid_is_told_though_losing_shares_are_left(relayed: Owner) -> None:
    """Of V2 the outcome that won is redeemed alone."""
    chain = relayed.chain
    chain.resolve("v2", shares=(5_000_000, 2_000_000))
    chain.after = lambda name: 0 if name == "/submit" else None
    with pytest.raises(RedemptionError, match="its end is not known yet"):
        relayed.redeem()
    chain.after = lambda _: None
    assert [r.state for r in relayed.redeem()] == ["paid"]
    assert relayed.redeem() == []
    assert (chain.cash, len(chain.carried_out)) == (5_000_000, 1)


def test_what_the_relayer_refuses_for_good_holds_nothing_up(relayed: Owner) -> None:
    chain = relayed.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.resolve("v2", shares=(3_000_000, 0))
    chain.refusal = "invalid signature"
    results = relayed.redeem()
    assert [r.state for r in results] == ["failed", "failed"]
    assert all("invalid signature" in r.why for r in results)
    assert [r.state for r in relayed.redeem(by_hand=False)] == ["failed", "failed"]  # it waits
    assert chain.asked.count("/submit") == 2
    chain.refusal = ""
    assert relayed.states() == [("paid", D(5)), ("paid", D(3))]


def test_a_busy_wallet_is_waited_for(relayed: Owner) -> None:
    chain = relayed.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.refusal = "wallet has in-flight action"
    with pytest.raises(RedemptionError, match="in-flight"):
        relayed.redeem()
    chain.refusal = ""
    assert [r.state for r in relayed.redeem(patience=FOLLOWED)] == ["paid"]
    assert (chain.cash, len(chain.carried_out)) == (5_000_000, 1)


def test_a_request_that_the_relayer_forgot_is_told_by_its_nonce(relayed: Owner) -> None:
    chain = relayed.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.before = lambda name: 503 if name.startswith("/v1/account/transactions/r") else None
    with pytest.raises(RedemptionError, match="its end is not known yet"):
        relayed.redeem()
    chain.before = lambda _: None
    chain.states.clear()
    assert [r.state for r in relayed.redeem()] == ["paid"]
    assert (chain.cash, len(chain.carried_out)) == (5_000_000, 1)


def test_what_is_confirmed_and_did_nothing_is_not_paid(relayed: Owner, later: list[float]) -> None:
    chain = relayed.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.does_nothing = True
    with pytest.raises(RedemptionError, match="its end is not known yet"):
        relayed.redeem()
    later[0] = 1000.0
    first, *_ = relayed.redeem(by_hand=False)
    assert first.state == "failed"
    assert "the shares are there still" in first.why
    chain.does_nothing = False
    assert relayed.states() == [("paid", D(5))]


def test_a_transaction_that_no_node_has_is_signed_anew(own: Owner, later: list[float]) -> None:
    chain = own.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.before = lambda name: 503 if name == "eth_sendRawTransaction" else None
    for _ in range(2):
        with pytest.raises(RedemptionError, match="its end is not known yet"):
            own.redeem(patience=ONCE)
    chain.before = lambda _: None
    later[0] = 4000.0
    assert [r.state for r in own.redeem(patience=FOLLOWED)] == ["failed", "paid"]
    assert (chain.cash, len(chain.carried_out)) == (5_000_000, 1)


def test_a_receipt_without_an_outcome_is_one_line(own: Owner) -> None:
    own.chain.resolve("v1", shares=(5_000_000, 0))
    told = own.chain._rpc

    def rpc(method: str, params: list[str]) -> object:
        answer = told(method, params)
        return {} if method == "eth_getTransactionReceipt" and answer else answer

    own.chain._rpc = rpc  # type: ignore[method-assign]
    with pytest.raises(RedemptionError, match="its end is not known yet"):
        own.redeem()
