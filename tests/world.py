"""A small world for seeded lives: the engine on one side, the simulated venue on the other.

Between them stands a courier that delays, reorders within reason, and now and then loses an answer
to a cancel, as real connections do. The emulator is played too: it fires on every bid it passes.
"""

import random
from collections import deque
from decimal import Decimal

from invariants import check_fact, check_protected
from msgspec.structs import replace
from stage import LIMITS, START, TOKEN, market
from whims import some_command, some_depth, some_terms

from positions.commands.messages import Adopt, Command, from_fields
from positions.engine import transitions
from positions.engine.adoption import Holding
from positions.engine.effects import Act, Answer, Effect, Step
from positions.engine.engine import Engine
from positions.engine.invariants import breach
from positions.engine.plan import Cancel, MoveStop, Send
from positions.model import events
from positions.model.durations import SECOND
from positions.model.events import AnyEvent
from positions.model.position import (
    OVER,
    EntryEnd,
    Order,
    OrderEnd,
    Position,
    Role,
    realized_pnl,
)
from positions.model.trades import Trade
from positions.model.venue_rules import FeeSchedule, taker_fee
from venues.simulated import matching
from venues.simulated.matching import Side, SimulatedPolymarket, TimeInForce

D = Decimal
CENT = D("0.01")
_ENDS = {
    matching.Canceled: OrderEnd.CANCELED,
    matching.Expired: OrderEnd.EXPIRED,
    matching.Rejected: OrderEnd.REJECTED,
    matching.Denied: OrderEnd.DENIED,
}


