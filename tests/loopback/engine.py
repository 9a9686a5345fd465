"""The venue's matching: price and time, outside liquidity and client orders alike, all exact.

A market's two outcomes share one book, so that buying one at p may meet buying the other at 1 - p.
Runs in one thread, knows no socket; it tells a `Listener` of what happens.
"""

import itertools
from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple, Protocol

from loopback import rules
from loopback.agenda import Agenda
from loopback.faults import Faults
from loopback.ledger import (
    CASH,
    ONE,
    ZERO,
    Kind,
    Ledger,
    Leg,
    Level,
    Market,
    Order,
    Side,
    Trade,
    digits,
)
from loopback.rules import MICRO, Refused

OUTSIDE = "0x" + "77" * 20
"""The wallet of all outside liquidity."""


class Listener(Protocol):
    """Is told of what happens."""

    def book_changed(self, market: Market) -> None:
        """Sizes of a market's book changed."""

    def traded(self, trade: Trade) -> None:
        """Orders met."""

    def settled(self, trade: Trade) -> None:
        """A trade's settlement came further."""

    def order_said(self, order: Order, event: str, status: str = "") -> None:
        """An order was placed, matched (UPDATE) or cancelled."""


class Match(NamedTuple):
    """What a taker meets: an order, or a level of outside liquidity. In the book's terms."""

    met: Order | Level
    price: Decimal
    shares: Decimal


