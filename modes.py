"""What a node trades on, by its mode: where prices come from and where orders go.

A ground gives a node its clock, its clients and, once it runs, something to wait for: the end of a
recording, or nothing at all where the market goes on.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from nautilus_trader.common.component import TestClock
from nautilus_trader.config import LiveDataClientConfig, LiveExecClientConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.orders import Order as NautilusOrder
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams

from bridge.boundary import tell
from bridge.ports import Finder, Holdings
from bridge.venue import VENUE
from positions.engine.engine import Engine
from positions.engine.recovery import Recovery, recover
from positions.model.errors import VenueFailure
from positions.model.formatting import iso
from positions.model.position import Order
from positions.operations.doctor import Level
from positions.operations.settings import Settings
from positions.operations.wallet import Wallet, WalletError
from positions.storage.resume import OVER, Cursor, Left
from positions.storage.store import Store
from recordings.catalog import Recording
from venues.polymarket.api.trades import Trade
from venues.polymarket.doctor import check_signature_type, why
from venues.polymarket.execution.client import Signed
from venues.polymarket.factories import Polymarket
from venues.replay import Replay, ReplayDataClient, replay_factory
from venues.simulated.account import Account
from venues.simulated.execution import SimulatedExecutionClient, simulated_factory

Play = Callable[[TradingNode, Callable[[], bool]], Coroutine[Any, Any, None]]
"""What a node waits for once it trades; is told the node and whether nothing of ours is under way.
"""


class GroundError(VenueFailure):
    """The node cannot trade here now."""


class Ground(Protocol):
    """Where a node trades."""

    clock: TestClock | None
    """The node's notion of now; None = the wall clock."""
    catalog: str
    """The recording that is played, if one is."""
    source: str
    """By what the recording, or the wallet, is known again; "" for paper."""
    is_synthetic: bool
    farewell: str
    """What a person is told when there is nothing more to come."""

    def greeting(self, known: Set[str]) -> str:
        """What a person is told first; `known` are the hashes of our orders that may be open.

        Raises
        ------
        GroundError
            If the venue cannot be traded on.
        """

    def clients(self) -> tuple[Any, Any]:
        """Nautilus' configurations of the data client and the execution client."""

    def attach(self, node: TradingNode) -> None:
        """Give the node its clients."""

    def finder(self) -> Finder | None:
        """Finds markets while the node runs; None = all are known. Asked once the node is built."""

    def holdings(self) -> Holdings:
        """Tells what the wallet has. Asked once the node is built."""

    def redeemable(self) -> Decimal:
        """What resolved markets have paid and is not cash yet, in USDC."""

    def restore(self, store: Store, cursor: Cursor | None) -> None:
        """Take over what an earlier process left, and keep it in the record from now on."""

    async def recover(self, left: Left, now: int) -> Recovery:
        """What became of the orders that an earlier process left."""

    def watch(self, engine: Engine) -> None:
        """Look now and then at whether the wallet still has what is held."""

    def payouts(self) -> Mapping[str, Decimal]:
        """What the outcomes pay that are known to be resolved at a start, by outcome id."""

    def adopt(self, orders: Sequence[tuple[NautilusOrder, Order]]) -> None:
        """Go on with the orders that rest at the venue, as Nautilus and as we have them."""

    async def begin(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """Show what holds where an earlier process ended, before any command is taken."""

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """Return when there is nothing more to come."""

    async def close(self) -> None:
        """Give the connections up."""


class SimulatedGround:
    """What replay and paper share: a simulated venue whose account outlives the node."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._account = Account(settings.account.cash, settings.account.shares)
        self._orders: list[SimulatedExecutionClient] = []

    def restore(self, store: Store, cursor: Cursor | None) -> None:  # noqa: ARG002
        """Take the account over from the record, and keep it there from now on."""
        for text in self._account.restore(store.account_entries()):
            store.on_set_aside(text)
        self._account.keep = store.account

    async def recover(self, left: Left, now: int) -> Recovery:
        """What became of the orders that an earlier process left."""
        account = self._account
        signed, said = account.signed(left.positions), account.said(left.positions)
        return recover(left.positions, signed, said, now, left.others)

    def adopt(self, orders: Sequence[tuple[NautilusOrder, Order]]) -> None:
        """The venue's book was restored with them."""

    def watch(self, engine: Engine) -> None:
        """Nobody else has a hand on a simulated account."""

    def payouts(self) -> Mapping[str, Decimal]:
        """What resolved outcomes pay, by outcome id."""
        return self._account.payouts()

    def holdings(self) -> Holdings:
        """The simulated venue's client."""
        return self._orders[0]

    def redeemable(self) -> Decimal:
        """What the simulated venue's resolved markets have paid."""
        return self._account.venue.redeemable


class ReplayGround(SimulatedGround):
    """A recording, and a simulated venue."""

    farewell = "the recording has ended"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._recording = Recording(Path(settings.replay.catalog))
        self._clients: list[ReplayDataClient] = []
        self._clock = TestClock()
        self._clock.set_time(self._recording.start_ns)
        self.clock: TestClock | None = self._clock
        self.catalog = settings.replay.catalog
        span = f"{self._recording.start_ns} {self._recording.end_ns}"
        self.source = f"{Path(self.catalog).resolve()} {span}"
        self._cursor: Cursor | None = None
        self.is_synthetic = self._recording.is_synthetic

    def greeting(self, known: Set[str]) -> str:  # noqa: ARG002
        """What is played, and how fast."""
        kind = "SYNTHETIC data" if self.is_synthetic else "recorded data"
        speed = self._settings.replay.speed
        pace = "as fast as possible" if speed == "max" else f"at {Decimal(speed)}x"
        where = "" if self._cursor is None else f", going on at {iso(self._cursor.now)}"
        return f"replaying {kind} {self.catalog} {pace}{where}; state in {self._settings.state_dir}"

    def clients(self) -> tuple[Any, Any]:
        """Plain configurations: nothing is connected."""
        return LiveDataClientConfig(), LiveExecClientConfig()

    def attach(self, node: TradingNode) -> None:
        """Give the node the recording and the simulated venue."""
        data = replay_factory(self._recording.instruments, self._clients.append)
        node.add_data_client_factory(VENUE.value, data)
        orders = simulated_factory(self._account, self.clock, self._orders.append)
        node.add_exec_client_factory(VENUE.value, orders)

    def finder(self) -> Finder | None:
        """A recording's markets are all known."""
        return None

    def restore(self, store: Store, cursor: Cursor | None) -> None:
        """Take the account over from the record, and begin where an earlier replay ended early."""
        super().restore(store, cursor)
        self._store = store
        if cursor is not None:
            self._cursor = cursor
            self._clock.set_time(cursor.now)

    async def begin(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """Show what held where an earlier replay ended early."""
        since = None if self._cursor is None else self._cursor.moment
        replay = self._replay = Replay(
            self._recording.batches(since or 0),
            self._clients[0],
            self._clock,
            node.kernel,
            is_idle,
            self._settings.replay.pace,
            since,
        )
        self._store.stamp = lambda: str(replay.cursor)
        await replay.begin()

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:  # noqa: ARG002
        """Play the recording to its end."""
        await self._replay.run()
        self._store.stamp = None
        self._store.set("cursor", OVER)

    async def close(self) -> None:
        """Nothing is connected."""


class PaperGround(SimulatedGround):
    """Live prices, and a simulated venue."""

    clock: TestClock | None = None
    catalog = source = ""
    is_synthetic = False
    farewell = "stopped"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._venue = Polymarket(settings, None, _never_signed)

    def greeting(self, known: Set[str]) -> str:  # noqa: ARG002
        """Where prices come from, and that no money is at stake."""
        s = self._settings
        return (
            f"paper trading on {s.venue.clob} with {s.account.cash} USDC of simulated money;"
            f" state in {s.state_dir}"
        )

    def clients(self) -> tuple[Any, Any]:
        """The venue's data; a simulated venue for orders."""
        return self._venue.data_config(), LiveExecClientConfig()

    def attach(self, node: TradingNode) -> None:
        """Give the node live prices and the simulated venue."""
        node.add_data_client_factory(VENUE.value, self._venue.data_factory())
        orders = simulated_factory(self._account, None, self._orders.append)
        node.add_exec_client_factory(VENUE.value, orders)

    def finder(self) -> Finder | None:
        """Markets are looked for at the venue."""
        return self._venue.finder()

    def watch(self, engine: Engine) -> None:
        """Look now and then at the books of what is held."""
        self._venue.watch(engine)

    async def begin(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """The venue shows what holds, and commands wait for it."""

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:  # noqa: ARG002
        """The market goes on."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Give the venue's connections up."""
        await self._venue.close()


class LiveGround:
    """Polymarket itself.

    Parameters
    ----------
    settings
        Where it is, and what the owner allows.
    wallet
        Whose money is traded.
    signed
        Records an order's hash before it is posted.
    """

    clock: TestClock | None = None
    catalog = ""
    is_synthetic = False
    farewell = "stopped"

    def __init__(self, settings: Settings, wallet: Wallet, signed: Signed) -> None:
        self._settings = settings
        self._wallet = wallet
        self.source = wallet.funder.lower()
        self._venue = Polymarket(settings, wallet, signed)
        kind, address = settings.wallet.signature_type, str(self._venue.client.get_address())
        fits = check_signature_type(kind, address, wallet.funder)
        if fits.level is Level.FAILED:  # every order would be refused
            raise WalletError(f"signature_type was {fits.found}; {fits.to_do}")
        self._trades: dict[str, Sequence[Trade]] = {}

    def greeting(self, known: Set[str]) -> str:
        """The wallet, its money, the caps, and what happens when the node dies."""
        s = self._settings
        cash, foreign = self._read_wallet(known)
        if foreign and s.safety.dead_man == "all":
            raise GroundError(
                f'safety.dead_man was "all", which cancels every order of the wallet; {foreign} of'
                ' them are not this node\'s: cancel them, or choose "entries"'
            )
        return (
            f"LIVE on {s.venue.clob}: wallet {self._venue.client.get_address()},"
            f" funder {self._wallet.funder}, {cash:f} USDC\n"
            f"at most {s.limits.max_stake_per_position} USDC per position and"
            f" {s.limits.max_total_stake} USDC in all; {_DEAD_MAN[s.safety.dead_man]};"
            f" state in {s.state_dir}"
        )

    def _read_wallet(self, known: Set[str]) -> tuple[Decimal, int]:
        """The wallet's USDC, and how many of its open orders are not among the known ones."""
        s, client = self._settings, self._venue.client
        kind = BalanceAllowanceParams(
            asset_type=AssetType.COLLATERAL, signature_type=s.wallet.signature_type
        )
        try:
            cash = Decimal(str(client.get_balance_allowance(kind)["balance"])) / 10**6
            hashes = {str(order.get("id")) for order in client.get_open_orders()}
        except Exception as e:
            said = f"{why(e, self._wallet)}; polybracket doctor tells what to do"
            raise GroundError(f"the wallet cannot be read at {s.venue.clob}: {said}") from None
        return cash, len(hashes - known)

    def clients(self) -> tuple[Any, Any]:
        """The venue's data and orders."""
        return self._venue.data_config(), self._venue.exec_config()

    def attach(self, node: TradingNode) -> None:
        """Give the node the venue's clients."""
        node.add_data_client_factory(VENUE.value, self._venue.data_factory())
        node.add_exec_client_factory(VENUE.value, self._venue.exec_factory())

    def finder(self) -> Finder | None:
        """Markets are looked for at the venue."""
        return self._venue.finder()

    def holdings(self) -> Holdings:
        """The venue's client."""
        return self._venue.holdings()

    def redeemable(self) -> Decimal:
        """Not known: what is resolved is redeemed at the venue by hand."""
        return Decimal(0)

    def restore(self, store: Store, cursor: Cursor | None) -> None:
        """The venue keeps the account."""

    async def recover(self, left: Left, now: int) -> Recovery:
        """What became of the orders that an earlier process left; if the venue does not answer,
        nothing of it is known, and they stay as they are until it does."""
        reading = await self._venue.read_wallet(left.positions, left.signed, now)
        self._trades.update(reading.trades)  # several groups of positions are read at once
        found = recover(left.positions, left.signed, reading.said, now, left.others)
        if found.cancel:
            await self._venue.cancel(found.cancel)
        return found

    def watch(self, engine: Engine) -> None:
        """Look now and then at whether the wallet still has what is held."""
        self._venue.watch(engine)

    def payouts(self) -> Mapping[str, Decimal]:
        """The data client tells of resolutions."""
        return {}

    def adopt(self, orders: Sequence[tuple[NautilusOrder, Order]]) -> None:
        """Go on with the orders that rest at the venue."""
        for native, ours in orders:
            try:
                self._venue.adopt(native, ours, self._trades.get(ours.venue_order_id or "", ()))
            except Exception as e:  # the others go on all the same
                tell(e)
        self._venue.taken_over()

    async def begin(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """The venue shows what holds, and commands wait for it."""

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:  # noqa: ARG002
        """The market goes on."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Give the venue's connections up."""
        await self._venue.close()


_DEAD_MAN = {
    "entries": "its entries expire within a quarter of an hour once the node is dead",
    "all": "the venue cancels EVERY order of the wallet, the website's too, once the node is dead",
    "off": "its orders stay when the node is dead",
}


def _never_signed(order_id: str, venue_order_id: str, go: Callable[[], None]) -> None:  # noqa: ARG001
    sys.exit("an order was signed without a wallet")
