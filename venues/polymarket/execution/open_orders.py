"""The wallet's open orders, read in one way by all who need them."""

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from py_clob_client_v2.client import ClobClient

from positions.model.orders import VenueOrder
from positions.model.position import ZERO
from venues.polymarket.api import parsing
from venues.polymarket.api.parsing import Unreadable


async def read_open_orders(
    client: ClobClient, refuse: Callable[[str], None]
) -> dict[str, VenueOrder]:
    """Return the wallet's open orders by their hash; a row that makes no sense is refused alone."""
    orders = {}
    for row in await asyncio.to_thread(client.get_open_orders):
        try:
            order = parse_order(row)
        except Unreadable as e:
            refuse(f"an open order made no sense: {e}")
        else:
            orders[order.venue_order_id] = order
    return orders


def parse_order(row: Any) -> VenueOrder:
    """Return an order as the venue describes it.

    Raises Unreadable if it lacks a field, or one makes no sense.
    """
    if not isinstance(row, dict):
        raise Unreadable("an order was no object")
    return VenueOrder(
        venue_order_id=parsing.order_hash(parsing.name(row, "id")),
        outcome_id=parsing.name(row, "asset_id"),
        is_buy=parsing.text(row, "side").upper() == "BUY",
        price=parsing.number(row, "price"),
        shares=parsing.number(row, "original_size"),
        matched=parsing.number(row, "size_matched"),
        is_open=parsing.is_live(row),
        immediate=str(row.get("order_type", "")).upper() in ("FAK", "FOK"),
    )


def cost_of_buys(orders: Iterable[VenueOrder]) -> Decimal:
    """Return what buys may still take, in USDC; fees apart."""
    return sum((o.price * (o.shares - o.matched) for o in orders if o.is_buy), ZERO)
