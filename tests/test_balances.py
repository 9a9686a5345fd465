"""Fewer shares at the venue than are recorded: when that counts."""

from decimal import Decimal

import pytest
from stage import START, TOKEN, Stage, filled, quote, rejected, submit

from positions.engine.balances import BALANCE_LAG
from positions.model.position import Phase, Role

D = Decimal


@pytest.fixture
def stage() -> Stage:
    """Thirty shares were just bought."""
    stage = Stage()
    for cue in (
        quote("0.5", "0.56"),
        submit(size="30", sell_price=None),
        filled(Role.ENTRY, "30", "0.55"),
    ):
        cue(stage)
    return stage


def seen(stage: Stage, balance: str, after: int = 0) -> Decimal:
    """What is missing once the wallet was seen to have so many shares."""
    stage.now = START + after
    stage.engine.balance_seen(TOKEN, D(balance), stage.now)
    stage.run()
    return stage.position.decision.missing


def test_they_count_once_the_balance_cannot_lag_any_more(stage: Stage) -> None:
    for after in range(0, BALANCE_LAG, BALANCE_LAG // 3):
        assert seen(stage, "0", after) == 0
    late = 2 * BALANCE_LAG
    assert seen(stage, "10", late) == 0  # a sale of it may not have been heard of
    assert seen(stage, "20", late) == 0
    assert seen(stage, "20", late) == 10
    assert stage.position.decision.dispute == "the venue has 20 of 30 shares"
    assert seen(stage, "30", late) == 0
    assert stage.position.decision.dispute is None


def test_they_count_once_a_sale_of_more_was_refused(stage: Stage) -> None:
    quote("0.45", "0.47")(stage)
    rejected(Role.EXIT)(stage)
    assert [seen(stage, "0") for _ in range(3)] == [0, 0, 0]  # all of it is tried again
    assert [seen(stage, "20") for _ in range(2)] == [0, 10]
    assert stage.position.sellable == 20
    assert stage.position.phase is Phase.EXITING


def test_they_count_after_the_clock_was_set_back(stage: Stage) -> None:
    assert [seen(stage, "20", -2 * BALANCE_LAG) for _ in range(2)] == [0, 10]
