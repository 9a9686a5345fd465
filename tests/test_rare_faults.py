"""What seeded storms have shown to go wrong, each by itself; see `test_faults`."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from loopback import messages
from loopback.ledger import Order, Trade
from loopback.server import MarketHandle
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session

from positions.engine import balances
from positions.model.events import CancelRefused, Disputed
from positions.model.position import Role

pytestmark = pytest.mark.xdist_group("rare-faults")

D = Decimal
SCENARIOS = Scenarios()


@SCENARIOS.add
async def the_exits_connection_is_reset_before_it_arrives(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.reset("POST /order")
    crash(s, m)
    await stopped(s, p)
    assert s.venue.shares(s.funder, m.tokens[0]) == 0


@SCENARIOS.add
async def nobody_is_there_when_the_exit_is_posted(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    client = s.node._mode._venue.client  # type: ignore[union-attr]
    address, client.host = client.host, "http://127.0.0.1:9"
    crash(s, m)
    await s.until(lambda: Role.EXIT in s.positions[p].pacing.backoffs, "it is surely not sent")
    client.host = address
    await stopped(s, p)


@SCENARIOS.add
async def nothing_but_the_reply_tells_that_the_entry_is_filled(s: Session, m: MarketHandle) -> None:
    s.venue.faults.silent.add("user")
    s.venue.faults.answer("GET /data/orders", 503, times=None)
    p = await opened(s, m)
    s.venue.faults.clear()
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_target_is_not_found_at_first(s: Session, m: MarketHandle) -> None:
    s.venue.faults.unseen_seconds = 4
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    asked = len([r for r in s.venue.requests if "/data/order/" in r.path])
    s.venue.drop("user")
    await s.until(
        lambda: len([r for r in s.venue.requests if "/data/order/" in r.path]) > asked + 2,
        "it is asked about",
    )
    assert s.positions[p].live(Role.TARGET)
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def a_trades_failure_is_told_with_its_match(s: Session, m: MarketHandle) -> None:
    for what in ("trade *", "order *"):
        s.venue.faults.lose(what, times=None, token=m.condition_id)
    s.venue.faults.failing_trades = 1
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await s.until(
        lambda: any(t.market.slug == m.slug for t in s.venue.trades(s.funder)), "there is a trade"
    )
    trade = s.venue.trades(s.funder)[-1]
    await s.until(lambda: trade.status == "FAILED", "the trade failed")
    s.venue.faults.clear()
    failed = messages.trade_event(trade, trade.taker, int(trade.matched_at * 1000))
    s.venue.push("user", json.dumps([failed | {"status": "MATCHED"}, failed]))
    await s.until(
        lambda: len(s.positions[p].ledger.trades) >= 3, "the trade is undone, another is made"
    )
    await s.held(p, "20")
    assert s.positions[p].ledger.bought == 20


@SCENARIOS.add
async def the_exits_trade_has_failed_before_it_is_heard_of(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    await s.settled()
    for what in ("trade *", "order *"):
        s.venue.faults.lose(what, times=None)
    s.venue.faults.failing_trades = 1
    s.venue.faults.hang("POST /order", 1, after=True)
    s.venue.faults.reset("POST /order", after=True)
    crash(s, m)
    await s.until(lambda: s.venue.trades(s.funder)[-1].status == "FAILED", "the trade failed")
    s.venue.faults.clear()
    crash(s, m, "0.43")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("8.60")


async def stopped_in_a_lively_market(s: Session, m: MarketHandle, p: str) -> None:
    """The bid falls through the stop; asks change all the time, so that nothing seems silent."""
    for n in range(1, 1000):
        s.venue.quote(m.tokens[0], "0.44", "100", "0.47", str(100 + n))
        await asyncio.sleep(0.01)
        if s.positions[p].phase == "closed":
            break
    assert s.positions[p].ledger.exit_reason == "stop"


@SCENARIOS.add
async def the_bid_falls_while_the_book_of_a_new_tick_is_read(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.hang("POST /books", 0.5, after=True, token=m.tokens[0])
    s.venue.change_tick(m, "0.001")
    await s.until(lambda: not s.venue.faults.http, "the book as it was is on its way")
    await stopped_in_a_lively_market(s, m, p)


@SCENARIOS.add
async def the_book_of_a_new_tick_cannot_be_read(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.answer("POST /books", 500, token=m.tokens[0])
    s.venue.change_tick(m, "0.001")
    await s.until(lambda: not s.venue.faults.http, "it was asked for in vain")
    await stopped_in_a_lively_market(s, m, p)


@SCENARIOS.add
async def a_message_of_the_bids_fall_cannot_be_read(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.lose("price_change", times=1, token=m.tokens[0])
    crash(s, m)
    change = {"asset_id": m.tokens[0], "price": "?", "size": "1", "side": "BUY", "hash": ""}
    told = {"event_type": "price_change", "market": m.condition_id, "timestamp": "1"}
    s.venue.push("market", json.dumps(told | {"price_changes": [change]}))
    await stopped_in_a_lively_market(s, m, p)


@SCENARIOS.add
async def a_bid_between_the_old_ticks_rounds_to_the_stop(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.change_tick(m, "0.001", message=False)
    s.venue.quote(m.tokens[0], "0.453", "100", "0.47", "100")
    markets = s.node.strategy.engine.markets
    await s.until(lambda: markets[m.tokens[0]].bid == D("0.453"), "the bid is known")
    assert s.positions[p].phase == "holding"


@SCENARIOS.add
async def the_size_is_one_that_floats_cut_short(s: Session, m: MarketHandle) -> None:
    s.venue.change_tick(m, "0.001")
    p = await opened(s, m, "20.4")
    s.venue.quote(m.tokens[0], "0.38", "100", "0.46", "100")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("7.752")


@SCENARIOS.add
async def the_owner_sells_a_part_on_the_website(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    await s.settled()
    s.venue.give(s.funder, m.tokens[0], "-8")
    await s.until(lambda: s.positions[p].decision.missing == 8, "it is noticed")
    await s.until(lambda: s.positions[p].live(Role.STOP)[0].shares == 12, "12 are protected")
    assert any("12 of 20 shares" in a for a in s.alarms)
    crash(s, m)
    await s.until(lambda: s.positions[p].ledger.sold == 12, "what is there is sold")


def reaching(s: Session, m: MarketHandle) -> list[str]:
    """The orders of a market that reach the venue's engine from now on, by their hashes."""
    reached: list[str] = []
    place = s.venue.engine.place

    def placing(order: Order) -> list[Trade]:
        if order.token in m.tokens:  # not of the scenario before
            reached.append(order.id)
        return place(order)

    s.venue.engine.place = placing  # type: ignore[method-assign]
    return reached


