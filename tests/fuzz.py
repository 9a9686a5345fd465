"""Generated events, commands, records and answers for `turn`, `take up` and `start`, by seed.

Every value may be what nobody sends: not a number, endless, negative, of the year 9999. What must
hold is stated here, too: nothing raises past its boundary, no other position is touched, and its
stop still sells.
"""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any, get_args

import msgspec
from msgspec.structs import fields
from stage import ID, LIMITS, START, TOKEN, market

from positions.commands.fields import Malformed
from positions.commands.messages import Cancel, Command, Sell, Submit, decode, from_fields
from positions.engine.effects import Act, Answer, Effect
from positions.engine.engine import Engine
from positions.engine.plan import Send
from positions.engine.recovery import WalletReport, recover
from positions.model import events
from positions.model.durations import SECOND
from positions.model.events import AnyEvent
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import (
    SELLS,
    Decision,
    EntryEnd,
    Ledger,
    Order,
    OrderState,
    Phase,
    Position,
    Request,
    Role,
    Sale,
    update,
)
from positions.model.terms import Confirm, Percent, Slice, Terms, Trigger
from positions.model.trades import Trade
from venues.polymarket.api import parsing
from venues.polymarket.api.parsing import Unreadable
from venues.simulated.account import Account

D = Decimal
OTHER_TOKEN = "2002"
OTHER_ID = f"{ID[:-3]}999"
NEIGHBOUR_ID = f"{ID[:-3]}998"
AMOUNTS = [
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1e30",
    "-5",
    "1e999999",
    "0",
    "5",
    "100",
    "1e-30",
]
AMOUNTS += ["999999999999", "1e20000000", "0.005", "20"]
PRICES = ["NaN", "-Infinity", "0", "1", "-0.5", "1e30", "1e-30", "0.45", "0.55", "0.9999", "0.70"]
TIMES = [0, -1, 1, 10**9, START, START + SECOND, 2**63, 10**19, 10**40, -(10**30)]
TEXTS = ["", "x", f"{ID}-1", f"{ID}-2", "a" * 5000, "\x1b[2J", "no-number", f"{ID}-x", "\u202e"]
KINDS: list[Any] = list(get_args(AnyEvent))


