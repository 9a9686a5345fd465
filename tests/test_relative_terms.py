"""Stops and targets that count from the entry price, as scenarios; and what is said of them."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from stage import (
    ID,
    Stage,
    ended,
    filled,
    later,
    order,
    quote,
    restarted,
    reversed_,
    submit,
    tick,
)

from positions.engine.transitions import apply
from positions.model.events import TermsPriced
from positions.model.formatting import term_texts
from positions.model.position import OrderEnd, Phase, Position, Role
from positions.model.relative_terms import above, below
from positions.model.terms import Percent
from positions.model.venue_rules import FREE
from positions.storage.rows import row, story
from positions.storage.story import sentence

ENTRY, TARGET, STOP = Role.ENTRY, Role.TARGET, Role.STOP
D = Decimal
CALM = quote("0.54", "0.55")
"""The bid and the ask under a max bid of 0.60."""


def asked(**fields: Any) -> Any:
    """Buy 100 at 0.60 or less, with no target and no stop unless told otherwise."""
    values = {"max_bid_price": "0.60", "sell_price": None, "stop_loss_price": None}
    return submit(**values | fields)


def opened(**fields: Any) -> list[Any]:
    return [(CALM, []), (asked(**fields), ["buy 100 @0.60"])]


# fmt: off
SCENARIOS: dict[str, list[Any]] = {
    # -- a stop ------------------------------------------------------------------------------------
    "a trail begins below the entry price, not the max bid": [
        *opened(trail="0.05"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]), Phase.HOLDING],
    "a trail of so many percent begins below the entry price": [
        *opened(trail="10%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.49"]), Phase.HOLDING],  # 0.495
    "a trail follows the bid from there": [
        *opened(trail="0.05"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]),
        (quote("0.56", "0.57"), ["move 100 @0.51"]), (quote("0.55", "0.57"), []), Phase.HOLDING],
    "a stop of so many percent counts from the entry price, down to the tick": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.49"]), Phase.HOLDING],  # 0.495
    "a stop on the tick stays there": [
        *opened(stop_loss_price="20%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.44"]), Phase.HOLDING],
    "a better fill than was shown counts": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "100", "0.50"), ["arm 100 @0.45"]), Phase.HOLDING],
    "each fill counts, on average": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]),
        (filled(ENTRY, "50", "0.60"), ["move 100 @0.49"]), Phase.HOLDING],  # 0.55 on average: 0.495
    "the start of a trail may fall as an entry fills up": [
        *opened(trail="0.05"), (filled(ENTRY, "10", "0.58"), ["arm 10 @0.53"]),
        (filled(ENTRY, "90", "0.54"), ["move 100 @0.49"]), Phase.HOLDING],  # 0.544 on average
    "what a trail was raised to does not fall as an entry fills up": [
        *opened(trail="0.05"), (filled(ENTRY, "10", "0.55"), ["arm 10 @0.50"]),
        (quote("0.57", "0.58"), ["move 10 @0.52"]), (filled(ENTRY, "90", "0.54"), ["move 100 @0.52"]), Phase.HOLDING],
    "a fill that is undone does not count": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]),
        (filled(ENTRY, "50", "0.60"), ["move 100 @0.49"]), (reversed_(ENTRY, "50", "0.60"), ["move 50 @0.45"]), Phase.FILLING],
    "an entry that ends in part counts what it bought": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), []), Phase.HOLDING],
    "a late fill counts, too": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]), (order("cancel"), ["cancel entry"]),
        (filled(ENTRY, "50", "0.60"), ["move 100 @0.49"]), Phase.HOLDING],
    "a finer tick alone does not move it": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.49"]), (tick("0.001"), []), Phase.HOLDING],
    "a restart finds it where it was": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.49"]), (restarted(), []),
        (CALM, []), (later(1), ["arm 100 @0.49"]), Phase.HOLDING],
    "an entry price too low for a trail has its stop at the lowest tick": [
        *opened(trail="0.30"), (quote("0.20", "0.61"), []), (filled(ENTRY, "100", "0.20"), ["arm 100 @0.01"]), Phase.HOLDING],
    "it does not take the entry back before there is an entry price": [
        *opened(stop_loss_price="10%"), (quote("0.40", "0.61"), []), (filled(ENTRY, "100", "0.45"), ["sell 100 @0.37"]), Phase.EXITING],
    # -- a target ----------------------------------------------------------------------------------
    "a target counts from the entry price, up to the tick": [
        *opened(sell_price="+15%"), (filled(ENTRY, "100", "0.55"), ["offer 100 @0.64"]), Phase.HOLDING],  # 0.6325
    "targets in steps count from it": [
        *opened(targets=["+10%:50%", "+30%"]), (filled(ENTRY, "100", "0.55"), ["offer 50 @0.72", "offer 50 @0.61"]), Phase.HOLDING],
    "a target below the max bid stands above it while the entry may still buy": [
        *opened(sell_price="+5%"), (filled(ENTRY, "50", "0.55"), ["offer 50 @0.61"]),
        (order("cancel"), ["cancel entry"]), (ended(ENTRY), ["cancel target"]), (ended(TARGET), ["offer 50 @0.58"]), Phase.HOLDING],
    "a target beyond the venue's range is at its highest": [
        (quote("0.54", "0.55"), []), (asked(sell_price="+75%"), ["buy 100 @0.60"]), (filled(ENTRY, "100", "0.60"), ["offer 100 @0.99"]), Phase.HOLDING],
    # -- a trail that waits ------------------------------------------------------------------------
    "no stop is in force before a trail's price was seen": [
        *opened(trail="0.05", trail_from="0.60"), (filled(ENTRY, "100", "0.55"), []), (quote("0.30", "0.32"), []),
        (quote("0.59", "0.61"), []), Phase.HOLDING],
    "a trail begins at its price": [
        *opened(trail="0.05", trail_from="0.60"), (filled(ENTRY, "100", "0.55"), []),
        (quote("0.60", "0.61"), ["arm 100 @0.55"]), (quote("0.58", "0.61"), []), (quote("0.63", "0.64"), ["move 100 @0.58"]), Phase.HOLDING],
    "a stop that is given stands until a trail passes it": [
        *opened(trail="0.05", trail_from="0.60", stop_loss_price="20%"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.44"]),
        (quote("0.59", "0.61"), []), (quote("0.60", "0.61"), ["move 100 @0.55"]), Phase.HOLDING],
    # -- amended -----------------------------------------------------------------------------------
    "an amended stop counts from the entry price": [
        *opened(), (filled(ENTRY, "100", "0.55"), []), (order("amend", stop_loss_price="20%"), ["arm 100 @0.44"]), Phase.HOLDING],
    "an amended target counts from the entry price": [
        *opened(), (filled(ENTRY, "100", "0.55"), []), (order("amend", sell_price="+20%"), ["offer 100 @0.66"]), Phase.HOLDING],
    "an amended price counts from nothing": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]), (order("amend", stop_loss_price="0.47"), ["move 50 @0.47"]),
        (filled(ENTRY, "50", "0.60"), ["move 100 @0.47"]), Phase.HOLDING],
    "another amendment leaves a relative stop relative": [
        *opened(stop_loss_price="10%"), (filled(ENTRY, "50", "0.50"), ["arm 50 @0.45"]), (order("amend", sell_price="0.70"), ["offer 50 @0.70"]),
        (filled(ENTRY, "50", "0.60"), ["offer 50 @0.70", "move 100 @0.49"]), Phase.HOLDING],
    "a smaller trail begins nearer to the entry price": [
        *opened(trail="0.05"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]), (order("amend", trail="0.03"), ["move 100 @0.52"]), Phase.HOLDING],
    "a trail that is taken back leaves the stop where it is": [
        *opened(trail="0.05"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]), (order("amend", trail="none"), []),
        (quote("0.60", "0.61"), []), Phase.HOLDING],
    "a trail that shall wait leaves the stop where it is": [
        *opened(trail="0.05"), (filled(ENTRY, "100", "0.55"), ["arm 100 @0.50"]), (order("amend", trail_from="0.70"), []),
        (quote("0.60", "0.61"), []), (quote("0.70", "0.71"), ["move 100 @0.65"]), Phase.HOLDING],
    "a trail that waited and its stop are taken back together": [
        *opened(trail="0.05", trail_from="0.60"), (filled(ENTRY, "100", "0.55"), []), (quote("0.60", "0.61"), ["arm 100 @0.55"]),
        (order("amend", trail="none", trail_from="none", stop_loss_price="none"), ["cancel stop"]), Phase.HOLDING],
}
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is asked for with the bid at 0.54 and the ask at 0.55; the refusal names what was typed
    "a trail of a tick": ({"trail": "0.01"}, "STOP_AT_OR_ABOVE_BID", "trail was 0.01 (0.54, counted from 0.55), must be below the current bid 0.54"),
    "a stop of one percent": ({"stop_loss_price": "1%"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 1% (0.54, counted from 0.55), must be below the current bid 0.54"),
    "a stop of no percent": ({"stop_loss_price": "0%"}, "STOP_NOT_BELOW_MAX_BID", "stop_loss_price was 0% (0.55, counted from 0.55), must be below 0.55"),
    "a stop of everything": ({"stop_loss_price": "100%"}, "PRICE_OUT_OF_RANGE", "stop_loss_price was 100% (0.00, counted from 0.55), must be from 0.01"),
    "a target beyond the range": ({"sell_price": "+90%"}, "PRICE_OUT_OF_RANGE", "sell_price was 90% (1.05, counted from 0.55), must be from 0.01 to 0.99"),
    "a target for a part beyond it": ({"targets": "+90%:50%"}, "PRICE_OFF_TICK", "targets was 90% (1.05, counted from 0.55)"),
    "a trail that leaves no stop": ({"trail": "0.55"}, "TRAIL_WITHOUT_STOP", "trail was 0.55, must start from a stop"),
    "a trail deeper than where it starts": ({"trail": "0.60", "trail_from": "0.60"}, "TRAIL_WITHOUT_STOP", "trail was 0.6, must be less than trail_from 0.60"),
    "a floor above it": ({"stop_loss_price": "10%", "floor_price": "0.50"}, "FLOOR_ABOVE_STOP", "floor_price was 0.50, must not be above the stop 0.49"),
    "a hard stop at it": ({"trail": "0.05", "stop_confirm": "3s", "stop_hard": "0.50"}, "STOP_HARD_NOT_BELOW_STOP", "stop_hard was 0.50, must be below the stop 0.50"),
    "a risk with a trail that waits": ({"trail": "0.05", "trail_from": "0.60", "size": None, "risk": "5"}, "RISK_WITHOUT_STOP", "risk was 5"),
}
ROUNDED = [
    # distance, entry price, tick: the stop, down
    ("10%", "0.55", "0.01", "0.49"), ("10%", "0.55", "0.001", "0.495"), ("10%", "0.50", "0.01", "0.45"),
    ("0.05", "0.553333", "0.01", "0.50"), ("0.05", "0.55", "0.01", "0.50"), ("99%", "0.05", "0.01", "0.00"),
]
# fmt: on


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    *rows, phase = SCENARIOS[name]
    stage = Stage()
    for number, (cue, expected) in enumerate(rows):
        sent = [text.replace(".00 @", " @") for text in cue(stage)]
        assert sent == expected, f"row {number}: {[r.message for r in stage.replies]}"
    assert stage.position.phase is phase
    replayed: Position | None = None
    for event in stage.events:
        replayed = apply(replayed, event)
    assert replayed == stage.position


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_what_was_typed(name: str) -> None:
    fields, code, said = REFUSED[name]
    stage = Stage()
    CALM(stage)
    assert asked(**fields)(stage) == []
    (reply,) = stage.replies
    assert (reply.code, said in reply.message) == (code, True), reply.message


@pytest.mark.parametrize(("distance", "base", "grid", "stop"), ROUNDED)
def test_a_stop_is_rounded_down_and_a_target_up(
    distance: str, base: str, grid: str, stop: str
) -> None:
    number = D(distance.rstrip("%"))
    asked_for = Percent(number) if "%" in distance else number
    assert below(asked_for, D(base), D(grid)) == D(stop)
    if isinstance(asked_for, Percent):
        found, exact = above(asked_for, D(base), D(grid)), D(base) * (100 + number) / 100
        assert exact <= found < exact + D(grid)


@pytest.mark.parametrize(("ask", "base"), [("0.55", "0.55"), ("0.65", "0.60"), (None, "0.60")])
def test_before_the_entry_it_counts_from_the_lower_of_max_bid_and_ask(
    ask: str | None, base: str
) -> None:
    stage = Stage()
    quote(None, ask)(stage)
    asked(stop_loss_price="10%", sell_price="+20%")(stage)
    request = stage.position.request
    assert request.stop_loss_price == below(Percent(D(10)), D(base), D("0.01"))
    assert request.sell_price == above(Percent(D(20)), D(base), D("0.01"))


def test_a_dry_run_tells_the_numbers_at_the_ask_and_at_the_max_bid() -> None:
    stage = Stage()
    CALM(stage)
    asked(stop_loss_price="10%", sell_price="+20%", dry_run=True)(stage)
    at_max_bid, at_ask = stage.replies[0].message.split("bought at the ask 0.55: ")
    assert "offer 100 at 0.72; arm the stop at 0.54" in at_max_bid
    assert "offer 100 at 0.66; arm the stop at 0.49" in at_ask
    asked(trail="0.05", trail_from="0.60", dry_run=True)(stage)
    assert "NO STOP until 0.60 was seen, from which the stop follows" in stage.replies[1].message


def test_a_position_whose_trail_waits_says_that_it_has_no_stop() -> None:
    stage = Stage()
    CALM(stage)
    asked(trail="0.05", trail_from="0.60")(stage)
    assert "NO STOP until 0.60 was seen" in stage.replies[0].message
    filled(ENTRY, "100", "0.55")(stage)
    shown = row(stage.position, D("0.54"), FREE)
    assert (shown["stop_in_force"], shown["waiting_for"]) == (None, "trail_from")
    quote("0.60", "0.61")(stage)
    shown = row(stage.position, D("0.60"), FREE)
    assert (shown["stop_in_force"], shown["waiting_for"]) == (D("0.55"), None)


def test_the_term_and_what_it_comes_to_are_shown() -> None:
    stage = Stage()
    CALM(stage)
    asked(stop_loss_price="10%", targets=["+10%:50%", "+20%"])(stage)
    filled(ENTRY, "100", "0.50")(stage)
    shown = row(stage.position, D("0.54"), FREE)
    assert (shown["stop_loss_price"], shown["sell_price"]) == (D("0.45"), D("0.60"))
    assert shown["terms"] == {
        "targets": "+10%:50%",
        "target_above": "20%",
        "stop_below": "10%",
        "target_prices": "0.55",
    }
    (event,) = [e for e in stage.events if isinstance(e, TermsPriced)]
    assert sentence(story(stage.position, event)) == (
        "the entry price is 0.5: target 0.55 0.6, stop 0.45"
    )
    terms = msgspec.json.encode(stage.position.request.terms)
    assert msgspec.json.decode(terms, type=type(stage.position.request.terms)) == (
        stage.position.request.terms
    )
    assert term_texts({"targets": None}) == {}


def test_a_risk_holds_at_the_ask_and_at_the_max_bid() -> None:
    stage = Stage(fee=FREE)
    CALM(stage)
    asked(stop_loss_price="10%", size=None, risk="6")(stage)
    assert stage.engine.positions[ID].request.size == D(
        100
    )  # 6 / (0.60 - 0.54), not 6 / (0.55 - 0.49)


def test_what_is_bought_has_its_targets_within_the_venues_range() -> None:
    stage = Stage()
    CALM(stage)
    asked(sell_price=None, targets=["+70%:50%", "+79%"])(stage)
    filled(ENTRY, "100", "0.60")(stage)
    request = stage.position.request
    assert [t.price for t in request.terms.targets] == [D("0.99")]  # 1.02
    assert request.sell_price == D("0.99")  # 1.074
    assert len(stage.position.live(TARGET)) == 1


def test_an_order_end_is_no_entry_price() -> None:
    stage = Stage()
    CALM(stage)
    asked(stop_loss_price="10%")(stage)
    ended(ENTRY, OrderEnd.REJECTED)(stage)
    assert not any(isinstance(e, TermsPriced) for e in stage.events)
