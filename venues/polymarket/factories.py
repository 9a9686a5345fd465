"""Makes the hardened clients of one node. No secret ever stands in a Nautilus configuration."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

from nautilus_trader.adapters.polymarket.common import gamma_markets
from nautilus_trader.adapters.polymarket.common.credentials import PolymarketWebSocketAuth
from nautilus_trader.adapters.polymarket.config import (
    PolymarketDataClientConfig,
    PolymarketExecClientConfig,
)
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProviderConfig
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.model.identifiers import InstrumentId
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams

from bridge.live_node import NodeClient
from bridge.ports import Signed
from bridge.venue import VENUE
from positions.engine.engine import Engine
from positions.model.errors import WalletUnreadable
from positions.operations.doctor import Level
from positions.operations.settings import Settings
from positions.operations.wallet import Wallet, WalletError
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import close_connections, make_client
from venues.polymarket.api.data_api import DataApi
from venues.polymarket.api.gamma import Gamma
from venues.polymarket.api.protocol import Protocol, protocol_of_condition
from venues.polymarket.api.signing import NO_BUILDER, OrderSigner
from venues.polymarket.doctor import check_signature_type, why
from venues.polymarket.execution.client import HardenedExecutionClient
from venues.polymarket.execution.earlier_orders import EarlierOrders
from venues.polymarket.execution.live_orders import LiveOrders
from venues.polymarket.market_data.client import HardenedDataClient
from venues.polymarket.markets import MarketFinder
from venues.polymarket.provider import HardenedProvider, MarketListClient


class Polymarket:
    """One node's connection to the venue: its clients share what they know.

    Without a wallet there are public data alone.
    """

    def __init__(
        self,
        settings: Settings,
        wallet: Wallet | None = None,
        signed: Signed = lambda *_: _without_wallet(),
    ) -> None:
        self._settings = settings
        self._wallet = wallet
        self._signed = signed
        self.gamma = Gamma(settings.venue.gamma)
        self._data_api = DataApi(settings.venue.data)
        # Defect: lists are followed, and answers taken, without an end. Can go when they are not.
        self._markets = MarketListClient()
        # Defect: the adapter takes this address from its process' environment alone. Can go when
        # its configuration has it.
        gamma_markets.DEFAULT_GAMMA_BASE_URL = settings.venue.gamma
        self.client = make_client(settings.venue.clob, wallet, settings.wallet.signature_type)
        self.orders = LiveOrders()
        self.beats = False
        """Whether the venue shall cancel every order of the wallet once the node is dead."""
        self._provider: HardenedProvider | None = None
        self.data: HardenedDataClient | None = None
        self.execution: HardenedExecutionClient | None = None

    async def close(self) -> None:
        """Give the connections up."""
        await self.gamma.close()
        await self._data_api.close()
        await self._markets.close()
        close_connections()

    async def _payouts(self, condition_ids: list[str]) -> dict[str, Decimal]:
        """What the outcomes of resolved markets pay; one interface's trouble is its own."""
        v2 = [c for c in condition_ids if protocol_of_condition(c) is Protocol.V2]
        v1 = [c for c in condition_ids if c not in v2]
        asked = [self.gamma.payouts(v1)] if v1 else []
        asked += [self._data_api.payouts(v2)] if v2 else []
        found = await asyncio.gather(*asked, return_exceptions=True)
        errors = [f for f in found if isinstance(f, BaseException)]
        paid = {t: p for f in found if not isinstance(f, BaseException) for t, p in f.items()}
        if errors and not paid:
            raise errors[0]
        return paid

    def provider(self, clock: LiveClock) -> HardenedProvider:
        """The instruments of the node, shared by its clients."""
        if self._provider is None:
            config = PolymarketInstrumentProviderConfig(log_warnings=False)
            self._provider = HardenedProvider(self.client, clock, config, self._markets)
        return self._provider

    def finder(self) -> MarketFinder:
        """Finds markets once the node is built."""
        if self.data is None or self._provider is None:
            raise RuntimeError("the node is not built yet")
        return MarketFinder(self.gamma, self._provider, self.data.add, self._prepare)

    def _prepare(self, instrument_id: InstrumentId) -> None:
        if self.execution is not None:
            self.execution.prepare(instrument_id)

    def earlier_orders(self) -> EarlierOrders:
        """Reads what became of the orders of an earlier process, once the node is built."""
        provider = self._provider
        return EarlierOrders(
            self._hardened, lambda: [] if provider is None else provider.list_all()
        )

    def watch(self, engine: Engine) -> None:
        """Look now and then at the books of what is held, and whether the wallet still has it."""
        if self.data is not None:
            self.data.held = engine.held_shares
        if self.execution is not None:
            list_paying = partial(self._data_api.paying, self._own_wallet.funder)
            self.execution.wallet_watch.watch(engine, list_paying)

    def redeemable(self) -> Decimal:
        """What the wallet's shares of resolved markets pay, in USDC."""
        return Decimal(0) if self.execution is None else self.execution.wallet_watch.redeemable

    def holdings(self) -> HardenedExecutionClient:
        """Tells what the wallet has, once the node is built."""
        return self._hardened

    @property
    def _hardened(self) -> HardenedExecutionClient:
        if self.execution is None:
            raise RuntimeError("the node is not built yet")
        return self.execution

    def check_signature_type(self) -> None:
        """Check that the wallet is of the kind that the settings state.

        Raises WalletError if it is not: the venue would reject every order.
        """
        wallet, kind = self._own_wallet, self._settings.wallet.signature_type
        check = check_signature_type(kind, str(self.client.get_address()), wallet.funder)
        if check.level is Level.FAILED:
            raise WalletError(f"signature_type was {check.found}; {check.to_do}")

    def read_funds(self) -> tuple[Decimal, set[str]]:
        """The wallet's USDC, and the hashes of its open orders.

        Raises WalletUnreadable if the venue does not say.
        """
        kind = BalanceAllowanceParams(
            asset_type=AssetType.COLLATERAL,
            signature_type=self._settings.wallet.signature_type,
        )
        try:
            cash = parsing.balance(self.client.get_balance_allowance(kind))
            return cash, {parsing.hash_of(order) for order in self.client.get_open_orders()}
        except Exception as e:
            reason = f"{why(e, self._own_wallet)}; polybracket doctor says what to do"
            at = self._settings.venue.clob
            raise WalletUnreadable(f"the wallet cannot be read at {at}: {reason}") from None

    def _signer(self, wallet: Wallet) -> OrderSigner:
        settings = self._settings.wallet
        address = str(self.client.get_address())
        builder = settings.builder_code or NO_BUILDER
        return OrderSigner(wallet.key, address, wallet.funder, settings.signature_type, builder)

    @property
    def _own_wallet(self) -> Wallet:
        if self._wallet is None:
            raise RuntimeError("orders need a wallet")
        return self._wallet

    def data_client(self) -> NodeClient:
        """The node's data client."""
        config = PolymarketDataClientConfig(
            base_url_http=self._settings.venue.clob,
            base_url_ws=self._settings.venue.websocket,
            # Defect: five seconds pass before the first connection. Can go when that is 0.
            ws_connection_initial_delay_secs=0.05,
            ws_connection_delay_secs=0.05,
            update_instruments_interval_mins=None,
        )
        return self._node_client(
            HardenedDataClient,
            config,
            resting=self.orders.resting,
            stale_seconds=self._settings.safety.stale_seconds,
            resolutions=self._payouts,
        )

    def execution_client(self) -> NodeClient:
        """The node's execution client. Needs a wallet."""
        wallet = self._own_wallet
        auth: Any = PolymarketWebSocketAuth(
            apiKey=wallet.api_key, secret=wallet.api_secret, passphrase=wallet.api_passphrase
        )
        config = PolymarketExecClientConfig(
            signature_type=self._settings.wallet.signature_type,
            base_url_http=self._settings.venue.clob,
            base_url_ws=self._settings.venue.websocket,
            base_url_data_api=self._settings.venue.data,
        )
        return self._node_client(
            HardenedExecutionClient,
            config,
            ws_auth=auth,
            orders=self.orders,
            signer=self._signer(wallet),
            signed=self._signed,
            beats=lambda: self.beats,
        )

    def _node_client(
        self,
        kind: type[HardenedDataClient | HardenedExecutionClient],
        config: PolymarketDataClientConfig | PolymarketExecClientConfig,
        **parts: Any,
    ) -> NodeClient:
        def make(
            loop: asyncio.AbstractEventLoop, msgbus: MessageBus, cache: Cache, clock: LiveClock
        ) -> HardenedDataClient | HardenedExecutionClient:
            client = kind(
                loop=loop,
                http_client=self.client,
                msgbus=msgbus,
                cache=cache,
                clock=clock,
                instrument_provider=self.provider(clock),
                config=config,
                name=VENUE.value,
                **parts,
            )
            if isinstance(client, HardenedDataClient):
                self.data = client
            else:
                self.execution = client
            return client

        return NodeClient(config, make)


def _without_wallet() -> None:
    raise RuntimeError("an order was signed without a wallet")
