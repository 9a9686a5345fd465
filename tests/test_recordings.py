"""Real recordings through the real node: every story obeys the promise, and is the same each time.

Money and fills are recomputed from the raw quotes alone. A few markets of one recording are played
here, and all of all recordings, with more positions, by `make recordings`.
"""

import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from decimal import ROUND_HALF_EVEN
from pathlib import Path
from typing import Any

import duckdb
import pytest
import recorded
import stories
from recorded import D

COUNT = int(os.environ.get("POSITIONS", "100"))
UNDATED = COUNT // 5
"""So many of them have no time of their own."""
SHARES_MAX = 2_000
CASH = D(1_000_000)
CONFIG = f"""
mode = "replay"
state = "unused"
[account]
cash = {CASH}
[limits]
max_total_stake = 1000000
max_stake_per_position = 2000
"""
IS_WHOLE = "POSITIONS" in os.environ
PART = {f"btc-updown-5m-{start}" for start in (1776081600, 1776081900, 1776082500)}
"""The markets of the suite: two that win, and one that loses, in ticks of 0.001 at last."""
NAMES = recorded.NAMES if IS_WHOLE else ["btc5m-20260413"]
SPEEDS = {
    "btc5m-starter": "15000",
    "btc5m-20260413": "500" if IS_WHOLE else "150",
    "nhl-20260607": "20",
}
"""The speed of the second run: 8 s for the markets of the suite, a minute at most."""
pytestmark = [
    pytest.mark.skipif(not recorded.FOLDER.is_dir(), reason="the shared recordings are not here"),
    pytest.mark.xdist_group("recordings"),
]


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


