"""The loopback venue's faults: each does what it says, to what it says, as often as it says."""

import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from loopback.scene import Listener, Scene
from loopback.server import LoopbackPolymarket
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    OrderArgsV2,
    OrderPayload,
)
from py_clob_client_v2.exceptions import PolyApiException

D = Decimal
Wait = Callable[[Callable[[], Any]], None]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with LoopbackPolymarket() as venue:
        yield Scene(venue)


def test_a_status_instead_of_an_answer_changes_nothing(scene: Scene) -> None:
    scene.venue.faults.answer("POST /order", 503)
    with pytest.raises(PolyApiException, match="service not ready"):
        scene.order("BUY", 0.40, 10)
    assert scene.venue.orders(scene.me) == []
    assert scene.order("BUY", 0.40, 10)["status"] == "live"


@pytest.mark.parametrize("status", [425, 429, 500, 503])
def test_a_status_after_acting_hides_what_was_done(scene: Scene, status: int) -> None:
    scene.venue.faults.answer("POST /order", status, after=True)
    with pytest.raises(PolyApiException) as e:
        scene.order("BUY", 0.40, 10)
    assert e.value.status_code == status
    assert len(scene.venue.orders(scene.me)) == 1


@pytest.mark.parametrize(("after", "count"), [(False, 0), (True, 1)])
def test_a_reset_connection_leaves_the_client_without_an_answer(
    scene: Scene, after: bool, count: int
) -> None:
    scene.venue.faults.reset("POST /order", after=after)
    with pytest.raises(PolyApiException, match="Request exception"):
        scene.order("BUY", 0.40, 10)
    assert len(scene.venue.orders(scene.me)) == count
    assert [r.status for r in scene.venue.asked("POST /order")] == [0]


@pytest.mark.parametrize(("after", "count"), [(False, 1), (True, 0)])
def test_a_hanging_request_is_acted_on_at_once_or_late(
    scene: Scene, eventually: Wait, after: bool, count: int
) -> None:
    scene.venue.faults.hang("DELETE /order", 0.5, after=after)
    order_id = scene.order("BUY", 0.40, 10)["orderID"]
    body = json.dumps({"orderID": order_id}, separators=(",", ":"))
    headers = scene.client._l2_headers("DELETE", "/order", serialized_body=body)
    with pytest.raises(httpx.ReadTimeout):
        httpx.request(
            "DELETE", scene.venue.clob + "/order", headers=headers, content=body, timeout=0.1
        )
    assert len(scene.venue.orders(scene.me)) == count
    eventually(lambda: scene.venue.orders(scene.me) == [])


def test_a_fault_is_limited_to_a_path_a_token_and_a_number_of_times(scene: Scene) -> None:
    faults = scene.venue.faults
    faults.answer("GET /b*", 500, times=2, token=scene.no)
    assert scene.client.get_order_book(scene.yes)
    for _ in range(2):
        with pytest.raises(PolyApiException):
            scene.client.get_order_book(scene.no)
    assert scene.client.get_order_book(scene.no)
    faults.answer("GET /book", 500, times=None)
    for _ in range(3):
        with pytest.raises(PolyApiException):
            scene.client.get_order_book(scene.yes)
    faults.clear()
    assert scene.client.get_order_book(scene.yes)


def test_a_round_trip_takes_its_time(scene: Scene) -> None:
    scene.venue.faults.round_trip = 0.05
    before = time.monotonic_ns()
    scene.client.get_server_time()
    assert time.monotonic_ns() - before >= 50_000_000


def test_a_reply_is_cut_short_after_acting(scene: Scene) -> None:
    scene.venue.faults.cut("POST /order")
    assert isinstance(scene.order("BUY", 0.40, 10), str)
    scene.venue.faults.long_statuses = True
    (placed,) = scene.client.get_open_orders()
    assert placed["status"] == "ORDER_STATUS_LIVE"


def test_an_order_that_is_delayed_may_not_be_found_by_its_cancel(scene: Scene) -> None:
    scene.venue.faults.order_delay, scene.venue.faults.delayed_stay = 60, True
    order_id = scene.order("BUY", 0.52, 10)["orderID"]
    assert scene.client.cancel_order(OrderPayload(orderID=order_id))["canceled"] == []
    scene.venue.faults.delayed_stay = False
    assert scene.client.cancel_order(OrderPayload(orderID=order_id))["canceled"] == [order_id]


