"""Tells Nautilus, and the strategy, what the venue has said of an order."""

from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import Clock, MessageBus
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.identifiers import TradeId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity

from bridge import conversion
from bridge.clocks import now_ns
from bridge.venue_messages import OWN_ORDERS, VENUE_EVENTS, VenueEvent
from positions.model import events
from positions.model.trades import Trade
from venues.polymarket.execution.live_orders import LiveOrder
from venues.polymarket.execution.order_fill_tracker import (
    Accepted,
    Canceled,
    Filled,
    FillReversed,
    OrderUpdate,
    Rejected,
)


class EventEmitter:
    """Makes events of updates."""

    def __init__(
        self, client: LiveExecutionClient, cache: Cache, msgbus: MessageBus, clock: Clock
    ) -> None:
        self._client = client
        self._cache = cache
        self._msgbus = msgbus
        self._clock = clock

    def emit(self, live: LiveOrder, updates: list[OrderUpdate]) -> None:
        """Tell what is new of an order."""
        order, now = live.order, self._clock.timestamp_ns()
        ids = (
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(live.venue_order_id),
        )
        for item in updates:
            match item:
                case Accepted():
                    self._client.generate_order_accepted(*ids, now)
                case Filled(trade):
                    self._emit_fill(live, trade, ids)
                case FillReversed(trade):
                    self._publish(events.FillReversed, live, trade)
                case Canceled():
                    self._client.generate_order_canceled(*ids, now)
                case Rejected(reason):
                    self._client.generate_order_rejected(*ids[:3], reason, now)
        if updates and not live.is_immediate:
            self._msgbus.publish(OWN_ORDERS, order.instrument_id)

    def _emit_fill(self, live: LiveOrder, trade: Trade, ids: tuple[Any, ...]) -> None:
        if live.tracker.is_rejected or live.tracker.matched > live.tracker.shares:
            # Nautilus takes no fill of a rejected order and none beyond an order's size, as when
            # a trade failed to settle and the order was matched again.
            self._publish(events.OrderFilled, live, trade)
            return
        order = live.order
        instrument = self._cache.instrument(order.instrument_id)
        fee = trade.charged(conversion.fee_schedule(instrument)).fee
        self._client.generate_order_filled(
            *ids,
            None,
            conversion.identifier(TradeId, trade.id),
            order.side,
            order.order_type,
            Quantity.from_str(f"{trade.shares:.{instrument.size_precision}f}"),
            Price.from_str(f"{trade.price:f}"),
            pUSD,
            Money.from_str(f"{fee:.6f} pUSD"),
            LiquiditySide.MAKER if trade.is_maker else LiquiditySide.TAKER,
            trade.at(now_ns(self._clock)),
        )

    def _publish(
        self,
        kind: type[events.OrderFilled | events.FillReversed],
        live: LiveOrder,
        trade: Trade,
    ) -> None:
        instrument = self._cache.instrument(live.order.instrument_id)
        trade = trade.charged(conversion.fee_schedule(instrument))
        event = trade.event(kind, live.id, live.role, now_ns(self._clock))
        self._msgbus.publish(VENUE_EVENTS, VenueEvent(live.id, event))
