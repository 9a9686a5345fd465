"""Two nodes alike but for their Polymarket clients, and what a strategy sees on each.

A probe is a coroutine that does one thing in a market of its own, with whichever clients, and says
what was seen. Nautilus' own checks of orders are as by default with the stock clients, and off with
ours, as in our node.
"""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.adapters.polymarket.common import gamma_markets
from nautilus_trader.adapters.polymarket.config import (
    PolymarketDataClientConfig,
    PolymarketExecClientConfig,
)
from nautilus_trader.adapters.polymarket.factories import (
    PolymarketLiveDataClientFactory,
    PolymarketLiveExecClientFactory,
)
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProviderConfig
from nautilus_trader.config import (
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import DataType, InstrumentClose, QuoteTick
from nautilus_trader.model.enums import OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy
from py_clob_client_v2.http_helpers import helpers
from trading import settings

from bridge.live_node import add_clients
from bridge.one_sided_book import OneSidedBook
from bridge.venue import CLIENT_ID, VENUE
from bridge.venue_messages import FEEDS, VENUE_EVENTS, FeedState, VenueEvent
from node import THREADS
from positions.model import events
from positions.operations.wallet import wallet
from venues.polymarket.factories import Polymarket

KEY = "0x" + "66" * 32
PATIENCE = 30.0
"""Seconds that what must happen may take."""
WINDOW = 8.0
"""Seconds in which the stock clients may yet do it: longer than Nautilus waits for an answer."""
ACK_SECONDS = 2.0
"""Less than the five by default, which end together with the client's own patience."""
_BACKGROUND = frozenset(
    {"GET /time", "GET /balance-allowance", "GET /data/orders", "GET /data/trades", "GET /ws/user"}
)


class Observer(Strategy):
    """Notes everything that it is told, and decides nothing."""

    def __init__(self, claims: Sequence[InstrumentId] = ()) -> None:
        super().__init__(StrategyConfig(external_order_claims=list(claims)))
        self.quotes: dict[InstrumentId, list[tuple[str, str]]] = {}
        self.said: dict[str, list[str]] = {}
        self.fees: dict[str, float] = {}
        self.closes: dict[InstrumentId, str] = {}
        self.feeds: dict[InstrumentId, str] = {}
        self.questions: dict[str, int] = {}
        self.asked: Callable[[str], list[Any]] = lambda _: []

    def on_start(self) -> None:
        listen = self.msgbus.subscribe
        listen(f"data.{DataType(OneSidedBook).topic}", self._on_one_sided)
        listen("data.venue.close_price.*", self._on_close)
        listen(VENUE_EVENTS, self._on_event)
        listen(FEEDS, self._on_feed)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        seen = self.quotes.setdefault(tick.instrument_id, [])
        seen.append((str(tick.bid_price), str(tick.ask_price)))

    def on_order_event(self, event: Any) -> None:
        kind = type(event).__name__.removeprefix("Order").lower()
        order_id = event.client_order_id.value
        if kind == "filled":
            shares, price = event.last_qty.as_decimal(), event.last_px.as_decimal()
            kind = f"filled {shares.normalize():f} @ {price:.2f}"
            self.fees[order_id] = self.fees.get(order_id, 0) + event.commission.as_double()
        self.said.setdefault(order_id, []).append(kind)
        if event.venue_order_id is not None:
            question = f"GET /data/order/{event.venue_order_id.value}"
            self.questions[order_id] = len(self.asked(question))

    def _on_one_sided(self, book: OneSidedBook) -> None:
        self.quotes.setdefault(book.instrument_id, []).append((book.bid, book.ask))

    def _on_close(self, close: InstrumentClose) -> None:
        self.closes[close.instrument_id] = str(close.close_price)

    def _on_event(self, told: VenueEvent) -> None:
        kinds = {events.FillReversed: "reversed", events.OrderFilled: "filled late"}
        text = f"{kinds[type(told.event)]} {told.event.shares.normalize():f} @ {told.event.price}"
        self.said.setdefault(told.client_order_id, []).append(text)

    def _on_feed(self, state: FeedState) -> None:
        self.feeds[state.instrument_id] = state.problem


class Lab:
    """A running node with one of the two sets of clients. The stock ones can be told what to load
    at the start, and what of that the strategy claims."""

    def __init__(
        self,
        venue: LoopbackPolymarket,
        *,
        is_ours: bool,
        loaded: Sequence[InstrumentId] = (),
        claims: Sequence[InstrumentId] = (),
        connection_seconds: float = 60,
    ) -> None:
        self.venue = venue
        self.is_ours = is_ours
        self.keys = venue.wallet(KEY, cash="100000")
        self.funder = self.keys["POLYMARKET_FUNDER"]
        self.observer = Observer(claims)
        self.observer.asked = self.asked
        self._markets = 0
        self._loaded = loaded
        self._connection_seconds = connection_seconds
        self.node = TradingNode(config=self._config())
        self.node.trader.add_strategy(self.observer)
        self._attach()
        self.node.build()
        self.data = self.node.kernel.data_engine._clients[CLIENT_ID]
        self.execution = self.node.kernel.exec_engine._clients[CLIENT_ID]
        self.client = self.execution._http_client

    # -- the node ----------------------------------------------------------------------------------

    def _config(self) -> TradingNodeConfig:
        if self.is_ours:
            chosen = settings(self.venue, Path("nowhere"), safety={"stale_seconds": 1})
            self._polymarket = Polymarket(chosen, wallet(self.keys), lambda _, __, go: go(True))
            self._ours = self._polymarket.data_client(), self._polymarket.execution_client()
            clients = self._ours[0].config, self._ours[1].config
            engine = LiveExecEngineConfig(reconciliation=False, inflight_check_interval_ms=0)
        else:
            clients = self._stock_clients()
            engine = LiveExecEngineConfig(reconciliation_startup_delay_secs=0.1)
        return TradingNodeConfig(
            logging=LoggingConfig(log_level="OFF", log_colors=False),
            risk_engine=LiveRiskEngineConfig(bypass=True),
            exec_engine=engine,
            data_clients={VENUE.value: clients[0]},
            exec_clients={VENUE.value: clients[1]},
            timeout_connection=self._connection_seconds,
            timeout_post_stop=0.1,
            timeout_disconnection=2,
        )

    def _stock_clients(self) -> tuple[Any, Any]:
        importlib.reload(helpers)  # its connections as the library makes them
        gamma_markets.DEFAULT_GAMMA_BASE_URL = self.venue.gamma
        wanted = frozenset(self._loaded)
        shared = {
            "instrument_config": PolymarketInstrumentProviderConfig(load_ids=wanted),
            "private_key": self.keys["POLYMARKET_PK"],
            "funder": self.funder,
            "api_key": self.keys["POLYMARKET_API_KEY"],
            "api_secret": self.keys["POLYMARKET_API_SECRET"],
            "passphrase": self.keys["POLYMARKET_PASSPHRASE"],
            "base_url_http": self.venue.clob,
            "base_url_ws": self.venue.websocket,
        }
        return (
            PolymarketDataClientConfig(ws_connection_initial_delay_secs=0.05, **shared),
            PolymarketExecClientConfig(
                base_url_data_api=self.venue.data, ack_timeout_secs=ACK_SECONDS, **shared
            ),
        )

    def _attach(self) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        if self.is_ours:
            add_clients(self.node, *self._ours)
        else:
            self.node.add_data_client_factory(VENUE.value, PolymarketLiveDataClientFactory)
            self.node.add_exec_client_factory(VENUE.value, PolymarketLiveExecClientFactory)

    async def run(self, play: Callable[["Lab"], Awaitable[None]], *, is_up: bool = True) -> None:
        """Start the node, do something once it `is_up` (or at once), and stop it."""
        running = self.running = asyncio.ensure_future(self.node.run_async())
        try:
            if is_up:
                assert await self.happens(lambda: self.node.trader.is_running, PATIENCE)
                if self.is_ours:
                    self._polymarket.earlier_orders().adopt([])
            await play(self)
        finally:
            self.venue.faults.clear()
            await self.node.stop_async()
            await asyncio.wait({running}, timeout=10)
            if self.is_ours:
                await self._polymarket.close()
            else:
                helpers._http_client.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            self.node.kernel.dispose()

    async def happens(self, is_so: Callable[[], Any], within: float | None = None) -> bool:
        """Wait until something happens; whether it did."""
        limit = within or (PATIENCE if self.is_ours else WINDOW)
        begun = time.monotonic()
        while not is_so():
            if time.monotonic() - begun > limit:
                return False
            await asyncio.sleep(0.01)
        return True

    # -- the market --------------------------------------------------------------------------------

    def market(self) -> "Spot":
        """A new market, quoted 0.50 to 0.52, that the node does not know yet."""
        self._markets += 1
        handle = self.venue.add_market(f"market-{self._markets}")
        self.venue.quote(handle.tokens[0], "0.50", "100", "0.52", "100")
        return Spot(self, handle)

    async def load(self, spot: "Spot") -> None:
        """Make the node know a market and listen to it."""
        if self.is_ours:
            await self._polymarket.finder().find(spot.market.slug)
        self.observer.subscribe_quote_ticks(spot.id)

    def asked(self, prefix: str) -> list[Any]:
        """All requests that begin so."""
        return [r for r in list(self.venue.requests) if r.where.startswith(prefix)]

    def since(self, count: int, until: str) -> list[str]:
        """What was asked for an order's sake after so many requests, before one of a kind."""
        wheres = [r.where for r in list(self.venue.requests)[count:]]
        before = wheres[: wheres.index(until)] if until in wheres else wheres
        return [w for w in before if w not in _BACKGROUND]


class Spot:
    """One market in a lab."""

    def __init__(self, lab: Lab, market: MarketHandle) -> None:
        self.lab = lab
        self.venue = lab.venue
        self.market = market
        self.token = market.tokens[0]
        self.id = InstrumentId.from_str(f"{market.condition_id}-{self.token}.{VENUE}")

    @property
    def instrument(self) -> Instrument:
        """The first outcome, as the node knows it now."""
        return self.lab.node.cache.instrument(self.id)

    @property
    def quotes(self) -> list[tuple[str, str]]:
        """Every best bid and ask that the strategy was told; "" for a side that is empty."""
        return self.lab.observer.quotes.get(self.id, [])

    async def opened(self) -> "Spot":
        """Wait until its prices come."""
        await self.lab.load(self)
        assert await self.lab.happens(lambda: self.quotes, PATIENCE), "no price came"
        return self

    def quote(self, bid: str | None, ask: str | None, size: str = "100") -> None:
        """Set its one bid and ask."""
        self.venue.quote(self.token, bid, size, ask, size)

    async def shows(self, bid: str, ask: str, within: float | None = None) -> str:
        """Wait for a quote; the last one."""
        await self.lab.happens(lambda: self.quotes[-1:] == [(bid, ask)], within)
        return " / ".join(side or "none" for side in self.quotes[-1])

    # -- orders ------------------------------------------------------------------------------------

    def order(self, side: str, price: str, size: str = "10", kind: str = "GTC") -> Order:
        """Send a limit order."""
        instrument = self.instrument
        order = self.lab.observer.order_factory.limit(
            self.id,
            OrderSide.BUY if side == "BUY" else OrderSide.SELL,
            instrument.make_qty(float(size)),
            instrument.make_price(float(price)),
            time_in_force=TimeInForce.IOC if kind == "IOC" else TimeInForce.GTC,
            tags=["entry"],
        )
        self.lab.observer.submit_order(order)
        return order

    def market_sale(self) -> Order:
        """Sell ten shares at whatever the book offers."""
        order = self.lab.observer.order_factory.market(
            self.id,
            OrderSide.SELL,
            self.instrument.make_qty(10),
            time_in_force=TimeInForce.IOC,
            tags=["entry"],
        )
        self.lab.observer.submit_order(order)
        return order

    def stop(self, price: str, trigger: str) -> Order:
        """Let Nautilus' emulator hold a stop over ten shares."""
        order = self.lab.observer.order_factory.stop_limit(
            self.id,
            OrderSide.SELL,
            self.instrument.make_qty(10),
            self.instrument.make_price(float(price)),
            trigger_price=self.instrument.make_price(float(trigger)),
            time_in_force=TimeInForce.IOC,
            emulation_trigger=TriggerType.BID_ASK,
            tags=["exit"],
        )
        self.lab.observer.submit_order(order)
        return order

    def said(self, order: Order) -> str:
        """What the strategy was told of an order."""
        told = self.lab.observer.said.get(order.client_order_id.value, [])
        return ", ".join(t for t in told if t not in ("initialized", "submitted", "pendingcancel"))

    def state(self, order: Order) -> str:
        """What the strategy was told, and what Nautilus takes the order for now."""
        status = order.status_string().lower()
        return f"{self.said(order) or 'nothing'}; {status}"

    async def hears(self, order: Order, word: str, within: float | None = None) -> bool:
        """Wait until the strategy is told something of an order."""
        return await self.lab.happens(lambda: word in self.said(order), within)

    async def closes(self, order: Order, within: float | None = None) -> str:
        """Wait until an order is over; its state."""
        await self.lab.happens(lambda: order.is_closed, within)
        return self.state(order)

    def fee(self, order: Order) -> float:
        """The fees that the strategy was told of, in USDC."""
        return self.lab.observer.fees.get(order.client_order_id.value, 0.0)

    def questions(self, order: Order) -> int:
        """How often the venue was asked about an order before the last that was told of it."""
        return self.lab.observer.questions.get(order.client_order_id.value, 0)

    @property
    def resting(self) -> list[Any]:
        """The orders of this token that rest at the venue."""
        return [o for o in self.venue.orders(self.lab.funder) if o.token == self.token]

    @property
    def trades(self) -> list[Any]:
        """The trades of this token."""
        return [t for t in self.venue.trades(self.lab.funder) if t.taker.token == self.token]

    @property
    def held(self) -> str:
        """The shares that the wallet holds at the venue."""
        return f"{self.venue.shares(self.lab.funder, self.token).normalize():f}"

    def posted(self, side: str = "") -> list[Any]:
        """The requests that posted orders of this token."""
        return [
            r
            for r in self.venue.asked("POST /order")
            if self.token in r.body and (not side or f'"side":"{side}"' in r.body)
        ]
