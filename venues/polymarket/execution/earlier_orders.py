"""The orders of an earlier process at Polymarket: what became of them, and which rest still.

Where the venue does not answer, nothing of them is known, and they stay as they are until it does.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from nautilus_trader.adapters.polymarket.common.symbol import get_polymarket_token_id
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.orders import Order as NautilusOrder

from bridge.boundary import report
from bridge.conversion import fee_schedule
from positions.engine.recovery import Recovery, WalletReport, recover
from positions.model.position import Order
from positions.model.trades import Trade
from positions.model.venue_rules import FREE, FeeSchedule
from positions.storage.resume import EarlierState
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.pages import ListTooLong
from venues.polymarket.execution.client import HardenedExecutionClient
from venues.polymarket.execution.wallet_reports import WalletReader

_READ_AGAIN = (0.5, 1.0, 2.0)
"""Seconds after which the wallet is read again at a start, before the stops are armed without."""


class EarlierOrders:
    """Reads one wallet at a start, and goes on with the orders that rest."""

    def __init__(
        self,
        execution: HardenedExecutionClient,
        instruments: Callable[[], Iterable[BinaryOption]],
    ) -> None:
        self._execution = execution
        self._instruments = instruments
        self._trades: dict[str, list[Trade]] = {}

    async def recover(self, earlier: EarlierState, now: int) -> Recovery:
        """What became of the orders of an earlier process."""
        wallet = await self._read(earlier, now)
        # Several groups of positions are read at once.
        self._trades.update(wallet.trades_by_order())
        recovery = recover(earlier.positions, earlier.signed, wallet, now, earlier.others)
        if recovery.cancel:
            await self.cancel(recovery.cancel)
        return recovery

    async def _read(self, earlier: EarlierState, now: int) -> WalletReport:
        own = self._execution
        reader = WalletReader(own.balances, self._fee, own.refusals.add, own.refusals.heed)
        for pause in (0.0, *_READ_AGAIN):
            await asyncio.sleep(pause)
            try:
                return await reader.read(earlier.positions, earlier.signed, now)
            except Exception as e:
                own.warn(f"the wallet could not be read at the start: {describe_error(e)}")
                if isinstance(e, ListTooLong):
                    break  # it is as long the next time
        return WalletReport()

    def _fee(self, outcome_id: str) -> FeeSchedule:
        listed = (i for i in self._instruments() if get_polymarket_token_id(i.id) == outcome_id)
        return next((fee_schedule(i) for i in listed), FREE)

    async def cancel(self, hashes: Sequence[str]) -> None:
        """Take orders off the book that nothing of ours stands for any more."""
        own = self._execution
        try:
            await asyncio.to_thread(own.balances.client.cancel_orders, list(hashes))
        except Exception as e:
            own.warn(f"orders of an earlier run could not be cancelled: {describe_error(e)}")
            own.create_task(self._cancel_later(hashes))

    async def _cancel_later(self, hashes: Sequence[str]) -> None:
        await asyncio.sleep(_READ_AGAIN[-1])
        await self.cancel(hashes)

    def payouts(self) -> Mapping[str, Decimal]:
        """What resolved outcomes pay: the market data reports that."""
        return {}

    def adopt(self, orders: Sequence[tuple[NautilusOrder, Order]]) -> None:
        """Go on with the orders that rest at the venue; all that are ours are known then."""
        for native, ours in orders:
            try:
                trades = self._trades.get(ours.venue_order_id or "", ())
                self._execution.adopt(native, ours, trades)
            except Exception as e:  # the others are adopted all the same
                report(e)
        self._execution.wallet_watch.is_taken_over.set()
