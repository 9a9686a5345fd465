"""What raises inside one command or position ends nothing else, and leaves nothing half done."""

from decimal import Decimal
from typing import Any

import pytest
from stage import ID, TOKEN, Stage, feed, filled, later, market, quote, reversed_, submit

from positions.commands.messages import Flatten, Submit
from positions.engine.effects import Act, Alarm, Answer, Unforeseen
from positions.engine.last_resort import PAUSE
from positions.engine.plan import Cancel, Send
from positions.model import events
from positions.model.instrument_book import InstrumentBook
from positions.model.position import OrderEnd, Position, Role, update
from positions.model.terms import Percent, Terms

D = Decimal
NAN = D("NaN")
OTHER = "2002"
SECOND_ID = f"{ID[:-3]}777"
POISON = Terms(trail=Percent(NAN))
"""Terms with which a position can neither be placed among the price levels nor decided about."""


def stage(**changes: Any) -> Stage:
    """A position that holds 100 at 0.55 with a target and a stop, and one in another market."""
    s = Stage()
    s.engine.list_market(market(outcome_id=OTHER, outcome="Yes", slug="snow", market_id="0xbeef"))
    for cue in (submit(**changes), quote("0.54", "0.56"), filled(Role.ENTRY, "100", "0.55")):
        cue(s)
    other = update(s.position, id=SECOND_ID, outcome_id=OTHER, orders=(), sell_price=None)
    s.engine.load([other], halted=False)
    s.run()
    s.engine.strict = False
    return s


def other(s: Stage) -> InstrumentBook:
    return s.engine.markets[OTHER]


def falls(m: InstrumentBook, s: Stage, bid: str = "0.44") -> list[Act]:
    """The bid of a market falls; what is sent."""
    m.show(D(bid), D(1000), D("0.46"), D(1000), s.now, ())
    s.engine.viewed(m.outcome_id)
    return acts(s)


def acts(s: Stage) -> list[Act]:
    return [e for e in s.engine.turn(s.now) if isinstance(e, Act)]


def sent(found: list[Act], position_id: str = ID, role: Role = Role.EXIT) -> list[Any]:
    orders = [a.intent.order for a in found if isinstance(a.intent, Send)]
    return [o for o in orders if o.role is role and o.id.startswith(position_id)]


def fill(order_id: str, shares: str, role: Role = Role.EXIT) -> dict[str, Any]:
    values = {"order_id": order_id, "trade_id": f"T-{order_id}-{shares}", "role": role}
    amounts = {"price": D("0.41"), "shares": D(shares), "fee": D(0), "liquidity": "taker"}
    return values | amounts


def settle_other(s: Stage) -> None:
    """The other position's stop sells, whatever the first is like."""
    assert [o.shares for o in sent(falls(other(s), s), SECOND_ID)] == [100]


@pytest.mark.parametrize("poison", [{"shares": NAN}, {"price": NAN}, {"fee": D("sNaN")}])
def test_an_event_that_cannot_be_booked(poison: dict[str, Any]) -> None:
    s = stage()
    before = s.position
    order_id = s.live(Role.TARGET).id
    values = fill(order_id, "5", Role.TARGET) | poison
    s.engine.event(ID, events.OrderFilled(time=s.now, **values))
    s.engine.event(SECOND_ID, events.OrderAccepted(time=s.now, order_id="none"))
    effects = s.engine.turn(s.now)
    assert s.position.held == before.held
    assert s.position.decision.dispute is not None
    assert [e for e in effects if isinstance(e, Unforeseen)]
    assert [e for e in effects if isinstance(e, Alarm) and e.kind == "disputed"]
    settle_other(s)


def test_a_market_that_cannot_be_decided_about() -> None:
    s = stage()
    s.market.tick = D(0)
    s.engine.market_changed(TOKEN)
    effects = s.engine.turn(s.now)
    assert next(e.kind for e in effects if isinstance(e, Alarm) and e.is_open) == "failing"
    assert "failing" in [kind for _, kind, _ in s.engine.open_alarms()]
    settle_other(s)

    found = falls(s.market, s)
    target = s.live(Role.TARGET).id
    assert Cancel(target) in [a.intent for a in found]
    assert not sent(found)  # the target offers all of it
    s.engine.event(ID, events.OrderClosed(time=s.now, order_id=target, end=OrderEnd.CANCELED))
    (sale,) = sent(acts(s))
    assert (sale.shares, sale.price, sale.immediate) == (D(100), D("0.41"), True)
    assert not sent(falls(s.market, s, "0.43"))  # it is out

    s.engine.event(ID, events.OrderFilled(time=s.now, **fill(sale.id, "60")))
    s.engine.event(ID, events.OrderClosed(time=s.now, order_id=sale.id, end=OrderEnd.CANCELED))
    assert not sent(acts(s))  # paced
    s.now += PAUSE
    (rest,) = sent(falls(s.market, s, "0.42"))
    assert rest.shares == 40
    assert rest.id != sale.id

    s.market.tick = D("0.01")
    s.engine.market_changed(TOKEN)
    ended = [e for e in s.engine.turn(s.now) if isinstance(e, Alarm) and e.kind == "failing"]
    assert [e.is_open for e in ended] == [False]
    assert s.position.held == 40


