"""A position's life: what each event does to it.

Book-keeping only. An event is never refused: it happened. `apply` returns the position after it;
what ought to be done about it is decided in `plan`. Applying the stored events in order gives the
stored position. No clock: each event brings its time.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from positions.engine.backoff import TAKEN_OFF_AGAIN, TAKEN_OFF_PAUSE, calmed, pause_after
from positions.engine.lifecycle import phase_of
from positions.model import events
from positions.model.events import AnyEvent, Event
from positions.model.orders import drop, find, swap
from positions.model.position import (
    ENDED_BY,
    GTD_MARGIN,
    ZERO,
    Backoff,
    EntryEnd,
    ExitReason,
    OrderEnd,
    OrderState,
    Position,
    Request,
    Role,
    Touch,
    entry_price,
    update,
)
from positions.model.trades import is_reported_otherwise

_REVERSED = " reversed"
"""Follows the id of a trade that failed to settle."""


def apply(position: Position | None, event: AnyEvent) -> Position:
    """The position after the event; the very same object where the event changes nothing.

    Raises
    ------
    ValueError
        If the position does not exist and the event is not `Opened`, or exists and it is.
    """
    if isinstance(event, events.Opened):
        if position is not None:
            raise ValueError(f"position {position.id} is open already")
        return update(event.position, phase=phase_of(event.position), seq=1, updated_at=event.time)
    if position is None:
        raise ValueError(f"{type(event).__name__} came before the position was opened")
    booked = _BOOK[type(event)](position, event)
    if booked is position:
        return position
    return update(
        booked,
        phase=phase_of(booked),
        touch=booked.decision.touch if booked.held > 0 else None,
        seq=position.seq + 1,
        updated_at=event.time,
    )


def _amended(p: Position, f: events.Amended) -> Position:
    keeps = f.keeps_raised_stop
    if keeps is None:
        keeps = f.stop_loss_price == p.request.stop_loss_price
    return update(
        p,
        max_bid_price=f.max_bid_price,
        sell_price=f.sell_price,
        stop_loss_price=f.stop_loss_price,
        raised_stop=p.decision.raised_stop if keeps else None,
        priced_from=entry_price(p),
        terms=f.terms or p.request.terms,
        **_further(f),
        targets_off=p.decision.targets_off and _is_about_others(p.request, f),
    )


def _further(f: events.Amended) -> dict[str, Any]:
    """What else of the request an amendment changes."""
    values = {
        "size": f.size,
        "floor_price": f.floor_price,
        "post_only": f.post_only,
        "entry_expires_at": f.entry_expires_at,
    }
    return {name: value for name, value in values.items() if value is not UNSET}


def _is_about_others(asked: Request, f: events.Amended) -> bool:
    """Whether an amendment changes something, and it is not the targets."""
    if f.sell_price != asked.sell_price or (f.terms and f.terms.targets != asked.terms.targets):
        return False
    return (
        bool(_further(f))
        or f.max_bid_price != asked.max_bid_price
        or f.stop_loss_price != asked.stop_loss_price
        or (f.terms or asked.terms) != asked.terms
    )


def _terms_priced(p: Position, f: events.TermsPriced) -> Position:
    return update(
        p,
        sell_price=f.sell_price,
        stop_loss_price=f.stop_loss_price,
        terms=replace(p.request.terms, targets=f.targets),
        priced_from=f.entry_price,
    )


def _entry_ended(p: Position, f: events.EntryEnded) -> Position:
    backoffs = calmed(p.pacing.backoffs, Role.ENTRY)  # it is not tried again
    return update(p, entry_ended=p.decision.entry_ended or f.reason, backoffs=backoffs)


def _sale_asked(p: Position, f: events.SaleAsked) -> Position:
    ended = p.decision.entry_ended or EntryEnd.CASH_OUT
    return update(p, sale=f.sale, entry_ended=ended, attempts=0, exit_seq=-1)


def _sale_ended(p: Position, _: events.SaleEnded) -> Position:
    return update(p, sale=None, attempts=0)


def _triggered(p: Position, f: events.Triggered) -> Position:
    return update(
        p,
        cause=f.cause,
        entry_ended=p.decision.entry_ended or ENDED_BY[f.cause],
        touch=None,
        released_seq=None,
        no_bid=False,
        attempts=0,
        exit_seq=-1,
    )


def _stuck(p: Position, f: events.Stuck) -> Position:
    return update(p, stuck=f.obstacle)


def _unstuck(p: Position, _: events.Unstuck) -> Position:
    return update(p, stuck=None)


def _bid_changed(p: Position, f: events.BidVanished | events.BidReturned) -> Position:
    return update(p, no_bid=isinstance(f, events.BidVanished))


def _order_sent(p: Position, f: events.OrderSent) -> Position:
    number = int(f.order.id.rpartition("-")[2])
    p = update(p, orders=(*p.orders, f.order), next_order=max(p.next_order, number) + 1)
    if f.order.immediate:
        p = update(p, exit_seq=f.order.quote_seq, exit_at=f.time)
    return p


def _order_signed(p: Position, f: events.OrderSigned) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    return update(p, orders=swap(p, replace(order, venue_order_id=f.venue_order_id)))


def _order_accepted(p: Position, f: events.OrderAccepted) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    working = order.state is OrderState.SENT
    order = replace(
        order,
        state=OrderState.WORKING if working else order.state,
        venue_order_id=f.venue_order_id or order.venue_order_id,
    )
    return update(p, orders=swap(p, order), backoffs=calmed(p.pacing.backoffs, order.role))


def _order_filled(p: Position, f: events.OrderFilled) -> Position:
    if has_story(p, f.trade_id):
        return p
    p = update(_filled(p, f), trades=(*p.ledger.trades, f.trade_id), dust=False)
    order = find(p, f.order_id)
    if order is not None:
        order = replace(order, filled=order.filled + f.shares)
        p = update(p, orders=swap(p, order))
        if order.leaves <= 0:
            p = update(p, orders=drop(p, order), backoffs=calmed(p.pacing.backoffs, order.role))
    return _undone(p, f) if _is_reversed(p, f.trade_id) else p


def _filled(p: Position, f: events.OrderFilled) -> Position:
    amount = f.price * f.shares
    if f.role is Role.ENTRY:
        bought, cost = p.ledger.bought + f.shares, p.ledger.cost + amount
        p = update(p, bought=bought, cost=cost, buy_fees=p.ledger.buy_fees + f.fee)
        if p.decision.sale is not None and p.decision.sale.everything:
            p = update(p, sale=replace(p.decision.sale, shares=p.decision.sale.shares + f.shares))
        return update(p, filled_at=p.ledger.filled_at or f.time)
    p = update(
        p,
        sold=p.ledger.sold + f.shares,
        proceeds=p.ledger.proceeds + amount,
        sell_fees=p.ledger.sell_fees + f.fee,
        exit_time=f.time,
        exit_reason=_exit_reason(p, f.role),
        attempts=0,
    )
    if f.role is Role.TARGET:
        p = update(p, target_sold=p.ledger.target_sold + f.shares)
    if p.decision.sale is not None and f.role is Role.EXIT:
        p = update(p, sale=replace(p.decision.sale, sold=p.decision.sale.sold + f.shares))
    if p.held < 0 < p.ledger.released:  # a sale of ours was faster than the owner's word
        p = update(p, released=max(p.ledger.released + p.held, ZERO))
    return _found(p, p.decision.missing)


def _owner_sold(p: Position, f: events.OwnerSold) -> Position:
    if has_story(p, f.trade_id):
        return p
    p = update(
        p,
        sold=p.ledger.sold + f.shares,
        proceeds=p.ledger.proceeds + f.price * f.shares,
        sell_fees=p.ledger.sell_fees + f.fee,
        trades=(*p.ledger.trades, f.trade_id),
    )
    return _taken(p, f.shares, f.time)


def _released(p: Position, f: events.Released) -> Position:
    return _taken(update(p, released=p.ledger.released + f.shares), f.shares, f.time)


def _taken(p: Position, shares: Decimal, now: int) -> Position:
    """The owner took shares: what was missing is these, and nothing more is bought."""
    p = update(
        p,
        exit_time=now,
        exit_reason=ExitReason.OWNER,
        entry_ended=p.decision.entry_ended or EntryEnd.OWNER,
        dust=False,
    )
    return _found(p, p.decision.missing - shares)


def _found(p: Position, missing: Decimal) -> Position:
    """No more is missing than is held: what seemed to be gone was sold, and is reported late."""
    missing = min(max(missing, ZERO), max(p.held, ZERO))
    if missing == p.decision.missing:
        return p
    return update(p, missing=missing, dispute=p.decision.dispute if missing else None)


def _fill_reversed(p: Position, f: events.FillReversed) -> Position:
    if _is_reversed(p, f.trade_id):
        return p
    p = update(p, trades=(*p.ledger.trades, f.trade_id + _REVERSED))
    # Its fill may come by another way, and later; it is undone then.
    return _undone(p, f) if has_story(p, f.trade_id) else p


def has_story(p: Position, trade_id: str) -> bool:
    """Whether a trade is booked, be it whole or in parts."""
    return trade_id in p.ledger.trades or is_reported_otherwise(trade_id, p.ledger.trades)


def _is_reversed(p: Position, trade_id: str) -> bool:
    undone = [t.removesuffix(_REVERSED) for t in p.ledger.trades if t.endswith(_REVERSED)]
    return trade_id in undone or is_reported_otherwise(trade_id, undone)


def _undone(p: Position, f: events.Fill) -> Position:
    amount = f.price * f.shares
    p = update(p, dust=False)
    if f.role is Role.ENTRY:
        # What was complete is not: it is bought again, unless the position has begun to close.
        is_closing = (
            p.decision.cause is not None
            or p.decision.sale is not None
            or p.ledger.payout is not None
        )
        goes_on = p.decision.entry_ended is EntryEnd.COMPLETE and not is_closing
        p = update(
            p,
            bought=p.ledger.bought - f.shares,
            cost=p.ledger.cost - amount,
            buy_fees=p.ledger.buy_fees - f.fee,
            entry_ended=None if goes_on else p.decision.entry_ended,
        )
        return _failed(p, Role.ENTRY, f.time)
    sold, proceeds = p.ledger.sold - f.shares, p.ledger.proceeds - amount
    p = update(p, sold=sold, proceeds=proceeds, sell_fees=p.ledger.sell_fees - f.fee)
    if f.role is Role.TARGET:
        p = update(p, target_sold=p.ledger.target_sold - f.shares)
    if p.decision.sale is not None and f.role is Role.EXIT:
        p = update(p, sale=replace(p.decision.sale, sold=p.decision.sale.sold - f.shares))
    return p if p.ledger.sold > 0 else update(p, exit_time=None, exit_reason=None)


def _exit_reason(p: Position, role: Role) -> ExitReason:
    if role is Role.TARGET:
        return ExitReason.TARGET
    return p.decision.cause or ExitReason.MANUAL


def _order_closed(p: Position, f: events.OrderClosed) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    p = update(p, orders=drop(p, order))
    if f.end is OrderEnd.GONE:
        return p
    if f.end in (OrderEnd.REJECTED, OrderEnd.DENIED):
        # It says nothing of the view of the book that it was decided on.
        p = update(p, exit_seq=-1) if order.immediate else p
        return _failed(p, order.role, f.time, f.reason)
    if order.immediate:
        return p if order.filled > 0 else update(p, attempts=p.pacing.attempts + 1)
    asked_for = order.state in (OrderState.CANCELLING, OrderState.RELEASED) or (
        order.expires_at is not None and f.time >= order.expires_at - GTD_MARGIN
    )
    if asked_for:
        return p
    if order.role is Role.ENTRY and f.end is OrderEnd.CANCELED:
        p = update(p, was_taken_off=True)
    if order.role is Role.TARGET and f.end is OrderEnd.CANCELED:
        return _target_taken_off(p, f.time)
    return _failed(p, order.role, f.time)


def _target_taken_off(p: Position, now: int) -> Position:
    """The venue does so when a game starts; it is put back. The owner does so again and again."""
    since = now - p.decision.target_off_at
    is_again = bool(p.decision.target_off_at) and TAKEN_OFF_PAUSE <= since < TAKEN_OFF_AGAIN
    pause = Backoff(1, now + TAKEN_OFF_PAUSE)
    return update(
        p,
        target_off_at=now,
        targets_off=p.decision.targets_off or is_again,
        backoffs=p.pacing.backoffs | {Role.TARGET: pause},
    )


def _failed(p: Position, role: Role, now: int, reason: str = "") -> Position:
    pause = pause_after(p.pacing.backoffs.get(role), role, now, reason)
    return update(p, backoffs=p.pacing.backoffs | {role: pause})


def _cancel_sent(p: Position, f: events.CancelSent) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    order = replace(order, state=OrderState.CANCELLING, cancel_sent_at=f.time)
    return update(p, orders=swap(p, order))


def _noted(p: Position, _: Event) -> Position:
    return replace(p)


def _stop_released(p: Position, f: events.StopReleased) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    order = replace(order, state=OrderState.RELEASED)
    return update(p, orders=swap(p, order), released_seq=f.quote_seq)


def _stop_dismissed(p: Position, _: events.StopDismissed) -> Position:
    return update(p, released_seq=None)


def _stop_moved(p: Position, f: events.StopMoved) -> Position:
    order = find(p, f.order_id)
    if order is None:
        return p
    return update(p, orders=swap(p, replace(order, price=f.price, shares=f.shares)))


def _stop_raised(p: Position, f: events.StopRaised) -> Position:
    return update(p, raised_stop=f.price)


def _stop_touched(p: Position, f: events.StopTouched) -> Position:
    return update(
        p, touch=Touch(p.decision.touch.time if p.decision.touch else f.time, f.quote_seq)
    )


def _stop_recovered(p: Position, _: events.StopRecovered) -> Position:
    return update(p, touch=None)


def _settled(p: Position, f: events.Settled) -> Position:
    p = update(
        p,
        payout=f.payout,
        entry_ended=p.decision.entry_ended or EntryEnd.MARKET_OVER,
        dust=False,
    )
    p = update(
        p,
        sold=p.ledger.sold + f.shares,
        proceeds=p.ledger.proceeds + f.payout * f.shares,
        settled=p.ledger.settled + f.shares,
    )
    if f.shares > 0:
        return update(p, exit_time=f.time, exit_reason=ExitReason.SETTLEMENT)
    return p if p.ledger.sold > 0 else update(p, exit_time=None, exit_reason=None)


def _left_as_dust(p: Position, _: events.LeftAsDust) -> Position:
    return update(p, dust=True)


def _no_more_dust(p: Position, _: events.NoMoreDust) -> Position:
    return update(p, dust=False)


def _disputed(p: Position, f: events.Disputed) -> Position:
    ended = p.decision.entry_ended or EntryEnd.CANCELLED
    return update(p, dispute=f.reason, missing=f.missing, entry_ended=ended)


def _restarted(p: Position, _: events.Restarted) -> Position:
    orders = tuple(replace(o, cancel_sent_at=0) for o in p.orders if o.role is not Role.STOP)
    fresh = update(p, orders=orders, released_seq=None, exit_seq=-1)
    return p if fresh == p else fresh


def _reconciled(p: Position, _: events.Reconciled) -> Position:
    return p if p.decision.dispute is None else update(p, dispute=None, missing=ZERO)


_BOOK: dict[type[Event], Callable[[Position, Any], Position]] = {
    events.Amended: _amended,
    events.TermsPriced: _terms_priced,
    events.EntryEnded: _entry_ended,
    events.SaleAsked: _sale_asked,
    events.SaleEnded: _sale_ended,
    events.Triggered: _triggered,
    events.Stuck: _stuck,
    events.Unstuck: _unstuck,
    events.BidVanished: _bid_changed,
    events.BidReturned: _bid_changed,
    events.OrderSent: _order_sent,
    events.OrderSigned: _order_signed,
    events.OrderAccepted: _order_accepted,
    events.OrderFilled: _order_filled,
    events.FillReversed: _fill_reversed,
    events.OwnerSold: _owner_sold,
    events.Released: _released,
    events.OrderClosed: _order_closed,
    events.CancelSent: _cancel_sent,
    events.CancelRefused: _noted,
    events.StopReleased: _stop_released,
    events.StopDismissed: _stop_dismissed,
    events.StopMoved: _stop_moved,
    events.StopRaised: _stop_raised,
    events.StopTouched: _stop_touched,
    events.StopRecovered: _stop_recovered,
    events.Settled: _settled,
    events.LeftAsDust: _left_as_dust,
    events.NoMoreDust: _no_more_dust,
    events.Disputed: _disputed,
    events.Restarted: _restarted,
    events.Reconciled: _reconciled,
}
