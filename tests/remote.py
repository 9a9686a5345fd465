"""The loopback venue in a process of its own: what is timed shares no interpreter with it."""

import multiprocessing
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import web
from loopback.server import LoopbackPolymarket

_FOREVER = 60.0
_sent: list[int] = []


class RemoteVenue:
    """A `LoopbackPolymarket` elsewhere: its methods here, and a stopwatch at its sockets."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._addresses: dict[str, str] = {}

    def __enter__(self) -> "RemoteVenue":
        self._process.start()
        self._addresses = self._ask("settings")
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(_FOREVER)

    def __getattr__(self, name: str) -> Any:
        if name in self._addresses:
            return self._addresses[name]
        return lambda *values, **named: self._ask(name, *values, **named)

    def _ask(self, name: str, *values: Any, **named: Any) -> Any:
        self._pipe.send((name, values, named))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe: Connection) -> None:
    _note_frames()
    with LoopbackPolymarket() as venue:
        own = {
            "time_sales": lambda *a: _time_sales(venue, *a),
            "fault": lambda *a: _fault(venue, *a),
        }
        while (asked := pipe.recv()) is not None:
            name, values, named = asked
            try:
                pipe.send((own.get(name) or getattr(venue, name))(*values, **named))
            except Exception as e:
                pipe.send(e)


def _note_frames() -> None:
    """Keep the time of every frame just before its bytes are written."""
    send = web.WebSocketResponse.send_str

    async def noting(self: web.WebSocketResponse, *values: Any, **named: Any) -> None:
        _sent.append(time.monotonic_ns())
        await send(self, *values, **named)

    web.WebSocketResponse.send_str = noting  # type: ignore[method-assign]


def _fault(venue: LoopbackPolymarket, name: str, value: Any) -> None:
    setattr(venue.faults, name, value)


def _time_sales(venue: LoopbackPolymarket, count: int, quote: Mapping[str, Any]) -> list[float]:
    """Show a quote; the milliseconds from its bytes to each of the next so many `POST /order`."""
    known = len(venue.requests)
    _sent.clear()
    venue.quote(**quote)
    deadline = time.monotonic() + _FOREVER
    posted: list[int] = []
    while len(posted) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(posted)} of {count} sales came")
        time.sleep(0.01)
        posted = [r.time_ns for r in venue.requests[known:] if r.where == "POST /order"]
    return [(at - _sent[0]) / 1e6 for at in posted[:count]]
