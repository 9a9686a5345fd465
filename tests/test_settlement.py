"""What a resolution paid out is corrected by what is heard of only afterwards."""

from decimal import Decimal

import pytest
from stage import market
from test_life import fill, made, undone

from positions.engine import transitions
from positions.engine.triggers import next_event
from positions.model import events
from positions.model.events import AnyEvent
from positions.model.position import ExitReason, Phase, Role

D = Decimal
SETTLED_ALL = events.Settled(time=7, payout=D(1), shares=D(100))


@pytest.mark.parametrize(
    ("late", "phase", "reason"),
    [
        (fill(Role.EXIT, "100"), Phase.CLOSED, ExitReason.MANUAL),
        (fill(Role.TARGET, "60"), Phase.CLOSED, ExitReason.TARGET),
        (undone(Role.ENTRY, "100", 1), Phase.CANCELLED, None),
        (undone(Role.ENTRY, "40", 1), Phase.CLOSED, ExitReason.SETTLEMENT),
    ],
)
def test_what_is_heard_after_the_resolution_corrects_what_was_paid_out(
    late: AnyEvent, phase: Phase, reason: ExitReason | None
) -> None:
    over = market(payout=D(1))
    p = transitions.apply(made(trades=("T-1",), bought=D(100), cost=D(50)), SETTLED_ALL)
    p = transitions.apply(p, late)
    correction = next_event(p, over, 9, 3)
    assert isinstance(correction, events.Settled)
    p = transitions.apply(p, correction)
    assert (p.held, p.phase, p.ledger.exit_reason) == (0, phase, reason)
    assert next_event(p, over, 9, 3) is None
    assert (
        p.ledger.settled + sum(f.shares for f in [late] if isinstance(f, events.OrderFilled))
        == p.ledger.sold
    )