class Fuzz:
    """One seeded run.

    Parameters
    ----------
    seed
        Gives the run again.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = START
        self.market = market()
        self.other = market(outcome_id=OTHER_TOKEN, slug="snow", market_id="0xbeef")
        self.engine = Engine(LIMITS, cash=D(1000))
        self.engine.list_market(self.market)
        self.engine.list_market(self.other)
        p = _holding(ID, TOKEN)
        self.untouched = {
            OTHER_ID: _holding(OTHER_ID, OTHER_TOKEN),
            NEIGHBOUR_ID: update(_holding(NEIGHBOUR_ID, TOKEN), terms=Terms(targets=())),
        }
        self.engine.load([p, *self.untouched.values()], halted=False)
        for m in (self.market, self.other):
            self.shows(m, "0.54", "0.56")
        self.sent: dict[str, Order] = {}
        self.turn()
        self.quiet()

    def shows(self, m: Any, bid: str, ask: str) -> None:
        """A sound view of a book."""
        m.show(D(bid), D(1000), D(ask), D(1000), self.now, ())
        self.engine.viewed(m.outcome_id)

    def quiet(self) -> None:
        """Take the others as they are now for what must not change."""
        self.untouched = {i: self.engine.positions[i] for i in self.untouched}

    # -- values ------------------------------------------------------------------------------------

    def amount(self) -> Decimal:
        return D(self.rng.choice(AMOUNTS))

    def price(self) -> Decimal:
        return D(self.rng.choice(PRICES))

    def time(self) -> int:
        return self.rng.choice([self.now, *TIMES])

    def order_id(self) -> str:
        live = [o.id for o in self.engine.positions[ID].orders] or [f"{ID}-1"]
        return self.rng.choice([*live, *live, *TEXTS])

    def order(self) -> Order:
        return Order(
            id=self.order_id(),
            role=self.rng.choice(list(Role)),
            price=self.price(),
            shares=self.amount(),
            sent_at=self.time(),
            quote_seq=self.rng.choice([-1, 0, 10**30]),
            immediate=self.rng.random() < 0.5,
            filled=self.rng.choice([D(0), self.amount()]),
            state=self.rng.choice(list(OrderState)),
        )

    def terms(self) -> Terms:
        level = self.rng.choice([self.price(), Percent(self.amount()), None])
        above = self.rng.choice([None, Percent(self.amount())])
        return Terms(
            targets=self.rng.choice([(), (Slice(self.price(), self.amount(), above),)]),
            stop_below=self.rng.choice([None, None, level]),
            target_above=above,
            trail=level,
            trail_from=self.rng.choice([None, self.price()]),
            break_even_after=self.rng.choice([None, 1, -1, 10**30]),
            break_even_at=self.rng.choice([None, self.price()]),
            stop_confirm=self.rng.choice([None, Confirm(span=self.time()), Confirm(quotes=-1)]),
            stop_hard=self.rng.choice([None, self.price()]),
            trigger=self.rng.choice(list(Trigger)),
            exit_at=self.rng.choice([None, self.time()]),
            exit_before_end=self.rng.choice([None, self.time()]),
        )

    def position(self) -> Position:
        """What a record may hold of the position."""
        return update(
            _holding(ID, self.rng.choice([TOKEN, TOKEN, "not listed"])),
            size=self.amount(),
            sell_price=self.rng.choice([None, self.price()]),
            stop_loss_price=self.rng.choice([None, D("0.45"), self.price()]),
            raised_stop=self.rng.choice([None, self.price()]),
            bought=self.rng.choice([D(100), self.amount()]),
            sold=self.rng.choice([D(0), self.amount()]),
            missing=self.rng.choice([D(0), self.amount()]),
            terms=self.terms(),
            updated_at=self.time(),
            next_order=self.rng.choice([1, 7, -1, 10**30]),
            orders=tuple(self.order() for _ in range(self.rng.randrange(3))),
            sale=self.rng.choice([None, Sale("x", self.amount(), self.price(), self.time())]),
        )

    def value(self, name: str, kind: Any) -> Any:
        """A value for a field of an event."""
        known: dict[str, Callable[[], Any]] = {
            "time": self.time,
            "order_id": self.order_id,
            "order": self.order,
            "position": self.position,
            "terms": lambda: self.rng.choice([None, self.terms()]),
            "sale": lambda: Sale("x", self.amount(), self.price(), self.time()),
            "quote_seq": lambda: self.rng.choice([-1, 0, 5, 10**30]),
        }
        if name in known:
            return known[name]()
        if isinstance(kind, type) and hasattr(kind, "__members__"):
            return self.rng.choice(list(kind))  # type: ignore[call-overload]
        if "price" in name or name in ("bid", "seen", "payout"):
            return self.price()
        if kind in (Decimal, Decimal | None):
            return self.amount()
        return self.rng.choice(TEXTS)

    def event(self) -> AnyEvent:
        """An event of any kind."""
        kind = self.rng.choice([*KINDS, *[events.OrderFilled, events.OrderClosed] * 4])
        return kind(**{f.name: self.value(f.name, f.type) for f in fields(kind)})

    def command(self) -> Command:
        """A command, as if its checks had been passed by."""
        number = self.rng.randrange(10**6)
        command_id = f"0190b5a2-7a3f-7c3e-8c3e-{number:012}"
        choice = self.rng.randrange(3)
        if choice == 0:
            return Cancel(id=command_id, position_id=self.rng.choice([ID, *TEXTS]))
        if choice == 1:
            asked = {"shares": self.amount(), "min_price": self.price()}
            return Sell(id=command_id, position_id=ID, **asked)
        return Submit(
            id=command_id,
            market="rain-in-london",
            outcome="Yes",
            max_bid_price=self.price(),
            size=self.amount(),
            stop_loss_price=self.rng.choice([None, self.price(), Percent(self.amount())]),
            terms=self.terms(),
            expires=self.rng.choice([None, self.time()]),
        )

    # -- what happens ------------------------------------------------------------------------------

    def steps(self) -> list[Callable[[], object]]:
        """What may happen to the first position, and to nothing else."""
        return [
            *[lambda: self.engine.event(ID, self.event())] * 6,
            lambda: self.engine.event(self.rng.choice(TEXTS), self.event()),
            lambda: self.engine.command(self.command()),
            lambda: self.engine.load([self.position()], halted=False),
            self.engine.second_passed,
            self.pass_time,
            lambda: self.engine.look_anew(TOKEN),
        ]

    def pass_time(self) -> None:
        self.now += self.rng.choice([0, 1, SECOND, 5 * SECOND, 60 * SECOND])

    def turn(self) -> list[Effect]:
        """One turn: it never raises, each command is answered, and no offer is of too much."""
        asked = sum(isinstance(item, Command) for item in self.engine._queue)
        effects = self.engine.turn(self.now)
        answers = [e for e in effects if isinstance(e, Answer) and e.command is not None]
        assert len(answers) == asked
        for act in effects:
            if isinstance(act, Act) and isinstance(act.intent, Send):
                self.sent[act.intent.order.id] = act.intent.order
                assert act.intent.order.shares.is_finite()
        self.engine.open_alarms()
        assert not self.engine.has_work
        return effects

    def run(self) -> None:
        """Some steps; then the bid falls, and the others' stops sell."""
        for _ in range(self.rng.randint(1, 8)):
            self.rng.choice(self.steps())()
            self.turn()
            for position_id, p in self.untouched.items():
                assert self.engine.positions[position_id] is p, "another position was touched"
        if self.rng.random() < 0.3:
            self.break_market()
        for m in (self.other, self.market):
            self.shows(m, "0.44", "0.46")
        self.sells(OTHER_ID)

    def break_market(self) -> None:
        """The first market shows what no market does."""
        m = self.market
        m.tick = self.rng.choice([self.price(), D("0.01")])
        m.bid = self.rng.choice([None, self.price()])
        m.bid_size, m.minimum_size = self.amount(), self.amount()
        m.bids = self.rng.choice([(), ((self.price(), self.amount()),)])
        m.payout = self.rng.choice([None, None, self.price()])
        m.closes_at = self.rng.choice([None, self.time()])
        self.engine.market_changed(TOKEN)
        self.engine.watched(TOKEN, self.rng.choice(list(Trigger)))
        self.engine.viewed(TOKEN)
        self.turn()

    def sells(self, position_id: str) -> None:
        """All of a position is sold, however the first one is."""
        offered = [
            e.intent.order
            for e in self.turn()
            if isinstance(e, Act) and e.position.id == position_id and isinstance(e.intent, Send)
        ]
        assert [o.shares for o in offered if o.role in SELLS] == [100]


