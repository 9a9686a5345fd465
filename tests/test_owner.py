"""What the owner does elsewhere with shares of positions: what is booked, and of which position."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from stage import ID, START, TOKEN, Stage, ended, filled, order, quote, rejected, submit
from test_adopt import buy, sale
from test_life import BASE

from positions.commands.messages import Reply
from positions.engine.adoption import Holding
from positions.engine.balances import BALANCE_LAG
from positions.engine.owner_sales import owner_sales
from positions.engine.recovery import WalletReport, recover
from positions.model.durations import SECOND
from positions.model.orders import VenueOrder
from positions.model.position import ExitReason, Order, Phase, Position, Role, update
from positions.model.trades import Trade
from positions.storage.rows import story
from positions.storage.story import sentence

D = Decimal


def holder(name: str, shares: str, *, offered: str = "0", missing: str = "0") -> Position:
    """A position of so many shares, opened in the order of its name."""
    target = Order(f"{name}-1", Role.TARGET, D("0.7"), D(offered), START, 1)
    return update(
        replace(BASE, id=name, created_at=ord(name)),
        bought=D(shares),
        cost=D(shares) / 2,
        missing=D(missing),
        orders=(target,) if D(offered) else (),
    )


A, B = holder("A", "100"), holder("B", "50")
OURS = buy("0.50", "100", 1)

# fmt: off
SALES: dict[str, tuple[list[Position], str, list[Trade], list[tuple[str, str, str]]]] = {
    # who holds, what the wallet has, its trades, what each is booked: position, shares, price
    "all of it": ([A], "0", [sale("0.60", "100", 2)], [("A", "100", "0.60")]),
    "a part of it": ([A], "70", [sale("0.60", "30", 2)], [("A", "30", "0.60")]),
    "in two trades, each at its price": (
        [A], "50", [sale("0.60", "20", 2), sale("0.50", "30", 3)], [("A", "20", "0.60"), ("A", "30", "0.50")]),
    "nothing, of shares beyond ours": ([A], "100", [sale("0.60", "30", 2)], []),
    "what shares beyond ours do not cover": ([A], "80", [sale("0.60", "50", 2)], [("A", "20", "0.60")]),
    "the later sale, where the first was covered": (
        [A], "80", [sale("0.50", "40", 2), sale("0.60", "30", 3)], [("A", "20", "0.60")]),
    "nothing, of what was bought before": ([A], "100", [buy("0.40", "30", 2), sale("0.60", "30", 3)], []),
    "what is bought back is the owner's": (
        [A], "100", [sale("0.60", "100", 2), buy("0.40", "100", 3)], [("A", "100", "0.60")]),
    "nothing, by a purchase alone": ([A], "130", [buy("0.40", "30", 2)], []),
    "nothing, where no trade tells": ([A], "70", [], []),
    "no more than the trades tell": ([A], "50", [sale("0.60", "30", 2)], [("A", "30", "0.60")]),
    "no more than is held": ([A], "0", [sale("0.60", "130", 2)], [("A", "100", "0.60")]),
    "nothing, by our own trades": ([A], "100", [OURS], []),
    "the newest loses first": ([A, B], "90", [sale("0.60", "60", 2)], [("B", "50", "0.60"), ("A", "10", "0.60")]),
    "what is on offer was not sold": (
        [A, holder("B", "50", offered="50")], "110", [sale("0.60", "40", 2)], [("A", "40", "0.60")]),
    "what is on offer in part": (
        [A, holder("B", "50", offered="20")], "110", [sale("0.60", "40", 2)], [("B", "30", "0.60"), ("A", "10", "0.60")]),
    "what is on offer, too, where nothing else is left": (
        [holder("A", "100", offered="100"), holder("B", "50", offered="50")], "110", [sale("0.60", "40", 2)],
        [("B", "40", "0.60")]),
    "what was found to be missing": (
        [holder("A", "100", missing="30"), B], "120", [sale("0.60", "30", 2)], [("A", "30", "0.60")]),
    "what was missing in one trade, and the next": (
        [holder("A", "100", missing="30"), B], "100", [sale("0.60", "30", 2), sale("0.50", "20", 3)],
        [("A", "30", "0.60"), ("B", "20", "0.50")]),
}
# fmt: on


@pytest.mark.parametrize("name", SALES)
def test_what_is_booked_of_the_owners_trades(name: str) -> None:
    holders, balance, trades, expected = SALES[name]
    known = {OURS.id} if OURS in trades else set[str]()
    found = owner_sales(holders, known, Holding(D(balance), trades=tuple(trades)), 7)
    booked = [(i, f"{e.shares:f}", f"{e.price:f}") for i, e in found]
    assert booked == expected


def test_a_part_of_a_sale_bears_its_part_of_the_fee() -> None:
    trade = replace(sale("0.60", "50", 2), fee=D("0.5"), is_maker=False)
    (event,) = [e for _, e in owner_sales([A], (), Holding(D(80), trades=(trade,)), 7)]
    assert (event.shares, event.fee, event.liquidity) == (20, D("0.2"), "taker")


# -- the engine ------------------------------------------------------------------------------------


def bought(**fields: Any) -> Stage:
    """A hundred shares at 0.55, with target 0.70 and stop 0.45."""
    stage = Stage()
    for cue in (quote("0.53", "0.56"), submit(**fields), filled(Role.ENTRY, "100", "0.55")):
        cue(stage)
    return stage


def seen(stage: Stage, balance: str, *trades: Trade) -> list[str]:
    """The wallet has so many shares by these trades and our own; what is sent for it."""
    ours = replace(buy("0.55", "100", 1, id_="T-1"), venue_order_id="0x1")
    ids = {"0x1": f"{ID}-1", "0x2": f"{ID}-2"}
    stage.engine.holding_seen(TOKEN, Holding(D(balance), trades=(ours, *trades), order_ids=ids))
    return stage.run()


def lacking(balance: str) -> Stage:
    """So many of the hundred shares are there, and no trade tells why."""
    stage = bought()
    stage.now += 2 * BALANCE_LAG
    for _ in range(2):
        stage.engine.balance_seen(TOKEN, D(balance), stage.now)
        stage.run()
    if D(balance) < 100:
        ended(Role.TARGET)(stage)
    return stage


def test_what_the_owner_sold_closes_the_position() -> None:
    stage = bought()
    sent = seen(stage, "0", sale("0.60", "100", 2))
    p = stage.position
    assert sent == ["cancel target", "cancel stop"]
    assert (p.phase, p.ledger.exit_reason, p.ledger.proceeds) == (
        Phase.CLOSED,
        ExitReason.OWNER,
        D("60.00"),
    )
    assert not stage.engine.open_alarms()
    told = sentence(story(p, next(e for e in stage.events if type(e).__name__ == "OwnerSold")))
    assert told == "the owner sold 100 at 0.6 elsewhere, fee 0, maker"


def test_what_the_owner_sold_in_part_shrinks_the_position() -> None:
    stage = bought()
    assert seen(stage, "60", sale("0.60", "40", 2)) == ["cancel target", "move 60 @0.45"]
    assert ended(Role.TARGET)(stage) == ["offer 60 @0.70"]
    assert seen(stage, "60", sale("0.60", "40", 2)) == [], "a trade counts once"
    assert stage.position.held == 60


def test_a_trade_that_took_the_owners_own_shares_takes_none_of_ours_later() -> None:
    """Shares that are then transferred are told by no trade."""
    stage = bought()
    own = sale("0.60", "40", 2)
    seen(stage, "100", own)
    seen(stage, "70", own)
    assert stage.position.held == 100


def test_a_sale_of_ours_is_found_although_the_balance_lagged_at_first() -> None:
    stage = bought()
    own = replace(sale("0.60", "40", 2), time=START)
    seen(stage, "100", own)
    assert stage.position.held == 100
    seen(stage, "60", own)
    assert (stage.position.held, stage.position.ledger.proceeds) == (60, D("24.00"))


def test_a_purchase_that_the_balance_lacks_is_no_sale() -> None:
    stage = bought()
    own = buy("0.50", "50", 0), sale("0.60", "50", 2)
    seen(stage, "0", *own)
    assert stage.position.held == 100, "the balance may lag"
    seen(stage, "100", *own)
    assert stage.position.held == 100


def test_nothing_is_booked_while_a_sale_of_ours_is_on_its_way() -> None:
    stage = bought()
    target = replace(sale("0.70", "40", 3), id="T-2", venue_order_id="0x2")
    seen(stage, "30", target, sale("0.60", "30", 2))
    assert stage.position.held == 100
    filled(Role.TARGET, "40", "0.70")(stage)
    seen(stage, "30", target, sale("0.60", "30", 2))
    assert (stage.position.held, stage.position.ledger.target_sold) == (30, 40)


def test_a_node_that_begins_anew_books_what_was_sold_once() -> None:
    stage = bought()
    seen(stage, "60", sale("0.60", "40", 2))
    known, fresh = stage.engine, Stage()
    fresh.engine.load(known.positions.values(), halted=False)
    seen(fresh, "60", sale("0.60", "40", 2))
    assert fresh.position.held == 60
    seen(fresh, "50", sale("0.60", "40", 2), sale("0.58", "10", 9))
    assert (fresh.position.held, fresh.position.ledger.proceeds) == (50, D("29.80"))


@pytest.mark.parametrize(("is_told", "is_disputed"), [(True, False), (False, True)])
def test_a_start_leaves_a_sale_that_is_told_to_the_first_look(
    is_told: bool, is_disputed: bool
) -> None:
    stage = bought(sell_price=None)
    made = replace(sale("0.60", "40", START), venue_order_id="0xf")
    gone = VenueOrder("0xf", TOKEN, False, D("0.6"), D(40), D(40), False, immediate=True)
    report = WalletReport(
        {"0xf": gone} if is_told else {},
        trades=(made,) if is_told else (),
        balances={TOKEN: D(60)},
    )
    later = START + 2 * BALANCE_LAG
    found = recover([stage.position], [], report, later)
    assert ("disputed" in {type(e).__name__.lower() for _, e in found.events}) is is_disputed


# -- a target that the owner takes off -------------------------------------------------------------


def taken_off(stage: Stage) -> list[str]:
    """The target is taken off the book, unasked; what is sent within a quarter of a minute."""
    sent = ended(Role.TARGET)(stage)
    for _ in range(16):
        stage.now += SECOND
        stage.engine.second_passed()
        sent += stage.run()
    return sent


def test_a_target_that_is_taken_off_again_stays_off_until_it_is_amended() -> None:
    stage = bought()
    assert taken_off(stage) == ["offer 100 @0.70"]
    assert taken_off(stage) == []
    assert [kind for _, kind, _ in stage.engine.open_alarms()] == ["target_off"]
    assert order("amend", stop_loss_price="0.46")(stage) == ["move 100 @0.46"]
    assert order("amend", sell_price="0.70")(stage) == ["offer 100 @0.70"]
    assert "target_off" not in [kind for _, kind, _ in stage.engine.open_alarms()]


def test_a_target_that_is_taken_off_hours_later_is_put_back() -> None:
    stage = bought()
    assert taken_off(stage) == ["offer 100 @0.70"]
    stage.now += 3600 * SECOND
    assert taken_off(stage) == ["offer 100 @0.70"]


# -- the owner's word ------------------------------------------------------------------------------


def said(stage: Stage, kind: str, **fields: Any) -> Reply:
    order(kind, **fields)(stage)
    return stage.replies[-1]


def test_the_owner_says_what_became_of_all_shares() -> None:
    stage = lacking("0")
    dry = said(stage, "close", price="0.61", dry_run=True)
    # 100 x 0.61 - 55
    assert dry.message == "dry run: by your word 100 shares are sold at 0.61, 0 stay; profit 6 USDC"
    assert stage.position.phase is Phase.DISPUTED
    assert said(stage, "close", price="0.61").status == "accepted"
    p = stage.position
    assert (p.phase, p.ledger.exit_reason, p.ledger.proceeds) == (
        Phase.CLOSED,
        ExitReason.OWNER,
        D(61),
    )
    assert not stage.engine.open_alarms()
    told = [sentence(story(p, e)) for e in stage.events]
    assert "sold 100 at 0.61 elsewhere, by the owner's word" in told


def test_the_owner_says_what_became_of_some_shares() -> None:
    for kind, fields in (("close", {"price": "0.61"}), ("release", {"shares": "30"})):
        stage = lacking("70")
        assert said(stage, kind, **fields).status == "accepted"
        p = stage.position
        assert (p.held, p.sellable, p.decision.dispute, p.phase) == (70, 70, None, Phase.HOLDING)
        assert p.live(Role.STOP)[0].shares == 70


def test_shares_that_are_there_can_be_released_and_the_rest_is_protected() -> None:
    stage = bought()
    assert said(stage, "release", shares="40").status == "accepted"
    assert (stage.position.held, stage.position.ledger.sold) == (60, 0)
    assert stage.live(Role.STOP).shares == 60
    stage.engine.balance_seen(TOKEN, D(100), stage.now)
    seen(stage, "70", sale("0.60", "30", 2))
    assert stage.position.held == 60, "what was released goes first"


# fmt: off
REFUSED: dict[str, tuple[str, str, dict[str, str], str]] = {
    # what the wallet has of a hundred, what is asked
    "a close of what is there": ("100", "close", {"price": "0.6"}, "NOTHING_MISSING"),
    "a release of more than is held": ("100", "release", {"shares": "100.01"}, "SIZE_ABOVE_HELD"),
    "a release off the grid": ("100", "release", {"shares": "1.005"}, "SIZE_OFF_GRID"),
    "a sale of what is not there": ("0", "sell", {}, "NOTHING_TO_SELL"),
    "a cancel of what is not there": ("0", "cancel", {}, "NOTHING_TO_CANCEL"),
    "a sale of more than is there": ("70", "sell", {"shares": "80"}, "SIZE_ABOVE_HELD"),
}
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    balance, kind, fields, code = REFUSED[name]
    reply = said(lacking(balance), kind, **fields)
    assert reply.code == code
    if balance == "0":
        assert "`close`" in reply.message, "it says what to do"


def test_what_is_there_of_a_disputed_position_is_sold() -> None:
    stage = lacking("70")
    assert order("sell", min_price="0.50")(stage) == ["sell 70 @0.50"]
    assert stage.position.phase is Phase.SELLING
    stage = lacking("70")
    assert "sell 70 @0.50" in order("flatten")(stage)
    assert "`close`" in stage.replies[-1].message


def test_an_exit_that_was_refused_is_not_released_from_under_it() -> None:
    stage = bought(sell_price=None)
    quote("0.44", "0.47")(stage)
    assert said(stage, "release", shares="40").code == "ALREADY_EXITING"
    rejected(Role.EXIT)(stage)
    assert said(stage, "release", shares="40").code == "ALREADY_EXITING"
