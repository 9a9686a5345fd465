"""The markets of a recording: each value that cannot be is refused with its field and rule."""

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.identifiers import InstrumentId
from typer.testing import CliRunner

from bridge.conversion import fee_schedule
from cli.main import app
from positions.model.venue_rules import FeeSchedule
from recordings.importer import Token, described, instrument
from recordings.market_list import read_markets
from recordings.tables import RecordingError

RUN = CliRunner()
MARKET: dict[str, Any] = {
    "slug": "rain",
    "condition_id": "0xc1",
    "min_order_size": "5",
    "fee_rate": "0.04",
    "tokens": [{"token_id": "1", "outcome": "Yes", "tick_size": "0.01"}],
}
# fmt: off
WRONG: dict[str, list[object]] = {
    "fee_rate": ["-1", -1, "NaN", "1", "5", "Infinity", None, [], True, "1e-99999999999"],
    "fee_exponent": [0, -1, "1.5", 10, "NaN", [], True],
    "taker_delay": ["yes", 150],
    "min_order_size": ["NaN", "-5", "x", None, "1e30", "-0.1", {}],
    "slug": ["", None, 1.5, "x" * 301],
    "condition_id": ["", "../../etc", "0x c", "a-b", None],
    "start_ts_ns": [-1, "x", "1e30", 1.5],
    "end_ts_ns": [-1, 10**20, []],
    "tokens": [[], None, {}, "x"],
    "neg_risk": ["no", 7],
    "token_id": ["", None, "1-2", "../1"],
    "outcome": ["", None, []],
    "tick_size": ["0", "1", "0.3", "1e-12", "-0.01", "NaN", "0.5", "0.00001", None, "x"],
    "settlement_price_inferred": ["5", "-1", "NaN", "1.0001", "0.00001", True],
    "tick_changes_inferred": ["x", [1], [{"ts_ns": 1, "tick_size": "0.3"}], [{"ts_ns": -1}]],
}
RIGHT: dict[str, list[object]] = {
    "fee_rate": ["0", 0, "0.25"],
    "fee_exponent": [1, "2", 9, None],
    "taker_delay": [True, False, None],
    "min_order_size": ["0", 5, "5.5"],
    "tick_size": ["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"],
    "settlement_price_inferred": ["0", "1", 1, "0.5", None],
    "end_ts_ns": [None, 1_776_096_000_000_000_000],
    "neg_risk": [True, None],
}
# fmt: on
OF_TOKEN = {"token_id", "outcome", "tick_size", "settlement_price_inferred"}
OF_TOKEN |= {"tick_changes_inferred"}


def changed(field: str, value: object) -> str:
    market = deepcopy(MARKET)
    (market["tokens"][0] if field in OF_TOKEN else market)[field] = value
    return json.dumps([market])


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, vs in WRONG.items() for v in vs])
def test_what_cannot_be_is_refused(tmp_path: Path, field: str, value: object) -> None:
    file = tmp_path / "markets.json"
    file.write_text(changed(field, value))
    with pytest.raises(RecordingError, match=r"market 1.*: \w+ (of|was)|a change") as refused:
        read_markets(file)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, vs in RIGHT.items() for v in vs])
def test_what_may_be_is_taken(tmp_path: Path, field: str, value: object) -> None:
    file = tmp_path / "markets.json"
    file.write_text(changed(field, value))
    assert len(read_markets(file)) == 1


@pytest.mark.parametrize(
    "stated",
    [{}, {"fee_exponent": 2}, {"fee_exponent": "3"}, {"fee_exponent": None}, {"taker_delay": True}],
)
def test_what_was_recorded_of_a_market_is_recorded_of_its_replay(stated: dict[str, Any]) -> None:
    name = InstrumentId.from_str("0xc1-1.POLYMARKET")
    known = instrument(Token(MARKET | stated, MARKET["tokens"][0], name), "0.01", 0)
    again = instrument(Token(*described(known), name), "0.01", 0)
    exponent = stated.get("fee_exponent", 1)
    fee = FeeSchedule(Decimal("0.04"), None if exponent is None else int(exponent))
    assert fee_schedule(known) == fee_schedule(again) == fee
    assert again.info == known.info
    assert known.info.get("taker_delay", False) == stated.get("taker_delay", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps([MARKET])[:-2] + ', "fee_rate": "0"}]', "'fee_rate' stands there twice"),
        (json.dumps([MARKET, MARKET]), "token_id was '1', must be listed once"),
        ("{}", "is no list of markets"),
        ("[1]", "market 1: a market was 1, must be an object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_list_that_says_two_things_or_none_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "markets.json"
    file.write_text(text)
    with pytest.raises(RecordingError, match=said):
        read_markets(file)


def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps([MARKET]))
    table = tmp_path / "t.csv"
    table.write_text("time,token_id,bid,ask,bid\n1776096000,1,0.5,0.52,0.4\n")
    arguments = [
        str(table),
        "--markets",
        str(tmp_path / "m.json"),
        "--catalog",
        str(tmp_path / "c"),
    ]
    done = RUN.invoke(app, ["catalog", "import", *arguments])
    assert done.exit_code == 1
    assert "the header names 'bid' 2 times" in done.stderr
    assert not (tmp_path / "c").exists()
