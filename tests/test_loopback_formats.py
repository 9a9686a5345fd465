"""The loopback venue's words beside the real one's, and as our own readers understand them."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from loopback.scene import Listener, Scene
from loopback.server import LoopbackPolymarket
from recorded import FOLDER

from positions.operations.settings import VenueSettings
from venues.polymarket.api.gamma import Gamma

WIRE = FOLDER / "wire-messages.jsonl"


@pytest.fixture
def scene() -> Iterator[Scene]:
    with LoopbackPolymarket() as venue:
        yield Scene(venue)


def _real(kind: str) -> list[Any]:
    """The real messages of a kind."""
    if not WIRE.exists():
        pytest.skip(f"{WIRE} is not there: the real venue's messages cannot be compared")
    lines = map(json.loads, WIRE.read_text(encoding="utf-8").splitlines())
    return [json.loads(line["raw"]) for line in lines if line["kind"] == kind]


def _shape(value: Any) -> Any:
    """What a message is made of: its fields and the types of what they hold."""
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


def _market_messages(scene: Scene) -> dict[str, list[Any]]:
    def act() -> None:
        scene.venue.quote(scene.yes, "0.51", "100", "0.52", "100")
        scene.order("BUY", 0.52, 10)
        scene.venue.push("market", '"DONE"')

    listener = Listener(scene, "market")
    listener.during(act, until="DONE")
    frames = [json.loads(frame) for frame in listener.frames if frame not in ("PONG", '"DONE"')]
    told: dict[str, list[Any]] = {"book_array_initial": [frames[0]], "book_initial": frames[0][:1]}
    for frame in frames[1:]:
        name = {"book": "book_after_trade"}.get(frame["event_type"], frame["event_type"])
        told.setdefault(name, []).append(frame)
    return told


@pytest.mark.parametrize(
    "kind",
    ["book_array_initial", "book_initial", "book_after_trade", "price_change", "last_trade_price"],
)
def test_the_market_channel_speaks_as_the_real_one(scene: Scene, kind: str) -> None:
    real = _real(kind)
    for message in _market_messages(scene)[kind]:
        assert any(_shape(message) == _shape(heard) for heard in real), _shape(message)


def test_a_book_of_rest_is_described_as_by_the_real_one(scene: Scene) -> None:
    scene.venue.quote(scene.yes, None)
    assert _shape(scene.client.get_order_book(scene.yes)) in [_shape(b) for b in _real("rest_book")]


def test_the_settings_of_a_node_may_name_it(scene: Scene) -> None:
    settings = VenueSettings(**scene.venue.settings())
    assert (settings.clob, settings.websocket) == (scene.venue.clob, scene.venue.websocket)


def test_our_reader_of_markets_finds_them_by_slug_id_and_words(scene: Scene) -> None:
    async def ask() -> None:
        gamma = Gamma(scene.venue.gamma)
        found = await gamma.find("will-it-rain")
        assert found == await gamma.find(scene.market.condition_id)
        assert [o.token_id for o in found.outcomes] == [scene.yes, scene.no]
        assert (str(found.best_bid), str(found.tick), found.is_open) == ("0.5", "0.01", True)
        assert await gamma.search("RAIN") == [found]
        assert await gamma.search("snow") == []
        assert await gamma.payouts([scene.market.condition_id]) == {}
        payouts = {scene.yes: "0.25", scene.no: "0.75"}
        scene.venue.resolve(scene.market, payouts=payouts)
        paid = await gamma.payouts([scene.market.condition_id])
        assert {token: str(payout) for token, payout in paid.items()} == payouts
        await gamma.close()

    asyncio.run(ask())


def test_markets_are_listed_page_by_page(scene: Scene) -> None:
    for number in range(4):
        scene.venue.add_market(f"market-{number}")
    slugs, cursor = [], {}
    while cursor is not None:
        query = {"limit": "2", **cursor}
        page = httpx.get(scene.venue.gamma + "/markets/keyset", params=query).json()
        slugs += [market["slug"] for market in page["markets"]]
        cursor = {"after_cursor": page["next_cursor"]} if "next_cursor" in page else None
    assert slugs == ["will-it-rain", "market-0", "market-1", "market-2", "market-3"]
    assert len(scene.client.get_markets()["data"]) == 5


def test_the_data_api_tells_what_a_wallet_holds_and_did(scene: Scene) -> None:
    scene.order("BUY", 0.52, 10)
    scene.order("BUY", 0.50, 20, token=scene.no)
    query = {"user": scene.me, "sizeThreshold": "0", "limit": "100", "offset": "0"}
    held = httpx.get(scene.venue.data + "/positions", params=query).json()
    assert [(p["asset"], p["size"], p["avgPrice"]) for p in held] == [
        (scene.no, 20.0, 0.5),
        (scene.yes, 10.0, 0.52),
    ]
    done = httpx.get(scene.venue.data + "/v2/trades", params={"user": scene.me}).json()["data"]
    assert [(t["side"], t["outcome"], t["size"]) for t in done] == [
        ("BUY", "No", 20.0),
        ("BUY", "Yes", 10.0),
    ]