async def half_is_sold_once(s: Session, m: MarketHandle, break_it: Callable[[], None]) -> None:
    """Sell half of a position; the shares of another one of the same outcome are not touched."""
    p, other = await opened(s, m, sell_price=""), await opened(s, m, sell_price="")
    reached = reaching(s, m)
    break_it()
    await s.command("sell", position_id=p, fraction="0.5")
    # The trade may be heard before the order is posted again.
    is_sold = lambda: s.positions[p].ledger.sold == 10  # noqa: E731
    await s.until(lambda: len(reached) > 1 or is_sold(), "it is posted again, or has sold")
    await s.until(lambda: s.positions[p].decision.sale is None, "half of it is sold")
    assert len(set(reached)) == 1, "it is one order"
    await s.agrees(m)
    assert (s.positions[p].ledger.sold, s.positions[other].ledger.sold) == (10, 0)
    assert s.venue.shares(s.funder, m.tokens[0]) == 30


@SCENARIOS.add
async def the_venue_holds_a_sale_back_whose_answer_is_lost(s: Session, m: MarketHandle) -> None:
    def hold_back() -> None:
        s.venue.faults.reset("POST /order", after=True, token=m.tokens[0])
        s.venue.faults.order_delay, s.venue.faults.unseen_seconds = 4, 11

    await half_is_sold_once(s, m, hold_back)


@SCENARIOS.add
async def a_sale_arrives_long_after_its_answer_was_due(s: Session, m: MarketHandle) -> None:
    await half_is_sold_once(s, m, lambda: s.venue.faults.hang("POST /order", 6))


