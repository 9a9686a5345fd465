"""Real recordings through the real node: every story obeys the promise, twice the same.

Money and fills are recomputed from the raw quotes alone. One recording is played here, and all of
them, with more positions, by `make recordings`.
"""

import json
import os
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import recorded
import stories
from recorded import D

COUNT = int(os.environ.get("POSITIONS", "300"))
CASH = D(100_000)
CONFIG = f"""
mode = "replay"
state = "unused"
[account]
cash = {CASH}
[limits]
max_total_stake = 100000
"""
NAMES = recorded.NAMES if "POSITIONS" in os.environ else ["btc5m-starter"]
SPEEDS = {"btc5m-starter": "15000", "btc5m-20260413": "500", "nhl-20260607": "20"}
"""The speed of the second run: 10 s of market for the recording of the suite, a minute at most."""
pytestmark = [
    pytest.mark.skipif(not recorded.FOLDER.is_dir(), reason="the shared recordings are not here"),
    pytest.mark.xdist_group("recordings"),
]


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


class Session:
    """One replay of a recording, and the record that it left."""

    def __init__(self, name: str, folder: Path, catalog: Path, speed: str) -> None:
        self.state, self.catalog = folder, catalog
        spool = folder / "spool" / "new"
        spool.mkdir(parents=True)
        for fields in recorded.positions(name, COUNT, seed=11):
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
        _, errors = self.process.communicate(timeout=600)
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


@cache
def _books(name: str) -> dict[str, Book]:
    rows = defaultdict(list)
    for r in recorded.quotes(name):
        rows[r["token_id"]].append(r)
    return {token_id: Book(r) for token_id, r in rows.items()}


@pytest.fixture(scope="module", params=NAMES)
def sessions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Session, Session]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    files = (recorded.FOLDER / f"{name}.quotes.parquet", recorded.FOLDER / f"{name}.markets.json")
    catalog = folder / "catalog"
    command = _program(
        "catalog", "import", str(files[0]), "--markets", str(files[1]), "--catalog", str(catalog)
    )
    subprocess.run(command, check=True, capture_output=True)
    one = Session(name, folder / "one", catalog, "max")
    two = Session(name, folder / "two", catalog, SPEEDS[name])
    one.finish()
    two.finish()
    return name, one, two


def test_a_recording_is_replayed_as_promised(sessions: tuple[str, Session, Session]) -> None:
    name, one, two = sessions
    assert one.story() == two.story(), "two speeds of one recording tell two stories"
    positions = one.rows("SELECT *, epoch_ns(created_at) AS at FROM positions")
    fills = one.rows("SELECT *, epoch_ns(time) AS at FROM fills ORDER BY rowid")
    _check_mix(name, positions, fills)
    _check_ends(positions)
    by_position = defaultdict(list)
    for f in fills:
        by_position[f["position_id"]].append(f)
    for p in positions:
        _check_ledger(p, by_position[p["id"]])
    _check_fills_against_quotes(name, positions, fills)
    _check_triggers(name, one, positions)
    _check_account(one, fills)


def test_a_backtest_of_a_recording_tells_the_replays_story(
    sessions: tuple[str, Session, Session],
) -> None:
    name, one, _ = sessions
    requests = recorded.positions(name, COUNT, seed=11)
    tested = stories.backtested(CONFIG, one.catalog, requests)
    assert stories.differences(stories.told(one.state), tested) == []


def _check_mix(name: str, positions: list[Any], fills: list[Any]) -> None:
    asked = len(positions)
    assert asked >= 0.75 * COUNT
    ended = [p["exit_reason"] for p in positions]
    assert ended.count("stop") >= 0.20 * asked
    assert ended.count("target") >= 0.15 * asked
    entries = [f["position_id"] for f in fills if f["role"] == "entry"]
    assert sum(1 for i in set(entries) if entries.count(i) > 1) >= 20
    has_settlements = any(
        t["settlement_price_inferred"] for m in recorded.markets(name) for t in m["tokens"]
    )
    assert ("settlement" in ended) == has_settlements


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


def _check_fills_against_quotes(name: str, positions: list[Any], fills: list[Any]) -> None:
    rate = {t["token_id"]: D(m["fee_rate"]) for m in recorded.markets(name) for t in m["tokens"]}
    payout = {
        t["token_id"]: t["settlement_price_inferred"]
        for m in recorded.markets(name)
        for t in m["tokens"]
    }
    token = {p["id"]: p["outcome_id"] for p in positions}
    books = _books(name)
    taken: dict[tuple[str, str], tuple[Any, Decimal]] = {}
    for f in fills:
        token_id = token[f["position_id"]]
        if f["role"] == "settlement":
            assert f["price"] == D(payout[token_id])
            continue
        book = books[token_id]
        side = "ask" if f["side"] == "buy" else "bid"
        better = (lambda a, b: a <= b) if f["side"] == "buy" else (lambda a, b: a >= b)
        shown = [r for r in book.at(f["at"]) if r[side] is not None]
        if f["liquidity"] == "taker":
            if not any(r[side] == f["price"] for r in shown):
                # A command due at the very moment of a quote is acted on just before it.
                f["at"] -= 1
                shown = [r for r in book.at(f["at"]) if r[side] is not None]
            assert any(r[side] == f["price"] for r in shown), "not the touch"
            fee = f["shares"] * rate[token_id] * f["price"] * (1 - f["price"])
            assert f["fee"] == fee.quantize(D("0.00001"), ROUND_HALF_EVEN)
        else:
            assert any(better(r[side], f["price"]) for r in shown), "never met"
            assert f["fee"] == 0
        _check_size(taken, book, (token_id, side), f)


def _check_size(
    taken: dict[tuple[str, str], tuple[Any, Decimal]], book: Book, key: tuple[str, str], f: Any
) -> None:
    """What one moment displays is not taken twice."""
    side = key[1]
    moment = book.at(f["at"])
    displayed = sum((r[f"{side}_size"] or D(0) for r in moment), D(0))
    first = bisect_left(book.times, moment[0]["ts_event_ns"])
    carried = D(0)
    if moment[0][f"{side}_size"] is None and first > 0:
        carried = next(
            (r[f"{side}_size"] for r in reversed(book.rows[:first]) if r[f"{side}_size"]), D(0)
        )
    before, sum_before = taken.get(key, (None, D(0)))
    total = (sum_before if before == moment[0]["ts_event_ns"] else D(0)) + f["shares"]
    taken[key] = (moment[0]["ts_event_ns"], total)
    assert total <= displayed + carried, "more than was displayed"


def _check_triggers(name: str, session: Session, positions: list[Any]) -> None:
    """Each stop acted on a bid that the recording shows, at or below the stop."""
    token = {p["id"]: p["outcome_id"] for p in positions}
    books = _books(name)
    events = session.rows(
        "SELECT position_id, epoch_ns(time) AS at, story FROM events WHERE kind = 'triggered'"
    )
    assert events
    for e in events:
        told = json.loads(e["story"])
        assert D(told["bid"]) <= D(told["stop_loss_price"])
        last = books[token[e["position_id"]]].at(e["at"])[-1]
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
