"""The order book's REST interface."""

import base64
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web
from loopback import messages
from loopback.agenda import Agenda
from loopback.channels import Channels
from loopback.engine import Engine
from loopback.faults import Faults
from loopback.ledger import CASH, ZERO, Market, Order, plain
from loopback.orders import Desk
from loopback.rules import MICRO, Refused
from loopback.signatures import EXCHANGES, Credentials, Keys, check_attestation

Json = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
END = "LTE="
UNLIMITED = str(2**256 - 1)


def reply(body: Any, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.json_response(body, status=status)


class Clob:
    """Answers what clients ask of the order book.

    Parameters
    ----------
    page_size
        Orders or trades on one page.
    """

    def __init__(
        self, engine: Engine, keys: Keys, channels: Channels, faults: Faults, agenda: Agenda
    ) -> None:
        self.page_size = 100
        self.desk = Desk(engine, keys, agenda)
        self._engine = engine
        self._ledger = engine.ledger
        self._keys = keys
        self._channels = channels
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
            web.post("/auth/api-key", self._create_key),
            web.get("/auth/derive-api-key", self._derive_key),
            web.get("/auth/api-keys", self._list_keys),
            web.delete("/auth/api-key", self._delete_key),
            web.get("/auth/ban-status/closed-only", self._closed_only),
            web.get("/balance-allowance", self._balance),
            web.get("/balance-allowance/update", self._balance),
            web.post("/order", self._post_order),
            web.post("/orders", self._post_orders),
            web.delete("/order", self._cancel_order),
            web.delete("/orders", self._cancel_orders),
            web.delete("/cancel-all", self._cancel_all),
            web.delete("/cancel-market-orders", self._cancel_market),
            web.get("/data/orders", self._orders),
            web.get("/data/order/{id}", self._order),
            web.get("/data/trades", self._trades),
            web.post("/v1/heartbeats", self._heartbeat),
        ]

    # -- what everyone may ask ---------------------------------------------------------------------

    async def _ok(self, _: web.Request) -> web.Response:
        return reply("OK")

    async def _time(self, _: web.Request) -> web.Response:
        return reply(int(self._agenda.now()))

    async def _version(self, _: web.Request) -> web.Response:
        return reply({"version": 2})

    async def _markets(self, request: web.Request) -> web.Response:
        markets = [self._describe(m) for m in self._ledger.markets.values()]
        return reply(self._page(request, markets))

    async def _market(self, request: web.Request) -> web.Response:
        market = self._ledger.markets.get(request.match_info["id"])
        if market is None:
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
            "minimum_tick_size": float(market.tick),
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
        return reply(
            {
                "c": market.condition_id,
                "t": [{"t": t, "o": market.outcome(t)} for t in market.tokens],
                "mts": float(market.tick),
                "mos": float(market.minimum),
                "nr": market.neg_risk,
                "mbf": 0,
                "tbf": 0,
                "fd": {"r": float(market.fee_rate), "e": 1, "to": True},
            }
        )

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
        return reply([self._told_book(t) for t in wanted if t in self._ledger.by_token])

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

    # -- keys --------------------------------------------------------------------------------------

    async def _create_key(self, request: web.Request) -> web.Response:
        address, nonce = check_attestation(request.headers)
        if self._keys.derive(address, nonce) is not None:
            raise Refused("Could not create api key")
        return reply(_told_key(self._keys.make(address, nonce)))

    async def _derive_key(self, request: web.Request) -> web.Response:
        made = self._keys.derive(*check_attestation(request.headers))
        if made is None:
            raise Refused("Could not derive api key!")
        return reply(_told_key(made))

    async def _list_keys(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        return reply({"apiKeys": [made.key for made in self._keys.of(who.address)]})

    async def _delete_key(self, request: web.Request) -> web.Response:
        self._keys.drop((await self._who(request)).key)
        return reply("OK")

    async def _closed_only(self, request: web.Request) -> web.Response:
        await self._who(request)
        return reply({"closed_only": False})

    async def _who(self, request: web.Request) -> Credentials:
        body = (await request.read()).decode()
        return self._keys.check_request(request.headers, request.method, request.path, body)

    # -- money and orders --------------------------------------------------------------------------

    async def _balance(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        is_own = request.query.get("signature_type", "0") == "0"
        wallets = [w for w in self._ledger.wallets_of(who.address) if (w == who.address) == is_own]
        what = CASH
        if request.query.get("asset_type") == "CONDITIONAL":
            what = request.query.get("token_id", "")
        when = self._agenda.now() - self._faults.balance_lag
        held = sum((self._ledger.account(w).held_at(what, when) for w in wallets), ZERO)
        return reply(
            {
                "balance": str(int(held / MICRO)),
                "allowances": dict.fromkeys(EXCHANGES.values(), UNLIMITED),
            }
        )

    async def _post_order(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        posted = await request.json()
        with_reply = await self._telling(lambda: self.desk.post(posted, who))
        return reply(with_reply)

    async def _post_orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        posted = await request.json()
        return reply(await self._telling(lambda: [self._try_post(p, who) for p in posted]))

    def _try_post(self, posted: Json, who: Credentials) -> Json:
        try:
            return self.desk.post(posted, who)
        except Refused as e:
            return {"success": False, "errorMsg": e.words, "orderID": "", "status": ""}

    async def _telling(self, act: Callable[[], Any]) -> Any:
        """Act, with the messages of it sent before the reply or well after it."""
        after = self._faults.messages_after_reply
        if after is not None:
            self._channels.hold()
        try:
            return act()
        finally:
            if after is not None:
                self._channels.release(after)
            else:
                await self._channels.flush()

    async def _cancel(self, request: web.Request, wanted: Callable[[Order], bool]) -> web.Response:
        who = await self._who(request)
        ids = [o.id for o in self._of(who) if o.is_open and wanted(o)]
        return reply(await self._telling(lambda: self.desk.cancel(ids, who)))

    async def _cancel_order(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        order_id = str((await request.json()).get("orderID", ""))
        return reply(await self._telling(lambda: self.desk.cancel([order_id], who)))

    async def _cancel_orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        ids = [str(i) for i in await request.json()]
        return reply(await self._telling(lambda: self.desk.cancel(ids, who)))

    async def _cancel_all(self, request: web.Request) -> web.Response:
        return await self._cancel(request, lambda _: True)

    async def _cancel_market(self, request: web.Request) -> web.Response:
        body = await request.json()
        market, token = body.get("market", ""), body.get("asset_id", "")
        return await self._cancel(
            request,
            lambda o: market in ("", o.market.condition_id) and token in ("", o.token),
        )

    async def _heartbeat(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        return reply(self.desk.heartbeat(who, str((await request.json()).get("heartbeat_id", ""))))

    # -- what a wallet may ask of itself -----------------------------------------------------------

    def _of(self, who: Credentials) -> list[Order]:
        signer = who.address.lower()
        return [o for o in self._ledger.orders.values() if o.signer.lower() == signer]

    def _is_seen(self, order: Order) -> bool:
        age = self._agenda.now() - order.received_at
        return order.is_open and age >= self._faults.unseen_seconds

    async def _order(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        order = self._ledger.orders.get(request.match_info["id"])
        is_theirs = order is not None and order.signer.lower() == who.address.lower()
        return reply(messages.order(order) if is_theirs and self._is_seen(order) else None)

    async def _orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        found = [messages.order(o) for o in self._of(who) if self._is_seen(o)]
        wanted = {n: request.query.get(n, "") for n in ("id", "market", "asset_id")}
        return reply(self._page(request, [o for o in found if _fits(o, wanted)]))

    async def _trades(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        names = ("id", "market", "asset_id", "maker_address")
        wanted = {n: request.query.get(n, "") for n in names}
        after = int(request.query.get("after") or 0)
        before = int(request.query.get("before") or 2**62)
        found = []
        for trade in reversed(self._ledger.trades):
            legs = [leg for leg in trade.legs if leg.order and self._is_of(leg.order, who)]
            if legs and after <= trade.matched_at and int(trade.matched_at) <= before:
                told = messages.trade(trade, legs[0])
                found += [told] if _fits(told, wanted) else []
        return reply(self._page(request, found))

    def _is_of(self, order: Order, who: Credentials) -> bool:
        return order.signer.lower() == who.address.lower()

    def _page(self, request: web.Request, items: list[Json]) -> Json:
        cursor = request.query.get("next_cursor") or "MA=="
        try:
            start = int(base64.b64decode(cursor).decode())
        except ValueError:
            raise Refused("next item should be greater than or equal to 0") from None
        end = start + self.page_size
        following = base64.b64encode(str(end).encode()).decode() if end < len(items) else END
        page = items[start:end] if start >= 0 else []
        return {"data": page, "next_cursor": following, "limit": self.page_size, "count": len(page)}


def _fits(told: Json, wanted: dict[str, str]) -> bool:
    return all(not value or str(told.get(name)) == value for name, value in wanted.items())


def _told_key(made: Credentials) -> Json:
    return {"apiKey": made.key, "secret": made.secret, "passphrase": made.passphrase}
