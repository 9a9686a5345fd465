"""The start after a crash, as a table: an order, what was written of it, what the venue says."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace
from stage import START, TOKEN

from positions.engine.balances import BALANCE_LAG
from positions.engine.lifecycle import phase_of
from positions.engine.recovery import (
    Recovery,
    WalletReport,
    recover,
)
from positions.engine.transitions import apply
from positions.model import events
from positions.model.durations import SECOND
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import (
    Decision,
    EntryEnd,
    ExitReason,
    Ledger,
    Order,
    OrderState,
    Phase,
    Position,
    Request,
    Role,
    update,
)
from positions.model.trades import Settlement, Trade

D = Decimal
NOW = START + 2 * BALANCE_LAG
HASH = "0xabc"
FAILED = Settlement.FAILED


def order(role: Role, number: int, **fields: Any) -> Order:
    price = "0.70" if role is Role.TARGET else "0.50"
    values = {"id": f"P-{number}", "role": role, "price": D(price), "shares": D(100)}
    return Order(**values | {"sent_at": START, "quote_seq": 7} | fields)


def position(*orders: Order, held: str = "100", **fields: Any) -> Position:
    p = Position(
        id="P",
        market_id="0xc0ffee",
        market="rain-in-london",
        outcome_id=TOKEN,
        outcome="Yes",
        created_at=START,
        request=Request(
            size=D(100),
            max_bid_price=D("0.50"),
            stop_loss_price=D("0.45"),
            sell_price=D("0.70"),
        ),
        orders=orders,
        next_order=1 + len(orders),
        ledger=Ledger(bought=D(held), cost=D(held) / 2),
        decision=Decision(entry_ended=EntryEnd.COMPLETE if D(held) == 100 else None),
    )
    p = update(p, **fields)
    return update(p, phase=phase_of(p))


def venue(matched: str = "0", *, is_open: bool = True, **fields: Any) -> VenueOrder:
    values = {
        "venue_order_id": HASH,
        "outcome_id": TOKEN,
        "is_buy": False,
        "price": D("0.70"),
        "shares": D(100),
        "matched": D(matched),
        "is_open": is_open,
    }
    return VenueOrder(**values | fields)


def trade(shares: str, trade_id: str = "T-1", **fields: Any) -> Trade:
    values = {"price": D("0.50"), "is_maker": True, "time": START + 5, "venue_order_id": HASH}
    return Trade(trade_id, shares=D(shares), **values | fields)


def said(*orders: VenueOrder, absent: bool = False, **fields: Any) -> WalletReport:
    return WalletReport(
        orders={o.venue_order_id: o for o in orders},
        absent=frozenset({HASH}) if absent else frozenset(),
        **fields,
    )


ENTRY = order(Role.ENTRY, 1)
SIGNED = replace(ENTRY, venue_order_id=HASH)
PARTLY = replace(SIGNED, filled=D(40), state=OrderState.WORKING)
TARGET = order(Role.TARGET, 1)
TARGET_AT_VENUE = replace(TARGET, venue_order_id=HASH, state=OrderState.WORKING)
EXIT = order(Role.EXIT, 1, immediate=True)
STOP = order(Role.STOP, 1, state=OrderState.WORKING)
LOG = [SignedOrder("P-1", HASH)]
LOGGED_EXIT = [SignedOrder("P-1", HASH, order=EXIT)]
LOGGED_TARGET = [SignedOrder("P-1", HASH, order=TARGET)]
BUY = venue(is_buy=True, price=D("0.50"))
FAK = venue("100", is_open=False, price=D("0.50"), immediate=True)

# fmt: off
CASES: dict[str, tuple[Position, list[SignedOrder], WalletReport, list[str]]] = {
    # what was committed, what else was signed, what the venue says, what is booked
    "an entry that was not signed never left the node":
        (position(ENTRY, held="0"), [], said(), ["closed gone"]),
    "an entry that was signed and not posted never reached the venue":
        (position(SIGNED, held="0"), [], said(absent=True), ["closed gone"]),
    "an entry whose post was cut short rests at the venue":
        (position(SIGNED, held="0"), [], said(BUY), ["accepted"]),
    "an entry that rests as recorded says nothing new":
        (position(replace(SIGNED, state=OrderState.WORKING), held="0"), [], said(BUY), []),
    "an entry that filled in part while away rests on":
        (position(SIGNED, held="0"), [], said(replace(BUY, matched=D(30)), trades=(trade("30"),)),
         ["filled 30 entry", "accepted"]),
    "an entry that filled whole while away is done":
        (position(SIGNED, held="0"), [],
         said(replace(BUY, matched=D(100), is_open=False), trades=(trade("100"),)),
         ["filled 100 entry"]),
    "an entry that was cancelled while away is over":
        (position(SIGNED, held="0"), [], said(replace(BUY, is_open=False)), ["closed canceled"]),
    "an entry that filled in part and was cancelled while away":
        (position(SIGNED, held="0"), [],
         said(replace(BUY, matched=D(30), is_open=False), trades=(trade("30"),)),
         ["filled 30 entry", "closed canceled"]),
    "a trade that is booked is not booked again":
        (position(PARTLY, held="40", trades=("T-1",)), [],
         said(replace(BUY, matched=D(40)), trades=(trade("40"),)), []),
    "an entry of which trades are not told yet is asked for again":
        (position(SIGNED, held="0"), [], said(replace(BUY, matched=D(30))), ["?"]),
    "an entry that the venue does not answer for may be filled still":
        (position(SIGNED, held="0"), [], said(), ["?"]),
    "an entry that was being cancelled is adopted as it is":
        (position(replace(SIGNED, state=OrderState.CANCELLING), held="0"), [], said(BUY), []),
    "a working entry that the venue forgot after a fill is over":
        (position(PARTLY, held="40", trades=("T-1",)), [], said(absent=True),
         ["closed canceled"]),
    "a trade that failed while away is undone":
        (position(PARTLY, held="40", trades=("T-1",)), [],
         said(replace(BUY, matched=D(40)), trades=(trade("40", status=FAILED),)),
         ["reversed 40 entry"]),
    "a trade that failed while away and was never booked is left out":
        (position(PARTLY, held="40", trades=("T-1",)), [],
         said(replace(BUY, matched=D(40)),
              trades=(trade("40"), trade("30", "T-2", status=FAILED))), []),
    "a trade that was told in parts is not booked again as it is told whole":
        (position(PARTLY, held="40", trades=("T-abcdef-0", "T-abcdef-1")), [],
         said(replace(BUY, matched=D(40)), trades=(trade("40", "T-abcdef"),)), []),
    "a trade that was told whole is not booked again as it is told in parts":
        (position(PARTLY, held="40", trades=("T-abcdef",)), [],
         said(replace(BUY, matched=D(40)),
              trades=(trade("30", "T-abcdef-0"), trade("10", "T-abcdef-1"))), []),
    "of a trade that is told whole the rest is booked, where a crash left a part":
        (position(replace(PARTLY, filled=D(30)), held="30", trades=("T-abcdef-0",)), [],
         said(replace(BUY, matched=D(40)), trades=(trade("40", "T-abcdef"),)),
         ["filled 10 entry"]),
    "a trade that was told in parts and failed is undone whole, once":
        (position(PARTLY, held="40", trades=("T-abcdef-0", "T-abcdef-1")), [],
         said(replace(BUY, matched=D(40)), trades=(trade("40", "T-abcdef", status=FAILED),)),
         ["reversed 40 entry"]),
    "a trade that was told whole and failed is undone in parts, once":
        (position(PARTLY, held="40", trades=("T-abcdef",)), [],
         said(replace(BUY, matched=D(40)),
              trades=(trade("30", "T-abcdef-0", status=FAILED),
                      trade("10", "T-abcdef-1", status=FAILED))),
         ["reversed 30 entry", "reversed 10 entry"]),
    "an entry is never taken for another order that looks like it":
        (position(ENTRY, held="0"), [], said(BUY), ["closed gone", "foreign"]),
    "an entry is not taken for a sale of its number that was logged and never posted":
        (position(ENTRY, held="0"), LOG, said(absent=True), ["closed gone"]),
    "a target that was not logged was never posted":
        (position(TARGET), [], said(), ["closed gone"]),
    "a target in the log alone is known by its hash":
        (position(TARGET), LOG, said(venue()), ["signed", "accepted"]),
    "a target in the log that the venue does not know was not posted":
        (position(TARGET), LOG, said(absent=True), ["signed", "closed gone"]),
    "a target in the log that the venue does not answer for is asked about by its hash":
        (position(TARGET), LOG, said(), ["signed", "?"]),
    "a target that sold while away":
        (position(TARGET_AT_VENUE), [],
         said(venue("100", is_open=False), trades=(trade("100", price=D("0.70")),)),
         ["filled 100 target"]),
    "a target that the log lost is known by what it looks like":
        (position(TARGET), [], said(venue()), ["signed", "accepted"]),
    "an open order that looks like it goes before one that is over":
        (position(TARGET), [],
         said(replace(venue(is_open=False), venue_order_id="0xold"), venue()),
         ["signed", "accepted"]),
    "an unlike order is not a lost target":
        (position(TARGET), [], said(venue(price=D("0.71"))), ["closed gone", "foreign"]),
    "an exit that sold at the crash":
        (position(EXIT, cause=ExitReason.STOP), LOG, said(FAK, trades=(trade("100"),)),
         ["signed", "filled 100 exit"]),
    "an exit that met no bid at the crash":
        (position(EXIT, cause=ExitReason.STOP), LOG, said(replace(FAK, matched=D(0))),
         ["signed", "closed canceled"]),
    "an exit of which only the log knows":
        (position(cause=ExitReason.STOP), LOG, said(FAK, trades=(trade("100"),)),
         ["sent exit", "filled 100 exit"]),
    "an exit of which only the log knows, that is over and forgotten":
        (position(cause=ExitReason.STOP), LOGGED_EXIT,
         said(absent=True, trades=tuple(
             trade(shares, f"T-{shares}", is_maker=False) for shares in ("60", "40"))),
         ["sent exit", "filled 60 exit", "filled 40 exit"]),
    "a target of which only the log knows, that is over and forgotten":
        (position(), LOGGED_TARGET, said(absent=True, trades=(trade("100", price=D("0.70")),)),
         ["sent target", "filled 100 target"]),
    "an exit of which only the log knows, whose trade failed":
        (position(cause=ExitReason.STOP), LOGGED_EXIT,
         said(absent=True, trades=(trade("100", status=FAILED),)), []),
    "a target of which only the log knows, too new to be found":
        (position(), LOGGED_TARGET, said(), ["sent target", "?"]),
    "a target of which only the log knows, and that was not posted":
        (position(), LOGGED_TARGET, said(absent=True), []),
    "a target of which only the log knows":
        (position(), LOG, said(venue()), ["sent target", "accepted"]),
    "an order of which only the log knows and that was not posted":
        (position(), LOG, said(absent=True), []),
    "an order of which only the log knows and the venue says nothing":
        (position(), LOG, said(), ["?"]),
    "an exit that the log lost, that is over and forgotten, is known by its trades":
        (position(EXIT, cause=ExitReason.STOP), [],
         said(replace(FAK, price=D("0.52")), trades=(trade("100", price=D("0.52")),)),
         ["signed", "filled 100 exit"]),
    "an exit that the log lost is not one that sold more":
        (position(replace(EXIT, shares=D(60)), cause=ExitReason.STOP), [],
         said(FAK, trades=(trade("100"),)), ["closed gone"]),
    "an exit that the log lost is not one that sold for less":
        (position(EXIT, cause=ExitReason.STOP), [],
         said(replace(FAK, price=D("0.49")), trades=(trade("100", price=D("0.49")),)),
         ["closed gone"]),
    "an exit that the log lost is not one that sold before it":
        (position(EXIT, cause=ExitReason.STOP), [],
         said(replace(FAK, price=D("0.52")), trades=(trade("100", time=START - SECOND),)),
         ["closed gone"]),
    "an offer at the target that nothing tells of is ours, if the wallet has no more":
        (position(), [], said(venue(), balances={TOKEN: D(199)}), ["sent target", "accepted"]),
    "an offer at the target is another's, if the wallet has shares for both":
        (position(), [], said(venue(), balances={TOKEN: D(200)}), ["foreign"]),
    "an offer that nothing tells of is another's at another price":
        (position(), [], said(venue(price=D("0.71")), balances={TOKEN: D(100)}), ["foreign"]),
    "an offer that nothing tells of is another's where ours is known":
        (position(TARGET_AT_VENUE), [],
         said(venue(), replace(venue(), venue_order_id="0xold"), balances={TOKEN: D(100)}),
         ["foreign"]),
    "an offer that nothing tells of is left where the wallet is not known":
        (position(), [], said(venue()), ["foreign"]),
    "a stop went with the process":
        (position(STOP), [], said(), ["restarted"]),
    "a stop that was released went with the process":
        (position(replace(STOP, state=OrderState.RELEASED), released_seq=7), [], said(),
         ["restarted"]),
    "a view of the book of the earlier process is forgotten":
        (position(exit_seq=7, cause=ExitReason.STOP), [], said(), ["restarted"]),
    "a late trade of a past order is booked":
        (position(next_order=2, held="40", entry_ended=EntryEnd.CANCELLED),
         [SignedOrder("P-1", HASH, Role.ENTRY)],
         said(trades=(trade("60"),)), ["filled 60 entry"]),
    "a past order of ours that is still open is taken back":
        (position(next_order=2), [SignedOrder("P-1", HASH, Role.TARGET)], said(venue()),
         ["cancel"]),
    "an order of a position that is not known is taken back":
        (position(), [SignedOrder("Q-1", HASH, Role.TARGET)], said(venue()), ["cancel"]),
    "an open order of nobody is foreign":
        (position(), [], said(venue()), ["foreign"]),
    "a trade of an order nobody knows is asked about":
        (position(), [], said(trades=(trade("10"),)), ["?"]),
    "shares that are not there are disputed":
        (position(), [], said(balances={TOKEN: D(60)}), ["disputed 40"]),
    "more shares than ours are no dispute":
        (position(), [], said(balances={TOKEN: D(160)}), []),
    "a dispute is over once the venue has all shares":
        (position(dispute="?", missing=D(40)), [], said(balances={TOKEN: D(100)}),
         ["reconciled"]),
    "a dispute that stands is not told again":
        (position(dispute="the venue has 60 of 100 shares", missing=D(40)), [],
         said(balances={TOKEN: D(60)}), []),
    "balances wait for orders that are not answered for":
        (position(TARGET), LOG, said(balances={TOKEN: D(60)}), ["signed", "?"]),
}
# fmt: on


def told(recovery: Recovery) -> list[str]:
    """What a recovery found, in short words."""
    words = []
    for _, event in recovery.events:
        match event:
            case events.OrderFilled():
                words.append(f"filled {event.shares} {event.role}")
            case events.FillReversed():
                words.append(f"reversed {event.shares} {event.role}")
            case events.OrderClosed():
                words.append(f"closed {event.end}")
            case events.OrderSent():
                words.append(f"sent {event.order.role}")
            case events.Disputed():
                words.append(f"disputed {event.missing}")
            case _:
                name = type(event).__name__
                words.append(name.removeprefix("Order").lower())
    words += ["?"] * len(recovery.unanswered)
    words += ["cancel"] * len(recovery.cancel) + ["foreign"] * len(recovery.foreign)
    return words


@pytest.mark.parametrize("name", CASES)
def test_recovery(name: str) -> None:
    p, signed, venue_says, expected = CASES[name]
    found = recover([p], signed, venue_says, NOW)
    assert told(found) == expected
    for _, event in found.events:
        p = apply(p, event)
    again = recover([p], signed, venue_says, NOW + 1)
    assert again.events == (), "a start that was cut short and is made again books nothing twice"


def test_what_never_reached_the_venue_is_no_failure_of_the_venue() -> None:
    p = position(ENTRY, held="0")
    for _, event in recover([p], [], WalletReport(), NOW).events:
        p = apply(p, event)
    assert (p.phase, p.orders, p.pacing.backoffs) == (Phase.ENTERING, (), {})


def test_a_lost_order_keeps_its_number_from_being_given_again() -> None:
    p = position(next_order=3)
    signed = [SignedOrder("P-6", HASH)]
    for _, event in recover([p], signed, said(venue()), NOW).events:
        p = apply(p, event)
    assert p.next_order == 7


def test_the_oldest_position_is_served_first_when_shares_are_missing() -> None:
    older = position()
    newer = replace(position(), id="Q", created_at=START + 1)
    found = recover([newer, older], [], said(balances={TOKEN: D(130)}), NOW)
    assert [(i, getattr(f, "missing", None)) for i, f in found.events] == [("Q", D(70))]


def test_what_is_missing_is_not_sold() -> None:
    p = apply(position(), events.Disputed(time=NOW, reason="?", missing=D(40)))
    assert (p.phase, p.held, p.sellable) == (Phase.DISPUTED, D(100), D(60))
    p = apply(p, events.Disputed(time=NOW, reason="?", missing=D(100)))
    assert (p.phase, p.sellable) == (Phase.DISPUTED, D(0))


@pytest.mark.parametrize(
    ("missing", "sold", "left", "phase"),
    [
        ("100", "100", "0", Phase.CLOSED),
        ("100", "30", "70", Phase.DISPUTED),
        ("40", "100", "0", Phase.CLOSED),
        ("40", "60", "40", Phase.DISPUTED),
        ("40", "30", "40", Phase.DISPUTED),
    ],
)
def test_no_more_is_missing_than_is_held(missing: str, sold: str, left: str, phase: Phase) -> None:
    p = apply(position(TARGET), events.Disputed(time=NOW, reason="?", missing=D(missing)))
    p = apply(
        p,
        events.OrderFilled(
            time=NOW,
            order_id="P-1",
            trade_id="T-1",
            role=Role.TARGET,
            price=D("0.70"),
            shares=D(sold),
            fee=D(0),
            liquidity="maker",
        ),
    )
    assert (p.decision.missing, p.phase, p.decision.dispute is None) == (
        D(left),
        phase,
        D(left) == 0,
    )


# How far an exit had come when the node was killed: what the record and the log have of it, and
# whether the venue took it.
REACHED = {
    "nothing was sent": ("", "", False),
    "it was committed": ("sent", "", False),
    "it was signed": ("sent", "logged", False),
    "it was posted": ("sent", "logged", True),
    "it was posted before it was committed": ("", "logged", True),
    "its hash was committed": ("signed", "", True),
    "its hash was committed before it was posted": ("signed", "logged", False),
}


class Left:
    """What killed nodes leave: positions, the hashes of their orders, and sales at the venue."""

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        self.hashes: dict[str, str] = {}
        self.sold_by: dict[str, str] = {}

    def start(self, log: list[SignedOrder]) -> None:
        """Go on with it; every order at the venue has sold 100 shares, and is over."""
        signed = [*(SignedOrder(i, h, Role.EXIT) for i, h in self.hashes.items()), *log]
        says = WalletReport(
            orders={h: replace(FAK, venue_order_id=h) for h in self.sold_by},
            absent=frozenset(s.venue_order_id for s in signed) - self.sold_by.keys(),
            trades=tuple(replace(trade("100", h), venue_order_id=h) for h in self.sold_by),
        )
        for position_id, event in recover(list(self.positions.values()), signed, says, NOW).events:
            self.book(position_id, event)

    def book(self, position_id: str, event: events.AnyEvent) -> None:
        """Record an event."""
        self.positions[position_id] = apply(self.positions[position_id], event)
        match event:
            case events.OrderSent(order=o) if o.venue_order_id is not None:
                self.hashes[o.id] = o.venue_order_id
            case events.OrderSigned(order_id=order_id, venue_order_id=hash_):
                self.hashes[order_id] = hash_


@pytest.mark.parametrize("reached", list(product(REACHED, repeat=2)), ids=" and ".join)
def test_the_sales_of_positions_that_are_alike_are_kept_apart(reached: tuple[str, str]) -> None:
    left, log = Left(), []
    for position_id, how_far in zip(("P", "Q"), reached, strict=True):
        recorded, logged, is_posted = REACHED[how_far]
        sent, hash_ = replace(EXIT, id=f"{position_id}-1"), f"0x{position_id}"
        left.positions[position_id] = replace(position(cause=ExitReason.STOP), id=position_id)
        if recorded:
            left.book(position_id, events.OrderSent(time=START, order=sent))
        if recorded == "signed":
            signed = events.OrderSigned(time=START, order_id=sent.id, venue_order_id=hash_)
            left.book(position_id, signed)
        log += [SignedOrder(sent.id, hash_, order=sent)] if logged else []
        left.sold_by |= {hash_: position_id} if is_posted else {}
    left.start(log)
    # What is left is about to be sold when the node is killed again; the log was emptied before.
    for position_id, p in left.positions.items():
        if p.held > 0:
            again = replace(EXIT, id=f"{position_id}-{p.next_order}")
            left.book(position_id, events.OrderSent(time=START, order=again))
    left.start([])
    sold = {position_id for position_id, p in left.positions.items() if p.ledger.sold > 0}
    assert sold == set(left.sold_by.values())
