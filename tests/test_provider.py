"""A market is loaded as its description states it, and nothing is made up."""

from typing import Any

import pytest
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProviderConfig
from nautilus_trader.common.component import TestClock
from nautilus_trader.model.instruments import BinaryOption

from bridge.conversion import instrument_book
from venues.polymarket.api.ticks import ImpossibleTick
from venues.polymarket.provider import HardenedProvider, end_of

DESCRIPTION = {
    "condition_id": "0xab",
    "question": "Will it?",
    "minimum_tick_size": 0.01,
    "end_date_iso": "2026-12-31T00:00:00Z",
    "feeSchedule": {"rate": 0.04},
}
END = 1_798_675_200 * 10**9


def load(**changes: Any) -> BinaryOption:
    config = PolymarketInstrumentProviderConfig(log_warnings=False)
    provider = HardenedProvider(None, TestClock(), config)
    return provider._load_instrument(DESCRIPTION | changes, "12", "Yes")


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
