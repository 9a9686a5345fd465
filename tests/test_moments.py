"""Recordings of a few quotes: what happens is done at its very moment, in replay and backtest."""

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stories
from test_backtest import CONFIG, replayed

from positions.commands.files import numbered
from recordings.importer import import_recording

D = Decimal
START_NS = 1_772_452_800_000_000_000
MS = 1_000_000
END = 60_300 * MS
Quote = tuple[int, str, str, str]
"""Milliseconds from the start, bid, ask, size of both."""


def recording(folder: Path, markets: dict[str, list[Quote]], **stated: Any) -> Path:
    """A catalog of markets with one outcome's quotes each."""
    lines, described = ["ts_event_ns,token_id,bid,bid_size,ask,ask_size"], []
    for number, (slug, quotes) in enumerate(markets.items()):
        for at, bid, ask, size in quotes:
            time = START_NS + at * MS
            lines.append(f"{time},{number}1,{bid},{size},{ask},{size}")
        tokens = [
            {"token_id": f"{number}{n}", "outcome": outcome, "tick_size": "0.01"}
            for n, outcome in ((1, "Yes"), (2, "No"))
        ]
        described.append(
            {
                "slug": slug,
                "condition_id": f"0x{number:064x}",
                "min_order_size": "5",
                "fee_rate": "0.04",
                "start_ts_ns": START_NS,
                "end_ts_ns": START_NS + END,
                "tokens": tokens,
            }
            | stated
        )
    (folder / "quotes.csv").write_text("\n".join([lines[0], *sorted(lines[1:])]) + "\n")
    (folder / "markets.json").write_text(json.dumps(described))
    import_recording(folder / "quotes.csv", folder / "markets.json", folder / "catalog")
    return folder / "catalog"


def entry(slug: str, **fields: str) -> dict[str, Any]:
    """A request for 10 shares at 0.56, without a time."""
    asked = {"command": "submit", "market": slug, "outcome": "Yes", "max_bid": "0.56", "size": "10"}
    return asked | fields


def amended(number: int, at: int, **fields: str) -> dict[str, Any]:
    """An amendment of the position that the request of this number made."""
    time = f"2026-03-02T12:00:{at // 1000:02}.{at % 1000:03}Z"
    return {"command": "amend", "position_id": numbered(number), "at": time} | fields


