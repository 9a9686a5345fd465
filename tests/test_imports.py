"""The data that people have: what an import makes of it, says of it, and refuses.

Each table is written here, after the form of a public recorder; nothing is guessed in silence.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from recordings.catalog import Recording

T = 1_786_530_000
START = datetime.fromtimestamp(T, UTC)
YES, NO = "2" * 20, "3" * 20
MARKET: dict[str, Any] = {
    "slug": "demo",
    "condition_id": "0xb2",
    "min_order_size": "5",
    "fee_rate": "0",
    "tokens": [
        {"token_id": YES, "outcome": "Yes", "tick_size": "0.01"},
        {"token_id": NO, "outcome": "No", "tick_size": "0.01"},
    ],
}
Prices = list[tuple[float | None, float | None]]


def imported(
    folder: Path, table: str | bytes | Path, *options: str, markets: object = None
) -> tuple[Result, str]:
    """What the command line does with a table, and all it says."""
    file = table if isinstance(table, Path) else folder / "table"
    if isinstance(table, bytes):
        file.write_bytes(table)
    elif isinstance(table, str):
        file.write_text(table)
    described = folder / "markets.json"
    described.write_text(markets if isinstance(markets, str) else json.dumps(markets or [MARKET]))
    where = ["--markets", str(described), "--catalog", str(folder / "catalog")]
    done = CliRunner().invoke(app, ["catalog", "import", str(file), *where, *options])
    assert "unexpected" not in done.output
    assert "Traceback" not in done.output
    assert (folder / "catalog").exists() is (done.exit_code == 0)
    assert not (folder / ".catalog.unfinished").exists()
    return done, done.output


def prices(folder: Path, token: str = YES) -> Prices:
    """The best prices of the catalog that was made."""
    whole = Recording(folder / "catalog").prices(f"0xb2-{token}.POLYMARKET", 0, 2**62)
    return [(p.bid, p.ask) for p in whole]


def quotes(
    rows: int = 2, head: str = "timestamp,asset_id,best_bid,best_ask,bid_size,ask_size"
) -> str:
    """A plain table."""
    lines = [f"{T + n}000,{YES},0.4{n},0.5,10,10" for n in range(rows)]
    return "\n".join([head, *lines]) + "\n"


PLAIN: Prices = [(0.4, 0.5), (0.41, 0.5)]


# -- one table of all messages ---------------------------------------------------------------------


def event(ms: int, kind: str, **fields: Any) -> dict[str, Any]:
    """A row of the archive's second layout: a column for each field of each message."""
    at = START + timedelta(milliseconds=ms)
    names = "bids asks price size side best_bid best_ask old_tick_size new_tick_size"
    row: dict[str, Any] = dict.fromkeys(names.split())
    market = b"0x" + b"a1" * 32
    row |= {"timestamp_received": at + timedelta(milliseconds=40), "timestamp": at}
    return row | {"market": market, "event_type": kind, "asset_id": YES} | fields


def change(ms: int, side: str, price: str, size: str, bid: str, ask: str) -> dict[str, Any]:
    values = {"side": side, "price": D(price), "size": D(size)}
    return event(ms, "price_change", **values, best_bid=D(bid), best_ask=D(ask))


def hour(path: Path, rows: list[dict[str, Any]]) -> Path:
    """An hourly file."""
    stamp, money = pyarrow.timestamp("ms", "UTC"), pyarrow.decimal128(9, 4)
    names = ["price", "best_bid", "best_ask", "old_tick_size", "new_tick_size"]
    kinds = dict.fromkeys(names, money)
    kinds |= {"timestamp_received": stamp, "timestamp": stamp, "market": pyarrow.binary(66)}
    kinds |= {"size": pyarrow.decimal128(18, 6)}
    names = list(rows[0])
    schema = pyarrow.schema([(n, kinds.get(n, pyarrow.string())) for n in names])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)
    return path


