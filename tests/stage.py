"""A stage for scenarios: one engine, one market, and cues that read like sentences.

Each cue plays something that happens and returns what the engine sends, one short text per order:
`buy 100 @0.55`, `offer` (a resting target), `arm` (a stop), `move`, `sell` (an exit), `take` (a
target by FAK), `cancel entry`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from positions.commands.messages import Reply, from_fields
from positions.commands.validation import Limits
from positions.engine.effects import Act, Alarm, Answer, Effect, Step
from positions.engine.engine import Engine
from positions.engine.plan import MoveStop, Send
from positions.model import events
from positions.model.durations import SECOND
from positions.model.events import AnyEvent
from positions.model.instrument_book import InstrumentBook
from positions.model.position import Order, OrderEnd, Position, Role
from positions.model.venue_rules import FeeSchedule

ID = "0190b5a2-7a3f-7c3e-8c3e-000000000001"
TOKEN = "1001"
START = 1_776_096_000 * SECOND
LIMITS = Limits(
    default_stake=Decimal(50),
    max_stake_per_position=Decimal(500),
    max_total_stake=Decimal(1000),
)
D = Decimal


def market(**changes: Any) -> InstrumentBook:
    """A market with tick 0.01, minimum 5 and a 4 % fee rate."""
    values = {
        "market_id": "0xc0ffee",
        "slug": "rain-in-london",
        "question": "Rain?",
        "outcome_id": TOKEN,
        "outcome": "Yes",
        "tick": D("0.01"),
        "minimum_size": D(5),
        "fee": FeeSchedule(D("0.04")),
    } | changes
    return InstrumentBook(**values)


class Stage:
    """Plays cues on an engine with one market and remembers what came of them."""

    def __init__(self, limits: Limits = LIMITS, **changes: Any) -> None:
        self.engine = Engine(limits, cash=D(1000), strict=True)
        self.market = market(**changes)
        self.engine.list_market(self.market)
        self.now = START
        self.replies: list[Reply] = []
        self.alarms: list[Alarm] = []
        self.events: list[AnyEvent] = []
        self.commands = 0
        self.trades = 0

    @property
    def position(self) -> Position:
        """The position as it is now."""
        return self.engine.positions[ID]

    def run(self) -> list[str]:
        """One turn of the engine: what it sends."""
        sent = []
        for effect in self.engine.turn(self.now):
            self.note(effect)
            match effect:
                case Act(position, intent):
                    sent.append(_text(position, intent))
                case Answer(_, reply):
                    self.replies.append(reply)
                case Alarm():
                    self.alarms.append(effect)
                case Step(_, event):
                    self.events.append(event)
        return sent

    def note(self, effect: Effect) -> None:
        """For those who record what happens."""

    def live(self, role: Role, index: int = -1) -> Order:
        """A live order of one role, the newest unless told otherwise."""
        return self.position.live(role)[index]

    def event(self, kind: type, **fields: Any) -> list[str]:
        """An event arrives."""
        self.engine.event(ID, kind(time=self.now, **fields))
        return self.run()

    def command(self, kind: str, **fields: Any) -> list[str]:
        """A command arrives."""
        self.commands += 1
        command_id = ID if kind == "submit" else f"{ID[:-3]}{self.commands:03}"
        self.engine.command(from_fields({"command": kind, "id": command_id} | fields))
        return self.run()


def _text(position: Position, intent: object) -> str:
    match intent:
        case Send(o):
            verb = {
                (Role.ENTRY, False): "buy",
                (Role.TARGET, False): "offer",
                (Role.TARGET, True): "take",
                (Role.STOP, False): "arm",
                (Role.EXIT, True): "sell",
                (Role.EXIT, False): "rest",
            }[o.role, o.immediate]
            extra = " post-only" if o.post_only else ""
            until = "" if o.expires_at is None else f" until +{(o.expires_at - START) // SECOND}s"
            return f"{verb} {o.shares:f} @{o.price:f}{extra}{until}"
        case MoveStop(_, price, shares):
            return f"move {shares:f} @{price:f}"
    role = next(o.role for o in position.orders if o.id == intent.order_id)  # type: ignore[attr-defined]
    return f"cancel {role}"


# -- cues: each returns a function of the stage ----------------------------------------------------

Cue = Callable[[Stage], list[str]]


def submit(**fields: Any) -> Cue:
    """The owner asks for 100 at 0.55 with target 0.70 and stop 0.45, unless told otherwise."""
    asked = {
        "market": "rain-in-london",
        "outcome": "Yes",
        "max_bid_price": "0.55",
        "size": "100",
        "sell_price": "0.70",
        "stop_loss_price": "0.45",
    } | fields
    return lambda s: s.command("submit", **{k: v for k, v in asked.items() if v is not None})


def order(kind: str, **fields: Any) -> Cue:
    """Another command about the position."""
    about = {} if kind in ("halt", "resume", "flatten") else {"position_id": ID}
    return lambda s: s.command(kind, **about, **fields)


def quote(bid: str | None, ask: str | None, size: str = "1000") -> Cue:
    """The book's best prices are now these."""

    def play(s: Stage) -> list[str]:
        s.market.show(
            None if bid is None else D(bid),
            D(size),
            None if ask is None else D(ask),
            D(size),
            s.now,
            (),
        )
        s.engine.viewed(TOKEN)
        return s.run()

    return play


