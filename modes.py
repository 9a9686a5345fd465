"""The run modes of a node: replay, paper and live.

A run mode gives a node its clock, its clients and, once it runs, something to wait for: the end of
a recording, or nothing at all where the market goes on.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Set
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nautilus_trader.common.component import TestClock
from nautilus_trader.config import LiveDataClientConfig, LiveExecClientConfig
from nautilus_trader.live.node import TradingNode

from bridge.live_node import NodeClient
from bridge.ports import EarlierOrders, Finder, Holdings, Signed
from positions.engine.engine import Engine
from positions.model.errors import VenueFailure
from positions.model.formatting import iso
from positions.operations.settings import Settings
from positions.operations.wallet import Wallet, environment, wallet
from positions.storage.resume import OVER, Cursor
from positions.storage.store import Store
from recordings.catalog import Recording
from venues.replay import Replay, ReplayDataClient
from venues.simulated.account import Account
from venues.simulated.execution import SimulatedExecutionClient

if TYPE_CHECKING:
    from venues.polymarket.factories import Polymarket

Play = Callable[[TradingNode, Callable[[], bool]], Coroutine[Any, Any, None]]
"""What a node runs for, from the node and whether nothing of ours is in progress."""


class RunModeError(VenueFailure):
    """The node cannot trade in this mode now."""


class RunMode:
    """Where prices come from and where orders go; by default, on a market that goes on."""

    clock: TestClock | None = None
    """The node's clock; None = the wall clock."""
    catalog = ""
    """The recording that is played, if there is one."""
    source = ""
    """What identifies the recording, or the wallet; "" for paper."""
    is_synthetic = False
    without = ""
    """What the settings ask for and this node does without, with the reason."""
    farewell = "stopped"
    """The last line on the console when nothing more is to come."""

    def greeting(self, open_orders: Set[str]) -> str:
        """The first lines on the console; `open_orders` are the hashes of ours that may be open.

        Raises
        ------
        VenueFailure
            If the venue cannot be traded on as the settings say: a reason not to begin.
        """
        raise NotImplementedError

    def clients(self) -> tuple[NodeClient, NodeClient]:
        """The data client and the execution client."""
        raise NotImplementedError

    def finder(self) -> Finder | None:
        """Finds markets while the node runs, once it is built; None = all are listed."""
        return None

    def holdings(self) -> Holdings:
        """Reads what the wallet has, once the node is built."""
        raise NotImplementedError

    def redeemable(self) -> Decimal:
        """What resolved markets have paid and is not cash yet, in USDC."""
        return Decimal(0)

    def restore(self, store: Store, cursor: Cursor | None) -> None:
        """Take over the venue's state from the record, and keep it there from now on."""

    def earlier_orders(self) -> EarlierOrders:
        """Reads what became of the orders of an earlier process, once the node is built."""
        raise NotImplementedError

    def watch(self, engine: Engine) -> None:
        """Check now and then that the wallet has what is held."""

    async def prepare(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        """Show the prices at which an earlier process ended, before any command is acted on."""

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:  # noqa: ARG002
        """Return when nothing more is to come."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Close the connections."""


class SimulatedMode(RunMode):
    """What replay and paper share: a simulated venue whose account outlives the node."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._account = Account(settings.account.cash, settings.account.shares)
        self._execution: SimulatedExecutionClient

    def _execution_client(self) -> NodeClient:
        def make(loop: Any, msgbus: Any, cache: Any, clock: Any) -> SimulatedExecutionClient:
            self._execution = SimulatedExecutionClient(
                loop, msgbus, cache, clock, self._account, self.clock or clock
            )
            return self._execution

        return NodeClient(LiveExecClientConfig(), make)

    def holdings(self) -> Holdings:
        return self._execution

    def redeemable(self) -> Decimal:
        return self._account.venue.redeemable

    def restore(self, store: Store, cursor: Cursor | None) -> None:  # noqa: ARG002
        for text in self._account.restore(store.account_entries()):
            store.on_set_aside(text)
        self._account.keep = store.account

    def earlier_orders(self) -> EarlierOrders:
        return self._account


class ReplayMode(SimulatedMode):
    """A recording, and a simulated venue."""

    farewell = "the recording has ended"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._recording = Recording(Path(settings.replay.catalog))
        self._data: ReplayDataClient
        self._clock = self.clock = TestClock()
        self._clock.set_time(self._recording.start_ns)
        self.catalog = settings.replay.catalog
        span = f"{self._recording.start_ns} {self._recording.end_ns}"
        self.source = f"{Path(self.catalog).resolve()} {span}"
        self._cursor: Cursor | None = None
        self.is_synthetic = self._recording.is_synthetic

    def greeting(self, open_orders: Set[str]) -> str:  # noqa: ARG002
        kind = "SYNTHETIC data" if self.is_synthetic else "recorded data"
        speed = self._settings.replay.speed
        pace = "as fast as possible" if speed == "max" else f"at {Decimal(speed)}x"
        where = "" if self._cursor is None else f", going on at {iso(self._cursor.now)}"
        return f"replaying {kind} {self.catalog} {pace}{where}; state in {self._settings.state_dir}"

    def clients(self) -> tuple[NodeClient, NodeClient]:
        def make(loop: Any, msgbus: Any, cache: Any, clock: Any) -> ReplayDataClient:
            instruments = self._recording.instruments
            self._data = ReplayDataClient(loop, msgbus, cache, clock, instruments)
            return self._data

        return NodeClient(LiveDataClientConfig(), make), self._execution_client()

    def restore(self, store: Store, cursor: Cursor | None) -> None:
        super().restore(store, cursor)
        self._store = store
        if cursor is not None:
            self._cursor = cursor
            self._clock.set_time(cursor.now)

    async def prepare(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:
        since = None if self._cursor is None else self._cursor.moment
        replay = self._replay = Replay(
            self._recording.batches(since or 0),
            self._data,
            self._clock,
            node.kernel,
            is_idle,
            self._settings.replay.pace,
            since,
        )
        self._store.stamp = lambda: str(replay.cursor)
        await replay.begin()

    async def play(self, node: TradingNode, is_idle: Callable[[], bool]) -> None:  # noqa: ARG002
        await self._replay.run()
        self._store.stamp = None
        self._store.set("cursor", OVER)


class MarketMode(RunMode):
    """What paper and live share: Polymarket's prices and markets."""

    _venue: "Polymarket"

    def finder(self) -> Finder | None:
        return self._venue.finder()

    def watch(self, engine: Engine) -> None:
        self._venue.watch(engine)

    async def close(self) -> None:
        await self._venue.close()


class PaperMode(MarketMode, SimulatedMode):
    """Live prices, and a simulated venue."""

    def __init__(self, settings: Settings) -> None:
        from venues.polymarket.factories import Polymarket

        super().__init__(settings)
        self._venue = Polymarket(settings)

    def greeting(self, open_orders: Set[str]) -> str:  # noqa: ARG002
        s = self._settings
        return (
            f"paper trading on {s.venue.clob} with {s.account.cash} USDC of simulated money;"
            f" state in {s.state_dir}"
        )

    def clients(self) -> tuple[NodeClient, NodeClient]:
        return self._venue.data_client(), self._execution_client()


class LiveMode(MarketMode):
    """Polymarket itself; WalletError if the wallet's kind is another than the settings'."""

    def __init__(self, settings: Settings, wallet: Wallet, signed: Signed) -> None:
        from venues.polymarket.factories import Polymarket

        self._settings = settings
        self._wallet = wallet
        self.source = wallet.funder.lower()
        self._venue = Polymarket(settings, wallet, signed)
        self._venue.check_signature_type()

    def greeting(self, open_orders: Set[str]) -> str:
        s = self._settings
        is_all = s.safety.dead_man == "all"
        if is_all:  # unless each of the wallet's orders is known to be ours
            self.without = _WITHOUT_DEAD_MAN
        cash, at_venue = self._venue.read_funds()
        foreign = len(at_venue - open_orders)
        if foreign and is_all:
            raise RunModeError(
                f'safety.dead_man was "all", which cancels every order of the wallet; {foreign} of'
                ' them are not this node\'s: cancel them, or choose "entries"'
            )
        self.without, self._venue.beats = "", is_all
        return (
            f"LIVE on {s.venue.clob}: wallet {self._venue.client.get_address()},"
            f" funder {self._wallet.funder}, {cash:f} USDC\n"
            f"at most {s.limits.max_stake_per_position} USDC per position and"
            f" {s.limits.max_total_stake} USDC in all; {_DEAD_MAN[s.safety.dead_man]};"
            f" state in {s.state_dir}"
        )

    def clients(self) -> tuple[NodeClient, NodeClient]:
        return self._venue.data_client(), self._venue.execution_client()

    def holdings(self) -> Holdings:
        return self._venue.holdings()

    def redeemable(self) -> Decimal:
        return self._venue.redeemable()

    def earlier_orders(self) -> EarlierOrders:
        return self._venue.earlier_orders()


def run_mode(settings: Settings, keys: Mapping[str, str] | None, signed: Signed) -> RunMode:
    """The run mode of these settings; `keys` are those of a wallet, None = the environment's."""
    match settings.mode:
        case "replay":
            return ReplayMode(settings)
        case "paper":
            return PaperMode(settings)
        case _:
            return LiveMode(settings, wallet(environment() if keys is None else keys), signed)


_WITHOUT_DEAD_MAN = (
    'safety.dead_man was "all": orders that are not this node\'s may be in the wallet, so NO order'
    " is cancelled once the node is dead; start it anew without them"
)
_DEAD_MAN = {
    "entries": "its entries expire within a quarter of an hour once the node is dead",
    "all": "the venue cancels EVERY order of the wallet, the website's too, once the node is dead",
    "off": "its orders stay when the node is dead",
}
