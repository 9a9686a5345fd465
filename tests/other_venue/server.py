"""The other venue's HTTP and sockets, and the ways in which it fails."""

import asyncio
import json
import time
from typing import Any

from aiohttp import WSMsgType, web
from other_venue import words
from other_venue.exchange import MILLION, Exchange, Fill, InstrumentBook, Order, Rejected
from other_venue.posted import EXCHANGE, read

Json = dict[str, Any]
_GONE = "order can't be found - already canceled or matched"


class OtherVenue:
    """Serves one exchange on 127.0.0.1, in the running event loop.

    `failures` is what befalls the next requests that change something: "500 before", "500 after",
    "reset after", "425", "429", or "" for nothing.
    """

    def __init__(self, cash: int) -> None:
        self.exchange = Exchange(cash, self._heard)
        self.failures: list[str] = []
        self._sockets: dict[str, dict[web.WebSocketResponse, set[str]]] = {"market": {}, "user": {}}
        self._status: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/version", _constant({"version": 2})),
                web.get("/time", self._time),
                web.get("/fees/builder-fees/{code}", _constant(_NO_FEES)),
                web.get("/auth/ban-status/closed-only", _constant({"closed_only": False})),
                web.get("/markets/{id}", self._market),
                web.get("/clob-markets/{id}", self._clob_market),
                web.get("/markets-by-token/{token}", self._by_token),
                web.get("/tick-size", _constant({"minimum_tick_size": 0.01})),
                web.get("/neg-risk", _constant({"neg_risk": False})),
                web.get("/fee-rate", _constant({"base_fee": 0})),
                web.get("/book", self._book),
                web.post("/books", self._books),
                web.get("/gamma/markets", self._gamma),
                web.get("/gamma/markets/keyset", self._gamma_keyset),
                web.get("/data-api/positions", self._positions),
                web.get("/data/trades", self._trades),
                web.get("/data/orders", self._orders),
                web.get("/data/order/{id}", self._order),
                web.get("/balance-allowance", self._balance),
                web.get("/balance-allowance/update", self._balance),
                web.post("/order", self._post),
                web.delete("/order", self._delete),
                web.delete("/orders", self._delete),
                web.delete("/cancel-all", self._delete_all),
                web.delete("/cancel-market-orders", self._delete_all),
                web.get("/ws/{channel}", self._listen),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        for channel in self._sockets:
            self.drop(channel)
        if self._runner is not None:
            await self._runner.cleanup()

    def move(self, market: InstrumentBook, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Let the crowd bid and ask anew, and tell it."""
        self.exchange.lapse()
        self.exchange.move(market, bids, asks)
        self._tell_book(market)

    def drop(self, channel: str) -> None:
        """Cut the connections of a channel."""
        for socket in list(self._sockets[channel]):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    # -- what is told on the channels --------------------------------------------------------------

    def _heard(self, what: str, order: Order, fill: Fill | None) -> None:
        if fill is not None:
            self._tell("user", words.trade_said(fill, "MATCHED"))
            self._tell("user", words.order_said(order, "UPDATE"))
            self._status[fill.id] = "MATCHED"
            self._aside(self._settle(fill))
        else:
            kind = "PLACEMENT" if what == "placed" else "CANCELLATION"
            self._tell("user", words.order_said(order, kind))
        self._tell_book(order.market)

    async def _settle(self, fill: Fill) -> None:
        for seconds, status in ((0.05, "MINED"), (0.1, "CONFIRMED")):
            await asyncio.sleep(seconds)
            self._status[fill.id] = status
            self._tell("user", words.trade_said(fill, status))

    def _tell_book(self, market: InstrumentBook) -> None:
        for token in market.tokens:
            self._tell("market", self._said_book(market, token), token)

    def _said_book(self, market: InstrumentBook, token: str) -> Json:
        told = words.book(market, token, self.exchange.live())
        return told | {"event_type": "book"}

    def _tell(self, channel: str, told: Json, token: str = "") -> None:
        text = json.dumps(told)
        for socket, wanted in list(self._sockets[channel].items()):
            if channel == "user" or token in wanted:
                self._aside(_send(socket, text))

    def _aside(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        socket, wanted = web.WebSocketResponse(), set[str]()
        await socket.prepare(request)
        channel = self._sockets[request.match_info["channel"]]
        channel[socket] = wanted
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                if message.data == "PING":
                    await _send(socket, "PONG")
                    continue
                asked = json.loads(message.data)
                tokens = [t for t in asked.get("assets_ids") or [] if t in self.exchange.by_token]
                if asked.get("operation") == "unsubscribe":
                    wanted.difference_update(tokens)
                    continue
                wanted.update(tokens)
                for token in tokens:
                    told = self._said_book(self.exchange.by_token[token], token)
                    await _send(socket, json.dumps(told))
        finally:
            channel.pop(socket, None)
        return socket

    # -- what everyone may ask ---------------------------------------------------------------------

    async def _time(self, _: web.Request) -> web.Response:
        return web.json_response(int(time.time()))

    async def _market(self, request: web.Request) -> web.Response:
        market = self.exchange.markets.get(request.match_info["id"])
        if market is None:
            return web.json_response({"error": "market not found"}, status=404)
        return web.json_response(words.described(market))

    async def _clob_market(self, request: web.Request) -> web.Response:
        market = self.exchange.markets[request.match_info["id"]]
        tokens = [{"t": t, "o": o} for t, o in zip(market.tokens, ("Yes", "No"), strict=True)]
        told = {"c": market.condition, "t": tokens, "mts": 0.01, "mos": 5, "nr": False}
        return web.json_response(told | {"fd": {"r": 0, "e": 1, "to": True}})

    async def _by_token(self, request: web.Request) -> web.Response:
        market = self.exchange.by_token[request.match_info["token"]]
        first, second = market.tokens
        told = {"condition_id": market.condition, "primary_token_id": first}
        return web.json_response(told | {"secondary_token_id": second})

    def _rest_book(self, token: str) -> Json:
        told = words.book(self.exchange.by_token[token], token, self.exchange.live())
        return told | {"min_order_size": "5", "neg_risk": False, "last_trade_price": ""}

    async def _book(self, request: web.Request) -> web.Response:
        return web.json_response(self._rest_book(request.query["token_id"]))

    async def _books(self, request: web.Request) -> web.Response:
        asked = [item["token_id"] for item in await request.json()]
        return web.json_response([self._rest_book(token) for token in asked])

    def _by_gamma(self, request: web.Request) -> list[Json]:
        if request.query.get("closed") == "true":
            return []
        ids = ",".join(request.query.getall("condition_ids", []))
        slug = request.query.get("slug", "")
        found = self.exchange.markets.values()
        return [
            words.described_by_gamma(m)
            for m in found
            if (not ids or m.condition in ids) and slug in ("", m.slug)
        ]

    async def _gamma(self, request: web.Request) -> web.Response:
        return web.json_response(self._by_gamma(request))

    async def _gamma_keyset(self, request: web.Request) -> web.Response:
        return web.json_response({"markets": self._by_gamma(request), "next_cursor": None})

    # -- what the wallet may ask -------------------------------------------------------------------

    async def _positions(self, _: web.Request) -> web.Response:
        told = [
            {
                "proxyWallet": words.WALLET,
                "asset": token,
                "conditionId": self.exchange.by_token[token].condition,
                "size": shares / MILLION,
                "avgPrice": 0.5,
                "curPrice": 0.5,
                "redeemable": False,
            }
            for token, shares in self.exchange.shares.items()
            if shares
        ]
        return web.json_response(told)

    async def _balance(self, request: web.Request) -> web.Response:
        held = self.exchange.cash
        if request.query.get("asset_type") == "CONDITIONAL":
            held = self.exchange.shares.get(request.query["token_id"], 0)
        allowed = {EXCHANGE: str(10**15)}
        return web.json_response({"balance": str(held), "allowances": allowed})

    async def _orders(self, request: web.Request) -> web.Response:
        self.exchange.lapse()
        told = [words.order(o) for o in self.exchange.live()]
        return web.json_response(_page(_fitting(request, told, ("id", "market", "asset_id"))))

    async def _order(self, request: web.Request) -> web.Response:
        order = self.exchange.orders.get(request.match_info["id"])
        is_live = order is not None and order.state == "LIVE"
        return web.json_response(words.order(order) if order is not None and is_live else None)

    async def _trades(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after") or 0)
        told = [
            words.trade(f, self._status.get(f.id, "MATCHED"))
            for f in reversed(self.exchange.fills)
            if f.time >= after
        ]
        return web.json_response(_page(_fitting(request, told, ("id", "market", "asset_id"))))

    # -- orders ------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        posted = json.loads(await request.read())
        failure = self.failures.pop(0) if self.failures else ""
        if failure in ("500 before", "425", "429"):
            status = int(failure.split()[0])
            return web.json_response({"error": "service not ready"}, status=status)
        try:
            order = read(posted, self.exchange.by_token)
            fills = self.exchange.place(order, is_post_only=bool(posted.get("postOnly")))
        except Rejected as e:
            return web.json_response({"error": str(e)}, status=400)
        if failure == "500 after":
            return web.json_response({"error": "Internal server error"}, status=500)
        if failure == "reset after" and request.transport is not None:
            request.transport.abort()
        told: Json = {"success": True, "errorMsg": "", "orderID": order.hash, "status": "live"}
        if fills:
            shares = sum(f.shares for f in fills)
            money = sum(f.shares * f.cents // 100 for f in fills)
            got, gave = (shares, money) if order.is_buy else (money, shares)
            told |= {"status": "matched", "tradeIDs": [f.id for f in fills]}
            told |= {"transactionsHashes": [f"0x{f.serial:064x}" for f in fills]}
            told |= {"takingAmount": words.amount(got), "makingAmount": words.amount(gave)}
        return web.json_response(told)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        return self._cancelled([asked["orderID"]] if isinstance(asked, dict) else asked)

    async def _delete_all(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read() or b"{}")
        wanted = asked.get("market", "")
        ids = [o.hash for o in self.exchange.live() if wanted in ("", o.market.condition)]
        return self._cancelled(ids)

    def _cancelled(self, ids: list[str]) -> web.StreamResponse:
        failure = self.failures.pop(0) if self.failures else ""
        if failure in ("500 before", "425", "429"):
            status = int(failure.split()[0])
            return web.json_response({"error": "service not ready"}, status=status)
        done = [i for i in ids if self.exchange.cancel(i)]
        if failure == "500 after":
            return web.json_response({"error": "Internal server error"}, status=500)
        kept = {i: _GONE for i in ids if i not in done}
        return web.json_response({"canceled": done, "not_canceled": kept})


_NO_FEES = {"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0}


def _constant(told: Json) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(told)

    return answer


async def _send(socket: web.WebSocketResponse, text: str) -> None:
    try:
        await socket.send_str(text)
    except (ConnectionError, RuntimeError):
        return


def _fitting(request: web.Request, told: list[Json], names: tuple[str, ...]) -> list[Json]:
    asked = {name: request.query.get(name, "") for name in names}
    return [t for t in told if all(not v or t[name] == v for name, v in asked.items())]


def _page(told: list[Json]) -> Json:
    return {"data": told, "next_cursor": "LTE=", "limit": 100, "count": len(told)}
