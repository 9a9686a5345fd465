"""All positions and markets of one node: facts and commands in, effects out.

The desk is the whole decision-making of the node without Nautilus, the disk or a clock. Facts and
commands are queued; a `turn` books them, asks `plan` what follows for every position concerned, and
returns what must be done, in order: steps to record, intents to carry out, replies to give, alarms
to raise. Nothing here is re-entrant: what comes back while effects are carried out waits for the
next turn. One position's trouble is its own: an error in its handling makes it disputed.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from positions.adoption import Holding
from positions.alarms import open_alarms
from positions.balances import compare, may_lag
from positions.checks import Funds, Limits
from positions.commands import Adopt, Amend, Command, Refusal, Sell, Submit
from positions.effects import Act, Alarm, Answer, Effect, HaltChanged, Step
from positions.exposure import Exposure
from positions.facts import (
    AnyFact,
    CancelSent,
    Disputed,
    FillReversed,
    OrderFilled,
    OrderSent,
    SaleEnded,
    StopMoved,
)
from positions.judge import judge
from positions.levels import Levels
from positions.life import apply
from positions.listing import Listing
from positions.market import Market
from positions.obey import obey, sale_over
from positions.plan import Intent, MoveStop, Send, plan
from positions.position import EXITS, ZERO, Position
from positions.terms import Trigger

SWEEP_PARTS = 300
"""Every position is looked at anew at least once in so many seconds, whatever happens."""
_JUDGEMENTS_MAX = 20


class Desk:
    """Every position of a node, and the decisions about them.

    Parameters
    ----------
    limits
        What the owner allows.
    cash
        The cash at the venue, in USDC; the caller keeps it up to date.
    strict
        Let an error in the handling of a position through, for tests.
    """

    def __init__(self, limits: Limits, cash: Decimal = ZERO, *, strict: bool = False) -> None:
        self.limits = limits
        self.strict = strict
        self.cash = cash
        self.halted = False
        self._is_recorded = True
        self.listing = Listing()
        self.markets = self.listing.markets
        self.positions: dict[str, Position] = {}
        self._levels: dict[str, Levels] = {}
        self._open: dict[str, None] = {}
        self._timed: dict[str, None] = {}
        self._woken: dict[str, None] = {}
        self._queue: deque[tuple[str, AnyFact] | Command] = deque()
        self._effects: list[Effect] = []
        self._sweep = 0
        self.exposure = Exposure()
        self._foreign = ZERO
        self._foreign_text = ""
        self._short: dict[str, Decimal] = {}
        self._moved_at: dict[str, int] = {}
        self._holdings: dict[str, Holding] = {}

    # -- what comes in -----------------------------------------------------------------------------

    def list_market(self, market: Market) -> None:
        """Make an outcome known."""
        market.halted = self.halted
        market.is_recorded = self._is_recorded
        self.listing.add(market)
        self._levels.setdefault(market.outcome_id, Levels())

    def load(self, positions: Iterable[Position], *, halted: bool) -> None:
        """Take over what an earlier run left."""
        self.halt(halted)
        for p in positions:
            self._keep(p)
            before = self._moved_at.get(p.outcome_id, 0)
            self._moved_at[p.outcome_id] = max(before, p.updated_at)
            self._woken[p.id] = None

    def viewed(self, outcome_id: str) -> None:
        """A newer view of this outcome's book stands in its `Market`."""
        m, levels = self.markets[outcome_id], self._levels[outcome_id]
        for position_id in levels.crossed(m):
            self._woken[position_id] = None

    def watched(self, outcome_id: str, trigger: Trigger) -> None:
        """What stops may watch has changed, the best bid apart: the last trade, or the depth."""
        if self._levels[outcome_id].watch(trigger):
            self.viewed(outcome_id)

    def market_changed(self, outcome_id: str) -> None:
        """Something other than the book changed: the tick, or the market is resolved."""
        for position_id in self._open:
            p = self.positions[position_id]
            if p.outcome_id == outcome_id:
                self._levels[outcome_id].place(p, self.markets[outcome_id])
                self._woken[position_id] = None

    def feed_changed(self, outcome_id: str, problem: str, now: int) -> None:
        """The outcome's prices cannot be trusted because of `problem`, or can again ("")."""
        m = self.markets[outcome_id]
        before, m.feed_problem = m.feed_problem, problem
        if problem != before:
            text = _feed_text(m, problem or before)
            self._effects.append(Alarm(now, "", "feed", text, is_open=bool(problem)))
            self.market_changed(outcome_id)

    def foreign_orders_changed(self, count: int, cost: Decimal, now: int) -> None:
        """The wallet has so many orders that are not ours; their buys may take `cost` USDC."""
        self._foreign = cost
        before, self._foreign_text = self._foreign_text, _foreign_text(count, cost)
        text = self._foreign_text
        if text != before:
            alarm = Alarm(now, "", "foreign_orders", text or before, is_open=bool(text))
            self._effects.append(alarm)

    def held_shares(self) -> dict[str, Decimal]:
        """The shares that are held of each outcome, where any are."""
        return {outcome_id: n for outcome_id, n in self.exposure.held.items() if n > 0}

    def is_shared(self, outcome_id: str) -> bool:
        """Whether several open positions are about an outcome: one balance serves them all."""
        return sum(p.outcome_id == outcome_id for p in self.open_positions()) > 1

    def balance_seen(self, outcome_id: str, balance: Decimal, now: int) -> None:
        """The wallet has so many shares of an outcome. Fewer than are recorded count once they
        were seen twice: a sale's own message may be under way. Just bought ones may be missing."""
        holders = [p for p in self.open_positions() if p.outcome_id == outcome_id]
        is_short = sum((p.held for p in holders), ZERO) > balance
        before = self._short.pop(outcome_id, None)
        if is_short and may_lag(holders, balance, self._moved_at.get(outcome_id, 0), now):
            return
        if is_short:
            self._short[outcome_id] = balance
        if not is_short or before == balance:
            for position_id, fact in compare(holders, balance, now):
                self.fact(position_id, fact)

    def forget(self, before: int) -> list[Position]:
        """Drop the positions that were over before a time; the record has them. They are returned.

        What could still be said of them would be of an outcome of long ago.
        """
        old = [
            p
            for p in self.positions.values()
            if p.id not in self._open and not p.orders and p.updated_at < before
        ]
        for p in old:
            del self.positions[p.id]
            self.exposure.forget(p)
        return old

    def record_changed(self, can_be_written: bool) -> None:
        """What happens can be written down, or cannot: then nothing is bought."""
        self._is_recorded = can_be_written
        for market in self.markets.values():
            market.is_recorded = can_be_written
        self._woken |= dict.fromkeys(self._open)

    def fact(self, position_id: str, fact: AnyFact) -> None:
        """Queue a fact for the next turn."""
        self._queue.append((position_id, fact))

    def command(self, command: Command) -> None:
        """Queue a command for the next turn."""
        self._queue.append(command)

    def adopt(self, command: Adopt, holding: Holding) -> None:
        """Queue an adoption, with what the wallet has of the outcome now."""
        self._holdings[command.id] = holding
        self.command(command)

    def second_passed(self) -> None:
        """Wake what time concerns, what the bids concern, and a part of all the rest."""
        for position_id in self._timed:
            self._woken[position_id] = None
        for outcome_id, levels in self._levels.items():
            m = self.markets[outcome_id]
            for position_id in levels.restless if m.bid is None else levels.crossed(m):
                self._woken[position_id] = None
        self._sweep = (self._sweep + 1) % SWEEP_PARTS
        self._woken |= dict.fromkeys(islice(self._open, self._sweep, None, SWEEP_PARTS))

    @property
    def has_work(self) -> bool:
        """Whether a turn would do anything."""
        return bool(self._queue or self._woken or self._effects)

    # -- the turn ----------------------------------------------------------------------------------

    def turn(self, now: int) -> list[Effect]:
        """Book what is queued, decide what follows, and return what must be done, in order."""
        while self._queue or self._woken:
            while self._queue:
                item = self._queue.popleft()
                if isinstance(item, Command):
                    self._obey(item, now)
                else:
                    self._guarded(item[0], now, item[1])
            woken, self._woken = self._woken, {}
            for position_id in woken:
                self._guarded(position_id, now)
        effects, self._effects = self._effects, []
        return effects

    def _guarded(self, position_id: str, now: int, fact: AnyFact | None = None) -> None:
        """Handle one position; its errors stay its own."""
        try:
            if fact is None:
                self._decide(position_id, now)
            else:
                after = self._note(position_id, fact)
                if isinstance(fact, OrderFilled | FillReversed):
                    self._moved_at[after.outcome_id] = now
                self._woken[position_id] = None
        except Exception as e:  # the boundary: see the module's docstring
            if self.strict:
                raise
            reason = f"{type(e).__name__}: {e}"
            if position_id in self.positions:
                self._note(position_id, Disputed(time=now, reason=reason))
            else:
                text = f"a fact came for a position that is not known: {reason}"
                self._effects.append(Alarm(now, position_id, "stray", text, is_open=True))

    def _decide(self, position_id: str, now: int) -> None:
        p = self.positions[position_id]
        m = self.markets[p.outcome_id]
        for _ in range(_JUDGEMENTS_MAX):
            fact = judge(p, m, now, self.limits.slip_ticks)
            if fact is None:
                break
            p = self._note(position_id, fact)
            if isinstance(fact, SaleEnded):
                self._effects.append(Answer(None, sale_over(p, fact)))
        else:
            raise RuntimeError(f"no end of judgements in phase {p.phase}")
        for intent in plan(p, m, now, self.limits.slip_ticks, self.limits.entry_lasts):
            p = self._note(position_id, _booking(intent, now))
            self._effects.append(Act(p, intent))

    def _note(self, position_id: str, fact: AnyFact) -> Position:
        before = self.positions.get(position_id)
        after = apply(before, fact)
        if after is before:
            return after
        self._keep(after)
        self._effects.append(Step(after, fact))
        self._alarm(before, after, fact.time)
        return after

    def _keep(self, p: Position) -> None:
        self.positions[p.id] = p
        self._levels[p.outcome_id].place(p, self.markets[p.outcome_id])
        if p.is_over and p.held <= 0:
            self._open.pop(p.id, None)
        else:
            self._open[p.id] = None
        if not p.is_over and (p.phase in EXITS or _has_deadline(p)):
            self._timed[p.id] = None
        else:
            self._timed.pop(p.id, None)
        fee_rate = self.markets[p.outcome_id].fee_rate
        self.exposure.count(p, fee_rate, is_open=p.id in self._open)

    def _alarm(self, before: Position | None, after: Position, now: int) -> None:
        was = {} if before is None else open_alarms(before)
        now_open = open_alarms(after)
        for kind, text in now_open.items():
            if was.get(kind) != text:
                self._effects.append(Alarm(now, after.id, kind, text, is_open=True))
        for kind, text in was.items():
            if kind not in now_open:
                self._effects.append(Alarm(now, after.id, kind, text, is_open=False))

    # -- commands ----------------------------------------------------------------------------------

    def _obey(self, c: Command, now: int) -> None:
        reply = obey(self, c, self._holdings.pop(c.id, Holding()), now)
        self._effects.append(Answer(c, reply))

    def note(self, position_id: str, fact: AnyFact) -> Position:
        """Book what a command changes, and see to what follows; the position afterwards."""
        p = self._note(position_id, fact)
        self._woken[position_id] = None
        return p

    def halt(self, halted: bool) -> None:
        """Send no new entries, or send them again."""
        changed, self.halted = halted is not self.halted, halted
        for market in self.markets.values():
            market.halted = halted
        self._woken |= dict.fromkeys(self._open)
        if changed:
            self._effects.append(HaltChanged(halted))

    def find(self, position_id: str) -> Position | Refusal:
        """The position that a command names."""
        p = self.positions.get(position_id)
        if p is None:
            rule = "is not known, or has been over for more than a day"
            return Refusal("UNKNOWN_POSITION", f"position_id was {position_id}, {rule}")
        return p

    # -- what is known -----------------------------------------------------------------------------

    def funds(self) -> Funds:
        """The money as it stands, with what open entries may still take."""
        return Funds(
            self.cash, self.exposure.reserved + self._foreign, self.exposure.staked, self.halted
        )

    def open_positions(self) -> Iterable[Position]:
        """The positions of which something may still come."""
        return (self.positions[position_id] for position_id in self._open)

    def open_alarms(self) -> list[tuple[str, str, str]]:
        """Every open alarm: position id ("" for the node's own), kind, text."""
        feeds = [
            ("", "feed", _feed_text(m, m.feed_problem))
            for m in self.markets.values()
            if m.feed_problem
        ]
        foreign = [("", "foreign_orders", self._foreign_text)] if self._foreign_text else []
        return (
            feeds
            + foreign
            + [
                (position_id, kind, text)
                for position_id in self._open
                for kind, text in open_alarms(self.positions[position_id]).items()
            ]
        )

    def market_named_by(self, c: Command) -> str:
        """The market whose prices the command is checked against; "" = those of none."""
        if isinstance(c, Submit | Adopt):
            return c.market
        p = self.positions.get(c.position_id) if isinstance(c, Sell | Amend) else None
        return "" if p is None else p.market_id


