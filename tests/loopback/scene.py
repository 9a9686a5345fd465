"""A venue with one market, the official Python client, and a listener to its channels."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
from loopback.server import LoopbackPolymarket, MarketHandle
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import ApiCreds, MarketOrderArgsV2, OrderArgsV2

KEY = "0x" + "11" * 32
OTHER_KEY = "0x" + "22" * 32


class Scene:
    """A venue with one market, 0.50 x 100 / 0.52 x 100, and a client with a thousand dollars."""

    def __init__(self, venue: LoopbackPolymarket) -> None:
        self.venue = venue
        self.market: MarketHandle = venue.add_market("will-it-rain")
        self.yes, self.no = self.market.tokens
        venue.quote(self.yes, "0.50", "100", "0.52", "100")
        self.client = self.make_client(KEY)
        self.me = self.client.get_address()

    def make_client(self, key: str, **fields: Any) -> ClobClient:
        environment = self.venue.wallet(key, cash="1000", funder=fields.get("funder"))
        names = ("POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_PASSPHRASE")
        creds = ApiCreds(*(environment[name] for name in names))
        return ClobClient(self.venue.clob, 137, key=key, creds=creds, **fields)

    def order(self, side: str, price: float, size: float, kind: str = "GTC", **fields: Any) -> Any:
        token = fields.pop("token", self.yes)
        post_only = fields.pop("post_only", False)
        args = OrderArgsV2(token_id=token, price=price, size=size, side=side, **fields)
        return self.client.create_and_post_order(args, order_type=kind, post_only=post_only)

    def market_order(self, side: str, amount: float, kind: str) -> Any:
        args = MarketOrderArgsV2(token_id=self.yes, amount=amount, side=side, order_type=kind)
        return self.client.create_and_post_market_order(args, order_type=kind)


class Listener:
    """Collects what one channel says while a test acts."""

    def __init__(self, scene: Scene, channel: str, **fields: Any) -> None:
        self.frames: list[str] = []
        self._scene = scene
        self._channel = channel
        creds = scene.client.creds
        auth = {
            "apiKey": creds.api_key,
            "secret": creds.api_secret,
            "passphrase": creds.api_passphrase,
        }
        wanted = (
            {"type": "market", "assets_ids": [scene.yes, scene.no]}
            if channel == "market"
            else {"type": "user", "markets": [scene.market.condition_id], "auth": auth}
        )
        self._first = wanted | fields

    def during(self, act: Callable[[], Any], *, until: str) -> list[dict[str, Any]]:
        """Act while listening, until some words were said; all objects that were heard."""
        asyncio.run(self._listen(act, until))
        heard = [json.loads(f) for f in self.frames if f != "PONG"]
        listed = [frame if isinstance(frame, list) else [frame] for frame in heard]
        return [message for frame in listed for message in frame]

    async def _listen(self, act: Callable[[], Any], until: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self._scene.venue.websocket + self._channel) as ws,
        ):
            await ws.send_json(self._first)
            await ws.send_str("PING")
            acting = None
            async for message in ws:
                self.frames.append(message.data)
                if message.data == "PONG":
                    acting = asyncio.create_task(asyncio.to_thread(act))
                if until in message.data:
                    break
            if acting is not None:
                await acting
