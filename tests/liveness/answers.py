"""Hostile answers of the venue's REST interface, met by the victim's exit or by every request."""

import asyncio
import contextlib
import gzip
import random
from collections.abc import Callable

from aiohttp import web
from liveness.grammar import Json, anything, junk, mutated, number, words, written
from liveness.scene import Act, Scene
from loopback.faults import Say

_OF_ORDERS = ("POST /order", "POST /order", "DELETE /order", "DELETE *")
_OF_QUESTIONS = (
    "GET /data/orders", "GET /data/order/*", "GET /data/trades", "GET /data/*", "POST /books",
    "GET /book*", "GET /balance-allowance*", "GET /gamma/*", "GET /data-api/*", "GET /markets/*",
    "GET /clob-markets/*", "GET *",
)  # fmt: skip
_OWN_ROUNDS = 4000
"""For a sale whose own request is met: its deadline has to pass first."""
_START_ROUNDS = 12_000
_CODES = (200, 200, 200, 201, 204, 302, 304, 400, 401, 403, 404, 418, 425, 429, 500, 502, 503, 599)


def of_orders(chance: random.Random) -> Act:
    """What the victim's exit is answered while the other's stop triggers."""
    name, say = _answer(chance)
    where = chance.choice(_OF_ORDERS)
    after = chance.random() < 0.3
    times = chance.choice((1, 2, 5))

    async def play(scene: Scene) -> None:
        token = scene.victim.token if where.startswith("POST") else ""
        scene.venue.faults.say(where, say, after=after, times=times, token=token)
        await scene.fall(scene.victim)

    rounds = _OWN_ROUNDS if where.startswith("DELETE") else 600
    act = f"{where} of the victim x{times}{' after' * after}: {name}"
    return Act(act, play, rounds, spares_victim=False)


def of_own_order(chance: random.Random) -> Act:
    """What the other's own exit is answered, once."""
    name, say = _answer(chance)
    where = chance.choice(("POST /order", "DELETE /order"))
    after = chance.random() < 0.3

    async def play(scene: Scene) -> None:
        token = scene.other.token if where.startswith("POST") else ""
        scene.venue.faults.say(where, say, after=after, token=token)

    return Act(f"{where} of the sale itself{' after' * after}: {name}", play, _OWN_ROUNDS)


def of_questions(chance: random.Random) -> Act:
    """What everything that only asks is answered for a while."""
    name, say = _answer(chance)
    where = chance.choice(_OF_QUESTIONS)
    times = chance.choice((1, 3, 10))
    cause = chance.choice(("nothing", "fall", "market", "user", "search"))

    async def play(scene: Scene) -> None:
        scene.venue.faults.say(where, say, times=times)
        if cause == "fall":
            await scene.fall(scene.victim)
        elif cause == "search":
            market = f"nowhere-{scene.chance.random()}"
            asked = {"market": market, "outcome": "Yes", "max_bid": "0.5", "size": "5"}
            scene.session._spool.put(
                written(random.Random(1), {"command": "submit"} | asked).encode()
            )
        elif cause != "nothing":
            await scene.do(lambda: scene.venue.drop(cause))

    rounds = _OWN_ROUNDS if cause in ("market", "user") else 600
    return Act(f"{where} x{times}, then {cause}: {name}", play, rounds, spares_victim=False)


def of_a_start(chance: random.Random) -> Act:
    """What a node is answered that starts with positions."""
    name, say = _answer(chance)
    where = chance.choice((*_OF_QUESTIONS, "GET /data-api/positions", "GET /time"))
    times = chance.choice((1, 3, 10))

    async def play(scene: Scene) -> None:
        scene.venue.faults.say(where, say, times=times)

    act = f"{where} x{times} at a start: {name}"
    return Act(act, play, _START_ROUNDS, spares_victim=False)


def _answer(chance: random.Random) -> tuple[str, Say]:
    """One way of answering, and what it is called."""
    name = chance.choice(sorted(_WAYS))
    return _WAYS[name](chance)


def _plain(name: str, make: Callable[[], web.StreamResponse]) -> tuple[str, Say]:
    async def say(_: web.Request) -> web.StreamResponse:
        return make()

    return name, say


