"""Whatever the channel, REST and reconnects tell in whatever order, no older book decides.

A market's true book moves on; its frames are lost, late, doubled and swapped, sockets are opened
anew, and books are read that may be old. `VIEWS=100000 pytest tests/test_views.py` plays more seeds
than the suite does, `FIRST=50000` those from there on, `SEED=...` plays one.
"""

import os
import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from venues.polymarket.market_data.freshness import AHEAD_MS, NewestTime, venue_time
from venues.polymarket.market_data.local_book import LocalBook, SnapshotRequest, Verdict
from venues.polymarket.market_data.market_messages import BookSnapshot, Change, Changes, Touch

D = Decimal
OUTCOME = TestInstrumentProvider.binary_option()
EVENTS = 40
CHUNKS = 16
NOW = 1_796_000_000_000
_ONE = os.environ.get("SEED")
_FIRST = int(os.environ.get("FIRST") or 0)
_LAST = _FIRST + int(os.environ.get("VIEWS", "800"))
SEEDS = (
    [range(int(_ONE), int(_ONE) + 1)]
    if _ONE
    else [range(_FIRST + start, _LAST, CHUNKS) for start in range(CHUNKS)]
)
Sides = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]


class Truth:
    """The venue: the book at each moment."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.at = NOW
        self.sides: Sides = ({D("0.5"): D(9), D("0.4"): D(5)}, {D("0.6"): D(9)})
        self.past: list[BookSnapshot] = [self.book()]

    def book(self) -> BookSnapshot:
        """The whole book."""
        return BookSnapshot("m", "t", self.at, dict(self.sides[0]), dict(self.sides[1]))

    def move(self) -> Changes:
        """The book changes; the message that tells it."""
        self.at += self._rng.choice([0, 1, 1, 300])
        levels = [self._level() for _ in range(self._rng.choice([1, 1, 2, 3]))]
        book = self.book()
        self.past.append(book)
        return Changes("t", levels, book.touch)

    def _level(self) -> Change:
        is_bid = self._rng.random() < 0.7
        cents = self._rng.randint(30, 55) if is_bid else self._rng.randint(56, 70)
        price = D(cents) / 100
        side = self.sides[not is_bid]
        best = max(self.sides[0], default=price) if is_bid else min(self.sides[1], default=price)
        if self._rng.random() < 0.5:
            price = best  # where it matters most
        size = D(self._rng.choice([0, 0, 3, 8]))
        if size:
            side[price] = size
        else:
            side.pop(price, None)
        return Change(is_bid, price, size)


class Feed:
    """What one outcome's reader hears, and what it decides on."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._truth = Truth(self._rng)
        self._book = LocalBook(OUTCOME.id)
        self._line: list[tuple[int, Changes | BookSnapshot]] = []
        """The frames under way, in order."""
        self._readings: list[tuple[SnapshotRequest, BookSnapshot]] = []
        self._newest = 0
        self._was_told: list[Decimal | None] = []

    def play(self) -> None:
        """Let things happen, and check what is known after each."""
        deeds: list[Callable[[], None]] = [
            *[self._move] * 6,
            *[self._hear] * 7,
            self._lose,
            self._swap,
            self._double,
            self._reconnect,
            self._state,
            self._request,
            self._request,
            self._answer,
            self._answer,
            self._answer,
            self._forget,
        ]
        for _ in range(EVENTS):
            self._rng.choice(deeds)()
            self._check()
        self._ends_well()

    def _move(self) -> None:
        self._line.append((self._truth.at, self._truth.move()))
        self._line[-1] = (self._truth.at, self._line[-1][1])

    def _hear(self) -> None:
        if not self._line:
            return
        at, frame = self._line.pop(0)
        was = self._book.newest_at
        if isinstance(frame, BookSnapshot):
            taken = self._book.take(OUTCOME, frame, 1)
        else:
            taken = self._book.change(OUTCOME, frame, at, 1)
        assert taken is None or at >= was, "an older frame was taken"
        self._newest = max(self._newest, at)
        self._publish_quote()

    def _lose(self) -> None:
        if self._line:
            self._line.pop(0)

    def _swap(self) -> None:
        if len(self._line) > 1:
            self._line[0], self._line[-1] = self._line[-1], self._line[0]

    def _double(self) -> None:
        if self._line:
            self._line.append(self._line[0])

    def _reconnect(self) -> None:
        """What was under way is lost, and the whole book told."""
        self._line = [(self._truth.at, self._truth.book())]

    def _state(self) -> None:
        self._book.state(self._truth.book().touch, self._truth.at)
        self._publish_quote()

    def _request(self) -> None:
        back = self._rng.choice([1, 1, 1, 2, 5, 20])
        told = self._truth.past[max(0, len(self._truth.past) - back)]
        self._readings.append((self._book.request_snapshot(), told))

    def _answer(self) -> None:
        if not self._readings:
            return
        reading, told = self._readings.pop(self._rng.randrange(len(self._readings)))
        if self._rng.random() < 0.1:
            self._book.give_up(reading)
            return
        before, stated = self._book.touch, self._book.is_contradicted
        verdict, _ = self._book.take_requested(reading, OUTCOME, told, 1)
        if verdict is Verdict.TAKEN:
            is_newer = told.at is not None and told.at >= reading.since
            assert is_newer or stated, "an older book was taken"
        else:
            assert self._book.touch == before
        self._publish_quote()

    def _forget(self) -> None:
        if self._rng.random() < 0.2:
            self._book.forget()

    def _publish_quote(self) -> None:
        if not self._book.is_whole:
            return
        look, _ = self._book.look(OUTCOME, ({}, {}))
        view = self._book.publishable(OUTCOME, look)
        if view is not None and view != self._book.published:
            self._book.published = view
            self._was_told.append(None if view[0] is None else view[0].as_decimal())
            self._check_told(self._was_told[-1])

    def _check_told(self, bid: Decimal | None) -> None:
        """A stop that is at the bid would trigger now: the bid was in force, or a lower one is."""
        since = self._book.newest_at
        in_force = [b.touch.bid for b in self._truth.past if (b.at or 0) >= since]
        assert any((true or 0) <= (bid or 0) for true in in_force), "no bid was as low"

    def _check(self) -> None:
        assert self._book.newest_at >= 0
        if not self._book.is_whole or self._book.is_contradicted:
            return
        known = [b.touch for b in self._truth.past if (b.at or 0) >= self._book.newest_at]
        assert self._book.touch in known, "an older book decides"

    def _ends_well(self) -> None:
        """Once a current book can be read, it is known."""
        reading = self._book.request_snapshot()
        verdict, _ = self._book.take_requested(reading, OUTCOME, self._truth.book(), 1)
        assert verdict is Verdict.TAKEN
        self._publish_quote()
        touch, view = self._truth.book().touch, self._book.published
        assert self._book.touch == touch
        assert view is not None
        assert (None if view[0] is None else view[0].as_decimal()) == touch.bid