def asked(requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Requests with ids by their number."""
    return [{"id": numbered(n)} | r for n, r in enumerate(requests, 1)]


CALM: list[Quote] = [(0, "0.53", "0.55", "500"), (500, "0.53", "0.56", "500")]
FAR: Quote = (40_000, "0.50", "0.56", "500")
CONFIRMED: dict[str, tuple[list[Quote], list[dict[str, str]], str | None]] = {
    # quotes after CALM, what is asked for (amendments with their time), and when it is sold
    "a bid at the stop for longer than the span": (
        [(20_010, "0.45", "0.56", "500"), (21_810, "0.50", "0.56", "500"), FAR],
        [{"stop": "0.45", "stop_confirm": "1s"}],
        "21.010",
    ),
    "a bid that is back just before": (
        [(20_010, "0.45", "0.56", "500"), (21_009, "0.50", "0.56", "500"), FAR],
        [{"stop": "0.45", "stop_confirm": "1s"}],
        None,
    ),
    "a bid that moves below it": (
        [(20_010, "0.45", "0.56", "500"), (20_700, "0.44", "0.56", "500"), FAR],
        [{"stop": "0.45", "stop_confirm": "2s"}],
        "22.010",
    ),
    "a stop that a command puts above the bid": (
        [FAR],
        [{"stop": "0.45", "stop_confirm": "2s"}, {"at": "20400", "stop": "0.53", "now": "true"}],
        "22.400",
    ),
    "a touch after a recovery": (
        [
            (20_010, "0.45", "0.56", "500"),
            (20_900, "0.50", "0.56", "500"),
            (20_950, "0.45", "0.56", "500"),
            FAR,
        ],
        [{"stop": "0.45", "stop_confirm": "1s"}],
        "21.950",
    ),
    "a bid that is away when its time comes": (
        [
            (20_010, "0.45", "0.56", "500"),
            (20_500, "", "0.56", "500"),
            (22_250, "0.44", "0.56", "500"),
            FAR,
        ],
        [{"stop": "0.45", "stop_confirm": "1s"}],
        "22.250",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("confirmed")
    markets = {f"m{n}": [*CALM, *row[0]] for n, row in enumerate(CONFIRMED.values())}
    first, later = [], []
    for number, (_, fields, _) in enumerate(CONFIRMED.values()):
        first.append(entry(f"m{number}", **fields[0]))
        later += [
            amended(number + 1, int(f["at"]), **{k: v for k, v in f.items() if k != "at"})
            for f in fields[1:]
        ]
    return recording(folder, markets), asked(first + later)


def test_a_confirmed_stop_sells_when_its_time_is_over(
    confirmed: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    catalog, requests = confirmed
    tested = stories.backtested(CONFIG, catalog, requests)
    assert tested.refused == {}
    found = {name: times(tested, n, "triggered") for n, name in enumerate(CONFIRMED, 1)}
    assert found == {
        name: [] if when is None else [when] for name, (_, _, when) in CONFIRMED.items()
    }
    assert stories.differences(replayed(tmp_path, catalog, requests), tested) == []


def times(told: stories.Stories, number: int, kind: str) -> list[str]:
    """When the position of the request of this number was told such events, in its minute."""
    start = "2026-03-02T12:00:"
    found = [e["time"] for e in told.events[numbered(number)] if e["kind"] == kind]
    assert all(time.startswith(start) for time in found)
    return [time.removeprefix(start).removesuffix("Z") for time in found]


NEVER: dict[str, str] = {"max_bid": "0.40"}
DUE: dict[str, tuple[list[dict[str, str]], str, list[str]]] = {
    # what is asked for, what is told of it, and when
    "an exit at a time": ([{"exit_at": "20.250"}], "triggered", ["20.250"]),
    "an exit before the end": ([{"exit_before_end": "40s"}], "triggered", ["20.300"]),
    "the earlier of both": (
        [{"exit_before_end": "40s", "exit_at": "20.299"}], "triggered", ["20.299"]),
    "an exit at the moment of a quote": ([{"exit_at": "30.700"}], "triggered", ["30.700"]),
    "an exit at a whole second": ([{"exit_at": "20.000"}], "triggered", ["20.000"]),
    "an exit time that is moved": (
        [{"exit_at": "20.250"}, {"at": "20.249", "exit_at": "22.125"}], "triggered", ["22.125"]),
    "an exit time that is moved at its very moment": (
        [{"exit_at": "20.250"}, {"at": "20.250", "exit_at": "22.125"}], "triggered", ["22.125"]),
    "an exit time that is taken back": (
        [{"exit_at": "20.250"}, {"at": "5.100", "exit_at": "none"}], "triggered", []),
    "an exit time moved nearer": (
        [{"exit_at": "29.250"}, {"at": "5.100", "exit_at": "6.350"}], "triggered", ["06.350"]),
    "an entry that ends at the exit": (
        [NEVER | {"exit_at": "20.250"}], "entry_ended", ["20.250"]),
    "an entry that expires": ([NEVER | {"expires": "10.750"}], "entry_ended", ["10.750"]),
    "an entry that expires as it is filled": (
        [{"max_bid": "0.54", "expires": "30.700"}], "entry_ended", ["30.700"]),
    "a sale that lapses": (
        [{}, {"command": "sell", "at": "12.345", "min_price": "0.90"}], "sale_ended", ["17.345"]),
    "a touch that is over before another is certain": (
        [{"stop": "0.45", "stop_confirm": "4s"}], "triggered", []),
    "the other, meanwhile": ([{"stop": "0.44", "stop_confirm": "4s"}], "triggered", ["35.200"]),
}  # fmt: skip
TOUCHES: dict[str, list[Quote]] = {
    "a touch that is over before another is certain": [
        (30_600, "0.45", "0.56", "500"), (31_300, "0.50", "0.56", "500")],
    "the other, meanwhile": [(31_200, "0.44", "0.56", "500")],
}  # fmt: skip


@pytest.mark.parametrize("offset", [0, 433], ids=["whole seconds", "other seconds"])
def test_what_is_due_at_a_time_is_done_at_that_time(tmp_path: Path, offset: int) -> None:
    """Also where the node's own seconds are other ones."""
    markets, first, later = {}, [], []
    for number, (name, (requests, _, _)) in enumerate(DUE.items()):
        quotes = [(at + offset, *rest) for at, *rest in CALM]
        at_moment: Quote = (30_700, "0.52", "0.54", "500")
        rest = TOUCHES.get(name, [at_moment])
        markets[f"m{number}"] = [*quotes, *rest, FAR]
        first.append(entry(f"m{number}", **_timed(requests[0])))
        for r in requests[1:]:
            at = int(D(r["at"]) * 1000)
            fields = {k: v for k, v in _timed(r).items() if k != "at"}
            later.append(amended(number + 1, at, **fields))
    catalog, commands = recording(tmp_path, markets), asked(first + later)
    config = CONFIG + "[exits]\nsale_seconds = 5\n"
    tested = stories.backtested(config, catalog, commands)
    assert tested.refused == {}
    found = {name: times(tested, n, kind) for n, (name, (_, kind, _)) in enumerate(DUE.items(), 1)}
    assert found == {name: when for name, (_, _, when) in DUE.items()}
    assert stories.differences(replayed(tmp_path, catalog, commands, config), tested) == []


def _timed(fields: dict[str, str]) -> dict[str, str]:
    """The same with whole times in place of those within the minute."""
    start = "2026-03-02T12:00:"
    return {
        name: f"{start}{value.zfill(6)}Z"
        if name in ("exit_at", "expires") and value != "none"
        else value
        for name, value in fields.items()
    }


@pytest.mark.parametrize("latency", ["0ms", "250ms", "400ms"])
def test_a_holding_too_small_to_rest_is_sold_in_a_falling_book(
    tmp_path: Path, latency: str
) -> None:
    """Each order is late by more than a quote; the bid stays at the target for a second."""
    falling = [
        (20_000 + 300 * n, bid, "0.80", "50")
        for n, bid in enumerate(("0.72", "0.71", "0.70", "0.69", "0.68"))
    ]
    quotes: list[Quote] = [(0, "0.53", "0.55", "4"), (9_000, "0.53", "0.58", "50"), *falling, FAR]
    catalog = recording(tmp_path, {"m": quotes})
    cancel = {"command": "cancel", "position_id": numbered(1), "at": "2026-03-02T12:00:08Z"}
    requests = asked([entry("m", target="0.70", stop="0.30"), cancel])
    o = stories.backtest_of(CONFIG, catalog, requests, latency=latency)
    (fills,) = o.fills.values()
    sold = [(f["role"], f["shares"]) for f in fills if f["side"] == "sell"]
    assert sold == [("target", D(4))]
    assert all(f["price"] >= D("0.70") for f in fills if f["side"] == "sell")


HELD: list[Quote] = [
    (0, "0.53", "0.55", "500"),
    (20_000, "0.44", "0.46", "500"),
    (20_100, "0.43", "0.45", "500"),
    (20_200, "0.42", "0.45", "500"),
    FAR,
]


@pytest.mark.parametrize(
    ("stated", "latency", "bought", "sold"),
    [
        ({}, "0ms", "0.000", ("20.000", "0.44")),
        ({"taker_delay": False}, "0ms", "0.000", ("20.000", "0.44")),
        ({"taker_delay": True}, "0ms", "0.000", ("20.150", "0.43")),
        ({"taker_delay": True}, "60ms", "0.210", ("20.210", "0.42")),
    ],
)
def test_what_takes_is_held_and_meets_the_book_of_then(
    tmp_path: Path, stated: dict[str, Any], latency: str, bought: str, sold: tuple[str, str]
) -> None:
    catalog = recording(tmp_path, {"m": HELD}, **stated)
    o = stories.backtest_of(CONFIG, catalog, asked([entry("m", stop="0.45")]), latency=latency)
    (fills,) = o.fills.values()
    told = [(_second(f["time"]), f"{f['price']}") for f in fills]
    assert told == [(bought, "0.55"), sold]


def _second(time: int) -> str:
    return f"{D(time - START_NS) / 10**9:.3f}"


def test_a_replay_holds_what_takes_as_a_backtest_does(tmp_path: Path) -> None:
    """Entries, stops, targets, and a cancellation of what is held."""
    quotes: dict[str, list[Quote]] = {
        "m": HELD,
        "n": [*CALM, (900, "0.70", "0.72", "500"), FAR],
        "o": [(0, "0.53", "0.58", "500"), (10_000, "0.53", "0.56", "4"), FAR],
        "p": [(0, "0.53", "0.55", "500"), (30_000, "0.70", "0.72", "500"), FAR],
    }
    catalog = recording(tmp_path, quotes, taker_delay=True)
    cancel = {"command": "cancel", "position_id": numbered(4), "at": "2026-03-02T12:00:01.100Z"}
    late = entry("p", stop="0.45") | {"at": "2026-03-02T12:00:01.000Z"}
    requests = asked(
        [entry("m", stop="0.45"), entry("n", target="0.70", stop="0.45"), entry("o"), late, cancel]
    )
    tested = stories.of(stories.backtest_of(CONFIG, catalog, requests))
    ends = {n: tested.events[numbered(n)][-1]["kind"] for n in range(1, 5)}
    assert ends == {1: "order_filled", 2: "order_closed", 3: "entry_ended", 4: "order_accepted"}
    assert stories.differences(replayed(tmp_path, catalog, requests), tested) == []
