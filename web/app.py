"""Wires the page and the interface of one state folder, and serves them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from msgspec import Struct

from positions.operations.settings import Settings
from positions.operations.wallet import FUNDER
from web.access import Guard, Keys, check_address, origins
from web.context import Context, make_context
from web.routes import add_routes
from web.stream import Stream

CONNECTIONS_MAX = 400
SOCKET_BYTES_MAX = 2**20


class Place(Struct, frozen=True):
    """Where it is served.

    Parameters
    ----------
    allow_remote
        Whether an address other than this machine's own may be served.
    certificate, key
        The files of TLS; None = none.
    proxy
        The address, such as "https://bets.example.org", that a TLS proxy serves this at.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    allow_remote: bool = False
    certificate: Path | None = None
    key: Path | None = None
    proxy: str | None = None

    @property
    def has_tls(self) -> bool:
        """Whether it speaks TLS itself."""
        return self.certificate is not None

    @property
    def origin(self) -> str:
        """The address to open."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return self.proxy or f"{'https' if self.has_tls else 'http'}://{name}:{self.port}"

    def origins(self) -> frozenset[str]:
        """Every address that our own pages may have."""
        return origins(self.host, self.port, has_tls=self.has_tls, proxy=self.proxy)


def make_app(context: Context, *, with_pages: bool = True) -> FastAPI:
    """The application, without the guard before it; one with pages a process."""
    stream = Stream(context.source)
    context.commands.on_reply = stream.tell_reply

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await context.source.look()
        reading = asyncio.create_task(context.source.run())
        try:
            yield
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            await context.commands.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    add_routes(app, context, stream)
    if with_pages:
        from nicegui import ui  # takes a second to load, and keeps one application a process

        from web.pages import register

        register(context)
        ui.run_with(app, title="polybracket", show_welcome_message=False, dark=None)
    return app


def guarded(
    app: Any, keys: Keys, place: Place, tell: Callable[[str], None] = lambda _: None
) -> Guard:
    """The application behind its guard."""
    return Guard(app, keys, place.origins(), place.origin, tell)


def serve(state: Path, settings: Settings, place: Place, tell: Callable[[str], None]) -> None:
    """Serve until stopped.

    Raises NotAllowed where the address may not be served.
    """
    check_address(
        place.host, is_allowed=place.allow_remote, has_tls=place.has_tls, proxy=place.proxy
    )
    context = make_context(state, settings, os.environ.get(FUNDER, ""))
    app = guarded(make_app(context), Keys.of(state), place, tell)
    tell(f"open {app.entrance()}")
    tell(f"programs show the token in {state / 'web' / 'token'}; {place.origin}/docs says how")
    uvicorn.run(
        app,
        host=place.host,
        port=place.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        ws_max_size=SOCKET_BYTES_MAX,
        timeout_graceful_shutdown=3,
        ssl_certfile=None if place.certificate is None else str(place.certificate),
        ssl_keyfile=None if place.key is None else str(place.key),
    )
