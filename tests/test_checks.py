"""What positions bind of the money, and what of requests, sales and amendments is refused for it."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from stage import LIMITS, Cue, Stage, ended, filled, order, quote, submit

from positions.commands.validation import reserved_by, staked_by
from positions.model.position import OrderEnd, Role
from positions.model.venue_rules import FeeSchedule

D = Decimal
CALM = quote("0.53", "0.56")
PART, WHOLE = filled(Role.ENTRY, "40", "0.55"), filled(Role.ENTRY, "100", "0.55")
CANCEL = order("cancel")

# fmt: off
# name: (cues, reserved, staked); 100 at 0.55 cost 55, and 0.99 as the fee of a taker
MONEY: dict[str, tuple[list[Cue], str, str]] = {
    "an entry that rests": ([], "55.99", "55"),
    "an entry filled in part": ([PART], "33.594", "55"),
    "an entry that is being taken back may still be filled": ([CANCEL], "55.99", "55"),
    "an entry that is taken back": ([PART, CANCEL, ended(Role.ENTRY)], "0", "22"),
    "an entry that will be sent again": ([ended(Role.ENTRY, OrderEnd.REJECTED)], "55.99", "55"),
    "an entry that is filled": ([WHOLE], "0", "55"),
}
# The stage begins at 16:00.
REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "a size of the default stake": ({"size": None}, ""),
    "an entry that has expired": ({"expires": "2026-04-13T16:00:00Z"}, "EXPIRED"),
    "an entry that expires a second later": ({"expires": "2026-04-13T16:00:01Z"}, ""),
    "as much as a position may cost": ({"stake": "60.50"}, ""),
    "only to rest, and a tick below the ask": ({"max_bid_price": "0.55", "post_only": True}, ""),
    "only to rest, and at the ask": ({"max_bid_price": "0.56", "post_only": True}, "POST_ONLY_WOULD_CROSS"),
    "only to rest, and over the ask": ({"max_bid_price": "0.60", "post_only": True}, "POST_ONLY_WOULD_CROSS"),
    "over the ask, and it may take": ({"max_bid_price": "0.60"}, ""),
    "a share's hundredth more": ({"size": "110.01"}, "MAX_STAKE_PER_POSITION"),
}
# name: (size, cues before, what is amended, the refusal)
AMENDED: dict[str, tuple[str, list[Cue], dict[str, str], str]] = {
    "a target at the max bid of an entry": ("100", [], {"sell_price": "0.55"}, "TARGET_NOT_ABOVE_MAX_BID"),
    "a target a tick above it": ("100", [], {"sell_price": "0.56"}, ""),
    "a target below the max bid, the entry being over": ("100", [WHOLE], {"sell_price": "0.54"}, ""),
    "a target at the stop": ("100", [WHOLE], {"sell_price": "0.45"}, "TARGET_NOT_ABOVE_STOP"),
    "a target off the tick": ("100", [], {"sell_price": "0.605"}, "PRICE_OFF_TICK"),
    "a stop off the tick": ("100", [], {"stop_loss_price": "0.405"}, "PRICE_OFF_TICK"),
    "a max bid off the tick": ("100", [], {"max_bid": "0.505"}, "PRICE_OFF_TICK"),
    "a stop at the max bid of an entry": ("100", [], {"stop_loss_price": "0.55"}, "STOP_NOT_BELOW_MAX_BID"),
    "a stop at the max bid, the entry being over": ("100", [WHOLE], {"stop_loss_price": "0.55", "now": True}, ""),
    "a stop that can just sell": ("100", [], {"stop_loss_price": "0.01"}, ""),
    "a stop that could not sell": ("99.99", [], {"stop_loss_price": "0.01"}, "STOP_UNSELLABLE"),
    "a max bid as high as the cap": ("100", [], {"max_bid": "0.60"}, ""),
    "a max bid above the cap": ("100", [], {"max_bid": "0.61"}, "MAX_STAKE_PER_POSITION"),
    "a max bid lowered": ("100", [], {"max_bid": "0.46"}, ""),
    "a max bid of an entry that is over": ("100", [WHOLE], {"max_bid": "0.50"}, "ENTRY_OVER"),
}
# name: (the bid, the sale, the refusal)
SALES: dict[str, tuple[str | None, dict[str, str], str]] = {
    "a share's worth at the least price": ("0.53", {"shares": "1.66", "min_price": "0.60"}, "SIZE_BELOW_MINIMUM"),
    "worth a dollar at the least price": ("0.53", {"shares": "1.67", "min_price": "0.60"}, ""),
    "worth a dollar at a bid that is higher": ("0.70", {"shares": "1.50", "min_price": "0.60"}, ""),
    "without a bid the least price counts": (None, {"shares": "1.50", "min_price": "0.60"}, "SIZE_BELOW_MINIMUM"),
    "without a bid and worth a dollar": (None, {"shares": "1.67", "min_price": "0.60"}, ""),
}
# fmt: on


@pytest.mark.parametrize("name", MONEY)
def test_the_money_that_a_position_binds(name: str) -> None:
    cues, reserved, staked = MONEY[name]
    stage = Stage()
    for cue in (CALM, submit(), *cues):
        cue(stage)
    p = stage.position
    assert (reserved_by(p, FeeSchedule(D("0.04"))), staked_by(p)) == (D(reserved), D(staked))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_within_its_limits(name: str) -> None:
    fields, code = REQUESTS[name]
    stage = Stage(replace(LIMITS, max_stake_per_position=D("60.50")))
    CALM(stage)
    submit(**({"size": None} if "stake" in fields else {}) | fields)(stage)
    assert stage.replies[-1].code == code
    if not code and fields == {"size": None}:
        assert stage.position.request.size == D("90.90")  # for 50 at 0.55


@pytest.mark.parametrize("name", AMENDED)
def test_an_amendment_within_its_limits(name: str) -> None:
    size, cues, changes, code = AMENDED[name]
    stage = Stage(replace(LIMITS, max_stake_per_position=D(60)))
    for cue in (CALM, submit(size=size), *cues, order("amend", **changes)):
        cue(stage)
    assert stage.replies[-1].code == code, stage.replies[-1].message


@pytest.mark.parametrize("name", SALES)
def test_a_sale_is_worth_the_venues_minimum(name: str) -> None:
    bid, sale, code = SALES[name]
    stage = Stage()
    for cue in (CALM, submit(sell_price=None), WHOLE, quote(bid, "0.90"), order("sell", **sale)):
        cue(stage)
    assert stage.replies[-1].code == code, stage.replies[-1].message


def test_an_entry_that_shall_only_rest_is_not_amended_to_take() -> None:
    stage = Stage()
    for cue in (CALM, submit(post_only=True), order("amend", max_bid="0.56")):
        cue(stage)
    assert stage.replies[-1].code == "POST_ONLY_WOULD_CROSS"
    order("amend", max_bid="0.54")(stage)
    assert stage.replies[-1].code == ""
