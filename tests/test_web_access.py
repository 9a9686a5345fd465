"""What an attacker tries at the page and the interface, and who is let in."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from asgi_client import AsgiClient
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from positions.storage.private_files import NotPrivate
from web.access import COOKIE, Bucket, Guard, Keys, NotAllowed, check_address
from web.app import Place

PLACE = Place(port=8080)
OWN = "http://127.0.0.1:8080"
EVIL = "https://evil.example"
JSON = {"Content-Type": "application/json"}


async def _ok(request: Request) -> Response:
    try:
        await request.body()
    except ClientDisconnect:
        return PlainTextResponse("cut", 413)
    return PlainTextResponse("let in", headers={"Access-Control-Allow-Origin": "*"})


class Door:
    """The guard before an application that answers everything."""

    def __init__(self, folder: Path) -> None:
        self.keys = Keys.of(folder)
        self.said: list[str] = []
        self.seconds = 0.0
        app = FastAPI(openapi_url=None)
        for path in ("/", "/positions/", "/_nicegui_ws/socket.io/"):
            app.add_route(path, _ok, methods=["GET", "POST"])
        self.guard = Guard(
            app, self.keys, PLACE.origins(), PLACE.origin, self.said.append, lambda: self.seconds
        )
        self.http = AsgiClient(app, self.guard, base_url=OWN)

    def cookie(self) -> dict[str, str]:
        """What a browser that was let in sends."""
        return {"Cookie": f"{COOKIE}={self.keys.cookie(time.time())}"}

    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys.token}"}

    def ask(self, method: str, path: str, headers: dict[str, str], **more: Any) -> int:
        return self.http.request(method, path, headers=headers, **more).status_code


@pytest.fixture
def door(tmp_path: Path) -> Any:
    made = Door(tmp_path)
    with made.http:
        yield made


def test_what_an_attacker_tries_is_refused(door: Door) -> None:
    cookie, token, body = door.cookie(), door.token(), {"content": b"{}"}
    read = {"Authorization": f"Bearer {door.keys.read_token}"}
    huge = {"Content-Length": "10000000"}
    table: list[tuple[str, int, str, str, dict[str, str], dict[str, Any]]] = [
        ("a browser of ours", 200, "GET", "/", cookie, {}),
        ("and what its page asks", 200, "POST", "/positions/", cookie | JSON | {"Origin": OWN}, body),
        ("a program", 200, "POST", "/positions/", token | JSON, body),
        ("a program that reads", 200, "GET", "/positions/", read, {}),
        ("nobody", 401, "GET", "/", {}, {}),
        ("a wrong token", 401, "GET", "/", {"Authorization": "Bearer x"}, {}),
        ("a token in the address", 401, "GET", f"/?token={door.keys.token}", {}, {}),
        ("a forged cookie", 401, "GET", "/", {"Cookie": f"{COOKIE}=a.9999999999.b"}, {}),
        ("no cookie at all", 401, "GET", "/", {"Cookie": "=;;,\x01"}, {}),
        ("a cookie of the past", 401, "GET", "/", {"Cookie": f"{COOKIE}={door.keys.cookie(1.0)}"}, {}),
        ("a reader that writes", 403, "POST", "/positions/", read | JSON, body),
        ("a cross-site POST", 403, "POST", "/positions/", cookie | JSON | {"Origin": EVIL}, body),
        ("one without origin", 403, "POST", "/positions/",
         cookie | JSON | {"Sec-Fetch-Site": "cross-site"}, body),
        ("a sandboxed page", 403, "POST", "/positions/", cookie | JSON | {"Origin": "null"}, body),
        ("another port's page", 403, "POST", "/positions/",
         cookie | JSON | {"Origin": "http://127.0.0.1:9"}, body),
        ("another site's image", 403, "GET", "/",
         cookie | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, {}),
        ("a form", 415, "POST", "/positions/",
         cookie | {"Content-Type": "text/plain", "Origin": OWN}, body),
        ("a rebound name", 421, "GET", "/", cookie | {"Host": "evil.example:8080"}, {}),
        ("no port", 421, "GET", "/", cookie | {"Host": "127.0.0.1"}, {}),
        ("a large body", 413, "POST", "/positions/", token | JSON | huge, body),
        ("the socket's polling", 403, "POST", "/_nicegui_ws/socket.io/", cookie | {"Origin": EVIL}, body),
        ("a way out", 404, "GET", "/..%2f..%2fetc/passwd", token, {}),
    ]  # fmt: skip
    wrong = {}
    for name, status, method, path, headers, more in table:
        door.seconds += 10
        if (found := door.ask(method, path, headers, **more)) != status:
            wrong[name] = found
    assert not wrong


def test_a_body_without_a_stated_length_is_cut(door: Door) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    headers = door.token() | JSON
    assert door.http.post("/positions/", content=chunks(), headers=headers).status_code == 413


def test_every_answer_is_marked_and_opens_nothing(door: Door) -> None:
    for headers in ({}, door.token()):
        found = door.http.get("/", headers=headers).headers
        assert found["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in found["content-security-policy"]
        assert "://" not in found["content-security-policy"]
        assert found["x-frame-options"] == "DENY"
        assert not [name for name in found if name.startswith("access-control")]


def test_the_address_lets_one_browser_in_once(door: Door) -> None:
    path = door.guard.entrance().removeprefix(OWN)
    first = door.http.get(path)
    flags = first.headers["set-cookie"]
    assert first.status_code == 200
    assert "HttpOnly; SameSite=Strict; Path=/" in flags
    value = flags.partition(";")[0]
    assert door.ask("GET", "/", {"Cookie": value}) == 200
    assert door.http.get(path).status_code == 403
    assert door.said == [f"a browser was let in; for another: {door.guard.entrance()}"]
    assert door.http.get(door.guard.entrance().removeprefix(OWN)).status_code == 200


def _socket(door: Door, **headers: str) -> list[str]:
    """What becomes of a websocket that is opened with these headers."""
    given = {"host": "127.0.0.1:8080", **headers}
    scope = {
        "type": "websocket",
        "path": "/_nicegui_ws/socket.io/",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }
    seen: list[str] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": []})

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        seen.append(message["type"])

    guard = Guard(app, door.keys, PLACE.origins(), OWN)
    asyncio.run(guard(scope, receive, send))  # type: ignore[arg-type]
    return seen


def test_the_socket_is_for_our_own_page_alone(door: Door) -> None:
    cookie = {k.lower(): v for k, v in door.cookie().items()}
    assert _socket(door, origin=OWN, **cookie) == ["websocket.accept"]
    for headers in (
        {"origin": EVIL, **cookie},
        cookie,
        {"origin": OWN},
        {"origin": OWN, "host": "evil.example:8080", **cookie},
        {"origin": OWN, "authorization": f"Bearer {door.keys.read_token}"},
    ):
        assert _socket(door, **headers) == ["websocket.close"]


def test_too_many_requests_are_put_off(door: Door) -> None:
    headers = door.token() | JSON
    found = [door.ask("POST", "/positions/", headers, content=b"{}") for _ in range(70)]
    assert (found.count(200), found.count(429)) == (60, 10)
    assert door.ask("GET", "/positions/", headers) == 200
    door.seconds += 1
    assert door.ask("POST", "/positions/", headers, content=b"{}") == 200
    found = [door.ask("GET", "/", {}) for _ in range(30)]
    assert found.count(429) == 10
    assert door.ask("GET", "/", door.token()) == 200, "whoever guesses shuts nobody else out"


def test_a_bucket_fills_again() -> None:
    now = 0.0
    bucket = Bucket(2, 4, lambda: now)
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]
    now = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_the_tokens_are_their_owners_alone_and_stay(tmp_path: Path) -> None:
    keys = Keys.of(tmp_path)
    files = [tmp_path / "web" / name for name in ("token", "read-token")]
    assert [f.stat().st_mode & 0o777 for f in files] == [0o600, 0o600]
    assert Keys.of(tmp_path) == keys
    assert keys.token != keys.read_token
    files[0].unlink()
    files[0].symlink_to(files[1])
    with pytest.raises(NotPrivate):
        Keys.of(tmp_path)


def test_an_address_for_others_needs_more_than_a_name() -> None:
    for own in ("127.0.0.1", "::1", "localhost"):
        check_address(own, is_allowed=False, has_tls=False, proxy=None)
    for host, allowed in (("0.0.0.0", False), ("192.168.1.5", False), ("0.0.0.0", True)):
        with pytest.raises(NotAllowed):
            check_address(host, is_allowed=allowed, has_tls=False, proxy=None)
    check_address("0.0.0.0", is_allowed=True, has_tls=True, proxy=None)
    check_address("0.0.0.0", is_allowed=True, has_tls=False, proxy="https://bets.example.org")


@pytest.mark.parametrize("error", ["", "another"])
def test_a_browser_that_leaves_makes_no_traceback(tmp_path: Path, error: str) -> None:
    async def silent(_: Any, receive: Any, __: Any) -> None:
        await receive()
        if error:
            raise RuntimeError(error)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def passed_on(request: Request, go_on: Any) -> Any:
        return await go_on(request)

    sent: list[Any] = []
    keys = Keys.of(tmp_path)
    app = BaseHTTPMiddleware(silent, dispatch=passed_on)
    guard = Guard(app, keys, PLACE.origins(), PLACE.origin)
    shown = (b"authorization", f"Bearer {keys.token}".encode())
    headers = [(b"host", b"127.0.0.1:8080"), shown]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    if error:
        with pytest.raises(RuntimeError, match=error):
            asyncio.run(guard(scope, receive, send))
    else:
        asyncio.run(guard(scope, receive, send))
    assert sent == []
