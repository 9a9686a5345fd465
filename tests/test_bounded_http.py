"""No answer of the venue takes longer, or is larger, than allowed, whatever it does."""

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from py_clob_client_v2.exceptions import PolyApiException

from venues.polymarket.api import bounded_http, pages
from venues.polymarket.api.bounded_http import AnswerTooLarge, BoundedClient, PublicClient
from venues.polymarket.api.clob import close_connections, make_client
from venues.polymarket.api.pages import ListTooLong
from venues.polymarket.execution.submit_outcome import SubmitOutcome, of_error
from venues.polymarket.provider import MARKET_PAGES_MAX, MarketListClient

Serve = Callable[[socket.socket, threading.Event], None]
HEAD = b"HTTP/1.1 200 OK\r\n"
PATIENCE = 0.2
"""Seconds that a call may take here."""


def answering(body: bytes, *headers: str) -> Serve:
    """Answer once, and well."""
    # Said, or the client asks again on a connection that is about to be closed.
    headers = (*headers, f"Content-Length: {len(body)}", "Connection: close")
    lines = "".join(f"{h}\r\n" for h in headers)

    def serve(peer: socket.socket, _: threading.Event) -> None:
        peer.sendall(HEAD + lines.encode() + b"\r\n" + body)

    return serve


def dripping(first: bytes, drop: bytes) -> Serve:
    """Answer a little at a time, for ever."""

    def serve(peer: socket.socket, over: threading.Event) -> None:
        peer.sendall(first)
        while not over.wait(0.02):
            peer.sendall(drop)

    return serve


