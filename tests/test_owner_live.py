"""What the owner does on the website, with the wallet of a live node; see `test_faults`."""

from decimal import Decimal

import pytest
from loopback.server import MarketHandle
from test_adopt_live import by_hand
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session

from positions.model.position import ExitReason, Phase, Position, Role

pytestmark = pytest.mark.xdist_group("owner")

D = Decimal
SCENARIOS = Scenarios()


def take_off(s: Session, p: Position, role: Role = Role.TARGET) -> None:
    """The owner cancels an order of ours on the website."""
    for order in p.live(role):
        assert order.venue_order_id is not None
        assert s.venue.cancel(order.venue_order_id)


async def held_at_target(s: Session, m: MarketHandle) -> str:
    """Twenty shares, with their target on the book."""
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    return p


@SCENARIOS.add
async def all_of_it_is_sold(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    posts = len(s.venue.asked("POST /order"))
    take_off(s, s.positions[p])
    await by_hand(s, m, "SELL", 0.50, 20)
    await s.phase(p, "closed")
    ledger = s.positions[p].ledger
    # 20 x 0.04 x 0.50 x 0.50 is the venue's fee
    assert (ledger.exit_reason, ledger.proceeds, ledger.sell_fees) == (
        ExitReason.OWNER,
        D("10.00"),
        D("0.2"),
    )
    assert s.positions[p].decision.dispute is None
    assert len(s.venue.asked("POST /order")) == posts + 1, "nobody competed"
    assert not [a for a in s.alarms if m.slug in a]


@SCENARIOS.add
async def a_part_is_sold_and_the_rest_is_protected(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    take_off(s, s.positions[p])
    await by_hand(s, m, "SELL", 0.50, 8)
    await s.held(p, "12")
    crash(s, m)
    await stopped(s, p)
    assert s.positions[p].ledger.exit_reason is ExitReason.STOP
    assert s.venue.shares(s.funder, m.tokens[0]) == 0


@SCENARIOS.add
async def what_the_owner_had_beside_it_goes_first(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    s.venue.give(s.funder, m.tokens[0], "30")
    await by_hand(s, m, "SELL", 0.50, 25)
    await s.looks(3)
    assert (s.positions[p].held, s.positions[p].phase) == (20, Phase.HOLDING)
    take_off(s, s.positions[p])
    await by_hand(s, m, "SELL", 0.50, 10)
    await s.held(p, "15")


@SCENARIOS.add
async def what_is_bought_back_is_the_owners(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    take_off(s, s.positions[p])
    await by_hand(s, m, "SELL", 0.50, 20)
    await by_hand(s, m, "BUY", 0.55, 20)
    await s.phase(p, "closed")
    assert s.venue.shares(s.funder, m.tokens[0]) == 20
    assert s.positions[p].ledger.exit_reason is ExitReason.OWNER


@SCENARIOS.add
async def purchases_and_cancels_do_no_harm(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    await by_hand(s, m, "BUY", 0.40, 20)
    await by_hand(s, m, "BUY", 0.55, 20)
    s.venue.cancel(next(h for h in s.foreign if s.venue.engine.ledger.orders[h].is_open))
    await s.looks(2)
    assert (s.positions[p].held, s.positions[p].phase) == (20, Phase.HOLDING)
    crash(s, m)
    await stopped(s, p)
    assert s.venue.shares(s.funder, m.tokens[0]) == 20


@SCENARIOS.add
async def a_sale_is_found_that_the_channel_did_not_tell(s: Session, m: MarketHandle) -> None:
    p = await held_at_target(s, m)
    s.venue.faults.silent.add("user")
    take_off(s, s.positions[p])
    await by_hand(s, m, "SELL", 0.50, 20)
    await s.phase(p, "closed")
    assert s.positions[p].ledger.exit_reason is ExitReason.OWNER


@SCENARIOS.add
async def the_position_that_is_not_on_offer_loses_its_shares(s: Session, m: MarketHandle) -> None:
    older, newer = await held_at_target(s, m), await held_at_target(s, m)
    take_off(s, s.positions[older])
    await by_hand(s, m, "SELL", 0.50, 20)
    await s.phase(older, "closed")
    assert s.positions[newer].held == 20
    assert s.positions[newer].live(Role.TARGET)


@SCENARIOS.add
async def winning_shares_are_redeemable_until_they_are_redeemed(
    s: Session, m: MarketHandle
) -> None:
    p = await held_at_target(s, m)
    s.venue.resolve(m, m.tokens[0])
    await s.phase(p, "closed")
    mode = s.node._mode
    await s.until(lambda: mode.redeemable() == 20, "they are worth a dollar each")
    s.venue.give(s.funder, m.tokens[0], "-20")
    await mode._venue.execution.wallet_watch._look_at_resolved(is_due=True)  # type: ignore[attr-defined]
    assert mode.redeemable() == 0


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_when(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