def test_requests_are_noted_with_what_they_carried(scene: Scene) -> None:
    order_id = scene.order("BUY", 0.40, 10)["orderID"]
    scene.client.cancel_order(OrderPayload(orderID=order_id))
    (posted,) = scene.venue.asked("POST /order")
    (cancelled,) = scene.venue.asked("DELETE /order")
    assert (posted.auth, posted.status, cancelled.auth) == ("L2", 200, "L2")
    assert json.loads(posted.body)["order"]["tokenId"] == scene.yes
    assert json.loads(cancelled.body) == {"orderID": order_id}
    assert posted.time_ns < cancelled.time_ns


def _told(scene: Scene, act: Callable[[], Any], until: str = '"DONE"') -> list[str]:
    """What the user channel says of an act: kind and status of each message."""

    def all_of_it() -> None:
        act()
        time.sleep(0.05)
        scene.venue.push("user", json.dumps({"event_type": "DONE"}))

    heard = Listener(scene, "user").during(all_of_it, until=until)
    return [str(m.get("type") if m["event_type"] == "order" else m.get("status")) for m in heard]


@pytest.mark.parametrize(("fault", "count"), [("lose", 0), ("double", 2)])
def test_messages_are_lost_and_doubled_by_kind(scene: Scene, fault: str, count: int) -> None:
    scene.venue.engine.mined_after = 60
    getattr(scene.venue.faults, fault)("trade MATCHED")
    heard = _told(scene, lambda: scene.order("BUY", 0.52, 200))
    assert heard == ["PLACEMENT", *["MATCHED"] * count, "None"]
    heard = _told(scene, lambda: scene.order("SELL", 0.50, 10))
    assert [h for h in heard if h != "UPDATE"] == ["MATCHED", "None"]


def test_a_postponed_message_is_overtaken(scene: Scene) -> None:
    scene.venue.faults.postpone("trade MATCHED", 0.02)
    scene.venue.engine.mined_after = 60
    heard = _told(scene, lambda: scene.order("BUY", 0.52, 120, "FAK"))
    assert heard == ["CANCELLATION", "MATCHED", "None"]


def test_a_change_of_prices_may_be_lost(scene: Scene) -> None:
    scene.venue.faults.lose("price_change", token=scene.yes)

    def act() -> None:
        scene.venue.quote(scene.yes, "0.10", "1", "0.90", "1")
        scene.venue.quote(scene.yes, "0.20", "1", "0.90", "1")

    (_, _, change) = Listener(scene, "market").during(act, until="price_change")
    assert [c["price"] for c in change["price_changes"][:4:2]] == ["0.1", "0.2"]


def test_a_killed_order_may_be_told_in_a_sentence(scene: Scene) -> None:
    scene.venue.faults.killed_text = True
    heard = Listener(scene, "user").during(
        lambda: scene.order("BUY", 0.52, 120, "FAK"), until="CANCELLATION"
    )
    assert heard[-1]["status"].startswith("CANCELED_order couldn't be fully filled")


def test_messages_may_come_well_after_the_reply(scene: Scene) -> None:
    scene.venue.faults.messages_after_reply = 0.5
    heard_at_reply: list[int] = []

    def act() -> None:
        scene.order("BUY", 0.40, 10)
        heard_at_reply.append(len(listener.frames))

    listener = Listener(scene, "user")
    assert [m["type"] for m in listener.during(act, until="PLACEMENT")] == ["PLACEMENT"]
    assert heard_at_reply == [1]  # the answer to the listener's own PING


def test_a_silent_channel_still_answers_pings(scene: Scene) -> None:
    scene.venue.faults.silent = {"market"}
    listener = Listener(scene, "market")
    assert listener.during(lambda: None, until="PONG") == []


def test_a_silent_token_is_silent_alone(scene: Scene) -> None:
    other = scene.venue.add_market("will-it-snow")
    scene.venue.faults.silent = {scene.yes}
    listener = Listener(scene, "market", assets_ids=[scene.yes, other.tokens[0]])

    def act() -> None:
        scene.venue.quote(scene.yes, "0.10", "1", "0.90", "1")
        scene.venue.quote(other.tokens[0], "0.20", "1", "0.80", "1")

    heard = listener.during(act, until="price_change")
    assert {m["market"] for m in heard} == {other.condition_id}


