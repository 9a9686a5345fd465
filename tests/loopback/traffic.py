"""Every request on its way in and out: noted, delayed, and met by faults."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from loopback.books import reply
from loopback.faults import Faults, HttpFault
from loopback.messages import plainer
from loopback.rules import Refused

JSON = "application/json"
PLAIN = ("/balance", "/book", "/cancel", "/data/", "/order")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Request:
    """A request as it came. `time_ns` is of the monotonic clock; `peer` is the port of the
    connection that it came on; `status` is 0 until it is answered, and stays so where it never
    was."""

    time_ns: int
    method: str
    path: str
    query: dict[str, str]
    body: str
    auth: str
    peer: int
    status: int = 0

    @property
    def where(self) -> str:
        """What it asked, as in "POST /order"."""
        return f"{self.method} {self.path}"


class Traffic:
    """Stands between the network and what answers."""

    def __init__(self, faults: Faults) -> None:
        self.requests: list[Request] = []
        self._faults = faults

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note a request, answer it, and let befall it what must."""
        arrived = time.monotonic_ns()
        body = (await request.read()).decode(errors="replace")
        noted = Request(
            arrived,
            request.method,
            request.path,
            dict(request.query),
            body,
            _level(request),
            _peer(request),
        )
        self.requests.append(noted)
        text = f"{request.path_qs} {body}"
        await self._travel(request)
        answer = await self._fault(request, noted.where, text, is_after=False)
        if answer is None:
            done = self._plainer(request, await self._handle(request, handler))
            answer = await self._fault(request, noted.where, text, is_after=True, done=done) or done
        await self._travel(request)
        if request.transport is not None and not request.transport.is_closing():
            noted.status = answer.status
        return answer

    async def _travel(self, request: web.Request) -> None:
        if self._faults.round_trip and not request.path.startswith("/ws/"):
            await asyncio.sleep(self._faults.round_trip / 2)

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as e:
            return reply(e.body, e.status, e.headers)

    def _plainer(self, request: web.Request, done: web.StreamResponse) -> web.StreamResponse:
        """An answer about orders and books with its optional fields as the venue tells them now."""
        how = self._faults.optional_fields if request.path.startswith(PLAIN) else ""
        if not how or not isinstance(done, web.Response) or done.content_type != JSON:
            return done
        return reply(plainer(json.loads(done.text or "null"), how), done.status)

    async def _fault(
        self,
        request: web.Request,
        where: str,
        text: str,
        *,
        is_after: bool,
        done: web.StreamResponse | None = None,
    ) -> web.StreamResponse | None:
        fault = self._faults.take_http(where, text, is_after=is_after)
        if fault is None:
            return None
        if fault.say is not None:
            return await fault.say(request)
        if fault.action == "hang":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.action == "reset":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if fault.action == "cut":
            whole = done.text or "" if isinstance(done, web.Response) else ""
            return web.Response(text=whole[: len(whole) // 2], content_type="application/json")
        return reply({"error": fault.error or _said(fault)}, fault.status)


def _said(fault: HttpFault) -> str:
    words = {
        425: "service not ready",
        429: "Too Many Requests",
        500: "Internal server error",
        503: "service not ready",
    }
    return words.get(fault.status, "refused")


def _level(request: web.Request) -> str:
    if "POLY_API_KEY" in request.headers:
        return "L2"
    return "L1" if "POLY_SIGNATURE" in request.headers else ""


def _peer(request: web.Request) -> int:
    """The client's port; 0 where the connection is gone already."""
    address = request.transport and request.transport.get_extra_info("peername")
    return address[1] if address else 0