class Engine:
    """The venue itself.

    Parameters
    ----------
    sellable_after
        Seconds for which just-bought shares cannot be sold.
    mined_after, confirmed_after
        Seconds from the match to each settlement state.
    """

    def __init__(self, agenda: Agenda, faults: Faults, listener: Listener, ledger: Ledger) -> None:
        self.agenda = agenda
        self.faults = faults
        self.ledger = ledger
        self.sellable_after = 0.0
        self.mined_after = 0.05
        self.confirmed_after = 0.1
        self._listener = listener
        self._sequence = itertools.count(1)

    # -- client orders -----------------------------------------------------------------------------

    def next_sequence(self) -> int:
        """The next place in time."""
        return next(self._sequence)

    def place(self, order: Order) -> list[Trade]:
        """Take a client's order; the trades it made at once. See `order.status` for what it is now.

        Raises
        ------
        Refused
            If it breaks a rule, or is immediate and was not matched as it had to be.
        """
        if order.id in self.ledger.orders:
            raise Refused(f"order {order.id} is invalid. Duplicated.")
        is_marketable = bool(self._matches(order)) or not order.kind.rests
        rules.check(order, order.market, self.agenda.now(), is_marketable=is_marketable)
        unsellable = self._unsellable(order)
        rules.check_funds(order, self.ledger, unsellable, is_marketable=is_marketable)
        if is_marketable and self.faults.order_delay > 0:
            order.status = "DELAYED"
            self.ledger.take(order)
            self.agenda.later(self.faults.order_delay, lambda: self._match_delayed(order))
            return []
        matches = self._matches(order)
        self._check_immediate(order, matches)
        self.ledger.take(order)
        return self._execute(order, matches)

    def _unsellable(self, order: Order) -> Decimal:
        if order.side is Side.BUY or not self.sellable_after:
            return ZERO
        since = self.agenda.now() - self.sellable_after
        return self.ledger.account(order.maker).bought_since(order.token, since)

    def _check_immediate(self, order: Order, matches: list[Match]) -> None:
        if order.kind is Kind.FAK and not matches:
            raise Refused(rules.NO_MATCH)
        if order.kind is Kind.FOK and not self._fills_whole(order, matches):
            raise Refused(rules.NOT_FILLED)

    def _fills_whole(self, order: Order, matches: list[Match]) -> bool:
        if order.spend is None:
            return sum((m.shares for m in matches), ZERO) == order.size
        paid = sum((m.shares * self._own_price(order, m) for m in matches), ZERO)
        return order.spend - paid < MICRO

    def _own_price(self, order: Order, match: Match) -> Decimal:
        return order.market.frame(order.token, order.side, match.price)[1]

    def _match_delayed(self, order: Order) -> None:
        if order.status != "DELAYED":
            return
        order.status = "LIVE"
        matches = self._matches(order)
        try:
            self._check_immediate(order, matches)
        except Refused:
            self._end(order, "CANCELED", self._killed_status())
        else:
            self._execute(order, matches)

    def _execute(self, order: Order, matches: list[Match]) -> list[Trade]:
        leg = self._leg(order, order.token, order.side, order.price)
        trades = [self._trade(order.market, leg, matches)] if matches else []
        is_filled = order.left <= 0 or (
            order.spend is not None and self._fills_whole(order, matches)
        )
        if is_filled:
            order.status = "MATCHED"
        elif order.kind.rests:
            order.market.resting.append(order)
            self._listener.order_said(order, "PLACEMENT")
            if order.kind is Kind.GTD:
                ends = order.expiration - rules.GTD_MARGIN
                self.agenda.at(ends, lambda: self.cancel(order.id))
        for trade in trades:
            self._listener.traded(trade)
        if not is_filled and not order.kind.rests:
            self._end(order, "CANCELED", self._killed_status())
        self._listener.book_changed(order.market)
        return trades

    def _killed_status(self) -> str:
        return rules.KILLED if self.faults.killed_text else "CANCELED"

    def cancel(self, order_id: str, status: str = "CANCELED") -> bool:
        """Take an order off the book; whether it was there."""
        order = self.ledger.orders.get(order_id)
        if order is None or not order.is_open:
            return False
        self._end(order, status)
        self._listener.book_changed(order.market)
        return True

    def _end(self, order: Order, status: str, told: str = "") -> None:
        order.status = status
        if order in order.market.resting:
            order.market.resting.remove(order)
        self._listener.order_said(order, "CANCELLATION", told or status)

    # -- outside liquidity -------------------------------------------------------------------------

    def set_outside(
        self, market: Market, token: str, levels: Mapping[Side, Iterable[tuple[Decimal, Decimal]]]
    ) -> None:
        """Replace all outside liquidity of a market; what meets client orders trades with them."""
        framed: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
        for side, pairs in levels.items():
            for price, size in pairs:
                if not 0 < price < 1 or size < 0:
                    raise ValueError(f"level was {price} x {size}, must be inside (0, 1), from 0")
                book_side, book_price = market.frame(token, side, price)
                framed[book_side][book_price] = size
        bids, asks = framed[Side.BUY], framed[Side.SELL]
        if bids and asks and max(bids) >= min(asks):
            raise ValueError(f"outside bid {max(bids)} was at or above outside ask {min(asks)}")
        before = market.outside
        market.outside = {Side.BUY: {}, Side.SELL: {}}
        for side, wanted in framed.items():
            for price in sorted(wanted, reverse=side is Side.BUY):
                self._show(market, side, price, wanted[price], before[side].get(price))
        self._listener.book_changed(market)

    def _show(
        self, market: Market, side: Side, price: Decimal, size: Decimal, before: Level | None
    ) -> None:
        left = size - self._sweep(market, side, price, size)
        if left > 0:
            keeps_place = before is not None and before.size >= left
            sequence = before.sequence if before and keeps_place else self.next_sequence()
            market.outside[side][price] = Level(price, left, sequence)

    def take(
        self, market: Market, token: str, side: Side, price: Decimal, size: Decimal
    ) -> Decimal:
        """Let an outside order take what the book shows; the shares it got."""
        book_side, book_price = market.frame(token, side, price)
        got = self._sweep(market, book_side, book_price, size)
        self._listener.book_changed(market)
        return got

    def _sweep(self, market: Market, side: Side, limit: Decimal, size: Decimal) -> Decimal:
        matches = self._meet(market, side, limit, size, None)
        if matches:
            leg = self._leg(None, market.tokens[0], side, limit)
            self._listener.traded(self._trade(market, leg, matches))
        return sum((m.shares for m in matches), ZERO)

    # -- matching ----------------------------------------------------------------------------------

    def _matches(self, order: Order) -> list[Match]:
        return self._meet(
            order.market, order.book_side, order.book_price, order.left, order.spend, order.token
        )

    def _meet(
        self,
        market: Market,
        side: Side,
        limit: Decimal,
        size: Decimal,
        spend: Decimal | None,
        token: str = "",
    ) -> list[Match]:
        """What an order would meet: best price first, then the earliest."""
        matches = []
        for price, met in self._queue(market, side.other, limit):
            offered = met.size if isinstance(met, Level) else met.left
            if spend is None:
                shares = min(size, offered)
                size -= shares
            else:
                own = price if market.is_first(token) else ONE - price
                shares = min((spend / own).quantize(MICRO, ROUND_FLOOR), offered)
                spend -= shares * own
            if shares <= 0:
                break
            matches.append(Match(met, price, shares))
        return matches

    def _queue(
        self, market: Market, side: Side, limit: Decimal
    ) -> list[tuple[Decimal, Order | Level]]:
        waiting: list[tuple[Decimal, Order | Level]] = [
            (level.price, level) for level in market.outside[side].values()
        ]
        waiting += [(o.book_price, o) for o in market.resting if o.book_side is side]
        sign = 1 if side is Side.SELL else -1
        within = [(p, w) for p, w in waiting if p * sign <= limit * sign]
        return sorted(within, key=lambda pair: (pair[0] * sign, pair[1].sequence))

    def _trade(self, market: Market, taker: Leg, matches: list[Match]) -> Trade:
        now = self.agenda.now()
        taker_side = market.frame(taker.token, taker.side, taker.price)[0]
        makers = [self._maker_leg(market, taker_side, match) for match in matches]
        by_price: dict[Decimal, Decimal] = {}
        for match in matches:
            price = market.frame(taker.token, taker.side, match.price)[1]
            by_price[price] = by_price.get(price, ZERO) + match.shares
        taker.shares = sum(by_price.values(), ZERO)
        taker.amount = sum((p * s for p, s in by_price.items()), ZERO)
        if taker.order is not None:
            taker.fee = sum((rules.fee(s, p, market.fee_rate) for p, s in by_price.items()), ZERO)
        last = list(by_price)[-1]
        index = next(self._sequence)
        seed = digits("trade", market.condition_id, index, now)
        trade_id = f"{seed[:8]}-{seed[8:12]}-4{seed[13:16]}-8{seed[17:20]}-{seed[20:32]}"
        trade = Trade(trade_id, market, taker, makers, last, now, now)
        trade.transaction_hash = "0x" + digits("transaction", trade_id)
        self._book(trade, ONE)
        market.last_price = matches[-1].price
        self.ledger.trades.append(trade)
        self.agenda.later(self.mined_after, lambda: self.mine(trade))
        return trade

    def _leg(self, order: Order | None, token: str, side: Side, price: Decimal) -> Leg:
        if order is not None:
            return Leg(
                order, order.id, token, side, price, ZERO, ZERO, ZERO, order.maker, order.owner
            )
        order_id = "0x" + digits("outside", next(self._sequence))
        return Leg(None, order_id, token, side, price, ZERO, ZERO, ZERO, OUTSIDE, "outside")

    def _maker_leg(self, market: Market, taker_side: Side, match: Match) -> Leg:
        met = match.met
        if isinstance(met, Order):
            leg = self._leg(met, met.token, met.side, met.price)
        else:
            leg = self._leg(None, market.tokens[0], taker_side.other, match.price)
            met.size -= match.shares
            if met.size <= 0:
                del market.outside[taker_side.other][met.price]
        leg.shares, leg.amount = match.shares, leg.price * match.shares
        return leg

    # -- settlement --------------------------------------------------------------------------------

    def _book(self, trade: Trade, sign: Decimal) -> None:
        now = self.agenda.now()
        for leg in trade.legs:
            if leg.order is None:
                continue
            account = self.ledger.account(leg.wallet)
            way = sign if leg.side is Side.BUY else -sign
            account.change(now, CASH, -way * leg.amount - sign * leg.fee)
            account.change(now, leg.token, way * leg.shares, is_bought=way > 0 and sign > 0)
            if sign > 0:
                self._count(leg.order, leg.shares, trade)

    def _count(self, order: Order, shares: Decimal, trade: Trade) -> None:
        order.matched += shares
        order.trades.append(trade)
        if order in order.market.resting and order.left <= 0:
            order.status = "MATCHED"
            order.market.resting.remove(order)

    def mine(self, trade: Trade) -> None:
        """Let a trade settle, or fail to."""
        if trade.is_final:
            return
        if self.ledger.awaits_shares(trade) or self.faults.takes_retry():
            self._settle(trade, "RETRYING")
            self.agenda.later(self.mined_after, lambda: self.mine(trade))
        elif self.faults.takes_failure():
            self.fail(trade)
        else:
            self._settle(trade, "MINED")
            self.agenda.later(self.confirmed_after, lambda: self._confirm(trade))

    def _confirm(self, trade: Trade) -> None:
        if not trade.is_final:
            self._settle(trade, "CONFIRMED")

    def _settle(self, trade: Trade, status: str) -> None:
        trade.status, trade.updated_at = status, self.agenda.now()
        self._listener.settled(trade)

    def fail(self, trade: Trade) -> None:
        """Let a trade fail to settle: cash and shares go back, and what was done with them since
        cannot settle either."""
        if trade.is_final:
            raise ValueError(f"trade {trade.id} was {trade.status}, can no longer fail")
        self._book(trade, -ONE)
        self._settle(trade, "FAILED")
        for leg in trade.legs:
            if leg.order is not None:
                self._cover(leg.wallet, leg.token)
                self._cover(leg.wallet, CASH)

    def _cover(self, wallet: str, what: str) -> None:
        """End what a wallet can no longer deliver: open orders first, then unsettled trades."""
        held = self.ledger.account(wallet).held
        for order in reversed(self.ledger.open_orders(wallet)):
            takes = CASH if order.side is Side.BUY else order.token
            if takes == what and self.ledger.locked(wallet, what) > max(held(what), ZERO):
                self.cancel(order.id)
        if held(what) < 0:
            for trade in reversed(self.ledger.trades):
                if not trade.is_final and any(_gave(leg, wallet, what) for leg in trade.legs):
                    self.fail(trade)
                    return

    # -- the market's end --------------------------------------------------------------------------

    def withdraw(self, market: Market, status: str = "CANCELED") -> None:
        """Cancel every client order of a market, as the venue does when a game starts."""
        for order in [o for o in self.ledger.orders.values() if o.market is market]:
            self.cancel(order.id, status)

    def resolve(self, market: Market, payouts: tuple[Decimal, Decimal]) -> None:
        """End a market at what its outcomes pay."""
        self.withdraw(market, "CANCELED_MARKET_RESOLVED")
        market.is_accepting, market.is_closed, market.payouts = False, True, payouts
        self.set_outside(market, market.tokens[0], {})


def _gave(leg: Leg, wallet: str, what: str) -> bool:
    given = CASH if leg.side is Side.BUY else leg.token
    return leg.order is not None and leg.wallet.lower() == wallet.lower() and given == what
