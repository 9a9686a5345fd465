"""A position's live orders as a tuple: one found, replaced, or left out."""

import re

from positions.model.position import Order, Position

_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}-[0-9]{1,9}")


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