SLOW = {
    "a status line": dripping(b"", b"H"),
    "headers": dripping(HEAD, b"X: y\r\n"),
    "a body of a length": dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body in chunks": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body without an end": dripping(HEAD + b"\r\n", b" "),
    "nothing": dripping(b"", b""),
    "a provisional answer": dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
ZEROS = gzip.compress(b"0" * (bounded_http.ANSWER_BYTES_MAX + 1))
LARGE = {
    "a body": answering(b"0" * (bounded_http.ANSWER_BYTES_MAX + 1)),
    "a packed body": answering(ZEROS, "Content-Encoding: gzip"),
    "a body without an end": dripping(HEAD + b"\r\n", b"0" * 2**22),
    "a body packed twice": answering(gzip.compress(ZEROS), "Content-Encoding: gzip, gzip"),
    "an encoding that was not asked for": answering(b"0", "Content-Encoding: zstd"),
    "what is not packed as it says": answering(b"{}", "Content-Encoding: gzip"),
    "a packed body that is cut short": answering(ZEROS[:100], "Content-Encoding: gzip"),
}


@pytest.fixture
def serving() -> Iterator[Callable[[Serve], str]]:
    """Start a server that answers each connection's request in one way; its address."""
    over, listeners, threads = threading.Event(), [], []

    def start(serve: Serve) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            try:
                while True:
                    peer, _ = listener.accept()
                    threads.append(threading.Thread(target=answer, args=(peer,)))
                    threads[-1].start()
            except OSError:
                return

        def answer(peer: socket.socket) -> None:
            with peer:
                try:
                    peer.recv(65536)
                    serve(peer, over)
                except OSError:
                    return

        threads.append(threading.Thread(target=accept))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    over.set()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(30)


def public(address: str, seconds: float = PATIENCE) -> Any:
    async def ask() -> Any:
        client = PublicClient(seconds=seconds)
        try:
            return await client.get(address)
        finally:
            await client.close()

    return asyncio.run(ask())


def bounded(address: str, seconds: float = PATIENCE) -> Any:
    with BoundedClient(seconds) as client:
        return client.get(address)


@pytest.mark.parametrize("ask", [bounded, public])
@pytest.mark.parametrize("serve", SLOW.values(), ids=SLOW)
def test_a_call_has_one_deadline(
    serving: Callable[[Serve], str], serve: Serve, ask: Callable[[str], Any]
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask(serving(serve))


@pytest.mark.parametrize("ask", [bounded, public])
@pytest.mark.parametrize("serve", LARGE.values(), ids=LARGE)
def test_an_answer_has_a_size(
    serving: Callable[[Serve], str], serve: Serve, ask: Callable[[str, float], Any]
) -> None:
    with pytest.raises(AnswerTooLarge):
        ask(serving(serve), 30.0)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_as_large_as_it_may_be_is_read(
    serving: Callable[[Serve], str], encoding: str
) -> None:
    body = b"0" * bounded_http.ANSWER_BYTES_MAX
    sent = gzip.compress(body) if encoding == "gzip" else body
    address = serving(answering(sent, f"Content-Encoding: {encoding}"))
    assert bounded(address, 30.0).content == body
    assert public(address, 30.0).body == body


def test_nothing_was_sent_where_the_time_is_over_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "_addresses", lambda *_: ["127.0.0.1"] * 3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(4):  # nobody accepts: the next ones wait
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(("127.0.0.1", port))
        with pytest.raises(httpx.ConnectTimeout):
            bounded(f"http://venue.invalid:{port}")
        for one in waiting:
            one.close()


def test_a_name_without_an_address_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "_addresses", lambda *_: [])
    with pytest.raises(httpx.ConnectError):
        bounded("http://venue.invalid")


@pytest.mark.parametrize(
    ("serve", "outcome"),
    [
        (SLOW["a body in chunks"], SubmitOutcome.AMBIGUOUS_LATE),
        (LARGE["a packed body that is cut short"], SubmitOutcome.AMBIGUOUS),
    ],
)
def test_what_became_of_an_order_is_not_known_then(
    serving: Callable[[Serve], str],
    serve: Serve,
    outcome: SubmitOutcome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_http.BoundedClient.__init__, "__defaults__", (PATIENCE,))
    address = serving(serve)
    client = make_client(address, None)
    with pytest.raises(PolyApiException) as e:
        client._post(f"{address}/order", data="{}")
    close_connections()
    assert of_error(e.value)[0] is outcome


def test_what_is_nested_too_deep_is_no_json(serving: Callable[[Serve], str]) -> None:
    reply = bounded(serving(answering(b"[" * 200_000)))
    with pytest.raises(ValueError, match="nested too deep"):
        reply.json()


# -- lists -----------------------------------------------------------------------------------------


def listed(following: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The orders of a venue that names the next page so."""
    client = make_client("http://127.0.0.1:9", None)
    client.creds.api_secret = "AAAA"

    def page(_: str, __: Any, params: dict[str, Any]) -> Any:
        cursor = params["next_cursor"]
        return {"data": [cursor], "next_cursor": following(cursor)}

    monkeypatch.setattr(
        "py_clob_client_v2.client.get", lambda *a, params, **_: page(*a, {}, params)
    )
    return client.get_open_orders()


@pytest.mark.parametrize(
    ("next_of", "pages_read"),
    [
        ({"MA==": "LTE="}, 1),
        ({"MA==": "A", "A": "LTE="}, 2),
        ({"MA==": "MA=="}, 1),
        ({"MA==": "A", "A": "A"}, 2),
        ({"MA==": "A", "A": "B", "B": "A"}, 3),
        ({"MA==": "", "": ""}, 2),
    ],
)
def test_a_list_that_goes_round_ends_once_all_of_it_is_read(
    next_of: dict[str, str], pages_read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(listed(lambda cursor: next_of[cursor], monkeypatch)) == pages_read


@pytest.mark.parametrize("bound", ["PAGES_MAX", "LIST_SECONDS", "LIST_BYTES_MAX"])
def test_a_list_without_an_end_is_not_taken_for_complete(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, bound, 3 if bound == "PAGES_MAX" else -1)
    with pytest.raises(ListTooLong, match="the list"):
        listed(lambda cursor: cursor + "x", monkeypatch)


def test_lists_of_markets_have_an_end(serving: Callable[[Serve], str]) -> None:
    address = serving(answering(b"[]"))

    async def ask(cursors: list[str | None]) -> None:
        client = MarketListClient()
        try:
            for cursor in cursors:
                await client.get(address, {} if cursor is None else {"after_cursor": cursor})
        finally:
            await client.close()

    asyncio.run(ask([None, "a", "b", None, "a", "b"]))
    for endless in (["a", "b", "a"], [str(n) for n in range(MARKET_PAGES_MAX + 1)]):
        with pytest.raises(ListTooLong, match="no end"):
            asyncio.run(ask([None, *endless]))