def test_sockets_are_dropped_and_refused(scene: Scene) -> None:
    listener = Listener(scene, "market")
    listener.during(lambda: scene.venue.drop("market"), until="never")
    assert scene.venue.listeners("market") == 0
    scene.venue.faults.refused = {"market"}
    answer = httpx.get(scene.venue.clob + "/ws/market")
    assert answer.status_code == 503


def test_a_frozen_book_stays_as_it_was(scene: Scene) -> None:
    before = scene.client.get_order_book(scene.yes)
    scene.venue.faults.frozen = {scene.yes}
    scene.venue.quote(scene.yes, "0.30", "1", "0.90", "1")
    assert scene.client.get_order_book(scene.yes) == before
    scene.venue.faults.clear()
    assert scene.client.get_order_book(scene.yes)["bids"][-1]["price"] == "0.3"


def test_an_order_may_be_delayed_before_it_is_matched(scene: Scene, eventually: Wait) -> None:
    scene.venue.faults.order_delay = 3
    reply = scene.order("BUY", 0.52, 10)
    assert (reply["success"], reply["status"]) == (True, "delayed")
    assert scene.client.get_order(reply["orderID"])["status"] == "DELAYED"
    scene.venue.skip(4)
    eventually(lambda: scene.venue.shares(scene.me, scene.yes) == 10)


def test_the_next_trades_fail_to_settle_and_are_undone(scene: Scene, eventually: Wait) -> None:
    scene.venue.faults.failing_trades = 1
    heard = Listener(scene, "user").during(lambda: scene.order("BUY", 0.52, 10), until="FAILED")
    assert [m["status"] for m in heard] == ["MATCHED", "FAILED"]
    assert (scene.venue.cash(scene.me), scene.venue.shares(scene.me, scene.yes)) == (1000, 0)
    scene.order("BUY", 0.52, 10)
    eventually(lambda: scene.client.get_trades()[0]["status"] == "CONFIRMED")


def test_a_just_posted_order_may_not_be_found_yet(scene: Scene) -> None:
    scene.venue.faults.unseen_seconds = 5
    order_id = scene.order("BUY", 0.40, 10)["orderID"]
    assert scene.client.get_order(order_id) is None
    assert scene.client.get_open_orders() == []
    scene.venue.skip(6)
    assert scene.client.get_order(order_id)["id"] == order_id


def test_the_data_api_and_the_balance_may_lag(scene: Scene) -> None:
    scene.venue.skip(100)
    scene.venue.faults.data_lag = scene.venue.faults.balance_lag = 30
    scene.order("BUY", 0.52, 10)
    cash = BalanceAllowanceParams(asset_type=AssetType.COLLATERAL)
    query = {"user": scene.me, "sizeThreshold": "0"}

    def seen() -> tuple[str, int, int]:
        held = httpx.get(f"{scene.venue.data}/positions", params=query).json()
        done = httpx.get(f"{scene.venue.data}/v2/trades", params=query).json()["data"]
        return scene.client.get_balance_allowance(cash)["balance"], len(held), len(done)

    assert seen() == ("1000000000", 0, 0)
    scene.venue.skip(31)
    assert seen() == ("994700160", 1, 1)


def test_just_bought_shares_may_not_be_sellable_at_once(scene: Scene) -> None:
    scene.venue.engine.sellable_after = 5
    scene.order("BUY", 0.52, 10)
    with pytest.raises(PolyApiException, match="not enough balance / allowance"):
        scene.order("SELL", 0.60, 10)
    scene.venue.skip(6)
    assert scene.order("SELL", 0.60, 10)["status"] == "live"


def test_an_order_that_cannot_be_read_is_refused(scene: Scene) -> None:
    order = scene.client.create_order(
        OrderArgsV2(token_id=scene.yes, price=0.4, size=10, side="BUY")
    )
    order.expiration = "soon"
    with pytest.raises(PolyApiException, match="Invalid order payload") as e:
        scene.client.post_order(order)
    assert e.value.status_code == 400