@SCENARIOS.add
async def nobody_bids_enough_when_a_lost_exit_is_posted_again(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    reached = reaching(s, m)
    s.venue.faults.reset("POST /order")
    s.venue.faults.hang("GET /data/order/*", 0.5)
    crash(s, m)
    await s.until(lambda: not s.venue.faults.http, "it is asked about")
    crash(s, m, "0.20")
    await stopped(s, p)
    assert len(set(reached)) == 2, "one more, at a price that is bid"
    assert s.positions[p].ledger.proceeds == 4


@SCENARIOS.add
async def the_venue_answers_no_sale_for_a_while(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    reached = reaching(s, m)
    s.venue.faults.answer("POST /order", 503, times=5, token=m.tokens[0])
    crash(s, m)
    await stopped(s, p)
    assert len(reached) == 1


@SCENARIOS.add
async def an_entry_arrives_long_after_its_answer_was_due(s: Session, m: MarketHandle) -> None:
    reached = reaching(s, m)
    s.venue.faults.hang("POST /order", 6)
    p = await opened(s, m)
    await s.until(lambda: reached.count(reached[0]) == 2, "it is posted twice")
    await s.agrees(m)
    assert s.positions[p].ledger.bought == 20
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def a_target_is_met_unheard_just_before_it_is_taken_back(s: Session, m: MarketHandle) -> None:
    p, other = await opened(s, m), await opened(s, m, sell_price="")
    await resting(s, p, Role.TARGET)
    for what in ("trade *", "order *"):
        s.venue.faults.lose(what, times=None)
    s.venue.quote(m.tokens[0], "0.50", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.70", "15") == 15
    await s.command("sell", position_id=p)
    await s.until(lambda: s.positions[p].held == 0, "it is sold")
    await s.agrees(m)
    assert (s.positions[p].ledger.sold, s.positions[other].ledger.sold) == (20, 0)
    assert s.venue.shares(s.funder, m.tokens[0]) == 20


@SCENARIOS.add
async def the_owner_cancels_while_a_lost_entry_is_posted_again(s: Session, m: MarketHandle) -> None:
    reached = reaching(s, m)
    s.venue.faults.reset("POST /order")
    s.venue.faults.hang("POST /order", 2)
    p = await s.submit(m, "0.45", "20", stop_loss_price="0.40")
    await s.until(lambda: not s.venue.faults.http, "a copy is on its way")
    await s.command("cancel", position_id=p)
    await s.phase(p, "cancelled")
    assert len(reached) == 1
    assert not s.venue.engine.ledger.open_orders(s.funder)
    assert not [f for _, f in s._facts(p) if isinstance(f, CancelRefused)]


@SCENARIOS.add
async def what_a_crash_left_at_the_venue_cannot_be_cancelled(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    (left,) = [o.venue_order_id or "" for o in s.positions[p].live(Role.TARGET)]
    s.venue.faults.answer("DELETE /orders", 503, times=1)
    await s.node._mode._venue.earlier_orders().cancel([left])  # type: ignore[union-attr]
    open_orders = s.venue.engine.ledger.open_orders
    await s.until(lambda: left not in [o.id for o in open_orders(s.funder)], "it is cancelled")
    await resting(s, p, Role.TARGET)
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def the_answer_to_a_cancel_is_not_the_venues(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    client = s.node._mode._venue.client  # type: ignore[union-attr]
    cancel, answers = client.cancel_order, [{"not_canceled": ["busy"]}]
    client.cancel_order = lambda order: answers.pop() if answers else cancel(order)
    await s.command("sell", position_id=p)
    await s.until(lambda: s.positions[p].held == 0, "it is sold")
    client.cancel_order = cancel


@SCENARIOS.add
async def a_target_is_sold_unheard_just_after_it_was_placed(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await s.looks(0)
    await resting(s, p, Role.TARGET)
    for what in ("trade *", "order *"):
        s.venue.faults.lose(what, times=None)
    s.venue.quote(m.tokens[0], "0.50", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.70", "20") == 20
    await s.looks(3)
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "target"
    assert s.positions[p].decision.dispute is None
    assert not [f for _, f in s._facts(p) if isinstance(f, Disputed)]


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balances, "BALANCE_LAG", 0)  # what is missing is noticed at once
        return SCENARIOS.play(request, tmp_path_factory, safety={"stale_seconds": 1})


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
