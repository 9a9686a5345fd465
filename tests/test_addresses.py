"""Where what is signed may be sent to: an address is judged by its parts, not by how it begins."""

import msgspec
import pytest

from positions.operations.settings import VenueSettings

TAKEN = {
    "clob": [
        "https://clob.polymarket.com",
        "https://clob.polymarket.com:443",
        "https://CLOB.polymarket.com/",
        "https://proxy.example.org/clob",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    ],
    "websocket": ["wss://ws-subscriptions-clob.polymarket.com/ws/", "ws://127.0.0.1:9/ws/"],
}
REFUSED = {
    "clob": [
        "https://clob.polymarket.com.evil.example",
        "https://clob-polymarket.com",
        "https://polymarket.com.evil.example:443/polymarket.com",
        "https://notpolymarket.com",
        "https://clob.polymarket.com@evil.example",
        "https://me:secret@clob.polymarket.com",
        "http://127.0.0.1:8080@evil.example",
        "http://127.0.0.1:80:80",
        "http://127.0.0.1.evil.example:80",
        "http://127.0.0.1",
        "http://localhost:8080",
        "http://127.1:8080",
        "http://clob.polymarket.com",
        "https://",
        "https:///clob.polymarket.com",
        "https://localhost",
        "https://clob.polymarket.com:99999",
        "https://clob.polymarket.com:0",
        "https://clob.polymarket.com:port",
        "https://clob.polymarket.com?x=1",
        "https://clob.polymarket.com#x",
        "https://clob.polymarket.com\\@evil.example",
        "https://clob.polymarket.com\n.evil.example",
        "https://clob.polym\u0430rket.com",
        "https://clob%2epolymarket.com",
        "https://-clob.polymarket.com",
        "https://[::1",
        "wss://clob.polymarket.com",
        "clob.polymarket.com",
        "",
    ],
    "websocket": [
        "wss://polymarket.com.evil.example/ws/",
        "ws://localhost:9/ws/",
        "https://ws-subscriptions-clob.polymarket.com/ws/",
    ],
}


@pytest.mark.parametrize(("name", "address"), [(n, a) for n in TAKEN for a in TAKEN[n]])
def test_an_address_is_taken(name: str, address: str) -> None:
    assert getattr(msgspec.convert({name: address}, VenueSettings), name) == address


@pytest.mark.parametrize(("name", "address"), [(n, a) for n in REFUSED for a in REFUSED[n]])
def test_an_address_is_refused(name: str, address: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"{name} (was|names)") as e:
        msgspec.convert({name: address}, VenueSettings)
    assert "secret" not in str(e.value)
