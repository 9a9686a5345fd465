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
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import TradeParams

from positions.engine.adoption import Deal, Holding
from positions.engine.recovery import VenueOrder
from positions.model.position import ZERO
from positions.model.venue_rules import taker_fee
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import BalanceReader
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.trades import FINAL, Settlement, Trade
from venues.polymarket.execution.live_orders import LiveOrder, LiveOrders
from venues.polymarket.execution.open_orders import read_open_orders

_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0)
"""Seconds between two looks, while something is under way or the venue does not answer."""
_ERRORS_MAX = 3


class HoldingReader:
    """Asks for the shares of one wallet.

    Parameters
    ----------
    client
        The venue's REST interface.
    signature_type
        The kind of wallet.
    orders
        Our orders.
    ask
        Finds out about one of which the venue tells more than was heard.
    """

    def __init__(
        self,
        client: ClobClient,
        signature_type: int,
        orders: LiveOrders,
        ask: Callable[[LiveOrder], None],
    ) -> None:
        self._client = client
        self._read_balance = BalanceReader(client, signature_type).read
        self._orders = orders
        self._ask = ask
        self._funder = str(client.builder.funder)

    async def read(self, instrument: BinaryOption) -> Holding:
        """What the wallet has of an outcome; with a problem where that cannot be told."""
        problem, errors = "", 0
        for pause in (0.0, *_PAUSES):
            await asyncio.sleep(pause)
            try:
                found = await self._look(instrument)
            except Exception as e:
                problem, errors = describe_error(e), errors + 1
                if errors == _ERRORS_MAX:
                    break
            else:
                if found is not None:
                    return found
                problem = "trades of the outcome are not settled yet"
        return Holding(problem=problem)

    async def _look(self, instrument: BinaryOption) -> Holding | None:
        """What the wallet has; None while something of it is under way."""
        token = get_polymarket_token_id(instrument.id)
        before = self._matched(token)
        if any(o.tracker.has_unsettled or _is_under_way(o) for o in self._of(token)):
            return None
        shares = await self._read_balance(token)
        orders = await read_open_orders(self._client, _refuse)
        market = TradeParams(market=get_polymarket_condition_id(instrument.id))
        trades = await asyncio.to_thread(self._client.get_trades, market)
        told = dict.fromkeys(before, ZERO)
        deals = []
        for trade in trades:
            for hash_, asset, is_buy in parsing.legs_of(self._funder, trade):
                parts = parsing.trades_of(hash_, trade)
                if hash_ in told:
                    told[hash_] += sum((t.shares for t in parts), ZERO)
                if asset != token:
                    continue
                if any(t.status not in FINAL for t in parts):
                    return None
                deals += [
                    _deal(t, instrument.taker_fee, is_buy=is_buy)
                    for t in parts
                    if t.status is not Settlement.FAILED
                ]
        unheard = [o for o in self._of(token) if told.get(o.venue_order_id) != o.tracker.matched]
        for live in unheard:
            self._ask(live)
        if unheard or before != told:
            return None
        return Holding(shares, self._offered(orders, token), tuple(deals))

    def _matched(self, token: str) -> dict[str, Decimal]:
        """What each of our orders of an outcome matched, as far as was told."""
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


def _deal(t: Trade, fee_rate: Decimal, *, is_buy: bool) -> Deal:
    fee = ZERO if t.is_maker else taker_fee(t.shares, t.price, fee_rate)
    return Deal(t.id, is_buy, t.price, t.shares, fee, t.time)