def levels(*pairs: tuple[str, str]) -> str:
    return json.dumps(pairs)


HOUR = [
    event(0, "book", bids=levels(("0.49", "400"), ("0.50", "300")), asks=levels(("0.52", "200"))),
    event(1000, "last_trade_price", price=D("0.52"), size=D(50), side="BUY"),
    change(1000, "SELL", "0.52", "150", "0.50", "0.52"),
    change(2000, "BUY", "0.51", "80", "0.51", "0.52"),
    change(3000, "BUY", "0.51", "0", "0.50", "0.52"),
    event(4000, "last_trade_price", price=D("0.50"), size=D(300), side="SELL"),
    change(4000, "BUY", "0.50", "0", "0.49", "0.52"),
    event(6000, "tick_size_change", old_tick_size=D("0.01"), new_tick_size=D("0.001")),
    event(7000, "book", bids=levels(("0.48", "500"), ("0.49", "400")), asks=levels(("0.52", "1"))),
]
BOOKS: Prices = [(0.5, 0.52), (0.5, 0.52), (0.51, 0.52), (0.5, 0.52), (0.49, 0.52), (0.49, 0.52)]


def test_an_hour_of_all_messages_is_understood(tmp_path: Path) -> None:
    others = [event(500, "book", bids="[]", asks="[]") | {"asset_id": str(n)} for n in range(7, 9)]
    done, said = imported(tmp_path, hour(tmp_path / "hour", [*HOUR, *others, others[0]]))
    assert done.exit_code == 0, said
    assert prices(tmp_path) == BOOKS
    assert "2 snapshots, 2 trades, 4 changes of a level, 1 change of the tick, of 1 outcome" in said
    assert "3 rows of 2 outcomes that are not among the markets" in said
    assert "the time is timestamp; timestamp_received (+0.040 s at first) is not used" in said
    recording = Recording(tmp_path / "catalog")
    ticks = [str(i.price_increment) for i in recording.instruments_at(2**62)]
    assert ticks == ["0.0010"]
    assert str(recording.instruments[0].price_increment) == "0.0100"


def test_a_bid_that_only_trades_would_have_met_is_not_filled(tmp_path: Path) -> None:
    imported(tmp_path, hour(tmp_path / "hour", HOUR))
    asked = {"market": "demo", "outcome": "Yes", "max_bid": "0.51", "size": "20", "stop": "0.40"}
    asked["at"] = (START + timedelta(milliseconds=1500)).isoformat()
    (tmp_path / "p.jsonl").write_text(json.dumps(asked))
    options = ["--catalog", str(tmp_path / "catalog"), "--positions", str(tmp_path / "p.jsonl")]
    done = CliRunner().invoke(app, ["backtest", *options, "--json"])
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["volume"], row["fills"]) == ("0", [])


def test_an_hour_that_begins_between_snapshots_has_stated_prices_and_unknown_sizes(
    tmp_path: Path,
) -> None:
    done, said = imported(tmp_path, hour(tmp_path / "hour", HOUR[2:5]))
    assert done.exit_code == 0, said
    assert prices(tmp_path) == [(0.5, 0.52), (0.51, 0.52), (0.5, 0.52)]


def test_the_older_layout_holds_messages_as_json(tmp_path: Path) -> None:
    def row(seconds: int, kind: str, market: str = "0xb2", **fields: Any) -> dict[str, Any]:
        at = START + timedelta(seconds=seconds)
        message = {"update_type": kind, "token_id": YES, "side": "YES", "timestamp": T + 0.5}
        times = {"timestamp_received": at, "timestamp_created_at": at}
        outer = {"market_id": market, "update_type": kind}
        return times | outer | {"data": json.dumps(message | fields)}

    bids, asks = [["0.49", "4"], ["0.50", "3"]], [["0.52", "2"]]
    best = {"best_bid": "0.51", "best_ask": "0.52"}
    rows = [
        row(0, "book_snapshot", bids=bids, asks=asks),
        row(1, "price_change", change_price="0.51", change_size="8", change_side="BUY", **best),
        row(1, "price_change", "0xother", change_price="0.9", change_size="8", change_side="BUY"),
    ]
    file = tmp_path / "old.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    done, said = imported(tmp_path, file)
    assert done.exit_code == 0, said
    assert prices(tmp_path) == [(0.5, 0.52), (0.51, 0.52)]
    assert "side is change_side" in said


