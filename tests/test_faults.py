"""What goes wrong at the venue, and what must hold all the same.

Each scenario is played by a real node with the real adapter on the loopback Polymarket; after each,
our ledger must be the venue's to the last share, nothing sold that was not held and nothing bought
above its max bid.
"""

import asyncio
import os
import time
from decimal import Decimal

import pytest
from loopback.server import MarketHandle
from trading import Scenarios, Session

from positions.model.position import Role

pytestmark = pytest.mark.xdist_group("faults")

D = Decimal
REJECTIONS = int(os.environ.get("REJECTIONS", "4"))
OUTAGE = float(os.environ.get("OUTAGE", "2"))
SELLABLE_AFTER = float(os.environ.get("SELLABLE_AFTER", "1"))
"""Seconds for which the venue restarts, and does not sell what was just bought. `make faults` plays
the long versions of all three."""
SCENARIOS = Scenarios()


async def opened(s: Session, m: MarketHandle, size: str = "20", **fields: str) -> str:
    """A position that is filled at 0.52 and protected: target 0.70, stop 0.45."""
    levels = {"sell_price": "0.70", "stop_loss_price": "0.45"}
    asked = {name: value for name, value in (levels | fields).items() if value}
    p = await s.submit(m, "0.55", size, **asked)
    await s.held(p, size)
    return p


async def resting(s: Session, p: str, role: Role) -> None:
    """Wait until the venue has the order of this role."""
    await s.until(
        lambda: any(o.venue_order_id and o.state == "working" for o in s.positions[p].live(role)),
        f"the {role} rests",
    )


def crash(s: Session, m: MarketHandle, bid: str = "0.44", size: str = "100") -> None:
    """The bid falls through the stop."""
    s.venue.quote(m.tokens[0], bid, size, str(D(bid) + D("0.03")), "100")


