"""Which of the prices that stops may watch concern a position, so that the others wake nobody."""

from typing import Any

import pytest
from stage import Stage, filled, quote, submit

from positions.engine.price_index import PriceIndex
from positions.model.position import Role
from positions.model.terms import Trigger

# name: (what is asked for, the prices that are watched)
WATCHED: dict[str, tuple[dict[str, Any], set[Trigger]]] = {
    "a stop at the best bid": ({}, {Trigger.BID}),
    "a target alone": ({"stop_loss_price": None}, {Trigger.BID}),
    "a stop alone": ({"sell_price": None}, {Trigger.BID}),
    "a stop at the average bid of the size": ({"trigger": "size"}, {Trigger.SIZE}),
    "a stop at the last trade": ({"trigger": "last"}, {Trigger.LAST}),
    "nothing to sell at": ({"stop_loss_price": None, "sell_price": None}, set()),
}


@pytest.mark.parametrize("name", WATCHED)
def test_only_what_is_watched_concerns_a_position(name: str) -> None:
    fields, watched = WATCHED[name]
    stage, levels = Stage(), PriceIndex()
    for cue in (quote("0.53", "0.56"), submit(**fields), filled(Role.ENTRY, "100", "0.55")):
        cue(stage)
    levels.place(stage.position, stage.market)
    assert {t for t in Trigger if levels.watch(t)} == watched
