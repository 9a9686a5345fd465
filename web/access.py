"""Who may speak to the page and the interface: every request passes here first.

A program shows a token: that of `web/token` may do everything, that of `web/read-token` may only
read; both files are their owner's alone. A browser is let in once, by an address that the program
prints, and is known by a cookie from then on, which no other site can make it send. The cookie is
signed with the first token: to shut everybody out, delete that file and start anew.

Requests are refused for a name that is not ours (DNS rebinding), from a page that is not ours, on
the websocket, too, and where there are too many or they are too large.
"""

import hmac
import ipaddress
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from positions.model.errors import ConfigurationError
from positions.storage.private_files import open_file, require_inner
from positions.storage.spool import SIZE_MAX

Scope = Mapping[str, Any]
COOKIE = "polybracket"
COOKIE_SECONDS = 7 * 86_400
ENTER = "/enter/"
SOCKET = "/_nicegui_ws/"
"""Where the page's own messages go, which are no JSON and need the cookie like all else."""
READS, WRITES, DENIED = (200.0, 400.0), (20.0, 60.0), (5.0, 20.0)
"""Requests a second in the long run, and at once."""
MEASURED = {"read": READS, "write": WRITES, "denied": DENIED}
SAFE = frozenset({"GET", "HEAD"})
NO_RESPONSE = "No response returned."

_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
    " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