def lift(s: Session, m: MarketHandle, shares: str) -> None:
    """Somebody buys so many shares of the resting target."""
    s.venue.quote(m.tokens[0], "0.44", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.70", shares) == D(shares)


async def stopped(s: Session, p: str) -> None:
    """Wait until everything is sold by the stop."""
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "stop"
    assert s.positions[p].held == 0


@SCENARIOS.add
async def the_resting_target_holds_the_shares(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_target_is_rejected(s: Session, m: MarketHandle) -> None:
    s.venue.faults.answer("POST /order", 400, times=1, error="no luck", token='"side":"SELL"')
    p = await opened(s, m)
    await s.until(lambda: Role.TARGET in s.positions[p].pacing.backoffs, "the target is rejected")
    await resting(s, p, Role.TARGET)
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_exit_is_rejected_again_and_again(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.answer(
        "POST /order",
        400,
        times=REJECTIONS,
        error="not enough balance / allowance",
        token='"side":"SELL"',
    )
    crash(s, m)
    await s.until(lambda: any("the sale was refused" in a for a in s.alarms), "an alarm")
    await stopped(s, p)


@SCENARIOS.add
async def the_cancels_answer_and_message_are_lost(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    s.venue.faults.reset("DELETE /order", after=True)
    s.venue.faults.lose("order CANCELLATION")
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_target_fills_while_it_is_being_cancelled(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    s.venue.faults.hang("DELETE /order", 0.5)
    before = len(s.venue.asked("DELETE /order"))
    crash(s, m)
    await s.until(lambda: len(s.venue.asked("DELETE /order")) > before, "it is being cancelled")
    lift(s, m, "8")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("5.60") + D("5.28")  # 8 x 0.70, 12 x 0.44


@SCENARIOS.add
async def the_bids_vanish_before_the_exit_arrives(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.hang("POST /order", 0.2)
    crash(s, m)
    await s.until(lambda: s.positions[p].phase == "exiting", "it exits")
    s.venue.quote(m.tokens[0], None, 0, "0.50", "100")
    await s.phase(p, "waiting")
    s.venue.quote(m.tokens[0], "0.30", "100", "0.50", "100")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("6.00")


@SCENARIOS.add
async def the_exit_fills_in_parts(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    crash(s, m, size="7")
    await s.until(lambda: s.positions[p].ledger.sold == 7, "7 shares are sold")
    s.venue.quote(m.tokens[0], "0.40", "100", "0.50", "100")
    await stopped(s, p)


@SCENARIOS.add
async def the_exits_answer_times_out_although_it_matched(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.hang("POST /order", 6, after=True)
    s.venue.faults.lose("trade MATCHED")
    crash(s, m)
    await stopped(s, p)
    assert (
        len(
            [
                r
                for r in s.venue.asked("POST /order")
                if '"SELL"' in r.body and m.tokens[0] in r.body
            ]
        )
        == 1
    )


@SCENARIOS.add
async def the_entry_is_taken_although_the_venue_says_500(s: Session, m: MarketHandle) -> None:
    s.venue.faults.answer("POST /order", 500, after=True)
    p = await opened(s, m)
    assert (
        len(
            [r for r in s.venue.asked("POST /order") if '"BUY"' in r.body and m.tokens[0] in r.body]
        )
        == 1
    )
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_entrys_connection_is_reset_before_it_arrives(s: Session, m: MarketHandle) -> None:
    s.venue.faults.reset("POST /order")
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await s.held(p, "20")
    assert s.venue.shares(s.funder, m.tokens[0]) == 20


@SCENARIOS.add
async def the_entrys_trade_fails_to_settle(s: Session, m: MarketHandle) -> None:
    s.venue.faults.failing_trades = 1
    p = await s.submit(m, "0.55", "20", sell_price="0.70", stop_loss_price="0.45")
    await s.until(
        lambda: len(s.positions[p].ledger.trades) >= 3, "the trade is undone, another is made"
    )
    await s.held(p, "20")
    assert s.positions[p].ledger.bought == 20


@SCENARIOS.add
async def the_exits_trade_fails_to_settle(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    await s.settled()
    s.venue.faults.failing_trades = 1
    crash(s, m)
    await s.until(lambda: len(s.positions[p].ledger.trades) >= 3, "the sale is undone")
    crash(s, m, "0.43")
    await stopped(s, p)


@SCENARIOS.add
async def just_bought_shares_cannot_be_sold_yet(s: Session, m: MarketHandle) -> None:
    s.venue.engine.sellable_after = SELLABLE_AFTER
    try:
        p = await opened(s, m)
        crash(s, m)
        await stopped(s, p)
    finally:
        s.venue.engine.sellable_after = 0.0


@SCENARIOS.add
async def the_balance_lacks_just_bought_shares_for_a_while(s: Session, m: MarketHandle) -> None:
    begun = time.time()
    p = await opened(s, m, sell_price="")
    s.venue.faults.balance_lag = time.time() - begun + 1  # no further back: there was no cash yet
    await s.looks(3)
    assert s.positions[p].decision.dispute is None


@SCENARIOS.add
async def the_bids_vanish_and_return_lower(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.quote(m.tokens[0], None, 0, "0.52", "100")
    await s.until(lambda: s.positions[p].decision.no_bid, "it is seen that there is no bid")
    assert s.positions[p].live(Role.STOP)
    assert any("no bid" in a for a in s.alarms)
    crash(s, m, "0.20")
    await stopped(s, p)


@SCENARIOS.add
async def the_feed_is_silent_while_rest_is_alive(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.silent.add("market")
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_market_channel_is_dropped_and_refused(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.refused.add("market")
    s.venue.drop("market")
    crash(s, m)
    await stopped(s, p)
    s.venue.faults.refused.clear()


@SCENARIOS.add
async def the_user_channel_is_down_while_the_target_fills(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    s.venue.faults.refused.add("user")
    s.venue.drop("user")
    s.venue.quote(m.tokens[0], "0.50", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.70", "20") == 20
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "target"


@SCENARIOS.add
async def the_tick_changes_between_arming_and_the_stop(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.change_tick(m, "0.001")
    s.venue.quote(m.tokens[0], "0.447", "100", "0.46", "100")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("8.94")


@SCENARIOS.add
async def the_tick_change_is_never_told(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.change_tick(m, "0.001", message=False)
    s.venue.quote(m.tokens[0], "0.447", "100", "0.46", "100")
    await stopped(s, p)


@SCENARIOS.add
async def the_venue_restarts_and_answers_425(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.answer("POST /order", 425, times=None)
    crash(s, m)
    await asyncio.sleep(OUTAGE)
    assert s.positions[p].held == 20
    s.venue.faults.clear()
    await stopped(s, p)


@SCENARIOS.add
async def the_venue_cancels_the_targets_when_the_game_starts(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    first = s.positions[p].live(Role.TARGET)[0].id
    s.venue.withdraw(m)
    await s.until(
        lambda: any(o.id != first for o in s.positions[p].live(Role.TARGET)), "it is placed again"
    )
    assert s.positions[p].live(Role.STOP)


@SCENARIOS.add
async def the_market_is_resolved_while_the_exit_waits(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.answer("POST /order", 503, times=None)
    crash(s, m)
    await s.phase(p, "exiting")
    s.venue.resolve(m, m.tokens[0])
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "settlement"
    assert s.positions[p].ledger.payout == 1


@SCENARIOS.add
async def the_resolution_is_not_told(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.resolve(m, payouts={m.tokens[0]: "0.5", m.tokens[1]: "0.5"}, message=False)
    await s.until(lambda: any(m.slug in a for a in s.alarms), "the book cannot be read any more")
    await s.phase(p, "closed")
    assert s.positions[p].ledger.payout == D("0.5")
    await s.until(lambda: not any(m.slug in a for a in s.alarms), "the alarms are over")


@SCENARIOS.add
async def the_same_command_comes_twice(s: Session, m: MarketHandle) -> None:
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await s.held(p, "20")
    done = s.state / "spool" / "done" / f"{p}.json"
    await s.until(done.exists, "the command is done")
    (s.state / "spool" / "new" / done.name).write_bytes(done.read_bytes())
    await s.until(lambda: not (s.state / "spool" / "new" / done.name).exists(), "it is taken")
    await asyncio.sleep(0.2)
    assert sum(q.outcome_id == m.tokens[0] for q in s.positions.values()) == 1


@SCENARIOS.add
async def less_than_the_minimum_is_filled(s: Session, m: MarketHandle) -> None:
    s.venue.quote(m.tokens[0], "0.50", "100", "0.52", "3")
    p = await s.submit(m, "0.52", "20", sell_price="0.70", stop_loss_price="0.45")
    await s.held(p, "3")
    assert s.positions[p].phase == "filling"
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def a_killed_orders_status_is_a_sentence(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.killed_text = True
    crash(s, m, size="7")
    await s.until(lambda: s.positions[p].ledger.sold == 7, "7 shares are sold")
    s.venue.quote(m.tokens[0], "0.43", "100", "0.50", "100")
    await stopped(s, p)


@SCENARIOS.add
async def messages_come_before_the_reply_twice_and_swapped(s: Session, m: MarketHandle) -> None:
    s.venue.faults.double("*", times=None)
    s.venue.faults.postpone("trade MATCHED", 0.2, times=None)
    p = await opened(s, m)
    crash(s, m, size="7")
    await s.until(lambda: s.positions[p].ledger.sold == 7, "7 shares are sold")
    s.venue.quote(m.tokens[0], "0.43", "100", "0.50", "100")
    await stopped(s, p)


@SCENARIOS.add
async def every_message_of_the_user_channel_is_lost(s: Session, m: MarketHandle) -> None:
    s.venue.faults.silent.add("user")
    p = await opened(s, m)
    crash(s, m, size="7")
    await s.until(lambda: s.positions[p].ledger.sold == 7, "7 shares are sold")
    s.venue.quote(m.tokens[0], "0.43", "100", "0.50", "100")
    await stopped(s, p)


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory, safety={"stale_seconds": 1})


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
