"""Every phase and every event: booked, and the phase goes only where the table of lives allows."""

from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from stage import START, TOKEN

from positions.engine import transitions
from positions.engine.invariants import breach
from positions.engine.lifecycle import (
    ENTRY_LIFE,
    EXIT_LIFE,
    PHASES,
    EntryState,
    ExitState,
    entry_state,
    exit_state,
    phase_of,
    refresh,
)
from positions.model import events
from positions.model.events import AnyEvent, Event
from positions.model.position import (
    GROUPS,
    OVER,
    Backoff,
    EntryEnd,
    ExitReason,
    Ledger,
    Order,
    OrderEnd,
    OrderState,
    Phase,
    Position,
    Request,
    Role,
    Sale,
    SaleEnd,
    entry_price,
    exit_price,
    realized_pnl,
    update,
)
from positions.model.terms import Terms
from positions.model.venue_rules import Obstacle
from positions.storage.rows import story
from positions.storage.story import sentence

D = Decimal
FACTS = [f for f in get_args(AnyEvent) if not issubclass(f, events.Opened)]


def order(role: Role, number: int, **fields: Any) -> Order:
    return Order(
        id=f"P-{number}",
        role=role,
        price=D("0.50"),
        shares=D(100),
        sent_at=START,
        quote_seq=1,
        **fields,
    )


BASE = Position(
    id="P",
    market_id="0xc0ffee",
    market="rain-in-london",
    outcome_id=TOKEN,
    outcome="Yes",
    created_at=START,
    request=Request(
        size=D(100),
        max_bid_price=D("0.55"),
        sell_price=D("0.70"),
        stop_loss_price=D("0.45"),
    ),
    ledger=Ledger(trades=("BUY",)),
)
BOUGHT = {"bought": D(100), "cost": D(55), "entry_ended": EntryEnd.COMPLETE}
SALE = Sale("C", D(40), D("0.50"), START + 60)
ENTRY, TARGET = order(Role.ENTRY, 1), order(Role.TARGET, 2)
STOP, EXIT = order(Role.STOP, 3), order(Role.EXIT, 4, immediate=True)


def value(p: Position, field: str) -> Any:
    return getattr(getattr(p, GROUPS[field]) if field in GROUPS else p, field)


def made(**fields: Any) -> Position:
    p = update(BASE, **fields)
    return update(p, phase=phase_of(p))


POSITIONS: dict[Phase, list[Position]] = {
    Phase.ENTERING: [made(), made(orders=(ENTRY,)), made(orders=(ENTRY,), bought=D(5), sold=D(5))],
    Phase.FILLING: [
        made(bought=D(30), cost=D(16), orders=(ENTRY, TARGET, STOP)),
        made(bought=D(100), cost=D(55), orders=(TARGET, STOP)),
    ],
    Phase.HOLDING: [made(**BOUGHT, orders=(TARGET, STOP)), made(**BOUGHT, orders=(ENTRY, STOP))],
    Phase.SELLING: [
        made(**BOUGHT, sale=SALE, orders=(STOP, EXIT)),
        made(**BOUGHT, sale=SALE, orders=(ENTRY,)),
    ],
    Phase.EXITING: [
        made(**BOUGHT, cause=ExitReason.STOP, orders=(EXIT,)),
        made(**BOUGHT, cause=ExitReason.FLATTEN, orders=(ENTRY, EXIT)),
    ],
    Phase.WAITING: [made(**BOUGHT, cause=ExitReason.STOP, stuck=Obstacle.NO_BID)],
    Phase.LEAVING: [
        made(entry_ended=EntryEnd.CANCELLED, orders=(ENTRY,)),
        made(entry_ended=EntryEnd.CANCELLED, orders=(ENTRY,), bought=D(5), sold=D(5)),
    ],
    Phase.DISPUTED: [
        made(**BOUGHT, dispute="?", orders=(STOP,)),
        made(**BOUGHT, dispute="?", missing=D(30), orders=(STOP,)),
        made(**BOUGHT, dispute="?", missing=D(100), cause=ExitReason.STOP),
        made(bought=D(100), sold=D(110), entry_ended=EntryEnd.COMPLETE),
    ],
    Phase.DUST: [made(**BOUGHT, sold=D("99.5"), dust=True)],
    Phase.CLOSED: [
        made(**BOUGHT, sold=D(100)),
        made(**BOUGHT, sold=D(100), cause=ExitReason.STOP),
        made(**BOUGHT, sold=D(100), sale=SALE, orders=(STOP,)),
    ],
    Phase.CANCELLED: [made(entry_ended=EntryEnd.CANCELLED)],
}