def _booking(intent: Intent, now: int) -> AnyFact:
    """The fact that an intent is being carried out."""
    match intent:
        case Send(order):
            return OrderSent(time=now, order=order)
        case MoveStop(order_id, price, shares):
            return StopMoved(time=now, order_id=order_id, price=price, shares=shares)
        case _:
            return CancelSent(time=now, order_id=intent.order_id)


def _has_deadline(p: Position) -> bool:
    """Whether the mere passing of time can concern the position."""
    cancelling = any(o.cancel_sent_at for o in p.orders)
    expires = p.entry_ended is None and (
        p.entry_expires_at is not None or any(o.expires_at is not None for o in p.orders)
    )
    ends = p.terms.exit_at is not None or p.terms.exit_before_end is not None
    return bool(cancelling or expires or ends or p.touch or p.sale or p.backoffs)


def _feed_text(m: Market, problem: str) -> str:
    return f"{m.slug} {m.outcome}: {problem}; nothing is bought, exits go on"


def _foreign_text(count: int, cost: Decimal) -> str:
    if count == 0:
        return ""
    orders = "1 order" if count == 1 else f"{count} orders"
    what = "it may" if count == 1 else "they may"
    return f"{orders} in the wallet not placed by this node; {what} still spend {cost:.2f} USDC"
