"""Reads what the wallet has of one outcome, when nothing of it is under way.

Shares, open orders and trades are three answers of the venue, and the node trades meanwhile: they
are believed together only if every trade of the outcome is settled, our own orders have matched
what the venue says, and none of them matched more while it was asked.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.instruments import BinaryOption

from bridge.conversion import fee_schedule
from positions.engine.adoption import Holding
from positions.model.orders import VenueOrder
from positions.model.position import ZERO
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import BalanceReader
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.execution.live_orders import LiveOrder, LiveOrders
from venues.polymarket.execution.market_trades import get_trades
from venues.polymarket.execution.open_orders import read_open_orders

_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0)
"""Seconds between two looks, while something is under way or the venue does not answer."""
_ERRORS_MAX = 3


class HoldingReader:
    """Reads the shares of one wallet; `ask` reconciles an order that matched more than is known."""

    def __init__(
        self, balances: BalanceReader, orders: LiveOrders, ask: Callable[[LiveOrder], None]
    ) -> None:
        self._balances = balances
        self._client = balances.client
        self._orders = orders
        self._ask = ask
        self.funder = str(self._client.builder.funder)

    async def read(self, instrument: BinaryOption) -> Holding:
        """What the wallet has of an outcome; with a problem where that is not known."""
        problem, errors = "", 0
        for pause in (0.0, *_PAUSES):
            await asyncio.sleep(pause)
            try:
                found = await self.look(instrument)
            except Exception as e:
                problem, errors = describe_error(e), errors + 1
                if errors == _ERRORS_MAX:
                    break
            else:
                if found is not None:
                    return found
                problem = "trades of the outcome are not settled yet"
        return Holding(problem=problem)

    async def look(self, instrument: BinaryOption) -> Holding | None:
        """What the wallet has; None while something of it is under way."""
        token = get_polymarket_token_id(instrument.id)
        before = self._matched(token)
        if any(o.tracker.has_unsettled or _is_under_way(o) for o in self._of(token)):
            return None
        await self._balances.refresh(token)  # it reports what it last read
        shares = await self._balances.read(token)
        orders = await read_open_orders(self._client, _refuse)
        market = get_polymarket_condition_id(instrument.id)
        trades = await asyncio.to_thread(get_trades, self._client, market)
        parts = [
            part
            for trade in reversed(trades)  # the venue tells the newest first, to the second
            for hash_, *_ in parsing.legs_of(self.funder, trade)
            for part in parsing.trades_of(hash_, trade)
        ]
        matched = dict.fromkeys(before, ZERO)
        for part in parts:
            if part.venue_order_id in matched:
                matched[part.venue_order_id] += part.shares
        fee = fee_schedule(instrument)
        parts = [t.charged(fee) for t in parts if t.outcome_id == token]
        if not all(t.is_settled for t in parts):
            return None
        missed = [o for o in self._of(token) if matched.get(o.venue_order_id) != o.tracker.matched]
        for live in missed:
            self._ask(live)
        if missed or before != matched:
            return None
        own = tuple(t for t in parts if not t.is_failed)
        known = ((t.venue_order_id, self._orders.by_hash(t.venue_order_id)) for t in own)
        order_ids = {hash_: live.id for hash_, live in known if live is not None}
        return Holding(shares, self._offered(orders, token), own, order_ids)

    def _matched(self, token: str) -> dict[str, Decimal]:
        """What each of our orders of an outcome matched, as far as was reported."""
        return {o.venue_order_id: o.tracker.matched for o in self._of(token)}

    def _of(self, token: str) -> Iterator[LiveOrder]:
        return (o for o in self._orders if get_polymarket_token_id(o.order.instrument_id) == token)

    def _offered(self, orders: Mapping[str, VenueOrder], token: str) -> Decimal:
        """What foreign sells of the outcome may still take."""
        return sum(
            (
                o.shares - o.matched
                for h, o in orders.items()
                if o.outcome_id == token and not o.is_buy and self._orders.by_hash(h) is None
            ),
            ZERO,
        )


def _refuse(text: str) -> None:
    """What cannot be read may be a sale of the very shares that are to be adopted."""
    raise Unreadable(text)


def _is_under_way(live: LiveOrder) -> bool:
    return not live.tracker.is_over and (live.is_immediate or not live.posted.is_set())