def _holding(position_id: str, token: str) -> Position:
    return Position(
        id=position_id,
        market_id="0xc0ffee" if token == TOKEN else "0xbeef",
        market="rain-in-london",
        outcome_id=token,
        outcome="Yes",
        created_at=START,
        request=Request(size=D(100), max_bid_price=D("0.55"), stop_loss_price=D("0.45")),
        ledger=Ledger(bought=D(100), cost=D(55)),
        decision=Decision(entry_ended=EntryEnd.COMPLETE),
        phase=Phase.HOLDING,
    )


# -- take up ---------------------------------------------------------------------------------------

_WORDS: list[Any] = [*TEXTS, *AMOUNTS, *PRICES, None, True, [], {}, -1, 10**25, 1.5, "none", "50%"]
_WORDS += ["9999-12-31T23:59:59Z", "999999d", "2026-04-13T10:00:00Z", "5quotes", "0.6:50% 0.7"]
_NAMES = ["command", "id", "at", "expires", "size", "stake", "stop", "target", "trail", "outcome"]
_NAMES += ["max_bid", "market", "position_id", "stop_confirm", "exit_at", "created_at", "fraction"]
_GOOD = {"command": "submit", "market": "m", "outcome": "Yes", "max_bid": "0.5", "size": "10"}


