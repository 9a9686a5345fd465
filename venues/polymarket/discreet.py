"""The adapter's websocket client, without the credentials in its log.

Defect: a message that cannot be sent is logged whole, with the API's secret in it. Can go when the
adapter leaves `auth` out.
"""

from typing import Any

import msgspec
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketClient
from nautilus_trader.core.nautilus_pyo3 import WebSocketClientError


class DiscreetWebSocketClient(PolymarketWebSocketClient):
    """Logs that a message was not sent, and not the message."""

    async def _send(self, client_id: int, msg: dict[str, Any]) -> None:
        client = self._clients.get(client_id)
        if client is None:
            self._log.warning(f"ws-client {client_id}: not connected, nothing sent")
            return
        try:
            await client.send_text(msgspec.json.encode(msg))
        except WebSocketClientError as e:
            self._log.warning(f"ws-client {client_id}: {e!s}")
