"""How the other venue words its orders, trades and books: the same in REST and on the channels."""

import json
import time
from typing import Any

from other_venue.exchange import MILLION, Fill, InstrumentBook, Order

Json = dict[str, Any]
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PRIVATE_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""A key that everybody knows, of a wallet that holds nothing anywhere else."""
API_KEY = "00000000-0000-4000-8000-0000000000aa"
KEYS = {
    "POLYMARKET_PK": PRIVATE_KEY,
    "POLYMARKET_FUNDER": WALLET,
    "POLYMARKET_API_KEY": API_KEY,
    "POLYMARKET_API_SECRET": "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q=",
    "POLYMARKET_PASSPHRASE": "other",
}
_CROWD = "0x" + "c0" * 20


def amount(millionths: int) -> str:
    """Shares or dollars in decimals."""
    whole, part = divmod(millionths, MILLION)
    return f"{whole}.{part:06}".rstrip("0").rstrip(".")


def price(cents: int) -> str:
    """A price in dollars."""
    return f"0.{cents:02}"


def milliseconds() -> str:
    """Now."""
    return str(time.time_ns() // MILLION)


def order(o: Order) -> Json:
    """An order as REST tells it."""
    return {
        "id": o.hash,
        "status": o.state,
        "owner": API_KEY,
        "maker_address": o.maker,
        "market": o.market.condition,
        "asset_id": o.market.token,
        "side": "BUY" if o.is_buy else "SELL",
        "original_size": amount(o.size),
        "size_matched": amount(o.filled),
        "price": price(o.cents),
        "associate_trades": list(o.trades),
        "outcome": "Yes",
        "created_at": int(o.placed_at),
        "expiration": str(o.until),
        "order_type": o.kind,
    }


def order_said(o: Order, what: str) -> Json:
    """An order as the user channel tells it."""
    return order(o) | {
        "event_type": "order",
        "type": what,
        "order_owner": API_KEY,
        "created_at": str(int(o.placed_at)),
        "timestamp": milliseconds(),
    }


def trade(fill: Fill, status: str) -> Json:
    """A trade as REST tells it."""
    o = fill.order
    mine, theirs = ("BUY", "SELL") if o.is_buy else ("SELL", "BUY")
    maker = {
        "order_id": "0x" + "cc" * 32 if fill.is_taker else o.hash,
        "owner": "crowd" if fill.is_taker else API_KEY,
        "maker_address": _CROWD if fill.is_taker else o.maker,
        "matched_amount": amount(fill.shares),
        "price": price(fill.cents),
        "fee_rate_bps": "0",
        "asset_id": o.market.token,
        "outcome": "Yes",
        "side": theirs if fill.is_taker else mine,
    }
    return {
        "id": fill.id,
        "taker_order_id": o.hash if fill.is_taker else "0x" + "cd" * 32,
        "market": o.market.condition,
        "asset_id": o.market.token,
        "side": mine if fill.is_taker else theirs,
        "size": amount(fill.shares),
        "fee_rate_bps": "0",
        "price": price(fill.cents),
        "status": status,
        "match_time": str(int(fill.time)),
        "last_update": str(int(time.time())),
        "outcome": "Yes",
        "bucket_index": 0,
        "owner": API_KEY if fill.is_taker else "crowd",
        "maker_address": o.maker if fill.is_taker else _CROWD,
        "transaction_hash": "" if status == "MATCHED" else f"0x{fill.serial:064x}",
        "maker_orders": [maker],
        "trader_side": "TAKER" if fill.is_taker else "MAKER",
    }


def trade_said(fill: Fill, status: str) -> Json:
    """A trade as the user channel tells it."""
    told = {"event_type": "trade", "type": "TRADE", "timestamp": milliseconds()}
    return trade(fill, status) | told | {"trade_owner": API_KEY}


def book(market: InstrumentBook, token: str, orders: list[Order]) -> Json:
    """A token's whole book, the wallet's own orders in it; the best prices stand last."""
    bids, asks = dict(market.book.bids), dict(market.book.asks)
    for o in orders:
        if o.market is market:
            side = bids if o.is_buy else asks
            side[o.cents] = side.get(o.cents, 0) + o.left
    if token != market.token:
        bids, asks = ({100 - c: n for c, n in side.items()} for side in (asks, bids))
    return {
        "market": market.condition,
        "asset_id": token,
        "timestamp": milliseconds(),
        "hash": f"{time.time_ns():040x}",
        "bids": [{"price": price(c), "size": amount(bids[c])} for c in sorted(bids)],
        "asks": [{"price": price(c), "size": amount(asks[c])} for c in sorted(asks, reverse=True)],
        "tick_size": "0.01",
    }


def described(market: InstrumentBook) -> Json:
    """A market as the order book describes it."""
    tokens = zip(market.tokens, ("Yes", "No"), strict=True)
    return {
        "condition_id": market.condition,
        "question_id": market.condition,
        "question": f"{market.slug}?",
        "description": market.slug,
        "market_slug": market.slug,
        "enable_order_book": True,
        "active": True,
        "closed": False,
        "archived": False,
        "accepting_orders": True,
        "minimum_order_size": 5,
        "minimum_tick_size": 0.01,
        "end_date_iso": "2031-01-01T00:00:00Z",
        "maker_base_fee": 0,
        "taker_base_fee": 0,
        "neg_risk": False,
        "tokens": [
            {"token_id": t, "outcome": name, "price": 0.5, "winner": False} for t, name in tokens
        ],
    }


def described_by_gamma(market: InstrumentBook) -> Json:
    """A market as Gamma describes it."""
    return {
        "id": str(int(market.condition, 16)),
        "question": f"{market.slug}?",
        "conditionId": market.condition,
        "slug": market.slug,
        "description": market.slug,
        "endDate": "2031-01-01T00:00:00Z",
        "outcomes": '["Yes", "No"]',
        "outcomePrices": '["0.5", "0.5"]',
        "clobTokenIds": json.dumps(market.tokens),
        "active": True,
        "closed": False,
        "archived": False,
        "enableOrderBook": True,
        "acceptingOrders": True,
        "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5,
        "negRisk": False,
        "feesEnabled": False,
        "feeSchedule": {"exponent": 1, "rate": 0, "takerOnly": True, "rebateRate": 0},
    }
