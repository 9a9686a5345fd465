"""Markets of Protocol V2, beside those of V1 in one wallet: found, traded, adopted, recovered and
resolved. See `test_signing` for what is signed."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session, trade

from positions.commands.market_names import market_name
from positions.model.position import Phase, Role
from venues.polymarket.api.data_api import payouts_of
from venues.polymarket.api.gamma import UnknownProtocol, parse, read
from venues.polymarket.api.protocol import Protocol, position_ids, protocol_of_condition
from venues.polymarket.execution.market_trades import get_trades
from venues.polymarket.market_data.resolutions import compact_market

D = Decimal
SCENARIOS = Scenarios()
POSITIONS = [
    "651150819117105875331414918119047680898421632356043490229292782433651916800",
    "651150819117105875331414918119047680898421632356043490229292782433651916801",
]
V2 = f"0x{int(POSITIONS[0]):064x}"
TOKENS = [
    "25070934348813416902477876984955073880416401960631253331845590271167412497744",
    "111614563957165270026378011809694313565736745512637881727398424401624030147043",
]
V1 = "0xcd5f9f505e0c0182746aa65963f72f01e7463259e5ea9f56672c0fe3a37f348a"
OLD = {
    "conditionId": V1,
    "slug": "old",
    "outcomes": '["Up", "Down"]',
    "clobTokenIds": json.dumps(TOKENS),
}
NEW = {
    "version": "v2",
    "conditionId": V2[:-2],
    "slug": "new",
    "outcomes": '["Yes", "No"]',
    "outcomePrices": '["0.085", "0.915"]',
    "clobTokenIds": None,
    "positionIds": POSITIONS,
}


# -- found -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "protocol", "tokens", "condition_id"),
    [
        (NEW, Protocol.V2, POSITIONS, V2),
        (NEW | {"conditionId": V2}, Protocol.V2, POSITIONS, V2),
        (NEW | {"conditionId": V2[:-2].upper()}, Protocol.V2, POSITIONS, V2),
        (NEW | {"clobTokenIds": json.dumps(TOKENS)}, Protocol.V2, POSITIONS, V2),
        (NEW | {"positionIds": json.dumps(POSITIONS)}, Protocol.V2, POSITIONS, V2),
        (OLD | {"version": "v1"}, Protocol.V1, TOKENS, V1),
        (OLD | {"version": "v1", "positionIds": POSITIONS}, Protocol.V1, TOKENS, V1),
        (OLD, Protocol.V1, TOKENS, V1),
        (OLD | {"version": None, "positionIds": []}, Protocol.V1, TOKENS, V1),
    ],
)
def test_a_market_is_read_by_its_version(
    told: dict[str, Any], protocol: Protocol, tokens: list[str], condition_id: str
) -> None:
    market = read(told)
    assert market is not None
    assert market.protocol is protocol
    assert [o.token_id for o in market.outcomes] == tokens
    assert market.condition_id == condition_id


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (NEW | {"version": "v3"}, "the version of market new was 'v3', must be one of v1, v2"),
        (NEW | {"version": 2}, "was 2, must be one of"),
        (NEW | {"version": "V2"}, "was 'V2'"),
        (NEW | {"version": ""}, "was ''"),
        (NEW | {"version": None}, "the version of market new was missing"),
        ({k: v for k, v in NEW.items() if k != "version"}, "was missing"),
        (OLD | {"positionIds": POSITIONS}, "the version of market old was missing"),
        (OLD | {"version": "v3"}, "was 'v3'"),
        (NEW | {"positionIds": TOKENS}, "has ids of another protocol than its v2"),
        (OLD | {"version": "v1", "clobTokenIds": POSITIONS}, "of another protocol than its v1"),
    ],
)
def test_a_market_of_an_unknown_version_is_refused_by_name(told: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownProtocol, match=said):
        read(told)
    assert parse(told) is None


@pytest.mark.parametrize("ids", [None, [], ["1"], "no list"])
def test_a_market_without_the_ids_of_its_version_makes_no_sense(ids: Any) -> None:
    assert read(NEW | {"positionIds": ids, "clobTokenIds": json.dumps(TOKENS)}) is None


def test_a_condition_tells_its_outcomes() -> None:
    assert position_ids(V2) == tuple(POSITIONS)
    assert protocol_of_condition(V2) is Protocol.V2
    assert protocol_of_condition(V1) is Protocol.V1
    assert protocol_of_condition("will-it-rain") is Protocol.V1
    assert market_name(V2[:-2].upper()) == V2


# -- resolved --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "payouts", "paid"),
    [
        ("resolved", [1_000_000, 0], ("1", "0")),
        ("resolved", [500_000, 500_000], ("0.5", "0.5")),
        ("resolved", [123_456, 876_544], ("0.123456", "0.876544")),
        ("active", None, ()),
        ("proposed", [1_000_000, 0], ()),
        ("resolved", None, ()),
        ("resolved", [], ()),
        ("resolved", [1_000_000], ()),
        ("resolved", [1_000_000, 1], ()),
        ("resolved", [-1, 1_000_001], ()),
        ("resolved", ["1000000", "0"], ()),
        ("resolved", [True, 0], ()),
        ("resolved", [333_333, 333_333, 333_334], ()),
    ],
)
def test_what_a_resolution_pays(status: str, payouts: Any, paid: tuple[str, ...]) -> None:
    assert payouts_of({"status": status, "payouts": payouts}) == tuple(map(D, paid))


def test_the_order_books_short_description_is_read() -> None:
    told = {"t": [{"t": "1", "o": "Up"}, {"t": "2", "o": "Down"}], "ao": True, "v": "v2"}
    assert not compact_market(told).is_closed
    assert compact_market(told | {"ao": False}).is_closed
    assert compact_market(told | {"ao": None}).tokens == frozenset({"1", "2"})


# -- traded ----------------------------------------------------------------------------------------


def other(s: Session, slug: str, version: str) -> MarketHandle:
    """A market of a protocol, quoted 0.50 to 0.52."""
    market = s.venue.add_market(slug, version=version)
    s.venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
    return market


@SCENARIOS.add
async def stops_of_both_protocols_sell(s: Session, _: MarketHandle) -> None:
    markets = [other(s, f"both-{version}", version) for version in ("v1", "v2")]
    ids = [await opened(s, market) for market in markets]
    for position in ids:
        await resting(s, position, Role.TARGET)
    for market in markets:
        crash(s, market)
    for position in ids:
        await stopped(s, position)
    for market in markets:
        assert s.venue.shares(s.funder, market.tokens[0]) == 0
        await s.agrees(market)


@SCENARIOS.add
async def a_market_is_named_by_an_id_of_either_width(s: Session, _: MarketHandle) -> None:
    market = other(s, "by-its-id", "v2")
    short = market.condition_id[:-2].upper().replace("0X", "0x")
    for name in (short, market.condition_id):
        asked = {"market": name, "outcome": "Yes", "max_bid": "0.55", "size": "20"}
        reply = await s.command("submit", **asked, stop_loss_price="0.45")
        assert reply.status == "accepted", reply.message
        await s.held(reply.position_id, "20")
        assert s.positions[reply.position_id].market_id == market.condition_id


@SCENARIOS.add
async def the_user_channel_tells_of_both_protocols(s: Session, _: MarketHandle) -> None:
    """Whatever width it wants: the first V2 market has all markets told."""
    p = await opened(s, other(s, "heard-v1", "v1"))
    q = await opened(s, other(s, "heard-v2", "v2"))
    later = other(s, "heard-later", "v1")
    r = await opened(s, later)
    for position in (p, q, r):
        await resting(s, position, Role.TARGET)
    await s.until(lambda: s.venue.listeners("user") == 1, "one socket is open")
    assert all(not sock.wanted for sock in s.venue.channels.sockets if sock.channel == "user")


@SCENARIOS.add
async def a_balance_is_read_where_the_shares_are(s: Session, _: MarketHandle) -> None:
    p = await opened(s, other(s, "balance", "v2"))
    await s.settled()
    await s.looks(2)
    assert s.positions[p].held == 20
    assert not [text for text in s.alarms if "wallet" in text], s.alarms
    asked = {
        r.query.get("asset_type")
        for r in s.venue.asked("GET /balance-allowance")
        if r.query.get("token_id") == s.positions[p].outcome_id
    }
    assert asked == {"CONDITIONAL-V2"}


@SCENARIOS.add
async def an_unknown_version_is_refused_by_name(s: Session, _: MarketHandle) -> None:
    other(s, "of-tomorrow", "v3")
    asked = {"market": "of-tomorrow", "outcome": "Yes", "max_bid": "0.55", "size": "20"}
    reply = await s.command("submit", **asked)
    assert reply.status == "refused"
    assert "the version of market of-tomorrow was 'v3', must be one of v1, v2" in reply.message


@SCENARIOS.add
async def a_split_is_paid_out(s: Session, _: MarketHandle) -> None:
    market = other(s, "split", "v2")
    p = await opened(s, market)
    await s.settled()
    first, second = market.tokens
    s.venue.resolve(market, payouts={first: "0.25", second: "0.75"}, message=False)
    await s.node._mode._venue.data._resolution_watch.check()  # type: ignore[union-attr]
    await s.phase(p, Phase.CLOSED)
    assert s.positions[p].ledger.payout == D("0.25")


@SCENARIOS.add
async def a_market_that_the_order_book_forgot_is_paid_out(s: Session, _: MarketHandle) -> None:
    market = other(s, "forgotten", "v2")
    p = await opened(s, market)
    await s.settled()
    s.venue.faults.answer(f"GET /clob-markets/{market.condition_id}", 404, times=None)
    first, second = market.tokens
    s.venue.resolve(market, payouts={first: "0", second: "1"}, message=False)
    await s.node._mode._venue.data._resolution_watch.check()  # type: ignore[union-attr]
    await s.phase(p, Phase.CLOSED)
    assert s.positions[p].ledger.payout == 0


@SCENARIOS.add
async def a_winner_that_the_channel_tells_is_paid_out(s: Session, _: MarketHandle) -> None:
    market = other(s, "won", "v2")
    p = await opened(s, market)
    await s.settled()
    s.venue.resolve(market, market.tokens[0])
    await s.phase(p, Phase.CLOSED)
    assert s.positions[p].ledger.payout == 1


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_on_a_live_node(played: dict[str, str], name: str) -> None:
    assert not played[name], played[name]


def test_what_is_held_of_both_protocols_is_recovered(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        markets = [venue.add_market(f"kept-{v}", version=v) for v in ("v1", "v2")]
        for market in markets:
            venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
        ids: list[str] = []

        async def open_both(s: Session) -> None:
            ids.extend([await opened(s, market) for market in markets])
            for position in ids:
                await resting(s, position, Role.TARGET)
            await s.settled()

        async def stop_both(s: Session) -> None:
            for position in ids:
                await s.held(position, "20")
            for market in markets:
                crash(s, market)
            for position in ids:
                await stopped(s, position)
            for market in markets:
                await s.agrees(market)

        trade(venue, tmp_path, open_both)
        # What fills while nobody listens is found in the trades of its outcome.
        first = venue.orders(venue.wallet("0x" + "11" * 32)["POLYMARKET_FUNDER"])
        assert len(first) == 2
        trade(venue, tmp_path, stop_both, cash="0")


def test_trades_are_asked_for_without_a_market_of_unknown_width() -> None:
    class Client:
        def __init__(self) -> None:
            self.asked: list[Any] = []

        def get_trades(self, params: Any) -> list[dict[str, str]]:
            self.asked.append((params.market, params.asset_id, params.after))
            return [{"id": "1"}]

    client: Any = Client()
    assert get_trades(client, V1, 7) == [{"id": "1"}]
    assert get_trades(client, V2, 7) == [{"id": "1"}]
    assert client.asked == [(V1, None, 7), *((None, p, 7) for p in POSITIONS)]
