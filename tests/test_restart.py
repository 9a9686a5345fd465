"""A live node that was stopped, and started again: what happened meanwhile at the venue is settled.

The same state folder, the same wallet, a new process of the node each time (in this one process).
"""

import json
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loopback import messages
from loopback.ledger import Leg, Trade
from loopback.server import LoopbackPolymarket, MarketHandle
from trading import KEY, Session, trade

from positions.engine import balances
from positions.model.durations import SECOND
from positions.model.events import OrderClosed, Restarted
from positions.model.position import Phase, Role
from positions.storage.spool import Spool

D = Decimal
Away = Callable[[LoopbackPolymarket, MarketHandle, str], None]
Back = Callable[[Session, MarketHandle, str], Awaitable[None]]


async def bought(s: Session, m: MarketHandle) -> str:
    """20 shares held, target 0.70, stop 0.45."""
    p = await s.submit(m, "0.55", "20", sell_price="0.70", stop_loss_price="0.45")
    await s.held(p, "20")
    await s.until(lambda: bool(s.venue.orders(s.funder)), "the target rests")
    return p


async def bidding(s: Session, m: MarketHandle) -> str:
    """An entry for 20 at 0.48 that rests."""
    p = await s.submit(m, "0.48", "20", sell_price="0.70", stop_loss_price="0.40")
    await s.until(lambda: bool(s.venue.orders(s.funder)), "the entry rests")
    return p


async def is_heard_again(s: Session, m: MarketHandle, p: str) -> None:
    await s.held(p, "20")
    await s.until(lambda: bool(s.positions[p].live(Role.STOP)), "it is protected")
    assert not s.venue.listeners("user")
    s.venue.faults.clear()
    await s.until(lambda: s.venue.listeners("user") > 0, "the channel is opened")
    await is_protected_as_before(s, m, p)


async def is_protected_all_the_same(s: Session, m: MarketHandle, p: str) -> None:
    await s.held(p, "20")
    s.venue.faults.clear()
    await is_protected_as_before(s, m, p)


async def stopped_out(s: Session, m: MarketHandle) -> str:
    """20 shares, sold by the stop; the chain has not said yet whether that holds."""
    p = await bought(s, m)
    await s.settled()
    s.venue.engine.mined_after = 3600
    s.venue.quote(m.tokens[0], "0.44", "100", "0.47", "100")
    await s.phase(p, "closed")
    s.venue.engine.mined_after = 0.05
    return p


async def is_protected_as_before(s: Session, m: MarketHandle, p: str) -> None:
    await s.held(p, "20")
    (target,) = s.positions[p].live(Role.TARGET)
    (order,) = s.venue.orders(s.funder)
    assert order.id == target.venue_order_id
    s.venue.quote(m.tokens[0], "0.44", "100", "0.47", "100")
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "stop"


async def is_sold_at_its_target(s: Session, _: MarketHandle, p: str) -> None:
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "target"
    assert s.positions[p].ledger.proceeds == D("14.00")


async def is_stopped_out_at_once(s: Session, _: MarketHandle, p: str) -> None:
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "stop"


async def is_sold_again(s: Session, m: MarketHandle, p: str) -> None:
    await s.until(lambda: len(s.venue.trades(s.funder)) == 3, "it is sold again")
    await s.phase(p, "closed")
    await s.agrees(m)


async def is_still_closed(s: Session, m: MarketHandle, p: str) -> None:
    await s.until(lambda: p in s.positions, "it is looked at")
    await s.agrees(m)
    assert s.positions[p].phase == Phase.CLOSED
    assert not [f for _, f in s._facts(p) if isinstance(f, Restarted)], "nothing is to be told"


async def leaves_what_is_new_alone(s: Session, m: MarketHandle, p: str) -> None:
    new = await s.submit(m, "0.40", "20", stop_loss_price="0.30")
    await s.until(lambda: len(s.venue.orders(s.funder)) == 1, "a new entry rests")
    assert p not in s.positions, "what is over is still looked for"
    await s.until(lambda: p in s.positions, "it is looked at")
    await s.until(lambda: s.node.strategy.is_idle, "what follows is done")
    assert not [f for _, f in s._facts(new) if isinstance(f, OrderClosed)]
    assert len(s.venue.orders(s.funder)) == 1