def poisoned(s: Stage) -> Position:
    """Have the position loaded with terms that nothing can be done with."""
    p = update(s.position, terms=POISON, orders=(), next_order=7)
    s.engine.load([p], halted=False)
    s.engine.turn(s.now)
    return p


def test_a_recorded_position_that_cannot_even_be_kept() -> None:
    s = stage()
    p = poisoned(s)
    assert [kind for _, kind, _ in s.engine.open_alarms() if kind == "failing"]
    settle_other(s)
    (sale,) = sent(falls(s.market, s))
    assert (sale.id, sale.shares) == (f"{ID}-7", p.held)
    assert s.engine.find_order(ID, sale.id) == sale
    s.now += 10 * PAUSE
    assert not sent(falls(s.market, s, "0.43"))  # its fate is not known
    s.engine.event(ID, events.OrderFilled(time=s.now, **fill(sale.id, "30")))
    s.engine.event(ID, events.OrderFilled(time=s.now, **fill(sale.id, "30")))  # told twice
    s.engine.event(ID, events.OrderClosed(time=s.now, order_id=sale.id, end=OrderEnd.CANCELED))
    (rest,) = sent(falls(s.market, s, "0.42"))
    assert (rest.id, rest.shares) == (f"{ID}-8", 70)
    s.engine.event(ID, events.OrderFilled(time=s.now, **fill(rest.id, "70")))
    s.now += 10 * PAUSE
    assert not falls(s.market, s, "0.40")


def test_the_last_resort_sells_nothing_above_the_stop() -> None:
    s = stage()
    poisoned(s)
    assert not falls(s.market, s, "0.46")
    s.market.payout = D(1)
    assert not falls(s.market, s)


def test_an_unbooked_fill_of_more_than_was_offered() -> None:
    s = stage()
    poisoned(s)
    (sale,) = sent(falls(s.market, s))
    s.engine.event(ID, events.OrderFilled(time=s.now, **fill(sale.id, "40")))
    s.engine.event(ID, events.OrderFilled(time=s.now, **fill("unknown-9", "1e30")))
    s.engine.event(ID, events.OrderClosed(time=s.now, order_id=sale.id, end=OrderEnd.CANCELED))
    s.now += PAUSE
    assert [o.shares for o in sent(falls(s.market, s, "0.43"))] == [60]


@pytest.mark.parametrize("size", ["1e30", "NaN", "Infinity"])
def test_a_command_that_raises(size: str) -> None:
    s = stage()
    values = {"market": "rain-in-london", "outcome": "Yes", "max_bid_price": D("0.5")}
    before = dict(s.engine.positions)
    for number, terms in enumerate((Terms(), POISON)):
        asked = D(size) if terms == Terms() else D(10)
        command = Submit(id=f"{ID[:-2]}5{number}", size=asked, terms=terms, **values)
        s.engine.command(command)
    effects = s.engine.turn(s.now)
    replies = [e.reply for e in effects if isinstance(e, Answer)]
    assert [r.status for r in replies] == ["refused", "refused"]
    assert replies[1].code == "INTERNAL"
    assert "\n" not in replies[1].message
    assert dict(s.engine.positions) == before
    assert s.engine.funds().staked == s.engine.exposure.staked
    settle_other(s)


def test_flatten_sells_the_others() -> None:
    s = stage()
    poisoned(s)
    s.engine.command(Flatten(id=f"{ID[:-2]}60"))
    found = acts(s)
    assert s.engine.halted
    settle_other(s)
    assert found is not None


def test_the_books_balance_after_what_was_taken_back() -> None:
    s = stage()
    sums = (s.engine.exposure.reserved, s.engine.exposure.staked, dict(s.engine.exposure.held))
    for _ in range(3):
        values = fill(s.live(Role.TARGET).id, "5", Role.TARGET) | {"shares": NAN}
        s.engine.event(ID, events.OrderFilled(time=s.now, **values))
        s.engine.turn(s.now)
    assert (s.engine.exposure.reserved, s.engine.exposure.staked, s.engine.exposure.held) == sums
    for cue in (feed("stale"), feed(""), later(1), reversed_(Role.ENTRY, "5", "0.55")):
        cue(s)


@pytest.mark.parametrize("kind", [events.Restarted, events.Unstuck])
def test_a_breach_of_what_is_taken_back_disputes_nothing_again(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn ends, although each look at the position breaches a rule and can then not be kept."""
    s = stage()
    poisoned(s)
    monkeypatch.setattr("positions.engine.engine.breach", lambda *_: "a rule")
    values = {"bid": D("0.5")} if kind is events.Unstuck else {}
    s.engine.event(ID, kind(time=s.now, **values))
    s.engine.event(ID, events.OrderClosed(time=s.now, order_id="none", end=OrderEnd.CANCELED))
    s.engine.turn(s.now)
    assert not s.engine.has_work
    monkeypatch.undo()
    settle_other(s)


@pytest.mark.parametrize("number", ["sNaN", "NaN", "Infinity"])
def test_an_event_of_no_number_is_kept_once(number: str) -> None:
    s = stage()
    poisoned(s)
    for shares in (D(number), D(number), D("-5"), D("5")):
        s.engine.event(ID, events.NoMoreDust(time=-1, shares=shares))
        s.engine.turn(s.now)
    assert not s.engine.has_work
    settle_other(s)