SEEN = {"bid": D("0.4"), "bid_size": D(5), "stop_loss_price": D("0.45")}
CAUSES = (ExitReason.STOP, ExitReason.FLATTEN, ExitReason.TIME)


def examples(kind: type[Event]) -> list[Any]:
    """Some events of a kind, for live and unknown orders, of every role and end."""
    orders = ["P-1", "P-2", "P-3", "P-4", "P-99"]
    t = {"time": START + 1}
    match kind.__name__:
        case "Amended":
            return [kind(**t, max_bid_price=D("0.6"), sell_price=None, stop_loss_price=None)]
        case "TermsPriced":
            return [kind(**t, entry_price=D("0.5"), sell_price=None, stop_loss_price=D("0.4"))]
        case "EntryEnded":
            return [kind(**t, reason=r) for r in EntryEnd]
        case "SaleAsked":
            return [kind(**t, sale=SALE)]
        case "SaleEnded":
            return [kind(**t, command_id="C", reason=r, sold=D(1), left=D(1)) for r in SaleEnd]
        case "Triggered":
            return [kind(**t, cause=c, **SEEN) for c in CAUSES]
        case "Stuck":
            return [kind(**t, obstacle=o, bid=None) for o in Obstacle]
        case "Unstuck" | "BidReturned" | "StopDismissed":
            return [kind(**t, bid=D("0.5"))]
        case "OrderSent":
            return [kind(**t, order=order(r, 5)) for r in Role if r is not Role.SETTLEMENT]
        case "OrderFilled":
            return fills(t, orders)
        case "OrderAccepted" | "OrderSigned":
            return [kind(**t, order_id=o, venue_order_id="0xabc") for o in orders]
        case "FillReversed":
            return reversals(t)
        case "OwnerSold" | "Released":
            return taken(kind, t)
        case "OrderClosed":
            return closures(kind, t, orders)
        case "StopReleased":
            return [kind(**t, order_id=o, quote_seq=1) for o in orders]
        case "StopMoved":
            return [kind(**t, order_id=o, price=D("0.4"), shares=D(9)) for o in orders]
        case "StopRaised" | "StopTouched" | "StopRecovered":
            more = {"StopRaised": {"price": D("0.6")}, "StopTouched": {"quote_seq": 7}}
            return [kind(**t, seen=D("0.65"), **more.get(kind.__name__, {}))]
        case "Settled":
            return [kind(**t, payout=D(1), shares=s) for s in (D(0), D("0.5"), D(30), D(100))]
        case "LeftAsDust" | "NoMoreDust":
            return [kind(**t, shares=D("0.5"))]
        case "Disputed":
            return [kind(**t, reason="?", missing=m) for m in (D(0), D(30), D(100))]
        case "Restarted" | "Reconciled" | "BidVanished":
            return [kind(**t)]
        case _:
            return [kind(**t, order_id=o) for o in orders]


def closures(kind: type[Event], t: dict[str, int], orders: list[str]) -> list[Any]:
    """Ends of live and unknown orders."""
    return [kind(**t, order_id=o, end=e) for o in orders for e in OrderEnd]


def fills(t: dict[str, int], orders: list[str]) -> list[Any]:
    """Fills of live and unknown orders, small and whole."""
    rest = {"price": D("0.5"), "fee": D(0), "liquidity": "maker"}
    return [
        events.OrderFilled(**t, order_id=o, trade_id="T", role=r, shares=D(s), **rest)
        for o in orders
        for r in (Role.ENTRY, Role.TARGET, Role.EXIT)
        for s in ("1", "100")
    ]