async def offers_again(s: Session, _: MarketHandle, p: str) -> None:
    await s.held(p, "20")
    await s.until(lambda: len(s.venue.orders(s.funder)) == 1, "the target is placed again")


async def is_paid_out(s: Session, _: MarketHandle, p: str) -> None:
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason == "settlement"


async def protects_the_part(s: Session, _: MarketHandle, p: str) -> None:
    await s.held(p, "8")
    assert s.positions[p].phase == Phase.FILLING
    await s.until(lambda: len(s.venue.orders(s.funder)) == 2, "the entry's rest and the target")


async def is_protected(s: Session, _: MarketHandle, p: str) -> None:
    await s.held(p, "20")


async def goes_on_bidding(s: Session, _: MarketHandle, p: str) -> None:
    await s.until(lambda: len(s.venue.orders(s.funder)) == 1, "it bids")
    assert s.positions[p].phase == Phase.ENTERING


async def is_disputed(s: Session, _: MarketHandle, p: str) -> None:
    await s.until(lambda: s.positions[p].decision.dispute is not None, "it is disputed")
    assert any("disagree" in a for a in s.alarms)
    await s.until(
        lambda: [o.shares for o in s.positions[p].live(Role.STOP)] == [D(12)], "12 are protected"
    )


def nothing(_: LoopbackPolymarket, __: MarketHandle, ___: str) -> None: ...


def user_channel_is_refused(v: LoopbackPolymarket, _: MarketHandle, __: str) -> None:
    v.faults.refused.add("user")


def user_channel_is_not_answered(v: LoopbackPolymarket, _: MarketHandle, __: str) -> None:
    v.faults.unanswered.add("user")


def trades_are_not_told_at_first(v: LoopbackPolymarket, _: MarketHandle, __: str) -> None:
    v.faults.answer("GET /data/trades", 503, times=2)


def trades_are_not_told(v: LoopbackPolymarket, _: MarketHandle, __: str) -> None:
    v.faults.answer("GET /data/trades", 503, times=None)


def target_fills(v: LoopbackPolymarket, m: MarketHandle, _: str) -> None:
    v.quote(m.tokens[0], "0.50", "100", "0.90", "100")
    assert v.take(m.tokens[0], "BUY", "0.70", "20") == 20


def market_is_found_late(v: LoopbackPolymarket, m: MarketHandle, funder: str) -> None:
    the_sale_settles(v, m, funder)
    v.faults.hang("GET /gamma/*", 2, token=m.condition_id)


def the_sale_settles(v: LoopbackPolymarket, _: MarketHandle, funder: str) -> None:
    v.settle(v.trades(funder)[-1])


def the_sale_fails(v: LoopbackPolymarket, _: MarketHandle, funder: str) -> None:
    v.fail(v.trades(funder)[-1])


def bid_falls(v: LoopbackPolymarket, m: MarketHandle, _: str) -> None:
    v.quote(m.tokens[0], "0.44", "100", "0.47", "100")


def orders_are_cancelled(v: LoopbackPolymarket, _: MarketHandle, funder: str) -> None:
    for order in v.orders(funder):
        assert v.cancel(order.id)


def market_is_resolved(v: LoopbackPolymarket, m: MarketHandle, _: str) -> None:
    v.resolve(m, m.tokens[0])


def part_is_bought(v: LoopbackPolymarket, m: MarketHandle, _: str) -> None:
    v.quote(m.tokens[0], "0.47", "100", "0.52", "100")
    assert v.take(m.tokens[0], "SELL", "0.48", "8") == 8


def all_is_bought(v: LoopbackPolymarket, m: MarketHandle, _: str) -> None:
    v.quote(m.tokens[0], "0.47", "100", "0.52", "100")
    assert v.take(m.tokens[0], "SELL", "0.48", "20") == 20


