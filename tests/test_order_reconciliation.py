"""What is asked of the venue about an order of which nobody said what became of it, how long."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from py_clob_client_v2.exceptions import PolyApiException

from venues.polymarket.api.parsing import trades_of
from venues.polymarket.execution import live_orders, order_reconciliation
from venues.polymarket.execution.live_orders import LiveOrder, LiveOrders
from venues.polymarket.execution.order_fill_tracker import (
    Accepted,
    Canceled,
    Filled,
    FillReversed,
    OrderUpdate,
    Rejected,
)
from venues.polymarket.execution.order_reconciliation import OrderReconciliation

HASH = "0x" + "ab" * 32
TOKEN = "7" * 10
SOLD = {
    "id": "trade-1",
    "status": "CONFIRMED",
    "match_time": "1700000000",
    "taker_order_id": HASH,
    "asset_id": TOKEN,
    "side": "SELL",
    "size": "20",
    "price": "0.50",
    "maker_orders": [],
}


class Venue:
    """Answers as it is told; what it is not told to answer it does not know."""

    def __init__(self, *, silent_for: int = 0, trades: list[dict[str, Any]] | None = None) -> None:
        self.silent_for = silent_for
        self.trades = trades or []
        self.asked = 0
        self.cancelled: list[str] = []

    def get_order(self, _: str) -> None:
        """Know nothing of the order, once it answers at all."""
        self.asked += 1
        if self.asked <= self.silent_for:
            raise PolyApiException(httpx.Response(503, json={"error": "not ready"}))

    def get_trades(self, _: Any) -> list[dict[str, Any]]:
        """The trades of the wallet."""
        return self.trades

    def cancel_orders(self, hashes: list[str]) -> None:
        """Take orders off the book."""
        self.cancelled += hashes


class Slow(Venue):
    """Tells at once how many shares a cancelled order had matched, and the trades of them late."""

    def __init__(self, lag: int) -> None:
        super().__init__(trades=[SOLD | {"size": "5"}])
        self.lag = lag

    def get_order(self, _: str) -> Any:
        """The order, cancelled."""
        self.asked += 1
        return {"id": HASH, "status": "CANCELED", "size_matched": "5"}

    def get_trades(self, _: Any) -> list[dict[str, Any]]:
        """Its trade, once it is listed."""
        return self.trades if self.asked > self.lag else []


class Scribbling(Venue):
    """Answers the first question about trades with what is no JSON."""

    def get_trades(self, _: Any) -> list[dict[str, Any]]:
        """As the client library fails at it."""
        if self.asked == 1:
            raise TypeError("string indices must be integers, not 'str'")
        return self.trades


class Denying(Venue):
    """Has an order that rests, and has matched nothing."""

    def get_order(self, _: str) -> Any:
        """The order."""
        return {"id": HASH, "status": "LIVE", "size_matched": "0"}


class World:
    """One order of ours at a venue, and what is told of it."""

    def __init__(
        self, venue: Venue, *, is_immediate: bool = True, side: OrderSide = OrderSide.SELL
    ) -> None:
        kind = TimeInForce.IOC if is_immediate else TimeInForce.GTC
        order: Any = SimpleNamespace(
            client_order_id=SimpleNamespace(value="P-3"),
            instrument_id=InstrumentId.from_str(f"0xc0ffee-{TOKEN}.POLYMARKET"),
            quantity=SimpleNamespace(as_decimal=lambda: Decimal(20)),
            side=side,
            time_in_force=kind,
        )
        self.live = LiveOrder(order, HASH, asyncio.get_running_loop().time())
        self.live.posted.set()
        self.live.post = dict
        self.told: list[type[OrderUpdate]] = []
        self.warnings: list[str] = []
        self.venue = venue
        self.posted = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.post: Callable[[LiveOrder], Awaitable[None]] | None = None
        self.orders = known = LiveOrders()
        known.add(self.live)
        self.reconciliation = OrderReconciliation(
            venue,  # type: ignore[arg-type]
            known,
            lambda _, news: self.told.extend(type(n) for n in news),
            self._post,
            lambda work: self.tasks.append(asyncio.ensure_future(work)),
            lambda: 1_700_000_000 * 10**9,
            self.warnings.append,
        )

    async def _post(self, live: LiveOrder) -> None:
        self.posted += 1
        if self.post is not None:
            await self.post(live)

    async def known(self) -> None:
        """Wait until nothing is asked any more."""
        await asyncio.wait_for(asyncio.gather(*self.tasks), 30)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_reconciliation, "_PAUSES", (0.001,))
    monkeypatch.setattr(order_reconciliation, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(order_reconciliation, "POST_AGAIN_SECONDS", 0.05)


@pytest.mark.parametrize(
    ("venue", "asked"),
    [(Venue(silent_for=20, trades=[SOLD]), 22), (Scribbling(trades=[SOLD]), 3)],
    ids=["at all", "in its own words"],
)
def test_a_cancelled_order_is_asked_about_until_the_venue_answers(venue: Venue, asked: int) -> None:
    async def play() -> None:
        w = World(venue, is_immediate=False)
        w.live.tracker.apply_end(None)
        w.reconciliation.recheck(w.live)
        assert w.reconciliation.may_move(w.live), "no balance is compared before"
        await w.known()
        assert venue.asked == asked
        assert w.told == [Filled]
        assert not w.reconciliation.may_move(w.live)

    asyncio.run(play())


def test_an_order_that_the_venue_does_not_know_is_posted_again_and_given_up_at_last() -> None:
    async def play() -> None:
        w = World(Venue())
        w.live.mark_ambiguous(asyncio.get_running_loop().time() - 60, is_late=True)
        w.reconciliation.reconcile(w.live)
        await w.known()
        assert w.posted > 1
        assert w.told == [Rejected]

    asyncio.run(play())


def test_an_order_of_which_a_copy_was_a_duplicate_is_looked_for_and_not_posted_again() -> None:
    async def play() -> None:
        venue = Venue()
        w = World(venue)

        async def duplicate(live: LiveOrder) -> None:
            live.mark_duplicate(asyncio.get_running_loop().time())
            venue.trades = [SOLD]

        w.post = duplicate
        w.live.mark_ambiguous(asyncio.get_running_loop().time(), is_late=False)
        w.reconciliation.reconcile(w.live)
        await w.known()
        assert w.posted == 1
        assert Filled in w.told
        assert Canceled not in w.told

    asyncio.run(play())


def test_what_is_to_be_cancelled_is_not_posted_again() -> None:
    async def play() -> None:
        w = World(Venue(), is_immediate=False)
        w.live.mark_ambiguous(asyncio.get_running_loop().time(), is_late=False)
        w.live.is_unwanted = True
        w.live.gone_at = 0.0
        w.reconciliation.reconcile(w.live)
        await w.known()
        assert w.posted == 0
        assert w.told == [Rejected]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("killed", "told"), [("no orders found to match", Canceled), ("", Rejected)]
)
def test_an_order_of_which_a_copy_was_refused_is_not_posted_again(
    killed: str, told: type[OrderUpdate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(live_orders.LATE_SECONDS, True, 0.05)

    async def play() -> None:
        w = World(Venue())

        async def refuse(live: LiveOrder) -> None:
            live.mark_refused(asyncio.get_running_loop().time(), killed)

        w.post = refuse
        w.live.mark_ambiguous(asyncio.get_running_loop().time(), is_late=True)
        w.reconciliation.reconcile(w.live)
        await w.known()
        assert w.posted == 1
        assert w.told == [told]

    asyncio.run(play())


def test_an_order_that_is_over_and_rests_at_the_venue_is_cancelled() -> None:
    async def play() -> None:
        venue = Venue()
        w = World(venue, is_immediate=False)
        w.reconciliation.compare({HASH: Decimal(0), "0xforeign": Decimal(0)})
        assert not w.tasks
        w.live.tracker.apply_end(None)
        w.reconciliation.compare({HASH: Decimal(0), "0xforeign": Decimal(0)})
        await w.known()
        assert venue.cancelled == [HASH]
        assert len(w.warnings) == 1

    asyncio.run(play())


def test_what_an_order_had_matched_that_is_over_and_rests_is_asked() -> None:
    async def play() -> None:
        venue = Venue(trades=[SOLD | {"size": "5"}])
        w = World(venue, is_immediate=False)
        w.live.tracker.apply_end(None)
        w.reconciliation.compare({HASH: Decimal(5)})
        await w.known()  # it is taken back
        await w.known()  # and asked about
        assert venue.cancelled == [HASH]
        assert w.told == [Filled, Canceled]

    asyncio.run(play())


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_cancelled_order_is_not_over_before_what_the_venue_told_of_it_is_listed(
    is_shared: bool,
) -> None:
    async def play() -> None:
        w = World(Slow(2), is_immediate=False)
        w.reconciliation.is_shared = lambda _: is_shared
        w.live.tracker.apply_acceptance()
        if not is_shared:
            w.live.tracker.apply_end(Decimal(5))  # as the user channel told it
        await w.reconciliation.confirm_cancel(w.live)
        assert w.told == [Filled, Canceled]
        for task in w.tasks:
            task.cancel()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("is_shared", "silent_for", "asked", "told"),
    [
        (True, 0, 1, [Filled, Canceled]),  # the wallet's other shares are not to be sold for it
        (True, 10**9, 2, [Canceled]),  # an exit does not wait for ever
        (False, 0, 0, [Canceled]),  # the venue refuses to sell more than there is
    ],
)
def test_what_a_cancelled_order_had_matched_is_asked_where_others_hold_the_outcome(
    is_shared: bool,
    silent_for: int,
    asked: int,
    told: list[type[OrderUpdate]],
) -> None:
    async def play() -> None:
        venue = Venue(silent_for=silent_for, trades=[SOLD | {"size": "5"}])
        w = World(venue, is_immediate=False)
        w.reconciliation.is_shared = lambda _: is_shared
        w.live.tracker.apply_acceptance()
        await w.reconciliation.confirm_cancel(w.live)
        assert w.told == told
        assert min(venue.asked, 2) == asked
        for task in w.tasks:
            task.cancel()

    asyncio.run(play())


def test_what_the_venue_tells_of_a_cancelled_order_as_it_was_before_is_no_answer() -> None:
    class Slow(Venue):
        """Tells of the order as it was, three times; then knows it no more."""

        def get_order(self, _: str) -> Any:
            self.asked += 1
            return {"id": HASH, "status": "LIVE", "size_matched": "0"} if self.asked < 4 else None

    async def play() -> None:
        venue = Slow(trades=[SOLD | {"size": "5"}])
        w = World(venue, is_immediate=False)
        w.reconciliation.is_shared = lambda _: True
        w.live.tracker.apply_acceptance()
        await w.reconciliation.confirm_cancel(w.live)
        assert w.told == [Filled, Canceled]
        for task in w.tasks:
            task.cancel()

    asyncio.run(play())


def test_an_end_that_told_of_more_is_waited_for_where_others_hold_the_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order_reconciliation, "ANSWER_SECONDS", 0.01)

    async def play() -> None:
        venue = Venue(trades=[])
        w = World(venue, is_immediate=False)
        w.reconciliation.is_shared = lambda _: True
        w.live.tracker.apply_acceptance()
        w.live.tracker.apply_end(Decimal(5))
        cancelling = asyncio.create_task(w.reconciliation.confirm_cancel(w.live))
        await asyncio.sleep(0.05)
        assert w.told == []
        venue.trades = [SOLD | {"size": "5"}]
        await cancelling
        await w.known()
        assert w.told == [Filled, Canceled]

    asyncio.run(play())


@pytest.mark.parametrize("is_shared", [False, True])
def test_an_end_that_told_of_more_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    for name in ("ANSWER_SECONDS", "GONE_SECONDS"):
        monkeypatch.setattr(order_reconciliation, name, 0.01)

    async def play() -> None:
        venue = Venue(trades=[])
        w = World(venue, is_immediate=False)
        w.reconciliation.is_shared = lambda _: is_shared
        w.live.tracker.apply_acceptance()
        w.live.tracker.apply_end(Decimal(5))
        await w.reconciliation.confirm_cancel(w.live)
        assert w.told == [Canceled]
        venue.trades = [SOLD | {"size": "5"}]
        await w.known()
        assert w.told == [Canceled, Filled, Canceled]

    asyncio.run(play())


TOLD = SOLD | {"id": "never", "status": "MATCHED", "size": "5"}


async def told(w: World, status: str = "MATCHED") -> None:
    """Hear on the channel of a trade, and look the order up twice."""
    for trade in trades_of(HASH, TOLD | {"status": status}):
        w.told.extend(type(n) for n in w.live.tracker.apply_trade(trade))
    await w.reconciliation.query(w.live)
    await w.reconciliation.query(w.live)
    await w.known()


@pytest.mark.parametrize("status", ["MATCHED", "RETRYING", "CONFIRMED"])
@pytest.mark.parametrize("venue", [Denying, Venue], ids=["its row denies it", "it is forgotten"])
def test_an_offer_whose_trade_the_venue_denies_for_long_has_it_reversed(
    monkeypatch: pytest.MonkeyPatch, status: str, venue: type[Venue]
) -> None:
    async def play() -> None:
        w = World(venue(), is_immediate=False)
        await told(w, status)
        assert w.told == [Accepted, Filled]  # it may be listed yet
        w.live.tracker.apply_end(None)
        w.reconciliation.recheck(w.live)
        await asyncio.sleep(0.5)
        assert w.told == [Accepted, Filled]
        monkeypatch.setattr(order_reconciliation, "UNLISTED_SECONDS", 0.0)
        await w.known()
        assert w.told == [Accepted, Filled, FillReversed]
        await w.known()
        assert w.venue.cancelled == [HASH]
        assert any("is reversed" in text for text in w.warnings)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("venue", "side"), [(Denying(), OrderSide.BUY), (Denying(trades=[TOLD]), OrderSide.SELL)]
)
def test_a_buy_that_is_denied_and_a_sale_that_is_listed_stand(
    monkeypatch: pytest.MonkeyPatch, venue: Venue, side: OrderSide
) -> None:
    async def play() -> None:
        monkeypatch.setattr(order_reconciliation, "UNLISTED_SECONDS", 0.0)
        w = World(venue, is_immediate=False, side=side)
        await told(w)
        assert w.told == [Accepted, Filled]
        assert venue.cancelled == []

    asyncio.run(play())


def test_a_foreign_trade_that_makes_no_sense_hides_none_of_ours() -> None:
    async def play() -> None:
        foreign: Any = SOLD | {"taker_order_id": "0xcd", "status": "SPLENDID"}
        w = World(Venue(trades=[foreign, "nonsense", SOLD]))  # type: ignore[list-item]
        assert await w.reconciliation.query(w.live)
        assert w.told == [Accepted, Filled]

    asyncio.run(play())
