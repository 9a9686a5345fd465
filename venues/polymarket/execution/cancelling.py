"""Cancels orders, and asks in another way at once where the venue refuses to.

A resting target locks the shares that an exit has to sell. An error of the venue, a limit of its
rate, a reset connection are answers: the cancel is sent again after a pause of milliseconds, alone,
in a batch, or for all of the outcome. Only silence is waited for, and not for long: to cancel twice
does no harm.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct
from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.enums import OrderSide
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import OrderMarketCancelParams, OrderPayload

from positions.model.foreign_text import clean
from venues.polymarket.api.clob import retry_after
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.limits import Kind
from venues.polymarket.api.parsing import order_hash
from venues.polymarket.api.protocol import Protocol, protocol_of
from venues.polymarket.execution.budget import Budget, rank_of
from venues.polymarket.execution.live_orders import LiveOrder, LiveOrders
from venues.polymarket.execution.order_reconciliation import OrderReconciliation

_PAUSES = (0.0, 0.0, 0.05, 0.15, 0.4, 0.8, 1.2, 1.2, 1.2)
"""Seconds before each attempt; as long together as the plan waits before it asks anew."""
SILENT_SECONDS = 1.0
"""After so long without an answer the cancel is sent once more, beside the first."""
RETRY_AFTER_MAX = 10.0
"""The longest that the venue may put a cancel off, in seconds."""
_TOO_MANY = 429


class CancelOutcome(StrEnum):
    """What the venue answered to a cancel."""

    CANCELED = "canceled"
    NOT_CANCELED = "not canceled"
    """It is matched, cancelled before, or not found: which of them must be looked up."""
    REFUSED = "refused"
    """The venue did not act, or nobody knows whether it did."""


class CancelAnswer(Struct, frozen=True):
    """An answer to a cancel. `pause` = seconds for which the venue wants no other request."""

    outcome: CancelOutcome
    why: str = ""
    pause: float = 0.0


class Canceller:
    """Cancels the orders of one wallet."""

    def __init__(
        self,
        client: ClobClient,
        orders: LiveOrders,
        reconciliation: OrderReconciliation,
        budget: Budget,
    ) -> None:
        self._client = client
        self._budget = budget
        self._orders = orders
        self._reconciliation = reconciliation
        self._under_way: set[str] = set()
        self._not_before = 0.0
        """When the venue takes requests again, by the event loop's clock."""

    async def cancel(self, live: LiveOrder) -> str:
        """Cancel an order; "" once it is over or a cancel of it is under way, else why not."""
        live.is_unwanted = True
        await live.posted.wait()
        if live.tracker.is_over or live.id in self._under_way:
            return ""
        self._under_way.add(live.id)
        live.cancelled_at = _now()
        try:
            return await self._cancel(live)
        finally:
            self._under_way.discard(live.id)

    async def _cancel(self, live: LiveOrder) -> str:
        why, is_unclear = "the venue does not answer", False
        asked: set[asyncio.Task[CancelAnswer]] = set()
        for attempt, pause in enumerate(_PAUSES):
            await asyncio.sleep(max(pause, self._not_before - _now()))
            if live.tracker.is_over:
                return ""
            await self._budget.spend(Kind.CANCELS, rank_of(live, Kind.CANCELS))
            asked.add(asyncio.create_task(self._ask(self._way(live, attempt), live)))
            done, asked = await asyncio.wait(
                asked, timeout=SILENT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            is_unclear = is_unclear or not done
            for answer in (task.result() for task in done):
                why = answer.why or why
                self._not_before = max(self._not_before, _now() + answer.pause)
                if answer.outcome is CancelOutcome.CANCELED:
                    await self._reconciliation.confirm_cancel(live)
                    return ""
                if answer.outcome is CancelOutcome.REFUSED:
                    is_unclear = True
                    self._reconciliation.reconcile(live)  # it may have been cancelled all the same
                elif await self._is_over(live, is_unclear=is_unclear):
                    return ""
        return "" if live.tracker.is_over else why

    def _way(self, live: LiveOrder, attempt: int) -> Callable[[], Any]:
        if attempt % 2 == 0:
            return lambda: self._client.cancel_order(OrderPayload(orderID=live.venue_order_id))
        token = get_polymarket_token_id(live.order.instrument_id)
        if attempt % 4 == 3 and self._orders.are_all_unwanted(token):
            market = get_polymarket_condition_id(live.order.instrument_id)
            is_v2 = protocol_of(token) is Protocol.V2  # its width in filters is not documented
            params = OrderMarketCancelParams(market=None if is_v2 else market, asset_id=token)
            return lambda: self._client.cancel_market_orders(params)
        return lambda: self._client.cancel_orders([live.venue_order_id])

    async def _ask(self, way: Callable[[], Any], live: LiveOrder) -> CancelAnswer:
        try:
            try:
                reply = await asyncio.to_thread(way)
            finally:
                self._budget.answered(Kind.CANCELS)
        except Exception as e:
            # Without a time to wait for, who is asked too often is given some.
            default = _PAUSES[4] if getattr(e, "status_code", None) == _TOO_MANY else 0.0
            pause = min(retry_after(e) or default, RETRY_AFTER_MAX)
            return CancelAnswer(CancelOutcome.REFUSED, describe_error(e), pause)
        return _read(reply, live.venue_order_id)

    async def _is_over(self, live: LiveOrder, *, is_unclear: bool) -> bool:
        """Whether an order that is not to be cancelled is over, as far as the venue reports."""
        known = await self._reconciliation.query(live)
        was_resting = live.tracker.is_accepted and not live.is_unknown
        if known is False and was_resting and not live.tracker.is_over:
            if is_unclear and live.order.side == OrderSide.SELL:
                await self._reconciliation.confirm_cancel(live)
            elif _now() >= live.gone_at:  # one that is delayed is not reported, for seconds
                self._reconciliation.abandon(live)
        if known is False and not live.tracker.is_over:
            self._reconciliation.reconcile(live)
        return live.tracker.is_over


def _read(reply: Any, venue_order_id: str) -> CancelAnswer:
    """What the reply to a cancel says of an order, however it was asked."""
    if not isinstance(reply, dict):
        return CancelAnswer(
            CancelOutcome.REFUSED, f"the answer was not the venue's: {clean(reply, 80)}"
        )
    canceled, others = reply.get("canceled"), reply.get("not_canceled")
    if isinstance(canceled, list) and venue_order_id in map(order_hash, canceled):
        return CancelAnswer(CancelOutcome.CANCELED)
    if not isinstance(canceled, list) and not isinstance(others, dict):
        return CancelAnswer(
            CancelOutcome.REFUSED, f"the answer was not the venue's: {clean(reply, 80)}"
        )
    reasons = {order_hash(k): v for k, v in others.items()} if isinstance(others, dict) else {}
    return CancelAnswer(
        CancelOutcome.NOT_CANCELED, clean(reasons.get(venue_order_id) or "not cancelled")
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
