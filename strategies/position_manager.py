"""The translator between Nautilus and the engine.

Each handler converts a Nautilus event and queues it at the engine; each turn of the engine returns
effects, which are carried out with native orders. No price is compared here, and a handler carries
out nothing: the turn runs once the event loop is free again, after every quote of one batch, so a
book that only passes through a low bid triggers nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Concatenate

from nautilus_trader.common.component import Clock, TimeEvent
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.data import DataType, InstrumentClose, QuoteTick, TradeTick
from nautilus_trader.model.events import OrderEvent, OrderReleased
from nautilus_trader.model.identifiers import (
    ClientOrderId,
    InstrumentId,
    PositionId,
)
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.trading.strategy import Strategy

from bridge import conversion
from bridge.boundary import report
from bridge.clocks import ClockOverride, now_ns
from bridge.messages import CommandMessage
from bridge.one_sided_book import OneSidedBook
from bridge.ports import Holdings, Journal
from bridge.timers import Alert, on_this_thread
from bridge.venue import CLIENT_ID, VENUE
from bridge.venue_messages import (
    DEPTHS,
    FEEDS,
    VENUE_ALARMS,
    VENUE_EVENTS,
    VENUE_MODES,
    WALLETS,
    Depth,
    FeedState,
    VenueEvent,
    WalletView,
)
from positions.commands.messages import Adopt, Command, Refusal, refused
from positions.engine.adoption import Holding
from positions.engine.effects import (
    Act,
    Alarm,
    Answer,
    Effect,
    HaltChanged,
    Step,
    Unforeseen,
    acts_first,
)
from positions.engine.engine import Engine
from positions.engine.plan import Cancel, MoveStop, Send
from positions.model import events
from positions.model.events import AnyEvent
from positions.model.foreign_text import clean
from positions.model.instrument_book import InstrumentBook
from positions.model.position import Order, OrderEnd, Position, Role
from positions.model.terms import Trigger
from positions.model.venue_mode import VenueMode
from strategies.market_search import MarketSearch


def _call_soon(turn: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(turn)


type _Handler[**P] = Callable[Concatenate["PositionManagerStrategy", P], None]


def _bounded[**P](handler: _Handler[P]) -> _Handler[P]:
    """The handler for Nautilus: an error is reported, and its positions are planned anew."""

    def call(self: "PositionManagerStrategy", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(self, *args, **kwargs)
        except Exception as e:
            self.failed(e, *args)

    return call


class PositionManagerStrategy(ClockOverride, Strategy):
    """Keeps every position's orders as the engine wants them.

    `call_soon` runs the engine's turn once the event loop is free; a backtest, which has no loop,
    gives its own.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        clock: Clock | None = None,
        call_soon: Callable[[Callable[[], None]], object] = _call_soon,
    ) -> None:
        super().__init__(
            StrategyConfig(
                strategy_id="PositionManager",
                order_id_tag="001",
                oms_type="HEDGING",
                log_events=False,
                log_commands=False,
            )
        )
        self.engine = engine
        self.clock_override = clock
        self._books: dict[InstrumentId, InstrumentBook] = {}
        self._journal = journal
        self._call_soon = call_soon
        self._uncommitted: dict[str, Order] = {}
        self._unposted: dict[str, Callable[[bool], None]] = {}
        self._unrecorded: dict[str, list[Act]] = {}
        self._is_scheduled = False
        self._decided_at: int | None = None
        self.search = MarketSearch(engine.listing, self._list, self._admit, self._refuse)
        self.holdings: Holdings
        """Reads what the wallet has."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued, scheduled, or waiting for the disk."""
        waits = self._uncommitted or self._unrecorded
        return not (self._is_scheduled or waits or self.engine.has_work)

    def undecided(self) -> int:
        """Nanoseconds since the last turn that had nothing left to decide; 0 before the start."""
        return 0 if self._decided_at is None else now_ns(self.clock) - self._decided_at

    # -- events of Nautilus ------------------------------------------------------------------------

    def on_start(self) -> None:
        """Make every known instrument tradable and start the timers."""
        for instrument in self.cache.instruments(venue=VENUE):
            self._list(instrument)
        self._listen(OneSidedBook, self._on_one_sided)
        self._listen(CommandMessage, self._on_command)
        self.msgbus.subscribe(topic=VENUE_EVENTS, handler=self._on_venue_event)
        self.msgbus.subscribe(topic=FEEDS, handler=self._on_feed)
        self.msgbus.subscribe(topic=DEPTHS, handler=self._on_depth)
        self.msgbus.subscribe(topic=VENUE_ALARMS, handler=self._on_venue_alarm)
        self.msgbus.subscribe(topic=VENUE_MODES, handler=self._on_venue_mode)
        self.msgbus.subscribe(topic=WALLETS, handler=self._on_wallet)
        on_second = on_this_thread(self._on_second)
        self.clock.set_timer("second", timedelta(seconds=1), callback=on_second)
        self._deadline = Alert(self.clock, "deadline", self._on_deadline)
        self.schedule()

    def _listen(self, data: type, handler: Callable[[Any], None]) -> None:
        # subscribe_data() without a client id logs an error although it works.
        self.msgbus.subscribe(topic=f"data.{DataType(data).topic}", handler=handler)

    @_bounded
    def _list(self, instrument: BinaryOption) -> None:
        if instrument.id in self._books:
            return
        book = self._books[instrument.id] = conversion.instrument_book(instrument)
        self.engine.list_market(book)
        self.subscribe_quote_ticks(instrument.id)
        self.subscribe_trade_ticks(instrument.id)
        self.subscribe_instrument(instrument.id)
        self.subscribe_instrument_close(instrument.id)

    def failed(self, error: Exception, *arguments: object) -> None:
        """Report an error of a handler, and plan the positions of its instrument anew."""
        report(error)
        instrument_ids = [getattr(a, "instrument_id", None) for a in arguments]
        for book in (self._books[i] for i in instrument_ids if i in self._books):
            self.engine.look_anew(book.outcome_id)
            self.schedule()

    @_bounded
    def on_instrument(self, instrument: BinaryOption) -> None:
        """Update the tick, or list a new instrument."""
        book = self._books.get(instrument.id)
        if book is None:
            self._list(instrument)
            return
        book.tick = conversion.instrument_book(instrument).tick
        self.engine.market_changed(book.outcome_id)
        self.schedule()

    @_bounded
    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Update the best bid and ask."""
        book = self._books[tick.instrument_id]
        conversion.show_quote(book, tick)
        self._quoted(book)

    @_bounded
    def on_trade_tick(self, tick: TradeTick) -> None:
        """Update the price of the last trade."""
        book = self._books[tick.instrument_id]
        conversion.show_trade(book, tick)
        self._triggered(book, Trigger.LAST)

    def _triggered(self, book: InstrumentBook, trigger: Trigger) -> None:
        self.engine.watched(book.outcome_id, trigger)
        if self.engine.has_work:
            self.schedule()

    @_bounded
    def _on_one_sided(self, data: OneSidedBook) -> None:
        book = self._books.get(data.instrument_id)
        if book is not None:
            conversion.show_one_sided(book, data)
            self._quoted(book)

    def _quoted(self, book: InstrumentBook) -> None:
        self.engine.viewed(book.outcome_id)
        if self.engine.has_work:
            self.schedule()

    @_bounded
    def on_instrument_close(self, close: InstrumentClose) -> None:
        """Update what a resolved market pays."""
        book = self._books.get(close.instrument_id)
        if book is not None:
            book.payout = conversion.plain(close.close_price.as_decimal())
            self.engine.market_changed(book.outcome_id)
            self.schedule()

    @_bounded
    def on_order_event(self, event: OrderEvent) -> None:
        """Queue an order event of Nautilus for its position."""
        order_id = event.client_order_id.value
        role = conversion.role(self.cache.order(event.client_order_id))
        if role is None:
            return  # not one of the engine's
        position_id = conversion.position_id(event.client_order_id)
        now = now_ns(self.clock)
        ours: AnyEvent | None
        if isinstance(event, OrderReleased):
            seq = self._books[event.instrument_id].seq
            ours = events.StopReleased(time=now, order_id=order_id, quote_seq=seq)
        else:
            ours = conversion.event(event, role, now)
        if ours is not None:
            self._event(position_id, ours)

    @_bounded
    def _on_venue_event(self, message: VenueEvent) -> None:
        self._event(conversion.position_id(ClientOrderId(message.client_order_id)), message.event)

    @_bounded
    def _on_venue_alarm(self, text: str) -> None:
        self._journal.alarm(Alarm(now_ns(self.clock), "", "venue", text, is_open=True))

    @_bounded
    def _on_venue_mode(self, mode: VenueMode) -> None:
        self.engine.mode_changed(mode, now_ns(self.clock))
        self.schedule()

    @_bounded
    def _on_feed(self, feed: FeedState) -> None:
        book = self._books.get(feed.instrument_id)
        if book is not None:
            self.engine.feed_changed(book.outcome_id, feed.problem, now_ns(self.clock))
            self.schedule()

    @_bounded
    def _on_wallet(self, wallet: WalletView) -> None:
        now = now_ns(self.clock)
        self._count_cash()
        self.engine.rate_limit = wallet.rate_limit
        self.engine.foreign_orders_changed(wallet.foreign_orders, wallet.foreign_cost, now)
        for outcome_id, holding in wallet.holdings.items():
            self.engine.holding_seen(outcome_id, holding)
        for outcome_id, balance in wallet.balances.items():
            self.engine.balance_seen(outcome_id, balance, now)
        if self.engine.has_work:
            self.schedule()

    @_bounded
    def _on_depth(self, depth: Depth) -> None:
        book = self._books.get(depth.instrument_id)
        if book is not None:
            book.bids = depth.bids
            self._triggered(book, Trigger.SIZE)

    @_bounded
    def _on_command(self, message: CommandMessage) -> None:
        command = message.command
        with self._answered(command):
            if not self.search.holds(command, self.engine.market_named_by(command)):
                self._admit(command)

    @contextmanager
    def _answered(self, command: Command) -> Iterator[None]:
        """Refuse a command that raises before the engine has it: whoever sent it waits."""
        try:
            yield
        except Exception as e:
            report(e)
            text = f"{type(command).__name__.lower()} could not be carried out"
            self._refuse(command, Refusal("INTERNAL", f"{text}: {type(e).__name__}: {clean(e)}"))

    def _admit(self, command: Command) -> None:
        """Pass a command to the engine; one that wants more cash than is known once that was read
        anew."""
        with self._answered(command):
            self._count_cash()
            pass_on = partial(self._pass_on, command)
            if self.engine.lacks_cash(command, now_ns(self.clock)):
                self.holdings.refresh_cash(pass_on)
            else:
                pass_on()

    def _pass_on(self, command: Command) -> None:
        """Pass a command to the engine; an adoption with what the wallet has."""
        if not isinstance(command, Adopt):
            self.engine.command(command)
            self.schedule()
            return
        book = self.engine.listing.find(command)
        if isinstance(book, Refusal):
            self._admit_adoption(command, Holding())
        else:
            on_holding = partial(self._admit_adoption, command)
            self.holdings.request_holding(conversion.instrument_id(book), on_holding)

    def _admit_adoption(self, command: Adopt, holding: Holding) -> None:
        self.engine.adopt(command, holding)
        self.schedule()

    def _refuse(self, command: Command, refusal: Refusal) -> None:
        reply = refused(command.id, refusal, now_ns(self.clock))
        self._journal.answer(Answer(command, reply))

    @_bounded
    def _on_second(self, _: TimeEvent) -> None:
        self.engine.second_passed()
        if self.engine.has_work:
            self.schedule()
        else:
            self._decided_at = now_ns(self.clock)

    @_bounded
    def _on_deadline(self, _: TimeEvent) -> None:
        self.engine.deadline_reached(now_ns(self.clock))
        self.schedule()  # also where none holds any more: the turn sets the next

    @_bounded
    def signed(self, order_id: str, venue_order_id: str, go: Callable[[bool], None]) -> None:
        """An order is signed: `go` is called with whether it may be posted.

        A buy waits for its hash to be on disk, so that a crash cannot forget it; one whose hash can
        never be there is not posted. A sale does not wait.
        """
        if conversion.role(self.cache.order(ClientOrderId(order_id))) is Role.ENTRY:
            self._unposted[order_id] = go
        else:
            position_id = conversion.position_id(ClientOrderId(order_id))
            try:
                order = self.engine.find_order(position_id, order_id)
                self._journal.signed(order_id, venue_order_id, order)
            except Exception as e:  # the sale goes out all the same
                report(e)
            go(True)
        now = now_ns(self.clock)
        event = events.OrderSigned(time=now, order_id=order_id, venue_order_id=venue_order_id)
        self._event(conversion.position_id(ClientOrderId(order_id)), event)

    # -- the turn ----------------------------------------------------------------------------------

    def record_changed(self, can_be_written: bool) -> None:
        """Note whether the record can be written."""
        self.engine.record_changed(can_be_written)
        self.schedule()

    def _event(self, position_id: str, event: AnyEvent) -> None:
        self.engine.event(position_id, event)
        self.schedule()

    def schedule(self) -> None:
        """Run the engine's turn once the event loop is free again."""
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                self._call_soon(self._turn)
            except BaseException:
                self._is_scheduled = False
                raise

    def _turn(self) -> None:
        self._is_scheduled = False  # whatever is raised from here on, the next turn comes
        try:
            self._count_cash()
            # The orders of an exit are submitted before anything is recorded or published.
            acts, rest = acts_first(self.engine.turn(now_ns(self.clock)))
            with self._journal.together():
                for effect in (*acts, *rest):
                    try:
                        self._carry_out(effect)
                    except Exception as e:  # the other effects are carried out all the same
                        self._not_carried_out(effect, e)
            self._deadline.set(self.engine.next_deadline())
            self._decided_at = now_ns(self.clock)
        except Exception as e:
            report(e)

    def _count_cash(self) -> None:
        account = self.cache.account_for_venue(VENUE)
        if account is not None:
            self.engine.cash = conversion.cash(account.balance_total(conversion.CURRENCY))

    def _not_carried_out(self, effect: Effect, error: Exception) -> None:
        """Report it; an order that waits for a record that was not made is closed."""
        self._call_soon(partial(report, error))
        match effect:
            case Step(p, events.OrderSent(order=order)):
                self._not_recorded(p, order.id)
            case Step(p, events.Adopted()):
                self._recorded(p.id)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Step(_, events.OrderSent(order=order)) if order.role is Role.ENTRY:
                # An entry waits for the disk: a crash must not forget what may be bought.
                self._uncommitted[order.id] = order
                position = effect.position
                self._journal.step(
                    effect,
                    partial(self._committed, position, order),
                    partial(self._not_recorded, position, order.id),
                )
            case Step(p, events.Adopted()):
                # It sells without having bought: a crash must not forget whose the sales are.
                self._unrecorded[p.id] = []
                self._journal.step(effect, partial(self._recorded, p.id))
            case Step(_, events.OrderSigned(order_id=order_id)):
                go = self._unposted.pop(order_id, None)
                if go is None:
                    self._journal.step_signed(effect)
                else:
                    self._journal.step(effect, partial(go, True), partial(go, False))
            case Step():
                self._journal.step(effect)
            case Act(p) if p.id in self._unrecorded:
                self._unrecorded[p.id].append(effect)
            case Act():
                self._act(effect)
            case Answer():
                self._journal.answer(effect)
            case Alarm():
                self._journal.alarm(effect)
            case HaltChanged(halted):
                self._journal.halted(halted)
            case Unforeseen(error):
                raise error

    def _committed(self, position: Position, order: Order) -> None:
        if self._uncommitted.pop(order.id, None) is not None:
            self._send(position, order)

    def _not_recorded(self, position: Position, order_id: str) -> None:
        if self._uncommitted.pop(order_id, None) is not None:
            self._never_sent(position, order_id, OrderEnd.DENIED, "it could not be recorded")

    def _recorded(self, position_id: str) -> None:
        for act in self._unrecorded.pop(position_id, ()):
            self._act(act)

    def _act(self, act: Act) -> None:
        match act.intent:
            case Send(order):
                if order.role is not Role.ENTRY:
                    self._send(act.position, order)
            case Cancel(order_id):
                self._cancel(act.position, order_id)
            case MoveStop():
                self._move_stop(act.position, act.intent)

    def _send(self, position: Position, order: Order) -> None:
        instrument = self.cache.instrument(conversion.instrument_id(position))
        try:
            self.submit_order(
                conversion.order(order, instrument, self.order_factory),
                position_id=PositionId(position.id),
                client_id=CLIENT_ID,
            )
        except Exception as e:  # whatever is wrong with one order must not stop the others
            self._never_sent(position, order.id, OrderEnd.DENIED, f"{type(e).__name__}: {e}")

    def _cancel(self, position: Position, order_id: str) -> None:
        if self._uncommitted.pop(order_id, None) is not None:
            self._never_sent(position, order_id, OrderEnd.CANCELED, "taken back before it was sent")
            return
        order = self.cache.order(ClientOrderId(order_id))
        if order is None or order.is_closed:
            self._never_sent(position, order_id, OrderEnd.CANCELED, "is not live any more")
            return
        self.cancel_order(order)

    def _move_stop(self, position: Position, move: MoveStop) -> None:
        order = self.cache.order(ClientOrderId(move.order_id))
        if order is None or order.is_closed:
            self._never_sent(position, move.order_id, OrderEnd.CANCELED, "is not live any more")
            return
        instrument = self.cache.instrument(order.instrument_id)
        self.modify_order(
            order,
            quantity=conversion.quantity(move.shares, instrument),
            trigger_price=conversion.price(move.price, instrument),
        )

    def _never_sent(self, position: Position, order_id: str, end: OrderEnd, why: str) -> None:
        now = now_ns(self.clock)
        self._event(
            position.id, events.OrderClosed(time=now, order_id=order_id, end=end, reason=why)
        )
