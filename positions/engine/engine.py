"""All positions and markets of one node: events and commands in, effects out.

All that a node decides is decided here, without Nautilus, the disk or a clock. Events and commands
are queued; a `turn` books them, asks `plan` what follows for every position concerned, and returns
what must be done, in order: steps to record, intents to carry out, replies to give, alarms to
raise. Nothing here is re-entrant: what comes back while effects are carried out waits for the
next turn. One position's trouble is its own: what an error leaves half done is taken back, and the
position is disputed; where not even that can be booked, the last resort protects it.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from itertools import islice

from positions.commands.instruments import Listing
from positions.commands.messages import Adopt, Amend, Command, Refusal, Sell, Submit, refused
from positions.commands.validation import Funds, Limits
from positions.engine import last_resort
from positions.engine.adoption import Holding
from positions.engine.alarms import open_alarms, refused_for_good
from positions.engine.balances import BALANCE_LAG, compare, may_lag
from positions.engine.command_handlers import Handled, handle, sale_over
from positions.engine.deadlines import Deadlines
from positions.engine.effects import Act, Alarm, Answer, Effect, HaltChanged, Step, Unforeseen
from positions.engine.exposure import Exposure
from positions.engine.invariants import Breach, breach, order_breach, unprotected
from positions.engine.last_resort import Trouble
from positions.engine.owner_sales import is_known, owner_sales
from positions.engine.plan import Intent, MoveStop, Send, plan
from positions.engine.price_index import PriceIndex
from positions.engine.transitions import apply
from positions.engine.triggers import next_event
from positions.model.events import (
    AnyEvent,
    CancelSent,
    Disputed,
    EntryEnded,
    Fill,
    OrderAccepted,
    OrderFilled,
    OrderSent,
    OwnerSold,
    SaleEnded,
    StopMoved,
)
from positions.model.instrument_book import InstrumentBook
from positions.model.orders import find
from positions.model.position import ZERO, EntryEnd, Order, Position, Role
from positions.model.soundness import check
from positions.model.terms import Trigger
from positions.model.venue_mode import Taking, VenueMode

SWEEP_PARTS = 300
"""Every position is looked at anew at least once in so many seconds, whatever happens."""
_EVENTS_MAX = 20
_ROUNDS_MAX = 20
"""What one turn decides follows from itself at most so often; the rest waits for the next turn."""
_REASON_CHARACTERS = 200


class Engine:
    """Every position of a node, and the decisions about them.

    The caller keeps `cash`, in USDC, up to date. A `strict` engine raises what it would handle.
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
        self._levels: dict[str, PriceIndex] = {}
        self._open: dict[str, None] = {}
        self._deadlines = Deadlines()
        self._woken: dict[str, None] = {}
        self._queue: deque[tuple[str, AnyEvent | Holding] | Command] = deque()
        self._effects: list[Effect] = []
        self._sweep = 0
        self.exposure = Exposure()
        self._foreign = ZERO
        self._foreign_text = ""
        self._feeds: dict[str, str] = {}
        """The open alarms about prices, by outcome."""
        self.rate_limit = ""
        """What the venue lets the wallet send, and what is left of it, for people."""
        self._taking = Taking.ALL
        self._mode_text = ""
        """The open alarm about what the venue does not take now."""
        self._refused = ""
        """The open alarm about an entry that was refused for a reason that lasts."""
        self._short: dict[str, Decimal] = {}
        self._moved_at: dict[str, int] = {}
        self._holdings: dict[str, Holding] = {}
        self._seen_trades: dict[str, set[str]] = {}
        """By outcome, the trades of the wallet that were looked at: what was the owner's stays."""
        self._before: dict[str, Position | None] = {}
        """What the positions were that are being changed now."""
        self._troubles: dict[str, Trouble] = {}

    # -- what comes in -----------------------------------------------------------------------------

    def list_market(self, market: InstrumentBook) -> None:
        """Make an outcome known."""
        market.halted = self.halted
        market.is_recorded = self._is_recorded
        market.taking = self._taking
        self.listing.add(market)
        self._levels.setdefault(market.outcome_id, PriceIndex())

    def load(self, positions: Iterable[Position], *, halted: bool) -> None:
        """Take over what an earlier run left."""
        self.halt(halted)
        for p in positions:
            self.positions[p.id] = p
            self._woken[p.id] = None
            try:
                self._keep(p)
            except Exception as e:  # the boundary: the others are taken over all the same
                self._fail(p.id, p.updated_at, e)
                continue
            before = self._moved_at.get(p.outcome_id, 0)
            self._moved_at[p.outcome_id] = max(before, p.updated_at)

    def viewed(self, outcome_id: str) -> None:
        """A newer view of this outcome's book stands in its `InstrumentBook`."""
        self._woken |= dict.fromkeys(self._crossed(outcome_id))

    def _crossed(self, outcome_id: str) -> Iterable[str]:
        """The positions that the market as it is seen now concerns: all, where that is unclear."""
        try:
            return list(self._levels[outcome_id].crossed(self.markets[outcome_id]))
        except Exception as e:
            self._unforeseen(e)
            return self._about(outcome_id)

    def _about(self, outcome_id: str) -> list[str]:
        """The open positions of an outcome."""
        return [i for i in self._open if self.positions[i].outcome_id == outcome_id]

    def watched(self, outcome_id: str, trigger: Trigger) -> None:
        """What stops may watch has changed, the best bid apart: the last trade, or the depth."""
        if self._levels[outcome_id].watch(trigger):
            self.viewed(outcome_id)

    def market_changed(self, outcome_id: str) -> None:
        """Something other than the book changed: the tick, or the market is resolved."""
        for position_id in self._about(outcome_id):
            self._woken[position_id] = None
            try:
                self._levels[outcome_id].place(
                    self.positions[position_id], self.markets[outcome_id]
                )
            except Exception as e:
                self._fail(position_id, self.positions[position_id].updated_at, e)

    def feed_changed(self, outcome_id: str, problem: str, now: int) -> None:
        """The outcome's prices cannot be trusted because of `problem`, or can again ("")."""
        book = self.markets[outcome_id]
        before, book.feed_problem = book.feed_problem, problem
        if problem != before:
            self._alarm_feed(book, now)
            self.market_changed(outcome_id)

    def _alarm_feed(self, book: InstrumentBook, now: int) -> None:
        """Tell of prices that cannot be trusted, while some position depends on them."""
        has_story = book.feed_problem and any(
            not self.positions[i].is_over for i in self._about(book.outcome_id)
        )
        text = _feed_text(book, book.feed_problem) if has_story else ""
        before = self._feeds.pop(book.outcome_id, "")
        if text:
            self._feeds[book.outcome_id] = text
        if text != before:
            self._effects.append(Alarm(now, "", "feed", text or before, is_open=bool(text)))

    def foreign_orders_changed(self, count: int, cost: Decimal, now: int) -> None:
        """The wallet has so many orders that are not ours; their buys may take `cost` USDC."""
        self._foreign = cost
        before, self._foreign_text = self._foreign_text, _foreign_text(count, cost)
        text = self._foreign_text
        if text != before:
            alarm = Alarm(now, "", "foreign_orders", text or before, is_open=bool(text))
            self._effects.append(alarm)

    def mode_changed(self, mode: VenueMode, now: int) -> None:
        """The venue takes only some of our orders now, or all of them again."""
        self._taking = mode.taking
        for market in self.markets.values():
            market.taking = self._taking
        self._woken |= dict.fromkeys(self._open)
        text, before = str(mode), self._mode_text
        if text != before:
            self._mode_text = text
            alarm = Alarm(now, "", "venue_mode", text or before, is_open=bool(text))
            self._effects.append(alarm)

    def held_shares(self) -> dict[str, Decimal]:
        """The shares that are held of each outcome, where any are."""
        return {outcome_id: n for outcome_id, n in self.exposure.held.items() if n > 0}

    def paid_out(self) -> dict[str, Decimal]:
        """What a share pays of each resolved outcome that positions had shares of to the end."""
        settled = {
            p.outcome_id: p.ledger.payout for p in self.positions.values() if p.ledger.settled
        }
        return {outcome_id: payout for outcome_id, payout in settled.items() if payout}

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
            for position_id, event in compare(holders, balance, now):
                self.event(position_id, event)

    def holding_seen(self, outcome_id: str, holding: Holding) -> None:
        """The wallet has this of an outcome: what its owner sold of ours is booked in a turn."""
        self._queue.append((outcome_id, holding))

    def _take_holding(self, outcome_id: str, holding: Holding, now: int) -> None:
        """Book what the owner sold. Nothing is known where the balance lacks shares that trades
        tell of and may lag, or where a trade of ours is on its way here."""
        ours = [p for p in self.positions.values() if p.outcome_id == outcome_id]
        holders = [p for p in ours if p.held > 0 and p.ledger.payout is None]
        booked = {p.id: p.ledger.trades for p in ours}
        traded = sum((t.shares if t.is_buy else -t.shares for t in holding.trades), ZERO)
        moved_at = self._moved_at.get(outcome_id, 0)
        if holding.shares < traded and may_lag(holders, holding.shares, moved_at, now):
            return
        for trade in holding.trades:
            owner = holding.order_ids.get(trade.venue_order_id, "").rpartition("-")[0]
            if owner in booked and not is_known(trade, booked[owner]):
                return
        seen = self._seen_trades.setdefault(outcome_id, set())
        known = seen.union(*booked.values())
        for position_id, event in owner_sales(holders, known, holding, now):
            self.event(position_id, event)
        # The balance may be of before the newest trades: they are looked at again.
        seen |= {t.id for t in holding.trades if t.time < now - BALANCE_LAG}

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
        if self._seen_trades and old:
            known = {p.outcome_id for p in self.positions.values()}
            self._seen_trades = {o: t for o, t in self._seen_trades.items() if o in known}
        return old

    def record_changed(self, can_be_written: bool) -> None:
        """What happens can be written down, or cannot: then nothing is bought."""
        self._is_recorded = can_be_written
        for market in self.markets.values():
            market.is_recorded = can_be_written
        self._woken |= dict.fromkeys(self._open)

    def event(self, position_id: str, event: AnyEvent) -> None:
        """Queue an event for the next turn."""
        self._queue.append((position_id, event))

    def command(self, command: Command) -> None:
        """Queue a command for the next turn."""
        self._queue.append(command)

    def adopt(self, command: Adopt, holding: Holding) -> None:
        """Queue an adoption, with what the wallet has of the outcome now."""
        self._holdings[command.id] = holding
        self.command(command)

    def second_passed(self) -> None:
        """Wake what time concerns, what the bids concern, and a part of all the rest."""
        self._woken |= self._deadlines.each_second
        for outcome_id, levels in self._levels.items():
            book = self.markets[outcome_id]
            concerned = levels.restless if book.bid is None else self._crossed(outcome_id)
            self._woken |= dict.fromkeys(concerned)
        self._sweep = (self._sweep + 1) % SWEEP_PARTS
        self._woken |= dict.fromkeys(islice(self._open, self._sweep, None, SWEEP_PARTS))

    def next_deadline(self) -> int | None:
        """The first time to come at which a position must be looked at to the moment."""
        return self._deadlines.next()

    def deadline_reached(self, now: int) -> None:
        """Wake the positions of which a time has come."""
        self._woken |= dict.fromkeys(self._deadlines.reached(now))

    @property
    def has_work(self) -> bool:
        """Whether a turn would do anything."""
        return bool(self._queue or self._woken or self._effects)

    # -- the turn ----------------------------------------------------------------------------------

    def turn(self, now: int) -> list[Effect]:
        """Book what is queued, decide what follows, and return what must be done, in order."""
        for _ in range(_ROUNDS_MAX):
            if not self._queue and not self._woken:
                break
            while self._queue:
                item = self._queue.popleft()
                if isinstance(item, Command):
                    self._handle(item, now)
                elif isinstance(item[1], Holding):
                    try:
                        self._take_holding(item[0], item[1], now)
                    except Exception as e:  # the boundary: the wallet is looked at again
                        self._unforeseen(e)
                else:
                    self._guarded(item[0], now, item[1])
            woken, self._woken = self._woken, {}
            for position_id in woken:
                self._guarded(position_id, now)
        effects, self._effects = self._effects, []
        return effects

    def _guarded(self, position_id: str, now: int, event: AnyEvent | None = None) -> None:
        """Handle one position; its errors stay its own, and leave nothing half done."""
        trouble = self._troubles.get(position_id)
        if event is not None and trouble is not None and trouble.unbooked:
            trouble.add(event)  # what happened before it comes first
            self._woken[position_id] = None
            return
        mark = self._mark()
        try:
            if event is None:
                self._look(position_id, now)
            else:
                self._book(position_id, event, now)
                self._woken[position_id] = None
        except Exception as e:  # the boundary: see the module's docstring
            if self.strict:
                raise
            self._take_back(mark)
            if position_id in self.positions:
                self._fail(position_id, now, e, event)
                self._resort(position_id, now)
            else:
                text = f"an event came for a position that is not known: {_reason(e)}"
                self._effects.append(Alarm(now, position_id, "stray", text, is_open=True))

    def _look(self, position_id: str, now: int) -> None:
        """Decide about a position; what could not be booked before is booked first."""
        if position_id not in self.positions:
            return  # forgotten since it was woken
        trouble = self._troubles.get(position_id)
        if trouble is None:
            self._decide(position_id, now)
            return
        for event in trouble.unbooked:
            self._book(position_id, event, now)
        if trouble.unbooked:  # that stands, whatever is decided next
            trouble.unbooked = []
            self._woken[position_id] = None
            return
        self._decide(position_id, now)
        del self._troubles[position_id]
        self._keep(self.positions[position_id])
        self._effects.append(_failing(self.positions[position_id], trouble, now, is_open=False))

    def _book(self, position_id: str, event: AnyEvent, now: int) -> None:
        after = self._note(position_id, event)
        if isinstance(event, Fill | OwnerSold):
            self._moved_at[after.outcome_id] = now

    # -- when something raises ---------------------------------------------------------------------

    def _mark(self) -> tuple[int, int]:
        """Begin what may have to be undone; how much is queued and to be done before it."""
        self._before = {}
        return len(self._queue), len(self._effects)

    def _take_back(self, mark: tuple[int, int]) -> None:
        """Undo what was noted, queued and asked for since a mark; a halt stands."""
        queued, done = mark
        while len(self._queue) > queued:  # else an undone breach disputes, and is looked at again
            self._queue.pop()
        kept = [e for e in self._effects[done:] if isinstance(e, HaltChanged)]
        self._effects[done:] = kept
        for position_id, before in self._before.items():
            if before is None:
                self._drop(position_id)
            else:
                self.positions[position_id] = before
                with suppress(Exception):  # what it was before could be kept, or is in trouble
                    self._keep(before)
        self._before = {}

    def _drop(self, position_id: str) -> None:
        p = self.positions.pop(position_id, None)
        self._open.pop(position_id, None)
        self._deadlines.drop(position_id)
        self._woken.pop(position_id, None)
        if p is not None:
            self._levels[p.outcome_id].drop(position_id)
            self.exposure.drop(position_id, p.outcome_id)

    def _fail(
        self, position_id: str, now: int, e: Exception, event: AnyEvent | None = None
    ) -> None:
        """See to a position whose handling raised: disputed, or left to the last resort."""
        trouble, reason = self._troubles.get(position_id), _reason(e)
        if trouble is None and event is not None and self._dispute(position_id, now, reason):
            self._unforeseen(e)
            return
        if trouble is None:
            trouble = self._troubles[position_id] = Trouble(reason)
            self._unforeseen(e)
            self._effects.append(_failing(self.positions[position_id], trouble, now, is_open=True))
            self._dispute(position_id, now, reason)
        if event is not None:
            trouble.add(event)
        self._watch(self.positions[position_id])

    def _dispute(self, position_id: str, now: int, reason: str) -> bool:
        """Book that a position is disputed; whether that could be."""
        p = self.positions[position_id]
        mark = self._mark()
        try:
            if p.decision.dispute != reason:
                self._note(
                    position_id, Disputed(time=now, reason=reason, missing=p.decision.missing)
                )
        except Exception:
            self._take_back(mark)
            return False
        self._woken[position_id] = None
        return True

    def _watch(self, p: Position) -> None:
        """Look at a position in trouble with each view of its book, and each second."""
        self._open[p.id] = self._deadlines.each_second[p.id] = None
        levels = self._levels.get(p.outcome_id)
        if levels is not None:
            levels.restless[p.id] = None

    def _resort(self, position_id: str, now: int) -> None:
        p, trouble = self.positions[position_id], self._troubles.get(position_id)
        book = self.markets.get(p.outcome_id)
        if book is None or trouble is None:
            return
        try:
            intents = last_resort.intents(p, book, trouble, now, self.limits.slip_ticks)
        except Exception as e:
            if not trouble.is_helpless:
                trouble.is_helpless = True
                self._unforeseen(e)
            return
        for intent in intents:
            event = _booking(intent, now)
            mark = self._mark()
            try:
                self._note(position_id, event)
            except Exception:
                self._take_back(mark)
                trouble.add(event)
            self._effects.append(Act(self.positions[position_id], intent))

    def _unforeseen(self, e: Exception) -> None:
        if self.strict:
            raise e
        self._effects.append(Unforeseen(e))

    def look_anew(self, outcome_id: str) -> None:
        """Decide anew about all open positions of an outcome; "" = of all of them."""
        ids = self._about(outcome_id) if outcome_id else self._open
        self._woken |= dict.fromkeys(ids)

    def find_order(self, position_id: str, order_id: str) -> Order | None:
        """A live order of a position; also one that could not be booked."""
        p, trouble = self.positions.get(position_id), self._troubles.get(position_id)
        found = None if p is None else find(p, order_id)
        if found is None and p is not None and trouble is not None:
            found, _ = last_resort.orders(p, trouble.unbooked).get(order_id, (None, ZERO))
        return found

    # -- one position ------------------------------------------------------------------------------

    def _decide(self, position_id: str, now: int) -> None:
        p = self.positions[position_id]
        book = self.markets[p.outcome_id]
        for _ in range(_EVENTS_MAX):
            event = next_event(p, book, now, self.limits.slip_ticks)
            if event is None:
                break
            p = self._note(position_id, event)
            if isinstance(event, SaleEnded):
                self._effects.append(Answer(None, sale_over(p, event)))
        else:
            raise RuntimeError(f"no end of judgements in phase {p.phase}")
        for intent in plan(p, book, now, self.limits.slip_ticks, self.limits.entry_lasts):
            p = self._note(position_id, _booking(intent, now))
            self._effects.append(Act(p, intent))
        wrong = unprotected(p, book)
        if wrong:
            raise Breach(wrong)

    def _note(self, position_id: str, event: AnyEvent) -> Position:
        before = self.positions.get(position_id)
        after = apply(before, event)
        if after is before:
            return after
        self._hold_to_invariants(before, after, event)
        self._before.setdefault(position_id, before)
        self._keep(after)
        self._effects.append(Step(after, event))
        self._alarm(before, after, event.time)
        self._alarm_refused(before, event)
        return after

    def _hold_to_invariants(
        self, before: Position | None, after: Position, event: AnyEvent
    ) -> None:
        """Dispute a position of which an event breached a rule; refuse an order that would.

        Raises
        ------
        Breach
            If an order of ours must not be submitted, or in tests, of whatever event.
        """
        if isinstance(event, OrderSent) and event.order.quote_seq >= 0:
            wrong = order_breach(after, event.order)
            if wrong:
                raise Breach(wrong)
        wrong = breach(before, after, event)
        if wrong and self.strict:
            raise Breach(wrong)
        if wrong and not isinstance(event, Disputed):
            reason, missing = f"Breach: {wrong}"[:_REASON_CHARACTERS], after.decision.missing
            self._unforeseen(Breach(wrong))
            self.event(after.id, Disputed(time=event.time, reason=reason, missing=missing))

    def _keep(self, p: Position) -> None:
        check(p)
        book = self.markets[p.outcome_id]
        before = self.positions.get(p.id)
        self.positions[p.id] = p
        if p.is_over and p.held <= 0:
            self._open.pop(p.id, None)
        else:
            self._open[p.id] = None
        self._deadlines.place(p, book)
        self.exposure.count(p, book.fee, is_open=p.id in self._open)
        self._levels[p.outcome_id].place(p, book)
        if book.feed_problem and (before is None or before.is_over is not p.is_over):
            self._alarm_feed(book, p.updated_at)
        if p.id in self._troubles:
            self._watch(p)

    def _alarm(self, before: Position | None, after: Position, now: int) -> None:
        was = {} if before is None else open_alarms(before)
        now_open = open_alarms(after)
        for kind, text in now_open.items():
            if was.get(kind) != text:
                self._effects.append(Alarm(now, after.id, kind, text, is_open=True))
        for kind, text in was.items():
            if kind not in now_open:
                self._effects.append(Alarm(now, after.id, kind, text, is_open=False))

    def _alarm_refused(self, p: Position | None, event: AnyEvent) -> None:
        """Tell of an entry that is over for a reason that lasts, until another is accepted."""
        text, before = self._refused, self._refused
        match event:
            case EntryEnded(reason=EntryEnd.REFUSED) if p is not None:
                text = refused_for_good(p)
            case OrderAccepted(order_id=order_id) if p is not None:
                order = find(p, order_id)
                text = "" if order is not None and order.role is Role.ENTRY else text
            case OrderFilled(role=Role.ENTRY):
                text = ""
        if text != before:
            self._refused = text
            self._effects.append(
                Alarm(event.time, "", "refused", text or before, is_open=bool(text))
            )

    # -- commands ----------------------------------------------------------------------------------

    def _handle(self, c: Command, now: int) -> None:
        mark = self._mark()
        try:
            handled = handle(self, c, self._holdings.pop(c.id, Holding()), now)
            if handled.halted is None:
                for position_id, event in handled.events:
                    self._note(position_id, event)
                    self._woken[position_id] = None
        except Exception as e:  # the boundary: it is refused, and nothing of it is done
            if self.strict:
                raise
            self._take_back(mark)
            self._unforeseen(e)
            text = f"{type(c).__name__.lower()} could not be carried out: {_reason(e)}"
            handled = Handled(refused(c.id, Refusal("INTERNAL", text), now))
        if handled.halted is not None:
            self.halt(handled.halted)
            for position_id, event in handled.events:  # of many positions: each for itself
                self._guarded(position_id, now, event)
        self._effects.append(Answer(c, handled.reply))

    def halt(self, halted: bool) -> None:
        """Send no new entries, or send them again."""
        changed, self.halted = halted is not self.halted, halted
        for market in self.markets.values():
            market.halted = halted
        self._woken |= dict.fromkeys(self._open)
        if changed:
            self._effects.append(HaltChanged(halted))

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
        feeds = [("", "feed", text) for text in self._feeds.values()]
        foreign = [("", "foreign_orders", self._foreign_text)] if self._foreign_text else []
        refused = [("", "refused", self._refused)] if self._refused else []
        mode = [("", "venue_mode", self._mode_text)] if self._mode_text else []
        return (
            feeds
            + foreign
            + refused
            + mode
            + [
                (position_id, kind, text)
                for position_id in self._open
                for kind, text in self._alarms_of(position_id).items()
            ]
        )

    def _alarms_of(self, position_id: str) -> dict[str, str]:
        p, trouble = self.positions[position_id], self._troubles.get(position_id)
        found = {} if trouble is None else {"failing": _failing_text(p, trouble)}
        with suppress(Exception):  # what has no alarm is in trouble, which is
            found |= open_alarms(p)
        return found

    def lacks_cash(self, c: Command, now: int) -> bool:
        """Whether the command would be refused for want of cash."""
        try:
            asks = isinstance(c, Submit | Amend)
            return asks and handle(self, c, Holding(), now).reply.code == "INSUFFICIENT_CASH"
        except Exception:  # it is reported where the command is carried out
            return False

    def market_named_by(self, c: Command) -> str:
        """The market whose prices the command is checked against; "" = those of none."""
        if isinstance(c, Submit | Adopt):
            return c.market
        p = self.positions.get(c.position_id) if isinstance(c, Sell | Amend) else None
        return "" if p is None else p.market_id