def taken(kind: type[Event], t: dict[str, int]) -> list[Any]:
    """Shares that the owner took, some and all."""
    told = {"trade_id": "W", "price": D("0.6"), "fee": D(0), "liquidity": "taker"}
    more = told if kind is events.OwnerSold else {}
    return [kind(**t, shares=D(s), **more) for s in ("1", "30", "100")]  # type: ignore[call-arg]


def reversals(t: dict[str, int]) -> list[Any]:
    """Trades that failed to settle, told before and never told."""
    rest = {"price": D("0.5"), "fee": D(0), "liquidity": "taker", "order_id": "P-9"}
    return [
        events.FillReversed(**t, trade_id=n, role=r, shares=D(s), **rest)
        for n in ("BUY", "never seen")
        for r in (Role.ENTRY, Role.TARGET, Role.EXIT)
        for s in ("5", "100")
    ]


@pytest.mark.parametrize("kind", FACTS)
@pytest.mark.parametrize("phase", Phase)
def test_every_fact_in_every_phase_is_booked(phase: Phase, kind: type[Event]) -> None:
    for before in POSITIONS[phase]:
        assert before.phase is phase
        for event in examples(kind):
            if kind is events.Settled and event.shares != max(before.held, D(0)):
                continue  # the venue pays what is held
            is_entry = kind is events.OrderSent and event.order.role is Role.ENTRY
            if is_entry and before.decision.entry_ended is not None:
                continue  # nothing is bought any more
            undone = (
                before.ledger.bought
                if getattr(event, "role", None) is Role.ENTRY
                else before.ledger.sold
            )
            if kind is events.FillReversed and undone < event.shares:
                continue  # only what was traded can be undone
            after = transitions.apply(before, event)
            assert after.seq == before.seq + (after is not before)
            assert breach(before, after, event) == ""
            if isinstance(event, events.OrderFilled):
                sign = 1 if event.role is Role.ENTRY else -1
                assert after.held == before.held + sign * event.shares
                assert transitions.apply(after, event) is after, "a trade counts once"
            elif isinstance(event, events.FillReversed) and event.trade_id in before.ledger.trades:
                sign = -1 if event.role is Role.ENTRY else 1
                assert after.held == before.held + sign * event.shares
                assert transitions.apply(after, event) is after, "a trade is undone once"
            else:
                gone = isinstance(event, events.Settled | events.OwnerSold | events.Released)
                assert after.held == before.held - (event.shares if gone else 0)
            assert len(sentence(story(after, event))) > 5


def test_every_pair_of_states_is_a_phase() -> None:
    assert set(PHASES) == set(product(EntryState, ExitState))
    for phase, found in POSITIONS.items():
        for p in found:
            assert PHASES[entry_state(p), exit_state(p)] is phase


@pytest.mark.parametrize("table", [ENTRY_LIFE, EXIT_LIFE], ids=["entry", "exit"])
def test_a_row_that_is_missing_is_a_breach(table: dict[Any, dict[Any, Any]]) -> None:
    """Each step that a position of ours makes is a row: without it the step is a breach."""
    steps = [
        (before, transitions.apply(before, event), event)
        for found in POSITIONS.values()
        for before in found
        for kind in (events.EntryEnded, events.SaleAsked, events.Triggered, events.LeftAsDust)
        for event in examples(kind)
    ]
    state = entry_state if table is ENTRY_LIFE else exit_state
    changed = [s for s in steps if state(s[0]) is not state(s[1])]
    assert changed
    for before, after, event in changed:
        rows = table[type(event)]
        without = {k: v for k, v in rows.items() if k is not state(before)}
        table[type(event)] = without
        try:
            assert f"{state(before)} and is {state(after)}" in breach(before, after, event)
        finally:
            table[type(event)] = rows


def fill(role: Role, shares: str, number: int = 9, **fields: Any) -> events.OrderFilled:
    """A fill at 0.5 with a fee of 0.1, at time 7, told once."""
    told = {"trade_id": f"T-{number}", "price": D("0.5"), "fee": D("0.1"), "liquidity": "taker"}
    return events.OrderFilled(
        time=7, order_id=f"P-{number}", role=role, shares=D(shares), **told | fields
    )


def undone(role: Role, shares: str, number: int = 9) -> events.FillReversed:
    """The end of such a fill whose settlement failed."""
    told = {"trade_id": f"T-{number}", "price": D("0.5"), "fee": D("0.1"), "liquidity": "taker"}
    return events.FillReversed(time=8, order_id=f"P-{number}", role=role, shares=D(shares), **told)


