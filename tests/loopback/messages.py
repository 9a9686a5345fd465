"""The venue's descriptions of its books, orders and trades, on the sockets and in REST alike."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from loopback.ledger import Leg, Market, Order, Side, Trade, plain

Json = dict[str, Any]
Touch = tuple[Decimal | None, Decimal | None]


OPTIONAL = frozenset(
    (
        *("associate_trades", "owner", "order_owner", "trade_owner"),
        *("outcome", "created_at", "expiration", "order_type"),
        *("fee_rate_bps", "last_update", "bucket_index", "transaction_hash"),
        *("trader_side", "hash", "last_trade_price", "min_order_size"),
        *("takingAmount", "makingAmount", "tradeIDs", "transactionsHashes"),
        *("allowances", "best_bid", "best_ask"),
    )
)
"""Fields of orders, trades, books and answers that the venue may leave out, or tell as null."""


def plainer(told: Any, how: str) -> Any:
    """A message with its optional fields "null" or "missing"; "" as it is."""
    if isinstance(told, list) and how:
        return [plainer(item, how) for item in told]
    if not isinstance(told, dict) or not how:
        return told
    kept = {k: plainer(v, how) for k, v in told.items() if k not in OPTIONAL}
    return kept if how == "missing" else dict.fromkeys(told, None) | kept


def levels(sizes: dict[Decimal, Decimal], *, is_bid: bool) -> list[Json]:
    """One side of a book; the best price is the last."""
    prices = sorted(sizes, reverse=not is_bid)
    return [{"price": plain(p), "size": plain(sizes[p])} for p in prices]


def book(market: Market, token: str) -> Json:
    """A token's book as REST tells it; its hash is made of all else."""
    depth = market.depth(token)
    told: Json = {
        "market": market.condition_id,
        "asset_id": token,
        "timestamp": str(market.changed_ms),
        "hash": "",
        "bids": levels(depth[Side.BUY], is_bid=True),
        "asks": levels(depth[Side.SELL], is_bid=False),
        "min_order_size": plain(market.minimum),
        "tick_size": plain(market.tick),
        "neg_risk": market.neg_risk,
        "last_trade_price": last_price(market, token),
        **({"version": market.version} if market.is_v2 else {}),
    }
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    return told | {"hash": hashlib.sha1(text.encode()).hexdigest()}


def last_price(market: Market, token: str) -> str:
    """The price of the last trade in a token's terms; empty before the first."""
    if market.last_price is None:
        return ""
    return f"{market.frame(token, Side.BUY, market.last_price)[1]:.3f}"


def first_book(market: Market, token: str) -> Json:
    """A book as the market channel tells it to a new subscriber."""
    told = book(market, token)
    del told["min_order_size"], told["neg_risk"]
    return told | {"event_type": "book"}


def later_book(market: Market, token: str) -> Json:
    """A book as the market channel tells it after a trade."""
    told = first_book(market, token)
    del told["tick_size"], told["last_trade_price"]
    return told


def price_change(market: Market, changes: Iterable[tuple[Side, Decimal, Decimal]]) -> Json:
    """New sizes at prices of the first token's book, told for both tokens."""
    touches = {token: market.touch(token) for token in market.tokens}
    told = [
        _change(market, token, *market.frame(token, side, price), size, touches[token])
        for side, price, size in changes
        for token in market.tokens
    ]
    return {
        "market": market.condition_id,
        "price_changes": told,
        "timestamp": str(market.changed_ms),
        "event_type": "price_change",
    }


def _change(
    market: Market, token: str, side: Side, price: Decimal, size: Decimal, touch: Touch
) -> Json:
    bid, ask = touch
    return {
        "asset_id": token,
        "price": plain(price),
        "size": plain(size),
        "side": side,
        "hash": hashlib.sha1(f"{token}{side}{price}{size}{market.changed_ms}".encode()).hexdigest(),
        "best_bid": plain(bid) if bid is not None else "0",
        "best_ask": plain(ask) if ask is not None else "1",
    }


