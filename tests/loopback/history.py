"""What the public interfaces tell of the past: trades and prices, page by page, by a cursor."""

from decimal import Decimal
from typing import Any

from aiohttp import web
from loopback.agenda import Agenda
from loopback.books import reply
from loopback.faults import Faults
from loopback.ledger import Ledger, Leg, Trade

Json = dict[str, Any]
PAGE = 1000
_DAYS = 15 * 86_400
_BUCKETS = (60, 86_400)


class History:
    """Answers what needs no key, as late as it is told to."""

    def __init__(self, ledger: Ledger, faults: Faults, agenda: Agenda) -> None:
        self._ledger = ledger
        self._faults = faults
        self._agenda = agenda
        self.past: list[Json] = []
        """Rows of trades of before the venue was made, the newest first."""
        self.page_max = PAGE
        """Trades of a page, however many are asked for."""
        self.prices: dict[str, list[tuple[int, float]]] = {}
        """By token: seconds and price, oldest first."""

    def routes(self) -> list[web.RouteDef]:
        """All of its paths."""
        return [
            web.get("/data-api/v2/trades", self._trades),
            web.get("/data-api/v2/prices-history", self._prices),
            web.get("/data-api/v2/status", self._status),
            web.get("/prices-history", self._old_prices),
        ]

    async def _status(self, _: web.Request) -> web.Response:
        return reply({"data": {"status": "ok"}})

    async def _trades(self, request: web.Request) -> web.Response:
        query = request.query
        if "offset" in query:
            return _invalid("offset")
        conditions = [c for c in query.get("condition", "").split(",") if c]
        user = query.get("user", "").lower()
        if not conditions and not user:
            return _invalid("condition")
        until = self._agenda.now() - self._faults.data_lag
        rows = [row for row in self._told(user, until) if not user or row["proxy_wallet"] == user]
        begin, end = int(query.get("start") or 0), int(query.get("end") or 2**40)
        rows = [
            row
            for row in rows
            if (not conditions or row["condition_id"] in conditions)
            and begin <= row["timestamp"] < end
        ]
        return _page(request, rows, self.page_max)

    def _told(self, user: str, until: float) -> list[Json]:
        # Without a user, each trade is told once, as its taker's.
        legs = [
            (trade, leg)
            for trade in reversed(self._ledger.trades)
            if trade.status != "FAILED" and trade.matched_at <= until
            for leg in (trade.legs if user else [trade.taker])
            if leg.order is not None or not user
        ]
        return [_row(trade, leg) for trade, leg in legs] + self.past

    async def _prices(self, request: web.Request) -> web.Response:
        query = request.query
        begin, bucket = int(query.get("start") or 0), int(query.get("bucket_seconds") or 60)
        end = int(query.get("end") or 2**40)
        if not begin or end - begin > _DAYS:
            return _invalid("end")
        if not _BUCKETS[0] <= bucket <= _BUCKETS[1]:
            return _invalid("bucket_seconds")
        points = [
            {"timestamp": at, "price": price, "resolution_seconds": bucket}
            for at, price in self.prices.get(query.get("token_id", ""), [])
            if begin <= at < end
        ]
        return _page(request, points, 10_000)

    async def _old_prices(self, request: web.Request) -> web.Response:
        query = request.query
        begin, end = int(query.get("startTs") or 0), int(query.get("endTs") or 2**40)
        points = self.prices.get(query.get("market", ""), [])
        return reply({"history": [{"t": t, "p": p} for t, p in points if begin <= t <= end]})


def _row(trade: Trade, leg: Leg) -> Json:
    market = trade.market
    return {
        "proxy_wallet": leg.wallet.lower(),
        "side": leg.side,
        "token_id": leg.token,
        "condition_id": market.condition_id,
        "size": float(leg.shares),
        "price": float(leg.amount / leg.shares),
        "timestamp": int(trade.matched_at),
        "title": market.question,
        "slug": market.slug,
        "event_slug": market.slug,
        "outcome": market.outcome(leg.token),
        "outcome_index": market.tokens.index(leg.token),
        "transaction_hash": trade.transaction_hash,
    }


def _invalid(name: str) -> web.Response:
    told = {"error": f"invalid {name}", "code": "invalid_request", "retryable": False}
    return reply(told | {"parameter": name}, 400)


def _page(request: web.Request, rows: list[Json], most: int) -> web.Response:
    limit = min(int(request.query.get("limit") or 100), most)
    cursor = request.query.get("cursor", "c0")
    if not cursor.startswith("c") or not cursor[1:].isdigit():
        return _invalid("cursor")
    end = int(cursor[1:]) + limit
    is_more = end < len(rows)
    told = {"limit": limit, "offset": 0, "has_more": is_more}
    told["next_cursor"] = f"c{end}" if is_more else None
    return reply({"data": rows[end - limit : end], "pagination": told})


def past_trades(market: Any, count: int, *, newest: int) -> list[Json]:
    """Rows of trades, one each second, of both outcomes in turn, some in one transaction."""
    return [
        {
            "proxy_wallet": f"0x{number % 7:040x}",
            "side": "BUY" if number % 3 else "SELL",
            "token_id": market.tokens[number % 2],
            "condition_id": market.condition_id,
            "size": float(Decimal(5 + number % 90) / 4),
            "price": float(Decimal(20 + number % 50) / 100),
            "timestamp": newest - number // 3,
            "outcome_index": number % 2,
            "transaction_hash": f"0x{number // 3 + 1:064x}",
        }
        for number in range(count)
    ]
