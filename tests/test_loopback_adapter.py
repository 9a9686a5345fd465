"""The loopback venue, by NautilusTrader's own Polymarket adapter, as it is installed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.adapters.polymarket import POLYMARKET
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
from nautilus_trader.config import LiveExecEngineConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

KEY = "0x" + "55" * 32
PATIENCE = 30.0


class Trader(Strategy):
    """Buys at the first ask, offers what it got, and takes the offer back once it rests."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__()
        self.instrument_id = instrument_id
        self.quotes: list[tuple[str, str]] = []
        self.said: list[str] = []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.instrument_id)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        if not self.quotes:
            self._send(OrderSide.BUY, tick.ask_price)
        self.quotes.append((str(tick.bid_price), str(tick.ask_price)))

    def _send(self, side: OrderSide, price: Any) -> None:
        instrument = self.cache.instrument(self.instrument_id)
        quantity = instrument.make_qty(10)
        self.submit_order(self.order_factory.limit(self.instrument_id, side, quantity, price))

    def on_order_accepted(self, event: Any) -> None:
        self.said.append("accepted")
        self.cancel_order(self.cache.order(event.client_order_id))

    def on_order_filled(self, event: Any) -> None:
        self.said.append(f"filled {event.last_qty.as_decimal():f} @ {event.last_px}")
        self._send(OrderSide.SELL, self.cache.instrument(self.instrument_id).make_price(0.6))

    def on_order_canceled(self, _: Any) -> None:
        self.said.append("canceled")


def config(venue: LoopbackPolymarket, *markets: MarketHandle) -> TradingNodeConfig:
    """The adapter's own node, with every outcome of these markets."""
    wallet = venue.wallet(KEY, cash="1000")
    wanted = frozenset(i for m in markets for i in ids(m))
    instruments = PolymarketInstrumentProviderConfig(load_ids=wanted)
    shared = {
        "instrument_config": instruments,
        "private_key": wallet["POLYMARKET_PK"],
        "funder": wallet["POLYMARKET_FUNDER"],
        "api_key": wallet["POLYMARKET_API_KEY"],
        "api_secret": wallet["POLYMARKET_API_SECRET"],
        "passphrase": wallet["POLYMARKET_PASSPHRASE"],
        "base_url_http": venue.clob,
        "base_url_ws": venue.websocket,
    }
    return TradingNodeConfig(
        logging=LoggingConfig(log_level="ERROR", log_colors=False),
        exec_engine=LiveExecEngineConfig(reconciliation_startup_delay_secs=0.1),
        data_clients={
            POLYMARKET: PolymarketDataClientConfig(ws_connection_initial_delay_secs=0.05, **shared)
        },
        exec_clients={
            POLYMARKET: PolymarketExecClientConfig(base_url_data_api=venue.data, **shared)
        },
        timeout_post_stop=0.1,
        timeout_disconnection=2,
    )


def ids(market: MarketHandle) -> list[InstrumentId]:
    """Nautilus' ids of a market's outcomes."""
    return [InstrumentId.from_str(f"{market.condition_id}-{t}.POLYMARKET") for t in market.tokens]


async def play(settings: TradingNodeConfig, trader: Strategy, act: Callable[[], Any]) -> None:
    """Run a node with a strategy while something is done beside it."""
    node = TradingNode(config=settings)
    node.trader.add_strategy(trader)
    node.add_data_client_factory(POLYMARKET, PolymarketLiveDataClientFactory)
    node.add_exec_client_factory(POLYMARKET, PolymarketLiveExecClientFactory)
    node.build()
    running = asyncio.ensure_future(node.run_async())
    try:
        await asyncio.wait_for(asyncio.to_thread(act), PATIENCE)
    finally:
        await node.stop_async()
        await asyncio.wait({running}, timeout=10)
        node.kernel.dispose()


def test_the_adapter_gets_prices_and_trades(
    eventually: Callable[[Callable[[], Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackPolymarket() as venue:
        monkeypatch.setattr(gamma_markets, "DEFAULT_GAMMA_BASE_URL", venue.gamma)
        market = venue.add_market("will-it-rain")
        yes = market.tokens[0]
        venue.quote(yes, "0.50", "100", "0.52", "100")
        trader = Trader(ids(market)[0])

        def act() -> None:
            eventually(lambda: "canceled" in trader.said)
            venue.quote(yes, "0.53", "20", "0.54", "30")
            eventually(lambda: trader.quotes[-1] == ("0.53", "0.54"))

        asyncio.run(play(config(venue, market), trader, act))
        assert trader.said == ["filled 10 @ 0.52", "accepted", "canceled"]
        assert trader.quotes[0] == ("0.50", "0.52")
        assert venue.orders(venue.ledger.trades[0].taker.wallet) == []
