"""The market channel and the user channel: opened until they are open, and known to be.

A channel is up once each of its sockets is open and has asked, since it was opened, for all that it
is to hear. Nobody must wait for it, and it keeps the credentials to itself.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from nautilus_trader.adapters.polymarket.common.credentials import PolymarketWebSocketAuth
from nautilus_trader.adapters.polymarket.websocket.client import (
    PolymarketWebSocketChannel,
    PolymarketWebSocketClient,
)
from nautilus_trader.core.nautilus_pyo3 import (
    WebSocketClient,
    WebSocketClientError,
    WebSocketConfig,
)

from venues.polymarket.api.protocol import Protocol, protocol_of_condition

_IDLE_MS = {PolymarketWebSocketChannel.MARKET: 60_000, PolymarketWebSocketChannel.USER: 300_000}
"""How long nothing may be received on a socket, no answer to a ping either, before it is lost."""
_AGAIN_SECONDS = 1.0
_OPEN_SECONDS = 3.0
"""How long who asks whether it is up waits while it is being opened."""
_ANSWER_MS = 5_000
"""How long a lost socket's opening may take before it is tried anew."""
_PAUSES_MS = (500, 2_000)
"""The shortest and the longest pause between two tries."""


class ChannelClient(PolymarketWebSocketClient):
    """Tries again until the channel is up, and logs nothing that is secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._openings: Counter[int] = Counter()
        """How often a socket was opened."""
        self._subscribed: dict[int, int] = {}
        """The last of a socket's openings at which it subscribed to all that it is to receive."""
        self._tried_later: set[int] = set()
        self._hears_all: set[int] = set()
        """Sockets of the user channel that asked without naming markets."""

    def is_connected(self) -> bool:
        """Defect: a socket counts as connected while it is lost and opened anew, and before it has
        subscribed. Can go when neither does.
        """
        wanted = [client_id for client_id, subs in self._client_subscriptions.items() if subs]
        return bool(wanted) and all(map(self._is_up, wanted))

    async def is_open(self) -> bool:
        """Whether it is connected, or is so in a moment."""
        until = self._loop.time() + _OPEN_SECONDS
        while not self.is_connected() and self._loop.time() < until:
            await asyncio.sleep(0.01)
        return self.is_connected()

    async def connect(self) -> None:
        """Defect: what is subscribed to meanwhile may be an error. Can go when it is none."""
        for client_id in list(self._client_subscriptions):
            await self._connect_client(client_id)

    async def reopen(self) -> None:
        """Open the channel anew, although it seems to be up."""
        for client_id in list(self._clients):
            await self._disconnect_client(client_id)
        await self.connect()

    def _is_up(self, client_id: int) -> bool:
        return (
            self._is_open(client_id)
            and self._subscribed.get(client_id) == self._openings[client_id]
        )

    def _is_open(self, client_id: int) -> bool:
        client = self._clients.get(client_id)
        return client is not None and client.is_active() and not client.is_reconnecting()

    async def _connect_client(self, client_id: int) -> None:
        """Defects: a socket is opened beside one that is open or being opened; one that cannot be
        is an error of whoever asks for it, a start among them, and is not tried again before
        somebody else asks; after a long outage half a minute passes. Can go when none is so.
        """
        client, is_needed = self._clients.get(client_id), self._client_subscriptions.get(client_id)
        if not is_needed or self._is_connecting.get(client_id):
            return
        self._is_connecting[client_id] = True
        try:
            if client is None or not client.is_active():
                self._clients[client_id] = await self._opened(client_id)
                self._openings[client_id] += 1
            await self._subscribe_all(client_id)
        except WebSocketClientError as e:
            self._log.warning(f"{self._ws_url} cannot be opened: {e!s}; it is tried again")
            if client_id not in self._tried_later:
                self._tried_later.add(client_id)
                self._spawn(self._connect_later(client_id))
        finally:
            self._is_connecting[client_id] = False

    async def _opened(self, client_id: int) -> WebSocketClient:
        config = WebSocketConfig(
            url=self._ws_url,
            headers=[],
            heartbeat=10,
            idle_timeout_ms=_IDLE_MS[self._channel],
            proxy_url=self._proxy_url,
            reconnect_timeout_ms=_ANSWER_MS,
            reconnect_delay_initial_ms=_PAUSES_MS[0],
            reconnect_delay_max_ms=_PAUSES_MS[1],
        )
        return await WebSocketClient.connect(
            loop_=self._loop,
            config=config,
            handler=self._handler,
            post_reconnection=lambda: self._handle_reconnect(client_id),
        )

    async def _connect_later(self, client_id: int) -> None:
        await asyncio.sleep(_AGAIN_SECONDS)
        self._tried_later.discard(client_id)
        await self._connect_client(client_id)
        if self._is_up(client_id) and self._handler_reconnect is not None:
            await self._handler_reconnect()

    def _handle_reconnect(self, client_id: int) -> None:
        """Defects: this is called on a thread of the socket's, and a task that is made there waits
        until something else wakes the event loop; what was missed is asked for before all that
        follows is received. Can go when the adapter subscribes on its loop, and first.
        """
        self._openings[client_id] += 1
        self._loop.call_soon_threadsafe(lambda: self._spawn(self._resume(client_id)))

    async def _resume(self, client_id: int) -> None:
        self._log.warning(f"{self._ws_url} was lost and is open again")
        await self._subscribe_all(client_id)
        if self._handler_reconnect is not None:
            await self._handler_reconnect()

    async def _subscribe_all(self, client_id: int) -> None:
        """Defect: what is subscribed to while this is sent, or cannot be sent, is never asked for.
        Can go when it is. A socket that is lost meanwhile asks once it is open again.
        """
        while self._is_open(client_id):
            opening, subs = self._openings[client_id], list(self._client_subscriptions[client_id])
            self._client_subscriptions_initial[client_id] = set(subs)
            is_user = self._channel == PolymarketWebSocketChannel.USER
            make = (
                self._create_subscribe_user_channel_msg
                if is_user
                else self._create_subscribe_market_channel_msg
            )
            msg = make(subs)
            if is_user and any(protocol_of_condition(s) is Protocol.V2 for s in subs):
                # How wide the channel wants such a market's id is not documented: all are heard.
                del msg["markets"]
                self._hears_all.add(client_id)
            is_sent = await self._has_sent(client_id, msg)
            if is_sent and set(subs) >= set(self._client_subscriptions[client_id]):
                self._subscribed[client_id] = opening
                return
            await asyncio.sleep(0.01 if is_sent else _AGAIN_SECONDS / 4)

    async def _send(self, client_id: int, msg: dict[str, Any]) -> None:
        """Defect: a message that cannot be sent is logged whole, with the API's secret in it. Can
        go when the adapter leaves `auth` out. Another: one that named no markets is narrowed down
        by one that it names later, and cannot be asked to hear all. Can go when all are heard.
        """
        markets = msg.get("markets") or ()
        if client_id in self._hears_all and markets:
            return
        if any(protocol_of_condition(m) is Protocol.V2 for m in markets):
            await self.reopen()
            if self._handler_reconnect is not None:
                await self._handler_reconnect()
            return
        await self._has_sent(client_id, msg)

    async def _has_sent(self, client_id: int, msg: dict[str, Any]) -> bool:
        client = self._clients.get(client_id)
        if client is None:
            self._log.warning(f"ws-client {client_id}: not connected, nothing sent")
            return False
        try:
            await client.send_text(msgspec.json.encode(msg))
        except WebSocketClientError as e:
            self._log.warning(f"ws-client {client_id}: {e!s}")
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def channel_of(
    client: Any,
    channel: PolymarketWebSocketChannel,
    handler: Callable[[bytes], None],
    reconnected: Callable[[], Awaitable[None]] | None = None,
    auth: PolymarketWebSocketAuth | None = None,
) -> ChannelClient:
    """A channel as the configuration of a client of the adapter's says."""
    return ChannelClient(
        client._clock,
        base_url=client._config.base_url_ws,
        channel=channel,
        handler=handler,
        handler_reconnect=reconnected,
        loop=client._loop,
        auth=auth,
        max_subscriptions_per_connection=client._config.ws_max_subscriptions_per_connection,
        proxy_url=client._config.proxy_url,
    )
