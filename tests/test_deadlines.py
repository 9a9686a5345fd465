"""The times at which positions are looked at: each once, while it holds, the first first."""

from typing import Any

import pytest
from msgspec.structs import replace
from stage import START, Cue, Stage, ended, feed, filled, order, quote, submit
from test_bracket import at

from positions.engine.deadlines import Deadlines
from positions.model.durations import SECOND
from positions.model.position import Position, Role, update

HELD = filled(Role.ENTRY, "100", "0.55")
# what happened, seconds from the start to the first time, and whether every second matters
TIMES: dict[str, tuple[list[Cue], int | None, bool]] = {
    "nothing to wait for": ([submit(), HELD], None, False),
    "an exit at a time": ([submit(exit_at=at(60)), HELD], 60, True),
    "an entry that expires": ([submit(expires="30s")], 30, True),
    "a time that an entry that is complete would expire": (
        [submit(expires="30s"), HELD], 30, False),
    "both": ([submit(expires="90s", exit_at=at(60))], 60, True),
    "a stop that is touched": ([submit(stop_confirm="2s"), HELD, quote("0.44", "0.56")], 2, True),
    "a sale by hand": ([submit(), HELD, order("sell", min_price="0.90")], 60, True),
    "an order that is cancelled": ([submit(), order("cancel")], None, True),
    "an entry without trust in the prices": (
        [submit(), feed("silent"), ended(Role.ENTRY)], None, False),
    "a post-only entry that waits for the ask": (
        [submit(post_only=True), feed("silent"), ended(Role.ENTRY), quote("0.53", "0.54")],
        None, True),
    "a post-only entry that is complete": ([submit(post_only=True), HELD], None, False),
    "a stop that sells": ([submit(), HELD, quote("0.44", "0.56")], None, True),
    "a position that is over": (
        [submit(expires="30s"), order("cancel"), ended(Role.ENTRY)], None, False),
}  # fmt: skip


def held(position_id: str, exit_at: int | None) -> tuple[Position, Any]:
    """A position that is sold at a time, and its book."""
    stage = Stage()
    for cue in (quote("0.53", "0.56"), submit(), HELD):
        cue(stage)
    terms = replace(stage.position.request.terms, exit_at=exit_at)
    return update(stage.position, id=position_id, terms=terms), stage.market


@pytest.mark.parametrize("name", TIMES)
def test_what_waits_has_its_time(name: str) -> None:
    cues, seconds, is_waiting = TIMES[name]
    stage, deadlines = Stage(), Deadlines()
    for cue in (quote("0.53", "0.56"), *cues):
        cue(stage)
    deadlines.place(stage.position, stage.market)
    assert deadlines.next() == (None if seconds is None else START + seconds * SECOND)
    assert bool(deadlines.each_second) is is_waiting


def test_each_time_comes_once_and_only_while_it_holds() -> None:
    deadlines = Deadlines()
    for position_id, time in {"a": 10, "b": 20, "c": 20, "d": 30, "e": 5, "f": 40}.items():
        deadlines.place(*held(position_id, time))
    deadlines.place(*held("c", 25))
    deadlines.place(*held("e", None))
    deadlines.drop("f")
    assert deadlines.next() == 10
    assert list(deadlines.reached(9)) == []
    assert list(deadlines.reached(20)) == ["a", "b"]
    assert list(deadlines.reached(20)) == []
    deadlines.place(*held("b", 20))  # as it was: its time is over
    assert deadlines.next() == 25
    assert list(deadlines.reached(99)) == ["c", "d"]
    assert deadlines.next() is None
    deadlines.place(*held("b", 120))
    assert deadlines.next() == 120
    assert "f" not in deadlines.each_second
