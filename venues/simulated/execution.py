"""The simulated Polymarket as Nautilus' execution client.

A thin edge: Nautilus commands and data go into `matching.SimulatedPolymarket`, its events come out
as order events. Nautilus' own simulated exchange is not used: see docs/decisions.md.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import Clock, LiveClock, MessageBus
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.execution.messages import CancelAllOrders, CancelOrder, SubmitOrder
from nautilus_trader.execution.reports import (
    FillReport,
    OrderStatusReport,
    PositionStatusReport,
)
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.data import DataType, InstrumentClose, QuoteTick
from nautilus_trader.model.enums import (
    AccountType,
    LiquiditySide,
    OmsType,
    OrderSide,
    OrderType,
    order_type_to_str,
)
from nautilus_trader.model.enums import TimeInForce as NautilusTimeInForce
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.model.orders import Order as NautilusOrder

from bridge.conversion import identifier, instrument_book, touch
from bridge.one_sided_book import OneSidedBook
from bridge.venue import CLIENT_ID, VENUE
from positions.engine.adoption import Holding
from venues.simulated import matching
from venues.simulated.account import Account
from venues.simulated.arrivals import Arrivals
from venues.simulated.matching import Event, Order, Side, TimeInForce

_BEFORE_STRATEGIES = 100
_TIMES_IN_FORCE = {
    NautilusTimeInForce.GTC: TimeInForce.GTC,
    NautilusTimeInForce.GTD: TimeInForce.GTD,
    NautilusTimeInForce.IOC: TimeInForce.IOC,
    NautilusTimeInForce.FOK: TimeInForce.FOK,
}


class SimulatedExecutionClient(LiveExecutionClient):
    """Carries orders to a simulated venue, whose account may have been traded on before."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        account: Account,
        market_clock: Clock,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=CLIENT_ID,
            venue=VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=pUSD,
            instrument_provider=InstrumentProvider(),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
        )
        self._set_account_id(AccountId(f"{VENUE}-001"))
        self._kept = account
        self._venue = account.venue
        self._market_clock = market_clock
        self._unpublished: list[tuple[NautilusOrder, matching.Filled]] = []
        self.arrivals: Arrivals

    async def _connect(self) -> None:
        self.open()
        await self._await_account_registered()

    def open(self) -> None:
        """Follow the market, and report the account."""
        self.arrivals = Arrivals(self._market_clock, self.arrive)
        for instrument in self._cache.instruments(venue=VENUE):
            self._on_instrument(instrument)
        listen = self._msgbus.subscribe
        first = _BEFORE_STRATEGIES
        listen(f"data.instrument.{VENUE}.*", self._on_instrument, priority=first)
        listen(f"data.quotes.{VENUE}.*", self._on_quote, priority=first)
        listen(f"data.{DataType(OneSidedBook).topic}", self._on_one_sided, priority=first)
        listen("data.venue.close_price.*", self._on_close, priority=first)
        self._report_account()

    async def _disconnect(self) -> None:
        """Nothing is connected."""

    # -- the market --------------------------------------------------------------------------------

    def _on_instrument(self, instrument: BinaryOption) -> None:
        market = instrument_book(instrument)
        delay = matching.TAKER_DELAY if (instrument.info or {}).get("taker_delay") else 0
        listed = market.tick, market.minimum_size, market.fee, delay
        self._venue.list_token(instrument.id.value, *listed)
        self._kept.listed(instrument.id.value)

    def _on_quote(self, tick: QuoteTick) -> None:
        token_id = tick.instrument_id.value
        events = self._venue.quote(token_id, *touch(tick), self._now())
        if events:
            self._publish(token_id, events)

    def _on_one_sided(self, book: OneSidedBook) -> None:
        self._publish(
            book.instrument_id.value,
            self._venue.quote(
                book.instrument_id.value,
                Decimal(book.bid) if book.bid else None,
                Decimal(book.bid_size or 0),
                Decimal(book.ask) if book.ask else None,
                Decimal(book.ask_size or 0),
                self._now(),
            ),
        )

    def _on_close(self, close: InstrumentClose) -> None:
        payout, token_id = close.close_price.as_decimal(), close.instrument_id.value
        events = self._venue.settle(token_id, payout, self._now())
        self._kept.changed(token_id, events)
        self._tell(events)

    # -- orders ------------------------------------------------------------------------------------
    # Synchronous, as Nautilus' own sandbox has it: no task stands between a command and its effect.

    def submit_order(self, command: SubmitOrder) -> None:
        """Send an order to the venue."""
        order = command.order
        if order.order_type not in (OrderType.LIMIT, OrderType.MARKET):
            self._deny(order, f"UNSUPPORTED_ORDER_TYPE: {order_type_to_str(order.order_type)}")
            return
        if order.time_in_force not in _TIMES_IN_FORCE:
            self._deny(order, "UNSUPPORTED_TIME_IN_FORCE")
            return
        sent = _order(order)
        held_for = self._venue.holds_for(sent)
        if held_for:
            self._submitted(order)
            self.arrivals.later(held_for, partial(self._match, order, sent))
            return
        events = self._venue.submit(sent, self._now())
        if not isinstance(events[0], matching.Denied):
            self._submitted(order)
        self._publish(order.instrument_id.value, events)

    def _match(self, order: NautilusOrder, sent: Order) -> None:
        self._publish(order.instrument_id.value, self._venue.submit(sent, self._now()))

    def arrive(self, act: Callable[[], None]) -> None:
        """Let what was on its way have its effect."""
        act()

    def cancel_order(self, command: CancelOrder) -> None:
        """Take an order off the venue's book."""
        events = self._venue.cancel(command.client_order_id.value, self._now())
        self._publish(command.instrument_id.value, events)

    def cancel_all_orders(self, command: CancelAllOrders) -> None:
        """Take all orders of an instrument off the venue's book."""
        token_id = command.instrument_id.value
        for order in self._venue.resting(token_id):
            self._publish(token_id, self._venue.cancel(order.order_id, self._now()))

    def modify_order(self, command: Any) -> None:
        """Refuse: the venue's orders cannot be modified."""
        self.generate_order_modify_rejected(
            command.strategy_id,
            command.instrument_id,
            command.client_order_id,
            command.venue_order_id,
            "MODIFY_NOT_SUPPORTED",
            self._now(),
        )

    def _now(self) -> int:
        return int(self._market_clock.timestamp_ns())

    def _deny(self, order: NautilusOrder, reason: str) -> None:
        self.generate_order_denied(
            order.strategy_id, order.instrument_id, order.client_order_id, reason, self._now()
        )

    def request_holding(
        self, instrument_id: InstrumentId, on_holding: Callable[[Holding], None]
    ) -> None:
        """Call `on_holding` with what the account has, as of the last fill that was published."""
        self._forget_reported()
        shares = self._venue.shares(instrument_id.value)
        for order, event in self._unpublished:
            if order.instrument_id == instrument_id:
                shares += event.shares if order.side == OrderSide.SELL else -event.shares
        on_holding(Holding(shares))

    def refresh_cash(self, then: Callable[[], None]) -> None:
        """Go on: the simulated venue's cash is as it is known."""
        then()

    def _forget_reported(self) -> None:
        self._unpublished = [
            (order, event)
            for order, event in self._unpublished
            if identifier(TradeId, event.trade_id) not in order.trade_ids
        ]

    # -- what the venue says -----------------------------------------------------------------------

    def _publish(self, token_id: str, events: list[Event]) -> None:
        if events:
            self._kept.changed(token_id, events)
            self._tell(events)

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            order = self._cache.order(identifier(ClientOrderId, event.order_id))
            if order is not None:
                _GENERATE[type(event)](self, order, event)
            if isinstance(event, matching.Filled):
                self._report_account()

    def _submitted(self, order: NautilusOrder) -> None:
        ids = order.strategy_id, order.instrument_id, order.client_order_id
        self.generate_order_submitted(*ids, self._now())

    def _accepted(self, order: NautilusOrder, event: matching.Accepted) -> None:
        self.generate_order_accepted(*_ids(order, event), event.time)

    def _denied(self, order: NautilusOrder, event: matching.Denied) -> None:
        self._deny(order, event.reason)

    def _rejected(self, order: NautilusOrder, event: matching.Rejected) -> None:
        self.generate_order_rejected(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            event.reason,
            event.time,
        )

    def _filled(self, order: NautilusOrder, event: matching.Filled) -> None:
        self._forget_reported()
        self._unpublished.append((order, event))
        instrument = self._cache.instrument(order.instrument_id)
        self.generate_order_filled(
            *_ids(order, event),
            None,
            identifier(TradeId, event.trade_id),
            order.side,
            order.order_type,
            Quantity.from_str(f"{event.shares:.{instrument.size_precision}f}"),
            Price.from_str(f"{event.price:.{instrument.price_precision}f}"),
            pUSD,
            Money.from_str(f"{event.fee:.6f} pUSD"),
            LiquiditySide.MAKER if event.is_maker else LiquiditySide.TAKER,
            event.time,
        )

    def _canceled(self, order: NautilusOrder, event: matching.Canceled) -> None:
        self.generate_order_canceled(*_ids(order, event), event.time)

    def _expired(self, order: NautilusOrder, event: matching.Expired) -> None:
        self.generate_order_expired(*_ids(order, event), event.time)

    def _cancel_rejected(self, order: NautilusOrder, event: matching.CancelRejected) -> None:
        self.generate_order_cancel_rejected(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            order.venue_order_id,
            event.reason,
            event.time,
        )

    def _report_account(self) -> None:
        # As the real adapter reports it: nothing is ever locked, all of it is free.
        total = Money.from_str(f"{self._venue.cash:.6f} pUSD")
        balance = AccountBalance(total, Money.from_str("0 pUSD"), total)
        self.generate_account_state([balance], [], reported=True, ts_event=self._now())

    # -- reports: what an earlier process left is recovered from the account itself ----------------

    async def generate_order_status_report(self, _: Any) -> OrderStatusReport | None:
        """Report nothing: what rests is known."""

    async def generate_order_status_reports(self, _: Any) -> list[OrderStatusReport]:
        """Report nothing: what rests is known."""
        return []

    async def generate_fill_reports(self, _: Any) -> list[FillReport]:
        """Report nothing: what was filled is known."""
        return []

    async def generate_position_status_reports(self, _: Any) -> list[PositionStatusReport]:
        """Report nothing: what is held is known."""
        return []