def take_up(seed: int) -> None:
    """A file is a command or malformed; an answer of the venue is read or unreadable."""
    rng = random.Random(seed)
    asked: dict[str, Any] = _GOOD | {"command": rng.choice(["submit", "adopt", "sell", "amend"])}
    asked |= {rng.choice(_NAMES): rng.choice(_WORDS) for _ in range(rng.randint(1, 4))}
    content = bytearray(json.dumps(asked).encode())
    if rng.random() < 0.3:
        content[rng.randrange(len(content))] = rng.randrange(256)
    for read in (partial(decode, bytes(content), ID), partial(from_fields, asked, ID)):
        try:
            command = read()
        except Malformed:
            continue
        _fits(command)
    made = {"order_id": "0xcd", "matched_amount": "5", "price": "0.7", "asset_id": "1"}
    told: dict[str, Any] = {"id": "T", "status": "MATCHED", "match_time": "1776096000", "size": "5"}
    told |= {"taker_order_id": "0xab", "side": "BUY", "asset_id": "1", "price": "0.7"}
    told["maker_orders"] = [made | {rng.choice(list(made)): rng.choice(_WORDS)}]
    told[rng.choice(list(told))] = rng.choice(_WORDS)
    for order_id in ("0xcd", "0xab"):
        try:
            trades = parsing.trades_of(order_id, told)
            list(parsing.order_ids(told))
        except Unreadable:
            continue
        for trade in trades:
            assert 0 < trade.price < 1
            assert 0 < trade.shares < parsing.AMOUNT_MAX


def _fits(command: Command) -> None:
    for value in (command.at, command.expires_at, command.created_at):
        assert value is None or 0 < value < 5 * 10**18
    for name in ("size", "stake", "max_bid_price", "shares"):
        amount = getattr(command, name, None)
        assert not isinstance(amount, Decimal) or 0 < amount < 10**9


# -- start -----------------------------------------------------------------------------------------


def start(seed: int) -> None:
    """A record and a venue that say anything: all is taken over, and the others are protected."""
    run = Fuzz(seed)
    rng = run.rng
    positions = [run.position(), *run.untouched.values()]
    signed = [
        SignedOrder(run.order_id(), f"0x{n}", rng.choice([None, Role.EXIT, Role.TARGET]))
        for n in range(rng.randrange(4))
    ]
    said = WalletReport(
        orders={
            f"0x{n}": VenueOrder(
                f"0x{n}", TOKEN, False, run.price(), run.amount(), run.amount(), is_open=True
            )
            for n in range(rng.randrange(4))
        },
        absent=frozenset(f"0x{n}" for n in range(rng.randrange(4))),
        trades=tuple(
            Trade(
                f"T-{n}",
                run.price(),
                run.amount(),
                is_maker=False,
                fee=run.amount(),
                time=run.time(),
                venue_order_id=f"0x{n}",
            )
            for n in range(rng.randrange(3))
        ),
        balances={TOKEN: run.amount()} if rng.random() < 0.5 else {},
    )
    found = recover(positions, signed, said, run.now)
    engine = run.engine = Engine(LIMITS, cash=D(1000))
    engine.list_market(run.market)
    engine.list_market(run.other)
    engine.load(positions, halted=False)
    for position_id, event in found.events:
        engine.event(position_id, event)
    for token, balance in said.balances.items():
        _quietly(partial(engine.balance_seen, token, balance, run.now))
    run.turn()
    for m in (run.other, run.market):
        run.shows(m, "0.44", "0.46")
    run.sells(OTHER_ID)
    account = Account(D(100))
    kinds = [(rng.choice(["money", "token", "order", "trade", "x"]), str(n)) for n in range(3)]
    account.restore([(kind, n, _json(rng)) for kind, n in kinds])


def _quietly(call: Callable[[], object]) -> None:
    """A handler of the strategy, which has a boundary of its own."""
    with suppress(ArithmeticError, ValueError):
        call()


def _json(rng: random.Random) -> str:
    values = {"cash": rng.choice(AMOUNTS), "held": rng.choice(AMOUNTS), "order_id": "x"}
    return rng.choice(["", "{", "null", "[]", msgspec.json.encode(values).decode()])