def test_frames_of_the_market_channel_are_understood(tmp_path: Path) -> None:
    book = {"event_type": "book", "asset_id": YES, "timestamp": f"{T}000"}
    book |= {"bids": [{"price": "0.4", "size": "1"}], "asks": [{"price": "0.5", "size": "1"}]}
    changes = [
        {
            "asset_id": YES,
            "price": "0.41",
            "size": "5",
            "side": "BUY",
            "best_bid": "0.41",
            "best_ask": "0.5",
        },
        {"asset_id": "7", "price": "0.6", "size": "5", "side": "SELL"},
    ]
    frame = {"event_type": "price_change", "timestamp": f"{T + 1}000", "price_changes": changes}
    lines = [json.dumps([book]), json.dumps(frame), '{"torn": ']
    done, said = imported(tmp_path, "\n".join(lines))
    assert done.exit_code == 0, said
    assert prices(tmp_path) == PLAIN
    assert "is not JSON" in said


# -- trades are no levels --------------------------------------------------------------------------

SIDES = "timestamp,asset_id,price,size,side"


def trades(*rows: tuple[str, str]) -> str:
    lines = [f"{T + n},{YES},{price},10,{side}" for n, (side, price) in enumerate(rows)]
    return "\n".join([SIDES, *lines])


@pytest.mark.parametrize(
    "table",
    [
        trades(("BUY", "0.40"), ("BUY", "0.41"), ("SELL", "0.38"), ("BUY", "0.39")),
        trades(("BUY", "0.40"), ("BUY", "0.41"), ("BUY", "0.43")),
        trades(("SELL", "0.50"), ("BUY", "0.40")),
        f"{SIDES},transaction_hash\n{T},{YES},0.4,0,BUY,0xaa",
        f"{SIDES},taker_side\n{T},{YES},0.4,0,BUY,BUY",
        f"time,token_id,price\n{T},{YES},0.4",
        f"{SIDES},event_type\n{T},{YES},0.4,9,BUY,last_trade_price",
        f"time,token_id,open,high,low,close\n{T},{YES},0.4,0.4,0.4,0.4",
    ],
)
def test_trades_are_refused(tmp_path: Path, table: str) -> None:
    done, said = imported(tmp_path, table)
    assert done.exit_code == 1
    assert "holds trades" in said
    assert said.count("\n") == 1


def test_what_a_person_says_is_believed_unless_the_book_crosses(tmp_path: Path) -> None:
    plain = trades(("BUY", "0.40"), ("SELL", "0.50"), ("BUY", "0.41"))
    done, said = imported(tmp_path, plain, "--format", "levels")
    assert done.exit_code == 0, said
    (tmp_path / "two").mkdir()
    crossing = trades(*[(side, f"0.{n}") for n in range(50, 55) for side in ("BUY", "SELL")])
    done, said = imported(tmp_path / "two", crossing, "--format", "levels")
    assert (done.exit_code, "books are crossed, first with bid" in said) == (1, True)


def test_a_few_crossed_books_are_told(tmp_path: Path) -> None:
    done, said = imported(tmp_path, quotes(3).replace("0.42,0.5,", "0.42,0.41,"))
    assert done.exit_code == 0
    assert "1 of 3 books are crossed, first with bid 0.420000 and ask 0.410000" in said


