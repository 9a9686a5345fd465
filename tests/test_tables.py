"""Tables of quotes and books: what is understood, what is left out and why."""

import json
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from cli.main import app
from recordings import tables
from recordings.catalog import Recording
from recordings.tables import BestPrices, RecordingError

D = Decimal
T = 1_776_096_000
NS = T * 10**9
BEST = BestPrices(NS, "1", D("0.5"), D(10), D("0.52"), D(20))
MARKETS = [
    {
        "slug": "rain",
        "condition_id": "0xc1",
        "min_order_size": "5",
        "fee_rate": "0.04",
        "tokens": [
            {"token_id": "1", "outcome": "Yes", "tick_size": "0.01"},
            {"token_id": "2", "outcome": "No", "tick_size": "0.01"},
        ],
    }
]


def read(tmp_path: Path, text: str) -> tuple[list[BestPrices], list[str]]:
    """What a CSV shows, and what is rejected of it, without the file's name."""
    file = tmp_path / "t.csv"
    file.write_text(text)
    rejected: list[str] = []
    seen = tables.read(file, MARKETS, rejected.append, zone=UTC).quotes
    return seen, [line.removeprefix(f"{file}: ") for line in rejected]


@pytest.mark.parametrize(
    "text",
    [
        f"ts_event_ns,token_id,bid,bid_size,ask,ask_size\n{NS},1,0.5,10,0.52,20",
        f"time,asset_id,best_bid,best_bid_size,best_ask,best_ask_size\n{T},1,0.50,10,0.520000,20.0",
        f"Timestamp_MS,Token,Bid Price,Bid Qty,Ask Price,Ask Qty,x\n{T}000,1,0.5,10,0.52,20,x",
        "datetime,token,bid,bid_size,ask,ask_size\n2026-04-13T16:00:00,1,0.5,10,0.52,20",
        "datetime,token,bid,bid_size,ask,ask_size\n2026-04-13T18:00:00+02:00,1,0.5,10,0.52,20",
        f'ts,token,bids,asks\n{T}000000,1,"[[0.4,5],[0.50,10]]","[{{""price"":""0.52"",""size"":""20""}}]"',
        f"ts,token,side,price,size\n{T},1,BUY,0.5,10\n{T},1,sell,0.52,20",
    ],
)
def test_one_book_is_understood_in_many_forms(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == ([BEST], [])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"{T},1,1.2,10,0.52,20", "bid was 1.2, must be above 0 and below 1"),
        (
            f"{T},1,0.5,10,0.52001,20",
            "ask was 0.52001, must be above 0 and below 1, with at most 4",
        ),
        (f"{T},1,x,10,0.52,20", "bid was 'x', must be a number"),
        (f"{T},1,0.5,-1,0.52,20", "bid_size was -1, must be from 0 to below 10000000000"),
        (f"{T},1,0.5,1e21,0.52,20", "bid_size was 1e21, must be from 0 to below"),
        (f"{T},1,0.5,inf,0.52,20", "bid_size was 'inf', must be a number"),
        (f"{T},1,1e999999,10,0.52,20", "bid was '1e999999', must be a number"),
        (f"{T},,0.5,10,0.52,20", "token_id was empty, must name an outcome"),
        ("soon,1,0.5,10,0.52,20", "ts was 'soon', must be a number since 1970 or a time"),
        ("-3,1,0.5,10,0.52,20", "ts was '-3', must be a time above 0"),
        ("1e20000000,1,0.5,10,0.52,20", "ts was '1e20000000', must be a time above 0"),
        ("1e30,1,0.5,10,0.52,20", "ts was '1e30', must be from 1970 to 2100"),
        ("9999-12-31T00:00:00Z,1,0.5,10,0.52,20", "ts was '9999-12-31T00:00:00Z', must be from"),
        ("1960-01-01T00:00:00Z,1,0.5,10,0.52,20", "ts was '1960-01-01T00:00:00Z', must be from"),
    ],
)
def test_a_bad_row_is_told_and_left_out(tmp_path: Path, row: str, said: str) -> None:
    text = f"ts,token,bid,bid_size,ask,ask_size\n{row}\n{T},1,0.5,10,0.52,20"
    seen, (line,) = read(tmp_path, text)
    assert seen == [BEST]
    assert line.startswith(f"row 1: {said}")


@pytest.mark.parametrize("empty", ["", "0", "nan", "None"])
def test_a_side_may_be_empty(tmp_path: Path, empty: str) -> None:
    seen, _ = read(tmp_path, f"ts,token,bid,ask\n{T},1,{empty},0.52\n{T},1,0.5,1")
    assert [(s.bid, s.ask) for s in seen] == [(None, D("0.52")), (D("0.5"), None)]


