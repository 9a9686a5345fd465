"""The only place where Nautilus values become Decimals and back.

Inside, prices are USDC per share and sizes shares, as exact Decimals without trailing zeros. Going
out, the value is exact at the instrument's precision: rounding was done before, with a direction,
in `positions.model.venue_rules`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import LiquiditySide, OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderEmulated,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
)
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    ExecAlgorithmId,
    InstrumentId,
    VenueOrderId,
)
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import FIXED_PRECISION, Money, Price, Quantity
from nautilus_trader.model.orders import Order as NautilusOrder

from bridge.one_sided_book import OneSidedBook
from bridge.venue import VENUE
from positions.model import events
from positions.model.durations import SECOND
from positions.model.events import AnyEvent
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.instrument_book import InstrumentBook
from positions.model.position import Order, OrderEnd, Position, Role
from positions.model.venue_rules import FeeSchedule

CURRENCY = pUSD
STOP_ALGORITHM = ExecAlgorithmId("HOLD")
_FAR = 4_000_000_000 * SECOND


# -- in --------------------------------------------------------------------------------------------


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return value.normalize() + 0


def exact(value: Price | Quantity) -> Decimal:
    """A price or a size, exactly; many come again."""
    return _of_raw(value.raw)


@lru_cache(maxsize=65_536)
def _of_raw(raw: int) -> Decimal:
    return plain(Decimal(raw).scaleb(-FIXED_PRECISION))


Touch = tuple[Decimal, Decimal, Decimal, Decimal]


class _Touches:
    """The last quote in Decimals: the venue and the strategy are handed the same one in turn."""

    def __init__(self) -> None:
        self._tick: QuoteTick | None = None
        self._touch: Touch = (Decimal(0),) * 4

    def of(self, tick: QuoteTick) -> Touch:
        """Its bid, its size, its ask, and its size."""
        if tick is not self._tick:
            self._touch = (
                _of_raw(tick.bid_price.raw),
                _of_raw(tick.bid_size.raw),
                _of_raw(tick.ask_price.raw),
                _of_raw(tick.ask_size.raw),
            )
            self._tick = tick
        return self._touch


touch = _Touches().of


def fee_schedule(instrument: BinaryOption) -> FeeSchedule:
    """What an instrument's market charges; the exponent is 1 where none is stated."""
    stated = (instrument.info or {}).get("feeSchedule")
    exponent = stated.get("exponent", 1) if isinstance(stated, dict) else 1
    return FeeSchedule(plain(instrument.taker_fee), exponent)


def instrument_book(instrument: BinaryOption) -> InstrumentBook:
    """The book of an instrument, still without prices."""
    info: dict[str, Any] = instrument.info or {}
    condition_id, token_id = str(instrument.id.symbol).rsplit("-", 1)
    minimum = info.get("min_order_size") or info.get("minimum_order_size") or "5"
    ends = instrument.expiration_ns
    return InstrumentBook(
        market_id=condition_id,
        slug=clean(info.get("slug") or info.get("market_slug") or condition_id),
        question=clean(info.get("question") or instrument.description or ""),
        outcome_id=token_id,
        outcome=clean(instrument.outcome or token_id),
        tick=plain(instrument.price_increment.as_decimal()),
        minimum_size=Decimal(str(minimum)),
        fee=fee_schedule(instrument),
        closes_at=ends if 0 < ends < _FAR else None,
    )


def show_quote(book: InstrumentBook, tick: QuoteTick) -> None:
    """Update the book with a quote."""
    book.show(*touch(tick), tick.ts_event)


def show_trade(book: InstrumentBook, tick: TradeTick) -> None:
    """Update the book with the price of a trade."""
    book.traded(exact(tick.price))


def show_one_sided(book: InstrumentBook, data: OneSidedBook) -> None:
    """Update a book that lost a side."""
    book.show(
        Decimal(data.bid) if data.bid else None,
        Decimal(data.bid_size or 0),
        Decimal(data.ask) if data.ask else None,
        Decimal(data.ask_size or 0),
        data.ts_event,
    )


def position_id(client_order_id: ClientOrderId) -> str:
    """The position that one of our orders belongs to."""
    return str(client_order_id.value.rpartition("-")[0])


def role(order: NautilusOrder | None) -> Role | None:
    """What one of our orders is for; None for an order that the engine did not send."""
    return Role(order.tags[0]) if order is not None and order.tags else None


def event(event: Any, role: Role, now: int) -> AnyEvent | None:
    """The event that a Nautilus order event states; None where it states nothing new.

    `now` is the node's time: the emulator stamps its events by the wall clock, also in a
    replay.
    """
    convert = _CONVERTERS.get(type(event))
    return None if convert is None else convert(event, role, now)


def _accepted(event: Any, _: Role, now: int) -> AnyEvent:
    venue_id = getattr(event, "venue_order_id", None)
    return events.OrderAccepted(
        time=now,
        order_id=event.client_order_id.value,
        venue_order_id=None if venue_id is None else venue_id.value,
    )


