"""A position's live orders as a tuple: one found, replaced, or left out."""

from positions.model.position import Order, Position


def find(p: Position, order_id: str) -> Order | None:
    """The live order of this id, if there is one."""
    return next((o for o in p.orders if o.id == order_id), None)


def swap(p: Position, order: Order) -> tuple[Order, ...]:
    """The live orders with this one in the place of its earlier self."""
    return tuple(order if o.id == order.id else o for o in p.orders)


def drop(p: Position, order: Order) -> tuple[Order, ...]:
    """The live orders without this one."""
    return tuple(o for o in p.orders if o.id != order.id)