def test_prices_beside_what_may_be_trades_are_used_alone(tmp_path: Path) -> None:
    head = "timestamp,asset_id,price,size,side,best_bid,best_ask"
    done, said = imported(tmp_path, f"{head}\n{T},{YES},0.45,7,BUY,0.4,0.5\n")
    assert (done.exit_code, prices(tmp_path)) == (0, [(0.4, 0.5)])
    assert "side, price and size may be trades, and are not used" in said


def test_changes_of_the_tick_alone_are_no_recording(tmp_path: Path) -> None:
    done, said = imported(tmp_path, hour(tmp_path / "hour", [HOUR[7]]))
    assert (done.exit_code, "holds no row that can be used" in said) == (1, True)


@pytest.mark.parametrize("form", ["candles", "books", "levels", "events"])
def test_a_format_that_the_table_has_not_is_refused(tmp_path: Path, form: str) -> None:
    done, said = imported(tmp_path, quotes(), "--format", form)
    assert (done.exit_code, said.count("\n")) == (1, 1)
    assert "must be one of auto, quotes" in said or "has no column for" in said


# -- sizes, other outcomes, bad rows ---------------------------------------------------------------


@pytest.mark.parametrize("size", ["", ",0", ",nan"])
def test_quotes_without_sizes_say_that_nothing_can_be_filled(tmp_path: Path, size: str) -> None:
    head = "timestamp,asset_id,best_bid,best_ask" + ",ask_size" * bool(size)
    done, said = imported(tmp_path, f"{head}\n{T},{YES},0.5,0.52{size}\n")
    assert done.exit_code == 0
    assert "NO SIZE is known: nothing can be filled" in said


@pytest.mark.parametrize("is_parquet", [True, False])
def test_rows_of_others_are_one_line_whatever_their_number(
    tmp_path: Path, is_parquet: bool
) -> None:
    ids = [YES, *(str(10**19 + n) for n in range(199))]
    rows = [(f"{T + n}", ids[n % 200], "0.4") for n in range(2_000)]
    head, file = ("time", "asset_id", "best_bid"), tmp_path / "many"
    if is_parquet:
        columns = dict(zip(head, zip(*rows, strict=True), strict=True))
        pyarrow.parquet.write_table(pyarrow.table(columns | {"best_ask": [0.5] * 2_000}), file)
    else:
        file.write_text(
            "\n".join([",".join(head) + ",best_ask", *(f"{','.join(r)},0.5" for r in rows)])
        )
    done, said = imported(tmp_path, file)
    assert done.exit_code == 0
    assert "1,990 rows of 199 outcomes that are not among the markets" in said
    assert said.count("\n") < 6


BAD = {
    "1969": f"1969-12-31T23:59:59Z,{YES},0.40,0.42,10,10",
    "9999": f"9999-12-31T23:59:59Z,{YES},0.40,0.42,10,10",
    "the year 1": f"0001-01-01T00:00:00Z,{YES},0.40,0.42,10,10",
    "a long number": f"99999999999999999999,{YES},0.40,0.42,10,10",
    "a row number": f"17,{YES},0.40,0.42,10,10",
    "an exponent": f"1e400,{YES},0.40,0.42,10,10",
    "not a time": f"nan,{YES},0.40,0.42,10,10",
    "a price with a sign": f"{T},{YES},-nan,0.42,10,10",
    "an endless price": f"{T},{YES},inf,0.42,10,10",
    "a negative price": f"{T},{YES},-0.4,0.42,10,10",
    "a price in cents": f"{T},{YES},40,42,10,10",
    "chain units": f"{T},{YES},0.40,0.42,10000000000000000000000,10",
    "a size with a sign": f"{T},{YES},0.40,0.42,-nan,10",
    "half a row": f"{T},{YES},0.40",
    "a cell too many": f"{T},{YES},0.40,0.42,10,10,7",
}


