"""The market and user channels: who listens, and what they are told when."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web
from loopback import messages
from loopback.agenda import Agenda
from loopback.faults import Faults
from loopback.ledger import ZERO, Ledger, Market, Order, Side, Trade
from loopback.signatures import Credentials, Keys

Json = dict[str, Any]
READING_SECONDS = 1.0
"""How long a client may take to read before the venue goes on without it."""
Depth = dict[Side, dict[Decimal, Decimal]]


class Socket:
    """One open connection. Its frames leave in the order in which they were put."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, channel: str) -> None:
        self.request = request
        self.ws = ws
        self.channel = channel
        self.wanted: set[str] = set()
        self.credentials: Credentials | None = None
        self.frames: asyncio.Queue[str] = asyncio.Queue()

    async def write(self) -> None:
        """Send what is put, until cancelled."""
        while True:
            text = await self.frames.get()
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self.ws.send_str(text)
            self.frames.task_done()


class Channels:
    """All open sockets. It is the engine's listener."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        agenda: Agenda,
        faults: Faults,
        keys: Keys,
        ledger: Ledger,
    ) -> None:
        self.sockets: list[Socket] = []
        self.received: list[tuple[str, Json]] = []
        self._loop = loop
        self._agenda = agenda
        self._faults = faults
        self._keys = keys
        self._ledger = ledger
        self._told: dict[str, Depth] = {}
        self._trades: dict[str, list[Trade]] = {}
        self._held: list[tuple[str, Json, str]] | None = None

    # -- sockets -----------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        channel = request.match_info["channel"]
        if channel in self._faults.refused:
            raise web.HTTPServiceUnavailable
        while channel in self._faults.unanswered:
            await asyncio.sleep(0.01)
        if request.transport is None:  # nobody waits any more
            raise web.HTTPServiceUnavailable
        if channel not in ("market", "user"):
            raise web.HTTPNotFound
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        socket = Socket(request, ws, channel)
        self.sockets.append(socket)
        writer = self._loop.create_task(socket.write())
        try:
            async for message in ws:
                if message.type == WSMsgType.TEXT and not self._hear(socket, message.data):
                    break
        finally:
            self.sockets.remove(socket)
            writer.cancel()
            while not socket.frames.empty():
                socket.frames.get_nowait()
                socket.frames.task_done()
        return ws

    def _hear(self, socket: Socket, text: str) -> bool:
        """Take a client's frame; whether the connection goes on."""
        if text == "PING":
            socket.frames.put_nowait("PONG")
            return True
        try:
            frame = json.loads(text)
        except ValueError:
            return False
        self.received.append((socket.channel, {k: v for k, v in frame.items() if k != "auth"}))
        if socket.channel == "user":
            return self._hear_user(socket, frame)
        self._hear_market(socket, frame)
        return True

    def _hear_user(self, socket: Socket, frame: Json) -> bool:
        auth = frame.get("auth") or {}
        if auth:
            socket.credentials = self._keys.check(
                auth.get("apiKey", ""), auth.get("secret", ""), auth.get("passphrase", "")
            )
        if socket.credentials is None:
            return False
        self._want(socket, frame, frame.get("markets") or [])
        return True

    def _hear_market(self, socket: Socket, frame: Json) -> None:
        tokens = [t for t in frame.get("assets_ids") or [] if t in self._ledger.by_token]
        self._want(socket, frame, tokens)
        shown = [t for t in tokens if t not in self._faults.silent]
        if frame.get("operation") != "unsubscribe" and "market" not in self._faults.silent:
            books = [messages.first_book(self._ledger.by_token[t], t) for t in shown]
            if books:
                plain = messages.plainer(books, self._faults.optional_fields)
                socket.frames.put_nowait(json.dumps(plain))

    def _want(self, socket: Socket, frame: Json, wanted: list[str]) -> None:
        if frame.get("operation") == "unsubscribe":
            socket.wanted.difference_update(wanted)
        else:
            socket.wanted.update(wanted)

    def push(self, channel: str, text: str) -> None:
        """Send a frame, whatever it holds, to every socket of a channel."""
        for socket in self._of(channel):
            socket.frames.put_nowait(text)

    async def drop(self, channel: str, *, is_hard: bool) -> int:
        """End every connection of a channel, with a reset or a goodbye; how many there were."""
        dropped = list(self._of(channel))
        for socket in dropped:
            if is_hard and socket.request.transport is not None:
                socket.request.transport.abort()
            else:
                await socket.ws.close()
        return len(dropped)

    async def flush(self) -> None:
        """Wait until what was put is sent, but not for a client that does not read."""
        sending = [asyncio.ensure_future(socket.frames.join()) for socket in self.sockets]
        if sending:
            _, stuck = await asyncio.wait(sending, timeout=READING_SECONDS)
            for wait in stuck:
                wait.cancel()

    def _of(self, channel: str) -> Iterator[Socket]:
        return (socket for socket in self.sockets if socket.channel == channel)

    # -- what the engine tells ---------------------------------------------------------------------

    def book_changed(self, market: Market) -> None:
        """Tell a market's changed sizes; after a trade its whole books."""
        market.changed_ms = self._agenda.now_ms()
        token = market.tokens[0]
        before = self._told.get(market.condition_id, {Side.BUY: {}, Side.SELL: {}})
        now = self._told[market.condition_id] = market.depth(token)
        trades = self._trades.pop(market.condition_id, [])
        for trade in trades:
            self._tell_market(market, messages.last_trade(trade, market.changed_ms))
        if trades:
            for asset in market.tokens:
                self._tell_market(market, messages.later_book(market, asset))
            return
        changes = list(_changes(before, now))
        if changes:
            self._tell_market(market, messages.price_change(market, changes))

    def traded(self, trade: Trade) -> None:
        """Tell those who took part."""
        self._trades.setdefault(trade.market.condition_id, []).append(trade)
        self.settled(trade)
        for maker in trade.makers:
            if maker.order is not None:
                self.order_said(maker.order, "UPDATE")

    def settled(self, trade: Trade) -> None:
        """Tell those who took part how far a trade has come."""
        told: set[str] = set()
        for leg in trade.legs:
            if leg.order is not None and leg.owner not in told:
                told.add(leg.owner)
                event = messages.trade_event(trade, leg, self._agenda.now_ms())
                event["status"] = self._faults.settlement_words.get(trade.status, trade.status)
                self._tell_user(f"trade {trade.status}", event, leg.owner)

    def order_said(self, order: Order, event: str, status: str = "") -> None:
        """Tell an order's owner of it."""
        told = messages.order_event(order, event, status, self._agenda.now_ms())
        self._tell_user(f"order {event}", told, order.owner)

    def tell_market(self, market: Market, told: Json) -> None:
        """Tell those who listen to a market."""
        self._tell_market(market, told)

    # -- sending -----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep the user channel's messages back, until `release`."""
        self._held = []

    def release(self, seconds: float) -> None:
        """Send what was kept back, after a while."""
        held, self._held = self._held or [], None
        for message in held:
            self._loop.call_later(seconds, self._tell_user, *message)

    def _tell_user(self, what: str, told: Json, owner: str) -> None:
        if self._held is not None:
            self._held.append((what, told, owner))
            return
        address = self._keys.address_of(owner)
        for socket in list(self._of("user")):
            is_owner = socket.credentials is not None and socket.credentials.address == address
            market = self._ledger.by_token[told["asset_id"]].narrow_id
            if is_owner and (not socket.wanted or market in socket.wanted):
                self._send(socket, what, json.dumps(told), {told["asset_id"]})

    def _tell_market(self, market: Market, told: Json) -> None:
        tokens = {told["asset_id"]} if "asset_id" in told else set(market.tokens)
        for socket in list(self._of("market")):
            if tokens & socket.wanted:
                self._send(socket, told["event_type"], json.dumps(told), tokens)

    def _send(self, socket: Socket, what: str, text: str, tokens: set[str]) -> None:
        if self._faults.silent & ({socket.channel} | tokens):
            return
        if how := self._faults.optional_fields:
            text = json.dumps(messages.plainer(json.loads(text), how))
        fault = self._faults.take_message(what, text)
        if fault is not None and fault.action == "lose":
            return
        if fault is not None and fault.action == "postpone":
            self._loop.call_later(fault.seconds, socket.frames.put_nowait, text)
            return
        for _ in range(2 if fault is not None else 1):
            socket.frames.put_nowait(text)


def _changes(before: Depth, now: Depth) -> Iterator[tuple[Side, Decimal, Decimal]]:
    for side in Side:
        for price in sorted(before[side].keys() | now[side].keys()):
            size = now[side].get(price, ZERO)
            if size != before[side].get(price, ZERO):
                yield side, price, size
