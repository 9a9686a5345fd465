"""What anyone may read: Gamma, which describes markets, and the Data API: wallets."""

import json
from decimal import Decimal
from typing import Any

from aiohttp import web
from loopback.agenda import Agenda
from loopback.books import reply
from loopback.faults import Faults
from loopback.ledger import ONE, ZERO, Account, Ledger, Leg, Market, Side, Trade, plain
from loopback.signatures import EXCHANGES

Json = dict[str, Any]
_ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
_NEG_RISK_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
_ROUTER = "0x12121212006e4CD160D18e3f00711DA5c3372600"
"""The contracts that pay winnings."""


class Gamma:
    """Describes markets. An event holds one market, by its slug, unless it is said to have more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def routes(self) -> list[web.RouteDef]:
        """All of its paths."""
        return [
            web.get("/gamma/markets", self._markets),
            web.get("/gamma/markets/keyset", self._keyset),
            web.get("/gamma/markets/slug/{slug}", self._by_slug),
            web.get("/gamma/events", self._events),
            web.get("/gamma/public-search", self._search),
        ]

    async def _markets(self, request: web.Request) -> web.Response:
        start = int(request.query.get("offset") or 0)
        limit = int(request.query.get("limit") or 20)
        return reply([_describe(m) for m in self._wanted(request)[start : start + limit]])

    async def _keyset(self, request: web.Request) -> web.Response:
        start = int(request.query.get("after_cursor") or 0)
        end = start + min(int(request.query.get("limit") or 20), 100)
        found = self._wanted(request)
        page: Json = {"markets": [_describe(m) for m in found[start:end]]}
        return reply(page | ({"next_cursor": str(end)} if end < len(found) else {}))

    async def _by_slug(self, request: web.Request) -> web.Response:
        for market in self._ledger.markets.values():
            if market.slug == request.match_info["slug"]:
                return reply(_describe(market))
        return reply({"type": "not found error", "error": "slug not found"}, 404)

    async def _events(self, request: web.Request) -> web.Response:
        for slug in _listed(request, "slug") & self._ledger.events.keys():
            markets = [
                m for m in self._ledger.markets.values() if m.slug in self._ledger.events[slug]
            ]
            return reply([{"id": slug, "slug": slug, "markets": [_describe(m) for m in markets]}])
        return reply([_event(m) for m in self._wanted(request)])

    async def _search(self, request: web.Request) -> web.Response:
        words = request.query.get("q", "").lower().split()
        limit = int(request.query.get("limit_per_type") or 20)
        found = [
            _event(m)
            for m in self._ledger.markets.values()
            if all(word in f"{m.question} {m.slug}".lower() for word in words)
        ]
        results = {"hasMore": len(found) > limit, "totalResults": len(found)}
        return reply({"events": found[:limit], "tags": [], "profiles": [], "pagination": results})

    def _wanted(self, request: web.Request) -> list[Market]:
        """The markets that a query asks for; closed ones only if it says so."""
        query = request.query
        is_closed = query.get("closed", "false").lower() == "true"
        ids, slugs = _listed(request, "condition_ids"), _listed(request, "slug")
        tokens = _listed(request, "clob_token_ids")
        return [
            m
            for m in self._ledger.markets.values()
            if m.is_closed == is_closed
            and (not ids or m.narrow_id in ids)
            and (not slugs or m.slug in slugs)
            and (not tokens or tokens & set(m.tokens))
        ]


def _listed(request: web.Request, name: str) -> set[str]:
    """A query's values, given once each or with commas."""
    given = [*request.query.getall(name, []), *request.query.getall(f"{name}[]", [])]
    return {part for value in given for part in value.strip("[]").split(",") if part}


def _describe(market: Market) -> Json:
    bid, ask = market.touch(market.tokens[0])
    prices = market.payouts or _last_prices(market)
    number = int(market.condition_id[-7:], 16)
    told: Json = {
        "id": str(number),
        "question": market.question,
        "conditionId": market.narrow_id,
        "slug": market.slug,
        "questionID": "0x" + market.condition_id[2:][::-1],
        "endDate": market.ends,
        "description": market.question,
        "outcomes": json.dumps(market.outcomes),
        "outcomePrices": json.dumps([plain(p) for p in prices]),
        "clobTokenIds": None if market.is_v2 else json.dumps(market.tokens),
        "volume": "0",
        "active": True,
        "closed": market.is_closed,
        "archived": False,
        "acceptingOrders": market.is_accepting,
        "enableOrderBook": not market.is_closed,
        "orderPriceMinTickSize": float(market.tick),
        "orderMinSize": float(market.minimum),
        "negRisk": market.neg_risk,
        "feesEnabled": market.fee_rate > 0,
        "feeSchedule": {
            "exponent": 1,
            "rate": float(market.fee_rate),
            "takerOnly": True,
            "rebateRate": 0.25,
        },
        "bestBid": float(bid or ZERO),
        "bestAsk": float(ONE if ask is None else ask),
    }
    if market.version is not None:
        told["version"] = market.version
    if market.is_v2:
        told["positionIds"] = list(market.tokens)
        told["resolutionStatus"] = "active" if market.payouts is None else "resolved"
    elif market.payouts is not None:
        told["umaResolutionStatus"] = "resolved"
    return told


def _last_prices(market: Market) -> tuple[Decimal, Decimal]:
    price = Decimal("0.5") if market.last_price is None else market.last_price
    return price, ONE - price


def _event(market: Market) -> Json:
    told = _describe(market)
    names = ("id", "slug", "description", "endDate", "active", "closed", "archived", "negRisk")
    same = {name: told[name] for name in names}
    return same | {"ticker": market.slug, "title": market.question, "markets": [told]}


