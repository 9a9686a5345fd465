"""The rules that hold for every position, in production: a breach disputes it, and alarms."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from stage import START, Stage, filled, quote, submit

from positions.engine import engine as engine_module
from positions.engine import transitions
from positions.engine.effects import Act, Alarm, Effect, Unforeseen
from positions.engine.invariants import Breach, breach, order_breach, unprotected
from positions.engine.plan import Send
from positions.model import events
from positions.model.position import Order, Phase, Position, Role, update

D = Decimal


def holding() -> Stage:
    s = Stage()
    for cue in (submit(), quote("0.54", "0.56"), filled(Role.ENTRY, "100", "0.55")):
        cue(s)
    return s


def fill(role: Role, shares: str, price: str, order_id: str = "") -> events.OrderFilled:
    return events.OrderFilled(
        time=START,
        order_id=order_id,
        trade_id=f"T {role} {shares} {price}",
        role=role,
        price=D(price),
        shares=D(shares),
        fee=D(0),
        liquidity="maker",
    )


def order(role: Role, price: str, shares: str) -> Order:
    return Order(id="P-9", role=role, price=D(price), shares=D(shares), sent_at=START, quote_seq=1)


def live(s: Stage, role: Role) -> str:
    return s.position.live(role)[0].id


# fmt: off
BREACHES: dict[str, tuple[Any, Any, str]] = {
    "more is booked than was filled": (
        lambda _: fill(Role.EXIT, "10", "0.50"), lambda p: update(p, sold=D(11)), "changed by 0 bought and 11 sold"),
    "a quote changes the ledger": (
        lambda _: events.BidVanished(time=START), lambda p: update(p, bought=D(101)), "changed by 1 bought"),
    "a target is sold below its limit": (
        lambda s: fill(Role.TARGET, "10", "0.69", live(s, Role.TARGET)), None, "sold at 0.69, below the limit 0.70"),
    "an event leads where its table has no row": (
        lambda _: events.BidVanished(time=START), lambda p: update(p, dust=True), "the exit was armed and is dust by bid vanished"),
    "an entry that is over buys again": (
        lambda _: events.BidVanished(time=START), lambda p: update(p, entry_ended=None), "the entry was ended and is buying"),
}
# fmt: on


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_booked_disputed_and_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, change, text = BREACHES[name]
    s = holding()
    before, event = s.position, make(s)

    def booked(p: Position | None, e: events.AnyEvent) -> Position:
        after = transitions.apply(p, e)
        return change(after) if change is not None and e is event else after

    assert text in breach(before, booked(before, event), event)
    monkeypatch.setattr(engine_module, "apply", booked)
    s.engine.strict = False
    s.engine.event(before.id, event)
    effects = s.engine.turn(s.now)
    p = s.engine.positions[before.id]
    assert p.seq > before.seq, "what happened is booked"
    assert text in (p.decision.dispute or "")
    alarms = [e for e in effects if isinstance(e, Alarm) and e.is_open]
    assert any(a.kind == "disputed" and text in a.text for a in alarms)
    assert any(isinstance(e, Unforeseen) and isinstance(e.error, Breach) for e in effects)


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_raises_in_tests(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, change, text = BREACHES[name]
    s = holding()
    event = make(s)

    def booked(p: Position | None, e: events.AnyEvent) -> Position:
        after = transitions.apply(p, e)
        return change(after) if change is not None and e is event else after

    monkeypatch.setattr(engine_module, "apply", booked)
    s.engine.event(s.position.id, event)
    with pytest.raises(Breach, match=text):
        s.engine.turn(s.now)


# fmt: off
ORDERS: dict[str, tuple[dict[str, Any], Order, str]] = {
    "an entry above the max bid": ({"entry_ended": None, "bought": D(0)}, order(Role.ENTRY, "0.56", "10"), "above the max bid 0.55"),
    "an entry at the max bid": ({"entry_ended": None, "bought": D(0)}, order(Role.ENTRY, "0.55", "100"), ""),
    "more is asked than is wanted": ({"entry_ended": None, "bought": D(10)}, order(Role.ENTRY, "0.55", "91"), "for more than the 90 shares"),
    "more is offered than is held": ({"orders": ()}, order(Role.EXIT, "0.50", "100.01"), "sells of 100.01 shares, 100 can be sold"),
    "all that is held is offered": ({"orders": ()}, order(Role.EXIT, "0.50", "100"), ""),
    "what is missing is offered": ({"orders": (), "missing": D(1)}, order(Role.TARGET, "0.70", "100"), "99 can be sold"),
}
# fmt: on


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_would_breach_a_rule(name: str) -> None:
    fields, one, text = ORDERS[name]
    p = update(holding().position, **fields)
    p = replace(p, orders=(*p.orders, one))
    found = order_breach(p, one)
    assert text in found
    assert bool(found) is bool(text)


def test_such_an_order_is_not_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    s = holding()
    s.engine.strict = False
    p = s.position
    too_much = replace(order(Role.TARGET, "0.70", "1000"), id=f"{p.id}-{p.next_order}")
    monkeypatch.setattr(engine_module, "plan", lambda *_: [Send(too_much)])
    s.engine.look_anew("")
    effects: list[Effect] = s.engine.turn(s.now)
    assert not [e for e in effects if isinstance(e, Act) and e.intent == Send(too_much)]
    assert s.engine.positions[p.id].phase is Phase.DISPUTED
    assert any(isinstance(e, Alarm) and e.kind == "failing" for e in effects)


def test_what_is_held_without_its_stop() -> None:
    s = holding()
    bare = update(s.position, orders=())
    assert unprotected(s.position, s.market) == ""
    assert unprotected(bare, s.market) == "100 shares are held and no stop is armed at 0.45"
    for fields in ({"stop_loss_price": None}, {"released_seq": 1}, {"phase": Phase.EXITING}):
        assert unprotected(update(bare, **fields), s.market) == ""
