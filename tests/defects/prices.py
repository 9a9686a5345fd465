"""Probes of what the market channel says and does not say: prices, ticks and resolutions."""

import asyncio
import json
from typing import Any

from defects.lab import Spot
from defects.table import defect
from loopback import messages

from venues.polymarket.markets import VenueUnreachable

DATA = "HardenedDataClient"
BOOKS = f"{DATA}._take_book"
CHANGES = f"{DATA}._take_changes"
RAW = f"{DATA}._handle_raw_ws_message"
SILENCE = f"{DATA}._watch_feed"


def _patience(spot: Spot, seconds: float) -> float | None:
    """How long the stock clients get to do what they never do."""
    return None if spot.lab.is_ours else seconds


def _push(spot: Spot, told: dict[str, Any]) -> None:
    spot.venue.push("market", json.dumps(told))


def _book(spot: Spot) -> dict[str, Any]:
    return messages.first_book(spot.venue.ledger.by_token[spot.token], spot.token)


@defect(
    "The market channel cannot be opened the first time",
    stock="no price",
    ours="0.50 / 0.52",
    mended_by="ChannelClient._connect_client",
    when="at the start",
)
async def _(spot: Spot) -> str:
    spot.venue.faults.refused.add("market")
    await spot.lab.load(spot)
    await spot.lab.happens(lambda: spot.venue.asked("GET /ws/market"))
    await asyncio.sleep(0.5)  # it is noted before it is refused
    spot.venue.faults.refused.clear()
    await spot.lab.happens(lambda: spot.quotes, _patience(spot, 3))
    return await spot.shows("0.50", "0.52", 0.1) if spot.quotes else "no price"


@defect(
    "Gamma does not tell a market's fee when it is loaded",
    stock="traded with a fee of 0",
    ours="not traded; then with a fee of 0.04",
    mended_by="HardenedProvider._enrich_with_gamma_fee_schedules",
    when="alone",
)
async def _(spot: Spot) -> str:
    spot.venue.faults.answer("GET /gamma/markets/keyset", 500)
    refused = ""
    try:
        await spot.opened()
    except VenueUnreachable:
        refused = "not traded; then "
        await spot.opened()
    return f"{refused or 'traded '}with a fee of {spot.instrument.taker_fee.normalize():f}"


