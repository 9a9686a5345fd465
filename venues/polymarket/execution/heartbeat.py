"""The venue's dead man's switch: it cancels every order of the wallet once heartbeats stay out.

Every order: the targets too, and those that the owner placed on the website.
"""

import asyncio
from collections.abc import Callable

from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.exceptions import PolyApiException

BEAT_SECONDS = 5.0
"""The venue waits for about ten."""


class Heartbeat:
    """Tells the venue that the node is alive."""

    def __init__(self, client: ClobClient, warn: Callable[[str], None]) -> None:
        self._client = client
        self._warn = warn
        self._last = ""

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def beat(self) -> None:
        """Beat once. Each beat names the one before; the venue says which it expects."""
        try:
            reply = await asyncio.to_thread(self._client.post_heartbeat, self._last)
        except PolyApiException as e:
            reply = e.error_msg
            self._warn(f"a heartbeat was refused: {e.error_msg}")
        except Exception as e:
            self._warn(f"a heartbeat failed: {type(e).__name__}")
            return
        if isinstance(reply, dict):
            self._last = str(reply.get("heartbeat_id") or "")
