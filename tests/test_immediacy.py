"""An amendment that would sell at once asks first; and what a dry run of it, or of a sale, tells."""

from typing import Any

import pytest
from stage import START, Stage, depth, filled, later, order, quote, submit, traded
from test_validation import at

from positions.model.durations import SECOND
from positions.model.position import Phase, Role

CALM = quote("0.59", "0.61")
ENTRY = Role.ENTRY


def held(**fields: Any) -> Stage:
    """100 shares bought at 0.55, with the bid at 0.59: target 0.70, stop 0.45 unless told."""
    stage = Stage(closes_at=START + 3600 * SECOND)
    quote("0.54", "0.55")(stage)
    submit(**fields)(stage)
    filled(ENTRY, "100", "0.55")(stage)
    CALM(stage)
    return stage


# fmt: off
REFUSED: dict[str, tuple[dict[str, Any], list[Any], dict[str, Any], str, str]] = {
    # what was asked for, cues, what is amended, the refusal
    "a stop typed for a target": ({}, [], {"stop_loss_price": "0.65"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 0.65, must be below the current bid 0.59: 100 shares would be sold at once; give now to have that"),
    "a stop at the bid": ({}, [], {"stop_loss_price": "0.59"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 0.59, must be below the current bid 0.59"),
    "a stop that counts from the entry price": ({}, [quote("0.50", "0.52")], {"stop_loss_price": "5%"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 5% (0.52, counted from 0.55), must be below the current bid 0.50"),
    "a trail that begins over the bid": ({"stop_loss_price": None}, [quote("0.50", "0.52")], {"trail": "0.03"}, "STOP_AT_OR_ABOVE_BID", "trail was 0.03 (0.52, counted from 0.55), must be below the current bid 0.50"),
    "a trail that waits no more": ({"stop_loss_price": None, "trail": "0.03", "trail_from": "0.70"}, [quote("0.50", "0.52")], {"trail_from": "none"}, "STOP_AT_OR_ABOVE_BID", "trail was 0.03 (0.52, counted from 0.55)"),
    "a stop that waits": ({"stop_confirm": "3s"}, [], {"stop_loss_price": "0.65"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 0.65"),
    "a stop that waits no more": ({"stop_confirm": "3s"}, [quote("0.45", "0.47")], {"stop_confirm": "none"}, "STOP_AT_OR_ABOVE_BID", "stop_confirm was none, must be below the current bid 0.45"),
    "a stop that is to wait no longer": ({"stop_confirm": "9s"}, [quote("0.45", "0.47"), later(5)], {"stop_confirm": "3s"}, "STOP_AT_OR_ABOVE_BID", "stop_confirm was 3s"),
    "a hard stop over the bid": ({"stop_confirm": "3s"}, [quote("0.45", "0.47")], {"stop_hard": "0.44", "stop_loss_price": "0.46", "stop_confirm": "none", "trigger": "last"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 0.46"),
    "another price to watch": ({}, [traded("0.44")], {"trigger": "last"}, "STOP_AT_OR_ABOVE_BID", "trigger was last, the stop 0.45 must be below 0.44, the price that it watches"),
    "the depth to watch": ({"stop_loss_price": "0.50"}, [depth(("0.59", "10"), ("0.40", "90"))], {"trigger": "size"}, "STOP_AT_OR_ABOVE_BID", "trigger was size, the stop 0.50 must be below 0.41"),
    "a target below the bid": ({}, [], {"sell_price": "0.58"}, "TARGET_AT_OR_BELOW_BID", "sell_price was 0.58, must be above the current bid 0.59: 100 shares would be sold at once"),
    "a target at the bid": ({}, [], {"sell_price": "0.59"}, "TARGET_AT_OR_BELOW_BID", "sell_price was 0.59"),
    "a target that counts from the entry price": ({}, [], {"sell_price": "+5%"}, "TARGET_AT_OR_BELOW_BID", "sell_price was 5% (0.58, counted from 0.55)"),
    "a target for a part": ({}, [], {"targets": ["0.58:40%", "0.80"]}, "TARGET_AT_OR_BELOW_BID", "40.00 shares would be sold at once"),
    "a time that is over": ({}, [], {"exit_at": at(-60)}, "EXPIRED", "exit_at was"),
    "a time before the end that is over": ({}, [], {"exit_before_end": "2h"}, "EXPIRED", "exit_before_end was 120 minutes"),
}
ACCEPTED: dict[str, tuple[dict[str, Any], list[Any], dict[str, Any]]] = {
    "a stop a tick below the bid": ({}, [], {"stop_loss_price": "0.58"}),
    "a target a tick above the bid": ({}, [], {"sell_price": "0.60"}),
    "break-even, which waits for the bid": ({}, [quote("0.55", "0.56")], {"break_even_at": "0.50"}),
    "a trail below the bid": ({}, [], {"trail": "0.01"}),
    "a target while the stop is being confirmed": ({"stop_confirm": "3s"}, [quote("0.45", "0.47")], {"sell_price": "0.80"}),
    "a higher trail than was seen": ({}, [], {"trail": "0.01", "trail_from": "0.90"}),
}
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_sell_at_once_is_refused_unless_now_is_given(name: str) -> None:
    fields, cues, changes, code, said = REFUSED[name]
    stage = held(**fields)
    for cue in cues:
        cue(stage)
    before = stage.position
    assert order("amend", **changes)(stage) == []
    assert (stage.replies[-1].code, stage.position) == (code, before), stage.replies[-1].message
    assert said in stage.replies[-1].message
    assert order("amend", dry_run=True, **changes)(stage) == []
    dry = stage.replies[-1]
    assert stage.position == before
    assert code == "EXPIRED" or "would sell at once, and is refused without now" in dry.message
    order("amend", now=True, **changes)(stage)
    assert stage.replies[-1].status == "accepted", stage.replies[-1].message
    waits = stage.position.request.terms.stop_confirm is not None and "stop_confirm" not in changes
    exits = code != "TARGET_AT_OR_BELOW_BID" and not waits
    assert (stage.position.phase is Phase.EXITING) is exits


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_sells_nothing_at_once_is_accepted(name: str) -> None:
    fields, cues, changes = ACCEPTED[name]
    stage = held(**fields)
    for cue in cues:
        cue(stage)
    order("amend", **changes)(stage)
    assert stage.replies[-1].status == "accepted", stage.replies[-1].message
    assert stage.position.phase is Phase.HOLDING


def test_an_entry_that_would_be_given_up_is_kept() -> None:
    stage = Stage()
    quote("0.50", "0.61")(stage)
    submit()(stage)
    assert order("amend", stop_loss_price="0.50")(stage) == []
    assert stage.replies[-1].code == "STOP_AT_OR_ABOVE_BID"
    assert "the entry would be given up at once" in stage.replies[-1].message
    assert order("amend", stop_loss_price="0.50", now=True)(stage) == ["cancel entry"]


def test_a_dry_run_of_an_amendment_tells_what_changes_and_what_the_bids_would_pay() -> None:
    stage = held()
    depth(("0.59", "60"), ("0.58", "20"))(stage)
    order("amend", dry_run=True, stop_loss_price="0.65", trail="0.05")(stage)
    message = stage.replies[-1].message
    # 60 x 0.59 + 20 x 0.58 = 47.00, less fees of 60 x 0.04 x 0.59 x 0.41 + 20 x 0.04 x 0.58 x 0.42
    for said in (
        "would change stop 0.45 -> 0.65, trail none -> 0.05",
        "WARNING: would sell at once, and is refused without now",
        "the bids shown take 80 of 100 shares for 46.22 after fees",
    ):
        assert said in message, message
    order("amend", dry_run=True, stop_loss_price="0.50")(stage)
    assert stage.replies[-1].message == (
        "dry run: would change stop 0.45 -> 0.5; nothing would be sold at once"
    )


def test_a_dry_run_of_a_sale_tells_what_the_bids_would_pay_and_sells_nothing() -> None:
    stage = held()
    depth(("0.59", "60"), ("0.58", "20"))(stage)
    before = stage.position
    assert order("sell", dry_run=True)(stage) == []
    assert stage.replies[-1].message == (
        "dry run: would sell 100 shares at 0.56 or more:"
        " the bids shown take 80 of 100 shares for 46.22 after fees"
    )
    assert order("sell", dry_run=True, min_price="0.70")(stage) == []
    assert "the bids shown take none" in stage.replies[-1].message
    assert stage.position == before
