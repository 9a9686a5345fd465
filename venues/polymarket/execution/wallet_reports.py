"""Reads the venue's reports of a wallet: what became of its orders while no node was running."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from py_clob_client_v2.exceptions import PolyApiException

from positions.engine.recovery import WalletReport
from positions.model.durations import SECOND
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import ZERO, Order, OrderState, Position
from positions.model.trades import Trade
from positions.model.venue_rules import FeeSchedule
from venues.polymarket.api import parsing
from venues.polymarket.api.clob import BalanceReader
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.execution.live_orders import CLOCK_MARGIN, POST_AGAIN_SECONDS, gone_seconds
from venues.polymarket.execution.market_trades import get_trades
from venues.polymarket.execution.open_orders import parse_order, read_open_orders


class WalletReader:
    """Reads one wallet's orders, trades and shares.

    `refuse` takes a line about each row that makes no sense, `heed` about each trade that is read
    all the same; "" where there is nothing.
    """

    def __init__(
        self,
        balances: BalanceReader,
        fee: Callable[[str], FeeSchedule],
        refuse: Callable[[str], None],
        heed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._balances = balances
        self._client = balances.client
        self._funder = str(self._client.builder.funder)
        self._heed = heed
        self._fee = fee
        self._refuse = refuse

    async def read(
        self, positions: Sequence[Position], signed: Iterable[SignedOrder], now: int
    ) -> WalletReport:
        """Everything that the venue reports of these positions.

        Raises
        ------
        Exception
            Whatever keeps the venue from answering; nothing is known then.
        """
        signed = list(signed)
        live = {o.venue_order_id for p in positions for o in p.orders if o.venue_order_id}
        lost = {s.venue_order_id for s in signed if s.role is None}
        hashes = live | {s.venue_order_id for s in signed}
        orders = await read_open_orders(self._client, self._refuse)
        trades = await self._read_trades(positions, hashes)
        traded = {t.venue_order_id for t in trades}
        sent = {s.venue_order_id: s.order for s in signed if s.order is not None}
        sent |= {o.venue_order_id: o for p in positions for o in p.orders if o.venue_order_id}
        absent = set()
        for hash_ in sorted((live | lost) - orders.keys()):
            try:
                order = await self._read_order(hash_)
            except Unreadable as e:  # as if the venue had not answered: it stays as it is
                self._refuse(f"order {hash_} made no sense: {e}")
                continue
            if order is not None:
                orders[hash_] = order
            elif hash_ in traded or not _may_still_arrive(sent.get(hash_), now):
                absent.add(hash_)  # of what has traded and is not found nothing more comes
        balances = await self._read_balances(positions, trades)
        foreign: dict[str, list[Trade]] = {h: [] for h in traded - hashes - orders.keys()}
        for trade in trades:
            if trade.venue_order_id in foreign:
                foreign[trade.venue_order_id].append(trade)
        sales = {h: _sale(h, made) for h, made in foreign.items()}
        orders |= {h: sale for h, sale in sales.items() if sale is not None}
        known = hashes | orders.keys()
        fees = {outcome: self._fee(outcome) for outcome in {t.outcome_id for t in trades}}
        return WalletReport(
            orders=orders,
            absent=frozenset(absent),
            trades=tuple(
                replace(t.charged(fees[t.outcome_id]), time=t.at(now))
                for t in trades
                if t.venue_order_id in known
            ),
            balances=balances,
        )

    async def _read_trades(self, positions: Sequence[Position], hashes: set[str]) -> list[Trade]:
        """The trades of our orders and of the wallet's other sales."""
        begun: dict[str, int] = {}
        outcomes = {p.market_id: set[str]() for p in positions}
        for p in positions:
            begun[p.market_id] = min(p.created_at, begun.get(p.market_id, p.created_at))
            outcomes[p.market_id].add(p.outcome_id)
        trades: list[Trade] = []
        for market, since in begun.items():
            after = since // SECOND - CLOCK_MARGIN
            for trade in await asyncio.to_thread(get_trades, self._client, market, after):
                try:
                    trades += self._parts(trade, outcomes[market], hashes)
                except Unreadable as e:
                    if hashes & set(parsing.order_ids(trade)):
                        raise
                    self._refuse(f"a trade of a foreign order made no sense: {e}")
        return trades

    def _parts(self, trade: Mapping[str, Any], outcomes: set[str], hashes: set[str]) -> list[Trade]:
        """Our orders' parts of a trade, and those of the wallet's other sales."""
        legs = parsing.legs_of(self._funder, trade)
        # Of others only sales matter: one may be ours, and its hash lost.
        sales = {h for h, outcome, buys in legs if outcome in outcomes and not buys}
        wanted = [h for h in parsing.order_ids(trade) if h in hashes or h in sales]
        if wanted:
            self._heed(parsing.unknown_settlement(trade))
        return [part for hash_ in wanted for part in parsing.trades_of(hash_, trade)]

    async def _read_balances(
        self, positions: Sequence[Position], trades: Iterable[Trade]
    ) -> dict[str, Decimal]:
        """Shares of the outcomes that may be held; not of those of which a trade is under way."""
        traded = {t.outcome_id for t in trades}
        unsettled = {t.outcome_id for t in trades if not t.is_settled}
        held = {
            p.outcome_id
            for p in positions
            if p.ledger.payout is None and (p.held > 0 or p.outcome_id in traded)
        }
        return {outcome: await self._balances.read(outcome) for outcome in sorted(held - unsettled)}

    async def _read_order(self, hash_: str) -> VenueOrder | None:
        try:
            order = await asyncio.to_thread(self._client.get_order, hash_)
        except PolyApiException as e:
            if e.status_code == 404:
                return None
            raise
        return parse_order(order) if isinstance(order, dict) and order.get("id") else None


def _sale(hash_: str, trades: Iterable[Trade]) -> VenueOrder | None:
    """A sale of which the venue reports the trades alone; None if none of them holds."""
    made = [t for t in trades if not t.is_failed]
    shares = sum((t.shares for t in made), ZERO)
    if not made:
        return None
    return VenueOrder(
        venue_order_id=hash_,
        outcome_id=made[0].outcome_id,
        is_buy=False,
        price=min(t.price for t in made),
        shares=shares,
        matched=shares,
        is_open=False,
        immediate=not any(t.is_maker for t in made),
    )


def _may_still_arrive(order: Order | None, now: int) -> bool:
    """Whether a post that was under way when the node died could still be taken, or reported."""
    if order is None or order.state is not OrderState.SENT:
        return False
    late = POST_AGAIN_SECONDS + gone_seconds(is_immediate=order.immediate)
    return now < order.sent_at + int(late * SECOND)
