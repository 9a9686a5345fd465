"""Orders: those of a position, and what the record and the venue say of one. Pure."""

import re
from decimal import Decimal

from msgspec import Struct

from positions.model.position import Order, Position, Role

_POSITION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}-[0-9]{1,9}")
_VENUE_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")


def is_position_id(text: str) -> bool:
    """Whether a position may be called so: its orders' ids begin with it."""
    return _POSITION_ID.fullmatch(text) is not None


def is_venue_order_id(text: str) -> bool:
    """Whether the venue may call an order so: by a hash."""
    return _VENUE_ORDER_ID.fullmatch(text) is not None


class SignedOrder(Struct, frozen=True, omit_defaults=True):
    """An order that may have been posted, and its hash.

    `role` is None where only `sent.log` knows of it; `order` is then what the log says of it.
    """

    order_id: str
    venue_order_id: str
    role: Role | None = None
    order: Order | None = None


class VenueOrder(Struct, frozen=True):
    """An order of the wallet as the venue reports it, open or over."""

    venue_order_id: str
    outcome_id: str
    is_buy: bool
    price: Decimal
    shares: Decimal
    matched: Decimal
    is_open: bool
    immediate: bool = False


def is_order_id(text: str) -> bool:
    """Whether an order of ours may be called so: its position's id and a number."""
    return _ORDER_ID.fullmatch(text) is not None


def find(p: Position, order_id: str) -> Order | None:
    """The live order of this id, if there is one."""
    return next((o for o in p.orders if o.id == order_id), None)


def swap(p: Position, order: Order) -> tuple[Order, ...]:
    """The live orders with this one in the place of its earlier self."""
    return tuple(order if o.id == order.id else o for o in p.orders)


def drop(p: Position, order: Order) -> tuple[Order, ...]:
    """The live orders without this one."""
    return tuple(o for o in p.orders if o.id != order.id)
