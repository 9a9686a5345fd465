"""What changed hands, from the venue's history: every trade once, however the load is cut."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import Result
from loopback.history import past_trades
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.model.data import TradeTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from typer.testing import CliRunner

from cli.main import app
from recordings.catalog import Recording
from recordings.reading.values import RecordingError
from venues.polymarket.api import history

D = Decimal
NEWEST = 1_796_000_000
TRADES = "GET /data-api/v2/trades"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAUSES", (0.0, 0.0))


@pytest.fixture
def venue() -> Iterator[LoopbackPolymarket]:
    with LoopbackPolymarket() as venue:
        yield venue


class Scene:
    """A market with a past, and a catalog for it."""

    def __init__(self, venue: LoopbackPolymarket, folder: Path, version: str = "v1") -> None:
        self.venue = venue
        self.market: MarketHandle = venue.add_market("will-it-rain", version=version)
        self.catalog = folder / "catalog"
        self._config = folder / "paper.toml"
        addresses = "\n".join(f'{k} = "{v}"' for k, v in venue.settings().items())
        self._config.write_text(f'mode = "paper"\nstate = "unused"\n[venue]\n{addresses}\n')

    def fetch(self, *more: str, market: str = "will-it-rain") -> Result:
        options = ["--catalog", str(self.catalog), "--config", str(self._config)]
        return CliRunner().invoke(app, ["fetch", market, *options, *more])

    def told(self) -> list[tuple[int, str, str]]:
        """What the venue has: seconds, price, size of each trade."""
        return sorted(
            (row["timestamp"], f"{row['price']:.4f}", f"{row['size']:.6f}")
            for row in self.venue.history.past
        )

    def found(self) -> list[tuple[int, str, str]]:
        """What the catalog has; each has a time and an identifier of its own."""
        ticks = ParquetDataCatalog(str(self.catalog)).query(TradeTick)
        assert len({(t.instrument_id, t.trade_id) for t in ticks}) == len(ticks)
        return sorted((t.ts_event // 10**9, str(t.price), str(t.size)) for t in ticks)


@pytest.fixture(params=["v1", "v2"])
def scene(venue: LoopbackPolymarket, tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    scene = Scene(venue, tmp_path, request.param)
    venue.history.page_max = 100
    venue.history.past = past_trades(scene.market, 1_250, newest=NEWEST)
    return scene


def test_fetched_trades_say_what_they_cannot_tell(
    venue: LoopbackPolymarket, tmp_path: Path
) -> None:
    scene = Scene(venue, tmp_path)
    venue.quote(scene.market.tokens[0], "0.53", "500", "0.55", "500")
    venue.take(scene.market.tokens[0], "BUY", "0.55", "20")
    venue.take(scene.market.tokens[0], "SELL", "0.53", "30")
    done = scene.fetch()
    assert done.exit_code == 0, done.output
    assert "2 trades" in done.stdout
    assert "cannot be replayed or backtested" in done.stderr
    assert {(price, size) for _, price, size in scene.found()} == {
        ("0.5500", "20.000000"),
        ("0.5300", "30.000000"),
    }
    with pytest.raises(RecordingError, match="holds no quote"):
        Recording(scene.catalog)
    late = scene.fetch("--from", "2099-01-01T00:00:00Z")
    assert (late.exit_code, late.stderr.count("\n")) == (1, 1)
    assert "there is no trade in that time" in late.stderr
    unknown = scene.fetch(market="no-such-market")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
    assert "no-such-market" in unknown.stderr


def test_every_page_is_loaded_and_nothing_twice(scene: Scene) -> None:
    scene.venue.faults.answer(TRADES, 429)
    scene.venue.faults.reset(TRADES, after=True)
    done = scene.fetch(market=scene.market.condition_id.upper().replace("0X", "0x"))
    assert (done.exit_code, done.stdout.split(": ")[1]) == (0, "1250 trades\n"), done.output
    assert scene.found() == scene.told()
    again = scene.fetch()
    assert again.exit_code == 0
    assert scene.found() == scene.told()


@pytest.mark.parametrize("spoil", ["", '{"cursor', "\x00\n"])
def test_a_load_that_is_cut_goes_on(scene: Scene, spoil: str) -> None:
    pages = 0

    async def cut(_: web.Request) -> web.Response:
        return web.json_response({"error": "overloaded", "retryable": True}, status=503)

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal pages
        pages += 1
        if pages > 5:
            return await cut(request)
        return await scene.venue.history._trades(request)

    scene.venue.faults.say(TRADES, count, times=None)
    done = scene.fetch()
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "status 503: overloaded; the same command goes on from here" in done.stderr
    scene.venue.faults.clear()
    (kept,) = (scene.catalog / "fetching").glob("*.jsonl")
    with kept.open("a") as file:
        file.write(spoil)
    row = scene.venue.history.past[0] | {"timestamp": 2_000_000_000, "transaction_hash": "0xab"}
    scene.venue.history.past.insert(0, row)  # traded since: of no page that was cut
    done = scene.fetch()
    assert done.exit_code == 0, done.output
    del scene.venue.history.past[0]
    assert set(scene.told()) <= set(scene.found())
    if not spoil.endswith("\n"):
        assert "500 of them from a load that was cut" in done.stdout
    assert not list((scene.catalog / "fetching").glob("*.jsonl"))


def test_a_forgotten_cursor_begins_anew(scene: Scene) -> None:
    scene.venue.faults.answer(TRADES, 503, times=None, token="cursor")
    assert scene.fetch().exit_code == 1
    (kept,) = (scene.catalog / "fetching").glob("*.jsonl")
    first, page = kept.read_text().splitlines()
    kept.write_text(f"{first}\n{json.dumps(json.loads(page) | {'cursor': 'old'})}\n")
    scene.venue.faults.clear()
    done = scene.fetch()
    assert done.exit_code == 0, done.output
    assert scene.found() == scene.told()


def test_a_stretch_is_loaded_with_both_ends(scene: Scene) -> None:
    begin, end = NEWEST - 200, NEWEST - 100
    span = [datetime.fromtimestamp(t, UTC).isoformat() for t in (begin, end)]
    done = scene.fetch("--from", span[0], "--to", span[1])
    assert done.exit_code == 0, done.output
    assert scene.found() == [t for t in scene.told() if begin <= t[0] <= end]
    assert scene.fetch().exit_code == 0
    assert scene.found() == scene.told(), "what was there is not written again"


BAD_ROWS: list[Any] = [
    None,
    [],
    "x",
    {"price": "nan"},
    {"price": 0},
    {"price": 7},
    {"size": -1},
    {"size": 1e300},
    {"size": None},
    {"timestamp": "soon"},
    {"timestamp": 1.796e18},
    {"token_id": "\u0663"},
    {"token_id": None},
    {"condition_id": "0x" + "1" * 64},
]


def test_rows_that_make_no_sense_are_left_out(scene: Scene) -> None:
    good = scene.venue.history.past[:3]
    for row in good:  # none of these is needed
        del row["outcome_index"], row["proxy_wallet"]
    lean = {"side": None, "transaction_hash": None, "condition_id": None, "timestamp": NEWEST - 9}
    good.append(good[2] | lean)
    bad = [good[0] | row if isinstance(row, dict) else row for row in BAD_ROWS]

    async def say(_: web.Request) -> web.Response:
        return web.json_response({"data": [*good, *bad], "pagination": None})

    scene.venue.faults.say(TRADES, say)
    done = scene.fetch()
    assert done.exit_code == 0, done.output
    assert f"4 trades; {len(bad)} rows left out" in done.stdout
    assert len(scene.found()) == 4


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"data": 7}', "[" * 9_000, "\xff"])
def test_nonsense_is_one_line(scene: Scene, body: str) -> None:
    async def say(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    scene.venue.faults.say(TRADES, say, times=None)
    done = scene.fetch()
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "the trades cannot be read" in done.stderr


@pytest.mark.parametrize("step", [0, 1])
def test_a_list_without_an_end_is_given_up(scene: Scene, step: int) -> None:
    number = 0

    async def say(_: web.Request) -> web.Response:
        nonlocal number
        number += step
        return web.json_response({"data": [], "pagination": {"next_cursor": f"x{number}"}})

    scene.venue.faults.say(TRADES, say, times=None)
    done = scene.fetch()
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "the list of trades has no end" in done.stderr
