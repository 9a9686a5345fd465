"""What a position is: its orders, its ledger, its phases, and what follows from the ledger.

Only values; `events` are what may happen to them, `transitions` books it. Prices are USDC per
share, sizes shares, money USDC, times nanoseconds.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from positions.model.durations import SECOND
from positions.model.terms import Terms
from positions.model.venue_rules import Obstacle, micro

ZERO = Decimal(0)
BACKOFF_MAX = 60 * SECOND
"""No role waits longer after failures."""
GTD_MARGIN = 60 * SECOND
"""The venue expires a GTD order a minute before the time it states."""
GTD_LASTS = 130 * SECOND
"""It takes none that states less than three minutes, and so lasts two at least, and what a POST may
take. An entry that is to end sooner states so much, and is cancelled in time."""


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
    TIME_UP = "time_up"
    TAKEN_OFF = "taken_off"
    REFUSED = "refused"
    """The venue takes none, for a reason that lasts."""
    ADOPTED = "adopted"
    """The shares were there before the position was."""
    OWNER = "owner"
    """The owner sold shares of it elsewhere, or took them out of it."""


class ExitReason(StrEnum):
    """What sold the shares."""

    TARGET = "target"
    STOP = "stop"
    MANUAL = "manual"
    FLATTEN = "flatten"
    TIME = "time"
    SETTLEMENT = "settlement"
    OWNER = "owner"
    """The owner, elsewhere: on the website, say."""


ENDED_BY = {
    ExitReason.STOP: EntryEnd.STOPPED,
    ExitReason.FLATTEN: EntryEnd.FLATTENED,
    ExitReason.TIME: EntryEnd.TIME_UP,
}
"""Why a position that is being sold for this buys no more."""


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
    GONE = "gone"
    """The node that made it stopped before the order reached the venue."""


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
    """A cash-out by hand: so many shares at `limit_price` or better, until a time.

    `everything`: also those that the entry buys until it is off the book.
    """

    command_id: str
    shares: Decimal
    limit_price: Decimal
    until: int
    sold: Decimal = ZERO
    everything: bool = False

    @property
    def left(self) -> Decimal:
        """Shares still to be sold."""
        return self.shares - self.sold


class Backoff(Struct, frozen=True):
    """Failures in a row of one role, and the time before which it is not tried again.

    `reason` are the venue's words for the last refusal; `is_lasting`: it would refuse again.
    """

    failures: int
    until: int
    reason: str = ""
    is_lasting: bool = False


class Touch(Struct, frozen=True):
    """Since when, and from which view of the book on, the price stands at the stop."""

    time: int
    quote_seq: int


class Request(Struct, frozen=True):
    """What the owner asked for, with what was amended since."""

    size: Decimal
    max_bid_price: Decimal
    sell_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    floor_price: Decimal = ZERO
    post_only: bool = False
    entry_expires_at: int | None = None
    terms: Terms = Terms()


class Ledger(Struct, frozen=True):
    """What changed hands: the sums of all fills, and the trades that they are the sums of.

    `settled` are the sold shares that the market's resolution paid out, `target_sold` those that a
    target sold. `released` are not sold: the owner took them out of the position.
    """

    bought: Decimal = ZERO
    cost: Decimal = ZERO
    buy_fees: Decimal = ZERO
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    sell_fees: Decimal = ZERO
    target_sold: Decimal = ZERO
    settled: Decimal = ZERO
    released: Decimal = ZERO
    payout: Decimal | None = None
    filled_at: int | None = None
    exit_time: int | None = None
    exit_reason: ExitReason | None = None
    trades: tuple[str, ...] = ()


class Decision(Struct, frozen=True):
    """What was decided about the position, and what it rests on.

    `priced_from` is the entry price that stop and targets count from, where they do.
    `missing` are shares of the ledger that the venue does not have: they are kept out of all sales.
    `target_off_at` is when a target was last taken off the book, unasked; with `targets_off` they
    stay off: that was the owner.
    """

    entry_ended: EntryEnd | None = None
    was_taken_off: bool = False
    raised_stop: Decimal | None = None
    priced_from: Decimal | None = None
    touch: Touch | None = None
    released_seq: int | None = None
    no_bid: bool = False
    sale: Sale | None = None
    cause: ExitReason | None = None
    stuck: Obstacle | None = None
    dust: bool = False
    dispute: str | None = None
    missing: Decimal = ZERO
    target_off_at: int = 0
    targets_off: bool = False


class Pacing(Struct, frozen=True):
    """What holds the next order up: the last exit's view of the book and time, and failures."""

    exit_seq: int = -1
    exit_at: int = 0
    attempts: int = 0
    backoffs: dict[Role, Backoff] = {}


