"""What to book at a start: the record that an earlier process left, held against the venue.

A node that was killed knows what it had committed, and what `sent.log` says was posted. The venue
knows the rest. `recover` takes both and gives the events that make the record true again, before
anything new is sent. It rests on the order in which a node writes and acts:

1. An entry is committed, then signed, then its hash is committed, and only then is it posted. So an
   entry without a hash was never posted, and one with a hash may have been.
2. A sale's hash is in `sent.log` before it is posted; its other records follow. So the venue may
   have a sale that the record does not know, under an id that the log does.
3. A stop stands in the process alone and goes with it.

Pure and total: every order ends adopted (it stays live), completed (its trades are booked),
cancelled, or known never to have reached the venue; where the venue gave no answer an order stays
as it is, since it may be filled until the venue says otherwise. Events that are booked already
change nothing, so a start that was cut short is simply made again. Shares, USDC, nanoseconds.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from positions.engine.balances import compare, may_lag
from positions.engine.transitions import apply, has_story
from positions.model.durations import SECOND
from positions.model.events import (
    AnyEvent,
    Disputed,
    FillReversed,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderSent,
    OrderSigned,
    Restarted,
)
from positions.model.orders import SignedOrder, VenueOrder, find, is_order_id
from positions.model.position import (
    SELLS,
    ZERO,
    Order,
    OrderEnd,
    OrderState,
    Position,
    Role,
)
from positions.model.trades import Trade
from positions.model.venue_rules import micro


class WalletReport(Struct, frozen=True):
    """What the venue reports of a wallet.

    Parameters
    ----------
    orders
        Every open order of the wallet, those asked for by their hash that are over, and sales that
        trades name, as these have them.
    absent
        Hashes that the venue was asked for and does not know; only once a post that was under way
        at the crash can no longer arrive.
    trades
        The wallet's trades in the outcomes of open positions since the last one booked.
    balances
        Shares by outcome id. Only outcomes that are not resolved and have no trade under way; one
        that is left out is not compared.
    """

    orders: Mapping[str, VenueOrder] = {}
    absent: frozenset[str] = frozenset()
    trades: tuple[Trade, ...] = ()
    balances: Mapping[str, Decimal] = {}

    def trades_by_order(self) -> dict[str, list[Trade]]:
        """The trades of each order, by its hash."""
        trades: dict[str, list[Trade]] = defaultdict(list)
        for trade in self.trades:
            trades[trade.venue_order_id].append(trade)
        return trades


class Recovery(Struct, frozen=True):
    """What follows.

    Parameters
    ----------
    unanswered
        Orders that the venue did not report enough of; ask for them again.
    cancel
        Open orders of ours that no position has any more.
    foreign
        Open orders of the wallet that are not ours.
    errors
        What was raised for single positions, which go on as they were recorded.
    """

    events: tuple[tuple[str, AnyEvent], ...]
    unanswered: tuple[str, ...]
    cancel: tuple[str, ...]
    foreign: tuple[VenueOrder, ...]
    errors: tuple[Exception, ...] = ()


def recover(
    positions: Sequence[Position],
    signed: Iterable[SignedOrder],
    report: WalletReport,
    now: int,
    others: Container[str] = (),
) -> Recovery:
    """The events to book before anything is sent.

    Parameters
    ----------
    positions
        Positions that are not over, or were lately, as recorded.
    signed
        The hashes that the record and `sent.log` know, of live orders and of past ones.
    others
        Ids of positions that are recovered by themselves: their orders are left alone.
    """
    work = _Reconciliation(positions, signed, report, now)
    for position_id in work.positions:
        work.attempt(position_id)
    work.whole(work.claim)
    work.whole(work.compare_balances)
    return work.result(others)


class _Reconciliation:
    """One recovery under way."""

    def __init__(
        self,
        positions: Sequence[Position],
        signed: Iterable[SignedOrder],
        report: WalletReport,
        now: int,
    ) -> None:
        self.positions = {p.id: p for p in positions}
        self._report = report
        self._now = now
        self._recorded_at: dict[str, int] = {}
        for p in positions:
            before = self._recorded_at.get(p.outcome_id, 0)
            self._recorded_at[p.outcome_id] = max(before, p.updated_at)
        self._errors: list[Exception] = []
        self._signed = {s.order_id: s for s in signed if is_order_id(s.order_id)}
        for order in (o for p in positions for o in p.orders if o.venue_order_id):
            assert order.venue_order_id is not None
            self._signed[order.id] = SignedOrder(order.id, order.venue_order_id, order.role)
        self._ours = {s.venue_order_id for s in self._signed.values()}
        self._trades = report.trades_by_order()
        self._of: dict[str, list[SignedOrder]] = defaultdict(list)
        for one in sorted(self._signed.values(), key=lambda s: _number(s.order_id)):
            self._of[one.order_id.rpartition("-")[0]].append(one)
        self._events: list[tuple[str, AnyEvent]] = []
        # A trade of an unknown order may be that of a sale whose hash was lost.
        named = self._trades.keys() - self._ours - report.orders.keys()
        self._unanswered = dict.fromkeys(sorted(named), "")

    def attempt(self, position_id: str) -> None:
        """Settle one position; what raises leaves it as it is recorded, and disputed."""
        before, count = self.positions[position_id], len(self._events)
        try:
            self.settle(position_id)
        except Exception as e:
            self._errors.append(e)
            self.positions[position_id] = before
            del self._events[count:]
            reason = f"what became of its orders is not known: {type(e).__name__}: {e}"[:200]
            with suppress(Exception):  # then the engine disputes it
                self._book(position_id, Restarted(time=self._now))
                disputed = Disputed(time=self._now, reason=reason, missing=before.decision.missing)
                self._book(position_id, disputed)

    def whole(self, look: Callable[[], None]) -> None:
        """Look at all positions together; what raises keeps nothing that is known from being so."""
        before, count = dict(self.positions), len(self._events)
        try:
            look()
        except Exception as e:
            self._errors.append(e)
            self.positions = before
            del self._events[count:]

    def settle(self, position_id: str) -> None:
        """Book what became of one position's orders."""
        was_over = self.positions[position_id].is_over
        if not was_over:
            self._book(position_id, Restarted(time=self._now))
        for one in self._of[position_id]:
            self._trace(position_id, one)
        if was_over and not self.positions[position_id].is_over:  # a trade of it has failed
            self._book(position_id, Restarted(time=self._now))
        for order in self.positions[position_id].orders:
            if order.role is Role.STOP:
                continue
            hash_ = self._hash(self.positions[position_id], order)
            if hash_ is None:
                self._close(position_id, order, OrderEnd.GONE, "it was never sent")
            else:
                if order.venue_order_id is None:
                    # `sent.log` is emptied, and a sale that nobody knows by its hash then passes
                    # for that of another position, which was alike.
                    signed = OrderSigned(time=self._now, order_id=order.id, venue_order_id=hash_)
                    self._book(position_id, signed)
                self._book_trades(position_id, order.id, order.role, hash_)
                self._conclude(position_id, order.id, hash_)

    def _trace(self, position_id: str, one: SignedOrder) -> None:
        """Find a signed order that is not live in the record: lost from it, or past."""
        p = self.positions[position_id]
        if any(o.id == one.order_id for o in p.orders):
            return
        hash_ = one.venue_order_id
        if _number(one.order_id) < p.next_order:
            if one.role is not None:
                self._book_trades(position_id, one.order_id, one.role, hash_)
            return
        found, order = self._report.orders.get(hash_), one.order
        # The venue does not find yet what is new, and no more what is over, but reports its trades.
        is_nothing = hash_ in self._report.absent and all(t.is_failed for t in self._trades[hash_])
        if found is not None:
            self._book(position_id, OrderSent(time=self._now, order=_lost(one, found, self._now)))
        elif order is not None and not is_nothing:
            order = replace(order, venue_order_id=hash_, quote_seq=-1)
            self._book(position_id, OrderSent(time=self._now, order=order))
        elif hash_ not in self._report.absent:
            self._unanswered[hash_] = p.outcome_id

    def _hash(self, p: Position, order: Order) -> str | None:
        """What the venue knows an order by; None if it cannot know it."""
        known = self._signed.get(order.id)
        if order.role not in SELLS:
            # What `sent.log` has under an entry's id is a sale that was never posted.
            return None if known is None or known.role is None else known.venue_order_id
        if known is not None:
            return known.venue_order_id
        # A power cut may take the end of `sent.log`: a sale is then known by what it looks like.
        for hash_, found in sorted(self._report.orders.items(), key=lambda i: not i[1].is_open):
            if hash_ not in self._ours and self._is_alike(p, order, found):
                self._ours.add(hash_)
                return hash_
        return None

    def _is_alike(self, p: Position, order: Order, found: VenueOrder) -> bool:
        if found.is_buy or found.outcome_id != p.outcome_id:
            return False
        if found.is_open or (found.price, found.shares) == (order.price, order.shares):
            return (found.price, found.shares) == (order.price, order.shares)
        # Of one that is over the trades alone are left; they give the second.
        made = self._trades[found.venue_order_id]
        is_later = all(t.time + SECOND > order.sent_at for t in made)
        return (
            bool(made) and is_later and found.price >= order.price and found.shares <= order.leaves
        )

    def claim(self) -> None:
        """Take over offers that only the venue knows of, as a power cut leaves them.

        One is a position's if it offers at its target and the wallet has no other shares for it.
        """
        for found in self._report.orders.values():
            ours = [p for p in self.positions.values() if p.outcome_id == found.outcome_id]
            has = self._report.balances.get(found.outcome_id)
            is_known = found.venue_order_id in self._ours
            if is_known or found.is_buy or not found.is_open or found.matched > 0 or has is None:
                continue
            if has - sum((p.held for p in ours), ZERO) < found.shares:
                self._claim(found, ours)

    def _claim(self, found: VenueOrder, ours: Iterable[Position]) -> None:
        for p in ours:
            prices = (p.request.sell_price, *(t.price for t in p.request.terms.targets))
            if found.price in prices and found.shares <= p.sellable - p.locked:
                one = SignedOrder(f"{p.id}-{p.next_order}", found.venue_order_id)
                self._ours.add(one.venue_order_id)
                self._book(p.id, OrderSent(time=self._now, order=_lost(one, found, self._now)))
                self._conclude(p.id, one.order_id, one.venue_order_id)
                return

    def _book_trades(self, position_id: str, order_id: str, role: Role, hash_: str) -> None:
        for trade in self._trades[hash_]:
            if trade.is_failed and not has_story(self.positions[position_id], trade.id):
                continue  # it was never booked: nothing is to be undone
            self._book(position_id, _fill(trade, order_id, role))
        self._book_rest(position_id, order_id, role, hash_)

    def _book_rest(self, position_id: str, order_id: str, role: Role, hash_: str) -> None:
        """Of a trade that is reported whole a crash may have left the first parts booked alone."""
        p, made = self.positions[position_id], self._trades[hash_]
        order = find(p, order_id)
        whole = next((t for t in made if t.id not in p.ledger.trades and has_story(p, t.id)), None)
        if order is None or whole is None or whole.is_failed:
            return
        missing = sum((t.shares for t in made if has_story(p, t.id)), ZERO) - order.filled
        if 0 < missing < whole.shares:
            fee = micro(whole.fee * missing / whole.shares)
            rest = replace(whole, id=f"{whole.id} rest", shares=missing, fee=fee)
            self._book(position_id, _fill(rest, order_id, role))

    def _conclude(self, position_id: str, order_id: str, hash_: str) -> None:
        """Adopt, or close, what is still live once its trades are booked."""
        p = self.positions[position_id]
        order = find(p, order_id)
        if order is None:
            return
        found = self._report.orders.get(hash_)
        if found is None and hash_ in self._report.absent:
            if order.filled > 0:
                self._close(position_id, order, OrderEnd.CANCELED, "the venue has it no more")
            else:
                self._close(position_id, order, OrderEnd.GONE, "it never reached the venue")
        elif found is None or found.matched > order.filled:
            self._unanswered[hash_] = p.outcome_id
        elif not found.is_open:
            self._close(position_id, order, OrderEnd.CANCELED, "ended while the node was down")
        elif order.state is OrderState.SENT:
            accepted = OrderAccepted(time=self._now, order_id=order_id, venue_order_id=hash_)
            self._book(position_id, accepted)

    def _close(self, position_id: str, order: Order, end: OrderEnd, reason: str) -> None:
        closed = OrderClosed(time=self._now, order_id=order.id, end=end, reason=reason)
        self._book(position_id, closed)

    def _book(self, position_id: str, event: AnyEvent) -> None:
        before = self.positions[position_id]
        after = apply(before, event)
        if after is not before:
            self.positions[position_id] = after
            self._events.append((position_id, event))

    # -- the whole ---------------------------------------------------------------------------------

    def compare_balances(self) -> None:
        """Dispute what the venue does not have, unless trades tell that the owner may have sold it:
        then the first look at the wallet books that."""
        waiting = set(self._unanswered.values())
        waiting |= {
            found.outcome_id
            for hash_, found in self._report.orders.items()
            if hash_ in self._trades and hash_ not in self._ours and not found.is_buy
        }
        traded_at = max((t.time for t in self._report.trades), default=0)
        for outcome_id, balance in self._report.balances.items():
            moved_at = max(traded_at, self._recorded_at.get(outcome_id, 0))
            holders = [p for p in self.positions.values() if p.outcome_id == outcome_id]
            if outcome_id not in waiting and not may_lag(holders, balance, moved_at, self._now):
                for position_id, event in compare(holders, balance, self._now):
                    self._book(position_id, event)

    def result(self, others: Container[str]) -> Recovery:
        """What was found."""
        live = {o.venue_order_id for p in self.positions.values() for o in p.orders}
        live |= {self._signed[o.id].venue_order_id for o in self._live_orders()}
        live |= {s.venue_order_id for i, made in self._of.items() if i in others for s in made}
        still = [v for v in self._report.orders.values() if v.is_open]
        return Recovery(
            events=tuple(self._events),
            unanswered=tuple(self._unanswered),
            cancel=tuple(v.venue_order_id for v in still if v.venue_order_id in self._ours - live),
            foreign=tuple(v for v in still if v.venue_order_id not in self._ours),
            errors=tuple(self._errors),
        )

    def _live_orders(self) -> Iterable[Order]:
        return (o for p in self.positions.values() for o in p.orders if o.id in self._signed)


def _number(order_id: str) -> int:
    return int(order_id.rpartition("-")[2])


def _fill(trade: Trade, order_id: str, role: Role) -> AnyEvent:
    kind: type[OrderFilled | FillReversed] = FillReversed if trade.is_failed else OrderFilled
    return trade.event(kind, order_id, role, trade.time)


def _lost(one: SignedOrder, found: VenueOrder, now: int) -> Order:
    """The order that the record lost, as the venue has it. Entries are never lost."""
    return Order(
        id=one.order_id,
        role=Role.EXIT if found.immediate else Role.TARGET,
        price=found.price,
        shares=found.shares,
        sent_at=now,
        quote_seq=-1,
        immediate=found.immediate,
        venue_order_id=found.venue_order_id,
    )
