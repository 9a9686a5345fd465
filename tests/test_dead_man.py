"""What holds at the venue once the node is dead."""

import time
from decimal import Decimal
from pathlib import Path

import pytest
from loopback.ledger import Kind, Order
from loopback.server import LoopbackPolymarket
from trading import KEY, Session, trade

from modes import RunModeError

LONG = 3600


def leave_an_entry_and_a_target(
    venue: LoopbackPolymarket, state: Path, dead_man: str
) -> dict[str, Order]:
    """Run a node that buys and offers, and bids; its orders at the venue once it has stopped."""
    held, bid = venue.add_market("held"), venue.add_market("bid")
    venue.quote(held.tokens[0], "0.50", "100", "0.52", "100")
    venue.quote(bid.tokens[0], "0.50", "100", "0.52", "100")

    async def script(s: Session) -> None:
        p = await s.submit(held, "0.55", "20", sell_price="0.70", stop_loss_price="0.45")
        await s.held(p, "20")
        await s.submit(bid, "0.40", "20")
        await s.until(lambda: len(venue.orders(s.funder)) == 2, "both rest")
        if dead_man == "all":
            await s.until(lambda: bool(venue.asked("POST /v1/heartbeats")), "the node beats")

    keys = venue.wallet(KEY, cash="1000")
    trade(venue, state, script, keys=keys, safety={"dead_man": dead_man})
    return {o.side: o for o in venue.orders(keys["POLYMARKET_FUNDER"])}


def test_entries_expire_and_targets_stay(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        orders = leave_an_entry_and_a_target(venue, tmp_path, "entries")
        assert orders["SELL"].kind is Kind.GTC
        assert orders["BUY"].kind is Kind.GTD
        assert orders["BUY"].expiration <= time.time() + 900 + 60
        venue.skip(900)
        assert not orders["BUY"].is_open
        assert orders["SELL"].is_open


def test_the_venue_cancels_everything(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        orders = leave_an_entry_and_a_target(venue, tmp_path, "all")
        assert {o.kind for o in orders.values()} == {Kind.GTC}
        venue.skip(60)
        assert not any(o.is_open for o in orders.values())


def test_everything_stays(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        orders = leave_an_entry_and_a_target(venue, tmp_path, "off")
        venue.skip(LONG)
        assert all(o.is_open for o in orders.values())


def test_the_switch_for_all_is_refused_while_the_wallet_has_other_orders(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        leave_an_entry_and_a_target(venue, tmp_path / "other", "off")

        async def script(_: Session) -> None:
            raise AssertionError("the node must not start")

        with pytest.raises(RunModeError, match=r'dead_man was "all".* 2 of them are not this node'):
            trade(venue, tmp_path / "mine", script, safety={"dead_man": "all"})


@pytest.mark.parametrize("is_readable", [True, False])
def test_stops_are_armed_without_the_switch_for_all_where_other_orders_may_be(
    is_readable: bool, tmp_path: Path
) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.53", "500", "0.55", "500")

        async def buy(s: Session) -> None:
            await s.held(await s.submit(rain, "0.55", "20", stop_loss_price="0.45"), "20")

        trade(venue, tmp_path / "mine", buy)
        others = leave_an_entry_and_a_target(venue, tmp_path / "other", "off").values()

        async def fall(s: Session) -> None:
            told = [text for _, kind, text in s.node._journal.open_alarms() if kind == "dead_man"]
            assert ["NO order is cancelled" in text for text in told] == [True]
            venue.faults.clear()
            venue.quote(rain.tokens[0], "0.44", "500", "0.46", "500")
            await s.until(lambda: venue.shares(s.funder, rain.tokens[0]) == 0, "sold")

        if not is_readable:
            venue.faults.answer("GET /balance-allowance*", 500, times=None)
        trade(venue, tmp_path / "mine", fall, safety={"dead_man": "all"})
        venue.skip(60)
        assert not venue.asked("POST /v1/heartbeats")
        assert all(o.is_open for o in others)


def test_foreign_orders_are_told_and_their_money_is_left_alone(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        leave_an_entry_and_a_target(venue, tmp_path / "other", "off")

        async def script(s: Session) -> None:
            await s.until(lambda: bool(s.alarms), "an alarm")
            assert s.alarms == [
                "2 orders in the wallet not placed by this node; they may still spend 8.00 USDC"
            ]
            assert s.node.strategy.engine.funds().reserved == Decimal(8)

        trade(venue, tmp_path / "mine", script)
