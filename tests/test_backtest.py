"""Backtests: the same story as a replay's, nothing of the future, and totals that add up."""

import json
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import recorded
import stories
from typer.testing import CliRunner

from cli.main import app
from positions.commands import files
from positions.model.formatting import lasting, plain
from positions.research.backtest_result import totals
from recordings.catalog import Recording
from recordings.importer import import_recording
from recordings.report import write_report
from recordings.sample import START_NS, make_sample

D = Decimal
CONFIG = """
mode = "replay"
state = "unused"
[account]
cash = 5000
[limits]
max_total_stake = 5000
"""
LAUNCH = {
    "command": "submit",
    "market": "synthetic-launch-before-friday",
    "outcome": "Yes",
    "max_bid": "0.66",
    "size": "40",
    "at": "2026-03-02T12:00:05Z",
}
RED = LAUNCH | {"market": "synthetic-team-red-wins", "max_bid": "0.61", "size": "80"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    catalog = tmp_path_factory.mktemp("recording") / "sample"
    make_sample(catalog)
    return catalog


def replayed(
    folder: Path, catalog: Path, requests: list[dict[str, Any]], config: str = CONFIG
) -> stories.Stories:
    """The stories of a replay at full speed."""
    spool = folder / "spool" / "new"
    spool.mkdir(parents=True)
    for fields in requests:
        (spool / f"{fields['id']}.json").write_text(json.dumps(fields))
    (folder / "config.toml").write_text(config)
    options = ("--catalog", str(catalog), "--state", str(folder), "--speed", "max")
    command = [sys.executable, "node.py", "--config", str(folder / "config.toml"), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return stories.told(folder)


def test_a_backtest_tells_the_replays_story(sample: Path, tmp_path: Path) -> None:
    requests = recorded.positions("sample", 60, 1, sample.parent)
    several = [r["id"] for r in requests[::6]]
    requests += [
        _about(i, n, kind) for n, (i, kind) in enumerate(zip(several, _KINDS, strict=False))
    ]
    tested = stories.backtested(CONFIG, sample, requests)
    assert len(tested.events) >= 40
    assert stories.differences(replayed(tmp_path, sample, requests), tested) == []


_KINDS: list[dict[str, str]] = [
    {"command": "sell", "fraction": "0.5"},
    {"command": "cancel"},
    {"command": "amend", "stop": "none"},
    {"command": "amend", "target": "0.9", "stop": "0.2"},
    {"command": "release", "shares": "3"},
    {"command": "sell"},
] * 2


def _about(position_id: str, number: int, fields: dict[str, str]) -> dict[str, str]:
    at = f"2026-03-02T12:0{number}:30Z"
    own_id = f"00000000-0000-7000-8000-0000000f{number:04}"
    return {"id": own_id, "position_id": position_id, "at": at} | fields


def test_an_order_that_is_under_way_arrives_later(sample: Path) -> None:
    at_once = stories.backtest_of(CONFIG, sample, [RED])
    late = stories.backtest_of(CONFIG, sample, [RED], latency="2s")
    (first,), (second,) = (o.rows for o in (at_once, late))
    assert 2 * 10**9 <= second["filled_at"] - first["filled_at"] < 3 * 10**9


UNDATED = {name: value for name, value in LAUNCH.items() if name != "at"} | {"max_bid": "0.90"}


@pytest.mark.parametrize("begin", [None, "2026-03-02T12:03:20.5Z"])
@pytest.mark.parametrize("fields", [{}, {"post_only": True}, {"expires": "5m"}, {"size": "500"}])
def test_an_entry_without_a_time_takes_at_the_first_book(
    sample: Path, begin: str | None, fields: dict[str, Any]
) -> None:
    """Nobody had seen a price when it was sent: not its max bid is paid, but the ask."""
    options = {} if begin is None else {"begin": begin}
    o = stories.backtest_of(CONFIG, sample, [UNDATED | fields], **options)
    (p,) = o.rows
    assert o.undated_since == p["created_at"]
    if fields.get("post_only"):
        liquidity = {f["liquidity"] for f in o.fills.get(p["id"], ()) if f["role"] == "entry"}
        assert liquidity <= {"maker"}, "it waits as long as it would cross"
        return
    first = o.fills[p["id"]][0]
    asks = Recording(sample).prices(
        _instrument(sample, p), p["created_at"] - 10**9, p["created_at"]
    )
    assert (first["liquidity"], float(first["price"])) == ("taker", asks[-1].ask)
    assert first["fee"] > 0
    assert first["time"] >= p["created_at"]


def _instrument(catalog: Path, p: dict[str, Any]) -> str:
    (found,) = (i for i in Recording(catalog).instruments if p["outcome_id"] in i.id.value)
    return found.id.value


def test_a_replay_without_times_tells_the_same(sample: Path, tmp_path: Path) -> None:
    requests = [
        {"id": files.numbered(n + 1)} | UNDATED | fields
        for n, fields in enumerate(
            [{}, {"post_only": True}, {"expires": "5m"}, {"size": "500"}, {"max_bid": "0.20"}]
            + [{"market": RED["market"], "size": size, "stop": "0.5"} for size in ("80", "300")]
        )
    ]
    tested = stories.backtested(CONFIG, sample, requests)
    assert stories.differences(replayed(tmp_path, sample, requests), tested) == []
    filled = [e for events in tested.events.values() for e in events if e["kind"] == "order_filled"]
    assert {e["liquidity"] for e in filled} >= {"taker"}


@pytest.mark.parametrize("command", ["backtest", "sweep"])
def test_it_is_said_from_when_on_a_request_without_a_time_acts(
    sample: Path, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "p.jsonl"
    options = [command, "--catalog", str(sample), "--positions", str(file)]
    if command == "sweep":
        options += ["--vary", "size=10,20", "--cores", "1"]
    for fields, is_said in ((UNDATED, True), (LAUNCH, False)):
        file.write_text(json.dumps(fields))
        results = ["--results", str(tmp_path / f"{is_said}.parquet")] * (command == "sweep")
        done = CliRunner().invoke(app, [*options, *results])
        assert done.exit_code == 0, done.output
        said = "a request without a time (at) acts from 2026-03-02T12:00:00.093Z" in done.stderr
        assert said is is_said


def test_the_outcome_of_a_market_does_not_leak(sample: Path, tmp_path: Path) -> None:
    """With the other outcome, everything before the resolution is the same."""
    described = json.loads(sample.with_name("sample.markets.json").read_text())
    for market in described:
        for token in market["tokens"]:
            paid = token["settlement_price_inferred"]
            token["settlement_price_inferred"] = {"1": "0", "0": "1"}.get(paid)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(described))
    catalog = tmp_path / "other"
    import_recording(sample.with_name("sample.quotes.parquet"), other, catalog)
    requests = [LAUNCH, LAUNCH | {"outcome": "No", "max_bid": "0.40", "at": "2026-03-02T12:01:00Z"}]
    one, two = (stories.backtested(CONFIG, c, requests).events for c in (sample, catalog))
    resolved = "2026-03-02T12:13:00.000Z"
    for position_id, events in one.items():
        before = [e for e in events if e["time"] < resolved]
        assert before
        assert before == [e for e in two[position_id] if e["time"] < resolved]
        assert events != two[position_id]


def test_a_stretch_begins_with_the_tick_in_force(sample: Path) -> None:
    """From 12:11:10 on this market has a tick of 0.001; before, 0.975 was no price."""
    late = LAUNCH | {"max_bid": "0.975", "at": "2026-03-02T12:11:30Z"}
    whole = stories.backtest_of(CONFIG, sample, [late])
    part = stories.backtest_of(CONFIG, sample, [late], begin="2026-03-02T12:11:20Z")
    assert whole.rows[0]["filled_at"] == part.rows[0]["filled_at"]
    early = stories.backtest_of(CONFIG, sample, [late | {"at": "2026-03-02T12:00:05Z"}])
    assert [r.code for r in early.refused] == ["PRICE_OFF_TICK"]


def test_a_stretch_ends_where_it_is_told_to(sample: Path) -> None:
    end = "2026-03-02T12:01:00Z"
    asked = [LAUNCH, RED | {"at": "2026-03-02T12:02:00Z"}]
    o = stories.backtest_of(CONFIG, sample, asked, end=end)
    assert [r["market"] for r in o.rows] == [LAUNCH["market"]]
    assert o.never_due == (files.numbered(2),)
    assert o.equity[-1].time <= START_NS + 60 * 10**9


def test_totals_add_up(sample: Path) -> None:
    asked = [LAUNCH | {"target": "0.86"}, RED | {"stop": "0.50"}, RED | {"max_bid": "0.20"}]
    o = stories.backtest_of(CONFIG, sample, asked)
    t = totals(o)
    flows = [(f, 1 if f["side"] == "sell" else -1) for fills in o.fills.values() for f in fills]
    money = sum((sign * f["shares"] * f["price"] - f["fee"] for f, sign in flows), D(0))
    assert t.net_profit == money == o.equity[-1].equity - 5000
    assert (t.positions, t.bought, t.targets, t.stops, t.hit_rate) == (3, 2, 1, 1, D("0.5"))
    exits = [f for fills in o.fills.values() for f in fills if f["role"] == "exit"]
    assert t.stop_slippage_max == D("0.50") - min(f["price"] for f in exits)
    bought = [f for f, sign in flows if sign < 0]
    assert t.capital_max == sum((f["shares"] * f["price"] + f["fee"] for f in bought), D(0))
    assert t.drawdown >= 80 * D("0.05")


def test_the_command_shows_the_positions_and_the_totals(sample: Path, tmp_path: Path) -> None:
    config = tmp_path / "backtest.toml"
    shutil.copy("config/backtest.toml", config)
    options = ["--config", str(config), "--catalog", str(sample)]
    options += ["--positions", "config/positions.toml"]
    done = CliRunner().invoke(app, ["backtest", *options])
    assert done.exit_code == 0, done.output
    assert "2 ended at the target, 1 at the stop: hit rate 67 %" in done.stdout
    lines = CliRunner().invoke(app, ["backtest", *options, "--json"]).stdout.splitlines()
    assert [json.loads(line)["exit_reason"] for line in lines] == ["target", "stop", "target"]
    assert all(json.loads(line)["events"] and json.loads(line)["fills"] for line in lines)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.toml", "positions = 3", "must hold its requests as [[positions]]"),
        ("p.toml", "x = ", "is not TOML"),
        ("p.csv", "market,outcome\na,b,c", "more values than the header names"),
        ("p.csv", "market,outcome\na,b", "entry 1: max_bid_price was empty, is required"),
        ("p.jsonl", "[1]", "line 1: must be a JSON object"),
        ("p.jsonl", "", "holds no request"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    done = CliRunner().invoke(app, ["backtest", "--positions", str(file)])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--latency", "3"], "latency was '3', must be a span"),
        (["--from", "noon"], "from was 'noon', must be a time"),
        (["--from", "2026-03-03T00:00:00Z", "--to", "2026-03-02T00:00:00Z"], "must be before to"),
    ],
)
def test_a_bad_option_is_one_line(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["backtest", *options])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_report_draws_prices_levels_and_fills_without_a_network(
    sample: Path, tmp_path: Path
) -> None:
    o = stories.backtest_of(CONFIG, sample, [RED | {"stop": "0.50", "target": "0.75"}])
    page = tmp_path / "out" / "report.html"
    write_report(page, o, Recording(sample), "catalog/<sample>")
    text = page.read_text()
    assert "SYNTHETIC data, catalog/&lt;sample&gt;" in text
    assert not re.search(r"<(script|link|img)|src=|href=", text)
    assert len(text) < 300_000
    assert ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6]) is not None
    (row,) = o.rows
    (fills,) = o.fills.values()
    for cell in (
        plain(row["entry_price"]),
        plain(row["exit_price"]),
        ">stop<",
        " s</td>",
    ):
        assert cell in text
    shown = set(re.findall(r"<title>([^<:]+)(?:: [^<]*)?</title>", text)) - {"Backtest"}
    drawn = {"equity", "cash", "bid", "ask", "max bid", "target", "stop", "entry", "exit"}
    assert shown == drawn
    marks = re.findall(r"<title>exit: ([^<]*)</title>", text)
    assert len(marks) == sum(f["role"] == "exit" for f in fills)