class Session:
    """One replay of a recording, and the record that it left."""

    def __init__(
        self, folder: Path, catalog: Path, requests: list[dict[str, Any]], speed: str
    ) -> None:
        self.state = folder
        spool = folder / "spool" / "new"
        spool.mkdir(parents=True)
        for fields in requests:
            (spool / f"{fields['id']}.json").write_text(json.dumps(fields))
        config = folder / "config.toml"
        config.write_text(CONFIG)
        options = ("--config", str(config), "--catalog", str(catalog), "--state", str(folder))
        self.process = subprocess.Popen(
            _program("run", *options, "--speed", speed),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> None:
        _, errors = self.process.communicate(timeout=3_600 if IS_WHOLE else 600)
        assert self.process.returncode == 0, errors
        assert errors == ""
        self.db = duckdb.connect(str(self.state / "positions.duckdb"), read_only=True)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        relation = self.db.execute(sql)
        names = [c[0] for c in relation.description or ()]
        return [dict(zip(names, r, strict=True)) for r in relation.fetchall()]

    def story(self) -> list[Any]:
        return self.db.execute(
            "SELECT position_id, seq, story FROM events ORDER BY position_id, seq"
        ).fetchall()


class Book:
    """What the raw recording shows of one token."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.times = [r["ts_event_ns"] for r in rows]

    def at(self, time: int) -> list[dict[str, Any]]:
        """The rows of the newest moment not after a time."""
        last = bisect_right(self.times, time)
        moment = self.times[last - 1]
        first = last
        while first > 0 and self.times[first - 1] == moment:
            first -= 1
        return self.rows[first:last]


class Played:
    """A recording, what it shows, and its replays."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.catalog = name, folder / "catalog"
        self.files = recorded.FOLDER
        if not IS_WHOLE:
            recorded.part(name, PART, folder)
            self.files = folder
        self.markets = recorded.markets(name, self.files)
        rows = defaultdict(list)
        for r in recorded.quotes(name, self.files):
            rows[r["token_id"]].append(r)
        self.books = {token_id: Book(r) for token_id, r in rows.items()}
        described = ("--markets", str(self.files / f"{name}.markets.json"))
        quotes = str(self.files / f"{name}.quotes.parquet")
        command = _program("catalog", "import", quotes, *described, "--catalog", str(self.catalog))
        subprocess.run(command, check=True, capture_output=True)
        self.requests = recorded.positions(
            name, COUNT, 11, self.files, shares_max=SHARES_MAX, undated=UNDATED
        )
        self.one = Session(folder / "one", self.catalog, self.requests, "max")
        self.two = Session(folder / "two", self.catalog, self.requests, SPEEDS[name])
        try:
            self.one.finish()
            self.two.finish()
        finally:
            self.one.process.kill()  # no node outlives its test
            self.two.process.kill()


@pytest.fixture(scope="module", params=NAMES)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(request.param, tmp_path_factory.mktemp(request.param))


def test_a_recording_is_replayed_as_promised(played: Played) -> None:
    one = played.one
    assert one.story() == played.two.story(), "two speeds of one recording tell two stories"
    positions = one.rows("SELECT *, epoch_ns(created_at) AS at FROM positions")
    fills = one.rows("SELECT *, epoch_ns(time) AS at FROM fills ORDER BY rowid")
    _check_mix(played, positions, fills)
    _check_ends(positions)
    by_position = defaultdict(list)
    for f in fills:
        by_position[f["position_id"]].append(f)
    for p in positions:
        _check_ledger(p, by_position[p["id"]])
    _check_fills(played, positions, fills)
    _check_triggers(played, one, positions)
    _check_account(one, fills)


def test_a_backtest_of_a_recording_tells_the_replays_story(played: Played) -> None:
    tested = stories.backtested(CONFIG, played.catalog, played.requests)
    assert stories.differences(stories.told(played.one.state), tested) == []


def _check_mix(played: Played, positions: list[Any], fills: list[Any]) -> None:
    asked = len(positions)
    assert asked >= 0.75 * COUNT
    ended = [p["exit_reason"] for p in positions]
    assert ended.count("stop") >= 0.20 * asked
    assert ended.count("target") >= 0.15 * asked
    entries = [f["position_id"] for f in fills if f["role"] == "entry"]
    assert sum(1 for i in set(entries) if entries.count(i) > 1) >= COUNT / 15
    undated = {r["id"] for r in played.requests if "at" not in r}
    assert undated & set(entries)
    has_settlements = any(
        t["settlement_price_inferred"] for m in played.markets for t in m["tokens"]
    )
    assert has_settlements or "settlement" not in ended
    assert not IS_WHOLE or ("settlement" in ended) == has_settlements


def _check_ends(positions: list[Any]) -> None:
    """Nothing ends held without its stop armed or its sale under way."""
    for p in positions:
        if p["held"] > 0 and p["status"] == "open":
            body = json.loads(p["body"])
            armed = any(o["role"] == "stop" for o in body["orders"])
            assert armed or p["phase"] in ("exiting", "waiting"), (p["id"], p["phase"])


def _check_ledger(p: Any, fills: list[Any]) -> None:
    held = flow = D(0)
    for f in fills:
        assert f["at"] >= p["at"], "filled before it was asked for"
        held += f["shares"] if f["side"] == "buy" else -f["shares"]
        assert held >= 0, "oversold"
        if f["side"] == "buy":
            assert f["price"] <= p["max_bid_price"]
            flow -= f["price"] * f["shares"] + f["fee"]
        else:
            flow += f["price"] * f["shares"] - f["fee"]
    assert held == p["held"]
    assert sum((f["fee"] for f in fills), D(0)) == p["fees"]
    if held == 0:
        assert flow.quantize(D("0.000001"), ROUND_HALF_EVEN) == p["realized_pnl"]


def _check_fills(played: Played, positions: list[Any], fills: list[Any]) -> None:
    """Each fill is at a price and of a size that the book can have given, and pays its fee."""
    tokens = {t["token_id"]: (m, t) for m in played.markets for t in m["tokens"]}
    token = {p["id"]: p["outcome_id"] for p in positions}
    by_token = defaultdict(list)
    for f in fills:
        token_id = token[f["position_id"]]
        market, described = tokens[token_id]
        by_token[token_id].append(f)
        if f["role"] == "settlement":
            assert f["price"] == D(described["settlement_price_inferred"])
        elif f["liquidity"] == "taker":
            fee = f["shares"] * D(market["fee_rate"]) * f["price"] * (1 - f["price"])
            assert f["fee"] == fee.quantize(D("0.00001"), ROUND_HALF_EVEN)
        else:
            assert f["fee"] == 0
    for token_id, found in by_token.items():
        assert recorded.overdrawn(played.books[token_id].rows, found) == []


def _check_triggers(played: Played, session: Session, positions: list[Any]) -> None:
    """Each stop acted on a bid that the recording shows, at or below the stop."""
    token = {p["id"]: p["outcome_id"] for p in positions}
    events = session.rows(
        "SELECT position_id, epoch_ns(time) AS at, story FROM events WHERE kind = 'triggered'"
    )
    assert events
    for e in events:
        told = json.loads(e["story"])
        assert D(told["bid"]) <= D(told["stop_loss_price"])
        last = played.books[token[e["position_id"]]].at(e["at"])[-1]
        assert last["bid"] == D(told["bid"]), "not the bid after the batch"


def _check_account(session: Session, fills: list[Any]) -> None:
    cash, redeemable = CASH, D(0)
    for f in fills:
        amount = f["price"] * f["shares"]
        if f["role"] == "settlement":
            redeemable += amount
        else:
            cash += (amount if f["side"] == "sell" else -amount) - f["fee"]
    copy = duckdb.connect(str(session.state / "published.duckdb"), read_only=True)
    seen = copy.execute("SELECT cash, redeemable FROM node").fetchone()
    assert seen == (cash, redeemable)
