"""Probes of starts: what a node knows of an earlier run, and what keeps it from starting.

Both sides leave the same behind: 20 shares bought at 0.52, and a bid for 20 more at 0.48, at rest.
While the node is away, 8 of the bid are filled. The stock node is told what to load and to claim;
ours finds it in its own record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

from defects.lab import KEY, PATIENCE, Lab, Spot
from defects.table import start
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from trading import Session, trade

from positions.model.position import Position, Role, entry_price

_CONNECTION_SECONDS = 1.0
_MORE_SECONDS = 2.0
"""How long the stock node is yet watched: longer than it waits for its connections."""
_POSITIONS = "GET /data-api/positions"
_BALANCE = "GET /balance-allowance"
_ORDERS = "GET /data/orders"
_NEVER = "never starts, and idles"

FILLED_AWAY = start(
    "8 of an order's 20 are filled while the node is down",
    stock="accepted, filled 0",
    ours="working, filled 8",
    mended_by="LiveMode.recover",
)
PRICE_PAID = start(
    "The price paid for shares that are found at the start",
    stock="0.00",
    ours="0.52",
    mended_by="Store.open_positions (the ledger)",
)
OWN_ID = start(
    "The client's id of an order that is found at the start",
    stock="another",
    ours="its own",
    mended_by="LiveMode.recover",
)
RESTORED_FILL = start(
    "A fill of an order that is found at the start",
    stock="nobody listens; told of 0",
    ours="listens to the market; told of 5",
    mended_by="HardenedExecutionClient.prepare, LiveMode.adopt",
)
NOTHING_LOADED = start(
    "A start that is not told what to load",
    stock="orders at rest: 0, shares: 0",
    ours="orders at rest: 1, shares: 28",
    mended_by="Resume.run (finds the markets of its record)",
)
NO_POSITIONS = start(
    "The Data API does not tell the positions at the start",
    stock=_NEVER,
    ours="starts",
    mended_by="LiveExecEngineConfig.reconciliation (off)",
)
GONE_MARKET = start(
    "The venue does not know one of the markets at the start",
    stock=_NEVER,
    ours="starts; gone: the market cannot be found; its positions are NOT protected",
    mended_by="Resume._resume_later",
)
NO_BALANCE = start(
    "The balance cannot be read at the start",
    stock=_NEVER,
    ours="starts; the wallet cannot be read",
    mended_by="HardenedExecutionClient._connect",
)
NO_ORDERS = start(
    "The open orders cannot be read at the start",
    stock="starts; orders at rest: 0",
    ours="starts; the wallet cannot be read",
    mended_by="Polymarket.read_wallet (again, and again later)",
)


class _World:
    """A venue with the two markets, and what becomes of them."""

    def __init__(self, venue: LoopbackPolymarket) -> None:
        self.venue = venue
        self.market, self.gone = venue.add_market("rain"), venue.add_market("gone")
        self.token = self.market.tokens[0]
        for market in (self.market, self.gone):
            venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
        self.keys = venue.wallet(KEY, cash="1000")

    def sell_into_the_bid(self, shares: str) -> None:
        """Somebody sells to the bid that rests."""
        self.venue.quote(self.token, "0.47", "100", "0.52", "100")
        assert self.venue.take(self.token, "SELL", "0.48", shares) == Decimal(shares)

    def forget(self) -> None:
        """The venue does not know the second market any more."""
        del self.venue.ledger.markets[self.gone.condition_id]

    def listens(self) -> str:
        """Whether anybody would be told of a fill."""
        heard = self.venue.listeners("user", self.market.condition_id)
        return "listens to the market" if heard else "nobody listens"


# -- the stock clients -----------------------------------------------------------------------------


class _Stock:
    """Starts of the stock clients, one after the other."""

    def __init__(self, world: _World, seen: dict[str, str]) -> None:
        self._world = world
        self._seen = seen
        self._id = _instrument_id(world.market)
        self._order_id = ""

    def start(self, play: Callable[[Lab], Awaitable[None]], *markets: MarketHandle) -> None:
        """Run a node that loads the first outcome of these markets."""
        loaded = [_instrument_id(market) for market in markets]

        async def live() -> None:
            lab = Lab(self._world.venue, is_ours=False, loaded=loaded, claims=[self._id])
            await lab.run(play)

        asyncio.run(live())

    def fail(self, title: str, where: str, *markets: MarketHandle) -> None:
        """Run a node until something was asked, and note whether it starts after that."""
        loaded = [_instrument_id(market) for market in markets]
        before = len(self._world.venue.asked(where))

        async def look(lab: Lab) -> None:
            asked = self._world.venue.asked
            assert await lab.happens(lambda: len(asked(where)) > before, PATIENCE)
            if await lab.happens(lambda: lab.node.trader.is_running, _MORE_SECONDS):
                self._seen[title] = "starts"
            else:
                self._seen[title] = "ends" if lab.running.done() else _NEVER

        async def live() -> None:
            seconds = PATIENCE if where == _POSITIONS else _CONNECTION_SECONDS
            lab = Lab(self._world.venue, is_ours=False, loaded=loaded, connection_seconds=seconds)
            await lab.run(look, is_up=False)

        asyncio.run(live())

    async def leave(self, lab: Lab) -> None:
        """Buy, and bid."""
        spot = await Spot(lab, self._world.market).opened()
        bought, bid = spot.order("BUY", "0.52", "20"), spot.order("BUY", "0.48", "20")
        assert await spot.hears(bought, "filled")
        assert await spot.hears(bid, "accepted")
        self._order_id = bid.client_order_id.value

    async def come_back(self, lab: Lab) -> None:
        """Note what is known of it, and of a fill after that."""
        cache = lab.node.cache
        (order,) = cache.orders_open(instrument_id=self._id)
        (position,) = cache.positions_open(instrument_id=self._id)
        is_same = order.client_order_id.value == self._order_id
        self._seen[FILLED_AWAY] = f"{order.status_string().lower()}, filled {_filled(order)}"
        self._seen[PRICE_PAID] = f"{position.avg_px_open:.2f}"
        self._seen[OWN_ID] = "its own" if is_same else "another"
        before, listens = _filled(order), self._world.listens()
        await asyncio.to_thread(self._world.sell_into_the_bid, "5")
        await lab.happens(lambda: _filled(order) != before, _MORE_SECONDS)
        self._seen[RESTORED_FILL] = f"{listens}; told of {_filled(order) - before}"

    async def come_back_unloaded(self, lab: Lab) -> None:
        """Note what is known of it where nothing was loaded."""
        cache = lab.node.cache
        shares = sum(p.quantity.as_decimal() for p in cache.positions_open())
        rests = len(cache.orders_open())
        self._seen[NOTHING_LOADED] = f"orders at rest: {rests}, shares: {shares}"

    async def come_back_blind(self, lab: Lab) -> None:
        """Note what is known of it where the orders could not be read."""
        assert self._world.venue.asked(_ORDERS)[-1].status == 500
        rests = len(lab.node.cache.orders_open())
        self._seen[NO_ORDERS] = f"starts; orders at rest: {rests}"


def stock_starts() -> dict[str, str]:
    """What is seen of each start of the stock clients."""
    seen: dict[str, str] = {}
    with LoopbackPolymarket() as venue:
        world = _World(venue)
        stock = _Stock(world, seen)
        stock.start(stock.leave)
        world.sell_into_the_bid("8")
        stock.start(stock.come_back_unloaded)
        stock.start(stock.come_back, world.market)
        for title, where in {NO_POSITIONS: _POSITIONS, NO_BALANCE: _BALANCE}.items():
            venue.faults.answer(where, 500, times=None)
            stock.fail(title, where, world.market)
        venue.faults.answer(_ORDERS, 500, times=None)
        stock.start(stock.come_back_blind, world.market)
        world.forget()
        stock.fail(GONE_MARKET, f"GET /markets/{world.gone.condition_id}", world.market, world.gone)
    return seen


def _instrument_id(market: MarketHandle) -> InstrumentId:
    return InstrumentId.from_str(f"{market.condition_id}-{market.tokens[0]}.POLYMARKET")


def _filled(order: Order) -> int:
    return int(order.filled_qty.as_decimal())


# -- ours ------------------------------------------------------------------------------------------


class _Ours:
    """Two lives of our node."""

    def __init__(self, world: _World, seen: dict[str, str]) -> None:
        self._world = world
        self._seen = seen
        self._bought = self._bid = self._order_id = ""

    async def leave(self, s: Session) -> None:
        """Buy in both markets, and bid."""
        self._bought = await s.submit(self._world.market, "0.55", "20", stop_loss_price="0.30")
        gone = await s.submit(self._world.gone, "0.55", "20", stop_loss_price="0.30")
        await s.held(self._bought, "20")
        await s.held(gone, "20")
        self._bid = await s.submit(self._world.market, "0.48", "20", sell_price="0.70")
        await s.until(lambda: bool(s.venue.orders(s.funder)), "the bid rests")
        self._order_id = s.positions[self._bid].live(Role.ENTRY)[0].id

    async def come_back(self, s: Session) -> None:
        """Note what is known of it, and of a fill after that."""
        running = "starts" if s.node._node.trader.is_running else _NEVER
        alarms = s.node._journal.open_alarms
        await s.until(lambda: bool(alarms()), "the market is missed")
        self._seen[NO_POSITIONS] = running
        self._seen[GONE_MARKET] = f"{running}; {alarms()[0][-1]}"
        await s.held(self._bid, "8")
        (order,) = s.positions[self._bid].live(Role.ENTRY)
        self._seen[FILLED_AWAY] = f"{order.state}, filled {order.filled}"
        self._seen[PRICE_PAID] = f"{entry_price(s.positions[self._bought]):.2f}"
        self._seen[OWN_ID] = "its own" if order.id == self._order_id else "another"
        self._seen[NOTHING_LOADED] = _known(s.positions[self._bought], s.positions[self._bid])
        listens = self._world.listens()
        await asyncio.to_thread(self._world.sell_into_the_bid, "5")
        await s.held(self._bid, "13")
        told = s.positions[self._bid].live(Role.ENTRY)[0].filled - order.filled
        self._seen[RESTORED_FILL] = f"{listens}; told of {told}"

    async def come_back_poor(self, title: str, s: Session) -> None:
        """Note what it says where the wallet cannot be read, and that it protects all the same."""
        sql = "SELECT text FROM alarms WHERE kind = 'wallet' AND is_open ORDER BY time DESC"
        (text,) = s.node.store.cursor().execute(sql).fetchone() or ("",)
        await s.until(lambda: bool(s.positions[self._bought].live(Role.STOP)), "it is protected")
        running = "starts" if s.node._node.trader.is_running else _NEVER
        self._seen[title] = f"{running}; {text.partition(' at ')[0]}"


def our_starts(state: Path) -> dict[str, str]:
    """What is seen of each start of our node."""
    seen: dict[str, str] = {}
    with LoopbackPolymarket() as venue:
        world = _World(venue)
        ours = _Ours(world, seen)
        trade(venue, state, ours.leave, keys=world.keys)
        world.sell_into_the_bid("8")
        world.forget()
        venue.faults.answer(_POSITIONS, 500, times=None)
        trade(venue, state, ours.come_back, keys=world.keys)
        for title, where in {NO_BALANCE: _BALANCE, NO_ORDERS: _ORDERS}.items():
            venue.faults.clear()
            venue.faults.answer(where, 500, times=None)
            trade(venue, state, partial(ours.come_back_poor, title), keys=world.keys)
    return seen


def _known(*positions: Position) -> str:
    rests = sum(len(p.live(Role.ENTRY)) for p in positions)
    return f"orders at rest: {rests}, shares: {sum(p.held for p in positions)}"