def triggered(cause: ExitReason) -> events.Triggered:
    return events.Triggered(time=7, cause=cause, bid=None, bid_size=D(0), stop_loss_price=None)


def owner_sold(shares: str) -> events.OwnerSold:
    """A sale at 0.6 on the website, with a fee of 0.1."""
    told = {"trade_id": "W", "price": D("0.6"), "fee": D("0.1"), "liquidity": "taker"}
    return events.OwnerSold(time=7, shares=D(shares), **told)  # type: ignore[arg-type]


RELEASED = events.Released(time=7, shares=D(40))
EXPIRED, HELD = made(entry_ended=EntryEnd.EXPIRED), made(bought=D(100), cost=D(55))
ASKED = events.SaleAsked(time=7, sale=SALE)
SETTLED = events.Settled(time=7, payout=D(1), shares=D(0))
DISPUTED = events.Disputed(time=7, reason="?")
TERMS = Terms(keep_if_stop_trades=True)
AMENDED = events.Amended(
    time=7, max_bid_price=D("0.55"), sell_price=None, stop_loss_price=D("0.45"), terms=None
)
TWO = {r: Backoff(2, 5) for r in (Role.ENTRY, Role.STOP)}

# fmt: off
BOOKED: dict[str, tuple[Position, list[AnyEvent], dict[str, Any]]] = {
    "an entry ends for the reason told": (
        HELD, [events.EntryEnded(time=7, reason=EntryEnd.CANCELLED)], {"entry_ended": EntryEnd.CANCELLED}),
    "a cash-out ends the entry": (HELD, [ASKED], {"entry_ended": EntryEnd.CASH_OUT, "sale": SALE}),
    "a stop ends the entry": (
        HELD, [triggered(ExitReason.STOP)], {"entry_ended": EntryEnd.STOPPED, "cause": ExitReason.STOP}),
    "flattening ends the entry": (
        HELD, [triggered(ExitReason.FLATTEN)], {"entry_ended": EntryEnd.FLATTENED, "cause": ExitReason.FLATTEN}),
    "the end of the market ends the entry": (made(), [SETTLED], {"entry_ended": EntryEnd.MARKET_OVER}),
    "a dispute ends the entry": (HELD, [DISPUTED], {"entry_ended": EntryEnd.CANCELLED, "dispute": "?"}),
    "an entry ends once, for its first reason": (
        EXPIRED,
        [events.EntryEnded(time=7, reason=EntryEnd.CANCELLED), ASKED, triggered(ExitReason.STOP), SETTLED, DISPUTED],
        {"entry_ended": EntryEnd.EXPIRED}),
    "the first buy tells when it was filled": (
        made(orders=(ENTRY,)), [fill(Role.ENTRY, "30", 1), fill(Role.ENTRY, "20", 2)],
        {"filled_at": 7, "bought": D(50), "cost": D(25), "buy_fees": D("0.2"), "sold": D(0), "exit_reason": None}),
    "a later buy leaves that time alone": (
        made(filled_at=3), [fill(Role.ENTRY, "30")], {"filled_at": 3}),
    "a sale at the target says so": (
        HELD, [fill(Role.TARGET, "30")],
        {"exit_reason": ExitReason.TARGET, "exit_time": 7, "sold": D(30), "proceeds": D(15), "sell_fees": D("0.1")}),
    "a sale at the target says so in an exit, too": (
        made(**BOUGHT, cause=ExitReason.STOP), [fill(Role.TARGET, "30")], {"exit_reason": ExitReason.TARGET}),
    "a sale by the stop says so": (
        made(**BOUGHT, cause=ExitReason.STOP), [fill(Role.EXIT, "30")], {"exit_reason": ExitReason.STOP}),
    "a sale without a cause is one by hand": (HELD, [fill(Role.EXIT, "30")], {"exit_reason": ExitReason.MANUAL}),
    "a cash-out counts its own sales, not the target's": (
        made(**BOUGHT, sale=SALE), [fill(Role.EXIT, "30", 4), fill(Role.TARGET, "10", 2)],
        {"sale": msgspec.structs.replace(SALE, sold=D(30)), "sold": D(40)}),
    "a cash-out's sale that failed to settle is counted off": (
        made(**BOUGHT, sale=SALE), [fill(Role.EXIT, "30", 4), undone(Role.EXIT, "30", 4)],
        {"sale": SALE, "sold": D(0), "proceeds": D(0), "sell_fees": D(0), "exit_time": None, "exit_reason": None}),
    "a target's sale that failed to settle is nothing to the cash-out": (
        made(**BOUGHT, sale=SALE), [fill(Role.TARGET, "30", 2), undone(Role.TARGET, "30", 2)], {"sale": SALE, "sold": D(0)}),
    "a buy whose failure is told before itself is bought again": (
        made(orders=(ENTRY,)), [undone(Role.ENTRY, "100", 1), fill(Role.ENTRY, "100", 1), undone(Role.ENTRY, "100", 1)],
        {"bought": D(0), "cost": D(0), "buy_fees": D(0), "orders": (), "entry_ended": None, "phase": Phase.ENTERING}),
    "a sale whose failure is told before itself is not sold": (
        HELD, [undone(Role.EXIT, "30", 4), fill(Role.EXIT, "30", 4), fill(Role.EXIT, "30", 4)],
        {"sold": D(0), "proceeds": D(0), "sell_fees": D(0), "exit_reason": None}),
    "what is left sold keeps its reason when another sale failed": (
        HELD, [fill(Role.EXIT, "30", 4), fill(Role.TARGET, "10", 2), undone(Role.TARGET, "10", 2)],
        {"sold": D(30), "target_sold": D(0), "exit_time": 7, "exit_reason": ExitReason.TARGET}),
    "what targets sold is counted apart from what else was sold and undone": (
        HELD, [fill(Role.TARGET, "10", 2), fill(Role.EXIT, "30", 4), undone(Role.EXIT, "30", 4)],
        {"sold": D(10), "target_sold": D(10)}),
    "the owner's sale ends the entry and says so": (
        made(bought=D(100), cost=D(55), orders=(ENTRY,)), [owner_sold("40")],
        {"sold": D(40), "proceeds": D(24), "sell_fees": D("0.1"), "exit_reason": ExitReason.OWNER, "exit_time": 7,
         "entry_ended": EntryEnd.OWNER, "trades": ("BUY", "W")}),
    "the owner's sale counts once": (made(**BOUGHT), [owner_sold("40"), owner_sold("40")], {"sold": D(40)}),
    "the owner's sale was what is missing": (
        made(**BOUGHT, dispute="?", missing=D(40)), [owner_sold("40")],
        {"missing": D(0), "dispute": None, "phase": Phase.HOLDING}),
    "the owner's sale was a part of what is missing": (
        made(**BOUGHT, dispute="?", missing=D(40)), [owner_sold("30")], {"missing": D(10), "dispute": "?"}),
    "what is released is neither sold nor held": (
        made(**BOUGHT, dispute="?", missing=D(40)), [RELEASED],
        {"sold": D(0), "proceeds": D(0), "released": D(40), "missing": D(0), "exit_reason": ExitReason.OWNER}),
    "what is released and sold by us all the same was not released": (
        made(**BOUGHT, orders=(TARGET,)), [RELEASED, fill(Role.TARGET, "100", 2)],
        {"sold": D(100), "released": D(0), "phase": Phase.CLOSED}),
    "an amendment that tells no terms leaves them": (
        made(terms=TERMS), [AMENDED], {"terms": TERMS, "sell_price": None}),
    "an amendment that tells terms replaces them": (
        made(terms=TERMS), [msgspec.structs.replace(AMENDED, terms=Terms())], {"terms": Terms()}),
    "the whole fill of an order ends its own back-off alone": (
        made(orders=(ENTRY,), backoffs=TWO), [fill(Role.ENTRY, "100", 1)],
        {"backoffs": {Role.STOP: Backoff(2, 5)}, "orders": ()}),
    "a partial fill leaves order and back-off": (
        made(orders=(ENTRY,), backoffs=TWO), [fill(Role.ENTRY, "30", 1)],
        {"backoffs": TWO, "orders": (msgspec.structs.replace(ENTRY, filled=D(30)),)}),
    "an accepted order ends its own back-off alone, and has the venue's id": (
        made(orders=(ENTRY,), backoffs=TWO), [events.OrderAccepted(time=7, order_id="P-1", venue_order_id="V")],
        {"backoffs": {Role.STOP: Backoff(2, 5)},
         "orders": (msgspec.structs.replace(ENTRY, state=OrderState.WORKING, venue_order_id="V"),)}),
    "an acceptance without an id leaves the one that was signed": (
        made(orders=(ENTRY,)),
        [events.OrderSigned(time=7, order_id="P-1", venue_order_id="0xabc"), events.OrderAccepted(time=7, order_id="P-1")],
        {"orders": (msgspec.structs.replace(ENTRY, state=OrderState.WORKING, venue_order_id="0xabc"),)}),
}
# fmt: on


