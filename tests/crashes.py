"""Seeded lives in which the node is killed, at any step of what it writes and does.

What survives is the database as committed, `sent.log`, the queue of commands, and the venue. Lost
are the engine, the stops, what waits to be committed, and every message that is under way. The
steps are those of the node: a turn's records are one commit, an entry is posted when its hash is
committed, and a sale's hash is in the log before it is posted.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from msgspec.structs import replace as replace_trade
from stage import TOKEN, market
from world import World

from positions.commands.messages import Command, Reply
from positions.engine.effects import Act, Answer, Effect, HaltChanged, Step
from positions.engine.engine import Engine
from positions.engine.plan import Cancel, Send
from positions.engine.recovery import Recovery, WalletReport, recover
from positions.engine.transitions import apply
from positions.model import events
from positions.model.durations import SECOND
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import SELLS, Order, OrderEnd, Position, Role
from positions.model.trades import Trade
from venues.simulated import matching
from venues.simulated.matching import Side, TimeInForce

D = Decimal


class Killed(Exception):
    """The process is gone."""


class Record:
    """What of a node survives it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.replies: dict[str, Reply] = {}
        self.halted = False
        self.sent_log: dict[str, SignedOrder] = {}

    def keep(self, effect: Effect) -> None:
        """Commit one effect of a turn."""
        match effect:
            case Step():
                self.steps.append(effect)
            case Answer(_, reply):
                self.replies[reply.id] = reply
            case HaltChanged(halted):
                self.halted = halted

    def retold(self) -> dict[str, Position]:
        """The positions that the committed events give."""
        told: dict[str, Position] = {}
        for step in self.steps:
            told[step.position.id] = apply(told.get(step.position.id), step.event)
        return told

    def positions(self) -> list[Position]:
        """The positions that are not over."""
        last = {s.position.id: s.position for s in self.steps}
        return [p for p in last.values() if not p.is_over or p.held > 0]

    def signed(self) -> list[SignedOrder]:
        """Every hash that the record and the log know."""
        roles: dict[str, Role] = {}
        found = dict(self.sent_log)
        for event in (s.event for s in self.steps):
            if isinstance(event, events.OrderSent):
                o = event.order
                roles[o.id] = o.role
                if o.venue_order_id is not None:
                    found[o.id] = SignedOrder(o.id, o.venue_order_id, o.role)
            elif isinstance(event, events.OrderSigned):
                role = roles[event.order_id]
                found[event.order_id] = SignedOrder(event.order_id, event.venue_order_id, role)
        return list(found.values())


