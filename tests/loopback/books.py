"""The order book's REST interface: what everyone may ask of markets and their books."""

import base64
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from aiohttp import web
from loopback import messages
from loopback.agenda import Agenda
from loopback.faults import Faults
from loopback.ledger import ZERO, Ledger, Market, plain
from loopback.rules import Refused

Json = dict[str, Any]
END = "LTE="


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in JSON."""
    return web.json_response(body, status=status, headers=headers)


def page(request: web.Request, items: Sequence[Any], size: int) -> Json:
    """The page of a list that a request asks for.

    Raises
    ------
    Refused
        If its cursor is none of ours.
    """
    cursor = request.query.get("next_cursor") or "MA=="
    try:
        start = int(base64.b64decode(cursor).decode())
    except ValueError:
        raise Refused("next item should be greater than or equal to 0") from None
    end = start + size
    following = base64.b64encode(str(end).encode()).decode() if end < len(items) else END
    told = items[start:end] if start >= 0 else []
    return {"data": told, "next_cursor": following, "limit": size, "count": len(told)}


class Books:
    """Answers what needs no key."""

    def __init__(self, ledger: Ledger, faults: Faults, agenda: Agenda) -> None:
        self._ledger = ledger
        self._faults = faults
        self._agenda = agenda
        self._frozen: dict[str, Json] = {}

    def routes(self) -> list[web.RouteDef]:
        """All of its paths."""
        return [
            web.get("/ok", self._ok),
            web.get("/time", self._time),
            web.get("/version", self._version),
            web.get("/markets", self._markets),
            web.get("/sampling-markets", self._markets),
            web.get("/simplified-markets", self._markets),
            web.get("/sampling-simplified-markets", self._markets),
            web.get("/markets/{id}", self._market),
            web.get("/clob-markets/{id}", self._clob_market),
            web.get("/markets-by-token/{token}", self._market_by_token),
            web.get("/fees/builder-fees/{code}", self._builder_fees),
            web.get("/book", self._book),
            web.post("/books", self._books),
            web.get("/tick-size", self._tick_size),
            web.get("/neg-risk", self._neg_risk),
            web.get("/fee-rate", self._fee_rate),
            web.get("/midpoint", self._midpoint),
            web.get("/price", self._price),
            web.get("/spread", self._spread),
            web.get("/last-trade-price", self._last_trade_price),
        ]

    async def _ok(self, _: web.Request) -> web.Response:
        return reply("OK")

    async def _time(self, _: web.Request) -> web.Response:
        return reply(int(self._agenda.now()))

    async def _version(self, _: web.Request) -> web.Response:
        return reply({"version": 2})

    async def _markets(self, request: web.Request) -> web.Response:
        markets = [self._describe(m) for m in self._ledger.markets.values()]
        return reply(page(request, markets, 1000))

    async def _market(self, request: web.Request) -> web.Response:
        market = self._ledger.markets.get(request.match_info["id"])
        if market is None or market.is_v2:  # of which it is not documented that they are told here
            raise Refused("market not found", 404)
        return reply(self._describe(market))

    def _describe(self, market: Market) -> Json:
        return {
            "enable_order_book": not market.is_closed,
            "active": True,
            "closed": market.is_closed,
            "archived": False,
            "accepting_orders": market.is_accepting,
            "accepting_order_timestamp": "2026-01-01T00:00:00Z",
            "minimum_order_size": float(market.minimum),
            "minimum_tick_size": float(market.stale_tick or market.tick),
            "condition_id": market.condition_id,
            "question_id": "0x" + market.condition_id[2:][::-1],
            "question": market.question,
            "description": market.question,
            "market_slug": market.slug,
            "end_date_iso": market.ends,
            "game_start_time": None,
            "seconds_delay": 0,
            "fpmm": "",
            "maker_base_fee": 0,
            "taker_base_fee": 0,
            "notifications_enabled": True,
            "neg_risk": market.neg_risk,
            "neg_risk_market_id": "",
            "neg_risk_request_id": "",
            "icon": "",
            "image": "",
            "rewards": {"rates": None, "min_size": 0, "max_spread": 0},
            "is_50_50_outcome": False,
            "tokens": [self._describe_token(market, token) for token in market.tokens],
            "tags": ["All"],
        }

    def _describe_token(self, market: Market, token: str) -> Json:
        payout = market.payout(token)
        price = float(payout) if payout is not None else float(self._middle(market, token))
        return {
            "token_id": token,
            "outcome": market.outcome(token),
            "price": price,
            "winner": payout == 1,
        }

    def _middle(self, market: Market, token: str) -> Decimal:
        bid, ask = market.touch(token)
        return ((ZERO if bid is None else bid) + (Decimal(1) if ask is None else ask)) / 2

    async def _clob_market(self, request: web.Request) -> web.Response:
        market = self._ledger.markets.get(request.match_info["id"])
        if market is None:
            raise Refused("market not found", 404)
        told: Json = {
            "c": market.condition_id,
            "t": [{"t": t, "o": market.outcome(t)} for t in market.tokens],
            "mts": float(market.tick),
            "mos": float(market.minimum),
            "mbf": 0,
            "tbf": 0,
            "ao": market.is_accepting and not market.is_closed,
            "fd": {"r": float(market.fee_rate), "e": 1, "to": True},
        }
        told |= {"nr": True} if market.neg_risk else {}
        told |= {"itode": True} if market.taker_delay else {}
        return reply(told | ({"v": "v2"} if market.is_v2 else {}))

    async def _market_by_token(self, request: web.Request) -> web.Response:
        market = self._of_token(request.match_info["token"])
        first, second = market.tokens
        return reply(
            {
                "condition_id": market.condition_id,
                "primary_token_id": first,
                "secondary_token_id": second,
            }
        )

    async def _builder_fees(self, _: web.Request) -> web.Response:
        return reply({"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0})

    async def _book(self, request: web.Request) -> web.Response:
        return reply(self._told_book(request.query.get("token_id", "")))

    async def _books(self, request: web.Request) -> web.Response:
        wanted = [str(item.get("token_id", "")) for item in await request.json()]
        markets = {t: self._ledger.by_token[t] for t in wanted if t in self._ledger.by_token}
        return reply([self._told_book(t) for t, m in markets.items() if not m.is_closed])

    def _told_book(self, token: str) -> Json:
        market = self._of_token(token)
        if market.is_closed:
            raise Refused("No orderbook exists for the requested token id", 404)
        if token not in self._faults.frozen:
            self._frozen[token] = messages.book(market, token)
        return self._frozen.setdefault(token, messages.book(market, token))

    def _of_token(self, token: str) -> Market:
        market = self._ledger.by_token.get(token)
        if market is None:
            raise Refused("No orderbook exists for the requested token id", 404)
        return market

    def _asked(self, request: web.Request) -> tuple[Market, str]:
        token = request.query.get("token_id", "")
        return self._of_token(token), token

    async def _tick_size(self, request: web.Request) -> web.Response:
        return reply({"minimum_tick_size": float(self._asked(request)[0].tick)})

    async def _neg_risk(self, request: web.Request) -> web.Response:
        return reply({"neg_risk": self._asked(request)[0].neg_risk})

    async def _fee_rate(self, request: web.Request) -> web.Response:
        self._asked(request)
        return reply({"base_fee": 0})

    async def _midpoint(self, request: web.Request) -> web.Response:
        return reply({"mid": plain(self._middle(*self._asked(request)))})

    async def _price(self, request: web.Request) -> web.Response:
        market, token = self._asked(request)
        price = market.touch(token)[request.query.get("side") == "SELL"]
        return reply({"price": plain(price or ZERO)})

    async def _spread(self, request: web.Request) -> web.Response:
        market, token = self._asked(request)
        bid, ask = market.touch(token)
        return reply({"spread": plain((Decimal(1) if ask is None else ask) - (bid or ZERO))})

    async def _last_trade_price(self, request: web.Request) -> web.Response:
        market, token = self._asked(request)
        return reply({"price": messages.last_price(market, token), "side": ""})