@pytest.mark.parametrize("name", BOOKED)
def test_what_is_booked(name: str) -> None:
    position, events, expected = BOOKED[name]
    for event in events:
        position = transitions.apply(position, event)
    assert {field: value(position, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("ledger", "entry", "exit_", "profit"),
    [
        ({}, None, None, "0"),
        ({"bought": D(3), "cost": D(1)}, "0.333333", None, "0"),
        (
            {"bought": D(3), "cost": D(1), "sold": D(3), "proceeds": D(2)},
            "0.333333",
            "0.666667",
            "1",
        ),
        # a third of the cost of 1 and the fee of 0.5 is paid for what is sold: 0.4 - 0.1 - 0.5
        (
            {"bought": D(3), "cost": D(1), "buy_fees": D("0.5")}
            | {"sold": D(1), "proceeds": D("0.4"), "sell_fees": D("0.1")},
            "0.333333",
            "0.4",
            "-0.2",
        ),
        # a third was let go: what it cost is no loss, and no profit
        (
            {"bought": D(3), "cost": D(3), "sold": D(2), "proceeds": D("2.5"), "released": D(1)},
            "1",
            "1.25",
            "0.5",
        ),
        # a buy failed to settle after its shares were sold
        ({"sold": D(1), "proceeds": D("0.4"), "sell_fees": D("0.1")}, None, "0.4", "0.3"),
        ({"bought": D(1), "cost": D(1), "sold": D(2), "proceeds": D(3)}, "1", "1.5", "2"),
    ],
)
def test_prices_and_profit(
    ledger: dict[str, Decimal], entry: str | None, exit_: str | None, profit: str
) -> None:
    p = made(**ledger)
    assert entry_price(p) == (None if entry is None else D(entry))
    assert exit_price(p) == (None if exit_ is None else D(exit_))
    assert realized_pnl(p) == D(profit)


def test_a_position_is_over_when_no_order_is_left() -> None:
    closed = POSITIONS[Phase.CLOSED]
    assert [p.is_over for p in closed] == [True, True, False]
    assert not made().is_over


def test_no_fact_comes_before_the_position() -> None:
    with pytest.raises(ValueError, match="before the position was opened"):
        transitions.apply(None, events.BidVanished(time=1))


def test_a_position_is_opened_once() -> None:
    with pytest.raises(ValueError, match="open already"):
        transitions.apply(BASE, events.Opened(time=1, position=BASE))


def test_a_settled_position_is_over() -> None:
    for before in (p for phase in POSITIONS for p in POSITIONS[phase] if p.held > 0):
        after = transitions.apply(before, events.Settled(time=1, payout=D(1), shares=before.held))
        assert after.held == 0
        assert after.phase in OVER or after.live(Role.ENTRY)
        assert after.ledger.exit_reason is ExitReason.SETTLEMENT


def test_a_cancelling_order_stays_so_when_it_is_accepted() -> None:
    p = made(orders=(msgspec.structs.replace(ENTRY, state=OrderState.CANCELLING),))
    after = transitions.apply(p, events.OrderAccepted(time=1, order_id="P-1"))
    assert after.orders[0].state is OrderState.CANCELLING


def test_the_architecture_page_shows_the_life_as_it_is() -> None:
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert refresh(page) == page, "run `make diagram`"