@defect(
    "A book is told again",
    stock="0.50/0.52, 0.50/0.52",
    ours="0.50/0.52",
    mended_by=f"{DATA}._publish_quote",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    _push(spot, _book(spot))
    await spot.lab.happens(lambda: len(spot.quotes) > 1, 2)
    return ", ".join(f"{bid}/{ask}" for bid, ask in spot.quotes)


@defect(
    "All bids vanish",
    stock="0.50 / 0.52",
    ours="none / 0.52",
    mended_by=f"{DATA}._publish_quote, OneSidedBook",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote(None, "0.52")
    return await spot.shows("", "0.52", _patience(spot, 3))


@defect(
    "The whole book vanishes, in a snapshot",
    stock="0.50 / 0.52",
    ours="none / none",
    mended_by=f"{BOOKS}, OneSidedBook",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("price_change", token=spot.token)
    spot.quote(None, None)
    _push(spot, _book(spot))
    return await spot.shows("", "", _patience(spot, 3))


@defect(
    "A snapshot is sorted from the best price on",
    stock="0.48 / 0.60",
    ours="0.50 / 0.53",
    mended_by=BOOKS,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("price_change", token=spot.token)
    spot.venue.book(spot.token, [("0.50", 9), ("0.48", 9)], [("0.53", 9), ("0.60", 9)])
    told = _book(spot)
    _push(spot, told | {"bids": told["bids"][::-1], "asks": told["asks"][::-1]})
    return await spot.shows("0.50", "0.53", _patience(spot, 3))


@defect(
    "One message changes several prices",
    stock="0.50/0.52, 0.40/0.52, 0.40/0.42",
    ours="0.50/0.52, 0.40/0.42",
    mended_by=CHANGES,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote("0.40", "0.42")
    await spot.shows("0.40", "0.42")
    return ", ".join(f"{bid}/{ask}" for bid, ask in spot.quotes)


@defect(
    "A price change comes without a hash",
    stock="0.50 / 0.52",
    ours="0.51 / 0.52",
    mended_by=RAW,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    change = {"asset_id": spot.token, "price": "0.51", "size": "5", "side": "BUY"}
    told = {"market": spot.market.condition_id, "price_changes": [change]}
    spot.venue.faults.frozen.add(spot.token)
    _push(spot, told | {"event_type": "price_change"})
    await spot.lab.happens(lambda: ("0.51", "0.52") in spot.quotes, _patience(spot, 3))
    return " / ".join(spot.quotes[1] if len(spot.quotes) > 1 else spot.quotes[0])


@defect(
    "Prices after a change of the tick, until the venue sends a book by itself",
    stock="0.50 / 0.52",
    ours="0.505 / 0.520",
    mended_by=f"{DATA}._change_tick",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.change_tick(spot.market, "0.001")
    await spot.lab.happens(lambda: spot.instrument.price_precision == 3)
    spot.quote("0.505", "0.52")
    return await spot.shows("0.505", "0.520", _patience(spot, 3))


@defect(
    "A change of the tick is never told",
    stock="0.51 / 0.52",
    ours="0.506 / 0.520",
    mended_by=f"{DATA}._fits",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.change_tick(spot.market, "0.001", message=False)
    spot.quote("0.506", "0.52")
    return await spot.shows("0.506", "0.520", _patience(spot, 3))


@defect(
    "The market channel falls silent",
    stock="0.50 / 0.52",
    ours="0.30 / 0.35",
    mended_by=SILENCE,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.silent.add(spot.token)
    spot.quote("0.30", "0.35")
    return await spot.shows("0.30", "0.35", _patience(spot, 4))


@defect(
    "The market channel is down",
    stock="0.50 / 0.52; no word of it",
    ours="0.30 / 0.35; told that it is read from REST",
    mended_by=SILENCE,
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.refused.add("market")
    spot.venue.drop("market")
    spot.quote("0.30", "0.35")
    shown = await spot.shows("0.30", "0.35", _patience(spot, 3))
    is_told = "its book is read instead" in spot.lab.observer.feeds.get(spot.id, "")
    return f"{shown}; {'told that it is read from REST' if is_told else 'no word of it'}"


@defect(
    "A market is resolved, and told so",
    stock="no close",
    ours="closed at 1",
    mended_by=f"{DATA}._take_resolution, ResolutionWatch",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.resolve(spot.market, spot.token)
    return await _close(spot)


@defect(
    "A market is resolved, and nothing told",
    stock="no close",
    ours="closed at 0.5",
    mended_by="ResolutionWatch, Gamma.payouts",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    paid = dict.fromkeys(spot.market.tokens, "0.5")
    spot.venue.resolve(spot.market, payouts=paid, message=False)
    return await _close(spot)


async def _close(spot: Spot) -> str:
    closes = spot.lab.observer.closes
    await spot.lab.happens(lambda: spot.id in closes, _patience(spot, 3))
    return f"closed at {closes[spot.id]}" if spot.id in closes else "no close"


@defect(
    "A subscription to an instrument, or to its close",
    stock="NotImplementedError, NotImplementedError",
    ours="accepted, accepted",
    mended_by=f"{DATA}._subscribe_instrument, {DATA}._subscribe_instrument_close",
)
async def _(spot: Spot) -> str:
    said = []
    for subscribe in (
        spot.lab.data._subscribe_instrument,
        spot.lab.data._subscribe_instrument_close,
    ):
        try:
            await subscribe(None)
            said.append("accepted")
        except NotImplementedError:
            said.append("NotImplementedError")
    return ", ".join(said)
