"""The user channel, which nobody must wait for, and which keeps the credentials to itself."""

import asyncio
from typing import Any

import msgspec
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketClient
from nautilus_trader.core.nautilus_pyo3 import WebSocketClientError

_AGAIN_SECONDS = 1.0


class UserChannelClient(PolymarketWebSocketClient):
    """Tries again until the channel is open, and logs nothing that is secret."""

    async def subscribe(self, subscription: str) -> None:
        """Defect: a channel that cannot be opened is an error of whoever asks for it, a start among
        them, and is not tried again before somebody else asks. Can go when it is.
        """
        try:
            await super().subscribe(subscription)
        except WebSocketClientError as e:
            self._log.warning(f"the user channel cannot be opened: {e!s}; it is tried again")
            task = self._loop.create_task(self._subscribe_later(subscription))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def is_open(self) -> bool:
        """Whether it is connected, once no attempt at that is under way."""
        while any(self._is_connecting.values()):
            await asyncio.sleep(0.01)
        return bool(self.is_connected())

    async def _subscribe_later(self, subscription: str) -> None:
        await asyncio.sleep(_AGAIN_SECONDS)
        await self.subscribe(subscription)
        if self.is_connected():
            await self._handler_reconnect()

    async def _send(self, client_id: int, msg: dict[str, Any]) -> None:
        """Defect: a message that cannot be sent is logged whole, with the API's secret in it. Can
        go when the adapter leaves `auth` out.
        """
        client = self._clients.get(client_id)
        if client is None:
            self._log.warning(f"ws-client {client_id}: not connected, nothing sent")
            return
        try:
            await client.send_text(msgspec.json.encode(msg))
        except WebSocketClientError as e:
            self._log.warning(f"ws-client {client_id}: {e!s}")