def _booking(intent: Intent, now: int) -> AnyEvent:
    """The event that an intent is being carried out."""
    match intent:
        case Send(order):
            return OrderSent(time=now, order=order)
        case MoveStop(order_id, price, shares):
            return StopMoved(time=now, order_id=order_id, price=price, shares=shares)
        case _:
            return CancelSent(time=now, order_id=intent.order_id)


def _reason(e: Exception) -> str:
    """What an error says, in one short line."""
    return " ".join(f"{type(e).__name__}: {e}".split())[:_REASON_CHARACTERS]


def _failing(p: Position, trouble: Trouble, now: int, *, is_open: bool) -> Alarm:
    return Alarm(now, p.id, "failing", _failing_text(p, trouble), is_open=is_open)


def _failing_text(p: Position, trouble: Trouble) -> str:
    what = "its stop sells at the bid, nothing else is done"
    return f"{p.market} {p.outcome}: cannot be handled: {trouble.reason}; {what}"


def _feed_text(book: InstrumentBook, problem: str) -> str:
    return f"{book.slug} {book.outcome}: {problem}; nothing is bought, exits go on"


def _foreign_text(count: int, cost: Decimal) -> str:
    if count == 0:
        return ""
    orders = "1 order" if count == 1 else f"{count} orders"
    what = "it may" if count == 1 else "they may"
    return f"{orders} in the wallet not placed by this node; {what} still spend {cost:.2f} USDC"