@pytest.mark.parametrize("seeds", SEEDS)
def test_no_older_book_decides(seeds: range) -> None:
    for seed in seeds:
        try:
            Feed(seed).play()
        except Exception as e:
            raise AssertionError(f"SEED={seed}: {e!r}") from e


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (str(NOW), NOW),
        (NOW, NOW),
        (str(NOW + AHEAD_MS), NOW + AHEAD_MS),
        (str(NOW + AHEAD_MS + 1), None),
        ("99999999999999", None),
        ("9" * 40, None),
        ("-5", None),
        ("nan", None),
        ("0", None),
        ("1", None),
        ("1499999999999", None),
        ("1500000000000", 1_500_000_000_000),
        ("\uff11" * 13, None),
        (1.5e12, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_a_time_that_cannot_be_is_none(value: object, at: int | None) -> None:
    assert venue_time(value, NOW) == at


def test_of_one_time_the_later_is_the_newer() -> None:
    newest = NewestTime()
    assert newest.advance(5)
    assert newest.advance(5)
    assert not newest.advance(4)
    assert newest.advance(None)
    assert newest.is_after(4)
    assert not newest.is_after(5)
    assert not newest.is_after(None)
    assert newest.at == 5


def test_a_bid_that_is_doubted_falls_as_far_as_both_say_and_never_rises() -> None:
    book = LocalBook(OUTCOME.id)
    bids = {D("0.5"): D(9), D("0.4"): D(5), D("0.3"): D(7)}

    def after(gone: list[str], stated: str | None) -> str | None:
        book.take(OUTCOME, BookSnapshot("m", "t", None, bids, {}), 1)
        book.published = book.look(OUTCOME, ({}, {}))[0]
        touch = Touch(None if stated is None else D(stated), None)
        levels = [Change(True, D(price), D(0)) for price in gone]
        book.change(OUTCOME, Changes("t", levels, touch), None, 1)
        view = book.publishable(OUTCOME, book.look(OUTCOME, ({}, {}))[0])
        return None if view is None else str(view[0])

    assert after(["0.5"], "0.4") == "0.400"
    assert after(["0.2"], "0.4") is None  # a bid that is gone, or a wrong statement
    assert after(["0.5", "0.4"], "0.4") == "0.400"  # a bid was lost: it is not as low as 0.3
    assert after(["0.5", "0.4"], "0.5") is None
    assert after(["0.5"], "0.3") == "0.400"
    assert after(["0.2"], "0.6") is None
    assert after(["0.5"], None) == "0.400"
    assert after(["0.5", "0.4", "0.3"], "0.35") == "0.350"
