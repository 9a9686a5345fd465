"""Resumes what an earlier process left, before any command is acted on.

Markets first, then positions, then what the venue says of their orders; orders that still rest at
the venue are made known to Nautilus. All of it is booked before anything is sent. A market that
cannot be found now keeps neither the others' stops from being armed nor commands from acting.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order as NautilusOrder

from bridge import conversion
from bridge.boundary import report
from bridge.clocks import now_ns
from bridge.ports import EarlierOrders
from bridge.venue import CLIENT_ID, VENUE
from positions.engine.recovery import WalletReport, recover
from positions.engine.transitions import apply
from positions.model.events import AnyEvent
from positions.model.orders import SignedOrder
from positions.model.position import Order, Position
from positions.storage.resume import EarlierState
from positions.storage.store import Store
from strategies.position_manager import PositionManagerStrategy

_RETRY_SECONDS = 5.0
"""Seconds between two searches for a market of open positions."""


class Resume:
    """Resumes the positions of one record.

    `logged` are the orders that `sent.log` had when the node was made. `market_missing` is called
    with a market that cannot be found, and again once it is: (market, is_missing).
    """

    def __init__(
        self,
        strategy: PositionManagerStrategy,
        store: Store,
        logged: list[SignedOrder],
        venue: EarlierOrders,
        market_missing: Callable[[str, bool], None],
    ) -> None:
        self._strategy = strategy
        self._store = store
        self._logged = logged
        self._venue = venue
        self._market_missing = market_missing
        self._recorded: set[str] = set()
        """The positions of the record."""
        self._signed: list[SignedOrder] = []
        """What the earlier process may have posted; what this one posts is not among it."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Resume what can be resumed now, and the rest once its markets are found."""
        still_open, over = self._store.open_positions(), self._store.lately_over()
        self._recorded = {p.id for p in (*still_open, *over)}
        self._signed = [*self._store.signed_orders(), *self._logged]
        self._strategy.engine.load([], halted=self._store.setting("halted") == "yes")
        listed = await self._find(still_open)
        await self._resume([p for p in still_open if p.market_id in listed])
        missing = [p for p in still_open if p.market_id not in listed]
        for market_id in dict.fromkeys(p.market_id for p in missing):
            self._spawn(self._resume_later([p for p in missing if p.market_id == market_id]))
        if over:
            self._spawn(self._resume_over(over))

    async def _find(self, positions: list[Position]) -> set[str]:
        """Make the markets of positions tradable; the ids of those that are."""
        return await self._strategy.search.find(dict.fromkeys(p.market_id for p in positions))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)  # its error goes to the loop's handler

    async def _resume_over(self, over: list[Position]) -> None:
        """Those that are over keep neither stops from being armed nor commands from acting."""
        listed = await self._find(over)
        await self._resume([p for p in over if p.market_id in listed])

    async def _resume_later(self, positions: list[Position]) -> None:
        """Resume the positions of one market once it is found."""
        market = positions[0].market
        while not await self._find(positions[:1]):
            self._market_missing(market, True)
            await asyncio.sleep(_RETRY_SECONDS)
        self._market_missing(market, False)
        await self._resume(positions)

    async def _resume(self, positions: list[Position]) -> None:
        now = self._strategy.clock.timestamp_ns()
        earlier = EarlierState(positions, self._signed, self._recorded - {p.id for p in positions})
        try:
            recovery = await self._venue.recover(earlier, now)
        except Exception as e:  # as if the venue had not answered: they are protected all the same
            report(e)
            recovery = recover(positions, self._signed, WalletReport(), now, earlier.others)
        for error in recovery.errors:
            report(error)
        self._venue.adopt(self._load(positions, recovery.events))

    def _load(
        self, positions: list[Position], recovered: Iterable[tuple[str, AnyEvent]]
    ) -> list[tuple[NautilusOrder, Order]]:
        """Book the positions and what the venue says of them in one turn, before anything is sent.

        Returns the orders that rest at the venue, as Nautilus and as we have them.
        """
        engine, resumed = self._strategy.engine, {p.id: p for p in positions}
        engine.load(positions, halted=engine.halted)
        for position_id, event in recovered:
            engine.event(position_id, event)
            with suppress(Exception):  # the engine meets the same, and raises an alarm
                resumed[position_id] = apply(resumed[position_id], event)
        for outcome_id, payout in self._venue.payouts().items():
            if outcome_id in engine.markets:
                engine.markets[outcome_id].payout = payout
        self._strategy.schedule()
        adopted = []
        for position, order in [(p, o) for p in resumed.values() for o in p.orders]:
            try:
                adopted.append((self._adopt(position, order), order))
            except Exception as e:  # the others are adopted all the same
                report(e)
        return adopted

    def _adopt(self, position: Position, order: Order) -> NautilusOrder:
        """Make an order that rests at the venue known to Nautilus, for what is left of it."""
        strategy, cache = self._strategy, self._strategy.cache
        instrument = cache.instrument(conversion.instrument_id(position))
        rest = replace(order, shares=order.leaves)
        native = conversion.order(rest, instrument, strategy.order_factory)
        cache.add_order(native, PositionId(position.id), CLIENT_ID)
        account = cache.account_for_venue(VENUE)
        for event in conversion.adoption(native, order, account.id, now_ns(strategy.clock)):
            native.apply(event)
        cache.update_order(native)
        return native
