"""A position's life: its ledger, its phases, and the facts that happen to it.

Book-keeping only. A fact is never refused: it happened. `apply` returns the position after the
fact; what ought to be done about it is decided in `plan`. Every fact that changed a position is an
event of its story, and applying the stored facts in order gives the stored position. No clock: each
fact brings its time. Prices are USDC per share, sizes shares, money USDC, times nanoseconds.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from positions.rules import Obstacle, micro

ZERO = Decimal(0)
SECOND = 1_000_000_000
GTD_MARGIN = 60 * SECOND
"""The venue expires a GTD order a minute before the time it states."""


class Phase(StrEnum):
    """Where a position stands."""

    ENTERING = "entering"
    """The entry works; nothing is held."""
    FILLING = "filling"
    """Part of the entry is filled and protected; the rest still works."""
    HOLDING = "holding"
    """The entry is over; what is held is protected."""
    SELLING = "selling"
    """A cash-out by hand is under way; the stop stays armed."""
    EXITING = "exiting"
    """Everything is being sold: the stop triggered, or all is being flattened."""
    WAITING = "waiting"
    """As exiting, but at the bids there are nothing can be sold."""
    LEAVING = "leaving"
    """The entry is being taken back; nothing is held."""
    DISPUTED = "disputed"
    """The ledger and the venue contradict each other."""
    DUST = "dust"
    """What is left could not be sold at any price; it is kept to the resolution."""
    CLOSED = "closed"
    """Everything that was bought is sold or paid out."""
    CANCELLED = "cancelled"
    """Nothing was ever bought, and nothing will be."""


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    EXIT = "exit"
    SETTLEMENT = "settlement"


class OrderState(StrEnum):
    """A live order. It exists, and may be filled, until the venue says otherwise."""

    SENT = "sent"
    WORKING = "working"
    CANCELLING = "cancelling"
    RELEASED = "released"


class EntryEnd(StrEnum):
    """Why a position buys no more."""

    COMPLETE = "complete"
    EXPIRED = "expired"
    STOP_REACHED = "stop_reached"
    TARGET_REACHED = "target_reached"
    CANCELLED = "cancelled"
    CASH_OUT = "cash_out"
    STOPPED = "stopped"
    FLATTENED = "flattened"
    MARKET_OVER = "market_over"


class ExitReason(StrEnum):
    """What sold the shares."""

    TARGET = "target"
    STOP = "stop"
    MANUAL = "manual"
    FLATTEN = "flatten"
    SETTLEMENT = "settlement"


class SaleEnd(StrEnum):
    """How a cash-out by hand ended."""

    DONE = "done"
    LAPSED = "lapsed"
    OVERTAKEN = "overtaken"
    MARKET_OVER = "market_over"


class OrderEnd(StrEnum):
    """How an order ended, other than by filling."""

    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DENIED = "denied"


class Order(Struct, frozen=True):
    """A live order of a position.

    `price` is the limit, or the trigger of a stop. `immediate` orders are FAK: they fill at once or
    are cancelled. `quote_seq` is the view of the book that the order was decided on.
    """

    id: str
    role: Role
    price: Decimal
    shares: Decimal
    sent_at: int
    quote_seq: int
    immediate: bool = False
    post_only: bool = False
    expires_at: int | None = None
    filled: Decimal = ZERO
    state: OrderState = OrderState.SENT
    cancel_sent_at: int = 0
    venue_order_id: str | None = None

    @property
    def leaves(self) -> Decimal:
        """Shares that may still be filled."""
        return self.shares - self.filled


class Sale(Struct, frozen=True):
    """A cash-out by hand: so many shares at `limit_price` or better, until a time."""

    command_id: str
    shares: Decimal
    limit_price: Decimal
    until: int
    sold: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        """Shares still to be sold."""
        return self.shares - self.sold


class Backoff(Struct, frozen=True):
    """Failures in a row of one role, and the time before which it is not tried again."""

    failures: int
    until: int


class Position(Struct, frozen=True):
    """One position: what was asked for, what was bought and sold, and what is live."""

    id: str
    market_id: str
    market: str
    outcome_id: str
    outcome: str
    size: Decimal
    max_bid_price: Decimal
    created_at: int
    sell_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    floor_price: Decimal = ZERO
    post_only: bool = False
    entry_expires_at: int | None = None
    phase: Phase = Phase.ENTERING
    seq: int = 0
    updated_at: int = 0
    bought: Decimal = ZERO
    cost: Decimal = ZERO
    buy_fees: Decimal = ZERO
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    sell_fees: Decimal = ZERO
    filled_at: int | None = None
    exit_time: int | None = None
    exit_reason: ExitReason | None = None
    entry_ended: EntryEnd | None = None
    cause: ExitReason | None = None
    stuck: Obstacle | None = None
    sale: Sale | None = None
    payout: Decimal | None = None
    dust: bool = False
    dispute: str | None = None
    no_bid: bool = False
    released_seq: int | None = None
    exit_seq: int = -1
    exit_at: int = 0
    attempts: int = 0
    next_order: int = 1
    orders: tuple[Order, ...] = ()
    trades: tuple[str, ...] = ()
    backoffs: dict[Role, Backoff] = {}

    @property
    def held(self) -> Decimal:
        """Shares bought and not yet sold, by our own ledger."""
        return self.bought - self.sold

    @property
    def fees(self) -> Decimal:
        """All fees paid, in USDC."""
        return self.buy_fees + self.sell_fees

    @property
    def remaining(self) -> Decimal:
        """Shares of the asked size that are not bought."""
        return self.size - self.bought

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come of it, save a late fact."""
        return self.phase in OVER and not self.orders

    @property
    def locked(self) -> Decimal:
        """Shares that live sells at the venue may still take."""
        return sum((o.leaves for o in self.orders if o.role in SELLS), ZERO)

    def live(self, role: Role) -> tuple[Order, ...]:
        """The live orders of one role."""
        return tuple(o for o in self.orders if o.role is role)

    def may_send(self, role: Role, now: int) -> bool:
        """Whether the back-off of `role`, if any, is over."""
        backoff = self.backoffs.get(role)
        return backoff is None or now >= backoff.until