class World:
    """One life, from its submission to the end of its market."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = START
        tick = self.rng.choice((CENT, CENT, D("0.001")))
        self.market = market(tick=tick, closes_at=START + 600 * SECOND)
        lasts = self.rng.choice((None, None, 60 * SECOND))
        self.engine = Engine(replace(LIMITS, entry_lasts=lasts), cash=D(1000), strict=True)
        self.engine.list_market(self.market)
        self.venue = SimulatedPolymarket(D(1000))
        self.venue.list_token(TOKEN, self.market.tick, D(5), FeeSchedule(D("0.04")))
        self.mail: deque[tuple[int, str, AnyEvent]] = deque()
        self.stops: dict[str, tuple[str, Decimal]] = {}
        self.roles: dict[str, Role] = {}
        self.posted: dict[str, matching.Order] = {}
        self.steps: list[Step] = []
        self.retold: dict[str, transitions.Position] = {}
        """The positions that the story alone gives."""
        self.answered: set[str] = set()
        self.commands = 0
        self.price = 50
        self.is_slow = self.rng.random() < 0.5
        self.given = D(self.rng.choice((0, 8, 60)))
        """Shares that the wallet has without having bought them here."""
        self.venue.tokens[TOKEN].held = self.given
        self.wallet_trades: list[Trade] = []
        """All trades of the wallet, whoever's."""
        self.is_looked_at = True

    # -- one round ---------------------------------------------------------------------------------

    def live(self, rounds: int) -> None:
        """Play a whole life and check what must hold at every moment of it."""
        for _ in range(self.rng.choice((1, 1, 2))):
            self.submit()
        for _ in range(rounds):
            self.play_round()
        self.end()

    def play_round(self) -> None:
        """A change of the book, perhaps a command, time, and the mail that is due."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            self.quote()
        if self.rng.random() < 0.04:
            self.command()
        if self.rng.random() < 0.03:
            self.take_off()
        if self.rng.random() < 0.01:
            self.restart()
        if self.rng.random() < 0.03:
            self.trade_elsewhere()
        if self.rng.random() < 0.3:
            self.look_at_the_wallet()
        if self.rng.random() < 0.03:
            self.engine.feed_changed(TOKEN, self.rng.choice(("", "silent")), self.now)
        self.turn()
        if self.rng.random() < 0.5:
            self.now += self.rng.choice((SECOND // 5, SECOND, 7 * SECOND))
            self.engine.second_passed()
            self.turn()

    def end(self) -> None:
        """Resolve the market, deliver everything, and check the accounts."""
        while not self.is_looked_at:
            self.turn(everything=True)
            self.look_at_the_wallet()
            self.turn()
        payout = self.rng.choice((D(0), D(1), D("0.5")))
        self.venue_says(self.venue.settle(TOKEN, payout, self.now))
        self.market.payout = payout
        self.engine.market_changed(TOKEN)
        for _ in range(40):
            self.now += SECOND
            self.engine.second_passed()
            self.turn(everything=True)
        for p in self.engine.positions.values():
            assert p.phase in OVER, (p.phase, p.orders)
            assert p.held == 0
            assert not p.orders
        everyone = {s.position.id: s.position for s in self.steps}.values()
        adopted = [p for p in everyone if p.decision.entry_ended is EntryEnd.ADOPTED]
        booked = sum((realized_pnl(p) for p in everyone), D(0))
        booked += sum((p.ledger.cost for p in adopted), D(0))  # nobody paid for them here
        shares, cash = self.own_account()
        shares -= sum((p.ledger.bought for p in adopted), D(0))
        let_go = [p for p in everyone if p.ledger.released]
        shares += sum((p.ledger.released for p in let_go), D(0))
        assert shares >= 0, "adopted, or sold for a position, more than there is"
        spent = self.venue.cash + self.venue.redeemable - 1000 - shares * payout - cash
        for p in let_go:  # what it cost is neither profit nor loss
            spent += (p.ledger.cost + p.ledger.buy_fees) * p.ledger.released / p.ledger.bought
        wrong = abs(spent - booked)
        assert wrong <= D("0.000001") * len(let_go), "the ledger and the account must agree exactly"

    def turn(self, *, everything: bool = False) -> None:
        """Deliver what is due and let the engine have its turns, until it is quiet."""
        for _ in range(200):
            while self.mail and (everything or self.mail[0][0] <= self.now):
                _, position_id, event = self.mail.popleft()
                self.engine.event(position_id, event)
            if self.engine.has_work:
                self.take_turn()
            elif not self.write(everything=everything):
                break
        else:
            raise AssertionError("the engine finds no rest")
        self.check()

    def take_turn(self) -> None:
        """One turn of the engine, and what it decided."""
        for effect in self.engine.turn(self.now):
            self.carry_out(effect)

    def write(self, *, everything: bool) -> bool:  # noqa: ARG002
        """Write what waits for the disk; False when nothing does. Here the disk is at once."""
        return False

    def deliver(self, command: Command) -> None:
        """Hand a command to the engine; an adoption with what the wallet has."""
        if isinstance(command, Adopt):
            self.engine.adopt(command, Holding(self.venue.shares(TOKEN) - self.unheard()))
        else:
            self.engine.command(command)

    # -- the owner, on the website -----------------------------------------------------------------

    def trade_elsewhere(self) -> None:
        """The owner sells or buys at the market, with the same wallet."""
        side = self.rng.choice((Side.SELL, Side.SELL, Side.BUY))
        price = self.market.bid if side is Side.SELL else self.market.ask
        size = D(self.rng.choice(("3", "7.31", "20", "100")))
        if price is None:
            return
        order = matching.Order(
            order_id=f"website-{len(self.wallet_trades)}",
            token_id=TOKEN,
            side=side,
            price=price,
            shares=size,
            time_in_force=TimeInForce.IOC,
            expires_at=None,
            post_only=False,
        )
        self.note_trades(self.venue.submit(order, self.now), "", side)

    def note_trades(self, answers: list[matching.Event], order_id: str, side: Side) -> None:
        """Remember what was traded, as the venue tells it to the wallet's owner."""
        for e in answers:
            if isinstance(e, matching.Filled):
                is_buy = side is Side.BUY
                made = Trade(e.trade_id, e.price, e.shares, e.is_maker, self.now, fee=e.fee)
                self.wallet_trades.append(replace(made, is_buy=is_buy, venue_order_id=order_id))
                self.is_looked_at = self.is_looked_at and bool(order_id)

    def look_at_the_wallet(self) -> None:
        """The engine sees what the wallet has, where nothing is under way."""
        if not self.mail:
            ours = {t.venue_order_id: t.venue_order_id for t in self.wallet_trades}
            trades = tuple(self.wallet_trades)
            holding = Holding(self.venue.shares(TOKEN), trades=trades, order_ids=ours)
            self.engine.holding_seen(TOKEN, holding)
            self.is_looked_at = True
            self.turn()

    def own_account(self) -> tuple[Decimal, Decimal]:
        """The shares and the USDC that are the owner's by what they traded elsewhere, without what
        was booked for positions."""
        shares, cash = self.given, D(0)
        for t in self.wallet_trades:
            if not t.venue_order_id:
                way = 1 if t.is_buy else -1
                shares, cash = shares + way * t.shares, cash - way * t.price * t.shares - t.fee
        for step in self.steps:
            if isinstance(step.event, events.OwnerSold):
                shares += step.event.shares
                cash -= step.event.price * step.event.shares - step.event.fee
        return shares, cash

    def unheard(self) -> Decimal:
        """Shares of the fills that the engine was not told of yet."""
        told = {t for p in self.engine.positions.values() for t in p.ledger.trades}
        fills = {f.trade_id: f for _, _, f in self.mail if isinstance(f, events.OrderFilled)}
        new = [f for trade_id, f in fills.items() if trade_id not in told]
        return sum((f.shares if f.role is Role.ENTRY else -f.shares for f in new), D(0))

    # -- the courier -------------------------------------------------------------------------------

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Step(p, event):
                self.steps.append(effect)
                before = self.retold.get(p.id)
                self.retold[p.id] = transitions.apply(before, event)
                if before is not None:
                    check_fact(before, event, self.market, self.now)
                assert breach(before, p, event) == ""
            case Answer(_, reply):
                self.answered.add(reply.id)
            case Act(position, Send(o)) if o.role is Role.STOP:
                self.stops[o.id] = (position.id, o.price)
                self.post(position.id, events.OrderAccepted(time=self.now, order_id=o.id))
            case Act(position, Send(o)):
                self.send(position.id, o)
            case Act(position, MoveStop(order_id, price, _)):
                self.stops[order_id] = (position.id, price)
            case Act(position, Cancel(order_id)):
                self.cancel(position.id, order_id)

    def send(self, position_id: str, o: Order) -> None:
        self.roles[o.id] = o.role
        if self.rng.random() < 0.03:
            closed = events.OrderClosed(
                time=self.now, order_id=o.id, end=OrderEnd.REJECTED, reason="503"
            )
            self.post(position_id, closed)
            return
        gtd = o.expires_at is not None
        kind = TimeInForce.IOC if o.immediate else TimeInForce.GTD if gtd else TimeInForce.GTC
        order = matching.Order(
            order_id=o.id,
            token_id=TOKEN,
            side=Side.BUY if o.role is Role.ENTRY else Side.SELL,
            price=o.price,
            shares=o.shares,
            time_in_force=kind,
            expires_at=o.expires_at,
            post_only=o.post_only,
        )
        if o.role is Role.ENTRY:
            p = self.engine.positions[position_id]
            assert o.price <= p.request.max_bid_price
            assert o.shares + p.ledger.bought <= p.request.size
        answers = self.venue.submit(order, self.now)
        if isinstance(answers[0], matching.Accepted):
            self.posted[o.id] = order
        self.venue_says(answers)

    def cancel(self, position_id: str, order_id: str) -> None:
        if order_id in self.stops:
            del self.stops[order_id]
            end = OrderEnd.CANCELED
            self.post(position_id, events.OrderClosed(time=self.now, order_id=order_id, end=end))
        elif order_id not in self.roles:
            end = OrderEnd.CANCELED  # a stop that was released and is held by the algorithm
            self.post(position_id, events.OrderClosed(time=self.now, order_id=order_id, end=end))
        elif self.rng.random() > 0.1:  # else the cancel is lost on its way
            self.venue_says(self.venue.cancel(order_id, self.now))

    def venue_says(self, answers: list[matching.Event]) -> None:
        for e in answers:
            position_id = e.order_id.rpartition("-")[0]
            if isinstance(e, matching.Filled):
                side = Side.BUY if self.roles[e.order_id] is Role.ENTRY else Side.SELL
                self.note_trades([e], e.order_id, side)
            event: AnyEvent
            match e:
                case matching.Accepted():
                    event = events.OrderAccepted(
                        time=self.now, order_id=e.order_id, venue_order_id=e.venue_order_id
                    )
                case matching.Filled():
                    event = events.OrderFilled(
                        time=self.now,
                        order_id=e.order_id,
                        trade_id=e.trade_id,
                        role=self.roles[e.order_id],
                        price=e.price,
                        shares=e.shares,
                        fee=e.fee,
                        liquidity="maker" if e.is_maker else "taker",
                    )
                case matching.CancelRejected():
                    event = events.CancelRefused(
                        time=self.now, order_id=e.order_id, reason=e.reason
                    )
                case _:
                    event = events.OrderClosed(
                        time=self.now, order_id=e.order_id, end=_ENDS[type(e)], reason=""
                    )
            self.post(position_id, event)
            if isinstance(e, matching.Filled) and self.rng.random() < 0.05:
                self.post(position_id, event)  # told twice

    def post(self, position_id: str, event: AnyEvent) -> None:
        slow = self.is_slow and self.rng.random() < 0.5
        due = self.now + (self.rng.choice((1, 2, 5)) * SECOND if slow else 0)
        if self.mail:
            due = max(due, self.mail[-1][0])
        self.mail.append((due, position_id, event))

    # -- what happens ------------------------------------------------------------------------------

    def submit(self) -> None:
        self.commands += 1
        tick = self.market.tick
        max_bid = CENT * self.rng.randint(40, 56)
        target = min(max_bid + CENT * self.rng.randint(1, 20), 1 - tick)
        stop = max_bid - CENT * self.rng.randint(1, 15)
        fields = {
            "command": "submit",
            "id": f"0190b5a2-7a3f-7c3e-8c3e-{self.commands:012}",
            "market": self.market.slug,
            "outcome": "Yes",
            "max_bid_price": str(max_bid),
            "size": str(self.rng.choice(("5", "7.31", "20", "100", "250.5"))),
            "post_only": self.rng.random() < 0.2,
        }
        if self.rng.random() < 0.8:
            fields["sell_price"] = str(target)
        if self.rng.random() < 0.9:
            fields["stop_loss_price"] = str(stop)
        if self.rng.random() < 0.4:
            fields["floor_price"] = str(max(stop - CENT * self.rng.randint(0, 10), CENT))
        if self.rng.random() < 0.2:
            fields["expires"] = self.rng.choice(("10s", "2m"))
        fields |= some_terms(self.rng, fields, max_bid, stop)
        self.deliver(from_fields(fields))
        self.turn()
        if "risk" in fields and fields["id"] in self.engine.positions:
            self.check_risk(self.engine.positions[fields["id"]], D(fields["risk"]))

    def check_risk(self, p: Position, risk: Decimal) -> None:
        """What a sale at the stop would lose is at most what the owner risks."""
        assert p.request.stop_loss_price is not None
        prices = (p.request.max_bid_price, p.request.stop_loss_price)
        fees = sum((taker_fee(p.request.size, price, self.market.fee) for price in prices), D(0))
        assert p.request.size * (
            p.request.max_bid_price - p.request.stop_loss_price
        ) + fees <= risk + D("0.00001")

    def take_off(self) -> None:
        """The venue takes an order off its book, unasked."""
        live = [
            o.id for p in self.engine.positions.values() for o in p.orders if o.id in self.roles
        ]
        if live:
            answers = self.venue.cancel(self.rng.choice(live), self.now)
            self.venue_says([e for e in answers if isinstance(e, matching.Canceled)])

    def restart(self) -> None:
        """The node begins anew from its record; the emulator has forgotten its stops."""
        known = self.engine
        self.market.seq = 0
        self.market.bid = self.market.ask = self.market.last = None
        self.engine = Engine(known.limits, cash=known.cash, strict=True)
        self.engine.list_market(self.market)
        self.engine.load(known.positions.values(), halted=known.halted)
        self.stops.clear()
        for p in known.positions.values():
            for o in p.live(Role.STOP):
                end = events.OrderClosed(time=self.now, order_id=o.id, end=OrderEnd.CANCELED)
                self.post(p.id, end)

    def quote(self) -> None:
        self.price += self.rng.choice((-6, -2, -1, -1, 0, 0, 1, 1, 2, 6))
        self.price = min(max(self.price, 3), 96)
        bid = CENT * self.price + self.market.tick * self.rng.randint(0, 5)
        ask = bid + self.market.tick * self.rng.choice((1, 2, 3))
        sizes = [D(self.rng.choice((0, 1, 3, 12, 80, 500))) for _ in range(2)]
        no_bid, no_ask = self.rng.random() < 0.05, self.rng.random() < 0.05
        shown = (None if no_bid else bid, sizes[0], None if no_ask else ask, sizes[1])
        self.venue_says(self.venue.quote(TOKEN, *shown, self.now))
        self.market.show(
            *shown, self.now, some_depth(self.rng, bid, sizes[0]) if not no_bid else ()
        )
        if self.rng.random() < 0.3:
            self.market.traded(bid + self.market.tick * self.rng.randint(-2, 2))
        self.engine.viewed(TOKEN)
        if not no_bid:
            for order_id, (position_id, trigger) in list(self.stops.items()):
                if bid <= trigger:
                    del self.stops[order_id]
                    seq = self.market.seq - self.rng.randint(0, 1)
                    released = events.StopReleased(time=self.now, order_id=order_id, quote_seq=seq)
                    self.engine.event(position_id, released)

    def command(self) -> None:
        self.commands += 1
        position_id = self.rng.choice(list(self.engine.positions) or ["none"])
        if position_id == "none":
            return
        base = {"id": f"0190b5a2-7a3f-7c3e-8c3e-{self.commands:012}", "position_id": position_id}
        fields = some_command(self.rng, self.market.slug, self.price)
        if fields["command"] in ("halt", "resume", "flatten", "adopt"):
            base.pop("position_id")
        self.deliver(from_fields(base | fields))
        self.turn()
        assert base["id"] in self.answered

    # -- what must hold ----------------------------------------------------------------------------

    def check(self) -> None:
        """The promise, at every moment."""
        for p in self.engine.positions.values():
            assert p.held >= 0, "sold more than held"
            assert p.ledger.bought <= p.request.size, "bought more than asked"
            is_leaving = any(o.cancel_sent_at for o in p.live(Role.TARGET))  # of what was released
            assert p.locked <= p.held or self.mail or is_leaving, "offered more than held"
            assert len(p.live(Role.STOP)) <= 1
            assert sum(o.immediate for o in p.orders) <= 1
            if p.held > 0 and p.stop_in_force is not None and self.market.payout is None:
                check_protected(p, self.market, self.now, has_story=not self.mail)
            assert self.retold.get(p.id) == p, "the story gives another position"
