"""Recording a market live, on the loopback venue: killed in the middle, and used as it is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stories
from essence import essence
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.model.data import OrderBookDelta, TradeTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from trading import KEY

from positions.research import session
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool
from recordings import journal
from recordings.catalog import Recording

D = Decimal
PATIENCE = 60.0
BACKTEST = """
mode = "backtest"
[account]
cash = 1000
[safety]
dead_man = "off"
"""
SESSION = """
mode = "{mode}"
really_trade = {really_trade}
state = "{state}"
[record]
catalog = "{catalog}"
[safety]
dead_man = "off"
[venue]
{addresses}
"""


def eventually(is_true: Callable[[], Any]) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class Recorder:
    """A recorder in a process of its own."""

    def __init__(self, venue: LoopbackPolymarket, folder: Path, *markets: str) -> None:
        self.catalog = folder / "catalog"
        config = folder / "paper.toml"
        addresses = "\n".join(f'{k} = "{v}"' for k, v in venue.settings().items())
        config.write_text(f'mode = "paper"\nstate = "unused"\n[venue]\n{addresses}\n')
        options = ("--catalog", str(self.catalog), "--config", str(config))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "record", *markets, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> list[list[Any]]:
        """What is on disk and not folded."""
        files = sorted(journal.live(self.catalog).glob("*[ln]"))
        found = [f for f in files if f.suffix in (".open", ".jsonl")]
        return [json.loads(line) for f in found for line in f.read_text().splitlines()]

    def books(self, token: str) -> list[list[Any]]:
        """The books of a token that are on disk: bid and ask."""
        return [
            [line[2] and D(line[2]), line[4] and D(line[4])]
            for line in self.lines()
            if line[0] == "book" and token in line[1]
        ]

    def end(self, how: signal.Signals) -> tuple[str, str]:
        self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def venue() -> Iterator[LoopbackPolymarket]:
    with LoopbackPolymarket() as venue:
        yield venue


def listed(venue: LoopbackPolymarket) -> MarketHandle:
    market = venue.add_market("will-it-rain")
    venue.quote(market.tokens[0], "0.53", "500", "0.55", "500")
    return market


def play(venue: LoopbackPolymarket, market: MarketHandle, recorder: Recorder) -> None:
    """A small market: prices, a trade, an empty side, a finer tick."""
    yes = market.tokens[0]
    eventually(lambda: [D("0.53"), D("0.55")] in recorder.books(yes))
    venue.quote(yes, "0.54", "400", "0.56", "300")
    venue.take(yes, "BUY", "0.56", "20")
    venue.quote(yes, None, 0, "0.56", "300")
    venue.quote(yes, "0.40", "500", "0.56", "300")
    venue.change_tick(market, "0.001")
    venue.quote(yes, "0.401", "500", "0.555", "300")
    eventually(lambda: [D("0.401"), D("0.555")] in recorder.books(yes))


def test_a_killed_recording_is_used_as_it_is(venue: LoopbackPolymarket, tmp_path: Path) -> None:
    market = listed(venue)
    recorder = Recorder(venue, tmp_path, "will-it-rain")
    play(venue, market, recorder)
    recorder.end(signal.SIGKILL)
    newest = max(journal.live(recorder.catalog).glob("*.open"))
    with newest.open("ab") as file:
        file.write(b'["book","torn')
    recording = Recording(recorder.catalog)
    yes = next(i for i in recording.instruments if market.tokens[0] in i.id.value)
    assert (yes.price_increment.as_decimal(), yes.price_precision) == (D("0.01"), 4)
    (then,) = (i for i in recording.instruments_at(recording.end_ns + 1) if i.id == yes.id)
    assert then.price_increment.as_decimal() == D("0.001")
    prices = recording.prices(yes.id.value, recording.start_ns, recording.end_ns)
    seen = [p[1:] for p in prices]
    for shown in ((0.53, 0.55), (0.54, 0.56), (None, 0.56), (0.40, 0.56), (0.401, 0.555)):
        assert shown in seen
    catalog = ParquetDataCatalog(str(recorder.catalog))
    assert [t.size.as_decimal() for t in catalog.query(TradeTick)][:1] == [20]
    assert {d.order.price.precision for d in catalog.query(OrderBookDelta)} == {4}
    assert not list(journal.live(recorder.catalog).glob("*.jsonl"))
    asked = {"market": "will-it-rain", "outcome": "Yes", "max_bid": "0.56", "size": "50"}
    asked = {"command": "submit", "stop": "0.45"} | asked
    (row,) = stories.backtest_of(BACKTEST, recorder.catalog, [asked]).rows
    assert (row["exit_reason"], row["exit_price"]) == ("stop", D("0.4"))


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_session_that_was_killed_is_told_again_by_its_backtest(
    venue: LoopbackPolymarket, tmp_path: Path, mode: str
) -> None:
    market = listed(venue)
    yes = market.tokens[0]
    state, catalog = tmp_path / "state", tmp_path / "catalog"
    config = tmp_path / "node.toml"
    addresses = "\n".join(f'{k} = "{v}"' for k, v in venue.settings().items())
    really_trade = "true" if mode == "live" else "false"
    about = {"mode": mode, "really_trade": really_trade, "state": state, "catalog": catalog}
    config.write_text(SESSION.format(**about, addresses=addresses))
    keys = venue.wallet(KEY, cash="1000") if mode == "live" else {}
    node = subprocess.Popen(
        [sys.executable, "node.py", "--config", str(config)],
        env=os.environ | keys | {"XDG_STATE_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    spool = Spool(state)
    asked = {"market": "will-it-rain", "outcome": "Yes", "max_bid": "0.55", "size": "100"}
    asked = {"command": "submit", "stop": "0.45", "target": "0.70"} | asked
    first = spool.put(json.dumps(asked).encode())
    eventually(lambda: _phase(state, first) == "holding")
    second = spool.put(json.dumps(asked | {"stop": "0.30", "target": "0.60"}).encode())
    eventually(lambda: _phase(state, second) == "holding")
    venue.quote(yes, "0.38", "500", "0.42", "500")
    eventually(lambda: _phase(state, first) == "closed")
    venue.quote(yes, "0.61", "500", "0.63", "500")
    eventually(lambda: _phase(state, second) == "closed")
    time.sleep(2)  # a recorder may lose its last second
    node.kill()
    node.communicate(timeout=PATIENCE)
    traded = stories.told(state)
    tested = stories.backtested(BACKTEST, catalog, session.requests(state))
    if mode == "live":
        traded, tested = (
            s._replace(events={i: essence(e) for i, e in s.events.items()})
            for s in (traded, tested)
        )
    ignored = stories.WALL_CLOCK | stories.VENUE_IDS | stories.VIEWS
    assert stories.differences(traded, tested, ignored) == []
    assert len(tested.events) == 2


def _phase(state: Path, position_id: str) -> str | None:
    try:
        with Snapshot(state) as copy:
            return str(copy.position(position_id)["phase"])
    except NoSnapshot:
        return None


def test_a_recorder_that_is_stopped_folds_all_and_may_go_on_later(
    venue: LoopbackPolymarket, tmp_path: Path
) -> None:
    market = listed(venue)
    for bid in ("0.50", "0.49"):
        recorder = Recorder(venue, tmp_path, "will-it-rain")
        eventually(lambda r=recorder: r.books(market.tokens[0]))
        venue.quote(market.tokens[0], bid, "500", "0.55", "500")
        eventually(lambda r=recorder, b=bid: [D(b), D("0.55")] in r.books(market.tokens[0]))
        out, errors = recorder.end(signal.SIGINT)
        assert (recorder.process.returncode, errors) == (0, "")
        assert "recording 2 outcomes in" in out
        assert "recorded " in out
        assert recorder.lines() == []
    recording = Recording(recorder.catalog)
    token = next(i.id.value for i in recording.instruments if market.tokens[0] in i.id.value)
    prices = recording.prices(token, recording.start_ns, recording.end_ns)
    bids = [p.bid for p in prices]
    assert bids.index(0.50) < bids.index(0.49)


@pytest.mark.parametrize(
    ("market", "said"),
    [("no-such-market", "market was 'no-such-market', is not known to the venue")],
)
def test_what_cannot_be_recorded_is_said_in_one_line(
    venue: LoopbackPolymarket, tmp_path: Path, market: str, said: str
) -> None:
    recorder = Recorder(venue, tmp_path, market)
    _, errors = recorder.process.communicate(timeout=PATIENCE)
    assert (recorder.process.returncode, errors) == (1, f"polybracket: {said}\n")


def test_one_catalog_has_one_recorder(tmp_path: Path) -> None:
    with_it = journal.Journal(tmp_path)
    with_it.hold()
    config = tmp_path / "paper.toml"
    config.write_text('mode = "paper"\nstate = "unused"\n')
    command = [sys.executable, "-m", "cli.main", "record", "x"]
    options = ["--catalog", str(tmp_path), "--config", str(config)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is being recorded by another process" in done.stderr
    with_it.release()


def test_a_full_disk_loses_nothing_that_fits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = journal.Journal(tmp_path, lines_max=3)
    noted.hold()
    noted.note("book", 1)
    monkeypatch.setattr(os, "write", lambda fd, content: 3)  # noqa: ARG005
    with pytest.raises(OSError, match="full"):
        noted.flush()
    monkeypatch.undo()
    noted.note("book", 2)
    noted.note("book", 3)
    assert noted.flush()
    (segment,) = journal.closed(tmp_path)
    assert segment.read_text() == '["book",1]\n["book",2]\n["book",3]\n'
    noted.release()
