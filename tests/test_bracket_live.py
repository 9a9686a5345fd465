"""Further terms on a live node: with the depth of books, with trades, with a venue that acts."""

from decimal import Decimal

import pytest
from loopback.server import MarketHandle
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session

from positions.model.position import EntryEnd, Phase, Position, Role

D = Decimal
SCENARIOS = Scenarios()


def book(s: Session, m: MarketHandle, *levels: tuple[str, str]) -> list[tuple[Decimal, Decimal]]:
    """The book has these bids."""
    shown = [(D(price), D(size)) for price, size in levels]
    s.venue.book(m.tokens[0], shown, [(D("0.60"), D(100))])
    return shown


async def bids(s: Session, m: MarketHandle, *levels: tuple[str, str]) -> None:
    """The book has these bids, none of which a stop sells to, and the node has seen them."""
    shown = book(s, m, *levels)
    market = s.node.strategy.engine.markets[m.tokens[0]]
    await s.until(lambda: list(market.bids) == shown, "the depth is seen")


def stop_of(p: Position) -> Decimal | None:
    """Where the armed stop stands."""
    return next((o.price for o in p.live(Role.STOP) if o.state == "working"), None)


@SCENARIOS.add
async def the_average_bid_of_the_size_falls_to_the_stop(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, "40", sell_price="", trigger="size")
    await bids(s, m, ("0.50", "20"), ("0.41", "100"))  # 0.455 for 40
    assert s.positions[p].phase == Phase.HOLDING
    book(s, m, ("0.50", "17"), ("0.41", "100"))  # 0.448
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == 17 * D("0.50") + 23 * D("0.41")


@SCENARIOS.add
async def the_last_trade_falls_to_the_stop(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="", trigger="last")
    market = s.node.strategy.engine.markets[m.tokens[0]]
    await s.until(lambda: market.last == D("0.52"), "our own trade is the last one")
    crash(s, m)
    await s.until(lambda: market.bid == D("0.44"), "the bid has fallen")
    await s.until(lambda: not s.positions[p].live(Role.STOP), "the released stop is given up")
    assert s.positions[p].phase == Phase.HOLDING
    s.venue.quote(m.tokens[0], "0.46", "100", "0.60", "100")
    await s.until(lambda: stop_of(s.positions[p]) == D("0.45"), "it is armed again")
    assert s.venue.take(m.tokens[0], "SELL", "0.46", "5") == 5
    await s.until(lambda: market.last == D("0.46"), "a trade above the stop")
    assert s.positions[p].phase == Phase.HOLDING
    s.venue.quote(m.tokens[0], "0.45", "100", "0.60", "100")
    assert s.venue.take(m.tokens[0], "SELL", "0.45", "5") == 5
    await stopped(s, p)


@SCENARIOS.add
async def a_stop_follows_the_average_bid(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, "40", sell_price="", trigger="size", trail="0.05")
    await bids(s, m, ("0.58", "20"), ("0.56", "100"))  # 0.57 for 40
    await s.until(lambda: stop_of(s.positions[p]) == D("0.52"), "it is raised")
    book(s, m, ("0.58", "20"), ("0.46", "100"))  # 0.52
    await stopped(s, p)


@SCENARIOS.add
async def a_stop_moved_while_it_is_confirmed_comes_back(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="", stop_confirm="5s", stop_hard="0.30")
    crash(s, m)
    await s.until(lambda: stop_of(s.positions[p]) == D("0.3"), "it stands at the hard stop")
    s.venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
    await s.until(lambda: stop_of(s.positions[p]) == D("0.45"), "it is back")
    crash(s, m, "0.29")
    await stopped(s, p)


