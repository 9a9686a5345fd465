"""The HTTP interface on a published copy: what it answers, and what it asks of the node."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgi_client import AsgiClient
from desk import Desk
from httpx import Response
from loopback.server import LoopbackPolymarket
from stage import ID, depth, filled, quote, submit

from positions.model.durations import MINUTE
from positions.model.position import Role
from positions.operations.settings import Settings, VenueSettings, WebSettings
from positions.storage.bars import BarWriter
from positions.storage.locks import StateLock
from positions.storage.spool import uuid7
from web.access import Keys
from web.app import Place, guarded, make_app
from web.context import make_context

D = Decimal
KEY = "0x" + "4c" * 32
PLACE = Place(port=8080)
SETTINGS = Settings(mode="replay", state="unused")


def client(
    state: Path,
    settings: Settings = SETTINGS,
    token: str | None = None,
    wallet: str = "",
    **headers: str,
) -> AsgiClient:
    """A program that shows the token that may do everything."""
    app = make_app(make_context(state, settings, wallet), with_pages=False)
    keys = Keys.of(state)
    shown = {"Authorization": f"Bearer {token or keys.token}"} | headers
    door = guarded(app, keys, PLACE)
    return AsgiClient(app, door, base_url=PLACE.origin, headers=shown)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A node with one market, one position that holds 100 shares, and its lock."""
    with StateLock(tmp_path, "replay"):
        made = Desk(tmp_path)
        made.play(
            quote("0.50", "0.54"),
            submit(),
            filled(Role.ENTRY, "100", "0.54", fee="1"),
            depth(("0.52", "60"), ("0.51", "100")),
        )
        yield made
        made.close()


@pytest.fixture
def http(desk: Desk) -> Iterator[AsgiClient]:
    with client(desk.state) as made:
        yield made


