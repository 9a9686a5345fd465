"""What is refused of a request's further terms, what its gate says, and what a dry run tells."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from stage import ID, LIMITS, START, Stage, depth, filled, order, quote, submit

from positions.commands.fields import Malformed
from positions.commands.pre_trade_checks import Action, Gate
from positions.model.durations import SECOND
from positions.model.formatting import term_texts
from positions.model.position import Role

D = Decimal
CLOSES = START + 3600 * SECOND
CALM = quote("0.53", "0.56")


def at(seconds: int) -> str:
    return datetime.fromtimestamp(START // SECOND + seconds, UTC).isoformat()


# fmt: off
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"targets": "0.60"}, "targets was given"),
    ({"sell_price": None, "targets": ["0.60", "0.70"]}, "must state a part such as 0.60:50% for all but the last"),
    ({"sell_price": None, "targets": ["0.60:60%", "0.70:50%"]}, "must be at most 100%: the parts are 110%"),
    ({"sell_price": None, "targets": ["0.60:50%", "0.70:50%", "0.80"]}, "must leave the last target something: the parts are 100%"),
    ({"sell_price": None, "targets": ["0.60:0%"]}, "must state a part such as 0.60:50%"),
    ({"sell_price": None, "targets": []}, "must be 1 to 9 targets"),
    ({"sell_price": None, "targets": ["0.60:5%"] * 10}, "must be 1 to 9 targets"),
    ({"sell_price": None, "targets": ["1.60:5%"]}, "must be above 0 and below 1 USDC per share"),
    ({"trail": "0"}, "trail was 0, must be above 0"),
    ({"trail": "100%"}, "must be above 0% and below 100%"),
    ({"trail_from": "1"}, "trail_from was 1, must be above 0 and below 1"),
    ({"break_even_after": "0"}, "break_even_after was 0, must be a whole number from 1 to 9"),
    ({"break_even_after": "1.5"}, "must be a whole number from 1 to 9"),
    ({"break_even_offset": "1"}, "must be from 0 to below 1"),
    ({"stop_confirm": "3"}, "must be a span such as 3s, or 5quotes"),
    ({"stop_confirm": "0quotes"}, "must be a span such as 3s, or 5quotes"),
    ({"trigger": "ask"}, "trigger was 'ask', must be one of bid, size, last"),
    ({"after_floor": "sell"}, "must be one of hold, rest, anything"),
    ({"if_taken_off": "x"}, "must be one of replace, end"),
    ({"exit_at": "noon"}, "must be a time with its offset"),
    ({"exit_before_end": "soon"}, "must be a span such as 90s"),
    ({"risk": "20"}, "risk was 20, must not be given together with size"),
]
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a target for a part not above the max bid": ({"targets": "0.55:50%"}, "TARGETS_OUT_OF_ORDER", "targets was 0.55, must be above 0.55"),
    "targets that do not rise": ({"targets": ["0.60:50%", "0.60"]}, "TARGETS_OUT_OF_ORDER", "targets was 0.60, must be above 0.60"),
    "a target off the tick": ({"targets": "0.605:50%"}, "PRICE_OFF_TICK", "targets was 0.605"),
    "a part below the venue's minimum": ({"targets": ["0.60:4.99%", "0.70"]}, "TARGET_BELOW_MINIMUM", "0.60 for 4.99 of 100 shares, must be at least the market's minimum of 5"),
    "a rest below the venue's minimum": ({"targets": ["0.60:95.01%", "0.70"]}, "TARGET_BELOW_MINIMUM", "0.70 for 4.99 of 100 shares"),
    "a rest that the stop could not sell": ({"targets": "0.60:98%"}, "STOP_UNSELLABLE", "2.00 shares short of all"),
    "a start of a trail that is not asked for": ({"trail_from": "0.60"}, "TRAIL_FROM_WITHOUT_TRAIL", "trail_from was 0.60"),
    "a trail that leaves nothing": ({"trail": "0.55", "stop_loss_price": None}, "TRAIL_WITHOUT_STOP", "must start from a stop"),
    "a trail off the tick": ({"trail": "0.005"}, "PRICE_OFF_TICK", "trail was 0.005"),
    "break-even after more targets than there are": ({"break_even_after": "2", "targets": ["0.60:50%", "0.70"]}, "BREAK_EVEN_AFTER_TOO_MANY", "break_even_after was 2, must be at most the 1 targets"),
    "an offset of no break-even": ({"break_even_offset": "0.01"}, "OFFSET_WITHOUT_BREAK_EVEN", "must be given together with"),
    "a confirmation of no stop": ({"stop_confirm": "3s", "stop_loss_price": None}, "NO_STOP", "must have a stop_loss_price"),
    "a hard stop at the stop": ({"stop_confirm": "3s", "stop_hard": "0.45"}, "STOP_HARD_NOT_BELOW_STOP", "stop_hard was 0.45, must be below stop_loss_price 0.45"),
    "a hard stop beside a stop that does not wait": ({"stop_hard": "0.30"}, "STOP_HARD_NOT_BELOW_STOP", "go with stop_confirm or trigger"),
    "a hard stop off the tick": ({"stop_confirm": "3s", "stop_hard": "0.305"}, "PRICE_OFF_TICK", "stop_hard was 0.305"),
    "what follows below no floor": ({"after_floor": "rest"}, "AFTER_FLOOR_WITHOUT_FLOOR", "after_floor was rest"),
    "an exit in the past": ({"exit_at": at(0)}, "EXPIRED", "exit_at was"),
    "an exit before the end that is due already": ({"exit_before_end": "60m"}, "EXPIRED", "exit_before_end was 60 minutes, must be less than the 60 minutes"),
    "a risk without a stop": ({"size": None, "risk": "20", "stop_loss_price": None}, "RISK_WITHOUT_STOP", "risk was 20"),
    "a risk too small for the venue": ({"size": None, "risk": "0.5"}, "SIZE_BELOW_MINIMUM", "size was 4.17"),
}
ACCEPTED: dict[str, dict[str, Any]] = {
    "a target for a part a tick above the max bid": {"targets": "0.56:50%"},
    "a part of the venue's minimum": {"targets": ["0.60:5%", "0.70"]},
    "a rest of the venue's minimum": {"targets": ["0.60:95%", "0.70"]},
    "a rest that the stop can just sell": {"targets": "0.60:97%"},
    "targets as percentages": {"targets": "+10%:50% +20%"},
    "a trail that leaves a tick": {"trail": "0.54", "stop_loss_price": None},
    "break-even after all targets but the last": {"break_even_after": 1, "targets": ["0.60:50%", "0.70"]},
    "a hard stop a tick below the stop": {"stop_confirm": "3s", "stop_hard": "0.44"},
    "an exit a second from now": {"exit_at": at(1)},
    "an exit before the end a minute from now": {"exit_before_end": "59m"},
    "a risk of the venue's minimum": {"size": None, "risk": "0.61"},
}
# fmt: on


def wish(fields: dict[str, Any]) -> dict[str, Any]:
    return {"sell_price": None} | fields


@pytest.mark.parametrize(("fields", "said"), MALFORMED)
def test_malformed_terms_are_refused_with_their_rule(fields: dict[str, Any], said: str) -> None:
    if said == "targets was given":
        fields, said = fields | {"sell_price": "0.70"}, "must not be given together with sell_price"
    with pytest.raises(Malformed) as caught:
        submit(**fields)(Stage())
    assert said in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    fields, code, said = REFUSED[name]
    stage = Stage(closes_at=CLOSES)
    CALM(stage)
    assert submit(**wish(fields))(stage) == []
    (reply,) = stage.replies
    assert reply.code == code
    assert said in reply.message


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    stage = Stage(closes_at=CLOSES)
    CALM(stage)
    submit(**wish(ACCEPTED[name]))(stage)
    assert stage.replies[0].status == "accepted", stage.replies


def test_an_exit_before_an_end_that_the_market_does_not_state_is_refused() -> None:
    stage = Stage()
    submit(exit_before_end="10m")(stage)
    assert stage.replies[0].code == "MARKET_END_UNKNOWN"


# fmt: off
AMENDED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a stop that a trail needs stays": ({"trail": "0.05"}, {"stop_loss_price": "none"}, "TRAIL_WITHOUT_STOP"),
    "a stop goes together with its trail": ({"trail": "0.05"}, {"stop_loss_price": "none", "trail": "none"}, ""),
    "a stop that is confirmed stays": ({"stop_confirm": "3s"}, {"stop_loss_price": "none"}, "NO_STOP"),
    "a hard stop stays below the stop": ({"stop_confirm": "3s", "stop_hard": "0.30"}, {"stop_loss_price": "0.30"}, "STOP_HARD_NOT_BELOW_STOP"),
    "new targets are checked as the first ones were": ({}, {"targets": ["0.60:4%", "0.70"]}, "TARGET_BELOW_MINIMUM"),
    "targets that break-even counts stay": ({"targets": ["0.60:50%", "0.70"], "break_even_after": "1"}, {"sell_price": "0.70"}, "BREAK_EVEN_AFTER_TOO_MANY"),
    "a percentage of the max bid is a target": ({}, {"targets": ["+10%:50%"]}, ""),
}
# fmt: on


@pytest.mark.parametrize("name", AMENDED)
def test_amended(name: str) -> None:
    asked, changed, code = AMENDED[name]
    stage = Stage()
    CALM(stage)
    submit(**wish(asked))(stage)
    order("amend", **changed)(stage)
    assert stage.replies[-1].code == code, stage.replies[-1].message


# -- by hand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        ("97.77", ""),
        ("97.78", "LEAVES_UNSELLABLE_REST"),
        ("99.99", "LEAVES_UNSELLABLE_REST"),
        ("100", ""),
    ],
)
def test_a_sale_by_hand_leaves_nothing_that_the_stop_could_not_sell(shares: str, code: str) -> None:
    stage = Stage()
    for cue in (CALM, submit(sell_price=None), filled(Role.ENTRY, "100", "0.55")):
        cue(stage)
    order("sell", shares=shares)(stage)
    assert stage.replies[-1].code == code
    if code:
        assert "sell all instead" in stage.replies[-1].message


# -- the gate ----------------------------------------------------------------------------------------

# fmt: off
GATE: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "bids that take the whole size": (depth(("0.53", "60"), ("0.45", "40")), {}, "", "bids at the stop 0.45 or better want 100 shares; the stop would sell 100"),
    "bids that take a share less": (depth(("0.53", "60"), ("0.45", "39"), ("0.44", "99")), {}, "THIN_BIDS", "want 99 shares; the stop would sell 100"),
    "a spread as wide as allowed": (quote("0.46", "0.56"), {}, "", "spread 0.10"),
    "a spread a tick wider": (quote("0.46", "0.57"), {}, "WIDE_SPREAD", "spread 0.11 is above 0.10"),
    "a book without a bid": (quote(None, "0.57"), {"stop_loss_price": None}, "ONE_SIDED_BOOK", "the book has no bid"),
    "an end as near as allowed": (CALM, {"closes_at": START + 600 * SECOND}, "", "the market ends in 10 minutes"),
    "an end a second nearer": (CALM, {"closes_at": START + 599 * SECOND}, "NEAR_END", "the market ends in 9 minutes"),
    "an end that is past": (CALM, {"closes_at": START - 90_000 * SECOND}, "NEAR_END", "its stated end 2026-"),
    "an end that is now": (CALM, {"closes_at": START}, "NEAR_END", "is past"),
    "an end far away": (CALM, {"closes_at": START + 90_000 * SECOND}, "", "the market ends in 1 days"),
    "no end": (CALM, {"closes_at": None}, "", "the market states no end"),
}
# fmt: on


@pytest.mark.parametrize("action", [Action.WARN, Action.REFUSE])
@pytest.mark.parametrize("name", GATE)
def test_the_gate_tells_what_it_sees(name: str, action: Action) -> None:
    book, fields, code, said = GATE[name]
    closes_at = fields.get("closes_at", CLOSES)
    gate = Gate(depth=action, spread=action, end=action)
    stage = Stage(msgspec.structs.replace(LIMITS, gate=gate), closes_at=closes_at)
    book(stage)
    submit(**{k: v for k, v in fields.items() if k != "closes_at"})(stage)
    reply = stage.replies[0]
    assert said in reply.message
    if code and action is Action.REFUSE:
        assert (reply.status, reply.code) == ("refused", code)
        assert not stage.engine.positions
    else:
        assert reply.status == "accepted"
        assert ("WARNING" in reply.message) == bool(code)


# -- a dry run ---------------------------------------------------------------------------------------


def test_a_dry_run_tells_the_orders_and_the_money_and_opens_nothing() -> None:
    stage = Stage(closes_at=CLOSES)
    CALM(stage)
    sent = submit(sell_price=None, targets=["0.60:50%", "0.70"], dry_run=True)(stage)
    assert sent == []
    assert not stage.engine.positions
    (reply,) = stage.replies
    assert (reply.status, reply.position_id) == ("accepted", "")
    # 100 x 0.55 + 100 x 0.04 x 0.55 x 0.45 = 55.99 paid; 50 x 0.60 + 50 x 0.70 = 65 at the targets,
    # 100 x 0.45 - 100 x 0.04 x 0.45 x 0.55 = 44.01 at the stop.
    for said in (
        "would buy 100 at 0.55, for at most 55.99 with fee",
        "offer 50.00 at 0.60",
        "offer 50.00 at 0.70",
        "arm the stop at 0.45",
        "break-even 0.569706",
        "profit at target 9.01",
        "result at stop -11.98",
        "result if no bid is left -55.99",
        "spread 0.03",
    ):
        assert said in reply.message, said


def test_terms_are_told_as_they_are_asked_for() -> None:
    stage = Stage(closes_at=CLOSES)
    asked = {
        "targets": ["0.60:50%", "0.70"],
        "trail": "5%",
        "trail_from": "0.60",
        "break_even_after": "1",
        "break_even_offset": "0.01",
        "stop_confirm": "5quotes",
        "trigger": "size",
        "exit_at": at(60),
        "exit_before_end": "10m",
        "keep_if_stop_trades": True,
    }
    submit(**wish(asked))(stage)
    terms = msgspec.to_builtins(stage.engine.positions[ID].request.terms, builtin_types=(Decimal,))
    assert term_texts(terms) == {
        "targets": "0.6:50%",
        "trail": "5%",
        "trail_from": "0.6",
        "break_even_after": "1",
        "break_even_offset": "0.01",
        "stop_confirm": "5quotes",
        "trigger": "size",
        "exit_at": "2026-04-13T16:01:00.000Z",
        "exit_before_end": "600s",
        "keep_if_stop_trades": "true",
    }
