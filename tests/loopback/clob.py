"""The order book's REST interface: what needs a key."""

import math
from collections.abc import Callable
from typing import Any

from aiohttp import web
from loopback import messages
from loopback.agenda import Agenda
from loopback.books import page, reply
from loopback.channels import Channels
from loopback.engine import Engine
from loopback.faults import Faults
from loopback.ledger import CASH, ZERO, Leg, Order, Trade
from loopback.orders import Desk
from loopback.rules import MICRO, Refused
from loopback.signatures import EXCHANGES, Credentials, Keys, check_attestation

Json = dict[str, Any]
_CLOSED = {
    "cancel-only": (
        "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
    ),
    "disabled": "Trading is currently disabled. Check polymarket.com for updates",
}


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
        self._left: dict[str, tuple[float, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        """All of its paths."""
        return [
            web.post("/auth/api-key", self._create_key),
            web.get("/auth/derive-api-key", self._derive_key),
            web.get("/auth/api-keys", self._list_keys),
            web.delete("/auth/api-key", self._delete_key),
            web.get("/auth/ban-status/closed-only", self._closed_only),
            web.get("/v1/user/rate-limit-tier", self._tier),
            web.get("/api/geoblock", self._geoblock),
            web.get("/balance-allowance", self._balance),
            web.get("/balance-allowance/update", self._update_balance),
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
        return reply({"closed_only": self._faults.closed_only})

    async def _tier(self, request: web.Request) -> web.Response:
        await self._who(request)
        return reply({"tier": "standard"})

    async def _geoblock(self, _: web.Request) -> web.Response:
        told = {"ip": "127.0.0.1", "country": "PL", "region": ""}
        return reply({"blocked": self._faults.geoblock, **told})

    async def _who(self, request: web.Request) -> Credentials:
        body = (await request.read()).decode()
        return self._keys.check_request(request.headers, request.method, request.path, body)

    # -- money and orders --------------------------------------------------------------------------

    async def _update_balance(self, request: web.Request) -> web.Response:
        """Read anew what is told of a balance."""
        if request.query.get("asset_type") == "COLLATERAL":
            self._faults.cash_last_read = None
        return await self._balance(request)

    async def _balance(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        is_own = request.query.get("signature_type", "0") == "0"
        wallets = [w for w in self._ledger.wallets_of(who.address) if (w == who.address) == is_own]
        accounts = [self._ledger.account(w) for w in wallets]
        what, kind = CASH, request.query.get("asset_type")
        if kind in ("CONDITIONAL", "CONDITIONAL-V2"):
            token = request.query.get("token_id", "")
            market = self._ledger.by_token.get(token)
            # Shares are kept in two places, and each knows nothing of the other's.
            is_there = market is None or market.is_v2 == (kind == "CONDITIONAL-V2")
            what = token if is_there else ""
        when = self._agenda.now() - self._faults.balance_lag
        held = sum((a.held_at(what, when) for a in accounts), ZERO)
        if what == CASH and self._faults.cash_last_read is not None:
            held = self._faults.cash_last_read
        allowances = {
            contract: str(min((a.allowances[name] for a in accounts), default=0))
            for name, contract in EXCHANGES.items()
            if name != "v2" or kind != "CONDITIONAL"
        }
        return reply({"balance": str(int(held / MICRO)), "allowances": allowances})

    async def _post_order(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        posted = await request.json()
        headers = self._charge("orders", 1)
        self._check_mode(posted, who)
        answer = await self._telling(lambda: self.desk.post(posted, who))
        return reply(answer, headers=headers)

    def _check_mode(self, posted: Json, who: Credentials) -> None:
        """Refuse an order that is not taken in the venue's mode, or of this wallet.

        Raises
        ------
        Refused
            In the venue's words.
        """
        mode = self._faults.mode
        if mode == "restarting":
            raise Refused("service not ready", 425)
        if mode == "post-only" and not posted.get("postOnly"):
            left = math.ceil(self._faults.mode_ends_at - self._agenda.now())
            raise Refused(
                "post-only mode: only post-only orders and cancels are allowed",
                503,
                code="post_only_mode",
                retry_after_seconds=max(left, 1),
            )
        if mode in _CLOSED:
            raise Refused(_CLOSED[mode], 503)
        if self._faults.closed_only and posted.get("order", {}).get("side") == "BUY":
            raise Refused(f"'{who.address}' address in closed only mode")

    async def _post_orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        posted = await request.json()
        headers = self._charge("orders", len(posted))
        answer = await self._telling(lambda: [self._try_post(p, who) for p in posted])
        return reply(answer, headers=headers)

    def _charge(self, kind: str, cost: int) -> dict[str, str]:
        """Spend tokens of the limits that are in force; the headers that tell of them.

        Raises
        ------
        Refused
            If there are too few, or what is asked for costs more than there can be.
        """
        if kind not in self._faults.limits:
            return {}
        each_second, burst = self._faults.limits[kind]
        now = self._agenda.now()
        left, at = self._left.get(kind, (burst, now))
        left = min(left + (now - at) * each_second, burst)
        headers = {"Poly-RateLimit-Tier": "standard", "Poly-RateLimit-Reset": str(int(now) + 1)}
        if cost > left:
            self._left[kind] = (left, now)
            refused = Refused("Too Many Requests", 429)
            refused.headers = headers | {"Poly-RateLimit-Remaining": "0", "Retry-After": "1"}
            raise refused
        self._left[kind] = (left - cost, now)
        return headers | {"Poly-RateLimit-Remaining": str(int(left - cost))}

    def _try_post(self, posted: Json, who: Credentials) -> Json:
        try:
            self._check_mode(posted, who)
            return self.desk.post(posted, who)
        except Refused as e:
            if "retry_after_seconds" in e.body:
                return {"success": True, "errorMsg": e.words, "orderID": ""}
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
        headers = self._charge("cancels", 1)
        answer = await self._telling(lambda: self.desk.cancel([order_id], who))
        return reply(answer, headers=headers)

    async def _cancel_orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        ids = [str(i) for i in await request.json()]
        headers = self._charge("cancels", len(ids))
        answer = await self._telling(lambda: self.desk.cancel(ids, who))
        return reply(answer, headers=headers)

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

    def _told(self, order: Order) -> Json:
        told = messages.order(order)
        if self._faults.long_statuses:
            told["status"] = f"ORDER_STATUS_{told['status']}"
        return told

    async def _order(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        order = self._ledger.orders.get(request.match_info["id"])
        if order is None or not self._is_of(order, who) or not self._is_seen(order):
            return reply(None)
        return reply(self._told(order))

    async def _orders(self, request: web.Request) -> web.Response:
        who = await self._who(request)
        found = [self._told(o) for o in self._of(who) if self._is_seen(o)]
        wanted = {n: request.query.get(n, "") for n in ("id", "market", "asset_id")}
        return reply(page(request, [o for o in found if _fits(o, wanted)], self.page_size))

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
                market, taker = trade.market.narrow_id, trade.taker
                known = {"id": trade.id, "market": market, "asset_id": taker.token}
                if _fits(known | {"maker_address": taker.wallet}, wanted):
                    found.append((trade, legs[0]))
        told = page(request, found, self.page_size)
        return reply(told | {"data": [self._told_trade(*pair) for pair in told["data"]]})

    def _told_trade(self, trade: Trade, leg: Leg) -> Json:
        told = messages.trade(trade, leg)
        told["status"] = self._faults.settlement_words.get(trade.status, trade.status)
        return told

    def _is_of(self, order: Order, who: Credentials) -> bool:
        return order.signer.lower() == who.address.lower()


def _fits(told: Json, wanted: dict[str, str]) -> bool:
    return all(not value or str(told.get(name)) == value for name, value in wanted.items())


def _told_key(made: Credentials) -> Json:
    return {"apiKey": made.key, "secret": made.secret, "passphrase": made.passphrase}
