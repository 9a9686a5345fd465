"""A market is loaded as its description states it, and nothing is made up."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProviderConfig
from nautilus_trader.common.component import LiveClock, TestClock
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from bridge.conversion import instrument_book
from positions.operations.settings import Settings, VenueSettings
from venues.polymarket.api.ticks import ImpossibleTick
from venues.polymarket.factories import Polymarket
from venues.polymarket.provider import HardenedProvider, end_of

DESCRIPTION = {
    "condition_id": "0xab",
    "question": "Will it?",
    "minimum_tick_size": 0.01,
    "end_date_iso": "2026-12-31T00:00:00Z",
    "feeSchedule": {"rate": 0.04},
}
END = 1_798_675_200 * 10**9


def load(outcome: Any = "Yes", **changes: Any) -> BinaryOption:
    config = PolymarketInstrumentProviderConfig(log_warnings=False)
    provider = HardenedProvider(None, TestClock(), config)
    return provider._load_instrument(DESCRIPTION | changes, "12", outcome)


def test_a_market_is_loaded_as_it_is_described() -> None:
    loaded = load()
    assert (str(loaded.price_increment), loaded.expiration_ns) == ("0.01", END)
    assert str(loaded.taker_fee) == "0.04"
    assert instrument_book(loaded).closes_at == END


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "",
        "soon",
        7,
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1969-12-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
    ],
)
def test_no_end_is_invented(stated: Any) -> None:
    loaded = load(end_date_iso=stated)
    assert loaded.expiration_ns == 0
    assert instrument_book(loaded).closes_at is None


@pytest.mark.parametrize(
    "stated",
    ["2026-12-31T00:00:00Z", "2026-12-31", "2026-12-31T01:00:00+01:00", "2026-12-31T00:00:00.5Z"],
)
def test_an_end_is_read_as_it_is_stated(stated: str) -> None:
    assert end_of(stated) == END


@pytest.mark.parametrize("tick", [1, 0.3, 1e-12, 0, None, "nan"])
def test_a_market_with_an_impossible_tick_is_not_loaded(tick: Any) -> None:
    with pytest.raises(ImpossibleTick):
        load(minimum_tick_size=tick)


@pytest.mark.parametrize("tick", ["0.0025", 0.005, 0.1, 0.0001])
def test_each_tick_of_the_venue_is_loaded(tick: Any) -> None:
    assert load(minimum_tick_size=tick).price_increment.as_double() == float(tick)


@pytest.mark.parametrize(
    ("rate", "fee"),
    [(0.04, "0.04"), ("0", "0"), (None, "0"), (0.0000001, "0.0000001")]
    + [(rate, "1") for rate in (-1, 1, 5, 1e30, "1e30", "nan", [], {}, True, "1e20000000")],
)
def test_a_fee_that_cannot_be_counts_as_the_highest(rate: Any, fee: str) -> None:
    book = instrument_book(load(feeSchedule={"rate": rate}))
    assert (f"{book.fee_rate:f}", f"{instrument_book(load(feeSchedule=[])).fee_rate}") == (fee, "1")


@pytest.mark.parametrize(
    ("stated", "exponent"),
    [(1, 1), ("1", 1), (2.0, 2), ("2", 2), (9, 9), (None, 1)]
    + [(stated, None) for stated in (0, -1, 0.5, 1.5, 10, "nan", "1e30", [], {}, True, "two")],
)
def test_nothing_is_bought_at_a_fee_whose_exponent_cannot_be(
    stated: Any, exponent: int | None
) -> None:
    book = instrument_book(load(feeSchedule={"rate": 0.04, "exponent": stated}))
    assert (book.fee.exponent, book.entries_allowed) == (exponent, exponent is not None)
    free = instrument_book(load(feeSchedule={"rate": 0, "exponent": stated}))
    assert free.entries_allowed, "no exponent makes a fee of a rate of 0"


@pytest.mark.parametrize(
    ("stated", "minimum"),
    [(5, "5"), ("0.5", "0.5"), (0, "0"), (15.0, "15.0")]
    + [(stated, "5") for stated in (-5, 1e30, "nan", "inf", None, [], "9" * 400, True)],
)
def test_a_minimum_that_cannot_be_is_the_venues_own(stated: Any, minimum: str) -> None:
    assert str(instrument_book(load(minimum_order_size=stated)).minimum_size) == minimum


@pytest.mark.parametrize("question", [None, " ", ["a"], {"a": 1}, 5, "x" * 100_000, "\x1b[2J"])
def test_a_question_is_a_short_text(question: Any) -> None:
    assert len(instrument_book(load(question=question)).question) <= 300


@pytest.mark.parametrize("outcome", [None, "", " ", ["Yes"], 5])
def test_an_outcome_without_a_name_goes_by_its_token(outcome: Any) -> None:
    assert instrument_book(load(outcome)).outcome == "12"


def loaded_at(venue: LoopbackPolymarket, market: MarketHandle) -> list[BinaryOption]:
    """What a node loads of a market of the loopback venue."""

    async def load() -> list[BinaryOption]:
        polymarket = Polymarket(
            Settings(mode="paper", state="unused", venue=VenueSettings(**venue.settings()))
        )
        try:
            provider = polymarket.provider(LiveClock())
            ids = [f"{market.condition_id}-{token}.POLYMARKET" for token in market.tokens]
            await provider.load_ids_async([InstrumentId.from_str(i) for i in ids[:1]])
            return [i for n in ids if (i := provider.find(InstrumentId.from_str(n))) is not None]
        finally:
            await polymarket.close()

    return asyncio.run(load())


@pytest.mark.parametrize("taker_delay", [True, False])
def test_the_short_description_tells_the_tick_and_the_delay(taker_delay: bool) -> None:
    with LoopbackPolymarket() as venue:
        stale = {"tick": "0.0025", "stale_tick": "0.01"}
        market = venue.add_market("btc-up", taker_delay=taker_delay, **stale)
        yes, no = loaded_at(venue, market)
    assert yes.info["taker_delay"] is no.info["taker_delay"] is taker_delay
    assert str(yes.price_increment) == str(no.price_increment) == "0.0025"


NO_SHORT = [None, [], "x", {}, {"c": "0xab", "itode": True, "mts": 0.1}]


@pytest.mark.parametrize("body", [*NO_SHORT, 503])
def test_a_market_is_loaded_without_its_short_description(body: Any) -> None:
    async def say(_: web.Request) -> web.Response:
        return web.json_response(body)

    with LoopbackPolymarket() as venue:
        market = venue.add_market("btc-up", taker_delay=True)
        if body == 503:
            venue.faults.answer("GET /clob-markets/*", 503, times=None)
        else:
            venue.faults.say("GET /clob-markets/*", say, times=None)
        yes, _ = loaded_at(venue, market)
    assert (yes.info.get("taker_delay"), str(yes.price_increment)) == (None, "0.01")


@pytest.mark.parametrize("tick", [None, "nan", 0, 0.3])
def test_an_impossible_tick_of_the_short_description_is_not_taken(tick: Any) -> None:
    with LoopbackPolymarket() as venue:
        market = venue.add_market("btc-up")

        async def say(_: web.Request) -> web.Response:
            return web.json_response({"c": market.condition_id, "itode": True, "mts": tick})

        venue.faults.say("GET /clob-markets/*", say, times=None)
        yes, _ = loaded_at(venue, market)
    assert (yes.info["taker_delay"], str(yes.price_increment)) == (True, "0.01")
