"""What of a simulated account outlives the node: money, shares, resting orders, trades.

The account is kept in the node's own record, part by part as it changes, in the one queue through
which everything is written. So what is on disk after a crash is the state of a single moment that
was: the venue may be ahead of the ledger, as a real one may, but the ledger is never ahead of the
venue; `positions.engine.recovery` closes the gap. What had not been written has not happened, for
the venue as for the ledger.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec
from nautilus_trader.model.orders import Order as NautilusOrder

from positions.engine.recovery import Recovery, WalletReport, recover
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import Order as RecordedOrder
from positions.model.position import Position
from positions.model.soundness import AMOUNT_MAX
from positions.model.trades import Trade
from positions.storage.resume import EarlierState
from venues.simulated.matching import (
    Event,
    Filled,
    Order,
    Side,
    SimulatedPolymarket,
    TimeInForce,
    Token,
)

_RESTORED = {"money": 0, "token": 1, "order": 2, "trade": 3}
Entry = tuple[str, str, str]
"""Kind, id and content of one part of an account; the content is "" when the part is gone."""


@dataclass(slots=True)
class _Money:
    cash: Decimal
    redeemable: Decimal
    orders_made: int
    trades_made: int


class Account:
    """A simulated venue with its memory."""

    def __init__(self, cash: Decimal, shares: Mapping[str, Decimal] | None = None) -> None:
        self._gifts = dict(shares or {})
        self.venue = SimulatedPolymarket(cash)
        self.keep: Callable[[Iterable[Entry]], None] = _forget
        """Records parts that changed."""
        self._trades: list[Filled] = []

    def listed(self, token_id: str) -> None:
        """A token is tradable: what a new account has of it is there."""
        gift = self._gifts.pop(outcome(token_id), None)
        if gift is not None:
            self.venue.tokens[token_id].held += gift
            self.changed(token_id, ())

    # -- what is written ---------------------------------------------------------------------------

    def changed(self, token_id: str, events: Sequence[Event]) -> None:
        """Record what these events changed, before anyone is notified of them."""
        venue, token = self.venue, self.venue.tokens.get(token_id)
        money = _Money(venue.cash, venue.redeemable, venue.orders_made, venue.trades_made)
        entries = [("money", "", _encode(money))]
        if token is not None:
            entries.append(("token", token_id, _encode(replace(token, resting={}))))
            for order_id in dict.fromkeys(e.order_id for e in events):
                order = token.resting.get(order_id)
                entries.append(("order", order_id, "" if order is None else _encode(order)))
        entries += [("trade", e.trade_id, _encode(e)) for e in events if isinstance(e, Filled)]
        self.keep(entries)

    # -- what is read at a start -------------------------------------------------------------------

    def restore(self, entries: Iterable[Entry]) -> list[str]:
        """Take over what an earlier process kept; of trades, those that the ledger lacks.

        Returns what cannot be read of it, and is left out.
        """
        unread = []
        orders: list[Order] = []
        for kind, part_id, content in sorted(entries, key=lambda e: _RESTORED.get(e[0], 0)):
            try:
                self._restore(kind, part_id, content, orders)
            except Exception as e:
                why = f"{type(e).__name__}: {e}"[:200]
                unread.append(f"{kind} {part_id[:60]} of the simulated account: {why}")
        for order in sorted(orders, key=lambda o: o.venue_order_id.rjust(12)):
            self.venue.restore_order(order)
        return unread

    def _restore(self, kind: str, part_id: str, content: str, orders: list[Order]) -> None:
        match kind:
            case "money":
                money = msgspec.json.decode(content, type=_Money)
                _finite(money.cash, money.redeemable)
                self.venue.cash, self.venue.redeemable = money.cash, money.redeemable
                self.venue.orders_made = money.orders_made
                self.venue.trades_made = money.trades_made
            case "token":
                token = msgspec.json.decode(content, type=Token)
                _finite(token.held, token.payout)
                self.venue.restore(part_id, token)
                self._gifts.pop(outcome(part_id), None)
            case "order":
                order = msgspec.json.decode(content, type=Order)
                _finite(order.price, order.shares, order.filled)
                if order.token_id not in self.venue.tokens:
                    raise ValueError("its token is not there")
                orders.append(order)
            case "trade":
                trade = msgspec.json.decode(content, type=Filled)
                _finite(trade.price, trade.shares, trade.fee)
                self._trades.append(trade)
            case _:
                raise ValueError("is no part of an account")

    def signed(self, positions: Iterable[Position]) -> list[SignedOrder]:
        """The orders that the venue has, or has trades of, by our ids."""
        roles = {o.id: o.role for p in positions for o in p.orders}
        orders = [o for token in self.venue.tokens.values() for o in token.resting.values()]
        hashes = {o.order_id: o.venue_order_id for o in orders}
        hashes |= {t.order_id: t.venue_order_id for t in self._trades}
        return [SignedOrder(o, venue_id, roles.get(o)) for o, venue_id in hashes.items()]

    def report(self, positions: Iterable[Position]) -> WalletReport:
        """All that the venue reports of these positions."""
        tokens = self.venue.tokens.items()
        orders = {
            o.venue_order_id: _venue_order(outcome(token_id), o)
            for token_id, token in tokens
            for o in token.resting.values()
        }
        hashes = {o.venue_order_id for p in positions for o in p.orders if o.venue_order_id}
        hashes |= {t.venue_order_id for t in self._trades}
        return WalletReport(
            orders=orders,
            absent=frozenset(hashes - orders.keys()),
            trades=tuple(_trade(t) for t in self._trades),
            balances={outcome(i): t.held for i, t in tokens if t.payout is None},
        )

    async def recover(self, earlier: EarlierState, now: int) -> Recovery:
        """What became of the orders of an earlier process."""
        positions = earlier.positions
        signed, report = self.signed(positions), self.report(positions)
        return recover(positions, signed, report, now, earlier.others)

    def adopt(self, orders: Sequence[tuple[NautilusOrder, RecordedOrder]]) -> None:
        """The orders that rest are in the account already."""

    def payouts(self) -> dict[str, Decimal]:
        """What the resolved outcomes pay, by outcome id."""
        tokens = self.venue.tokens.items()
        return {outcome(i): t.payout for i, t in tokens if t.payout is not None}


def _finite(*values: Decimal | None) -> None:
    for value in values:
        if value is not None and not (value.is_finite() and abs(value) < AMOUNT_MAX):
            raise ValueError(f"{value} is no amount")


def outcome(token_id: str) -> str:
    """The outcome id in the name of an instrument, `condition-outcome.VENUE`."""
    return token_id.rpartition(".")[0].rpartition("-")[2] or token_id


def _venue_order(outcome_id: str, o: Order) -> VenueOrder:
    return VenueOrder(
        venue_order_id=o.venue_order_id,
        outcome_id=outcome_id,
        is_buy=o.side is Side.BUY,
        price=o.price or Decimal(0),
        shares=o.shares,
        matched=o.filled,
        is_open=True,
        immediate=o.time_in_force in (TimeInForce.IOC, TimeInForce.FOK),
    )


def _trade(t: Filled) -> Trade:
    return Trade(
        id=t.trade_id,
        venue_order_id=t.venue_order_id,
        price=t.price,
        shares=t.shares,
        fee=t.fee,
        is_maker=t.is_maker,
        time=t.time,
    )


def _encode(part: object) -> str:
    return msgspec.json.encode(part).decode()


def _forget(_: Iterable[Entry]) -> None:
    """Keep nothing."""
