"""The events that may happen to a position; each brings its time.

An event that changed a position is an event of its story, stored under its `kind`. Values only:
`transitions` books them. Prices are USDC per share, sizes shares, money USDC, times nanoseconds.
"""

from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from positions.model.position import (
    ZERO,
    EntryEnd,
    ExitReason,
    Order,
    OrderEnd,
    Position,
    Role,
    Sale,
    SaleEnd,
)
from positions.model.terms import Slice, Terms
from positions.model.venue_rules import Obstacle


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Event(Struct, frozen=True, kw_only=True, tag_field="kind", tag=_snake):
    """Something that happened, at `time`."""

    time: int


class Opened(Event, frozen=True, kw_only=True):
    """A request was accepted: the position exists."""

    position: Position


class Adopted(Opened, frozen=True, kw_only=True):
    """Shares that the wallet held already are a position: it begins with them, and buys nothing."""


class Amended(Event, frozen=True, kw_only=True):
    """The owner changed the prices; the values are those that hold from now on."""

    max_bid_price: Decimal
    sell_price: Decimal | None
    stop_loss_price: Decimal | None
    terms: Terms | None = None
    """None = as they were."""
    keeps_raised_stop: bool | None = None
    """Whether a stop that was raised stays so; None = where `stop_loss_price` stays as it was."""
    size: Decimal | UnsetType = UNSET
    floor_price: Decimal | UnsetType = UNSET
    post_only: bool | UnsetType = UNSET
    entry_expires_at: int | UnsetType | None = UNSET
    """None = the entry does not expire any more. What is unset stays as it was."""


class TermsPriced(Event, frozen=True, kw_only=True):
    """What counts from the entry price is counted from this one: the prices that hold now."""

    entry_price: Decimal
    sell_price: Decimal | None
    stop_loss_price: Decimal | None
    targets: tuple[Slice, ...] = ()


class EntryEnded(Event, frozen=True, kw_only=True):
    """Nothing more is to be bought."""

    reason: EntryEnd


class SaleAsked(Event, frozen=True, kw_only=True):
    """The owner cashes out by hand."""

    sale: Sale


class SaleEnded(Event, frozen=True, kw_only=True):
    """The cash-out by hand is over; what is left is protected again."""

    command_id: str
    reason: SaleEnd
    sold: Decimal
    left: Decimal


class Triggered(Event, frozen=True, kw_only=True):
    """Everything is to be sold: the bid reached the stop, or the owner flattens."""

    cause: ExitReason
    bid: Decimal | None
    bid_size: Decimal
    stop_loss_price: Decimal | None


class Stuck(Event, frozen=True, kw_only=True):
    """An exit cannot sell now."""

    obstacle: Obstacle
    bid: Decimal | None


class Unstuck(Event, frozen=True, kw_only=True):
    """An exit can sell again."""

    bid: Decimal


class BidVanished(Event, frozen=True, kw_only=True):
    """The book has no bid any more; nothing is sold for that."""


class BidReturned(Event, frozen=True, kw_only=True):
    """The book has a bid again."""

    bid: Decimal


class OrderSent(Event, frozen=True, kw_only=True):
    """An order is handed to Nautilus."""

    order: Order


class OfOrder(Event, frozen=True, kw_only=True):
    """What happened to one order."""

    order_id: str


class OrderSigned(OfOrder, frozen=True, kw_only=True):
    """An order is signed and about to be posted; from now on the venue may know it by its hash."""

    venue_order_id: str


class OrderAccepted(OfOrder, frozen=True, kw_only=True):
    """The venue, or the emulator for a stop, has the order."""

    venue_order_id: str | None = None


class Fill(OfOrder, frozen=True, kw_only=True):
    """One order's part of a trade. `liquidity` is maker or taker; the fee is in USDC."""

    trade_id: str
    role: Role
    price: Decimal
    shares: Decimal
    fee: Decimal
    liquidity: str


class OrderFilled(Fill, frozen=True, kw_only=True):
    """Shares changed hands."""


class FillReversed(Fill, frozen=True, kw_only=True):
    """A reported trade failed to settle on the chain: nothing changed hands after all."""


class OwnerSold(Event, frozen=True, kw_only=True):
    """The owner sold shares of the position elsewhere: as a trade of the venue has it, in whole or
    in part, or, where `liquidity` is `word`, as the owner says."""

    trade_id: str
    price: Decimal
    shares: Decimal
    fee: Decimal
    liquidity: str


class Released(Event, frozen=True, kw_only=True):
    """The owner says that shares are none of the position's any more, and nothing was sold."""

    shares: Decimal


class OrderClosed(OfOrder, frozen=True, kw_only=True):
    """An order ended without being filled whole."""

    end: OrderEnd
    reason: str = ""


class CancelSent(OfOrder, frozen=True, kw_only=True):
    """A cancel is on its way; until it is confirmed the order may be filled."""


class CancelRefused(OfOrder, frozen=True, kw_only=True):
    """The venue did not cancel: the order may just have been filled or cancelled."""

    reason: str = ""


class StopReleased(OfOrder, frozen=True, kw_only=True):
    """The emulator says that the stop triggered; checked against our own view of the book."""

    quote_seq: int


class StopDismissed(Event, frozen=True, kw_only=True):
    """The emulator's trigger does not count: the bid is above where the stop is armed.

    It was only passed through, or the stop waits to be sure and stands at its hard stop."""

    bid: Decimal


class StopMoved(OfOrder, frozen=True, kw_only=True):
    """The armed stop now has this trigger and size."""

    price: Decimal
    shares: Decimal


class StopRaised(Event, frozen=True, kw_only=True):
    """The stop follows: it is raised because the watched price was `seen`; it never falls."""

    price: Decimal
    seen: Decimal


class StopTouched(Event, frozen=True, kw_only=True):
    """The watched price is at the stop; all is sold if it stays there."""

    seen: Decimal | None
    quote_seq: int


class StopRecovered(Event, frozen=True, kw_only=True):
    """The watched price is above the stop again."""

    seen: Decimal


class Settled(Event, frozen=True, kw_only=True):
    """The market is resolved: each share held pays `payout`, in USDC."""

    payout: Decimal
    shares: Decimal


class LeftAsDust(Event, frozen=True, kw_only=True):
    """What is held could not be sold at any price."""

    shares: Decimal


class NoMoreDust(Event, frozen=True, kw_only=True):
    """The tick changed: what could not be sold at any price can be."""

    shares: Decimal


class Disputed(Event, frozen=True, kw_only=True):
    """The ledger cannot be trusted until the venue is read again; `missing` are not there."""

    reason: str
    missing: Decimal = ZERO


class Restarted(Event, frozen=True, kw_only=True):
    """The node began anew: stops, views of the book and cancels under way are gone."""


class Reconciled(Event, frozen=True, kw_only=True):
    """The venue was read and has what the ledger says: a dispute is over."""


# fmt: off
AnyEvent = (
    Opened | Adopted | Amended | TermsPriced | EntryEnded | SaleAsked | SaleEnded | Triggered
    | Stuck | Unstuck
    | BidVanished | BidReturned | OrderSent | OrderSigned | OrderAccepted | OrderFilled
    | FillReversed | OwnerSold | Released | OrderClosed | CancelSent | CancelRefused | StopReleased
    | StopDismissed | StopMoved | StopRaised | StopTouched | StopRecovered | Settled | LeftAsDust
    | NoMoreDust | Disputed | Restarted | Reconciled
)
# fmt: on
