"""The one door to the venue's HTTP interfaces: no answer takes longer, or is larger, than allowed.

A timeout of the HTTP library begins anew with each byte, so that an answer of a byte every two
seconds would hold an exit up for ever; and a few kilobytes can be made of gigabytes. Here the whole
call has one deadline, from the wait for a connection to the last byte of the answer, and an answer
is decoded no further than to `ANSWER_BYTES_MAX`.

    httpx.RequestError
        What the library raises where there is no answer; among them:
        ConnectTimeout, PoolTimeout  the time was over before anything was sent
        WriteTimeout, ReadTimeout    the time was over later: nobody knows what the venue did
        AnswerTooLarge               the venue answered, and has acted
"""

import asyncio
import json
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx
from msgspec import Struct

from positions.model.foreign_text import REASON_LENGTH, clean

CALL_SECONDS = 5.0
"""The longest that a call may take which an exit may wait for."""
PUBLIC_CALL_SECONDS = 10.0
"""The same for descriptions and histories, which nothing that is held waits for."""
ANSWER_BYTES_MAX = 16 * 2**20
"""The largest answer, decoded; the venue's own are below 3 MB."""
_SHARED_HEADERS = {"Accept-Encoding": "gzip"}
_ABOUT_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_LOCAL = threading.local()
"""Of a thread: `deadline` of the call that it makes, by the monotonic clock, and `received`, the
bytes of all answers that it has got."""


class AnswerTooLarge(httpx.RequestError):
    """The answer is larger than it may be, or cannot be decoded."""


class Answer(Struct, frozen=True):
    """What was answered: the status, and the decoded body."""

    status: int
    body: bytes


# -- bodies ----------------------------------------------------------------------------------------


class Body:
    """Takes an answer's bytes as they come, and decodes them.

    Raises
    ------
    AnswerTooLarge
        As soon as it is, or at once where it is encoded in a way that was not asked for.
    """

    def __init__(self, headers: httpx.Headers) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise AnswerTooLarge(f"the answer is encoded as {encoding[:40]!r}")
        is_plain = encoding in ("identity", "")
        # 47: gzip or zlib, whichever it is
        self._inflater = None if is_plain else zlib.decompressobj(47)
        self._parts: list[bytes] = []
        self._left = ANSWER_BYTES_MAX

    def add(self, raw: bytes) -> None:
        """Take what has come."""
        part = raw
        if self._inflater is not None:
            try:
                part = self._inflater.decompress(raw, self._left + 1)
            except zlib.error as e:
                raise AnswerTooLarge(f"the answer cannot be decoded: {e}") from None
        self._left -= len(part)
        if self._left < 0:
            raise AnswerTooLarge(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
        self._parts.append(part)

    def whole(self) -> bytes:
        """All of it."""
        body = b"".join(self._parts)
        if self._inflater is not None and not self._inflater.eof and body:
            raise AnswerTooLarge("the answer is cut short")
        return body


class _Reply(httpx.Response):
    """A response that is read; what is nested too deep to be read is no JSON."""

    def json(self, **kwargs: Any) -> Any:
        try:
            return super().json(**kwargs)
        except RecursionError:
            raise ValueError("the answer is nested too deep") from None


# -- deadlines -------------------------------------------------------------------------------------


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """What is left of a call's time, at most `timeout`."""
    deadline: float | None = getattr(_LOCAL, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise late("the time for the whole call is over")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends at the deadline of the call that it serves."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects within the deadline, whichever of a name's addresses answers."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = list(_addresses(host, port))
        for number, address in enumerate(addresses):
            left = _left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(addresses) - number)
            try:
                return _Stream(
                    self._backend.connect_tcp(address, port, share, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


def _addresses(host: str, port: int) -> Iterator[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as e:
        raise httpcore.ConnectError(str(e)) from None
    yield from dict.fromkeys(str(address[0]) for *_, address in found)


# -- clients ---------------------------------------------------------------------------------------


class BoundedClient(httpx.Client):
    """A client that gives each call one deadline, and each answer a size."""

    def __init__(self, seconds: float = CALL_SECONDS, **kwargs: Any) -> None:
        super().__init__(timeout=seconds, headers=_SHARED_HEADERS, **kwargs)
        self._seconds = seconds
        self.heard: Callable[[httpx.Response], None] = lambda _: None
        """Takes each answer, on the thread that asked."""
        # Given to the transports here, since a client with a transport of its own uses no proxy.
        for transport in (self._transport, *self._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = _Backend()

    def send(
        self, request: httpx.Request, *, stream: bool = False, **kwargs: Any
    ) -> httpx.Response:
        """Send a request; the answer is read by then, unless it is a `stream`.

        Raises
        ------
        httpx.RequestError
            If there is no whole answer in time, or it is too large.
        """
        _LOCAL.deadline = time.monotonic() + self._seconds
        try:
            response = super().send(request, stream=True, **kwargs)
            if stream:
                return response
            try:
                body = Body(response.headers)
                for part in response.iter_raw():
                    body.add(part)
            finally:
                response.close()
            self.heard(response)
            whole = body.whole()
            _LOCAL.received = received() + len(whole)
            return _reply(response, whole)
        finally:
            _LOCAL.deadline = None


def received() -> int:
    """The decoded bytes of all answers that this thread has got."""
    return getattr(_LOCAL, "received", 0)


def _reply(response: httpx.Response, body: bytes) -> httpx.Response:
    headers = [(n, v) for n, v in response.headers.multi_items() if n not in _ABOUT_THE_BODY]
    return _Reply(response.status_code, headers=headers, content=body, request=response.request)


class PublicClient:
    """Asks public interfaces from the event loop, in the words of Nautilus' own client.

    Paths are put behind `address`; it is empty where whole addresses are asked for.
    """

    def __init__(self, address: str = "", seconds: float = PUBLIC_CALL_SECONDS) -> None:
        self._seconds = seconds
        self._client = httpx.AsyncClient(base_url=address, timeout=seconds, headers=_SHARED_HEADERS)

    async def close(self) -> None:
        """Give the connections up."""
        await self._client.aclose()

    async def get(self, url: str, params: dict[str, Any] | None = None, **_: Any) -> Answer:
        """Ask for an address.

        Raises
        ------
        httpx.RequestError
            If there is no whole answer in time, or it is too large.
        """
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("GET", url, params=params) as response,
            ):
                return Answer(response.status_code, await _read(response))
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer within {self._seconds:g} s") from None

    async def get_json(
        self, url: str, params: dict[str, Any], failed: Callable[[str], Exception]
    ) -> Any:
        """Ask for an address that answers with JSON; what `failed` makes of the reason is raised
        where it does not.
        """
        try:
            answer = await self.get(url, params)
            if answer.status != httpx.codes.OK:
                raise failed(f"status {answer.status}")
            return json.loads(answer.body)
        except (httpx.HTTPError, ValueError, RecursionError) as e:
            raise failed(clean(str(e) or type(e).__name__, REASON_LENGTH)) from None


async def _read(response: httpx.Response) -> bytes:
    body = Body(response.headers)
    parts: AsyncIterator[bytes] = response.aiter_raw()
    async for part in parts:
        body.add(part)
    return body.whole()