class DataApi:
    """Describes what wallets hold and did, as late as it is told to."""

    def __init__(self, ledger: Ledger, faults: Faults, agenda: Agenda) -> None:
        self._ledger = ledger
        self._faults = faults
        self._agenda = agenda

    def routes(self) -> list[web.RouteDef]:
        """All of its paths."""
        return [
            web.get("/data-api/positions", self._positions),
            web.get("/data-api/v2/resolutions", self._resolutions),
            web.get("/data-api/v2/positions", self._paying),
            web.get("/data-api/v2/approvals", self._approvals),
        ]

    async def _resolutions(self, request: web.Request) -> web.Response:
        condition_id = request.query.get("condition", "")
        if len(condition_id) != 66:
            return reply({"error": {"type": "invalid_request", "message": "condition"}}, 400)
        market = self._ledger.markets.get(condition_id)
        if market is None:
            return reply({"data": []})
        row: Json = {"condition_id": condition_id, "status": "active", "market_type": "BINARY"}
        if market.payouts is not None:
            paid = [int(p * 1_000_000) for p in market.payouts]
            row |= {"status": "resolved", "payouts": paid, "reporter": "CHAINLINK"}
        return reply({"data": [row]})

    async def _paying(self, request: web.Request) -> web.Response:
        """Shares of resolved outcomes that pay, in pages by cursor."""
        if request.query.get("status") != "REDEEMABLE" or "offset" in request.query:
            return reply({"error": "invalid_request", "code": "parameter"}, 400)
        account = self._ledger.account(request.query.get("user", ""))
        until = self._seen_until()
        start, limit = int(request.query.get("cursor") or 0), int(request.query.get("limit") or 100)
        rows = [
            {
                "proxy_wallet": account.address,
                "token_id": token,
                "condition_id": market.narrow_id,
                "current_size": float(size),
                "current_price": float(market.payout(token) or 0),
                "status": "REDEEMABLE",
                "redeemable": True,
                "negative_risk": market.neg_risk,
                "slug": market.slug,
                "title": market.question,
                "outcome_index": market.tokens.index(token),
                "opposite_token_id": market.other(token),
            }
            for token in account.tokens()
            if (size := account.held_at(token, until)) > 0
            if (market := self._ledger.by_token[token]).payout(token)
        ]
        end = start + limit
        cursor = str(end) if end < len(rows) else None
        pages = {"limit": limit, "next_cursor": cursor, "has_more": cursor is not None}
        return reply({"data": rows[start:end], "pagination": pages})

    async def _approvals(self, request: web.Request) -> web.Response:
        account = self._ledger.account(request.query.get("user", ""))
        amount = account.allowances["v2"]
        cash = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
        positions = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
        rows = [
            {"token": token, "spender": EXCHANGES["v2"], "approved": amount > 0, "standard": kind}
            for token, kind in ((cash, "ERC20"), (positions, "ERC1155"))
        ]
        shares = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
        payers = [(shares, _ADAPTER), (shares, _NEG_RISK_ADAPTER), (positions, _ROUTER)]
        rows += [
            {"token": token, "spender": payer, "approved": amount > 0, "standard": "ERC1155"}
            for token, payer in payers
        ]
        return reply({"data": rows})

    def _seen_until(self) -> float:
        return self._agenda.now() - self._faults.data_lag

    async def _positions(self, request: web.Request) -> web.Response:
        account = self._ledger.account(request.query.get("user", ""))
        until = self._seen_until()
        least = Decimal(request.query.get("sizeThreshold") or 1)
        markets = _listed(request, "market")
        told = [
            self._position(account, token, size)
            for token in account.tokens()
            if (size := account.held_at(token, until)) > 0
            and size >= least
            and (not markets or self._ledger.by_token[token].condition_id in markets)
        ]
        return reply(_page(request, sorted(told, key=lambda p: -p["size"])))

    def _position(self, account: Account, token: str, size: Decimal) -> Json:
        market = self._ledger.by_token[token]
        average = self._average(account.address, token)
        payout = market.payout(token)
        price = payout if payout is not None else (market.touch(token)[0] or ZERO)
        return {
            "proxyWallet": account.address,
            "asset": token,
            "conditionId": market.condition_id,
            "size": float(size),
            "avgPrice": float(average),
            "initialValue": float(size * average),
            "currentValue": float(size * price),
            "cashPnl": float(size * (price - average)),
            "curPrice": float(price),
            "redeemable": payout is not None,
            "mergeable": False,
            "title": market.question,
            "slug": market.slug,
            "eventSlug": market.slug,
            "outcome": market.outcome(token),
            "outcomeIndex": market.tokens.index(token),
            "oppositeOutcome": market.outcome(market.other(token)),
            "oppositeAsset": market.other(token),
            "endDate": market.ends[:10],
            "negativeRisk": market.neg_risk,
        }

    def _average(self, wallet: str, token: str) -> Decimal:
        bought = [leg for _, leg in self._legs(wallet) if leg.token == token]
        legs = [leg for leg in bought if leg.side is Side.BUY]
        shares = sum((leg.shares for leg in legs), ZERO)
        return sum((leg.amount for leg in legs), ZERO) / shares if shares else ZERO

    def _legs(self, wallet: str) -> list[tuple[Trade, Leg]]:
        return [
            (trade, leg)
            for trade in self._ledger.trades
            for leg in trade.legs
            if leg.order is not None and leg.wallet.lower() == wallet.lower()
            if trade.status != "FAILED"
        ]


def _page(request: web.Request, items: list[Json]) -> list[Json]:
    start = int(request.query.get("offset") or 0)
    return items[start : start + int(request.query.get("limit") or 100)]