SELLS = frozenset({Role.TARGET, Role.EXIT})
OVER = frozenset({Phase.CLOSED, Phase.CANCELLED, Phase.DUST})
PROTECTED = frozenset({Phase.FILLING, Phase.HOLDING, Phase.SELLING, Phase.DISPUTED})
"""Phases in which what is held has its stop armed."""
EXITS = frozenset({Phase.EXITING, Phase.WAITING})
"""Phases in which everything is to be sold."""

_BACKOFF = {
    Role.ENTRY: (SECOND, 60 * SECOND),
    Role.TARGET: (SECOND, 60 * SECOND),
    Role.STOP: (SECOND // 4, 5 * SECOND),
    Role.EXIT: (SECOND // 4, 5 * SECOND),
}
"""First and longest pause after a failure, by role; each failure in a row doubles it."""


# -- the facts -------------------------------------------------------------------------------------


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Fact(Struct, frozen=True, kw_only=True, tag_field="kind", tag=_snake):
    """Something that happened, at `time`."""

    time: int


class Opened(Fact, frozen=True, kw_only=True):
    """A request was accepted: the position exists."""

    position: Position


class Amended(Fact, frozen=True, kw_only=True):
    """The owner changed the prices; the values are those that hold from now on."""

    max_bid_price: Decimal
    sell_price: Decimal | None
    stop_loss_price: Decimal | None


class EntryEnded(Fact, frozen=True, kw_only=True):
    """Nothing more is to be bought."""

    reason: EntryEnd


class SaleAsked(Fact, frozen=True, kw_only=True):
    """The owner cashes out by hand."""

    sale: Sale


class SaleEnded(Fact, frozen=True, kw_only=True):
    """The cash-out by hand is over; what is left is protected again."""

    command_id: str
    reason: SaleEnd
    sold: Decimal
    left: Decimal


class Triggered(Fact, frozen=True, kw_only=True):
    """Everything is to be sold: the bid reached the stop, or the owner flattens."""

    cause: ExitReason
    bid: Decimal | None
    bid_size: Decimal
    stop_loss_price: Decimal | None


class Stuck(Fact, frozen=True, kw_only=True):
    """An exit cannot sell now."""

    obstacle: Obstacle
    bid: Decimal | None


class Unstuck(Fact, frozen=True, kw_only=True):
    """An exit can sell again."""

    bid: Decimal


class BidVanished(Fact, frozen=True, kw_only=True):
    """The book has no bid any more; nothing is sold for that."""


class BidReturned(Fact, frozen=True, kw_only=True):
    """The book has a bid again."""

    bid: Decimal


class OrderSent(Fact, frozen=True, kw_only=True):
    """An order is handed to Nautilus."""

    order: Order


class OrderSigned(Fact, frozen=True, kw_only=True):
    """An order is signed and about to be posted; from now on the venue may know it by its hash."""

    order_id: str
    venue_order_id: str


class OrderAccepted(Fact, frozen=True, kw_only=True):
    """The venue, or the emulator for a stop, has the order."""

    order_id: str
    venue_order_id: str | None = None


class OrderFilled(Fact, frozen=True, kw_only=True):
    """Shares changed hands. `liquidity` is maker or taker; the fee is in USDC."""

    order_id: str
    trade_id: str
    role: Role
    price: Decimal
    shares: Decimal
    fee: Decimal
    liquidity: str


class FillReversed(Fact, frozen=True, kw_only=True):
    """A trade that was told failed to settle on the chain: nothing changed hands after all."""

    order_id: str
    trade_id: str
    role: Role
    price: Decimal
    shares: Decimal
    fee: Decimal
    liquidity: str


class OrderClosed(Fact, frozen=True, kw_only=True):
    """An order ended without being filled whole."""

    order_id: str
    end: OrderEnd
    reason: str = ""


class CancelSent(Fact, frozen=True, kw_only=True):
    """A cancel is on its way; until it is confirmed the order may be filled."""

    order_id: str


class CancelRefused(Fact, frozen=True, kw_only=True):
    """The venue did not cancel: the order may just have been filled or cancelled."""

    order_id: str
    reason: str = ""


class StopReleased(Fact, frozen=True, kw_only=True):
    """The emulator says that the stop triggered; checked against our own view of the book."""

    order_id: str
    quote_seq: int


class StopDismissed(Fact, frozen=True, kw_only=True):
    """The emulator's trigger was only passed through: the bid is above the stop."""

    bid: Decimal


class StopMoved(Fact, frozen=True, kw_only=True):
    """The armed stop now has this trigger and size."""

    order_id: str
    price: Decimal
    shares: Decimal


class Settled(Fact, frozen=True, kw_only=True):
    """The market is resolved: each share held pays `payout`, in USDC."""

    payout: Decimal
    shares: Decimal


class LeftAsDust(Fact, frozen=True, kw_only=True):
    """What is held could not be sold at any price."""

    shares: Decimal


class Disputed(Fact, frozen=True, kw_only=True):
    """The ledger cannot be trusted until the venue is read again."""

    reason: str


AnyFact = (
    Opened
    | Amended
    | EntryEnded
    | SaleAsked
    | SaleEnded
    | Triggered
    | Stuck
    | Unstuck
    | BidVanished
    | BidReturned
    | OrderSent
    | OrderSigned
    | OrderAccepted
    | OrderFilled
    | FillReversed
    | OrderClosed
    | CancelSent
    | CancelRefused
    | StopReleased
    | StopDismissed
    | StopMoved
    | Settled
    | LeftAsDust
    | Disputed
)


# -- applying them ---------------------------------------------------------------------------------


def apply(position: Position | None, fact: AnyFact) -> Position:
    """The position after the fact; the very same object where the fact changes nothing.

    Raises
    ------
    ValueError
        If the position does not exist and the fact is not `Opened`, or exists and it is.
    """
    if isinstance(fact, Opened):
        if position is not None:
            raise ValueError(f"position {position.id} is open already")
        return replace(fact.position, seq=1, updated_at=fact.time)
    if position is None:
        raise ValueError(f"{type(fact).__name__} came before the position was opened")
    booked = _BOOK[type(fact)](position, fact)
    if booked is position:
        return position
    return replace(booked, phase=phase_of(booked), seq=position.seq + 1, updated_at=fact.time)


def phase_of(p: Position) -> Phase:
    """The phase that follows from the ledger and from what was decided."""
    if p.held < 0:
        return Phase.DISPUTED
    if p.held == 0:
        if p.entry_ended is None:
            return Phase.ENTERING
        if p.live(Role.ENTRY):
            return Phase.LEAVING
        return Phase.CLOSED if p.bought > 0 else Phase.CANCELLED
    if p.dust:
        return Phase.DUST
    if p.cause is not None:
        return Phase.WAITING if p.stuck is not None else Phase.EXITING
    if p.dispute is not None:
        return Phase.DISPUTED
    if p.sale is not None:
        return Phase.SELLING
    return Phase.FILLING if p.entry_ended is None else Phase.HOLDING


def _amended(p: Position, f: Amended) -> Position:
    return replace(
        p,
        max_bid_price=f.max_bid_price,
        sell_price=f.sell_price,
        stop_loss_price=f.stop_loss_price,
    )


def _entry_ended(p: Position, f: EntryEnded) -> Position:
    return replace(p, entry_ended=p.entry_ended or f.reason)


def _sale_asked(p: Position, f: SaleAsked) -> Position:
    ended = p.entry_ended or EntryEnd.CASH_OUT
    return replace(p, sale=f.sale, entry_ended=ended, attempts=0, exit_seq=-1)


def _sale_ended(p: Position, _: SaleEnded) -> Position:
    return replace(p, sale=None, attempts=0)


def _triggered(p: Position, f: Triggered) -> Position:
    ended = EntryEnd.STOPPED if f.cause is ExitReason.STOP else EntryEnd.FLATTENED
    return replace(
        p,
        cause=f.cause,
        entry_ended=p.entry_ended or ended,
        released_seq=None,
        no_bid=False,
        attempts=0,
        exit_seq=-1,
    )


def _stuck(p: Position, f: Stuck) -> Position:
    return replace(p, stuck=f.obstacle)


def _unstuck(p: Position, _: Unstuck) -> Position:
    return replace(p, stuck=None)


def _bid_vanished(p: Position, _: BidVanished) -> Position:
    return replace(p, no_bid=True)


def _bid_returned(p: Position, _: BidReturned) -> Position:
    return replace(p, no_bid=False)


def _order_sent(p: Position, f: OrderSent) -> Position:
    p = replace(p, orders=(*p.orders, f.order), next_order=p.next_order + 1)
    if f.order.immediate:
        p = replace(p, exit_seq=f.order.quote_seq, exit_at=f.time)
    return p


def _order_signed(p: Position, f: OrderSigned) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    return replace(p, orders=_swap(p, replace(order, venue_order_id=f.venue_order_id)))


def _order_accepted(p: Position, f: OrderAccepted) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    working = order.state is OrderState.SENT
    order = replace(
        order,
        state=OrderState.WORKING if working else order.state,
        venue_order_id=f.venue_order_id or order.venue_order_id,
    )
    backoffs = {role: b for role, b in p.backoffs.items() if role is not order.role}
    return replace(p, orders=_swap(p, order), backoffs=backoffs)


def _order_filled(p: Position, f: OrderFilled) -> Position:
    if f.trade_id in p.trades:
        return p
    amount = f.price * f.shares
    p = replace(p, trades=(*p.trades, f.trade_id), dust=False)
    if f.role is Role.ENTRY:
        p = replace(
            p,
            bought=p.bought + f.shares,
            cost=p.cost + amount,
            buy_fees=p.buy_fees + f.fee,
            filled_at=p.filled_at or f.time,
        )
    else:
        p = replace(
            p,
            sold=p.sold + f.shares,
            proceeds=p.proceeds + amount,
            sell_fees=p.sell_fees + f.fee,
            exit_time=f.time,
            exit_reason=_exit_reason(p, f.role),
            attempts=0,
        )
        if p.sale is not None and f.role is Role.EXIT:
            p = replace(p, sale=replace(p.sale, sold=p.sale.sold + f.shares))
    order = _find(p, f.order_id)
    if order is None:
        return p
    order = replace(order, filled=order.filled + f.shares)
    if order.leaves > 0:
        return replace(p, orders=_swap(p, order))
    backoffs = {role: b for role, b in p.backoffs.items() if role is not order.role}
    return replace(p, orders=_drop(p, order), backoffs=backoffs)


def _fill_reversed(p: Position, f: FillReversed) -> Position:
    undone = f"{f.trade_id} reversed"
    if f.trade_id not in p.trades or undone in p.trades:
        return p
    amount = f.price * f.shares
    p = replace(p, trades=(*p.trades, undone), dust=False)
    if f.role is Role.ENTRY:
        return replace(
            p,
            bought=p.bought - f.shares,
            cost=p.cost - amount,
            buy_fees=p.buy_fees - f.fee,
        )
    p = replace(
        p,
        sold=p.sold - f.shares,
        proceeds=p.proceeds - amount,
        sell_fees=p.sell_fees - f.fee,
    )
    if p.sale is not None and f.role is Role.EXIT:
        p = replace(p, sale=replace(p.sale, sold=p.sale.sold - f.shares))
    return p if p.sold > 0 else replace(p, exit_time=None, exit_reason=None)


def _exit_reason(p: Position, role: Role) -> ExitReason:
    if role is Role.TARGET:
        return ExitReason.TARGET
    return p.cause or ExitReason.MANUAL


def _order_closed(p: Position, f: OrderClosed) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    p = replace(p, orders=_drop(p, order))
    if f.end in (OrderEnd.REJECTED, OrderEnd.DENIED):
        return _failed(p, order.role, f.time)
    if order.immediate:
        return p if order.filled > 0 else replace(p, attempts=p.attempts + 1)
    asked_for = order.state in (OrderState.CANCELLING, OrderState.RELEASED) or (
        order.expires_at is not None and f.time >= order.expires_at - GTD_MARGIN
    )
    return p if asked_for else _failed(p, order.role, f.time)


def _failed(p: Position, role: Role, now: int) -> Position:
    first, longest = _BACKOFF[role]
    before = p.backoffs.get(role)
    failures = 1 if before is None else before.failures + 1
    pause = min(longest, first * 2 ** min(failures - 1, 16))
    return replace(p, backoffs=p.backoffs | {role: Backoff(failures, now + pause)})


def _cancel_sent(p: Position, f: CancelSent) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    order = replace(order, state=OrderState.CANCELLING, cancel_sent_at=f.time)
    return replace(p, orders=_swap(p, order))


def _noted(p: Position, _: Fact) -> Position:
    return replace(p)


def _stop_released(p: Position, f: StopReleased) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    order = replace(order, state=OrderState.RELEASED)
    return replace(p, orders=_swap(p, order), released_seq=f.quote_seq)


def _stop_dismissed(p: Position, _: StopDismissed) -> Position:
    return replace(p, released_seq=None)


def _stop_moved(p: Position, f: StopMoved) -> Position:
    order = _find(p, f.order_id)
    if order is None:
        return p
    return replace(p, orders=_swap(p, replace(order, price=f.price, shares=f.shares)))


def _settled(p: Position, f: Settled) -> Position:
    p = replace(
        p,
        payout=f.payout,
        entry_ended=p.entry_ended or EntryEnd.MARKET_OVER,
        dust=False,
    )
    if f.shares <= 0:
        return p
    return replace(
        p,
        sold=p.sold + f.shares,
        proceeds=p.proceeds + f.payout * f.shares,
        exit_time=f.time,
        exit_reason=ExitReason.SETTLEMENT,
    )


def _left_as_dust(p: Position, _: LeftAsDust) -> Position:
    return replace(p, dust=True)


def _disputed(p: Position, f: Disputed) -> Position:
    return replace(p, dispute=f.reason, entry_ended=p.entry_ended or EntryEnd.CANCELLED)


def _find(p: Position, order_id: str) -> Order | None:
    return next((o for o in p.orders if o.id == order_id), None)


def _swap(p: Position, order: Order) -> tuple[Order, ...]:
    return tuple(order if o.id == order.id else o for o in p.orders)


def _drop(p: Position, order: Order) -> tuple[Order, ...]:
    return tuple(o for o in p.orders if o.id != order.id)


_BOOK: dict[type[Fact], Callable[[Position, Any], Position]] = {
    Amended: _amended,
    EntryEnded: _entry_ended,
    SaleAsked: _sale_asked,
    SaleEnded: _sale_ended,
    Triggered: _triggered,
    Stuck: _stuck,
    Unstuck: _unstuck,
    BidVanished: _bid_vanished,
    BidReturned: _bid_returned,
    OrderSent: _order_sent,
    OrderSigned: _order_signed,
    OrderAccepted: _order_accepted,
    OrderFilled: _order_filled,
    FillReversed: _fill_reversed,
    OrderClosed: _order_closed,
    CancelSent: _cancel_sent,
    CancelRefused: _noted,
    StopReleased: _stop_released,
    StopDismissed: _stop_dismissed,
    StopMoved: _stop_moved,
    Settled: _settled,
    LeftAsDust: _left_as_dust,
    Disputed: _disputed,
}


# -- what follows from the ledger ------------------------------------------------------------------


def entry_price(p: Position) -> Decimal | None:
    """Average price paid per share, fees apart; None while nothing is bought."""
    return micro(p.cost / p.bought) if p.bought else None


def exit_price(p: Position) -> Decimal | None:
    """Average price received per share, fees apart; None while nothing is sold."""
    return micro(p.proceeds / p.sold) if p.sold else None


def realized_pnl(p: Position) -> Decimal:
    """Profit of what is sold, after the fees of both sides, in USDC."""
    if p.sold == 0:
        return ZERO
    paid = p.cost + p.buy_fees
    share = paid if p.sold == p.bought else micro(paid * p.sold / p.bought)
    return p.proceeds - p.sell_fees - share