@pytest.mark.parametrize("row", BAD.values(), ids=list(BAD))
def test_a_row_out_of_range_is_one_bad_row(tmp_path: Path, row: str) -> None:
    head, _, rest = quotes().partition("\n")
    done, said = imported(tmp_path, f"{head}\n{row}\n{row}\n{rest}")
    assert done.exit_code == 0, said
    assert prices(tmp_path) == PLAIN
    assert said.count("row 1: ") == 1
    assert "so are 1 more rows" in said
    assert "; 2 rows left out" in said


# -- times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["datetime", "timestamp"])
def test_of_two_times_the_exact_one_is_used_and_told(tmp_path: Path, first: str) -> None:
    row = {"datetime": "2026-08-12 18:20:00", "timestamp": f"{T}.25"}
    names = [first, *(row.keys() - {first})]
    head = ",".join([*names, "asset_id,bid,ask"])
    done, said = imported(tmp_path, f"{head}\n{row[names[0]]},{row[names[1]]},{YES},0.4,0.5\n")
    assert done.exit_code == 0
    assert Recording(tmp_path / "catalog").start_ns == T * 10**9 + 250_000_000
    assert "the time is timestamp; datetime (+28,799.750 s at first) is not used" in said


@pytest.mark.parametrize("text", ["2026-08-12 12:20:00", "2026-08-12T12:20:00.000", None])
def test_a_time_without_an_offset_needs_its_zone(tmp_path: Path, text: str | None) -> None:
    table: str | Path = f"time,token_id,bid,ask\n{text},{YES},0.4,0.5\n"
    if text is None:
        at = pyarrow.array(
            [START.replace(tzinfo=None) + timedelta(hours=2)], pyarrow.timestamp("us")
        )
        table = tmp_path / "naive"
        columns = {"time": at, "token_id": [YES], "bid": [0.4], "ask": [0.5]}
        pyarrow.parquet.write_table(pyarrow.table(columns), table)
    done, said = imported(tmp_path, table)
    assert (done.exit_code, "time states no zone: say which it is, as --zone UTC" in said) == (
        1,
        True,
    )
    done, said = imported(tmp_path, table, "--zone", "Europe/Berlin")
    assert done.exit_code == 0, said
    assert Recording(tmp_path / "catalog").start_ns == (T + 1_200 - 1_200) * 10**9


def test_an_hour_that_is_twice_is_a_bad_row(tmp_path: Path) -> None:
    rows = [f"2026-10-25 {at},{YES},0.4,0.5" for at in ("01:30:00", "02:30:00", "03:30:00")]
    done, said = imported(
        tmp_path, "\n".join(["time,token,bid,ask", *rows]), "--zone", "Europe/Berlin"
    )
    assert (done.exit_code, len(prices(tmp_path))) == (0, 2)
    assert "row 2: time was '2026-10-25 02:30:00', is twice or never" in said


def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    done, said = imported(tmp_path, quotes(), "--zone", "Mars/Olympus")
    assert (done.exit_code, "zone was 'Mars/Olympus', must be" in said) == (1, True)


# -- wrappings -------------------------------------------------------------------------------------