def owner_sells_by_hand(v: LoopbackPolymarket, m: MarketHandle, funder: str) -> None:
    orders_are_cancelled(v, m, funder)
    v.give(funder, m.tokens[0], "-8")


def owner_sells_on_the_website(v: LoopbackPolymarket, m: MarketHandle, funder: str) -> None:
    orders_are_cancelled(v, m, funder)
    v.trade(v.wallet(KEY), m.tokens[0], "SELL", "0.50", "8")


async def is_sold_by_its_owner(s: Session, _: MarketHandle, p: str) -> None:
    known = s.venue.engine.ledger.orders.values()
    s.foreign |= {o.id for o in known if o.side == "SELL" and not o.kind.rests}
    await s.held(p, "12")
    assert s.positions[p].ledger.exit_reason == "owner"
    assert not [a for a in s.alarms if "disagree" in a]
    offers = lambda: [o.shares for o in s.positions[p].live(Role.TARGET)]  # noqa: E731
    await s.until(lambda: offers() == [D(12)], "12 are offered")


# fmt: off
RESTARTS: dict[str, tuple[Callable[[Session, MarketHandle], Awaitable[str]], Away, Back]] = {
    "nothing happened": (bought, nothing, is_protected_as_before),
    "the user channel is refused": (bought, user_channel_is_refused, is_heard_again),
    "the user channel is not answered": (bought, user_channel_is_not_answered, is_heard_again),
    "trades are not told at first": (bought, trades_are_not_told_at_first, is_protected_as_before),
    "trades are not told": (bought, trades_are_not_told, is_protected_all_the_same),
    "the target filled": (bought, target_fills, is_sold_at_its_target),
    "the bid fell through the stop": (bought, bid_falls, is_stopped_out_at_once),
    "the sale that closed it settled": (stopped_out, the_sale_settles, is_still_closed),
    "a position was over, and another is new":
        (stopped_out, market_is_found_late, leaves_what_is_new_alone),
    "the sale that closed it failed to settle": (stopped_out, the_sale_fails, is_sold_again),
    "the target was cancelled": (bought, orders_are_cancelled, offers_again),
    "the market was resolved": (bought, market_is_resolved, is_paid_out),
    "the entry still rests": (bidding, nothing, goes_on_bidding),
    "a part of the entry was bought": (bidding, part_is_bought, protects_the_part),
    "the whole entry was bought": (bidding, all_is_bought, is_protected),
    "the entry was cancelled": (bidding, orders_are_cancelled, goes_on_bidding),
    "the owner sold some on the website":
        (bought, owner_sells_on_the_website, is_sold_by_its_owner),
    "the owner sold some by hand": (bought, owner_sells_by_hand, is_disputed),
}
# fmt: on