def _text(chance: random.Random) -> tuple[str, Say]:
    status, text = chance.choice(_CODES), junk(chance)
    kind = chance.choice(("application/json", "text/html", "text/plain", "image/png"))
    headers = {"Location": "http://127.0.0.1:1/"} if status == 302 else {}
    body = "" if status in (204, 304) else text
    return _plain(
        f"{status} {kind} {text[:20]!r}",
        lambda: web.Response(status=status, text=body, content_type=kind, headers=headers),
    )


def _wrong_types(chance: random.Random) -> tuple[str, Say]:
    plausible: tuple[Json, ...] = (
        {"success": True, "errorMsg": "", "orderID": "0x" + "ab" * 32, "status": "matched",
         "tradeIDs": ["x"], "transactionsHashes": ["0x1"], "makingAmount": "20"},
        {"success": False, "errorMsg": words(chance), "orderID": ""},
        {"error": words(chance)},
        {"canceled": ["0x" + "ab" * 32], "not_canceled": {}},
        {"canceled": [], "not_canceled": {"0x" + "ab" * 32: "matched orders can't be canceled"}},
        {"balance": number(chance), "allowances": {"0x0": number(chance)}},
        {"data": [{"id": "x", "price": "0.5", "size": "5"}], "next_cursor": "LTE=", "count": 1},
        {"id": "0x1", "status": "LIVE", "size_matched": number(chance), "price": number(chance)},
    )  # fmt: skip
    body = written(chance, mutated(chance, chance.choice(plausible)))
    status = chance.choice((200, 200, 200, 400, 500))
    return _plain(
        f"{status} {body[:60]!r}",
        lambda: web.Response(status=status, text=body, content_type="application/json"),
    )


def _any_json(chance: random.Random) -> tuple[str, Say]:
    body = written(chance, chance.choice((anything(chance), [anything(chance)] * 3)))
    return _plain(
        f"200 {body[:60]!r}", lambda: web.Response(text=body, content_type="application/json")
    )


def _drip(chance: random.Random) -> tuple[str, Say]:
    gap = chance.choice((0.05, 0.5, 2.0))
    first = chance.choice((b" ", b"{", b'{"success":true', b"[" * 10))

    async def say(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(int(30 / gap)):
                await reply.write(first)
                first_gap = gap
                await asyncio.sleep(first_gap)
        return reply

    return f"a byte every {gap} s", say


def _bomb(chance: random.Random) -> tuple[str, Say]:
    megabytes = chance.choice((1, 20, 200))
    body = gzip.compress(b" " * (1 << 20), 1) * megabytes
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return _plain(
        f"{megabytes} MB of blanks in gzip", lambda: web.Response(body=body, headers=headers)
    )


def _false_gzip(_: random.Random) -> tuple[str, Say]:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return _plain("no gzip", lambda: web.Response(body=b"\x1f\x8b{}", headers=headers))


def _long_headers(chance: random.Random) -> tuple[str, Say]:
    count, size = chance.choice(((20, 4000), (1, 60_000), (2000, 20)))
    headers = {f"X-{n}": "y" * size for n in range(count)}
    return _plain(f"{count} headers", lambda: web.Response(text="{}", headers=headers))


def _endless(_: random.Random) -> tuple[str, Say]:
    body: Json = {"data": [], "next_cursor": "MTAw", "limit": 100, "count": 0}
    return _plain("a cursor without an end", lambda: web.json_response(body))


def _cut(chance: random.Random) -> tuple[str, Say]:
    length = chance.choice((10, 10_000_000))

    async def say(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Length": str(length)})
        await reply.prepare(request)
        await reply.write(b"{")
        if request.transport is not None:
            request.transport.abort()
        return reply

    return f"cut after one byte of {length}", say


def _silence(chance: random.Random) -> tuple[str, Say]:
    seconds = chance.choice((1.0, 8.0))

    async def say(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(status=504)

    return f"nothing for {seconds} s", say


_WAYS: dict[str, Callable[[random.Random], tuple[str, Say]]] = {
    "any json": _any_json,
    "bomb": _bomb,
    "cut": _cut,
    "drip": _drip,
    "endless": _endless,
    "false gzip": _false_gzip,
    "headers": _long_headers,
    "silence": _silence,
    "text": _text,
    "wrong types": _wrong_types,
    "wrong types again": _wrong_types,
}