def body(response: Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def test_positions_are_listed_with_their_prices_as_text(http: AsgiClient) -> None:
    told = body(http.get("/positions/"))
    (row,) = told["positions"]
    assert (row["id"], row["held"], row["entry_price"]) == (ID, "100", "0.54")
    assert (row["stop_loss_price"], row["sell_price"], row["current_price"]) == (
        "0.45",
        "0.7",
        "0.52",
    )
    assert row["created_at"].endswith("Z")
    assert (told["next"], told["node"]) == (None, "running")
    assert body(http.get("/positions")) == told


QUERIES = {
    "status=closed": 0,
    "status=all": 1,
    "market=rain-in-london": 1,
    "market=0xc0ffee": 1,
    "market=snow": 0,
    "since=2026-01-01T00:00:00Z": 1,
    "since=2027-01-01T00:00:00Z": 0,
    "limit=1": 1,
    "cursor=1.0": 0,
}


def test_positions_are_filtered(http: AsgiClient) -> None:
    found = {q: len(body(http.get(f"/positions/?{q}"))["positions"]) for q in QUERIES}
    assert found == QUERIES


BAD_QUERIES = (
    "status=ajar", "limit=0", "limit=501", "limit=x", "limit=1&limit=2", "since=yesterday",
    "cursor=x", "colour=red", "wait=5s",
)  # fmt: skip


def test_a_query_that_makes_no_sense_is_refused(http: AsgiClient) -> None:
    for query in BAD_QUERIES:
        response = http.get(f"/positions/?{query}")
        assert response.status_code in (400, 422), query
        assert response.json()["message"].startswith(query.partition("=")[0])


def test_pages_follow_each_other(
    desk: Desk, http: AsgiClient, eventually: Callable[[Callable[[], Any]], None]
) -> None:
    with desk.serving():
        for _ in range(2):
            body(http.post("/positions/?wait=20s", json=ASKED | {"id": uuid7()}))
    seen, cursor = [], ""
    eventually(lambda: len(body(http.get("/positions/"))["positions"]) == 3)
    while True:
        told = body(http.get(f"/positions/?limit=2{cursor}"))
        seen += [row["id"] for row in told["positions"]]
        if told["next"] is None:
            break
        cursor = f"&cursor={told['next']}"
    assert len(seen) == len(set(seen)) == 3


ASKED = {
    "market_id": "0xc0ffee",
    "outcome_id": "1001",
    "max_bid_price": "0.50",
    "size": "10",
    "sell_price": "0.60",
    "stop_loss_price": 0.40,
}


def test_one_position_is_named_by_a_part_of_its_id(http: AsgiClient) -> None:
    assert body(http.get(f"/positions/{ID}"))["id"] == ID
    assert body(http.get(f"/positions/{ID[-8:]}/"))["id"] == ID
    for part in ("12", "ffffffff", uuid7()):
        assert body(http.get(f"/positions/{part}"), 404)["code"] == "NOT_FOUND"


def test_a_position_has_its_story_its_fills_and_its_orders(http: AsgiClient) -> None:
    events = body(http.get(f"/positions/{ID}/events"))["events"]
    assert [e["kind"] for e in events][:2] == ["opened", "order_sent"]
    assert all(e["sentence"] for e in events)
    (fill,) = body(http.get(f"/positions/{ID}/fills"))["fills"]
    assert (fill["role"], fill["shares"], fill["price"], fill["fee"]) == (
        "entry",
        "100",
        "0.54",
        "1",
    )
    orders = body(http.get(f"/positions/{ID}/orders"))["orders"]
    assert [(o["role"], o["state"]) for o in orders] == [
        ("entry", None),
        ("target", "sent"),
        ("stop", "sent"),
    ]


def test_a_chart_has_the_prices_the_levels_and_how_the_stop_moved(
    desk: Desk, http: AsgiClient
) -> None:
    bars = BarWriter(desk.state, desk.engine.markets.values, lambda: desk.now)
    bars.look()
    bars.flush()
    chart = body(http.get(f"/positions/{ID}/chart?step=1m"))
    assert [(b["bid"], b["ask_high"]) for b in chart["bars"]] == [("0.52", "0.53")]
    assert [s["price"] for s in chart["stops"]] == ["0.45"]
    assert (chart["max_bid_price"], chart["entry_price"]) == ("0.55", "0.54")
    past = body(http.get("/markets/rain-in-london/history"))
    assert (past["before"], len(past["bars"])) == ([], 1)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[LoopbackPolymarket, Desk, AsgiClient]]:
    """A venue, a desk that trades at it with 100 shares of the outcome 1001, and its interface."""
    with LoopbackPolymarket() as venue, StateLock(tmp_path, "live"):
        made = Desk(tmp_path, mode="live")
        made.play(quote("0.50", "0.54"), submit(), filled(Role.ENTRY, "100", "0.54"))
        settings = Settings(mode="live", state="x", venue=VenueSettings(**venue.settings()))
        funder = venue.wallet(KEY, cash=100)["POLYMARKET_FUNDER"]
        with client(tmp_path, settings, wallet=funder) as http:
            yield venue, made, http
        made.close()


def test_a_chart_begins_with_the_prices_of_the_venue(
    live: tuple[LoopbackPolymarket, Desk, AsgiClient],
) -> None:
    venue, desk, http = live
    bars = BarWriter(desk.state, desk.engine.markets.values, lambda: desk.now)
    bars.look()
    bars.flush()
    begin = desk.now // MINUTE * 60
    venue.history.prices["1001"] = [(begin - 120, 0.41), (begin - 60, 0.42), (begin, 0.9)]
    addresses = (f"/positions/{ID}/chart?step=1m", "/markets/rain-in-london/history")
    for address in addresses:
        told = body(http.get(address))
        assert [b["close"] for b in told["before"]] == ["0.41", "0.42"]
        assert (told["before_missing"], len(told["bars"])) == (None, 1)
    venue.history.prices["1001"] = []
    assert len(body(http.get(addresses[0]))["before"]) == 2  # it is asked once a minute at most


