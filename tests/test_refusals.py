"""A report of the venue that makes no sense is refused alone, alarmed, and asked for anew."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from test_order_reconciliation import HASH, SOLD, TOKEN, World, _at_once  # noqa: F401
from test_order_reconciliation import Venue as Silent

from positions.model.position import Position
from positions.model.venue_rules import FREE
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import BalanceReader
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.refusals import ALARM_SECONDS, Refusals
from venues.polymarket.execution.client import HardenedExecutionClient
from venues.polymarket.execution.open_orders import read_open_orders
from venues.polymarket.execution.order_fill_tracker import Filled
from venues.polymarket.execution.wallet_reports import WalletReader
from venues.polymarket.execution.wallet_watch import WalletWatch

D = Decimal
FOREIGN = "0x" + "cd" * 32
ROW = {
    "id": HASH,
    "asset_id": TOKEN,
    "side": "SELL",
    "price": "0.5",
    "original_size": "20",
    "size_matched": "5",
    "status": "LIVE",
}
SPOILT: list[Any] = [
    ROW | {"id": FOREIGN, "size_matched": "nan"},
    ROW | {"id": FOREIGN, "price": "1e30"},
    ROW | {"id": None},
    {},
    None,
    "PONG",
    7,
]


def test_one_alarm_a_minute_is_raised_and_every_refusal_is_logged() -> None:
    lines, alarms = list[str](), list[str]()
    times = [0.0, 1.0, ALARM_SECONDS - 1, ALARM_SECONDS, ALARM_SECONDS + 1]
    refusals = Refusals(lines.append, alarms.append, iter(times).__next__)
    for _ in times:
        refusals.add("size was -1")
    assert len(lines) == 5
    assert alarms == [
        "a report of the venue was refused: size was -1",
        "a report of the venue was refused: size was -1 (and 2 before it)",
    ]


class Venue(Silent):
    """Has the open orders that it is given."""

    def __init__(self, rows: list[Any], trades: list[dict[str, Any]] | None = None) -> None:
        super().__init__(trades=trades)
        self.rows = rows
        self.builder = SimpleNamespace(funder="0xme")

    def get_open_orders(self) -> list[Any]:
        """The open orders of the wallet."""
        return self.rows

    def get_server_time(self) -> int:
        """Any time."""
        return 0


@pytest.mark.parametrize("row", SPOILT, ids=str)
def test_an_open_order_that_makes_no_sense_does_not_hide_the_others(row: Any) -> None:
    refused: list[str] = []
    orders = asyncio.run(read_open_orders(Venue([row, ROW]), refused.append))  # type: ignore[arg-type]
    assert orders[HASH].matched == 5
    assert len(orders) == len(refused) == 1


@pytest.mark.parametrize(
    "report",
    [
        SOLD | {"taker_order_id": FOREIGN, "trader_side": "TAKER", "side": None},
        SOLD | {"taker_order_id": FOREIGN, "trader_side": "TAKER", "size": "nan"},
        SOLD | {"taker_order_id": FOREIGN, "trader_side": "TAKER", "match_time": "soon"},
    ],
    ids=["side", "size", "match_time"],
)
def test_a_start_reads_the_wallet_although_a_foreign_order_makes_no_sense(
    report: dict[str, Any],
) -> None:
    refused: list[str] = []
    position: Any = SimpleNamespace(
        market_id="0xc0ffee",
        outcome_id=TOKEN,
        created_at=0,
        orders=(SimpleNamespace(venue_order_id=HASH),),
        ledger=SimpleNamespace(payout=1),
        held=0,
    )
    positions: list[Position] = [position]
    venue: Any = Venue([SPOILT[0], ROW], [report, SOLD | {"trader_side": "TAKER"}])
    reader = WalletReader(BalanceReader(venue, 0), lambda _: FREE, refused.append)
    reading = asyncio.run(reader.read(positions, [], 0))
    assert set(reading.orders) == {HASH}
    assert [t.shares for t in reading.trades_by_order()[HASH]] == [20]
    assert len(refused) == 2


def test_a_look_at_the_wallet_goes_on_although_a_foreign_order_makes_no_sense() -> None:
    async def play() -> None:
        venue: Any = Venue([SPOILT[0], ROW | {"id": FOREIGN, "side": "BUY"}])
        w, views, refused = World(venue, is_immediate=False), list[Any](), list[str]()
        w.reconciliation.refuse = refused.append

        async def nothing() -> None: ...

        watch = WalletWatch(
            BalanceReader(venue, 0),
            w.orders,
            w.reconciliation,
            nothing,
            lambda: True,
            views.append,
            w.warnings.append,
            lambda _: asyncio.sleep(0),
            refused.append,
        )
        await watch._look()
        assert [(v.foreign_orders, v.foreign_cost) for v in views] == [(1, D("7.5"))]
        assert len(refused) == 1
        assert w.orders.foreign is None, "the order that makes no sense may be of any outcome"

    asyncio.run(play())


class Client:
    """The part of the execution client that takes the user channel's frames."""

    _handle_ws_message = HardenedExecutionClient._handle_ws_message
    _refuse = HardenedExecutionClient._refuse
    _take_order = HardenedExecutionClient._take_order
    _take_trade = HardenedExecutionClient._take_trade

    def __init__(self, w: World) -> None:
        self.alarms: list[str] = []
        self.fails: Callable[[], None] = lambda: None
        self._orders, self._reconciliation = w.orders, w.reconciliation
        self.refusals = Refusals(w.warnings.append, self.alarms.append, lambda: 0.0)
        self._asking: asyncio.Task[None] | None = None
        self._holdings: Any = SimpleNamespace(funder="0x0")
        self._refreshing: Any = SimpleNamespace(done=lambda: False)
        self._w = w

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it beside, as Nautilus does."""
        task = asyncio.ensure_future(work)
        self._w.tasks.append(task)
        return task

    def _emit(self, _: Any, updates: list[Any]) -> None:
        self.fails()
        self._w.told += [type(u) for u in updates]


TRADE = SOLD | {"event_type": "trade"}
BAD: dict[str, Any] = {
    "an order without an id": {"event_type": "order"},
    "a size that is none": TRADE | {"size": "nan"},
    "more shares than the order has": TRADE | {"id": "trade-2", "size": "2000"},
    "one share more than the order has": TRADE | {"id": "trade-2", "size": "21"},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_message_that_makes_no_sense_is_refused_alone(bad: dict[str, Any]) -> None:
    async def play() -> None:
        w = World(Silent(trades=[SOLD]), is_immediate=False)
        client: Any = Client(w)
        client._handle_ws_message(json.dumps([bad, TRADE]).encode())
        assert w.told.count(Filled) == 1
        assert w.live.tracker.matched == 20
        assert len(client.alarms) == 1
        await w.known()

    asyncio.run(play())


def test_a_frame_of_many_that_make_no_sense_is_asked_about_once() -> None:
    async def play() -> None:
        w = World(Silent(trades=[SOLD]), is_immediate=False)
        client: Any = Client(w)
        client._handle_ws_message(json.dumps([{"event_type": "order"}] * 1000).encode())
        assert len(w.tasks) == 1
        await w.tasks[0]
        before = len(w.tasks)
        client._handle_ws_message(json.dumps([{"event_type": "order"}]).encode())
        assert len(w.tasks) == before + 1
        await w.known()

    asyncio.run(play())


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), ZeroDivisionError()], ids=repr)
def test_whatever_fails_in_one_message_stays_there_and_the_venue_is_asked(error: Exception) -> None:
    async def play() -> None:
        venue = Silent(trades=[SOLD])
        w = World(venue, is_immediate=False)
        client: Any = Client(w)

        def fail() -> None:
            client.fails = lambda: None
            raise error

        client.fails = fail
        client._handle_ws_message(
            json.dumps([{"event_type": "order", "id": HASH, "type": "PLACEMENT"}, TRADE]).encode()
        )
        assert w.told.count(Filled) == 1
        assert client.alarms
        await w.known()

    asyncio.run(play())


def test_a_trade_of_too_many_shares_is_not_booked_and_the_order_is_not_given_up() -> None:
    async def play() -> None:
        w = World(Silent(trades=[SOLD | {"size": "2000"}]))
        assert await w.reconciliation.query(w.live) is None, "nothing is known of it"
        assert w.live.tracker.matched == 0
        w.reconciliation._client.trades[:] = [SOLD]  # type: ignore[attr-defined]
        assert await w.reconciliation.query(w.live)
        assert w.live.tracker.matched == 20
        w.reconciliation._client.trades.append(SOLD | {"id": "trade-3"})  # type: ignore[attr-defined]
        assert await w.reconciliation.query(w.live), "of an order that is filled no more is asked"
        assert w.live.tracker.matched == 20

    asyncio.run(play())


def test_a_trade_may_have_what_a_failed_one_had() -> None:
    async def play() -> None:
        w = World(Silent())
        tracker = w.live.tracker

        def report(**changes: Any) -> None:
            for trade in parsing.trades_of(HASH, SOLD | changes):
                tracker.apply_trade(trade)

        report(status="MATCHED")
        with pytest.raises(Unreadable, match="must be at most the order's remaining 0"):
            report(id="trade-2")
        report(status="FAILED")
        report(id="trade-2")
        assert tracker.matched == 40

    asyncio.run(play())