class CrashingWorld(World):
    """One life with crashes in it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.record = Record()
        self.files: dict[str, Command] = {}
        self.uncommitted: deque[tuple[list[Effect], list[Callable[[], None]]]] = deque()
        self.unposted: dict[str, Order] = {}
        self.unrecorded: dict[str, list[Act]] = {}
        self.hashes: dict[str, str] = {}
        self.trades: list[Trade] = []
        self.crashes = self.signatures = 0
        self.danger = self.rng.choice((0.002, 0.01, 0.05))
        self.loses_log = self.rng.random() < 0.2
        self.is_mortal = True
        self.is_down = False

    # -- a life ------------------------------------------------------------------------------------

    def live(self, rounds: int) -> None:
        """Play a life; what is killed is started again."""
        for _ in range(self.rng.choice((1, 1, 2))):
            self.survive(self.submit)
        for _ in range(rounds):
            self.survive(self.play_round)
        self.is_mortal = False
        self.restart()
        self.end()
        assert set(self.files) == set(self.record.replies), "a command was lost"
        asked = [s.event for s in self.record.steps if isinstance(s.event, events.SaleAsked)]
        assert len(asked) == len({f.sale.command_id for f in asked}), "acted on twice"

    def survive(self, do: Callable[[], None]) -> None:
        """Do something, and start again for as long as that is cut short."""
        while True:
            try:
                do()
                return
            except Killed:
                self.crashes += 1
                do = self.restart

    def maybe_die(self) -> None:
        """A step of the protocol: the process may end here."""
        if self.is_mortal and self.rng.random() < self.danger:
            raise Killed

    def deliver(self, command: Command) -> None:
        self.files[command.id] = command
        super().deliver(command)

    # -- what the node writes and sends ------------------------------------------------------------

    def take_turn(self) -> None:
        """A turn: all of its records are one group; what waits for them is done afterwards."""
        effects = self.engine.turn(self.now)
        afterwards: list[Callable[[], None]] = []
        self.uncommitted.append((effects, afterwards))
        for effect in effects:
            self.maybe_die()
            match effect:
                case Step(_, events.OrderSent(order=o)) if o.role is Role.ENTRY:
                    self.unposted[o.id] = o
                    afterwards.append(partial(self.sign, o))
                case Step(p, events.Adopted()):
                    self.unrecorded[p.id] = []
                    afterwards.append(partial(self.recorded, p.id))
                case Step(_, events.OrderSigned(order_id=order_id)):
                    afterwards.append(partial(self.post_order, order_id))
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Act(p) if p.id in self.unrecorded:
                self.unrecorded[p.id].append(effect)
            case Act(_, Send(o)) if o.role is Role.ENTRY:
                pass  # it waits for the disk
            case Act(_, Send(o)) if o.role in SELLS:
                self.unposted[o.id] = o
                self.sign(o)
            case Act(position, Cancel(order_id)) if order_id in self.unposted:
                del self.unposted[order_id]
                end = OrderEnd.CANCELED
                closed = events.OrderClosed(time=self.now, order_id=order_id, end=end)
                self.post(position.id, closed)
            case _:
                super().carry_out(effect)

    def recorded(self, position_id: str) -> None:
        """An adopted position is on disk: what it decided meanwhile is done."""
        for act in self.unrecorded.pop(position_id, ()):
            self.carry_out(act)

    def write(self, *, everything: bool) -> bool:
        """Commit the oldest group, unless the disk is slow; then do what waited for it."""
        if not self.uncommitted or (self.rng.random() < 0.2 and not everything):
            return False
        self.maybe_die()
        effects, afterwards = self.uncommitted.popleft()
        for effect in effects:
            self.record.keep(effect)
        for act in afterwards:
            self.maybe_die()
            act()
        return True

    def sign(self, o: Order) -> None:
        """Sign an order. A sale goes out once the log has it, an entry once that is committed."""
        if o.id not in self.unposted:
            return
        self.signatures += 1
        hash_ = self.hashes[o.id] = f"0x{self.signatures}"
        signed = events.OrderSigned(time=self.now, order_id=o.id, venue_order_id=hash_)
        self.engine.event(o.id.rpartition("-")[0], signed)
        if o.role in SELLS:
            self.record.sent_log[o.id] = SignedOrder(o.id, hash_, order=o)
            self.maybe_die()
            self.post_order(o.id)

    def post_order(self, order_id: str) -> None:
        """Post a signed order, unless it was taken back or posted before."""
        order = self.unposted.pop(order_id, None)
        if order is not None:
            self.send(order_id.rpartition("-")[0], order)
            self.maybe_die()

    # -- the venue ---------------------------------------------------------------------------------

    def venue_says(self, answers: list[matching.Event]) -> None:
        for e in answers:
            if isinstance(e, matching.Filled):
                self.trades.append(
                    Trade(
                        e.trade_id,
                        e.price,
                        e.shares,
                        e.is_maker,
                        self.now,
                        venue_order_id=self.hashes[e.order_id],
                        fee=e.fee,
                    )
                )
        if not self.is_down:  # the venue names an order by its hash
            named = [replace(e, venue_order_id=self.hashes[e.order_id]) for e in answers]
            super().venue_says(named)

    def said(self, *, completely: bool) -> WalletReport:
        """What the venue answers; not completely where some of its answers are lost."""
        resting = {o.order_id for o in self.venue.resting(TOKEN)}
        orders = {
            self.hashes[o.order_id]: VenueOrder(
                self.hashes[o.order_id],
                TOKEN,
                o.side is Side.BUY,
                o.price or D(0),
                o.shares,
                o.filled,
                o.order_id in resting,
                o.time_in_force is TimeInForce.IOC,
            )
            for o in self.posted.values()
        }
        absent = {f"0x{n}" for n in range(1, self.signatures + 1)} - orders.keys()
        trades = self.trades
        if not completely:
            orders = {h: o for h, o in orders.items() if o.is_open or self.rng.random() < 0.7}
            absent = {h for h in absent if self.rng.random() < 0.7}
            late = {h for h in orders if self.rng.random() < 0.2}
            trades = [t for t in trades if t.venue_order_id not in late]
        sales = [t for t in self.wallet_trades if t.venue_order_id == "" and not t.is_buy]
        trades = [*trades, *(replace_trade(t, venue_order_id=t.id) for t in sales)]
        orders |= {
            t.id: VenueOrder(t.id, TOKEN, False, t.price, t.shares, t.shares, False, immediate=True)
            for t in sales
        }
        return WalletReport(
            orders, frozenset(absent), tuple(trades), {TOKEN: self.venue.shares(TOKEN)}
        )

    # -- the start ---------------------------------------------------------------------------------

    def restart(self) -> None:
        """Start anew with what survived; the market went on."""
        self.uncommitted.clear()
        self.unposted.clear()
        self.unrecorded.clear()
        self.stops.clear()
        self.mail.clear()
        self.is_looked_at = not self.wallet_trades
        self.steps = list(self.record.steps)
        self.retold = self.record.retold()
        self.now += self.rng.choice((0, SECOND, 400 * SECOND))
        self.is_down = True
        for _ in range(self.rng.choice((0, 0, 3))):
            self.quote()
        self.is_down = False
        self.market = market(tick=self.market.tick)
        self.engine = Engine(self.engine.limits, cash=D(1000), strict=True)
        self.engine.list_market(self.market)
        if self.loses_log:
            recorded = {o.id for p in self.record.positions() for o in p.orders}
            self.record.sent_log = {
                o: h for o, h in self.record.sent_log.items() if o not in recorded
            }
        positions = self.record.positions()
        self.engine.load(positions, halted=self.record.halted)
        for position_id, event in self.recovered(positions).events:
            self.engine.event(position_id, event)
        self.maybe_die()
        self.turn()
        for command in self.files.values():
            if command.id not in self.record.replies:
                super().deliver(command)
        self.turn()

    def recovered(self, positions: list[Position]) -> Recovery:
        """Ask the venue until it has told enough, and take back what no position has."""
        for completely in (False, True):
            said = self.said(completely=completely)
            found = recover(positions, self.record.signed(), said, self.now)
            if not found.unanswered:
                break
        assert not found.unanswered
        assert not found.foreign
        for hash_ in found.cancel:
            order_id = next(o for o, h in self.hashes.items() if h == hash_)
            self.venue.cancel(order_id, self.now)
        return found

    def check(self) -> None:
        super().check()
        resting = {o.order_id for o in self.venue.resting(TOKEN)}
        for p in self.engine.positions.values():
            entries = [
                o
                for o in self.posted.values()
                if o.side is Side.BUY and o.order_id.startswith(p.id)
            ]
            bought = sum((o.filled for o in entries), D(0))
            still = sum((o.leaves for o in entries if o.order_id in resting), D(0))
            assert bought + still <= p.request.size, "an entry was sent twice"
