"""What must hold for a position whenever an event is booked, and whenever nothing is left to do."""

from positions.model import events, stops, targets
from positions.model.events import AnyEvent
from positions.model.instrument_book import InstrumentBook
from positions.model.orders import find
from positions.model.position import EXITS, PROTECTED, EntryEnd, ExitReason, Phase, Position, Role
from positions.model.terms import AfterFloor, TakenOff
from positions.model.venue_rules import is_dust


def check_fact(p: Position, event: AnyEvent, m: InstrumentBook, now: int) -> None:
    """What the terms of a position, as it was before the event, allow to happen."""
    match event:
        case events.StopRaised():
            _raised(p, event)
        case events.Triggered(cause=ExitReason.STOP):
            _triggered(p, event, m)
        case events.OrderSent(order=order) if order.quote_seq < 0:
            pass  # sent by an earlier process, and found at the venue
        case events.OrderSent(order=order) if order.role is Role.ENTRY:
            assert order.post_only == p.request.post_only
            assert not stops.is_time_up(p, m, now), "buys when its time is up"
            assert p.request.terms.if_taken_off is not TakenOff.END or not p.decision.was_taken_off
        case events.OrderSent(order=order) if order.role is Role.TARGET:
            wanted = [price for price, _ in targets.wanted(p, m)]
            assert order.price in wanted or (order.immediate and order.price > min(wanted))
        case events.OrderSent(order=order) if (
            order.role is Role.EXIT and p.decision.cause is not None
        ):
            anything = p.request.terms.after_floor is AfterFloor.ANYTHING
            assert anything or order.price >= p.request.floor_price, "an exit below its floor"
        case events.EntryEnded(reason=EntryEnd.STOP_REACHED):
            assert not p.request.terms.keep_if_stop_trades, "an entry that was to be kept has ended"
        case events.OrderFilled():
            _filled(p, event)


def _raised(p: Position, event: events.StopRaised) -> None:
    """A stop is raised below the price, and never falls by itself."""
    assert event.price < event.seen, "raised through the price"
    assert p.stop_in_force is None or event.price > p.stop_in_force
    if p.request.terms.trail is None:
        assert event.price * p.ledger.bought >= p.ledger.cost + p.ledger.buy_fees, (
            "a stop at break-even loses"
        )


def _triggered(p: Position, event: events.Triggered, m: InstrumentBook) -> None:
    """A stop that is to be confirmed sells once it is sure."""
    confirm, touch = p.request.terms.stop_confirm, p.decision.touch
    if confirm is None or m.through(p.request.terms.stop_hard):
        return
    assert touch is not None, "sold without a touch of the stop"
    if confirm.span is not None:
        assert event.time >= touch.time + confirm.span, "sold before its time"
    else:
        assert m.seq - touch.quote_seq + 1 >= (confirm.quotes or 0)


def _filled(p: Position, event: events.OrderFilled) -> None:
    """Nothing is sold below its limit, and what may not take does not."""
    order = find(p, event.order_id)
    if order is None:
        return
    if event.role is not Role.ENTRY:
        assert event.price >= order.price, "sold below its limit"
    elif order.post_only:
        assert event.liquidity == "maker", "took although it may not"


def check_protected(p: Position, m: InstrumentBook, now: int, *, has_story: bool) -> None:
    """Armed, exiting, or dust; or waiting to arm anew what was released or refused."""
    if p.phase in EXITS or p.phase is Phase.DUST or p.sellable <= 0:
        return
    assert p.phase in PROTECTED, p.phase
    at_stop = stops.is_reached(p, m)
    assert not at_stop or p.decision.touch is not None, "at the stop and nothing is done"
    assert not stops.is_certain(p, m, now), "sure of the stop and nothing is done"
    assert not stops.is_time_up(p, m, now), "its time is up"
    assert stops.raised(p, m) is None, "the stop is not as high as the price has raised it"
    armed = bool(p.live(Role.STOP))
    excused = p.decision.released_seq is not None or Role.STOP in p.pacing.backoffs
    assert armed or excused, "held without a stop"
    if p.decision.entry_ended is not None and is_dust(p.held, m.tick):
        assert p.locked > 0 or p.live(Role.ENTRY) or not has_story
