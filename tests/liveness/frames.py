"""Hostile frames on the market and user channels, about the victim and its orders."""

import json
import random
import time
from typing import Any

from liveness.grammar import Json, junk, mutated, number, words, written
from liveness.scene import Act, Scene


def market_frame(chance: random.Random) -> Act:
    """One or many frames on the market channel."""
    kind = chance.choice(sorted(_MARKET))
    style = chance.choices(("spoiled", "junk", "whole", "flood"), (16, 3, 2, 2))[0]
    times = chance.randint(50, 1500) if style == "flood" else 1

    async def play(scene: Scene) -> None:
        texts = [_text(scene, kind, style) for _ in range(min(times, 50))]
        frames = texts * (times // len(texts))

        def push() -> None:
            for frame in frames:
                scene.venue.channels.push("market", frame)

        await scene.do(lambda: scene.venue._do(push))

    return Act(f"market channel: {style} {kind}", play, spares_victim=True)


def _text(scene: Scene, kind: str, style: str) -> str:
    chance = scene.chance
    if style == "junk":
        return junk(chance)
    message = _MARKET[kind](scene)
    if style == "whole":
        return json.dumps(message)
    return written(chance, mutated(chance, message, keep=("event_type",)))


def _now() -> str:
    return str(int(time.time() * 1000))


def _level(price: str, size: str = "500") -> Json:
    return {"price": price, "size": size}


def _book(scene: Scene) -> Json:
    return {
        "event_type": "book",
        "market": scene.victim.market.condition_id,
        "asset_id": scene.victim.token,
        "bids": [_level("0.48"), _level("0.50")],
        "asks": [_level("0.55"), _level("0.52")],
        "timestamp": _now(),
        "hash": "ab" * 20,
    }


def _price_change(scene: Scene) -> Json:
    change = {
        "asset_id": scene.victim.token,
        "price": scene.chance.choice(("0.50", "0.49", "0.53")),
        "size": scene.chance.choice(("500", "0", "1e30")),
        "side": scene.chance.choice(("BUY", "SELL")),
        "hash": "",
        "best_bid": scene.chance.choice(("0.50", "0.40", "0")),
        "best_ask": "0.52",
    }
    return {
        "event_type": "price_change",
        "market": scene.victim.market.condition_id,
        "timestamp": _now(),
        "price_changes": [change],
    }


def _tick(scene: Scene) -> Json:
    ticks = ("1", "0", "0.3", "1e-12", "-0.01", "nan", "0.1", "0.001", "2", "1e30")
    return {
        "event_type": "tick_size_change",
        "market": scene.victim.market.condition_id,
        "asset_id": scene.victim.token,
        "old_tick_size": "0.01",
        "new_tick_size": scene.chance.choice(ticks),
        "timestamp": _now(),
    }


def _last_trade(scene: Scene) -> Json:
    return {
        "event_type": "last_trade_price",
        "market": scene.victim.market.condition_id,
        "asset_id": scene.victim.token,
        "price": "0.51",
        "size": "5",
        "side": "BUY",
        "timestamp": _now(),
        "fee_rate_bps": "0",
    }


def _resolved(scene: Scene) -> Json:
    """The market trades on: nothing of it is true."""
    market = scene.victim.market
    winners = (*market.tokens, "12345", "", "0x0")
    return {
        "event_type": "market_resolved",
        "id": "1",
        "market": market.condition_id,
        "assets_ids": list(market.tokens),
        "winning_asset_id": scene.chance.choice(winners),
        "winning_outcome": "Yes",
        "timestamp": _now(),
    }


def _best(scene: Scene) -> Json:
    return {
        "event_type": "best_bid_ask",
        "market": scene.victim.market.condition_id,
        "asset_id": scene.victim.token,
        "best_bid": number(scene.chance),
        "best_ask": number(scene.chance),
        "timestamp": _now(),
    }


_MARKET: dict[str, Any] = {
    "book": _book,
    "price_change": _price_change,
    "tick": _tick,
    "last_trade_price": _last_trade,
    "market_resolved": _resolved,
    "best_bid_ask": _best,
}


def phantom(chance: random.Random) -> Act:
    """The message of a fall is lost, and the market goes on chatting elsewhere in its book."""
    lost = chance.randint(1, 3)

    async def play(scene: Scene) -> None:
        token, venue = scene.victim.token, scene.venue
        asks = [("0.52", "5000"), ("0.60", "100")]
        await scene.do(lambda: venue.book(token, [("0.50", "500"), ("0.48", "500")], asks))
        venue.faults.lose("price_change", times=lost, token=token)
        for n in range(lost + 3):
            bids = [("0.40", "5000"), ("0.20", str(100 + n))]
            await scene.do(lambda b=bids: venue.book(token, b, asks))  # type: ignore[misc]

    return Act(f"market channel: {lost} messages of a fall lost", play)


def user_frame(chance: random.Random) -> Act:
    """One or a few frames on the user channel, about the victim's resting target."""
    style = chance.choices(("spoiled", "junk", "whole"), (16, 2, 3))[0]
    kind = chance.choice(("order", "trade", "maker"))

    async def play(scene: Scene) -> None:
        for _ in range(scene.chance.choice((1, 1, 1, 3, 20))):
            if style == "junk":
                text = junk(scene.chance)
            else:
                message = _order(scene) if kind == "order" else _trade(scene, kind)
                if style == "spoiled":
                    message = mutated(scene.chance, message, keep=("event_type",))
                text = written(scene.chance, message)
            await scene.do(lambda t=text: scene.venue.push("user", t))  # type: ignore[misc]

    return Act(f"user channel: {style} {kind}", play, spares_victim=False)


def _target(scene: Scene) -> str:
    mine = scene.venue.orders(scene.funder)
    found = [o.id for o in mine if o.token == scene.victim.token]
    return found[0] if found else "0x" + "ab" * 32


def _order(scene: Scene) -> Json:
    return {
        "event_type": "order",
        "type": scene.chance.choice(("UPDATE", "PLACEMENT", "CANCELLATION", "SURPRISE")),
        "id": _target(scene),
        "asset_id": scene.victim.token,
        "market": scene.victim.market.condition_id,
        "side": "SELL",
        "price": "0.7",
        "original_size": "20",
        "size_matched": scene.chance.choice(("0", "5", "20", "1e30", "nan", "-5")),
        "status": scene.chance.choice(("LIVE", "MATCHED", "CANCELED", "odd words")),
        "timestamp": _now(),
        "owner": "x",
        "order_owner": "x",
        "associate_trades": None,
    }


def _trade(scene: Scene, kind: str) -> Json:
    chance = scene.chance
    amount = chance.choice(("5", "50", "1e12", "1e30", "0.00001", "-5", "nan"))
    maker = {
        "order_id": _target(scene),
        "asset_id": scene.victim.token,
        "maker_address": scene.funder,
        "matched_amount": amount if kind == "maker" else "5",
        "price": chance.choice(("0.7", "1e-30", "7", "0")),
        "side": "SELL",
        "outcome": "Yes",
        "owner": "x",
    }
    return {
        "event_type": "trade",
        "type": "TRADE",
        "id": chance.choice((f"t-{_now()}", "x" * 100_000, str(words(chance)))),
        "taker_order_id": "0x" + "dd" * 32,
        "market": scene.victim.market.condition_id,
        "asset_id": scene.victim.token,
        "side": "BUY",
        "size": amount,
        "price": "0.7",
        "status": chance.choice(("MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED", "ODD")),
        "match_time": chance.choice((str(int(time.time())), "1e30", "nan", "1e20000000", "-5")),
        "timestamp": _now(),
        "trader_side": "MAKER",
        "maker_orders": [maker] * chance.choice((1, 1, 1, 2, 2000)),
    }