NEVER = LAUNCH | {"max_bid": "0.05", "stop": "0.03"}


def test_a_backtest_says_why_nothing_was_bought(sample: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "p.jsonl", tmp_path / "report.html"
    file.write_text(json.dumps(NEVER))
    options = ["--catalog", str(sample), "--positions", str(file)]
    done = CliRunner().invoke(app, ["backtest", *options, "--report", str(page)])
    assert done.exit_code == 0, done.output
    assert "NOTHING WAS BOUGHT" in done.stderr
    why = re.search(
        r"not bought .*: (the lowest ask was 0.\d+, above its max bid of 0.05)", done.stderr
    )
    assert why is not None
    assert why[1] in page.read_text()
    (row,) = map(
        json.loads, CliRunner().invoke(app, ["backtest", *options, "--json"]).stdout.splitlines()
    )
    assert row["why_not_bought"].startswith(why[1])


def test_a_backtest_says_that_prices_without_sizes_fill_nothing(tmp_path: Path) -> None:
    start = 1_772_452_800
    lines = [f"{start + n},7,0.50,0.52" for n in range(60)]
    (tmp_path / "q.csv").write_text("\n".join(["time,token_id,bid,ask", *lines]))
    market = {"slug": "demo", "condition_id": "0xb2", "min_order_size": "5", "fee_rate": "0"}
    market |= {"tokens": [{"token_id": "7", "outcome": "Yes", "tick_size": "0.01"}]}  # type: ignore[dict-item]
    (tmp_path / "m.json").write_text(json.dumps([market]))
    import_recording(tmp_path / "q.csv", tmp_path / "m.json", tmp_path / "catalog")
    asked = {"market": "demo", "outcome": "Yes", "max_bid": "0.53", "size": "20", "stop": "0.45"}
    (tmp_path / "p.jsonl").write_text(json.dumps(asked | {"at": "2026-03-02T12:00:05Z"}))
    options = ["--catalog", str(tmp_path / "catalog"), "--positions", str(tmp_path / "p.jsonl")]
    done = CliRunner().invoke(app, ["backtest", *options])
    assert "the ask was 0.52, within its max bid of 0.53, but no size is known" in done.stderr


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.25, "0.2 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (512, "8 min 32 s"),
        (3600, "1 h"),
        (50_700, "14 h 5 min"),
        (266_400, "3 d 2 h"),
    ],
)
def test_spans_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert lasting(int(seconds * 10**9)) == said
