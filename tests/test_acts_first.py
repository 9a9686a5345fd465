"""What a turn sends for an exit leaves before anything is recorded, told or answered."""

from decimal import Decimal

import pytest
from stage import TOKEN, Stage, filled, quote, submit

from positions.engine.effects import Act, Effect, Step, acts_first
from positions.engine.plan import Cancel
from positions.model.events import Adopted, AnyEvent, CancelSent, OrderSent
from positions.model.position import Role

D = Decimal


def fallen() -> list[Effect]:
    """What the turn gives in which the bid has fallen through the stop of a position."""
    s = Stage()
    for cue in (submit(), quote("0.54", "0.56"), filled(Role.ENTRY, "30", "0.55")):
        cue(s)
    s.market.show(D("0.44"), D(1000), D("0.46"), D(1000), s.now, ())
    s.engine.viewed(TOKEN)
    return s.engine.turn(s.now)


def test_an_exit_acts_before_its_record() -> None:
    effects = fallen()
    acts, rest = acts_first(effects)
    assert acts == [e for e in effects if isinstance(e, Act)]
    assert rest == [e for e in effects if not isinstance(e, Act)]
    assert acts
    assert rest


@pytest.mark.parametrize(
    ("kind", "is_held"), [("entry", True), ("adoption", True), ("cancel", False)]
)
def test_only_what_must_be_on_disk_first_holds_an_act_back(kind: str, is_held: bool) -> None:
    act = next(e for e in fallen() if isinstance(e, Act))
    p = act.position
    entry = next(o for o in p.orders if o.role is Role.ENTRY)
    recorded: dict[str, AnyEvent] = {
        "entry": OrderSent(time=1, order=entry),
        "adoption": Adopted(time=1, position=p),
        "cancel": CancelSent(time=1, order_id=entry.id),
    }
    step, cancel = Step(p, recorded[kind]), Act(p, Cancel(entry.id))
    in_order = ([], [step, cancel])
    assert acts_first([step, cancel]) == (in_order if is_held else ([cancel], [step]))