def test_a_venue_that_tells_no_prices_takes_no_chart_away(
    live: tuple[LoopbackPolymarket, Desk, AsgiClient],
) -> None:
    _, desk, _ = live
    nowhere = VenueSettings(clob="http://127.0.0.1:9", data="http://127.0.0.1:9")
    settings = Settings(mode="live", state="x", venue=nowhere)
    with client(desk.state, settings, wallet="0x" + "1" * 40) as http:
        told = body(http.get(f"/positions/{ID}/chart"))
        assert (told["before"], told["max_bid_price"]) == ([], "0.55")
        assert told["before_missing"]
        assert body(http.get("/holdings"), 503)["code"] == "UNAVAILABLE"
    with client(desk.state, settings) as http:
        assert "POLYMARKET_FUNDER is not set" in body(http.get("/holdings"), 503)["message"]


def test_what_the_wallet_holds_is_listed_with_what_is_free(
    live: tuple[LoopbackPolymarket, Desk, AsgiClient],
) -> None:
    venue, _, http = live
    token = venue.add_market("sun-in-rome").tokens[0]
    venue.quote(token, "0.50", "100", "0.52", "100")
    venue.give(venue.wallet(KEY)["POLYMARKET_FUNDER"], token, "12.5")
    (row,) = body(http.get("/holdings"))["holdings"]
    assert (row["market"], row["outcome_id"]) == ("sun-in-rome", token)
    assert (row["shares"], row["protected"], row["free"]) == ("12.5", "0", "12.5")


def test_a_replay_has_no_wallet(http: AsgiClient) -> None:
    assert "replay" in body(http.get("/holdings"), 503)["message"]


def test_the_book_of_an_outcome_has_its_depth(http: AsgiClient) -> None:
    book = body(http.get("/markets/rain-in-london/book?outcome=yes"))
    assert book["bids"] == [["0.52", "60"], ["0.51", "100"]]
    assert book["asks"] == [["0.53", "1000"]]
    assert body(http.get("/markets/snow/book"), 404)
    (market,) = body(http.get("/markets?q=rain"))["markets"]
    assert market["outcome_id"] == "1001"


def test_the_node_is_described(http: AsgiClient) -> None:
    told = body(http.get("/status"))
    assert (told["health"], told["mode"], told["cash"]) == ("running", "replay", "1000")
    assert (told["staked"], told["max_total_stake"], told["may_trade"]) == ("54", "1000", True)
    assert body(http.get("/health"))["health"] == "running"
    assert body(http.get("/alarms")) == {"open": [], "past": []}
    assert "polybracket_open_positions 1\n" in http.get("/metrics").text
    assert body(http.get("/summary?by=day"))["total"]["positions"] == 0


def test_a_position_is_opened_as_by_a_file(desk: Desk, http: AsgiClient) -> None:
    queued = body(http.post("/positions/", json=ASKED), 202)
    assert queued["status"] == "queued"
    (waiting,) = body(http.get("/queue"))["commands"]
    assert (waiting["id"], waiting["command"], waiting["source"]) == (
        queued["id"],
        "submit",
        "http",
    )
    desk.serve()
    told = body(http.get(f"/commands/{queued['id']}"))
    assert (told["status"], told["position_id"]) == ("accepted", queued["id"])
    assert told["asked"]["market_id"] == "0xc0ffee"
    found = desk.engine.positions[queued["id"]]
    assert (found.request.size, found.request.stop_loss_price) == (10, D("0.40"))
    row = desk.store.cursor().execute("SELECT body FROM commands WHERE id = ?", [queued["id"]])
    assert '"source":"http"' in row.fetchall()[0][0]