def test_changes_of_levels_show_the_best_after_each_moment(tmp_path: Path) -> None:
    rows = [
        (0, "buy", "0.50", 10),
        (0, "buy", "0.49", 30),
        (0, "sell", "0.52", 20),
        (1, "buy", "0.50", 0),
        (1, "buy", "0.51", 5),
        (2, "buy", "0.48", 9),
        (3, "sell", "0.52", 0),
    ]
    text = "\n".join(f"{T + s},1,{side},{price},{size}" for s, side, price, size in rows)
    seen, _ = read(tmp_path, f"ts,token,side,price,size\n{text}")
    assert [(s.time // 10**9 - T, s.bid, s.ask) for s in seen] == [
        (0, D("0.5"), D("0.52")),
        (1, D("0.51"), D("0.52")),
        (3, D("0.51"), None),
    ]


def test_rows_are_taken_in_the_order_of_their_times(tmp_path: Path) -> None:
    seen, _ = read(
        tmp_path, f"ts,token,bid,ask\n{T + 2},1,0.3,0.4\n{T},1,0.1,0.4\n{T + 1},2,0.2,0.4"
    )
    assert [s.bid for s in seen] == [D("0.1"), D("0.2"), D("0.3")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bid,ask\n0.1,0.2", "has no column for time; it may be named ts_event"),
        ("ts,bid,ask\n1,0.1,0.2", "has no column for token_id"),
        ("ts,token,bid\n1,1,0.2", "must have bid and ask, or bids and asks, or side"),
        ("ts,token,bid,ask\n1,7,0.1,0.2", "holds no row that can be used"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecordingError, match=said):
        read(tmp_path, text)


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_a_parquet_file_of_floats_and_timestamps_becomes_a_catalog(tmp_path: Path) -> None:
    markets = tmp_path / "markets.json"
    markets.write_text(json.dumps(MARKETS))
    stamps = pyarrow.array([NS, NS + 5], pyarrow.timestamp("ns", "UTC")).to_pylist()
    rows = [{"ts": at, "token": 1, "bid": 0.1 + 0.2, "ask": 0.52, "bid_size": 1.5} for at in stamps]
    file = parquet(tmp_path / "t.parquet", [*rows, rows[0] | {"bid": 7.0}])
    catalog = tmp_path / "catalog"
    options = ["--markets", str(markets), "--catalog", str(catalog)]
    done = CliRunner().invoke(app, ["catalog", "import", str(file), *options])
    assert done.exit_code == 0, done.output
    assert "2 quotes and 0 one-sided books of 1 outcomes" in done.stdout
    assert "1 rows left out" in done.stdout
    assert (
        done.stderr
        == f"{file}: row 3: bid was 7.0, must be above 0 and below 1, with at most 4 decimals\n"
    )
    recording = Recording(catalog)
    seen = recording.prices("0xc1-1.POLYMARKET", NS, NS + 10)
    assert [(p.bid, p.ask) for p in seen] == [(0.3, 0.52)] * 2


def test_what_is_no_table_is_one_line(tmp_path: Path) -> None:
    file, markets = tmp_path / "t.parquet", tmp_path / "markets.json"
    file.write_text("no parquet")
    markets.write_text(json.dumps(MARKETS))
    options = ["--markets", str(markets), "--catalog", str(tmp_path / "catalog")]
    done = CliRunner().invoke(app, ["catalog", "import", str(file), *options])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "cannot be read as CSV, JSON or Parquet" in done.stderr


def test_a_file_that_is_spoilt_further_down_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        RecordingError, match="cannot be read as CSV, JSON or Parquet: field larger"
    ):
        read(tmp_path, f"ts,token,bid,ask\n{T},1,0.5,0.52\n{T},1,{'9' * 200_000},0.52\n")


@pytest.mark.parametrize("bid", [[0.5], {"a": 1}, b"0.5", True])
def test_a_column_of_another_kind_is_told(tmp_path: Path, bid: Any) -> None:
    file = tmp_path / "t.parquet"
    columns = {"ts": [NS, NS], "token": ["1", "1"], "bid": [bid, bid], "ask": [0.52, 0.52]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    rejected: list[str] = []
    with pytest.raises(RecordingError, match="holds no row that can be used"):
        tables.read(file, MARKETS, rejected.append)
    (line,) = rejected
    assert "row 1: bid was" in line
    assert line.endswith("; so are 1 more rows")


def test_a_time_that_no_clock_shows_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    far = pyarrow.array([2**62], pyarrow.timestamp("us"))
    columns = {"ts": far, "token": ["1"], "bid": [0.5], "ask": [0.52]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    rejected: list[str] = []
    with pytest.raises(RecordingError, match="holds no row that can be used"):
        tables.read(file, MARKETS, rejected.append, zone=UTC)
    assert "must be from 1970 to 2100" in rejected[0]
