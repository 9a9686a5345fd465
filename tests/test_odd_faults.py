"""What the venue may do that takes two faults at once, or a wallet that is not ours alone; see
`test_faults`."""

import time
from decimal import Decimal

import pytest
from loopback.server import MarketHandle
from test_adopt_live import by_hand
from test_faults import crash, opened, resting, stopped
from test_rare_faults import reaching
from trading import Scenarios, Session

from positions.model.durations import SECOND
from positions.model.formatting import iso
from positions.model.position import Role, realized_pnl

pytestmark = pytest.mark.xdist_group("odd-faults")

D = Decimal
SCENARIOS = Scenarios()


def unheard(s: Session, *kinds: str) -> None:
    """The user channel does not tell of orders and trades, or of these kinds of messages."""
    for what in kinds or ("trade *", "order *"):
        s.venue.faults.lose(what, times=None)


def most_of_the_target_is_met(s: Session, m: MarketHandle) -> None:
    s.venue.quote(m.tokens[0], "0.50", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.70", "15") == 15


@SCENARIOS.add
async def a_sale_is_heard_of_after_the_market_is_resolved(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    await s.settled()
    unheard(s)
    s.venue.faults.hang("POST /order", 2, after=True)
    crash(s, m)
    await s.until(lambda: s.venue.shares(s.funder, m.tokens[0]) == 0, "it is sold")
    s.venue.resolve(m, m.tokens[0])
    await s.until(lambda: s.positions[p].ledger.settled == 20, "20 shares count as paid out")
    await s.until(lambda: s.positions[p].ledger.settled == 0, "they were not there")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("8.80")


@SCENARIOS.add
async def the_exits_post_is_not_answered_and_a_copy_of_it_sells(
    s: Session, m: MarketHandle
) -> None:
    p = await opened(s, m, sell_price="")
    reached, before = reaching(s, m), len(s.venue.asked("POST /order"))
    s.venue.faults.hang("POST /order", 4)
    crash(s, m)
    await stopped(s, p)
    await s.until(
        lambda: all(r.status for r in s.venue.asked("POST /order")[before:]), "all are answered"
    )
    assert len(reached) > 1
    assert len(set(reached)) == 1, "the venue takes one of them"


@SCENARIOS.add
async def a_buy_fails_to_settle_after_the_market_is_resolved(s: Session, m: MarketHandle) -> None:
    s.venue.engine.mined_after = 600
    try:
        p = await opened(s, m, sell_price="")
    finally:
        s.venue.engine.mined_after = 0.05
    s.venue.resolve(m, m.tokens[0])
    await s.phase(p, "closed")
    s.venue.fail(s.venue.trades(s.funder)[-1])
    await s.phase(p, "cancelled")
    assert (s.positions[p].ledger.sold, realized_pnl(s.positions[p])) == (0, 0)


@SCENARIOS.add
async def a_delayed_entry_is_not_found_by_its_cancel(s: Session, m: MarketHandle) -> None:
    faults = s.venue.faults
    faults.order_delay, faults.unseen_seconds, faults.delayed_stay = 3, 9, True
    reached = reaching(s, m)
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await resting(s, p, Role.ENTRY)
    await s.command("amend", position_id=p, max_bid_price="0.56")
    await s.held(p, "20")
    await s.agrees(m)
    assert len(reached) == 1, "one order buys"
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_reply_to_an_entry_is_cut_short(s: Session, m: MarketHandle) -> None:
    reached = reaching(s, m)
    unheard(s)
    s.venue.faults.cut("POST /order")
    p = await s.submit(m, "0.51", "20", stop_loss_price="0.45")
    await resting(s, p, Role.ENTRY)
    assert len(reached) == 1, "one order buys"
    assert not s.positions[p].pacing.backoffs
    s.venue.quote(m.tokens[0], "0.46", "100", "0.50", "100")
    await s.held(p, "20")
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def our_clock_is_an_hour_ahead_and_answers_are_lost(s: Session, m: MarketHandle) -> None:
    real = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: real() + 3600 * SECOND)
        unheard(s)
        reached = reaching(s, m)
        s.venue.faults.reset("POST /order", after=True)
        sent = iso(time.time_ns())  # the file's own time is that of the real clock
        p = await s.submit(m, "0.55", "20", stop_loss_price="0.45", created_at=sent)
        await s.held(p, "20")
        s.venue.faults.reset("POST /order", after=True)
        crash(s, m)
        await stopped(s, p)
        await s.agrees(m)
        assert len(reached) == 2, "one order buys, one sells"


@SCENARIOS.add
async def a_targets_end_is_told_without_its_trades(s: Session, m: MarketHandle) -> None:
    p, other = await opened(s, m), await opened(s, m, sell_price="", stop_loss_price="0.30")
    await resting(s, p, Role.TARGET)
    await s.until(lambda: s.venue.listeners("user", m.condition_id) > 0, "the end will be told")
    unheard(s, "trade *", "order UPDATE")
    s.venue.faults.answer("GET /data/*", 503, times=None)
    most_of_the_target_is_met(s, m)
    (target,) = [o for o in s.venue.orders(s.funder) if o.token == m.tokens[0]]
    crash(s, m)
    asked = f"GET /data/order/{target.id}"
    await s.until(lambda: len(s.venue.asked(asked)) > 14, "it is asked about, and again")
    s.venue.faults.clear()
    await stopped(s, p)
    await s.agrees(m)
    assert (s.positions[p].ledger.target_sold, s.positions[other].ledger.sold) == (15, 0)
    assert s.venue.shares(s.funder, m.tokens[0]) == 20


@SCENARIOS.add
async def the_owner_has_shares_of_the_same_outcome(s: Session, m: MarketHandle) -> None:
    s.venue.give(s.funder, m.tokens[0], "50")
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    watch = s.node._mode._venue.execution.wallet_watch  # type: ignore[union-attr]
    await watch._look()
    unheard(s)
    most_of_the_target_is_met(s, m)
    crash(s, m)
    await stopped(s, p)
    await s.agrees(m)
    assert s.venue.shares(s.funder, m.tokens[0]) == 50


@SCENARIOS.add
async def a_silent_feed_lets_exits_through_and_no_entries(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.silent.add("market")
    crash(s, m)
    await stopped(s, p)
    book = s.node.strategy.engine.markets[m.tokens[0]]
    await s.until(lambda: bool(book.feed_problem), "its prices are doubted")
    reached, looks = reaching(s, m), len(s.venue.asked("POST /books"))
    other = await s.submit(m, "0.55", "20", stop_loss_price="0.30")
    await s.until(lambda: any(m.slug in a and "nothing is bought" in a for a in s.alarms), "said")
    await s.until(lambda: len(s.venue.asked("POST /books")) > looks + 3, "the book is looked at")
    assert not reached
    s.venue.faults.clear()
    await s.held(other, "20")


@SCENARIOS.add
async def the_owner_sells_all_on_the_website_just_before_the_stop(
    s: Session, m: MarketHandle
) -> None:
    p, other = await opened(s, m), await opened(s, m, sell_price="", stop_loss_price="0.30")
    await resting(s, p, Role.TARGET)
    await by_hand(s, m, "SELL", 0.50, 20)
    crash(s, m)
    await stopped(s, p)
    await s.agrees(m)
    assert s.positions[other].held == 20, "whose shares are gone is asked at the next look"
    assert s.positions[other].live(Role.STOP)
    assert s.venue.shares(s.funder, m.tokens[0]) == 0


@SCENARIOS.add
async def orders_are_told_in_the_words_of_the_reference(s: Session, m: MarketHandle) -> None:
    s.venue.faults.long_statuses = True
    reached = reaching(s, m)
    p = await opened(s, m, "60.5")
    await resting(s, p, Role.TARGET)
    asked = len([r for r in s.venue.requests if "/data/order/" in r.path])
    s.venue.drop("user")
    await s.until(
        lambda: len([r for r in s.venue.requests if "/data/order/" in r.path]) > asked,
        "it is asked about",
    )
    await s.agrees(m)
    assert len(reached) == 2, "one order buys, one sells"
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def an_entry_is_filled_while_flatten_takes_it_back(s: Session, m: MarketHandle) -> None:
    p = await s.submit(m, "0.50", "20", stop_loss_price="0.40")
    await resting(s, p, Role.ENTRY)
    s.venue.faults.hang("DELETE *", 1.0, times=None)
    await s.command("flatten")
    await s.until(lambda: bool(s.venue.asked("DELETE /order")), "it is being cancelled")
    s.venue.quote(m.tokens[0], "0.48", "500", "0.49", "500")
    await s.phase(p, "closed")
    assert (s.positions[p].ledger.bought, s.positions[p].ledger.exit_reason) == (20, "flatten")
    assert s.venue.shares(s.funder, m.tokens[0]) == 0
    await s.command("resume")


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory, safety={"stale_seconds": 1})


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