@pytest.mark.parametrize("name", RESTARTS)
def test_while_the_node_was_away(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, away, back = RESTARTS[name]
    monkeypatch.setattr(balances, "BALANCE_LAG", 0)  # what is missing is noticed at once
    opened: list[str] = []
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        keys = venue.wallet(KEY, cash="1000")

        async def first(s: Session) -> None:
            opened.append(await begin(s, m))

        async def second(s: Session) -> None:
            await back(s, m, opened[0])
            assert "foreign_orders" not in _alarm_kinds(s), "our own orders are not foreign"
            if s.positions[opened[0]].decision.dispute is None:
                await s.agrees(m)

        trade(venue, tmp_path, first, keys=keys)
        away(venue, m, keys["POLYMARKET_FUNDER"])
        trade(venue, tmp_path, second, keys=keys)


@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize(("before", "after"), [(0, -3600), (3600, 0), (0, 3600)])
def test_a_fill_is_found_although_the_clock_was_set_between_two_starts(
    before: int, after: int, is_away: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns, opened, ahead = time.time_ns, list[str](), [before]
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + ahead[-1] * SECOND)
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        keys = venue.wallet(KEY, cash="1000")

        async def first(s: Session) -> None:
            opened.append(await (bidding if is_away else bought)(s, m))

        async def second(s: Session) -> None:
            await s.held(opened[0], "20")
            if is_away:
                return
            await s.looks(1)  # what the start asked is answered
            for what in ("trade *", "order *"):
                venue.faults.lose(what, times=None)
            target_fills(venue, m, "")
            await is_sold_at_its_target(s, m, opened[0])

        trade(venue, tmp_path, first, keys=keys)
        ahead.append(after)
        if is_away:
            all_is_bought(venue, m, "")
        trade(venue, tmp_path, second, keys=keys)


def two_levels(v: LoopbackPolymarket, m: MarketHandle, bid: str) -> None:
    """Bids from this one down and asks above it: 8 shares at the best price, then many."""
    bids = [(bid, "8"), (str(D(bid) - D("0.01")), "100")]
    asks = [(str(D(bid) + D("0.02")), "8"), (str(D(bid) + D("0.03")), "100")]
    v.book(m.tokens[0], bids, asks)


@pytest.mark.parametrize("is_sold", [False, True])
@pytest.mark.parametrize("is_whole_first", [False, True])
def test_a_trade_that_is_told_in_another_form_after_the_restart_counts_once(
    is_whole_first: bool, is_sold: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_parts, forms, opened = messages.trade, [is_whole_first], list[str]()

    def tell(told: Trade, leg: Leg) -> dict[str, Any]:
        return in_parts(told, leg) | ({"maker_orders": []} if forms[-1] else {})

    monkeypatch.setattr(messages, "trade", tell)
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        two_levels(venue, m, "0.50")
        keys = venue.wallet(KEY, cash="1000")

        async def first(s: Session) -> None:
            opened.append(await bought(s, m))
            await s.settled()
            if is_sold:
                two_levels(venue, m, "0.43")
                await s.phase(opened[0], "closed")
                await s.settled()

        async def second(s: Session) -> None:
            await s.until(lambda: opened[0] in s.positions, "it is looked at")
            await s.looks(1)
            p = s.positions[opened[0]]
            assert (p.ledger.bought, p.ledger.sold) == (D(20), D(20 * is_sold))
            assert p.decision.dispute is None

        trade(venue, tmp_path, first, keys=keys)
        forms.append(not is_whole_first)
        trade(venue, tmp_path, second, keys=keys)


def test_what_was_queued_meanwhile_waits_for_the_first_prices(tmp_path: Path) -> None:
    opened: list[str] = []
    gate = {"spread": "refuse"}
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        keys = venue.wallet(KEY, cash="1000")

        async def first(s: Session) -> None:
            opened.append(await bought(s, m))

        async def second(s: Session) -> None:
            await s.phase(opened[0], "closed")
            assert s.positions[opened[0]].ledger.exit_reason == "manual"
            await s.until(lambda: opened[1] in s.positions, "the gate saw the book")
            await s.held(opened[1], "20")
            assert s.positions[opened[1]].request.stop_loss_price == D("0.40"), (
                "amended once it was open"
            )

        trade(venue, tmp_path, first, keys=keys, gate=gate)
        sale = {"command": "sell", "position_id": opened[0]}
        entry = {"command": "submit", "market": m.slug, "outcome": "Yes", "max_bid": "0.55"}
        spool = Spool(tmp_path)
        spool.put(json.dumps(sale).encode())
        opened.append(spool.put(json.dumps(entry | {"size": "20", "stop": "0.45"}).encode()))
        change = {"command": "amend", "position_id": opened[1], "stop": "0.40"}
        spool.put(json.dumps(change).encode())
        trade(venue, tmp_path, second, keys=keys, gate=gate)


def _alarm_kinds(s: Session) -> set[str]:
    """Every kind of alarm that was ever recorded."""
    s.node.store.flush()
    return {kind for (kind,) in s.node.store.cursor().execute("SELECT kind FROM alarms").fetchall()}
