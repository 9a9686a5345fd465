"""An amendment of the floor, of the expiry and of whether an entry may take: what follows of each."""

from typing import Any

import msgspec
import pytest
from stage import START, Stage, filled, later, order, quote, submit

from positions.commands.fields import Malformed
from positions.commands.messages import Amend, from_fields
from positions.model import events
from positions.model.formatting import iso
from positions.model.position import Role
from positions.storage.rows import story
from positions.storage.spool import uuid7
from positions.storage.story import sentence

SECOND = 10**9
HOUR = 3600 * SECOND


def entering(**fields: Any) -> Stage:
    stage = Stage()
    quote("0.54", "0.57")(stage)
    submit(**fields)(stage)
    return stage


def holding(**fields: Any) -> Stage:
    stage = entering(**fields)
    filled(Role.ENTRY, "100", "0.55")(stage)
    return stage


# fmt: off
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # what was asked for, what is amended, what the request then has
    "a floor":              ({}, {"floor": "0.40"}, {"floor_price": "0.40"}),
    "another floor":        ({"floor": "0.30"}, {"floor": "40c"}, {"floor_price": "0.4"}),
    "no floor":             ({"floor": "0.30"}, {"floor": "none"}, {"floor_price": "0"}),
    "an expiry":            ({}, {"expires": "2h"}, {"entry_expires_at": START + 2 * HOUR}),
    "an expiry as a time":  ({}, {"expires": iso(START + HOUR)}, {"entry_expires_at": START + HOUR}),
    "a later expiry":       ({"expires": "1h"}, {"expires": "3h"}, {"entry_expires_at": START + 3 * HOUR}),
    "no expiry":            ({"expires": "1h"}, {"expires": "none"}, {"entry_expires_at": None}),
    "a larger size":        ({}, {"size": "150"}, {"size": "150"}),
    "the same size":        ({}, {"size": "100"}, {"size": "100"}),
    "only to rest":         ({}, {"post_only": True}, {"post_only": True}),
    "to take, too":         ({"post_only": True}, {"post_only": False}, {"post_only": False}),
    "a stop alone":         ({"floor": "0.30", "expires": "1h", "post_only": True}, {"stop": "0.40"},
                             {"floor_price": "0.30", "entry_expires_at": START + HOUR, "post_only": True, "stop_loss_price": "0.40"}),
}
REFUSED: dict[str, tuple[bool, dict[str, Any], str, str]] = {
    # whether it is bought, what is amended, the refusal
    "a floor above the stop":        (False, {"floor": "0.50"}, "FLOOR_ABOVE_STOP", "floor_price was 0.50"),
    "an expiry that is past":        (False, {"expires": iso(START)}, "EXPIRED", "expires was 2026-04-13T16:00:00.000Z"),
    "only to rest where it takes":   (False, {"post_only": True, "max_bid": "0.60"}, "POST_ONLY_WOULD_CROSS", "max_bid_price was 0.60"),
    "an expiry of what is bought":   (True, {"expires": "2h"}, "ENTRY_OVER", "expires was given, must be left out: the entry is over"),
    "a time for what is bought":     (True, {"expires": iso(START + HOUR)}, "ENTRY_OVER", "expires was given"),
    "less than is on order":        (False, {"size": "99"}, "SIZE_BELOW_ORDERED", "size was 99, must be at least the 100 that are bought or on order"),
    "a size off the grid":          (False, {"size": "100.001"}, "SIZE_OFF_GRID", "size was 100.001"),
    "more than there is money for": (False, {"size": "100000"}, "MAX_STAKE_PER_POSITION", "stake was"),
    "a size of what is bought":     (True, {"size": "150"}, "ENTRY_OVER", "size was given"),
    "post-only of what is bought":   (True, {"post_only": True}, "ENTRY_OVER", "post_only was given"),
}
# fmt: on


@pytest.mark.parametrize("name", CHANGES)
def test_an_amendment_changes_what_it_names(name: str) -> None:
    asked, changes, expected = CHANGES[name]
    stage = entering(**asked)
    order("amend", **changes)(stage)
    assert stage.replies[-1].status == "accepted", stage.replies[-1].message
    for field, value in expected.items():
        found = getattr(stage.position.request, field)
        is_same = found is value or (value is not None and found == type(found)(value))
        assert is_same, (field, found)


@pytest.mark.parametrize("name", REFUSED)
def test_an_amendment_that_cannot_be_is_refused(name: str) -> None:
    is_bought, changes, code, said = REFUSED[name]
    stage = holding() if is_bought else entering()
    before = stage.position.request
    order("amend", **changes)(stage)
    reply = stage.replies[-1]
    assert (reply.code, said in reply.message) == (code, True), reply.message
    assert stage.position.request == before


def test_an_entry_ends_at_its_new_expiry() -> None:
    stage = entering(expires="1h")
    order("amend", expires="30s")(stage)
    assert later(29)(stage) == []
    assert later(1)(stage) == ["cancel entry"]
    stage = entering(expires="1m")
    order("amend", expires="none")(stage)
    assert "cancel entry" not in later(61)(stage)


def test_a_new_floor_holds_for_the_stop() -> None:
    stage = holding()
    order("amend", floor="0.44")(stage)
    sent = quote("0.40", "0.42")(stage)
    assert not any(text.startswith("sell") for text in sent), sent


def test_a_dry_run_tells_what_changes() -> None:
    stage = entering(floor="0.30")
    order("amend", floor="0.40", expires="2h", post_only=True, dry_run=True)(stage)
    text = stage.replies[-1].message
    assert "floor 0.3 -> 0.4" in text
    assert f"expires none -> {iso(START + 2 * HOUR)}" in text
    assert "post only false -> true" in text
    assert stage.position.request.floor_price == msgspec.convert(
        "0.30", type(stage.position.request.floor_price)
    )


def test_the_event_is_recorded_and_told() -> None:
    stage = entering(expires="1h")
    plain: dict[str, Any] = {"max_bid_price": "0.55", "sell_price": None, "stop_loss_price": None}
    for changes, said in (
        ({}, "stop none"),
        ({"floor_price": "0.4"}, "stop none, floor 0.4"),
        ({"post_only": False}, "stop none, post only false"),
        ({"entry_expires_at": None}, "stop none, expires never"),
    ):
        event = msgspec.convert({"time": START, **plain, **changes}, events.Amended, strict=False)
        again = msgspec.json.decode(msgspec.json.encode(event), type=events.Amended)
        assert again == event
        assert sentence(story(stage.position, event)).endswith(said)


def test_what_is_no_floor_or_expiry_is_refused_by_its_field() -> None:
    about = {"command": "amend", "id": uuid7(), "position_id": uuid7()}
    for field, value in (("floor", "55"), ("expires", "soon"), ("post_only", "perhaps")):
        with pytest.raises(Malformed, match=rf"^{field} was "):
            from_fields(about | {field: value})
    c = from_fields(about | {"floor": "none", "expires": "none"})
    assert isinstance(c, Amend)
    assert (c.floor_price, c.expires) == (None, None)


def test_what_was_added_to_the_size_is_bought_once_the_order_is_filled() -> None:
    stage = entering()
    assert order("amend", size="150")(stage) == []
    sent = filled(Role.ENTRY, "100", "0.55")(stage)
    assert any("buy 50" in text or "entry 50" in text for text in sent), sent
    filled(Role.ENTRY, "50", "0.55")(stage)
    assert (stage.position.ledger.bought, stage.position.remaining) == (150, 0)
    assert stage.position.decision.entry_ended is not None