class Position(Struct, frozen=True):
    """One position: what was asked for, what changed hands, what was decided, and what is live."""

    id: str
    market_id: str
    market: str
    outcome_id: str
    outcome: str
    created_at: int
    request: Request
    ledger: Ledger = Ledger()
    decision: Decision = Decision()
    pacing: Pacing = Pacing()
    orders: tuple[Order, ...] = ()
    next_order: int = 1
    phase: Phase = Phase.ENTERING
    seq: int = 0
    updated_at: int = 0

    @property
    def held(self) -> Decimal:
        """Shares bought, and neither sold yet nor released, by our own ledger."""
        return self.ledger.bought - self.ledger.sold - self.ledger.released

    @property
    def order_ids(self) -> list[str]:
        """The ids of all orders that were ever sent for it."""
        return [f"{self.id}-{number}" for number in range(1, self.next_order)]

    @property
    def stop_in_force(self) -> Decimal | None:
        """The stop as asked for, or as high as it was raised since."""
        if self.decision.raised_stop is None or self.request.stop_loss_price is None:
            return self.decision.raised_stop or self.request.stop_loss_price
        return max(self.decision.raised_stop, self.request.stop_loss_price)

    @property
    def sellable(self) -> Decimal:
        """Shares that can be sold: what is held, without what the venue says is not there."""
        return self.held - self.decision.missing

    @property
    def fees(self) -> Decimal:
        """All fees paid, in USDC."""
        return self.ledger.buy_fees + self.ledger.sell_fees

    @property
    def remaining(self) -> Decimal:
        """Shares of the asked size that are not bought."""
        return self.request.size - self.ledger.bought

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come of it, save a late event."""
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
        backoff = self.pacing.backoffs.get(role)
        # A clock that was set back must not hold an exit up for as long.
        return backoff is None or not 0 < backoff.until - now <= BACKOFF_MAX


SELLS = frozenset({Role.TARGET, Role.EXIT})
OVER = frozenset({Phase.CLOSED, Phase.CANCELLED, Phase.DUST})
PROTECTED = frozenset({Phase.FILLING, Phase.HOLDING, Phase.SELLING, Phase.DISPUTED})
"""Phases in which what is held has its stop armed."""
EXITS = frozenset({Phase.EXITING, Phase.WAITING})
"""Phases in which everything is to be sold."""


GROUPS: dict[str, str] = {
    field: group
    for group, kind in (
        ("request", Request),
        ("ledger", Ledger),
        ("decision", Decision),
        ("pacing", Pacing),
    )
    for field in kind.__struct_fields__
}
"""The group of a position that each field is in."""


def update(p: Position, **changes: Any) -> Position:
    """The position with these fields changed, each in the group that it is in."""
    groups: dict[str, Any] = {}
    for field, value in changes.items():
        group = GROUPS.get(field)
        if group is None:
            groups[field] = value
        else:
            groups[group] = replace(groups.get(group, getattr(p, group)), **{field: value})
    return replace(p, **groups)


def entry_price(p: Position) -> Decimal | None:
    """Average price paid per share, fees apart; None while nothing is bought."""
    return micro(p.ledger.cost / p.ledger.bought) if p.ledger.bought else None


def exit_price(p: Position) -> Decimal | None:
    """Average price received per share, fees apart; None while nothing is sold."""
    return micro(p.ledger.proceeds / p.ledger.sold) if p.ledger.sold else None


def realized_pnl(p: Position) -> Decimal:
    """Profit of what is sold, after the fees of both sides, in USDC."""
    if p.ledger.sold == 0:
        return ZERO
    paid = p.ledger.cost + p.ledger.buy_fees
    # More may be sold than is bought, where a buy failed to settle: all that was paid is gone then.
    share = (
        paid if p.ledger.sold >= p.ledger.bought else micro(paid * p.ledger.sold / p.ledger.bought)
    )
    return p.ledger.proceeds - p.ledger.sell_fees - share