def last_trade(trade: Trade, time_ms: int) -> Json:
    """A trade as the market channel tells it."""
    return {
        "market": trade.market.condition_id,
        "asset_id": trade.taker.token,
        "price": plain(trade.price),
        "size": plain(trade.taker.shares),
        "fee_rate_bps": "0",
        "side": trade.taker.side,
        "timestamp": str(time_ms),
        "event_type": "last_trade_price",
        "transaction_hash": trade.transaction_hash,
    }


def tick_change(market: Market, token: str, old: Decimal, time_ms: int) -> Json:
    """A change of a token's tick."""
    return {
        "market": market.condition_id,
        "asset_id": token,
        "old_tick_size": plain(old),
        "new_tick_size": plain(market.tick),
        "timestamp": str(time_ms),
        "event_type": "tick_size_change",
    }


def resolved(market: Market, winner: str, time_ms: int) -> Json:
    """A market's resolution."""
    return {
        "id": str(int(market.condition_id[-7:], 16)),
        "question": market.question,
        "market": market.condition_id,
        "slug": market.slug,
        "description": market.question,
        "assets_ids": list(market.tokens),
        "outcomes": list(market.outcomes),
        "winning_asset_id": winner,
        "winning_outcome": market.outcome(winner),
        "event_message": {
            "id": str(int(market.condition_id[-6:], 16)),
            "ticker": market.slug,
            "slug": market.slug,
            "title": market.question,
            "description": market.question,
        },
        "timestamp": str(time_ms),
        "event_type": "market_resolved",
    }


def order(told: Order) -> Json:
    """An order as REST tells it."""
    return {
        "id": told.id,
        "status": told.status,
        "owner": told.owner,
        "maker_address": told.maker,
        "market": told.market.condition_id,
        "asset_id": told.token,
        "side": told.side,
        "original_size": plain(told.size),
        "size_matched": plain(told.matched),
        "price": plain(told.price),
        "associate_trades": [trade.id for trade in told.trades],
        "outcome": told.market.outcome(told.token),
        "created_at": int(told.received_at),
        "expiration": str(told.expiration),
        "order_type": told.kind,
    }


def order_event(told: Order, event: str, status: str, time_ms: int) -> Json:
    """An order as the user channel tells it: PLACEMENT, UPDATE or CANCELLATION."""
    return order(told) | {
        "associate_trades": [trade.id for trade in told.trades] or None,
        "created_at": str(int(told.received_at)),
        "event_type": "order",
        "order_owner": told.owner,
        "status": status or told.status,
        "timestamp": str(time_ms),
        "type": event,
    }


def trade(told: Trade, leg: Leg) -> Json:
    """A trade as REST tells it to the owner of one of its legs."""
    taker = told.taker
    return {
        "id": told.id,
        "taker_order_id": taker.order_id,
        "market": told.market.condition_id,
        "asset_id": taker.token,
        "side": taker.side,
        "size": plain(taker.shares),
        "fee_rate_bps": "0",
        "price": plain(told.price),
        "status": told.status,
        "match_time": str(int(told.matched_at)),
        "last_update": str(int(told.updated_at)),
        "outcome": told.market.outcome(taker.token),
        "bucket_index": told.bucket,
        "owner": taker.owner,
        "maker_address": taker.wallet,
        "transaction_hash": told.transaction_hash if told.status != "MATCHED" else "",
        "maker_orders": [_maker(told.market, maker) for maker in told.makers],
        "trader_side": "TAKER" if leg is taker else "MAKER",
    }


def _maker(market: Market, leg: Leg) -> Json:
    return {
        "order_id": leg.order_id,
        "owner": leg.owner,
        "maker_address": leg.wallet,
        "matched_amount": plain(leg.shares),
        "price": plain(leg.price),
        "fee_rate_bps": "0",
        "asset_id": leg.token,
        "outcome": market.outcome(leg.token),
        "side": leg.side,
    }


def trade_event(told: Trade, leg: Leg, time_ms: int) -> Json:
    """A trade as the user channel tells it."""
    return trade(told, leg) | {
        "event_type": "trade",
        "type": "TRADE",
        "trade_owner": leg.owner,
        "timestamp": str(time_ms),
    }