def test_the_answer_of_the_node_is_waited_for(desk: Desk, http: AsgiClient) -> None:
    with desk.serving():
        told = body(http.post("/positions/?wait=20s", json=ASKED))
        assert (told["status"], told["done"]) == ("accepted", True)
        refused = body(http.post("/positions/?wait=20s", json=ASKED | {"stop": "0.55"}), 422)
        assert refused["code"] == "MALFORMED"
        asked = ASKED | {"stop_loss_price": "0.55"}
        refused = body(http.post("/positions/?wait=20s", json=asked), 422)
    assert refused["code"] == "STOP_NOT_BELOW_MAX_BID"
    assert (refused["field"], refused["value"]) == ("stop_loss_price", "0.55")
    assert refused["rule"].startswith("must be below")


def test_a_dry_run_is_answered_in_fields(desk: Desk, http: AsgiClient) -> None:
    with desk.serving():
        told = body(http.post("/positions/?dry_run=true", json=ASKED | {"max_bid_price": "0.54"}))
        sale = body(http.post(f"/positions/{ID}/sell?dry_run=true", json={"fraction": "1"}))
        change = body(http.patch(f"/positions/{ID}?dry_run=true", json={"stop": "0.53"}))
    preview = told["preview"]
    # 10 x 0.54, and 10 x 0.04 x 0.54 x 0.46 for the fee
    assert (preview["cost"], preview["at_ask"]["price"]) == ("5.49936", "0.53")
    assert preview["offers"] == [{"price": "0.6", "shares": "10"}]
    assert (preview["depth_at_stop"], preview["stake_left"]) == ("160", "946")
    assert D(preview["result_without_bid"]) == -D(preview["cost"])
    assert (sale["preview"]["taken"], sale["preview"]["shares"]) == ("100", "100")
    assert change["preview"]["sells_at_once"]["taken"] == "100"
    assert desk.engine.positions[ID].request.stop_loss_price == D("0.45")


def test_what_is_held_is_amended_and_sold(desk: Desk, http: AsgiClient) -> None:
    with desk.serving():
        body(http.patch(f"/positions/{ID}?wait=20s", json={"stop_loss_price": "0.48"}))
        assert desk.engine.positions[ID].request.stop_loss_price == D("0.48")
        told = body(http.post(f"/positions/{ID}/sell?wait=1s", json={"shares": "40"}))
    assert (told["status"], told["done"]) == ("accepted", False)
    sale = desk.engine.positions[ID].decision.sale
    assert sale is not None
    assert sale.shares == 40


def test_a_repeated_request_acts_once(desk: Desk, http: AsgiClient) -> None:
    key = {"Idempotency-Key": uuid7()}
    first = body(http.post("/positions/", json=ASKED, headers=key), 202)
    assert (first["id"], first["status"]) == (key["Idempotency-Key"], "queued")
    again = body(http.post("/positions/", json=ASKED, headers=key), 202)
    assert again == first | {"status": "queued before"}
    desk.serve()
    assert body(http.post("/positions/", json=ASKED, headers=key))["status"] == "accepted"
    assert len(desk.engine.positions) == 2
    other = body(http.post("/positions/", json=ASKED | {"size": "11"}, headers=key), 409)
    assert other["code"] == "ID_REUSED"
    assert not list((desk.state / "spool" / "new").iterdir())


BAD_BODIES: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{", 400, "UNREADABLE"),
    "no object": (b"[]", 400, "UNREADABLE"),
    "a name twice": (b'{"size": 1, "size": 2}', 400, "UNREADABLE"),
    "no UTF-8": (b"\xff", 400, "UNREADABLE"),
    "nested": (b"[" * 60_000, 400, "UNREADABLE"),
    "no price": (b'{"market": "m", "outcome": "Yes"}', 422, "MALFORMED"),
    "an unknown field": (b'{"colour": "red"}', 422, "MALFORMED"),
    "half a pair": (b'{"\\ud800": "\\udfff"}', 422, "MALFORMED"),
    "another command": (b'{"command": "flatten"}', 422, "MALFORMED"),
    "no id": (b'{"id": "../../x"}', 422, "MALFORMED"),
    "a price above 1": (
        b'{"market": "m", "outcome": "Yes", "max_bid": 1.5}', 422, "MALFORMED",
    ),
    "a number without end": (
        b'{"market": "m", "outcome": "Yes", "max_bid": ' + b"9" * 5_000 + b"}", 400, "UNREADABLE",
    ),
}  # fmt: skip


