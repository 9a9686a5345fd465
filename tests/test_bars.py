"""Bars of bid and ask: what is kept, for how long, and what a bad file costs."""

from decimal import Decimal
from pathlib import Path

import stage

from positions.model.durations import DAY, HOUR, MINUTE, SECOND
from positions.model.instrument_book import InstrumentBook
from positions.storage.bars import BarWriter, read_bars

D = Decimal
TOKEN = stage.TOKEN
START = stage.START // MINUTE * MINUTE


class Clockwork:
    """A writer whose book and time are moved by hand."""

    def __init__(self, state: Path) -> None:
        self.state, self.now = state, START
        self.book: InstrumentBook = stage.market()
        self.writer = BarWriter(state, lambda: [self.book], lambda: self.now)

    def see(self, seconds: float, bid: str | None, ask: str) -> None:
        self.now = START + int(seconds * SECOND)
        self.book.show(None if bid is None else D(bid), D(1), D(ask), D(1), self.now)
        self.writer.look()
        self.writer.flush()

    def bars(self, step: str) -> list[tuple[int, Decimal | None, Decimal | None, Decimal | None]]:
        found = read_bars(self.state, TOKEN, step)
        return [((b.time - START) // SECOND, b.bid, b.bid_low, b.ask_high) for b in found]


def test_what_changes_is_kept_by_second_and_by_minute(tmp_path: Path) -> None:
    c = Clockwork(tmp_path)
    c.see(0.1, "0.50", "0.52")
    c.see(1.2, "0.50", "0.52")
    c.see(2.1, "0.44", "0.60")
    c.see(2.9, "0.48", "0.50")
    c.see(61, None, "0.50")
    assert c.bars("1s") == [
        (0, D("0.5"), D("0.5"), D("0.52")),
        (2, D("0.48"), D("0.44"), D("0.6")),
        (61, None, None, D("0.5")),
    ]
    assert c.bars("1m") == [
        (0, D("0.48"), D("0.44"), D("0.6")),
        (60, None, None, D("0.5")),
    ]
    assert [b.time for b in read_bars(tmp_path, TOKEN, "1m", START + MINUTE)] == [START + MINUTE]
    assert (tmp_path / "bars.sqlite").stat().st_mode & 0o777 == 0o600


def test_what_is_old_goes(tmp_path: Path) -> None:
    c = Clockwork(tmp_path)
    c.see(0, "0.50", "0.52")
    c.writer._count = 0
    c.see(2 * HOUR // SECOND, "0.51", "0.52")
    assert len(c.bars("1s")) == 1
    assert len(c.bars("1m")) == 2
    c.writer._count = 0
    c.see(40 * DAY // SECOND, "0.52", "0.53")
    assert len(c.bars("1m")) == 1


def test_a_file_that_is_none_costs_bars_alone(tmp_path: Path) -> None:
    c = Clockwork(tmp_path)
    (tmp_path / "bars.sqlite").write_bytes(b"nothing of the kind" * 500)
    assert c.bars("1s") == []
    c.see(0, "0.50", "0.52")
    c.see(1, "0.51", "0.52")
    assert len(c.bars("1s")) == 1


def test_where_nothing_is_kept_there_are_none(tmp_path: Path) -> None:
    assert read_bars(tmp_path, TOKEN, "1s") == []