_GENERATE: dict[type[Event], Callable[[SimulatedExecutionClient, NautilusOrder, Any], None]] = {
    matching.Accepted: SimulatedExecutionClient._accepted,
    matching.Denied: SimulatedExecutionClient._denied,
    matching.Rejected: SimulatedExecutionClient._rejected,
    matching.Filled: SimulatedExecutionClient._filled,
    matching.Canceled: SimulatedExecutionClient._canceled,
    matching.Expired: SimulatedExecutionClient._expired,
    matching.CancelRejected: SimulatedExecutionClient._cancel_rejected,
}


def _ids(order: NautilusOrder, event: Event) -> tuple[Any, Any, ClientOrderId, VenueOrderId]:
    venue_order_id = identifier(VenueOrderId, event.venue_order_id)
    return order.strategy_id, order.instrument_id, order.client_order_id, venue_order_id


def _order(order: NautilusOrder) -> Order:
    expires = getattr(order, "expire_time_ns", 0)
    return Order(
        order_id=order.client_order_id.value,
        token_id=order.instrument_id.value,
        side=Side.BUY if order.side == OrderSide.BUY else Side.SELL,
        price=order.price.as_decimal() if order.has_price else None,
        shares=order.quantity.as_decimal(),
        time_in_force=_TIMES_IN_FORCE[order.time_in_force],
        expires_at=expires or None,
        post_only=getattr(order, "is_post_only", False),
        reduce_only=order.is_reduce_only,
    )