def test_a_body_that_makes_no_sense_is_refused(desk: Desk, http: AsgiClient) -> None:
    for name, (content, status, code) in BAD_BODIES.items():
        headers = {"Content-Type": "application/json"}
        response = http.post("/positions/", content=content, headers=headers)
        refused = response.json()
        assert (response.status_code, refused["code"]) == (status, code), name
        assert refused["message"].isprintable()
        assert code != "MALFORMED" or (refused["field"] and refused["rule"])
    assert not list((desk.state / "spool" / "new").iterdir())


def test_the_words_of_all_reach_the_queue_first(desk: Desk, http: AsgiClient) -> None:
    for word in ("halt", "resume", "flatten"):
        body(http.post(f"/{word}"), 202)
    assert len(list((desk.state / "spool" / "first").iterdir())) == 3
    desk.serve()
    assert desk.engine.halted


def test_without_a_node_it_says_so(tmp_path: Path) -> None:
    with client(tmp_path) as http:
        assert body(http.get("/positions/"), 503)["code"] == "UNAVAILABLE"
        assert body(http.get("/status"), 503)["code"] == "UNAVAILABLE"
        assert body(http.get("/health"), 503)["message"] == "NOT RUNNING"
        assert body(http.post("/positions/", json=ASKED), 503)["code"] == "NODE_NOT_RUNNING"
        why = body(http.post("/positions/?dry_run=true", json=ASKED), 503)["message"]
        assert why.startswith("no node is running")


def test_what_waits_for_a_node_is_taken_back(tmp_path: Path) -> None:
    with client(tmp_path) as http:
        queued = body(http.post("/positions/?queue=true", json=ASKED), 202)
        at = f"/queue/{queued['id']}"
        with StateLock(tmp_path, "replay"):
            assert body(http.delete(at), 409)["code"] == "NODE_HAS_IT"
        assert body(http.delete(at))["status"] == "taken back"
        assert body(http.delete(at), 404)
        assert body(http.get("/queue")) == {"commands": []}


def test_a_node_that_stopped_is_still_shown(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "copied"
    other.mkdir(mode=0o700)
    (other / "published.duckdb").write_bytes((desk.state / "published.duckdb").read_bytes())
    with client(other) as http:
        told = body(http.get("/positions/"))
    assert (len(told["positions"]), told["node"]) == (1, "NOT RUNNING")


def test_money_is_only_at_stake_where_that_is_allowed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, mode="live")
    desk.play(quote("0.50", "0.54"))
    with StateLock(tmp_path, "live"), client(tmp_path) as http:
        refused = body(http.post("/positions/", json=ASKED), 403)
        assert refused["code"] == "TRADING_NOT_ALLOWED"
        assert "may_trade" in refused["message"]
        assert body(http.get("/status"))["may_trade"] is False
    allowed = Settings(mode="live", state="unused", web=WebSettings(may_trade=True))
    with StateLock(tmp_path, "live"), client(tmp_path, allowed) as http:
        assert body(http.post("/positions/", json=ASKED), 202)
    desk.close()


def test_a_method_that_is_none_is_refused(http: AsgiClient) -> None:
    assert http.request("PUT", "/positions/", json={}).headers["allow"] == "GET, POST"
    assert body(http.delete("/status"), 405)["code"] == "WRONG_METHOD"


def test_the_description_is_served_without_anything_from_elsewhere(http: AsgiClient) -> None:
    page = http.get("/docs").text
    assert "/positions/{position_id}/sell" in page
    assert "://" not in page
    described = body(http.get("/openapi.json"))
    names = described["paths"]["/positions/"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["properties"]
    assert {"market_id", "outcome_id", "max_bid", "max_bid_price", "trail"} <= set(names)
