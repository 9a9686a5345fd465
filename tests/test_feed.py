"""What a live node makes of a market channel that lies, loses and mixes things up."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from loopback import messages
from loopback.server import MarketHandle
from test_faults import opened, resting, stopped
from trading import Scenarios, Session

from positions.model.instrument_book import InstrumentBook
from positions.model.position import Role

pytestmark = pytest.mark.xdist_group("feed")

D = Decimal
SCENARIOS = Scenarios()
UNKNOWN = {"event_type": "some_new_kind", "timestamp": "1"}


def push(s: Session, told: Any) -> None:
    s.venue.push("market", told if isinstance(told, str) else json.dumps(told))


def book_of(s: Session, m: MarketHandle) -> dict[str, Any]:
    """The first outcome's book as the channel tells it."""
    return messages.later_book(s.venue.ledger.by_token[m.tokens[0]], m.tokens[0])


def known(s: Session, m: MarketHandle) -> InstrumentBook:
    """The first outcome as the node sees it."""
    return s.node.strategy.engine.markets[m.tokens[0]]


def now_ms(seconds: float = 0) -> str:
    return str(int((time.time() + seconds) * 1000))


def trade(m: MarketHandle, price: str, seconds: float = 0) -> dict[str, Any]:
    return {
        "event_type": "last_trade_price",
        "market": m.condition_id,
        "asset_id": m.tokens[0],
        "price": price,
        "size": "5",
        "side": "SELL",
        "timestamp": now_ms(seconds),
    }


def lowered(s: Session, m: MarketHandle) -> dict[str, Any]:
    """A book whose bid is under every stop."""
    levels = {"bids": [{"price": "0.4", "size": "9"}], "asks": [{"price": "0.6", "size": "9"}]}
    return book_of(s, m) | levels | {"timestamp": now_ms()}


@SCENARIOS.add
async def a_bid_that_is_gone_without_a_word_is_noticed_by_what_is_stated(
    s: Session, m: MarketHandle
) -> None:
    s.venue.book(m.tokens[0], [("0.50", 100), ("0.48", 100)], [("0.52", 100), ("0.60", 9)])
    p = await opened(s, m)
    s.venue.faults.lose("price_change", token=m.tokens[0])
    s.venue.book(m.tokens[0], [("0.40", 100)], [("0.52", 80), ("0.60", 9)])
    for size in range(10, 200):  # the market goes on, elsewhere in its book
        levels = [("0.40", 100), ("0.20", size)]
        s.venue.book(m.tokens[0], levels, [("0.52", 80), ("0.60", 9)])
        await asyncio.sleep(0.1)
        if s.positions[p].phase != "holding":
            break
    await stopped(s, p)


@SCENARIOS.add
async def a_bid_that_is_gone_without_any_word_is_noticed_by_reading(
    s: Session, m: MarketHandle
) -> None:
    p = await opened(s, m)
    data = s.node._mode._venue.data  # type: ignore[union-attr]
    usual, data.read_seconds = data.read_seconds, 1.0
    s.venue.faults.lose("price_change", token=m.tokens[0])
    s.venue.quote(m.tokens[0], "0.40", "100", "0.52", "100")
    entry = {"asset_id": m.tokens[0], "price": "0.02", "side": "BUY"}
    for size in range(10, 200):  # the market goes on, and states no best prices
        told = {"event_type": "price_change", "market": m.condition_id, "timestamp": "?"}
        push(s, told | {"price_changes": [entry | {"size": str(size)}]})
        await asyncio.sleep(0.1)
        if s.positions[p].phase != "holding":
            break
    data.read_seconds = usual
    await stopped(s, p)


