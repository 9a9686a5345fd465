"""A program that speaks to an application in this process, with the application's own life."""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import httpx
from fastapi import FastAPI


class AsgiClient:
    """Requests by `httpx`, to an application that runs on a thread of its own.

    `door` is what is asked, by default the application itself.
    """

    def __init__(self, app: FastAPI, door: Any = None, **settings: Any) -> None:
        self._app, self._door, self._settings = app, door or app, settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._is_over: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready: Future[None] = Future()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), self._loop)
        try:
            self._ready.result(30)
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        try:
            self._life.result(30)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _live(self) -> None:
        self._is_over = asyncio.Event()
        transport = httpx.ASGITransport(self._door)
        async with (
            self._app.router.lifespan_context(self._app),
            httpx.AsyncClient(transport=transport, **self._settings) as self._client,
        ):
            self._ready.set_result(None)
            await self._is_over.wait()
        await asyncio.get_running_loop().shutdown_default_executor()

    def request(self, method: str, address: str, **values: Any) -> httpx.Response:
        """One request and its answer."""
        asked = self._client.request(method, address, **values)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)

    def get(self, address: str, **values: Any) -> httpx.Response:
        return self.request("GET", address, **values)

    def post(self, address: str, **values: Any) -> httpx.Response:
        return self.request("POST", address, **values)

    def patch(self, address: str, **values: Any) -> httpx.Response:
        return self.request("PATCH", address, **values)

    def delete(self, address: str, **values: Any) -> httpx.Response:
        return self.request("DELETE", address, **values)
