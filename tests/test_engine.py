"""The most important scenarios through the real TradingNode, and what once stopped such nodes.

All of them are played in one replay, each in a market of its own; a node that fell over in one
would tell no story of the others.
"""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import hostile
import pytest
from engine_scenarios import SCENARIOS, Quote, submit
from engine_stage import SIGNALLED, Stage
from typer.testing import CliRunner

from cli.main import app
from positions.commands.files import numbered
from positions.storage.snapshot import Snapshot
from positions.storage.spool import uuid7

pytestmark = pytest.mark.xdist_group("engine")
D = Decimal
BURST = 150
HOSTILE = 10_000
HERD = 10
"""Positions of one market whose stops one quote triggers."""


def _throw_rubbish(stage: Stage) -> None:
    """Hostile files around the valid commands."""
    rng = random.Random(3)
    new = stage.folder / "state" / "spool" / "new"
    for number in range(HOSTILE):
        name = rng.choice((uuid7(), numbered(10_000 + number), f"rubbish-{number}", f".{number}"))
        (new / f"{name}.json").write_bytes(hostile.content(rng))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Snapshot]]:
    stage = Stage(tmp_path_factory.mktemp("engine"))
    stage.add_all()
    calm: list[Quote] = [(0, "0.40", "0.42", 500), (6, "0.40", "0.43", 500)]
    burst = [submit(2, max_bid="0.30", target="", stop="", size="5") for _ in range(BURST)]
    stage.add("a burst of entries", calm, burst)
    _throw_rubbish(stage)
    crash: list[Quote] = [
        (0, "0.53", "0.55", 5000),
        (3, "0.25", "0.27", 5000),
        (4, "0.24", "0.27", 5000),
    ]
    stage.add("a herd of stops", crash, [submit(1, size="20", target="") for _ in range(HERD)])
    stage.add_signal()
    stage.write()
    with stage.play() as copy:
        yield stage, copy


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, played: tuple[Stage, Snapshot]) -> None:
    stage, copy = played
    _, _, phase, reason, expected = SCENARIOS[name]
    row = copy.position(stage.ids[name])
    fills = [(f["role"], f"{f['shares']:f}", f["price"]) for f in copy.fills(stage.ids[name])]
    found = [(role, D(shares).normalize() + 0, price) for role, shares, price in fills]
    assert found == [(role, D(shares), D(price)) for role, shares, price in expected]
    assert (row["phase"], row["exit_reason"]) == (phase, reason)


def test_a_burst_of_entries_is_denied_by_nobody(played: tuple[Stage, Snapshot]) -> None:
    _, copy = played
    rows = [r for r in copy.positions() if r["max_bid_price"] == D("0.3")]
    assert len(rows) == BURST
    assert {r["phase"] for r in rows} == {"entering"}
    for r in rows:
        assert [e["kind"] for e in copy.story(r["id"])] == [
            "opened",
            "order_sent",
            "order_accepted",
        ]


def test_stops_triggered_by_one_quote_all_sell(played: tuple[Stage, Snapshot]) -> None:
    stage, copy = played
    market = stage.markets[-2]["slug"]
    rows = [r for r in copy.positions(everything=True) if r["market"] == market]
    assert [(r["status"], r["exit_reason"], r["held"]) for r in rows] == [
        ("closed", "stop", D(0))
    ] * HERD


def test_an_actor_of_its_own_opens_positions_within_its_caps(
    played: tuple[Stage, Snapshot],
) -> None:
    stage, copy = played
    rows = [r for r in copy.positions() if r["market"] == stage.markets[-1]["slug"]]
    # Crossed at 2 s and at 4 s; 20 USDC at 0.56 buy 35.71 shares, at the ask of 0.56.
    found = [(r["phase"], r["volume"], r["entry_price"]) for r in rows]
    assert found == [("holding", D("35.71"), D("0.56"))] * SIGNALLED
    assert all(stage.spool.read_reply(r["id"]) for r in rows)


def test_every_command_is_answered_once_and_moved(played: tuple[Stage, Snapshot]) -> None:
    stage, _ = played
    assert stage.spool.waiting() == []
    bad = [f for f in (stage.folder / "state/spool/bad").iterdir() if f.suffix == ".reason"]
    assert len(bad) == HOSTILE
    done = list((stage.folder / "state" / "spool" / "done").iterdir())
    assert len(done) == stage.count
    assert all(stage.spool.read_reply(f.stem) for f in done)


NAMES = [
    "id",
    "market_id",
    "market",
    "outcome_id",
    "outcome",
    "status",
    "phase",
    "size",
    "max_bid_price",
    "sell_price",
    "stop_loss_price",
    "entry_price",
    "filled_at",
    "volume",
    "exit_price",
    "exit_time",
    "exit_reason",
    "was_auto",
    "current_price",
    "unrealized_pnl",
    "realized_pnl",
    "fees",
    "created_at",
    "updated_at",
]
MONEY = {"size", "max_bid_price", "volume", "realized_pnl", "fees"}
FILL = {"time", "side", "shares", "price", "fee", "liquidity", "role"}


def _printed(stage: Stage, *arguments: str) -> list[dict[str, Any]]:
    state = str(stage.folder / "state")
    done = CliRunner().invoke(app, [*arguments, "--json", "--state", state])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_json_of_every_position_keeps_its_names(played: tuple[Stage, Snapshot]) -> None:
    stage, _ = played
    rows = _printed(stage, "positions", "--all")
    assert len(rows) == len(SCENARIOS) + BURST + HERD + SIGNALLED
    for row in rows:
        assert set(NAMES) <= set(row)
        assert all(isinstance(row[name], str) and D(row[name]) is not None for name in MONEY)
        assert datetime.fromisoformat(row["created_at"]).tzinfo is not None


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_json_of_a_story_is_whole(name: str, played: tuple[Stage, Snapshot]) -> None:
    stage, _ = played
    (row,) = _printed(stage, "show", stage.ids[name])
    assert [e["seq"] for e in row["events"]] == list(range(1, len(row["events"]) + 1))
    assert all(datetime.fromisoformat(e["time"]).year == 2026 for e in row["events"])
    for f in row["fills"]:
        assert set(f) >= FILL
        assert f["liquidity"] in ("maker", "taker", "settlement")
        assert f["role"] in ("entry", "target", "exit", "settlement")
    for e in row["events"]:
        if e["kind"] == "triggered":
            assert {"bid", "bid_size", "stop_loss_price"} <= set(e)
        if e["kind"] == "order_filled" and e["role"] == "exit" and row["exit_reason"] == "stop":
            assert D(e["slippage"]) == D(row["stop_in_force"]) - D(e["price"])
