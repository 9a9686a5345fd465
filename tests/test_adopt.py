"""Shares that are there already: what is refused, what is protected, what they count as costing."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stories
from msgspec.structs import replace
from stage import Cue, Stage, filled, order, quote, resolved, submit
from test_backtest import replayed

from positions.commands.fields import Malformed
from positions.commands.messages import Adopt, from_fields
from positions.engine.adoption import Holding
from positions.model.position import Phase, Role
from positions.model.trades import Trade
from positions.storage.rows import story
from positions.storage.story import sentence
from recordings.catalog import Recording
from recordings.sample import make_sample

D = Decimal
CALM = quote("0.53", "0.56")
HOLDING = Holding(D(100))
OTHER = "0190b5a2-7a3f-7c3e-8c3e-00000000a001"
"""Of another position, opened before."""
MINE = "0190b5a2-7a3f-7c3e-8c3e-000000000001"


def asked(command_id: str = MINE, **fields: Any) -> Adopt:
    """All free shares that cost 0.50, target 0.70, stop 0.45, unless told otherwise."""
    values = {"market": "rain-in-london", "outcome": "Yes", "entry_price": "0.50"}
    values |= {"sell_price": "0.70", "stop_loss_price": "0.45"} | fields
    given = {k: v for k, v in values.items() if v is not None}
    command = from_fields({"command": "adopt", "id": command_id} | given)
    assert isinstance(command, Adopt)
    return command


def adopt(holding: Holding = HOLDING, **fields: Any) -> Cue:
    """The owner asks for what the wallet has to be protected."""

    def play(s: Stage) -> list[str]:
        s.engine.adopt(asked(**fields), holding)
        return s.run()

    return play


def buy(price: str, shares: str, at: int, fee: str = "0", id_: str = "") -> Trade:
    made = Trade(id_ or f"W-{at}", D(price), D(shares), is_maker=True, time=at, fee=D(fee))
    return replace(made, is_buy=True)


def sale(price: str, shares: str, at: int) -> Trade:
    return Trade(f"W-{at}", D(price), D(shares), is_maker=True, time=at)


# fmt: off
ACCEPTED: dict[str, tuple[Holding, dict[str, Any], list[str]]] = {
    # what the wallet has, what is asked for, what is sent
    "all that is there": (HOLDING, {}, ["offer 100 @0.70", "arm 100 @0.45"]),
    "a part of it": (HOLDING, {"shares": "40"}, ["offer 40 @0.70", "arm 40 @0.45"]),
    "all of it by number": (HOLDING, {"shares": "100"}, ["offer 100 @0.70", "arm 100 @0.45"]),
    "what is off the grid is left": (Holding(D("20.123456")), {}, ["offer 20.12 @0.70", "arm 20.12 @0.45"]),
    "what others do not offer": (Holding(D(100), D(60)), {}, ["offer 40 @0.70", "arm 40 @0.45"]),
    "a stop alone": (HOLDING, {"sell_price": None}, ["arm 100 @0.45"]),
    "a target alone": (HOLDING, {"stop_loss_price": None}, ["offer 100 @0.70"]),
    "targets in steps": (HOLDING, {"sell_price": None, "targets": ["0.60:50%", "0.70"]}, ["offer 50.00 @0.70", "offer 50.00 @0.60", "arm 100 @0.45"]),
    "percentages of what it cost": (HOLDING, {"sell_price": "+20%", "stop_loss_price": "10%"}, ["offer 100 @0.60", "arm 100 @0.45"]),
    "a stop a tick below the bid": (HOLDING, {"stop_loss_price": "0.52"}, ["offer 100 @0.70", "arm 100 @0.52"]),
    "a stop above what it cost": (HOLDING, {"stop_loss_price": "0.51"}, ["offer 100 @0.70", "arm 100 @0.51"]),
    "a target a tick above the bid": (HOLDING, {"sell_price": "0.54"}, ["offer 100 @0.54", "arm 100 @0.45"]),
    "a target below what it cost": (HOLDING, {"entry_price": "0.80"}, ["offer 100 @0.70", "arm 100 @0.45"]),
    "a stop that follows begins below the bid": (HOLDING, {"stop_loss_price": None, "trail": "0.05"}, ["offer 100 @0.70", "arm 100 @0.48"]),
    "the least that can rest": (Holding(D(5)), {}, ["offer 5 @0.70", "arm 5 @0.45"]),
    "the least that a stop can sell": (Holding(D("2.5")), {"sell_price": None, "stop_loss_price": "0.40"}, ["arm 2.5 @0.40"]),
}
REFUSED: dict[str, tuple[Holding, dict[str, Any], str, str]] = {
    "a market that is not known": (HOLDING, {"market": "snow"}, "UNKNOWN_MARKET", "market was 'snow'"),
    "an outcome that is not known": (HOLDING, {"outcome": "Maybe"}, "UNKNOWN_OUTCOME", "outcome was 'Maybe'"),
    "a wallet that cannot be read": (Holding(problem="503"), {}, "WALLET_UNKNOWN", "are not known: 503; send it again later"),
    "nothing there": (Holding(), {}, "NOTHING_TO_ADOPT", "must be at most 0: the wallet has 0, positions own 0, other orders offer 0"),
    "less than can be sold": (Holding(D("0.009999")), {}, "NOTHING_TO_ADOPT", "must be at most 0"),
    "all of it offered by others": (Holding(D(100), D(100)), {}, "NOTHING_TO_ADOPT", "other orders offer 100"),
    "more than is there": (HOLDING, {"shares": "100.01"}, "SIZE_ABOVE_FREE", "shares was 100.01, must be at most 100"),
    "shares off the grid": (HOLDING, {"shares": "10.005"}, "SIZE_OFF_GRID", "shares was 10.005"),
    "a stop at the bid": (HOLDING, {"stop_loss_price": "0.53"}, "STOP_AT_OR_ABOVE_BID", "stop_loss_price was 0.53, must be below the current bid 0.53"),
    "a stop off the tick": (HOLDING, {"stop_loss_price": "0.455"}, "PRICE_OFF_TICK", "stop_loss_price was 0.455"),
    "a target at the bid": (HOLDING, {"sell_price": "0.53"}, "TARGET_AT_OR_BELOW_BID", "sell_price was 0.53, must be above the current bid 0.53"),
    "a first target at the bid": (HOLDING, {"sell_price": None, "targets": ["0.53:50%", "0.70"]}, "TARGET_AT_OR_BELOW_BID", "was 0.53"),
    "a target at the stop": (HOLDING, {"sell_price": "0.45"}, "TARGET_NOT_ABOVE_STOP", "sell_price was 0.45"),
    "a floor above the stop": (HOLDING, {"floor_price": "0.46"}, "FLOOR_ABOVE_STOP", "floor_price was 0.46"),
    "too little to rest": (Holding(D("4.99")), {}, "SIZE_BELOW_MINIMUM", "shares was 4.99, must be at least the market's minimum of 5"),
    "too little for the stop": (Holding(D("2.49")), {"sell_price": None, "stop_loss_price": "0.40"}, "STOP_UNSELLABLE", "shares was 2.49, must be worth at least $1 at stop_loss_price 0.40"),
    "no way out": (HOLDING, {"sell_price": None, "stop_loss_price": None}, "NO_EXIT", "stop_loss_price was empty, must be given"),
    "a cost that nobody knows": (HOLDING, {"entry_price": None}, "ENTRY_PRICE_UNKNOWN", "do not say what all 100 shares cost"),
    "an exit in the past": (HOLDING, {"exit_at": "2020-01-01T00:00:00Z"}, "EXPIRED", "exit_at was"),
}
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"shares": "0"}, "shares was 0, must be above 0"),
    ({"entry_price": "1"}, "entry_price was 1, must be above 0 and below 1"),
    ({"max_bid_price": "0.5"}, "is not a field"),
    ({"if_taken_off": "end"}, "is not a field"),
    ({"market": None}, "market was empty, is required by adopt"),
    ({"targets": "0.8:50%"}, "must not be given together with sell_price"),
]
COSTS: dict[str, tuple[list[Trade], str | None, str]] = {
    # the wallet's trades, the average price of 100 shares, their fees
    "one purchase": ([buy("0.40", "100", 1, "0.96")], "0.40", "0.96"),
    "two purchases": ([buy("0.40", "50", 1), buy("0.50", "50", 2, "0.5")], "0.45", "0.5"),
    "more than is adopted": ([buy("0.40", "200", 1, "2")], "0.40", "1"),
    "a sale between takes its part along": ([buy("0.40", "100", 1), sale("0.60", "50", 2), buy("0.50", "50", 3)], "0.45", "0"),
    "what was sold before counts no more": ([buy("0.10", "70", 1), sale("0.60", "70", 2), buy("0.50", "100", 3)], "0.50", "0"),
    "in whatever order they are told": ([buy("0.50", "100", 3), sale("0.60", "70", 2), buy("0.10", "70", 1)], "0.50", "0"),
    "a sale of what nobody saw bought": ([sale("0.60", "30", 1), buy("0.40", "100", 2)], "0.40", "0"),
    "a cost with more decimals": ([buy("0.40", "50", 1), buy("0.41", "100", 2)], "0.406667", "0"),
    "fewer than are adopted": ([buy("0.40", "99.99", 1)], None, ""),
    "none at all": ([], None, ""),
}
# fmt: on


@pytest.mark.parametrize("name", ACCEPTED)
def test_adopted(name: str) -> None:
    holding, fields, sent = ACCEPTED[name]
    stage = Stage()
    CALM(stage)
    assert adopt(holding, **fields)(stage) == sent
    (reply,) = stage.replies
    assert (reply.status, reply.position_id) == ("accepted", MINE), reply.message
    assert stage.engine.positions[MINE].phase is Phase.HOLDING


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    holding, fields, code, said = REFUSED[name]
    stage = Stage()
    CALM(stage)
    assert adopt(holding, **fields)(stage) == []
    (reply,) = stage.replies
    assert (reply.status, reply.code) == ("refused", code), reply.message
    assert said in reply.message
    assert not stage.engine.positions


@pytest.mark.parametrize(("fields", "said"), MALFORMED)
def test_malformed(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        asked(**fields)


@pytest.mark.parametrize("name", COSTS)
def test_what_shares_cost_that_no_price_is_told_for(name: str) -> None:
    trades, price, fees = COSTS[name]
    stage = Stage()
    CALM(stage)
    adopt(Holding(D(200), trades=tuple(trades)), shares="100", entry_price=None)(stage)
    (reply,) = stage.replies
    if price is None:
        assert reply.code == "ENTRY_PRICE_UNKNOWN"
        return
    p = stage.engine.positions[MINE]
    assert (p.request.max_bid_price, p.ledger.cost, p.ledger.buy_fees) == (
        D(price),
        D(price) * 100,
        D(fees),
    )


def test_what_a_position_bought_is_its_own_with_its_cost() -> None:
    stage = Stage()
    CALM(stage)
    submit()(stage)
    filled(Role.ENTRY, "100", "0.55")(stage)
    trades = (buy("0.55", "100", 1, id_="T-1"), buy("0.30", "20", 2))
    stage.engine.adopt(asked(OTHER, entry_price=None), Holding(D(120), trades=trades))
    assert stage.run() == ["offer 20 @0.70", "arm 20 @0.45"]
    assert stage.engine.positions[OTHER].ledger.cost == D("6.00")
    stage.engine.adopt(asked(f"{OTHER[:-1]}2"), Holding(D(120)))
    stage.run()
    assert stage.replies[-1].code == "NOTHING_TO_ADOPT"
    assert "the wallet has 120, positions own 120" in stage.replies[-1].message


@pytest.mark.parametrize(("stop", "code"), [("0.41", ""), ("0.39", "STOP_UNSELLABLE")])
def test_what_is_too_little_to_rest_can_still_be_amended(stop: str, code: str) -> None:
    stage = Stage()
    CALM(stage)
    adopt(Holding(D("2.5")), sell_price=None, stop_loss_price="0.40")(stage)
    order("amend", stop_loss_price=stop)(stage)
    assert stage.replies[-1].code == code


def test_neither_a_halt_nor_a_cap_holds_protection_up() -> None:
    stage = Stage()
    CALM(stage)
    order("halt")(stage)
    assert adopt(Holding(D(9000)))(stage) == ["offer 9000 @0.70", "arm 9000 @0.45"]


def test_a_resolved_market_has_nothing_to_protect() -> None:
    stage = Stage()
    resolved("1")(stage)
    adopt()(stage)
    assert stage.replies[-1].code == "MARKET_CLOSED"


def test_a_dry_run_tells_what_would_come_of_it_and_takes_nothing() -> None:
    stage = Stage()
    CALM(stage)
    assert adopt(dry_run=True)(stage) == []
    assert not stage.engine.positions
    (reply,) = stage.replies
    # 100 x 0.70 - 100 x 0.50 = 20; 100 x 0.45 - 100 x 0.04 x 0.45 x 0.55 - 50 = -5.99
    for said in (
        "would adopt 100 that cost 50.00 with fee",
        "offer 100 at 0.70",
        "arm the stop at 0.45",
        "profit at target 20.00",
        "result at stop -5.99",
        "bids at the stop 0.45 or better want 1000 shares; the stop would sell 100",
    ):
        assert said in reply.message, said


def test_what_is_adopted_is_stopped_out_and_tells_its_story() -> None:
    stage = Stage()
    CALM(stage)
    adopt(sell_price=None)(stage)
    p = stage.engine.positions[MINE]
    (event,) = [f for f in stage.events if type(f).__name__ == "Adopted"]
    told = sentence(story(p, event))
    assert told == ("adopted: 100 shares of the wallet, that cost 0.5 each, target none, stop 0.45")
    assert quote("0.44", "0.46")(stage) == ["cancel stop", "sell 100 @0.41"]
    assert stage.engine.positions[MINE].phase is Phase.EXITING


def test_shares_of_a_simulated_account_are_adopted_and_sold(tmp_path: Path) -> None:
    catalog = tmp_path / "sample"
    make_sample(catalog)
    shares = f'[account.shares]\n"{_token(catalog)}" = 80\n'
    config = f'mode = "replay"\nstate = "unused"\n{shares}'
    request = {"command": "adopt", "market": "synthetic-rain-in-london", "outcome": "Yes"}
    request |= {"entry_price": "0.50", "stop": "0.45", "target": "0.70"}
    request |= {"at": "2026-03-02T12:00:05Z"}
    ids = [f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2)]
    requests = [request | {"id": ids[0]}, request | {"id": ids[1], "shares": "1"}]
    o = stories.backtest_of(config, catalog, requests)
    node = replayed(tmp_path / "replay", catalog, requests, config)
    assert stories.differences(node, stories.of(o)) == []
    assert [r.code for r in o.refused] == ["SIZE_ABOVE_FREE"]
    (row,) = o.rows
    assert (row["status"], row["volume"], row["held"]) == ("closed", 80, 0)
    fills = o.fills[row["id"]]
    assert (fills[0]["side"], fills[0]["role"], fills[0]["shares"]) == ("buy", "adoption", 80)
    money = sum((f["shares"] * f["price"] - f["fee"] for f in fills[1:]), D(0))
    assert o.equity[-1].equity == 1000 + money
    assert row["realized_pnl"] == money - 40


def _token(catalog: Path) -> str:
    found = [i for i in Recording(catalog).instruments if "rain" in str((i.info or {}).get("slug"))]
    (token,) = [str(i.id.symbol).rsplit("-", 1)[1] for i in found if i.outcome == "Yes"]
    return token
