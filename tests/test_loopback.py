"""The loopback venue, by clients that nobody here wrote: the official Python library, and the
adapter's own readers of what the sockets and REST tell."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from loopback.scene import OTHER_KEY, Listener, Scene
from loopback.server import LoopbackPolymarket
from nautilus_trader.adapters.polymarket.schemas.book import (
    PolymarketBookSnapshot,
    PolymarketQuotes,
    PolymarketTickSizeChange,
    PolymarketTrade,
)
from nautilus_trader.adapters.polymarket.schemas.trade import PolymarketTradeReport
from nautilus_trader.adapters.polymarket.schemas.user import (
    PolymarketOpenOrder,
    PolymarketUserOrder,
    PolymarketUserTrade,
)
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    BookParams,
    OpenOrderParams,
    OrderArgsV2,
    OrderMarketCancelParams,
    OrderPayload,
    OrderType,
    PartialCreateOrderOptions,
    PostOrdersV2Args,
    TradeParams,
)
from py_clob_client_v2.config import get_contract_config
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2

D = Decimal
FIRST_BOOK = {
    "market",
    "asset_id",
    "timestamp",
    "hash",
    "bids",
    "asks",
    "tick_size",
    "event_type",
    "last_trade_price",
}


@pytest.fixture
def scene() -> Iterator[Scene]:
    with LoopbackPolymarket() as venue:
        yield Scene(venue)


# -- the official Python client --------------------------------------------------------------------


def test_a_key_is_made_once_and_derived_for_ever(scene: Scene) -> None:
    client = ClobClient(scene.venue.clob, 137, key=OTHER_KEY)
    with pytest.raises(PolyApiException, match="Could not derive api key!"):
        client.derive_api_key()
    made = client.create_or_derive_api_key()
    assert client.create_or_derive_api_key() == client.derive_api_key() == made
    client.set_api_creds(made)
    assert client.get_api_keys() == {"apiKeys": [made.api_key]}
    client.delete_api_key()
    with pytest.raises(PolyApiException, match="Invalid api key"):
        client.get_api_keys()


def test_orders_of_all_kinds_are_taken_and_filled(scene: Scene) -> None:
    resting = scene.order("BUY", 0.48, 10)
    assert (resting["success"], resting["status"]) == (True, "live")
    crossing = scene.order("BUY", 0.53, 20)
    assert (crossing["status"], crossing["makingAmount"]) == ("matched", "10.4")
    lasting = scene.order("SELL", 0.60, 10, "GTD", expiration=int(time.time()) + 300)
    assert lasting["status"] == "live"
    assert scene.market_order("BUY", 10, "FOK")["status"] == "matched"
    sold = scene.market_order("SELL", 10, "FAK")
    assert (sold["status"], sold["takingAmount"]) == ("matched", "5")
    assert scene.order("SELL", 0.45, 5, "FAK")["takingAmount"] == "2.5"
    listed = [(o["id"], o["side"], o["order_type"]) for o in scene.client.get_open_orders()]
    assert listed == [(resting["orderID"], "BUY", "GTC"), (lasting["orderID"], "SELL", "GTD")]
    assert len(scene.client.get_trades()) == 4


def test_the_hash_of_an_order_is_the_one_that_the_client_expects(scene: Scene) -> None:
    args = OrderArgsV2(token_id=scene.yes, price=0.4, size=10, side="BUY")
    signed = scene.client.create_order(args)
    reply = scene.client.post_order(signed)
    builder = ExchangeOrderBuilderV2(get_contract_config(137).exchange_v2, 137, scene.client.signer)
    expected = builder.build_order_hash(builder.build_order_typed_data(signed))
    assert reply["orderID"] == expected
    with pytest.raises(PolyApiException, match="Duplicated"):
        scene.client.post_order(signed)


def test_a_negative_risk_market_is_settled_by_its_own_contract(scene: Scene) -> None:
    market = scene.venue.add_market("who-wins", neg_risk=True, tick="0.001")
    assert scene.order("BUY", 0.405, 10, token=market.tokens[1])["status"] == "live"


def test_orders_are_cancelled_one_by_one_by_list_by_market_and_all(scene: Scene) -> None:
    ids = [scene.order("BUY", 0.40 - i / 100, 5)["orderID"] for i in range(6)]
    client = scene.client
    assert client.cancel_order(OrderPayload(orderID=ids[0]))["canceled"] == ids[:1]
    again = client.cancel_order(OrderPayload(orderID=ids[0]))
    assert "already canceled or matched" in again["not_canceled"][ids[0]]
    assert client.cancel_orders(ids[1:3])["canceled"] == ids[1:3]
    other_market = OrderMarketCancelParams(market="0x" + "00" * 32)
    assert client.cancel_market_orders(other_market)["canceled"] == []
    of_token = OrderMarketCancelParams(asset_id=scene.yes)
    assert client.cancel_market_orders(of_token)["canceled"] == ids[3:]
    last = scene.order("BUY", 0.40, 5)["orderID"]
    assert client.cancel_all()["canceled"] == [last]
    assert client.get_open_orders() == []


def test_lists_of_orders_are_taken_one_by_one(scene: Scene) -> None:
    def signed(price: float, size: float) -> PostOrdersV2Args:
        args = OrderArgsV2(token_id=scene.yes, price=price, size=size, side="BUY")
        return PostOrdersV2Args(order=scene.client.create_order(args), orderType=OrderType.GTC)

    good, bad = scene.client.post_orders([signed(0.4, 5), signed(0.4, 4)])
    assert (good["success"], bad["success"]) == (True, False)
    assert "lower than the minimum: 5" in bad["errorMsg"]


def test_orders_and_trades_are_told_page_by_page_and_filtered(scene: Scene) -> None:
    scene.venue.rest.page_size = 2
    scene.venue.engine.mined_after = 60
    ids = [scene.order("BUY", 0.40, 5)["orderID"] for _ in range(5)]
    for _ in range(3):
        scene.order("BUY", 0.52, 5)
    assert [o["id"] for o in scene.client.get_open_orders()] == ids
    assert [o["id"] for o in scene.client.get_open_orders(OpenOrderParams(id=ids[3]))] == [ids[3]]
    assert scene.client.get_open_orders(OpenOrderParams(asset_id=scene.no)) == []
    trades = scene.client.get_trades()
    assert len(trades) == 3
    market = TradeParams(market=scene.market.condition_id, after=int(time.time()) - 60)
    assert scene.client.get_trades(market) == trades
    assert scene.client.get_trades(TradeParams(after=int(time.time()) + 60)) == []
    assert scene.client.get_trades(TradeParams(id=trades[1]["id"])) == [trades[1]]


def test_books_are_told_with_the_best_price_last_and_their_own_hash(scene: Scene) -> None:
    scene.venue.book(scene.yes, [("0.50", 1), ("0.49", 2)], [("0.52", 3), ("0.6", 4)])
    book = scene.client.get_order_book(scene.yes)
    assert [b["price"] for b in book["bids"]] == ["0.49", "0.5"]
    assert [a["price"] for a in book["asks"]] == ["0.6", "0.52"]
    assert scene.client.get_order_book_hash(dict(book)) == book["hash"]
    first, second = scene.client.get_order_books([BookParams(t) for t in scene.market.tokens])
    assert (first, second["asset_id"]) == (book, scene.no)
    assert [b["price"] for b in second["bids"]] == ["0.4", "0.48"]
    with pytest.raises(PolyApiException, match="No orderbook exists"):
        scene.client.get_order_book("1")


def test_balances_follow_what_is_traded(scene: Scene) -> None:
    scene.order("BUY", 0.52, 20)
    cash = BalanceAllowanceParams(asset_type=AssetType.COLLATERAL)
    shares = BalanceAllowanceParams(asset_type=AssetType.CONDITIONAL, token_id=scene.yes)
    # 20 x 0.52, and the fee 20 x 0.04 x 0.52 x 0.48
    assert scene.client.get_balance_allowance(cash)["balance"] == "989400320"
    assert scene.client.get_balance_allowance(shares)["balance"] == "20000000"
    scene.client.update_balance_allowance(shares)
    assert scene.venue.cash(scene.me) == D(1000) - D("10.4") - D("0.19968")
    assert scene.venue.shares(scene.me, scene.yes) == 20


@pytest.mark.parametrize("signature_type", [1, 2, 3])
def test_a_wallet_that_another_address_signs_for_can_trade(
    scene: Scene, signature_type: int
) -> None:
    funder = "0x" + "5e" * 20
    scene.client = scene.make_client(OTHER_KEY, funder=funder, signature_type=signature_type)
    assert scene.order("BUY", 0.52, 10)["status"] == "matched"
    assert scene.venue.shares(funder, scene.yes) == 10
    cash = BalanceAllowanceParams(asset_type=AssetType.COLLATERAL)
    assert scene.client.get_balance_allowance(cash)["balance"] == "994700160"


def test_an_allowance_must_cover_an_order(scene: Scene) -> None:
    cash = BalanceAllowanceParams(asset_type=AssetType.COLLATERAL)
    assert set(scene.client.get_balance_allowance(cash)["allowances"].values()) == {str(2**256 - 1)}
    scene.venue.allow(scene.me, "3.99")
    with pytest.raises(PolyApiException, match="allowance: 3990000, order amount: 4000000"):
        scene.order("BUY", 0.40, 10)
    assert "3990000" in scene.client.get_balance_allowance(cash)["allowances"].values()


# -- what is verified ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("makerAmount", "5300000", "invalid signature"),
        ("takerAmount", "11000000", "invalid signature"),
        ("salt", 1, "invalid signature"),
        ("signature", "0x" + "12" * 65, "invalid signature|Invalid order payload"),
        ("signature", "0x12", "Invalid order payload"),
        ("maker", "0x" + "33" * 20, "invalid signature"),
        ("signer", "0x" + "33" * 20, "signer address has to be the address of the API KEY"),
        ("tokenId", "12345", "the orderbook 12345 does not exist"),
    ],
)
def test_an_order_that_was_changed_after_signing_is_refused(
    scene: Scene, field: str, value: Any, words: str
) -> None:
    args = OrderArgsV2(token_id=scene.yes, price=0.5, size=10, side="BUY")
    signed = scene.client.create_order(args)
    setattr(signed, field, value)
    with pytest.raises(PolyApiException, match=words) as e:
        scene.client.post_order(signed)
    assert e.value.status_code == 400
    assert scene.venue.orders(scene.me) == []


def test_an_order_for_another_contract_is_refused(scene: Scene) -> None:
    args = OrderArgsV2(token_id=scene.yes, price=0.5, size=10, side="BUY")
    signed = scene.client.create_order(args, PartialCreateOrderOptions(neg_risk=True))
    with pytest.raises(PolyApiException, match="invalid signature"):
        scene.client.post_order(signed)


@pytest.mark.parametrize("field", ["api_secret", "api_key", "api_passphrase"])
def test_requests_with_wrong_credentials_are_refused(scene: Scene, field: str) -> None:
    setattr(scene.client.creds, field, "c2VjcmV0")
    with pytest.raises(PolyApiException, match="Invalid api key") as e:
        scene.client.get_open_orders()
    assert e.value.status_code == 401


def test_a_body_that_was_changed_after_signing_is_refused(scene: Scene) -> None:
    headers = scene.client._l2_headers("DELETE", "/orders", serialized_body="[]")
    changed = httpx.request("DELETE", scene.venue.clob + "/orders", headers=headers, content="[1]")
    assert changed.status_code == 401


def test_another_wallets_orders_cannot_be_seen_or_cancelled(scene: Scene) -> None:
    order_id = scene.order("BUY", 0.40, 10)["orderID"]
    other = scene.make_client(OTHER_KEY)
    assert other.get_order(order_id) is None
    assert other.get_open_orders() == []
    assert order_id in other.cancel_order(OrderPayload(orderID=order_id))["not_canceled"]


def test_a_missing_heartbeat_cancels_every_order(scene: Scene) -> None:
    scene.order("BUY", 0.40, 10)
    beat = scene.client.post_heartbeat("")["heartbeat_id"]
    scene.venue.skip(10)
    beat = scene.client.post_heartbeat(beat)["heartbeat_id"]
    scene.venue.skip(10)
    assert len(scene.venue.orders(scene.me)) == 1
    with pytest.raises(PolyApiException, match=beat):
        scene.client.post_heartbeat("another")
    scene.venue.skip(10)
    assert scene.venue.orders(scene.me) == []


# -- the sockets -----------------------------------------------------------------------------------


def test_the_market_channel_begins_with_an_array_of_books(scene: Scene) -> None:
    listener = Listener(scene, "market")
    listener.during(lambda: None, until="PONG")
    first = json.loads(listener.frames[0])
    assert [book["asset_id"] for book in first] == [scene.yes, scene.no]
    for book in first:
        msgspec.convert(book, PolymarketBookSnapshot)
        assert set(book) == FIRST_BOOK


def test_a_changed_price_is_told_in_one_frame_for_both_outcomes(scene: Scene) -> None:
    heard = Listener(scene, "market").during(
        lambda: scene.venue.quote(scene.yes, "0.51", "70", "0.52", "100"), until="price_change"
    )
    told = msgspec.convert(heard[-1], PolymarketQuotes)
    changes = [(c.asset_id, c.side.value, c.price, c.size) for c in told.price_changes]
    assert changes == [
        (scene.yes, "BUY", "0.5", "0"),
        (scene.no, "SELL", "0.5", "0"),
        (scene.yes, "BUY", "0.51", "70"),
        (scene.no, "SELL", "0.49", "70"),
    ]
    assert {(c.best_bid, c.best_ask) for c in told.price_changes} == {
        ("0.51", "0.52"),
        ("0.48", "0.49"),
    }


def test_a_trade_is_told_on_both_channels_as_the_adapter_reads_it(scene: Scene) -> None:
    heard = Listener(scene, "market").during(
        lambda: scene.order("BUY", 0.52, 120, "FAK"), until='"bids": []'
    )
    assert msgspec.convert(heard[2], PolymarketTrade).size == "100"
    books = [msgspec.convert(m, PolymarketBookSnapshot) for m in heard[3:]]
    assert (books[0].asks, books[-1].bids) == ([], [])


def test_an_orders_life_is_told_on_the_user_channel(scene: Scene) -> None:
    def act() -> None:
        scene.order("BUY", 0.51, 30)
        scene.venue.take(scene.yes, "SELL", "0.51", "10")
        scene.client.cancel_all()

    heard = Listener(scene, "user").during(act, until="CONFIRMED")
    told = [(m["event_type"], m["type"], m["status"], m.get("size_matched")) for m in heard]
    assert told == [
        ("order", "PLACEMENT", "LIVE", "0"),
        ("trade", "TRADE", "MATCHED", None),
        ("order", "UPDATE", "LIVE", "10"),
        ("order", "CANCELLATION", "CANCELED", "10"),
        ("trade", "TRADE", "MINED", None),
        ("trade", "TRADE", "CONFIRMED", None),
    ]
    for message in heard:
        kind = PolymarketUserOrder if message["event_type"] == "order" else PolymarketUserTrade
        msgspec.convert(message, kind)


def test_a_wallet_hears_of_its_own_orders_alone(scene: Scene) -> None:
    other = scene.make_client(OTHER_KEY)
    resting = scene.order("BUY", 0.51, 10)["orderID"]
    scene.venue.give(other.get_address(), scene.yes, 100)
    sale = OrderArgsV2(token_id=scene.yes, price=0.50, size=20, side="SELL")

    heard = Listener(scene, "user").during(
        lambda: other.create_and_post_order(sale), until='"UPDATE"'
    )
    trade, update = heard
    assert (trade["trader_side"], trade["side"], trade["size"]) == ("MAKER", "SELL", "20")
    assert [(m["order_id"] == resting, m["price"]) for m in trade["maker_orders"]] == [
        (True, "0.51"),
        (False, "0.5"),
    ]
    assert (update["id"], update["status"], update["size_matched"]) == (resting, "MATCHED", "10")
    (told,) = other.get_trades()
    assert (told["trader_side"], told["price"]) == ("TAKER", "0.5")


def test_what_rest_tells_is_what_the_adapter_reads(scene: Scene) -> None:
    scene.order("BUY", 0.51, 30)
    scene.order("BUY", 0.52, 30)
    (order,) = scene.client.get_open_orders()
    msgspec.convert(order, PolymarketOpenOrder)
    (trade,) = scene.client.get_trades()
    msgspec.convert(trade, PolymarketTradeReport)


def test_a_user_channel_without_credentials_is_closed(scene: Scene) -> None:
    listener = Listener(scene, "user", auth={"apiKey": "x", "secret": "y", "passphrase": "z"})
    assert listener.during(lambda: None, until="never") == []


def test_a_token_may_be_asked_for_later(scene: Scene) -> None:
    listener = Listener(scene, "market", assets_ids=[scene.no], operation="subscribe")
    heard = listener.during(
        lambda: scene.venue.change_tick(scene.market, "0.001"), until="tick_size_change"
    )
    assert [m["event_type"] for m in heard] == ["book", "tick_size_change"]
    assert msgspec.convert(heard[1], PolymarketTickSizeChange).asset_id == scene.no
    assert scene.client.get_tick_size(scene.yes) == "0.001"


# -- the end of a market ---------------------------------------------------------------------------


def test_a_resolution_is_told_by_message_gamma_and_the_order_book(scene: Scene) -> None:
    scene.order("BUY", 0.40, 10)
    heard = Listener(scene, "market").during(
        lambda: scene.venue.resolve(scene.market, scene.no), until="market_resolved"
    )
    assert heard[-1]["winning_asset_id"] == scene.no
    assert scene.venue.orders(scene.me) == []
    told = scene.client.get_market(scene.market.condition_id)
    assert (told["closed"], [t["winner"] for t in told["tokens"]]) == (True, [False, True])
    query = {"condition_ids": scene.market.condition_id}
    assert httpx.get(scene.venue.gamma + "/markets", params=query).json() == []
    (found,) = httpx.get(scene.venue.gamma + "/markets", params=query | {"closed": "true"}).json()
    assert (found["outcomePrices"], found["umaResolutionStatus"]) == ('["0", "1"]', "resolved")


def test_what_happens_behind_an_owners_back_shows(scene: Scene) -> None:
    first, second = (scene.order("BUY", 0.40, 10)["orderID"] for _ in range(2))
    assert scene.venue.cancel(first)
    assert [o["id"] for o in scene.client.get_open_orders()] == [second]
    scene.venue.withdraw(scene.market)
    assert scene.client.get_open_orders() == []
    scene.venue.give(scene.me, scene.yes, 7)
    assert scene.order("SELL", 0.60, 7)["status"] == "live"
    scene.venue.pause(scene.market)
    with pytest.raises(PolyApiException, match="not accepting orders"):
        scene.order("BUY", 0.40, 10)
    scene.venue.pause(scene.market, accepting=True)
    assert scene.order("BUY", 0.40, 10)["status"] == "live"
