"""A clock that is set back holds nothing up for as long."""

import time
from decimal import Decimal

import pytest
from nautilus_trader.common.component import LiveClock, TestClock
from stage import ID, TOKEN, Stage, filled, later, quote, submit

from bridge.clocks import now_ns
from positions.engine.balances import BALANCE_LAG
from positions.model.durations import SECOND
from positions.model.position import Phase, Role

BACK = -3600


def test_a_live_clocks_time_goes_back_with_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    live, given = LiveClock(), TestClock()
    given.set_time(5)
    before, real = now_ns(live), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + BACK * SECOND)
    assert now_ns(live) < before - 3000 * SECOND
    assert now_ns(given) == 5


def held(s: Stage) -> None:
    for cue in (
        quote("0.54", "0.55"),
        submit(stop_confirm="10s"),
        filled(Role.ENTRY, "100", "0.55"),
    ):
        cue(s)


def test_a_stop_that_is_being_confirmed_sells_although_the_clock_was_set_back() -> None:
    s = Stage()
    held(s)
    quote("0.45", "0.46")(s)
    later(1)(s)
    assert s.position.phase == Phase.HOLDING
    later(BACK)(s)
    assert s.position.phase == Phase.EXITING


def test_shares_that_are_missing_are_disputed_although_the_clock_was_set_back() -> None:
    s = Stage()
    held(s)
    for seconds, is_disputed in ((1, False), (1, False), (BACK, False), (1, True)):
        later(seconds)(s)
        s.engine.balance_seen(TOKEN, Decimal(60), s.now)
        s.run()
        assert (s.engine.positions[ID].decision.dispute is not None) is is_disputed, seconds


def test_the_lag_of_a_balance_counts_from_when_a_trade_was_heard_of() -> None:
    """By the venue's clock, which may be behind, a trade may seem to be of long ago."""
    s = Stage()
    quote("0.54", "0.55")(s)
    submit()(s)
    heard = s.now
    s.now -= 10 * BALANCE_LAG
    fill = filled(Role.ENTRY, "100", "0.55")
    s.run, run = (list), s.run  # type: ignore[method-assign]
    fill(s)
    s.now, s.run = heard, run  # type: ignore[method-assign]
    s.run()
    for _ in range(3):
        s.engine.balance_seen(TOKEN, Decimal(60), s.now)
        s.run()
    assert s.engine.positions[ID].decision.dispute is None
