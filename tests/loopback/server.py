"""The loopback Polymarket: one server on 127.0.0.1, and the hands that move it.

    with LoopbackPolymarket() as venue:
        market = venue.add_market("will-it-rain")
        venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
        environment = venue.wallet(PRIVATE_KEY, cash="1000")

It runs in a thread and event loop of its own. Every method may be called from any thread; each is
done, and told on the sockets, when it returns. Prices in USDC per share, sizes in shares, money in
USDC, times in seconds.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Thread
from types import TracebackType
from typing import Any

from aiohttp import web
from eth_account import Account as Key
from loopback import messages
from loopback.agenda import Agenda
from loopback.books import Books
from loopback.channels import Channels, Socket
from loopback.clob import Clob
from loopback.engine import Engine
from loopback.faults import Faults
from loopback.history import History
from loopback.ledger import CASH, Account, Kind, Ledger, Market, Order, Side, Trade, digits
from loopback.public import DataApi, Gamma
from loopback.signatures import Keys
from loopback.traffic import Handler, Request, Traffic

Number = str | int | Decimal
Levels = Iterable[tuple[Number, Number]]
PATIENCE = 30.0
"""Seconds that a control may take before something is badly wrong."""


@dataclass(frozen=True, slots=True)
class MarketHandle:
    """A market, as tests name it."""

    slug: str
    condition_id: str
    tokens: tuple[str, str]


class LoopbackPolymarket:
    """A Polymarket to test against.

    `faults` is what goes wrong, `ledger` every market, order, trade and account (for an audit while
    nothing moves), `engine` holds how long settlement takes and shares cannot be sold, `rest` the
    size of a page and the desk's patience for heartbeats.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.keys = Keys()
        self.traffic = Traffic(self.faults)
        self._loop = asyncio.new_event_loop()
        self._agenda = Agenda(self._loop)
        self.ledger = Ledger()
        self.channels = Channels(self._loop, self._agenda, self.faults, self.keys, self.ledger)
        self.engine = Engine(self._agenda, self.faults, self.channels, self.ledger)
        self.history = History(self.ledger, self.faults, self._agenda)
        self.rest = Clob(self.engine, self.keys, self.channels, self.faults, self._agenda)
        self._thread = Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._runner: web.AppRunner | None = None
        self._port = 0

    # -- its life ----------------------------------------------------------------------------------

    def __enter__(self) -> "LoopbackPolymarket":
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _start(self) -> None:
        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.traffic.serve(request, handler)

        app = web.Application(middlewares=[serve])
        app.add_routes(self.rest.routes())
        app.add_routes(Books(self.ledger, self.faults, self._agenda).routes())
        app.add_routes(Gamma(self.ledger).routes())
        app.add_routes(DataApi(self.ledger, self.faults, self._agenda).routes())
        app.add_routes(self.history.routes())
        app.router.add_get("/ws/{channel}", self.channels.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        self._agenda.stop()
        for channel in ("market", "user"):
            await self.channels.drop(channel, is_hard=True)
        if self._runner is not None:
            await self._runner.cleanup()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _await[T](self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def _do[T](self, work: Callable[[], T]) -> T:
        async def act() -> T:
            done = work()
            await self.channels.flush()
            return done

        return self._await(act())

    # -- where it is -------------------------------------------------------------------------------

    @property
    def clob(self) -> str:
        """The address of the order book."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def websocket(self) -> str:
        """The address that the channels' names are put behind."""
        return f"ws://127.0.0.1:{self._port}/ws/"

    @property
    def gamma(self) -> str:
        """The address of Gamma."""
        return f"{self.clob}/gamma"

    @property
    def data(self) -> str:
        """The address of the Data API."""
        return f"{self.clob}/data-api"

    def settings(self) -> dict[str, str]:
        """The [venue] table of a node's configuration."""
        return {
            "clob": self.clob,
            "websocket": self.websocket,
            "gamma": self.gamma,
            "data": self.data,
            "geoblock": f"{self.clob}/api/geoblock",
        }

    # -- markets and prices ------------------------------------------------------------------------

    def add_market(
        self,
        slug: str,
        *,
        outcomes: tuple[str, str] = ("Yes", "No"),
        tick: Number = "0.01",
        minimum: Number = "5",
        fee_rate: Number = "0.04",
        neg_risk: bool = False,
        ends: str | None = None,
        question: str | None = None,
        version: str | None = "v1",
        taker_delay: bool = False,
        stale_tick: Number | None = None,
    ) -> MarketHandle:
        """List a market. `ends` is a time such as "2030-01-01T00:00:00Z", `version` what Gamma says
        of its protocol, `stale_tick` what the long description says of its tick."""
        market = Market(
            slug=slug,
            question=question or f"{slug.replace('-', ' ').capitalize()}?",
            outcomes=outcomes,
            tick=Decimal(tick),
            minimum=Decimal(minimum),
            fee_rate=Decimal(fee_rate),
            neg_risk=neg_risk,
            ends=ends or "2030-01-01T00:00:00Z",
            version=version,
            taker_delay=taker_delay,
            stale_tick=None if stale_tick is None else Decimal(stale_tick),
        )
        self._do(lambda: self.ledger.add(market))
        return MarketHandle(slug, market.condition_id, market.tokens)

    def book(self, token: str, bids: Levels = (), asks: Levels = ()) -> None:
        """Set all outside liquidity of a token's market, in that token's prices; the other outcome
        mirrors it. What meets resting client orders trades with them."""
        levels = {Side.BUY: _exact(bids), Side.SELL: _exact(asks)}
        self._do(lambda: self.engine.set_outside(self._market(token), token, levels))

    def quote(
        self,
        token: str,
        bid: Number | None,
        bid_size: Number = 0,
        ask: Number | None = None,
        ask_size: Number = 0,
    ) -> None:
        """Set one outside bid and ask; None leaves a side empty."""
        self.book(
            token,
            [] if bid is None else [(bid, bid_size)],
            [] if ask is None else [(ask, ask_size)],
        )

    def take(self, token: str, side: str, price: Number, size: Number) -> Decimal:
        """Let an outsider buy or sell what the book shows, up to a price; the shares it got."""
        amounts = Decimal(price), Decimal(size)
        return self._do(lambda: self.engine.take(self._market(token), token, Side(side), *amounts))

    def change_tick(self, market: MarketHandle, tick: Number, *, message: bool = True) -> None:
        """Change a market's tick; the market channel is told unless `message` is False."""

        def change() -> None:
            known = self.ledger.markets[market.condition_id]
            old, known.tick = known.tick, Decimal(tick)
            for token in known.tokens if message else ():
                told = messages.tick_change(known, token, old, self._agenda.now_ms())
                self.channels.tell_market(known, told)

        self._do(change)

    def pause(self, market: MarketHandle, *, accepting: bool = False) -> None:
        """Take no orders of a market for now (or take them again)."""

        def change() -> None:
            self.ledger.markets[market.condition_id].is_accepting = accepting

        self._do(change)

    def withdraw(self, market: MarketHandle) -> None:
        """Cancel every client order of a market, as when a game starts."""
        self._do(lambda: self.engine.withdraw(self.ledger.markets[market.condition_id]))

    def resolve(
        self,
        market: MarketHandle,
        winner: str = "",
        *,
        payouts: Mapping[str, Number] | None = None,
        message: bool = True,
    ) -> None:
        """End a market: `winner` is a token that pays 1, or `payouts` says what each token pays.
        REST and Gamma tell of it at once; the market channel only with a `message` and a winner."""

        def end() -> None:
            known = self.ledger.markets[market.condition_id]
            paid = payouts or {winner: 1, known.other(winner): 0}
            first, second = (Decimal(paid[token]) for token in known.tokens)
            self.engine.resolve(known, (first, second))
            if message and winner:
                told = messages.resolved(known, winner, self._agenda.now_ms())
                self.channels.tell_market(known, told)

        self._do(end)

    def _market(self, token: str) -> Market:
        return self.ledger.by_token[token]

    # -- wallets -----------------------------------------------------------------------------------

    def wallet(
        self, key: str, *, cash: Number = 0, funder: str | None = None, nonce: int = 0
    ) -> dict[str, str]:
        """Make a private key's wallet known: its API key, its cash. The environment for a node.
        `funder` is the address of a proxy or contract wallet that the key signs for."""
        address = Key.from_key(key).address
        made = self.keys.make(address, nonce)
        self.fund(funder or address, cash, owner=address)
        return {
            "POLYMARKET_PK": key,
            "POLYMARKET_FUNDER": funder or address,
            "POLYMARKET_API_KEY": made.key,
            "POLYMARKET_API_SECRET": made.secret,
            "POLYMARKET_PASSPHRASE": made.passphrase,
        }

    def fund(self, address: str, cash: Number, *, owner: str | None = None) -> None:
        """Give a wallet cash. `owner` is the address that signs for it, if another."""

        def give() -> None:
            account = self.account(address)
            account.owner = owner or account.owner
            account.change(self._agenda.now(), CASH, Decimal(cash))

        self._do(give)

    def give(self, address: str, token: str, shares: Number) -> None:
        """Give a wallet shares (or take some, as its owner would elsewhere, with a minus)."""
        amount = Decimal(shares)
        self._do(lambda: self.account(address).change(self._agenda.now(), token, amount))

    def trade(
        self,
        keys: Mapping[str, str],
        token: str,
        side: str,
        price: Number,
        size: Number,
        *,
        rests: bool = False,
    ) -> str:
        """Trade as a wallet's owner does on the website, beside any node; the order's hash.

        Raises
        ------
        Refused
            If the venue does not take it.
        """

        def place() -> str:
            account, market = self.account(keys["POLYMARKET_FUNDER"]), self._market(token)
            sequence = self.engine.next_sequence()
            order = Order(
                id="0x" + digits("website", token, sequence),
                market=market,
                token=token,
                side=Side(side),
                price=Decimal(price),
                size=Decimal(size),
                kind=Kind.GTC if rests else Kind.FAK,
                maker=account.address,
                signer=account.owner,
                owner=keys["POLYMARKET_API_KEY"],
                is_post_only=False,
                expiration=0,
                spend=None,
                received_at=self._agenda.now(),
                sequence=sequence,
            )
            Engine.place(self.engine, order)  # whoever listens to a node's orders hears nothing
            return order.id

        return self._do(place)

    def allow(
        self, address: str, amount: Number, *, neg_risk: bool = False, is_v2: bool = False
    ) -> None:
        """Set what one of the exchanges may take of a wallet."""
        millionths = int(Decimal(amount) * 1_000_000)
        exchange = "v2" if is_v2 else "neg_risk" if neg_risk else "standard"
        self._do(lambda: self.account(address).allowances.update({exchange: millionths}))

    def account(self, address: str) -> Account:
        """A wallet's account, with every change of it."""
        return self.ledger.account(address)

    def cash(self, address: str) -> Decimal:
        """A wallet's USDC."""
        return self._do(lambda: self.account(address).held(CASH))

    def shares(self, address: str, token: str) -> Decimal:
        """A wallet's shares of a token."""
        return self._do(lambda: self.account(address).held(token))

    def orders(self, address: str) -> list[Order]:
        """A wallet's open orders, oldest first."""
        return self._do(lambda: self.ledger.open_orders(address))

    def trades(self, address: str) -> list[Trade]:
        """The trades that a wallet took part in, oldest first."""

        def find() -> list[Trade]:
            wanted = address.lower()
            return [t for t in self.ledger.trades if wanted in {g.wallet.lower() for g in t.legs}]

        return self._do(find)

    def fail(self, trade: Trade) -> None:
        """Let a trade fail to settle now."""
        self._do(lambda: self.engine.fail(trade))

    def settle(self, trade: Trade) -> None:
        """Let a trade settle now."""
        self._do(lambda: self.engine.mine(trade))

    def cancel(self, order_id: str) -> bool:
        """Cancel an order behind its owner's back; whether it was open."""
        return self._do(lambda: self.engine.cancel(order_id))

    def enter(self, mode: str, seconds: float | None = None) -> None:
        """Take only the orders of a mode, such as "post-only", for so long; None = until told."""

        def leave() -> None:
            self.faults.mode = ""

        def begin() -> None:
            self.faults.mode = mode
            self.faults.mode_ends_at = self._agenda.now() + (seconds or 0)
            if seconds is not None:
                self._agenda.later(seconds, leave)

        self._do(begin)

    # -- time and sockets --------------------------------------------------------------------------

    def skip(self, seconds: float) -> None:
        """Set the venue's clock forward; what falls due is done."""
        self._do(lambda: self._agenda.skip(seconds))

    def push(self, channel: str, text: str) -> None:
        """Send a frame as it is to every socket of "market" or "user"."""
        self._do(lambda: self.channels.push(channel, text))

    def drop(self, channel: str, *, hard: bool = True) -> int:
        """End every socket of a channel; how many there were."""
        return self._await(self.channels.drop(channel, is_hard=hard))

    def listeners(self, channel: str, wanted: str = "") -> int:
        """How many sockets of a channel are open; if a token or market is named, those that asked
        for it, on the user channel also those that asked for all."""

        def counts(s: Socket) -> bool:
            is_for_all = s.credentials is not None and not s.wanted
            return s.channel == channel and (not wanted or wanted in s.wanted or is_for_all)

        return self._do(lambda: sum(map(counts, self.channels.sockets)))

    @property
    def requests(self) -> list[Request]:
        """Every request so far, oldest first."""
        return self.traffic.requests

    def asked(self, where: str) -> list[Request]:
        """The requests of a kind, such as "POST /order", oldest first."""
        return [r for r in list(self.requests) if r.where == where]


def _exact(levels: Levels) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]