def _filled(event: OrderFilled, role: Role, _: int) -> AnyEvent:
    maker = event.liquidity_side == LiquiditySide.MAKER
    return events.OrderFilled(
        time=event.ts_event,
        order_id=event.client_order_id.value,
        trade_id=event.trade_id.value,
        role=role,
        price=plain(event.last_px.as_decimal()),
        shares=plain(event.last_qty.as_decimal()),
        fee=plain(event.commission.as_decimal()),
        liquidity="maker" if maker else "taker",
    )


def _closed(end: OrderEnd) -> Callable[[Any, Role, int], AnyEvent]:
    def convert(event: Any, _: Role, now: int) -> AnyEvent:
        return events.OrderClosed(
            time=now,
            order_id=event.client_order_id.value,
            end=end,
            reason=clean(getattr(event, "reason", "") or "", REASON_LENGTH),
        )

    return convert


def _cancel_refused(event: Any, _: Role, now: int) -> AnyEvent:
    return events.CancelRefused(
        time=now,
        order_id=event.client_order_id.value,
        reason=clean(event.reason, REASON_LENGTH),
    )


_CONVERTERS: dict[type, Callable[[Any, Role, int], AnyEvent]] = {
    OrderAccepted: _accepted,
    OrderEmulated: _accepted,
    OrderFilled: _filled,
    OrderCanceled: _closed(OrderEnd.CANCELED),
    OrderExpired: _closed(OrderEnd.EXPIRED),
    OrderRejected: _closed(OrderEnd.REJECTED),
    OrderDenied: _closed(OrderEnd.DENIED),
    OrderCancelRejected: _cancel_refused,
}


def cash(balance: Money | None) -> Decimal:
    """The account's money in USDC."""
    return Decimal(0) if balance is None else plain(balance.as_decimal())


# -- out -------------------------------------------------------------------------------------------


def instrument_id(p: Position | InstrumentBook) -> InstrumentId:
    """The Nautilus id of an outcome, or of that which a position is in."""
    return InstrumentId.from_str(f"{p.market_id}-{p.outcome_id}.{VENUE}")


def price(value: Decimal, instrument: BinaryOption) -> Price:
    """An exact price; raises ValueError where the instrument's precision could not hold it."""
    return Price.from_str(_text(value, instrument.price_precision))


def quantity(value: Decimal, instrument: BinaryOption) -> Quantity:
    """An exact size; raises ValueError where the instrument's precision could not hold it."""
    return Quantity.from_str(_text(value, instrument.size_precision))


def _text(value: Decimal, precision: int) -> str:
    text = f"{value:.{precision}f}"
    if Decimal(text) != value:
        raise ValueError(f"{value} cannot be held exactly in {precision} decimals")
    return text


def identifier[T](kind: Callable[[str], T], text: str) -> T:
    """An identifier of Nautilus, which ends the process where its text is not ASCII.

    Raises
    ------
    ValueError
        If that is so.
    """
    if not text.isascii():
        raise ValueError(f"{kind.__name__} was {text[:40]!r}, must be ASCII")
    return kind(text)


def order(o: Order, instrument: BinaryOption, factory: OrderFactory) -> NautilusOrder:
    """The Nautilus order for one of ours.

    Entries and targets are limit orders on the venue and never emulated: an emulated limit is
    released as a market order. The stop is emulated, and held by `StopHolder` once it triggers.
    """
    side = OrderSide.BUY if o.role is Role.ENTRY else OrderSide.SELL
    client_order_id = identifier(ClientOrderId, o.id)
    size = quantity(o.shares, instrument)
    if o.role is Role.STOP:
        return factory.stop_market(
            instrument.id,
            side,
            size,
            price(o.price, instrument),
            trigger_type=TriggerType.BID_ASK,
            emulation_trigger=TriggerType.BID_ASK,
            time_in_force=TimeInForce.IOC,
            exec_algorithm_id=STOP_ALGORITHM,
            client_order_id=client_order_id,
            tags=[o.role.value],
        )
    return factory.limit(
        instrument.id,
        side,
        size,
        price(o.price, instrument),
        time_in_force=_time_in_force(o),
        expire_time=None if o.expires_at is None else _moment(o.expires_at),
        post_only=o.post_only,
        client_order_id=client_order_id,
        tags=[o.role.value],
    )


def adoption(
    native: NautilusOrder, o: Order, account_id: AccountId, now: int
) -> list[OrderSubmitted | OrderAccepted]:
    """The Nautilus events of an order that rests at the venue already."""
    submitted = OrderSubmitted(
        native.trader_id,
        native.strategy_id,
        native.instrument_id,
        native.client_order_id,
        account_id,
        UUID4(),
        now,
        now,
    )
    accepted = OrderAccepted(
        native.trader_id,
        native.strategy_id,
        native.instrument_id,
        native.client_order_id,
        identifier(VenueOrderId, o.venue_order_id or o.id),
        account_id,
        UUID4(),
        now,
        now,
    )
    return [submitted, accepted]


def _time_in_force(o: Order) -> TimeInForce:
    if o.immediate:
        return TimeInForce.IOC
    return TimeInForce.GTC if o.expires_at is None else TimeInForce.GTD


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(time // SECOND, UTC)