@SCENARIOS.add
async def prices_that_are_stated_alone_are_compared(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.lose("price_change", token=m.tokens[0])
    s.venue.quote(m.tokens[0], "0.40", "100", "0.52", "100")
    stated = {"best_bid": "0.40", "best_ask": "0.52", "spread": "0.12"}
    ids = {"market": m.condition_id, "asset_id": m.tokens[0], "timestamp": now_ms()}
    push(s, {"event_type": "best_bid_ask"} | ids | stated)
    await stopped(s, p)


@SCENARIOS.add
async def prices_that_are_stated_wrongly_trigger_nothing(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, trail="0.05")
    stop = s.positions[p].request.stop_loss_price
    for bid, ask in (("0.01", "0.52"), ("0.90", "0.95"), ("0.10", "0.12")):
        change = {"asset_id": m.tokens[0], "price": "0.02", "size": "5", "side": "BUY"}
        told = change | {"best_bid": bid, "best_ask": ask}
        ids = {"market": m.condition_id, "timestamp": now_ms()}
        push(s, {"event_type": "price_change", "price_changes": [told]} | ids)
        await asyncio.sleep(0.5)
    assert known(s, m).bid == D("0.5")
    assert (s.positions[p].phase, s.positions[p].request.stop_loss_price) == ("holding", stop)


@SCENARIOS.add
async def an_older_frame_and_an_older_book_change_nothing(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.frozen.add(m.tokens[0])
    await asyncio.sleep(0.01)
    s.venue.quote(m.tokens[0], "0.51", "100", "0.53", "100")
    await s.until(lambda: known(s, m).bid == D("0.51"), "the newer price is known")
    push(s, lowered(s, m) | {"timestamp": now_ms(-60)})
    entry = {"asset_id": m.tokens[0], "price": "0.51", "size": "0", "side": "BUY"}
    ids = {"market": m.condition_id, "timestamp": now_ms(-5)}
    push(s, {"event_type": "price_change", "price_changes": [entry]} | ids)
    await asyncio.sleep(3)  # the book is read meanwhile, and is older
    assert known(s, m).bid == D("0.51")
    assert s.positions[p].phase == "holding"


@SCENARIOS.add
async def each_message_of_an_array_stands_alone(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)  # it changes the book, whose REST view is newer then
    s.venue.faults.frozen.add(m.tokens[0])  # what is asked for anew says nothing newer
    push(s, [UNKNOWN, trade(m, "0.51"), {"event_type": "book"}, 7, None])
    await s.until(lambda: known(s, m).last == D("0.51"), "the trade is heard")
    push(s, [trade(m, "0.47", -60), trade(m, "0.48") | {"price": "x"}])
    push(s, [{"event_type": "price_change", "price_changes": {}}, lowered(s, m), UNKNOWN])
    await s.until(lambda: s.positions[p].phase != "holding", "the book is heard")
    assert known(s, m).last != D("0.47"), "an older trade is not the last"


@SCENARIOS.add
async def a_trade_that_cannot_be_read_is_asked_for(s: Session, m: MarketHandle) -> None:
    await opened(s, m)
    s.venue.faults.lose("last_trade_price", token=m.tokens[0])
    s.venue.take(m.tokens[0], "SELL", "0.50", "5")
    push(s, trade(m, "0.5") | {"size": "NaN"})
    await s.until(lambda: known(s, m).last == D("0.5"), "the last trade is known")


@SCENARIOS.add
async def an_impossible_tick_is_refused_and_asked_for(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    ids = {"market": m.condition_id, "asset_id": m.tokens[0], "old_tick_size": "0.01"}
    for tick in ("1", "0.3", "1e-12", "nan", "0", "-0.01", None):
        told = {"event_type": "tick_size_change", "new_tick_size": tick, "timestamp": now_ms()}
        push(s, told | ids)
        await asyncio.sleep(0.05)
        assert known(s, m).tick == D("0.01")
    await s.until(lambda: not known(s, m).feed_problem, "the venue told the tick")
    assert s.positions[p].phase == "holding"
    assert s.positions[p].live(Role.STOP)
    s.venue.quote(m.tokens[0], "0.40", "100", "0.46", "100")
    await stopped(s, p)


@SCENARIOS.add
async def a_false_resolution_leaves_the_stop_armed(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    for winner in ("123", m.tokens[1], m.tokens[0]):
        told = {"event_type": "market_resolved", "winning_asset_id": winner, "timestamp": "1"}
        push(s, told | {"market": m.condition_id})
        await s.until(lambda: any("reported to be" in a for a in s.alarms), "it is alarmed")
    assert s.positions[p].ledger.payout is None
    assert s.positions[p].live(Role.STOP)
    s.venue.quote(m.tokens[0], "0.40", "100", "0.46", "100")
    await stopped(s, p)


@SCENARIOS.add
async def no_end_is_invented(s: Session, m: MarketHandle) -> None:
    s.venue.ledger.markets[m.condition_id].ends = None  # type: ignore[assignment]
    asked = {"market": m.slug, "outcome": "Yes", "max_bid": "0.55", "size": "20"}
    reply = await s.command("submit", **asked, exit_before_end="10m")
    assert reply.code == "MARKET_END_UNKNOWN", reply.message
    assert known(s, m).closes_at is None


@SCENARIOS.add
async def whatever_is_pushed_the_stop_still_sells(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    head = {"market": m.condition_id, "timestamp": now_ms()}
    entry = {"asset_id": m.tokens[0], "price": "0.50", "size": "100", "side": "BUY"}
    wrong: list[dict[str, Any]] = [{"price": x} for x in ("NaN", "2", "0", "-1", "1e999999")]
    wrong += [{"size": x} for x in ("NaN", "-5", "1e30", "1e999999999")]
    for change in wrong:
        push(s, {"event_type": "price_change", "price_changes": [entry | change]} | head)
    for stamp in ("99999999999999", "9" * 40, "nan", "-5"):
        push(
            s,
            {"event_type": "price_change", "price_changes": [entry]} | head | {"timestamp": stamp},
        )
    for levels in ([{"price": "1", "size": "5"}], [{"price": "0.9", "size": "5"}], None):
        push(s, book_of(s, m) | {"bids": levels})
    for text in ("[" * 100_000, '{"a":' * 100_000, "null", "[1,2]", "\x00", "x" * 100_000):
        push(s, text)
    await asyncio.sleep(1)
    assert s.positions[p].phase == "holding"
    s.venue.quote(m.tokens[0], "0.40", "100", "0.46", "100")
    await stopped(s, p)


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory, safety={"stale_seconds": 1})


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