def batch(*quotes: tuple[str | None, str | None]) -> Cue:
    """Several views of the book before the engine has its turn."""

    def play(s: Stage) -> list[str]:
        for bid, ask in quotes:
            s.market.show(
                None if bid is None else D(bid),
                D(1000),
                None if ask is None else D(ask),
                D(1000),
                s.now,
            )
            s.engine.viewed(TOKEN)
        return s.run()

    return play


def filled(role: Role, shares: str, price: str, *, index: int = -1, fee: str = "0") -> Cue:
    """The venue fills a live order."""

    def play(s: Stage) -> list[str]:
        s.trades += 1
        return s.event(
            events.OrderFilled,
            order_id=s.live(role, index).id,
            trade_id=f"T-{s.trades}",
            role=role,
            price=D(price),
            shares=D(shares),
            fee=D(fee),
            liquidity="taker" if D(fee) else "maker",
        )

    return play


def late(role: Role, shares: str, price: str) -> Cue:
    """A fill arrives for an order that is not live any more."""

    def play(s: Stage) -> list[str]:
        s.trades += 1
        return s.event(
            events.OrderFilled,
            order_id=f"{ID}-1",
            trade_id=f"T-{s.trades}",
            role=role,
            price=D(price),
            shares=D(shares),
            fee=D(0),
            liquidity="maker",
        )

    return play


def reversed_(role: Role, shares: str, price: str, number: int = -1) -> Cue:
    """A trade told before failed to settle: the last one, or the one of this number."""

    def play(s: Stage) -> list[str]:
        return s.event(
            events.FillReversed,
            order_id=f"{ID}-1",
            trade_id=f"T-{s.trades if number < 0 else number}",
            role=role,
            price=D(price),
            shares=D(shares),
            fee=D(0),
            liquidity="maker",
        )

    return play


def feed(problem: str) -> Cue:
    """The outcome's prices cannot be trusted any more, or can again ("")."""

    def play(s: Stage) -> list[str]:
        s.engine.feed_changed(TOKEN, problem, s.now)
        return s.run()

    return play


def ended(
    role: Role,
    end: OrderEnd = OrderEnd.CANCELED,
    *,
    index: int = -1,
    reason: str = "says the venue",
) -> Cue:
    """A live order ends without being filled whole."""
    return lambda s: s.event(
        events.OrderClosed, order_id=s.live(role, index).id, end=end, reason=reason
    )


def rejected(role: Role, reason: str = "says the venue") -> Cue:
    """The venue rejects a live order."""
    return ended(role, OrderEnd.REJECTED, reason=reason)


def accepted(role: Role) -> Cue:
    """The venue has the order."""
    return lambda s: s.event(events.OrderAccepted, order_id=s.live(role).id, venue_order_id="V-1")


def cancel_refused(role: Role) -> Cue:
    """The venue does not cancel."""
    return lambda s: s.event(events.CancelRefused, order_id=s.live(role).id, reason="matched")


def released() -> Cue:
    """The emulator says that the stop triggered; the turn comes with the next cue."""

    def play(s: Stage) -> list[str]:
        stop = s.live(Role.STOP)
        s.engine.event(
            ID, events.StopReleased(time=s.now, order_id=stop.id, quote_seq=s.market.seq)
        )
        return []

    return play


def turn() -> Cue:
    """The engine has its turn."""
    return lambda s: s.run()


def later(seconds: float) -> Cue:
    """Time passes, second by second at the end of it."""

    def play(s: Stage) -> list[str]:
        s.now += int(seconds * SECOND)
        s.engine.second_passed()
        return s.run()

    return play


def resolved(payout: str) -> Cue:
    """The market is resolved."""

    def play(s: Stage) -> list[str]:
        s.market.payout = D(payout)
        s.engine.market_changed(TOKEN)
        return s.run()

    return play


def tick(value: str) -> Cue:
    """The market's tick changes."""

    def play(s: Stage) -> list[str]:
        s.market.tick = D(value)
        s.engine.market_changed(TOKEN)
        return s.run()

    return play


def depth(*bids: tuple[str, str]) -> Cue:
    """The book has these bids, best first, each a price and a size."""

    def play(s: Stage) -> list[str]:
        levels = tuple((D(price), D(size)) for price, size in bids)
        s.market.show(*levels[0], levels[0][0] + D("0.01"), D(1000), s.now, levels)
        s.engine.viewed(TOKEN)
        return s.run()

    return play


def traded(price: str) -> Cue:
    """The market's last trade."""

    def play(s: Stage) -> list[str]:
        s.market.traded(D(price))
        s.engine.viewed(TOKEN)
        return s.run()

    return play


def restarted() -> Cue:
    """The node begins anew from its record; the emulator has forgotten the stop."""

    def play(s: Stage) -> list[str]:
        p, known = s.position, s.market
        s.market = market(tick=known.tick, closes_at=known.closes_at)
        s.engine = Engine(s.engine.limits, cash=D(1000), strict=True)
        s.engine.list_market(s.market)
        s.engine.load([p], halted=False)
        for stop in p.live(Role.STOP):
            closed = events.OrderClosed(time=s.now, order_id=stop.id, end=OrderEnd.CANCELED)
            s.engine.event(ID, closed)
        return s.run()

    return play


def started() -> Cue:
    """The node has begun anew, and what rests at the venue was found there."""
    return lambda s: s.event(events.Restarted)