@SCENARIOS.add
async def targets_for_parts_rest_and_the_stop_follows(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, "40", sell_price="", targets="0.60:50% 0.70", trail="0.05")
    await s.until(lambda: len(s.venue.orders(s.funder)) == 2, "both targets rest")
    s.venue.quote(m.tokens[0], "0.58", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.60", "20") == 20
    await s.until(lambda: s.positions[p].ledger.target_sold == 20, "the first is sold")
    await s.until(lambda: stop_of(s.positions[p]) == D("0.53"), "the stop is raised for the rest")
    crash(s, m, "0.53")
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == 20 * D("0.60") + 20 * D("0.53")


@SCENARIOS.add
async def an_exit_rests_at_its_floor(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="", floor_price="0.40", after_floor="rest")
    crash(s, m, "0.38")
    await resting(s, p, Role.EXIT)
    s.venue.quote(m.tokens[0], "0.38", "100", "0.90", "100")
    assert s.venue.take(m.tokens[0], "BUY", "0.40", "20") == 20
    await stopped(s, p)
    assert s.positions[p].ledger.proceeds == 20 * D("0.40")


@SCENARIOS.add
async def an_entry_that_may_not_take_is_refused_and_rests_later(
    s: Session, m: MarketHandle
) -> None:
    asked = {"stop_loss_price": "0.45", "post_only": True}
    fields = {"market": m.slug, "outcome": "Yes", "max_bid_price": "0.52", "size": "20"} | asked
    assert (await s.command("submit", **fields)).code == "POST_ONLY_WOULD_CROSS"
    s.venue.faults.silent.add("market")  # the ask moves under the entry, and nobody says so
    s.venue.quote(m.tokens[0], "0.49", "100", "0.51", "100")
    p = await s.submit(m, "0.51", "20", **asked)
    await s.until(lambda: Role.ENTRY in s.positions[p].pacing.backoffs, "it would have taken")
    assert any("order crosses book" in a for a in s.alarms), s.alarms
    assert s.positions[p].ledger.bought == 0
    s.venue.faults.silent.clear()
    s.venue.quote(m.tokens[0], "0.50", "100", "0.54", "100")
    await resting(s, p, Role.ENTRY)
    s.venue.quote(m.tokens[0], None, 0, "0.54", "100")
    assert s.venue.take(m.tokens[0], "SELL", "0.51", "20") == 20
    await s.held(p, "20")
    assert s.positions[p].ledger.buy_fees == 0


@SCENARIOS.add
async def a_wallet_that_may_not_buy_is_told_why_and_asked_once(s: Session, m: MarketHandle) -> None:
    said = "maker address not allowed, please use the deposit wallet flow"
    s.venue.faults.answer("POST /order", 400, times=None, error=said)
    before = len(s.venue.asked("POST /order"))
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await s.phase(p, "cancelled")
    assert s.positions[p].decision.entry_ended is EntryEnd.REFUSED
    assert any(said in a for a in s.alarms), s.alarms
    assert len(s.venue.asked("POST /order")) == 1 + before


@SCENARIOS.add
async def cash_that_the_venue_read_long_ago_is_counted_before_a_refusal(
    s: Session, m: MarketHandle
) -> None:
    s.venue.faults.cash_last_read = D(0)
    await s.looks(1)
    p = await s.submit(m, "0.55", "20", stop_loss_price="0.45")
    await s.held(p, "20")
    crash(s, m)
    await stopped(s, p)


@SCENARIOS.add
async def a_higher_max_bid_is_refused_for_cash_that_was_counted(
    s: Session, m: MarketHandle
) -> None:
    p = await s.submit(m, "0.48", "20", stop_loss_price="0.40")
    await resting(s, p, Role.ENTRY)
    s.venue.faults.cash_last_read = D(1)
    await s.looks(1)
    reply = await s.command("amend", position_id=p, max_bid_price="0.49")
    assert reply.status == "accepted", reply.message
    s.venue.faults.answer("GET /balance-allowance/update", 503, times=None)
    s.venue.faults.cash_last_read = D(1)
    await s.looks(1)
    fields = {"market": m.slug, "outcome": "Yes", "max_bid_price": "0.48", "size": "20"}
    assert (await s.command("submit", **fields)).code == "INSUFFICIENT_CASH"
    s.venue.faults.clear()
    await s.command("cancel", position_id=p)
    await s.phase(p, "cancelled")


@SCENARIOS.add
async def an_exit_is_refused_for_good_and_sells_once_it_is_not(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    s.venue.faults.answer("POST /order", 400, times=2, error="address banned")
    crash(s, m)
    await s.until(lambda: any("address banned" in a for a in s.alarms), "an alarm")
    await stopped(s, p)


@SCENARIOS.add
async def the_game_starts_and_the_entry_ends(s: Session, m: MarketHandle) -> None:
    p = await s.submit(m, "0.48", "20", stop_loss_price="0.40", if_taken_off="end")
    await resting(s, p, Role.ENTRY)
    s.venue.withdraw(m)
    await s.phase(p, "cancelled")
    assert s.positions[p].decision.entry_ended is EntryEnd.TAKEN_OFF


@SCENARIOS.add
async def the_game_starts_and_all_is_put_back(s: Session, m: MarketHandle) -> None:
    held = await opened(s, m)
    await resting(s, held, Role.TARGET)
    p = await s.submit(m, "0.48", "20", stop_loss_price="0.40")
    await resting(s, p, Role.ENTRY)
    before = {o.id for o in s.venue.orders(s.funder)}
    s.venue.withdraw(m)

    def is_put_back() -> bool:
        now = {o.id for o in s.venue.orders(s.funder) if o.token == m.tokens[0]}
        return len(now) == 2 and not now & before

    await s.until(is_put_back, "the target and the entry rest again")
    await s.command("cancel", position_id=p)
    crash(s, m)
    await stopped(s, held)


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.xdist_group("terms")
@pytest.mark.parametrize("name", SCENARIOS)
def test_on_a_live_node(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
