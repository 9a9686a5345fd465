"""Spends the wallet's tokens on what matters most: exits, cancels that free one, targets, entries.

What there is no token for waits here, and the first of its rank goes as soon as there is one. A
part of each burst is left for exits, so that entries never keep one waiting.
"""

import asyncio
import heapq
from enum import IntEnum
from itertools import count

from nautilus_trader.model.enums import OrderSide

from venues.polymarket.api.limits import Kind, RateLimits
from venues.polymarket.execution.live_orders import LiveOrder

LOOK_SECONDS = 0.05
"""The longest between two looks at who is first."""


class Rank(IntEnum):
    """Who is served first."""

    EXIT = 0
    TARGET = 1
    ENTRY = 2


_RESERVE = {Rank.EXIT: 0.0, Rank.TARGET: 0.25, Rank.ENTRY: 0.5}
"""The part of the burst that a rank leaves to those before it."""


def rank_of(live: LiveOrder, kind: Kind) -> Rank:
    """The rank of an order's POST, or of its cancel: one that rests and sells locks the shares."""
    if live.order.side == OrderSide.BUY:
        return Rank.ENTRY
    return Rank.EXIT if live.is_immediate or kind is Kind.CANCELS else Rank.TARGET


type _Ticket = tuple[Rank, int, float, asyncio.Future[None]]


class Budget:
    """Lets requests out as the limits allow."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._waiting: dict[Kind, list[_Ticket]] = {kind: [] for kind in Kind}
        self._serving: dict[Kind, asyncio.Task[None]] = {}
        self._numbers = count()

    async def spend(self, kind: Kind, rank: Rank, cost: float = 1.0) -> None:
        """Wait for the turn of a request, and spend its tokens."""
        waiting = self._waiting[kind]
        if not waiting and self._limits.pause(kind, cost, _RESERVE[rank]) <= 0:
            self._limits.take(kind, cost)
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(waiting, (rank, next(self._numbers), cost, turn))
        if len(waiting) == 1:
            self._serving[kind] = asyncio.create_task(self._serve(kind))
        await turn

    def answered(self, kind: Kind, cost: float = 1.0) -> None:
        """The request was answered, or never will be."""
        self._limits.answered(kind, cost)

    async def _serve(self, kind: Kind) -> None:
        waiting = self._waiting[kind]
        while waiting:
            rank, _, cost, turn = waiting[0]
            pause = self._limits.pause(kind, cost, _RESERVE[rank])
            if pause > 0 and not turn.done():
                await asyncio.sleep(min(pause, LOOK_SECONDS))  # one of a higher rank may come
                continue
            heapq.heappop(waiting)
            if not turn.done():  # else nobody waits for it any more
                self._limits.take(kind, cost)
                turn.set_result(None)
