"""What is reported beside the orders: the replies to cash-outs, and the events of the story."""

from decimal import Decimal
from typing import Any

import pytest
from stage import Stage, ended, filled, later, order, quote, resolved, submit
from test_scenarios import CALM, ENTRY, EXIT, STOP, held, stopped

from positions.model.events import BidReturned, BidVanished, Stuck, Unstuck
from positions.model.position import Phase
from positions.model.venue_rules import Obstacle

D = Decimal
NO_TARGET: dict[str, Any] = {"sell_price": None}
SELL, WAIT = order("sell"), order("sell", min_price="0.60")

# fmt: off
ANSWERS: dict[str, tuple[list[Any], str]] = {
    "all is sold": (
        [*held(**NO_TARGET), (SELL, 0), (filled(EXIT, "100", "0.53"), 0)],
        "sold 100 shares; 0 are held"),
    "a part is sold": (
        [*held(**NO_TARGET), (order("sell", shares="40"), 0), (filled(EXIT, "40", "0.53"), 0)],
        "sold 40 shares; 60 are held"),
    "time is up before anything is sold": (
        [*held(**NO_TARGET), (WAIT, 0), (later(60), 0)],
        "time is up: sold 0 shares, 100 not; 100 held are protected again"),
    "time is up when a part is sold": (
        [*held(**NO_TARGET), (SELL, 0), (filled(EXIT, "30", "0.53"), 0), (ended(EXIT), 0), (later(60), 0)],
        "time is up: sold 30 shares, 70 not; 70 held are protected again"),
    "the stop overtakes it": (
        [*held(**NO_TARGET), (WAIT, 0), (quote("0.45", "0.47"), 0)],
        "sold 0 shares by hand; the rest is being sold by the stop"),
    "the market is over": (
        [*held(**NO_TARGET), (WAIT, 0), (resolved("1"), 0)],
        "sold 0 shares; the market is resolved and paid the rest"),
    "what is left is dust": (
        [*held(**NO_TARGET), (SELL, 0), (filled(EXIT, "99.5", "0.53"), 0), (ended(EXIT), 0), (ended(STOP), 0)],
        "sold 99.5 shares; 0.5 are held"),
}
# fmt: on


@pytest.mark.parametrize("name", ANSWERS)
def test_a_cash_out_is_answered_twice_at_its_start_and_at_its_end(name: str) -> None:
    rows, said = ANSWERS[name]
    stage = Stage()
    for cue, _ in rows:
        cue(stage)
    opened, begun, done = stage.replies
    assert (opened.done, begun.done, done.done) == (True, False, True)
    assert begun.message.startswith("selling ")
    assert (done.id, done.message) == (begun.id, said)


VANISHED, RETURNED, STUCK, UNSTUCK = BidVanished, BidReturned, Stuck, Unstuck
FACTS: dict[str, tuple[list[Any], list[Any]]] = {
    "a bid that vanishes is told once, and its return with the bid": (
        [*held(), (quote(None, "0.42"), 0), (quote(None, "0.41"), 0), (quote("0.50", "0.51"), 0)],
        [(VANISHED, None), (RETURNED, D("0.50"))],
    ),
    "while nothing is held nobody needs a bid": (
        [(CALM, 0), (submit(), 0), (quote(None, "0.56"), 0)],
        [],
    ),
    "before any quote it is not known whether there is a bid": (
        [(submit(), 0), (filled(ENTRY, "100", "0.55"), 0), (later(1), 0)],
        [],
    ),
    "of a position that is over nothing is told": (
        [
            *held(**NO_TARGET),
            (SELL, 0),
            (quote(None, "0.42"), 0),
            (filled(EXIT, "100", "0.53"), 0),
            (quote("0.50", "0.52"), 0),
        ],
        [(VANISHED, None)],
    ),
    "an exit without a bid is stuck, and goes on with the bid that it then sees": (
        [*stopped(), (ended(EXIT), 0), (quote(None, "0.42"), 0), (quote("0.20", "0.42"), 0)],
        [(STUCK, None), (UNSTUCK, D("0.20"))],
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_what_is_told_of_the_bid(name: str) -> None:
    rows, expected = FACTS[name]
    stage = Stage()
    for cue, _ in rows:
        cue(stage)
    kinds = (VANISHED, RETURNED, STUCK, UNSTUCK)
    told = [(type(f), getattr(f, "bid", None)) for f in stage.events if isinstance(f, kinds)]
    assert told == expected


def test_an_exit_is_stuck_once_for_each_reason() -> None:
    stage = Stage()
    rows = [*stopped(floor_price="0.10"), (ended(EXIT), 0)]
    rows += [(quote(bid, "0.42"), 0) for bid in (None, None, "0.09", "0.08", None)]
    for cue, _ in rows:
        cue(stage)
    told = [f.obstacle for f in stage.events if isinstance(f, Stuck)]
    assert told == [Obstacle.NO_BID, Obstacle.BELOW_FLOOR, Obstacle.NO_BID]
    assert stage.position.phase is Phase.WAITING