"""Vue compiles its templates in the browser, which needs `eval`; nothing comes from elsewhere."""
_HEADERS = {
    b"content-security-policy": _PAGE_POLICY.encode(),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class NotAllowed(ConfigurationError):
    """The address may not be served so: its owner must say that it may, and how it is kept."""

    exit_code = 2


class Denial(Exception):
    """A request that goes no further: the status, a code for programs and a sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


class Keys(Struct, frozen=True):
    """The two tokens of a state folder."""

    token: str
    read_token: str

    @classmethod
    def of(cls, state: Path) -> "Keys":
        """Those of this folder; made if they are missing.

        Raises NotPrivate if another user may write them.
        """
        folder = state / "web"
        require_inner(state)
        require_inner(folder)
        return cls(_token(folder / "token"), _token(folder / "read-token"))

    def cookie(self, now: float) -> str:
        """A new cookie's value."""
        content = f"{secrets.token_urlsafe(16)}.{int(now) + COOKIE_SECONDS}"
        return f"{content}.{self._signature(content)}"

    def knows(self, cookie: str, now: float) -> bool:
        """Whether we made a cookie's value, and it still holds."""
        content, _, signature = cookie.rpartition(".")
        until = content.rpartition(".")[2]
        is_ours = hmac.compare_digest(signature.encode(), self._signature(content).encode())
        return is_ours and until.isdecimal() and now < int(until)

    def _signature(self, content: str) -> str:
        return hmac.new(self.token.encode(), content.encode(), sha256).hexdigest()


def _token(path: Path) -> str:
    file = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        os.fchmod(file, 0o600)
        found = os.read(file, 200).decode("ascii", "replace").strip()
        if len(found) < 32:  # new, or cut short
            found = secrets.token_urlsafe(32)
            os.ftruncate(file, 0)
            os.pwrite(file, f"{found}\n".encode(), 0)
        return found
    finally:
        os.close(file)


def check_address(host: str, *, is_allowed: bool, has_tls: bool, proxy: str | None) -> None:
    """Raises NotAllowed unless it is this machine's own, or all that another needs is stated."""
    try:
        is_own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_own = False
    if is_own:
        return
    if not is_allowed:
        raise NotAllowed(f"host was {host}, must be 127.0.0.1, unless --allow-remote is given")
    if not has_tls and not proxy:
        rule = "needs --tls-cert and --tls-key, or --proxy with the address that a TLS proxy has"
        raise NotAllowed(f"host was {host}, {rule}")


def origins(host: str, port: int, *, has_tls: bool, proxy: str | None) -> frozenset[str]:
    """The origins that our own pages have."""
    scheme = "https" if has_tls else "http"
    names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
    own = {f"{scheme}://{name}:{port}" for name in names}
    return frozenset(own | ({proxy.rstrip("/")} if proxy else set()))


class Bucket:
    """So many a second in the long run, and so many at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Whether there is room for one more."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Guard:
    """Lets requests through to an ASGI application, or denies them; marks every answer."""

    def __init__(
        self,
        app: Any,
        keys: Keys,
        allowed: Iterable[str],
        origin: str,
        tell: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._keys, self._tell, self._origin = app, keys, tell, origin
        self._origins = frozenset(allowed)
        self._hosts = frozenset(origin.partition("://")[2] for origin in self._origins)
        self._is_secure = origin.startswith("https://")
        self._buckets = {name: Bucket(*rates, clock) for name, rates in MEASURED.items()}
        self._once = secrets.token_urlsafe(24)

    def entrance(self) -> str:
        """The address that lets one browser in, once."""
        return f"{self._origin}{ENTER}{self._once}"

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request, or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            headers = _headers(scope)
            self._check_names(scope, headers)
            if scope["type"] == "http" and scope["path"].startswith(ENTER):
                await self._enter(scope["path"].removeprefix(ENTER), send)
                return
            self._check_who(scope, headers)
            self._check_content(scope, headers)
        except Denial as e:
            await _deny(scope, e, receive, send)
            return
        try:
            await self._app(scope, _bounded(receive, scope), _marked(send))
        except RuntimeError as e:  # Starlette's word for a browser that left before the answer
            if str(e) != NO_RESPONSE:
                raise

    def _check_names(self, scope: Scope, headers: Mapping[str, str]) -> None:
        if headers.get("host", "").lower() not in self._hosts:
            raise Denial(421, "WRONG_HOST", "the name asked for is not one that is served here")
        origin = headers.get("origin")
        is_ours = origin is not None and origin.lower() in self._origins
        if origin is not None and not is_ours:
            raise Denial(403, "WRONG_ORIGIN", "another site's page may not ask this")
        if scope["type"] == "websocket" and not is_ours:
            raise Denial(403, "WRONG_ORIGIN", "a websocket must say that it is of our own page")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            is_visit = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
            if not is_visit:
                raise Denial(403, "CROSS_SITE", "another site's page may not ask this")

    def _check_who(self, scope: Scope, headers: Mapping[str, str]) -> None:
        is_read = scope.get("method", "GET") in SAFE
        shown = headers.get("authorization", "")
        if shown:
            token = shown.removeprefix("Bearer ").encode()
            may_all = hmac.compare_digest(token, self._keys.token.encode())
            may_read = hmac.compare_digest(token, self._keys.read_token.encode())
            if may_read and not (is_read and scope["type"] == "http"):
                raise Denial(403, "READ_ONLY", "this token may only read")
        else:
            may_read = False
            may_all = self._keys.knows(_cookie(headers), time.time())
        if not (may_all or may_read):
            self._take("denied")
            how = "open the address that `polybracket web` prints, or show the token"
            raise Denial(401, "WHO_ARE_YOU", f"nobody is known by this: {how}")
        if not scope["path"].startswith("/_nicegui"):
            self._take("read" if is_read else "write")

    def _take(self, name: str) -> None:
        if not self._buckets[name].take():
            raise Denial(429, "TOO_MANY", "too many requests: ask again in a second")

    def _check_content(self, scope: Scope, headers: Mapping[str, str]) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE or scope["path"].startswith(SOCKET):
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 9 or int(length) > SIZE_MAX:
            raise Denial(413, "TOO_LARGE", f"a request must be at most {SIZE_MAX} bytes")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length != "0" or "transfer-encoding" in headers
        if has_body and kind != "application/json":
            raise Denial(415, "NOT_JSON", "the content-type must be application/json")

    async def _enter(self, shown: str, send: Any) -> None:
        self._take("denied")
        if not hmac.compare_digest(shown.encode(), self._once.encode()):
            why = "this address was used, or is another start's: the program has printed a newer"
            raise Denial(403, "USED", why)
        self._once = secrets.token_urlsafe(24)
        self._tell(f"a browser was let in; for another: {self.entrance()}")
        flags = f"HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_SECONDS}"
        secure = "; Secure" if self._is_secure else ""
        cookie = f"{COOKIE}={self._keys.cookie(time.time())}; {flags}{secure}"
        # A redirect would count as a visit from where the address was clicked on.
        page = b'<!doctype html><meta http-equiv="refresh" content="0;url=/"><a href="/">Go on</a>'
        kind = (b"content-type", b"text/html; charset=utf-8")
        await _answer(_marked(send), 200, [kind, (b"set-cookie", cookie.encode())], page)


def _headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "authorization", "content-length"):
            raise Denial(400, "TWICE", f"the header {key} must be given once")
        joined = "; " if key == "cookie" else ", "
        text = value.decode("latin-1")
        found[key] = f"{found[key]}{joined}{text}" if key in found else text
    return found


def _cookie(headers: Mapping[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _bounded(receive: Any, scope: Scope) -> Any:
    """Receive no more of a body than a request may have; the socket of the page has its own."""
    if scope["type"] != "http":
        return receive
    most = 2**20 if scope["path"].startswith(SOCKET) else SIZE_MAX
    taken = 0

    async def receive_bounded() -> Any:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= most else {"type": "http.disconnect"}

    return receive_bounded


def _marked(send: Any) -> Any:
    """Send every answer with what protects it; a header that opens it to other sites is dropped."""

    async def send_marked(message: Any) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message["headers"]
                if name.lower() not in _HEADERS and not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": [*kept, *_HEADERS.items()]}
        await send(message)

    return send_marked


async def _deny(scope: Scope, denial: Denial, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    body = msgspec.json.encode({"code": denial.code, "message": str(denial)})
    headers = [(b"content-type", b"application/json")]
    if denial.status == 429:
        headers.append((b"retry-after", b"1"))
    if denial.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _answer(_marked(send), denial.status, headers, body)


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
