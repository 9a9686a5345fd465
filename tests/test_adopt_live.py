"""Shares that the owner bought on the website, protected by a live node; see `test_faults`."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import ApiCreds
from test_faults import crash, opened, resting, stopped
from trading import KEY, Scenarios, Session, trade

from positions.commands.messages import Reply
from positions.model.position import Role
from venues.polymarket.api.signing import OrderSigner, Terms

pytestmark = pytest.mark.xdist_group("adopt")

D = Decimal
SCENARIOS = Scenarios()


async def by_hand(s: Session, m: MarketHandle, side: str, price: float, size: float) -> None:
    """The owner trades on the website: with the same wallet, but not by this node."""
    keys = s.venue.wallet(KEY)
    creds = ApiCreds(
        api_key=keys["POLYMARKET_API_KEY"],
        api_secret=keys["POLYMARKET_API_SECRET"],
        api_passphrase=keys["POLYMARKET_PASSPHRASE"],
    )
    website = ClobClient(s.venue.clob, 137, key=KEY, creds=creds, funder=s.funder)
    terms = Terms(m.tokens[0], side == "BUY", D(str(price)), D(str(size)), neg_risk=False)
    signer = OrderSigner(KEY, website.get_address(), s.funder, 0)
    reply = await asyncio.to_thread(lambda: website.post_order(signer.sign(terms).order))
    s.foreign.add(reply["orderID"])


async def adopt(s: Session, m: MarketHandle, **fields: Any) -> Reply:
    """Ask for all free shares: target 0.70, stop 0.45."""
    asked = {"market": m.slug, "outcome": "Yes", "target": "0.70", "stop": "0.45"}
    return await s.command("adopt", **(asked | fields))


async def adopted(s: Session, m: MarketHandle, **fields: Any) -> str:
    reply = await adopt(s, m, **fields)
    assert reply.status == "accepted", reply.message
    return reply.position_id


@SCENARIOS.add
async def what_was_bought_on_the_website_is_protected(s: Session, m: MarketHandle) -> None:
    await by_hand(s, m, "BUY", 0.55, 20)
    p = await adopted(s, m)
    await s.held(p, "20")
    await resting(s, p, Role.TARGET)
    # 20 x 0.52, and 20 x 0.04 x 0.52 x 0.48 as the venue's fee
    assert (s.positions[p].ledger.cost, s.positions[p].ledger.buy_fees) == (D("10.4"), D("0.19968"))
    crash(s, m)
    await stopped(s, p)
    assert s.venue.shares(s.funder, m.tokens[0]) == 0


@SCENARIOS.add
async def shares_from_elsewhere_need_a_price(s: Session, m: MarketHandle) -> None:
    s.venue.give(s.funder, m.tokens[0], "20")
    reply = await adopt(s, m)
    assert reply.code == "ENTRY_PRICE_UNKNOWN"
    p = await adopted(s, m, entry_price="0.30")
    await s.held(p, "20")
    crash(s, m)
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == D("8.80")


@SCENARIOS.add
async def what_a_position_owns_or_another_order_offers_is_left(s: Session, m: MarketHandle) -> None:
    own = await opened(s, m)
    await s.settled()
    reply = await adopt(s, m, entry_price="0.30")
    assert reply.code == "NOTHING_TO_ADOPT", reply.message
    s.venue.give(s.funder, m.tokens[0], "30")
    await by_hand(s, m, "SELL", 0.90, 12)
    p = await adopted(s, m, entry_price="0.30")
    await s.held(p, "18")
    assert s.positions[own].held == 20
    crash(s, m)
    await stopped(s, p)
    await stopped(s, own)
    assert s.venue.shares(s.funder, m.tokens[0]) == 12
    for order in s.venue.orders(s.funder):
        s.venue.cancel(order.id)


@SCENARIOS.add
async def an_entry_that_was_filled_unheard_is_not_adopted(s: Session, m: MarketHandle) -> None:
    p = await s.submit(m, "0.48", "20", stop_loss_price="0.40")
    await s.until(lambda: bool(s.venue.orders(s.funder)), "the entry rests")
    s.venue.faults.silent.add("user")
    s.venue.quote(m.tokens[0], "0.46", "100", "0.52", "100")
    assert s.venue.take(m.tokens[0], "SELL", "0.48", "20") == 20
    reply = await adopt(s, m, entry_price="0.30")
    assert reply.code in ("NOTHING_TO_ADOPT", "WALLET_UNKNOWN"), reply.message
    s.venue.faults.silent.clear()
    await s.held(p, "20")


@SCENARIOS.add
async def a_market_that_is_not_known_yet_is_found(s: Session, m: MarketHandle) -> None:
    reply = await adopt(s, m, entry_price="0.30")
    assert reply.code == "NOTHING_TO_ADOPT"
    reply = await s.command("adopt", market="no-such-market", outcome="Yes", stop="0.45")
    assert reply.code == "UNKNOWN_MARKET"


@SCENARIOS.add
async def a_wallet_that_cannot_be_read_is_said_so(s: Session, m: MarketHandle) -> None:
    s.venue.faults.answer("GET /data/trades", 400, times=None, error="no luck")
    reply = await adopt(s, m, patience=90, entry_price="0.30")
    assert reply.code == "WALLET_UNKNOWN"
    assert "no luck" in reply.message


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]


def test_what_was_adopted_is_protected_again_after_a_restart(tmp_path: Path) -> None:
    ids: list[str] = []
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        keys = venue.wallet(KEY, cash="1000")
        venue.give(keys["POLYMARKET_FUNDER"], m.tokens[0], "20")

        async def first(s: Session) -> None:
            ids.append(await adopted(s, m, entry_price="0.30"))
            await resting(s, ids[0], Role.TARGET)

        async def second(s: Session) -> None:
            await s.held(ids[0], "20")
            assert (await adopt(s, m, entry_price="0.30")).code == "NOTHING_TO_ADOPT"
            assert not s.alarms
            crash(s, m)
            await stopped(s, ids[0])
            await s.agrees(m)

        trade(venue, tmp_path, first, keys=keys)
        trade(venue, tmp_path, second, keys=keys)
