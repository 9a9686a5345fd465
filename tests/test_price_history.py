"""Prices of before a node followed a market: from either interface, as bars."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from loopback.server import LoopbackPolymarket

from positions.model.durations import DAY, HOUR, MINUTE, SECOND
from positions.model.errors import InputError
from positions.operations.settings import VenueSettings
from recordings.price_history import BARS_MAX, PriceBar, bars_of, bucket_of, load_bars
from venues.polymarket.api.history import HistoryError, Point

D = Decimal
START = 1_796_000_000
TOKEN = "7" * 77
NEW, OLD = "GET /data-api/v2/prices-history", "GET /prices-history"


@pytest.fixture
def venue() -> Iterator[LoopbackPolymarket]:
    with LoopbackPolymarket() as venue:
        venue.history.prices[TOKEN] = [(START + 60 * n, (40 + n % 7) / 100) for n in range(30_000)]
        yield venue


def load(venue: LoopbackPolymarket, begin: int, end: int, step: int, age: int = 0) -> list[Any]:
    settings = VenueSettings(**venue.settings())
    now = START * SECOND + age
    span = (START * SECOND + begin, START * SECOND + end)
    return asyncio.run(load_bars(settings, TOKEN, *span, step, now))


def test_bars_are_of_whole_steps_and_gaps_have_none() -> None:
    told = [(0, "0.5"), (59, "0.7"), (60, "0.4"), (61, "0.6"), (200, "0.1")]
    points = [Point(START + at, D(price)) for at, price in told]
    begin = START * SECOND
    assert bars_of(points, begin, MINUTE) == [
        PriceBar(begin, D("0.5"), D("0.7"), D("0.5"), D("0.7")),
        PriceBar(begin + MINUTE, D("0.4"), D("0.6"), D("0.4"), D("0.6")),
        PriceBar(begin + 3 * MINUTE, D("0.1"), D("0.1"), D("0.1"), D("0.1")),
    ]


@pytest.mark.parametrize(
    ("step", "age", "bucket"),
    [
        (SECOND, HOUR, MINUTE),
        (MINUTE, 8 * DAY, 5 * MINUTE),
        (HOUR, HOUR, 6 * MINUTE),
        (HOUR, 61 * DAY, 30 * MINUTE),
        (MINUTE, 91 * DAY, 3 * HOUR),
        (30 * DAY, HOUR, DAY),
    ],
)
def test_prices_are_asked_for_as_fine_as_they_are_kept(step: int, age: int, bucket: int) -> None:
    assert bucket_of(step, age) == bucket


def test_a_long_stretch_is_asked_for_in_parts(venue: LoopbackPolymarket) -> None:
    bars = load(venue, 0, 20 * DAY, HOUR, age=20 * DAY)
    assert len(bars) == 20 * 24
    assert bars[0] == PriceBar(START * SECOND, D("0.4"), D("0.46"), D("0.4"), D("0.43"))
    assert [b.time for b in bars] == sorted({b.time for b in bars})


@pytest.mark.parametrize("status", [404, 429, 500])
def test_the_order_books_own_history_is_asked_where_the_other_fails(
    venue: LoopbackPolymarket, status: int
) -> None:
    whole = load(venue, 0, HOUR, MINUTE)
    venue.faults.answer(NEW, status, times=None)
    assert load(venue, 0, HOUR, MINUTE) == whole != []
    venue.faults.answer(OLD, status, times=None)
    with pytest.raises(HistoryError, match=f"status {status}"):
        load(venue, 0, HOUR, MINUTE)


def test_no_prices_are_no_bars(venue: LoopbackPolymarket) -> None:
    venue.history.prices.clear()
    assert load(venue, 0, HOUR, MINUTE) == []


ODD: list[Any] = [
    *(None, [], {}, 5, {"data": None}, {"data": [None, [], 7]}),
    {"data": [{"timestamp": "soon", "price": 0.5}, {"timestamp": START, "price": 1.5}]},
    {"data": [{"timestamp": 1, "price": 0.5}, {"timestamp": START, "price": None}]},
]


@pytest.mark.parametrize("body", ODD)
def test_points_that_make_no_sense_are_left_out(venue: LoopbackPolymarket, body: Any) -> None:
    async def say(_: web.Request) -> web.Response:
        return web.json_response(body)

    for where in (NEW, OLD):
        venue.faults.say(where, say, times=None)
    assert load(venue, 0, HOUR, MINUTE) == []


@pytest.mark.parametrize(
    ("begin", "end", "step"),
    [(0, 0, MINUTE), (HOUR, 0, MINUTE), (0, HOUR, 0), (0, (BARS_MAX + 2) * MINUTE, MINUTE)],
)
def test_what_is_no_stretch_is_refused(
    venue: LoopbackPolymarket, begin: int, end: int, step: int
) -> None:
    with pytest.raises(InputError, match="bars were of"):
        load(venue, begin, end, step)