def zipped(*members: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return out.getvalue()


def as_objects(rows: int = 2) -> list[dict[str, Any]]:
    names, *cells = (line.split(",") for line in quotes(rows).splitlines())
    return [dict(zip(names, c, strict=True)) for c in cells]


BOOK = {"timestamp": T + 0.46, "bids": [{"price": "0.40", "size": "10"}], "asks": [["0.5", "9"]]}
WRAPPED: dict[str, Callable[[], str | bytes]] = {
    "gzip": lambda: gzip.compress(quotes().encode()),
    "zip": lambda: zipped(("data/quotes.csv", quotes())),
    "tabs": lambda: quotes().replace(",", "\t"),
    "semicolons": lambda: quotes().replace(",", ";"),
    "decimal commas": lambda: quotes().replace(",", ";").replace("0.", "0,"),
    "Excel's first line": lambda: "sep=;\n" + quotes().replace(",", ";"),
    "UTF-16": lambda: quotes().encode("utf-16"),
    "a mark of order": lambda: quotes().encode("utf-8-sig"),
    "Windows' lines": lambda: quotes().replace("\n", "\r\n"),
    "blank lines": lambda: quotes().replace("\n", "\n\n"),
    "lines of JSON": lambda: "\n".join(map(json.dumps, as_objects())),
    "a list": lambda: json.dumps(as_objects()),
    "a list over lines": lambda: json.dumps(as_objects(), indent=2),
    "a page": lambda: json.dumps({"data": as_objects(), "next_cursor": "x"}),
    "packed lines": lambda: gzip.compress("\n".join(map(json.dumps, as_objects())).encode()),
    "names in other letters": lambda: quotes(
        head="Timestamp,assetId,bestBid,bestAsk,bidSize,askSize"
    ),
    "an index": lambda: "\n".join(
        f"{n or ''},{line}" for n, line in enumerate(quotes().splitlines())
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_one_table_is_understood_in_many_wrappings(tmp_path: Path, name: str) -> None:
    done, said = imported(tmp_path, WRAPPED[name]())
    assert done.exit_code == 0, said
    assert prices(tmp_path) == PLAIN


WIDE = "ts_ms,yes_token_id,no_token_id,yes_bid,yes_ask,yes_bid_size,yes_ask_size,no_bid,no_ask"
TABLES: dict[str, tuple[str, Prices, Prices]] = {
    "books": (json.dumps(BOOK | {"token_id": YES}), [(0.4, 0.5)], []),
    "levels in columns": (
        f"ts_ms,window_slug,outcome,clob_token_id,best_bid,best_ask,bid_p1,bid_s1,ask_p1,ask_s1\n"
        f"{T}000,demo,Yes,{YES},0.3,0.31,0.3,132.0,0.31,187.34\n",
        [(0.3, 0.31)],
        [],
    ),
    "wide": (f"{WIDE}\n{T}000,{YES},{NO},0.4,0.5,1,2,0.5,0.6\n", [(0.4, 0.5)], [(0.5, 0.6)]),
    "wide without ids": (
        f"ts_ms,slug,yes_bid,yes_ask,no_bid,no_ask\n{T}000,demo,0.4,0.5,0.5,0.6\n",
        [(0.4, 0.5)],
        [(0.5, 0.6)],
    ),
    "a side of outcome": (
        f"timestamp,market,side,best_bid,best_ask\n{T},0xb2,YES,0.4,0.5\n{T},0xb2,no,0.5,0.6\n",
        [(0.4, 0.5)],
        [(0.5, 0.6)],
    ),
    "a side of outcome beside an id": (
        "timestamp,event_type,side,best_bid,best_ask,price,size,asset_id\n"
        f"{T},price_change,YES,0.46,0.47,0.01,10974.76,{YES}\n",
        [(0.46, 0.47)],
        [],
    ),
    "an empty side": (
        "ts_ms,outcome,tick_type,price,size,side,best_bid,best_ask,asset_id\n"
        f"{T}149,Yes,book,,,,0.29,0.3,{YES}\n{T}349,Yes,trade,0.30,5,,0.29,0.3,{YES}\n",
        [(0.29, 0.3)] * 2,
        [],
    ),
    "an outcome": (
        f"time,outcome,bid,ask\n{T},yes,0.4,0.5\n{T},No,0.5,0.6\n{T},Maybe,0.1,0.2\n",
        [(0.4, 0.5)],
        [(0.5, 0.6)],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_that_people_have_are_understood(tmp_path: Path, name: str) -> None:
    table, yes, no = TABLES[name]
    done, said = imported(tmp_path, table)
    assert done.exit_code == 0, said
    assert (prices(tmp_path), prices(tmp_path, NO) if no else []) == (yes, no)


def test_sizes_of_another_price_are_not_taken(tmp_path: Path) -> None:
    head = "ts,token_id,best_bid,best_ask,bid_p1,bid_s1"
    done, said = imported(tmp_path, f"{head}\n{T},{YES},0.41,0.5,0.40,99\n")
    assert (done.exit_code, "NO SIZE is known" in said) == (0, True)
    assert "bid is best_bid; bid_p1 is not used" in said


REFUSED: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "nothing": (lambda: b"", "is empty"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd" + b"\0" * 50, "is packed with zstd: unpack it first"),
    "a workbook": (lambda: zipped(("[Content_Types].xml", ""), ("x", "")), "is an Excel workbook"),
    "several files": (lambda: zipped(("a.csv", ""), ("b.csv", "")), "holds 2 files"),
    "SQLite": (lambda: b"SQLite format 3\0" + b"\0" * 50, "is an SQLite database"),
    "bytes": (lambda: bytes(range(256)) * 9, "cannot be read as CSV, JSON or Parquet"),
    "half of gzip": (lambda: gzip.compress(quotes(500).encode())[:90], "cannot be read as"),
    "no header": (lambda: f"{T},{YES},0.4,0.5,7,8\n" * 2, "has no column for time"),
    "a deep value": (lambda: "[" * 200_000, "cannot be read as CSV, JSON or Parquet: it is nested"),
    "twice the same": (lambda: quotes(head="time,token_id,bid,ask,bid,ask"), "names 'bid' 2 times"),
    "one number": (lambda: "[17]", "has no column for time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    table, rule = REFUSED[name]
    done, said = imported(tmp_path, table())
    assert (done.exit_code, said.count("\n")) == (1, 1), said
    assert rule in said


@pytest.mark.parametrize("name", ["line", "file", "zip", "value"])
def test_a_bomb_is_refused_before_it_goes_off(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recordings.reading import files

    monkeypatch.setattr(files, "_LINE_MAX", 2**16)
    monkeypatch.setattr(files, "_UNPACKED_FREE", 2**18)
    endless = {
        "line": lambda: "time,token_id,bid,ask\n" + "9" * 2**17,
        "file": lambda: gzip.compress((quotes() + "\n" * 2**22).encode()),
        "zip": lambda: zipped(("a.csv", quotes() + "\n" * 2**22)),
        "value": lambda: "[\n" + '{"time": 1},\n' * 2**14 + "]",
    }
    done, said = imported(tmp_path, endless[name]())
    assert (done.exit_code, said.count("\n")) == (1, 1), said
    assert "more than" in said


# -- the markets -----------------------------------------------------------------------------------

CLOB: dict[str, Any] = {
    "closed": False,
    "minimum_order_size": 5,
    "minimum_tick_size": 0.01,
    "condition_id": "0xb2",
    "question": "Demo?",
    "market_slug": "demo",
    "end_date_iso": "2026-12-31T00:00:00Z",
    "taker_base_fee": 0,
    "neg_risk": False,
    "tokens": [
        {"token_id": YES, "outcome": "Yes", "price": 0.41, "winner": False},
        {"token_id": NO, "outcome": "No", "price": 0.59, "winner": False},
    ],
}
GAMMA: dict[str, Any] = {
    "id": "1",
    "question": "Demo?",
    "conditionId": "0xb2",
    "slug": "demo",
    "startDate": "2026-08-12T00:00:00Z",
    "endDate": "9999-12-31T00:00:00Z",
    "outcomes": '["Yes", "No"]',
    "clobTokenIds": json.dumps([YES, NO]),
    "outcomePrices": '["0.41", "0.59"]',
    "orderPriceMinTickSize": 0.01,
    "orderMinSize": 5,
    "feesEnabled": True,
    "feeSchedule": {"rate": 0.07, "exponent": 1, "takerOnly": True},
    "acceptingOrders": True,
}
FORMS = {
    "ours": json.dumps([MARKET]),
    "with a mark of order": "\ufeff" + json.dumps([MARKET]),
    "CLOB": json.dumps([CLOB]),
    "one of the CLOB": json.dumps(CLOB, indent=1),
    "a page": json.dumps({"data": [CLOB], "next_cursor": "LTE=", "count": 1}),
    "Gamma": json.dumps([GAMMA]),
    "lines": f"{json.dumps(GAMMA)}\n{json.dumps(GAMMA)}\n",
    "an event": json.dumps({"id": "9", "title": "Demo", "markets": [GAMMA]}),
    "events": json.dumps([{"slug": "demo-event", "markets": [GAMMA]}]),
    "a search": json.dumps({"events": [{"markets": [GAMMA]}]}),
    "without fees": json.dumps([GAMMA | {"feesEnabled": False, "feeSchedule": None}]),
    "arrays": json.dumps([GAMMA | {"outcomes": ["Yes", "No"], "clobTokenIds": [YES, NO]}]),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_market_is_understood_as_it_is_downloaded(tmp_path: Path, name: str) -> None:
    done, said = imported(tmp_path, quotes(), markets=FORMS[name])
    assert done.exit_code == 0, said
    assert prices(tmp_path) == PLAIN
    (instrument,) = Recording(tmp_path / "catalog").instruments
    assert str(instrument.price_increment) == "0.0100"
    has_fee = "feeSchedule" in FORMS[name] and "0.07" in FORMS[name]
    assert instrument.taker_fee == (D("0.07") if has_fee else 0)


def without(market: dict[str, Any], name: str) -> str:
    tokens = [{k: v for k, v in t.items() if k != name} for t in market.get("tokens", ())]
    return json.dumps(
        [{k: v for k, v in (market | ({"tokens": tokens} if tokens else {})).items() if k != name}]
    )


@pytest.mark.parametrize(
    ("market", "name"),
    [(MARKET, n) for n in ("slug", "condition_id", "min_order_size", "fee_rate", "tick_size")]
    + [(CLOB, n) for n in ("condition_id", "minimum_tick_size", "minimum_order_size", "tokens")]
    + [(GAMMA, n) for n in ("slug", "outcomes", "orderPriceMinTickSize", "orderMinSize")]
    + [(GAMMA, "feeSchedule"), (GAMMA, "conditionId")],
)
def test_a_missing_field_is_named(tmp_path: Path, market: dict[str, Any], name: str) -> None:
    done, said = imported(tmp_path, quotes(), markets=without(market, name))
    assert (done.exit_code, said.count("\n")) == (1, 1), said
    assert f"{name} is missing" in said or f"{name} was empty" in said


@pytest.mark.parametrize(
    ("market", "rule"),
    [
        (json.dumps([MARKET | {"fee_rate": None}]), "fee_rate was empty, must be from 0"),
        (json.dumps([CLOB | {"taker_base_fee": 1000}]), "feeSchedule is missing"),
        (json.dumps([GAMMA | {"feeSchedule": {"exponent": 1}}]), "the rate of feeSchedule is"),
        (json.dumps([GAMMA | {"outcomes": '["Yes"]'}]), "must have a name for each"),
        ("[" * 100_000, "is not JSON: it is nested too deeply"),
        ("{}", "is no list of markets"),
        ("", "is not JSON"),
        ('{"a": 1}\n{"b": \n', "line 2: is not JSON"),
    ],
)
def test_markets_that_cannot_be_are_refused(tmp_path: Path, market: str, rule: str) -> None:
    done, said = imported(tmp_path, quotes(), markets=market or " ")
    assert (done.exit_code, said.count("\n")) == (1, 1), said
    assert rule in said


def test_a_market_that_is_resolved_pays(tmp_path: Path) -> None:
    tokens = [t | {"winner": t["outcome"] == "Yes"} for t in CLOB["tokens"]]
    imported(tmp_path, quotes(), markets=[CLOB | {"closed": True, "tokens": tokens}])
    about = json.loads((tmp_path / "catalog" / "recording.json").read_text())
    assert about["settled"] == 1
