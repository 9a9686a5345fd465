"""Polymarket's execution client, hardened.

A thin subclass of the adapter's: what the adapter does well (signing, the channel, the account) is
its own, and each override names the defect that it mends. All that the venue reports of an order
goes through one `OrderFillTracker`, so that lost, late, duplicate and reordered messages end alike,
and whatever remains unknown is reconciled with the venue.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec.structs import replace
from nautilus_trader.adapters.polymarket.common.symbol import get_polymarket_token_id
from nautilus_trader.adapters.polymarket.execution import PolymarketExecutionClient
from nautilus_trader.adapters.polymarket.http.conversion import (
    convert_tif_to_polymarket_order_type,
)
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketChannel
from nautilus_trader.execution.messages import CancelOrder, SubmitOrder
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.enums import OrderSide, OrderType
from nautilus_trader.model.identifiers import InstrumentId, VenueOrderId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import AccountBalance, Money
from nautilus_trader.model.orders import Order

from bridge.clocks import now_ns
from bridge.ports import Signed
from bridge.venue import VENUE
from bridge.venue_messages import VENUE_ALARMS, VENUE_MODES, WALLET_TROUBLES, WALLETS, WalletView
from positions.engine.adoption import Holding
from positions.model.durations import SECOND
from positions.model.position import Order as RecordedOrder
from positions.model.position import OrderState
from positions.model.trades import Trade
from venues.polymarket.api import modes, parsing
from venues.polymarket.api.bounded_http import PublicClient
from venues.polymarket.api.channel import channel_of
from venues.polymarket.api.clob import BalanceReader
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.limits import Kind
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.refusals import Refusals
from venues.polymarket.api.signing import OrderSigner, Terms
from venues.polymarket.execution import submit_outcome
from venues.polymarket.execution.budget import Budget, rank_of
from venues.polymarket.execution.cancelling import Canceller
from venues.polymarket.execution.event_emitter import EventEmitter
from venues.polymarket.execution.heartbeat import Heartbeat
from venues.polymarket.execution.holdings import HoldingReader
from venues.polymarket.execution.live_orders import LiveOrder, LiveOrders
from venues.polymarket.execution.mode_gate import ModeGate
from venues.polymarket.execution.order_fill_tracker import Canceled
from venues.polymarket.execution.order_reconciliation import ANSWER_SECONDS, OrderReconciliation
from venues.polymarket.execution.submit_outcome import SubmitOutcome
from venues.polymarket.execution.wallet_watch import WalletWatch

WATCH_SECONDS = 1.0
CASH_SECONDS = 5.0
"""The longest that a request waits for the cash to be read anew."""


class HardenedExecutionClient(PolymarketExecutionClient):
    """Carries orders to Polymarket, and everything that becomes of them back.

    `signed` records an order's hash; a buy is posted only once that is on disk. `beats` says, once
    it connects, whether the venue shall cancel every order of the wallet once the node is dead.
    """

    def __init__(
        self,
        *args: Any,
        orders: LiveOrders,
        signer: OrderSigner,
        signed: Signed,
        beats: Callable[[], bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # Defect: what the Data API answers may be of any size. Can go when that is bounded.
        self._http_client_async = PublicClient()
        self._signer = signer
        self._signed = signed
        self._orders = orders
        alarm = partial(self._msgbus.publish, VENUE_ALARMS)
        self.refusals = Refusals(self._log.warning, alarm, self._loop.time)
        self._emit = EventEmitter(self, self._cache, self._msgbus, self._clock).emit
        self._unwanted: set[str] = set()  # to be cancelled, and not signed yet
        now, warn, client = partial(now_ns, self._clock), self._log.warning, self._http_client
        self._reconciliation = OrderReconciliation(
            client, self._orders, self._emit, self._post_order, self.create_task, now, warn
        )
        self._reconciliation.refuse = self.refusals.add
        self._reconciliation.heed = self.refusals.heed
        self._budget = Budget(client.rate_limits)
        self._canceller = Canceller(client, self._orders, self._reconciliation, self._budget)
        self._beats = beats
        self.balances = BalanceReader(self._http_client, self._config.signature_type)
        reconcile = self._reconciliation.reconcile
        self._holdings = HoldingReader(self.balances, self._orders, reconcile)
        self._refreshing: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._mode_gate = ModeGate(partial(self._msgbus.publish, VENUE_MODES), now)
        self._awaiting_cash: list[Callable[[], None]] = []
        # Defect: nothing is asked for after the user channel was down, and what it would have said
        # is lost. Can go when the adapter reads orders and trades anew on a reconnect.
        self._ws_client = channel_of(
            self,
            PolymarketWebSocketChannel.USER,
            self._handle_ws_message,
            self._reconciliation.reconcile_all,
            self._ws_auth,
        )
        self.wallet_watch = self._made_wallet_watch()

    def _made_wallet_watch(self) -> WalletWatch:
        return WalletWatch(
            self.balances,
            self._orders,
            self._reconciliation,
            self._update_account_state,
            self._ws_client.is_connected,
            self._publish_wallet,
            self._log.warning,
            self._look_at,
            partial(self._msgbus.publish, WALLET_TROUBLES),
        )

    def _publish_wallet(self, wallet: WalletView) -> None:
        rate_limit = str(self._http_client.rate_limits)
        self._msgbus.publish(WALLETS, replace(wallet, rate_limit=rate_limit))

    def warn(self, line: str) -> None:
        """Put a line into the log."""
        self._log.warning(line)

    # -- the connection ----------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Defect: a balance that cannot be read keeps the node from starting. Can go when it is
        read again; what begins here can go with the defects that each names.
        """
        try:
            await super()._connect()
        except Exception as e:
            self.warn(f"the balance could not be read at the start: {describe_error(e)}")
            self._take_no_cash()
            await self._await_account_registered()
        self.create_task(self._watch())
        self.create_task(self.wallet_watch.run())
        if self._beats():
            self.create_task(Heartbeat(self._http_client, self._log.warning).run())

    def _take_no_cash(self) -> None:
        """Have an account all the same: nothing is bought until the wallet can be looked at."""
        none = Money(0, pUSD)
        self.generate_account_state(
            balances=[AccountBalance(total=none, locked=none, free=none)],
            margins=[],
            reported=False,
            ts_event=self._clock.timestamp_ns(),
        )

    async def _update_account_state(self) -> None:
        """Defect: a balance that makes no sense keeps a look at the wallet from all that comes
        after it. Can go when it is only logged.
        """
        try:
            await super()._update_account_state()
        except ValueError as e:
            account = self.get_account()
            if account is None or not account.last_event.is_reported:
                raise  # it was never known: the alarm of the start stays
            self.refusals.add(f"the wallet's cash made no sense: {describe_error(e)}")

    def prepare(self, instrument_id: InstrumentId) -> None:
        """Begin to make everything ready that an order of this instrument will need.

        Defect: the user channel is opened by the first order, too late for what is said of it, and
        not at all for orders of an earlier run. Can go when the adapter opens it at the start.
        """
        self.create_task(self._maintain_active_market(instrument_id))

    def adopt(self, order: Order, ours: RecordedOrder, trades: Iterable[Trade]) -> None:
        """Go on with an order that an earlier process left at the venue.

        `trades` are booked already: no event is made of them again.
        """
        if ours.venue_order_id is None:
            raise ValueError(f"{ours.id} was never signed")
        # A clock that was set back since then must not make it young for as long.
        age = max(now_ns(self._clock) - ours.sent_at, 0) / SECOND
        live = LiveOrder(order, ours.venue_order_id, self._loop.time() - age, ours.shares)
        live.posted.set()
        live.tracker.apply_acceptance()
        live.is_unknown = ours.state is OrderState.SENT
        if live.is_unknown:
            live.mark_inherited(self._loop.time())
        updates = []
        for trade in trades:
            try:
                updates += live.tracker.apply_trade(trade)
            except Unreadable as e:
                self.refusals.add(f"{live.id}: {e}")
        self._orders.add(live)
        self._cache.add_venue_order_id(order.client_order_id, VenueOrderId(ours.venue_order_id))
        self.prepare(order.instrument_id)
        self._emit(live, [u for u in updates if isinstance(u, Canceled)])
        self._reconciliation.reconcile(live)

    # -- submitting --------------------------------------------------------------------------------

    async def _submit_order(self, command: SubmitOrder) -> None:
        """Defect: an exception before or while signing leaves the order without any event, for
        ever. Can go when the adapter's own `_submit_order` answers each with a denial.
        """
        order = command.order
        try:
            if order.order_type != OrderType.LIMIT:
                raise ValueError(f"{order.type_string()} orders are never sent")
            instrument = self._cache.instrument(order.instrument_id)
            if order.side == OrderSide.BUY:
                await self._maintain_active_market(order.instrument_id)
                if not await self._ws_client.is_open():
                    raise ValueError("the user channel is not open")
            else:
                # An exit never waits for the channel: its fills can be asked for.
                self.prepare(order.instrument_id)
            await self._submit_limit_order(command, instrument)
        except Exception as e:
            if self._orders.by_id(order.client_order_id.value) is not None:
                raise
            self.generate_order_denied(
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                describe_error(e),
                self._clock.timestamp_ns(),
            )
        finally:
            self._unwanted.discard(order.client_order_id.value)

    async def _submit_limit_order(self, command: SubmitOrder, instrument: BinaryOption) -> None:
        """Defects: an order is signed with floats, on the tick that was read first, for the
        exchanges of Protocol V1 alone, with Nautilus' builder code, and on a thread that others may
        occupy. Can go when the adapter signs any order, exactly.
        """
        order = command.order
        signed = self._signer.sign(_terms(order, instrument))
        self.generate_order_submitted(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            self._clock.timestamp_ns(),
        )
        await self._post_signed_order(
            order,
            signed.order,
            order.is_post_only,
            expected_venue_order_id=VenueOrderId(signed.hash),
        )

    async def _post_signed_order(
        self,
        order: Order,
        signed_order: Any,
        post_only: bool = False,
        order_type_override: Any = None,  # noqa: ARG002  (the adapter's signature)
        base_quantity: Any = None,  # noqa: ARG002
        expected_venue_order_id: VenueOrderId | None = None,
    ) -> None:
        """Defects: messages that overtake the POST's reply are held back for it, a 5xx counts as a
        refusal although the venue may have taken the order, and the reply itself is no acceptance.
        Can go when the adapter registers the hash before it posts and asks about what is unknown.
        """
        if expected_venue_order_id is None:
            raise ValueError("the order's hash is not known")
        live = LiveOrder(order, expected_venue_order_id.value, self._loop.time())
        live.is_unwanted = live.id in self._unwanted
        kind = convert_tif_to_polymarket_order_type(order.time_in_force)
        live.post = partial(self._http_client.post_order, signed_order, kind, post_only)
        self._orders.add(live)
        self._cache.add_venue_order_id(order.client_order_id, expected_venue_order_id)
        try:
            is_recorded = await self._record_hash(live)
            if live.is_unwanted or not is_recorded:
                why = (
                    "taken back before it was posted" if is_recorded else "it could not be recorded"
                )
                self._emit(live, live.tracker.apply_end(Decimal(0), why))
                return
            live.mark_submitted(self._loop.time())
            await self._post_order(live)
        finally:
            live.posted.set()

    async def _post_order(self, live: LiveOrder) -> None:
        """Post an order, or, where nobody knows if the venue took it, the very same one again.

        The venue takes what was signed once at most, so a copy that arrives late does no harm,
        where another order in its place would sell the shares of another position.
        """
        if live.post is None:
            return
        live.posted.clear()  # a cancel waits: it must not overtake this
        try:
            if await self._mode_gate.admits(live):
                await self._budget.spend(Kind.ORDERS, rank_of(live, Kind.ORDERS))
                try:
                    outcome, why = await self._post_once(live, live.post)
                finally:
                    self._budget.answered(Kind.ORDERS)
            else:
                outcome, why = SubmitOutcome.NOT_SENT, self._mode_gate.why
            self._apply_outcome(live, outcome, why)
        finally:
            live.posted.set()

    async def _post_once(
        self, live: LiveOrder, post: Callable[[], Any]
    ) -> tuple[SubmitOutcome, str]:
        """Post an order, and read what the answer says of it and of the venue's mode."""
        live.copies += 1
        doubt = self._loop.call_later(ANSWER_SECONDS, self._doubt, live)
        try:
            reply = await asyncio.to_thread(post)
            outcome, why = submit_outcome.of_reply(reply, live.venue_order_id)
            mode = None if outcome in submit_outcome.TAKEN else modes.of_words(why)
        except Exception as e:
            outcome, why = submit_outcome.of_error(e)
            mode = modes.of_error(e)
        finally:
            doubt.cancel()
        if outcome not in submit_outcome.UNSURE:
            live.copies -= 1
        if mode is not None:
            self._mode_gate.note(mode)
        elif outcome in submit_outcome.TAKEN:
            self._mode_gate.took(live)
        return outcome, why

    def _doubt(self, live: LiveOrder) -> None:
        """A POST is not answered for a while: it is asked about, and a copy sent, beside it."""
        if not live.is_unknown and not live.tracker.is_over:
            why = f"no answer within {ANSWER_SECONDS:g} s"
            self._apply_outcome(live, SubmitOutcome.AMBIGUOUS_LATE, why)

    def _apply_outcome(self, live: LiveOrder, outcome: SubmitOutcome, why: str) -> None:
        now = self._loop.time()
        match outcome:
            case SubmitOutcome.ACCEPTED | SubmitOutcome.MATCHED:
                live.mark_accepted(now)
                self._emit(live, live.tracker.apply_acceptance())
                if live.is_immediate or outcome is SubmitOutcome.MATCHED:
                    self._reconciliation.reconcile(live, ANSWER_SECONDS / 4)
            case SubmitOutcome.DUPLICATE:
                live.mark_duplicate(now)
                self._reconciliation.reconcile(live)
            case (
                SubmitOutcome.AMBIGUOUS | SubmitOutcome.AMBIGUOUS_LATE | SubmitOutcome.CLIENT_ERROR
            ):
                live.mark_ambiguous(now, is_late=outcome is SubmitOutcome.AMBIGUOUS_LATE)
                live.post = None if outcome is SubmitOutcome.CLIENT_ERROR else live.post
                self._log.warning(f"{live.id}: fate unknown: {why}")
                self._reconciliation.reconcile(live)
            case SubmitOutcome.NOT_SENT if live.may_be_taken:
                self._reconciliation.reconcile(live)
            case SubmitOutcome.KILLED | SubmitOutcome.REJECTED if live.may_be_taken:
                live.mark_refused(now, why if outcome is SubmitOutcome.KILLED else "")
                self._reconciliation.reconcile(live)
            case SubmitOutcome.KILLED:
                self._emit(live, live.tracker.apply_end(Decimal(0), why))
            case SubmitOutcome.REJECTED | SubmitOutcome.NOT_SENT:
                self._emit(live, live.tracker.apply_rejection(why))

    async def _record_hash(self, live: LiveOrder) -> bool:
        ready: asyncio.Future[bool] = self._loop.create_future()

        def go(may_be_posted: bool) -> None:
            if not ready.done():
                ready.set_result(may_be_posted)

        self._signed(live.id, live.venue_order_id, go)
        return await ready if live.order.side == OrderSide.BUY else True

    # -- cancelling --------------------------------------------------------------------------------

    async def _cancel_order(self, command: CancelOrder) -> None:
        """Defects: the reply that lists an order as cancelled is not taken as its cancel, a refusal
        is left at that, and a cancel asked for while the order is being signed is forgotten. Can go
        when the adapter does all three.
        """
        order_id = command.client_order_id.value
        live = self._orders.by_id(order_id)
        if live is None:
            order = self._cache.order(command.client_order_id)
            if order is not None and order.is_active_local:
                self._unwanted.add(order_id)
                return
            self._refuse_cancel(command, "the order was never posted")
            return
        try:
            why = await self._canceller.cancel(live)
        except Exception as e:  # Nautilus sends no further cancel until one of them has an end
            why = describe_error(e)
        if why:
            self._refuse_cancel(command, why)

    def _refuse_cancel(self, command: CancelOrder, why: str) -> None:
        self.generate_order_cancel_rejected(
            command.strategy_id,
            command.instrument_id,
            command.client_order_id,
            command.venue_order_id,
            why,
            self._clock.timestamp_ns(),
        )

    # -- the user channel --------------------------------------------------------------------------

    def _handle_ws_message(self, raw: bytes) -> None:
        """Defects: a message with a word that the schema does not know is lost (the cancel of a
        killed FAK order among them), an order that ends before its last fill comes stays open, a
        fill after that is dropped, and a trade that fails to settle is never undone. Can go when
        the adapter reads leniently and keeps each order's fills and end together.
        """
        try:
            messages = parsing.messages(raw)
        except Exception as e:
            self._refuse(e)
            return
        for message in messages:
            try:
                if message.get("event_type") == "order":
                    self._take_order(message)
                elif message.get("event_type") == "trade":
                    self._take_trade(message)
            except Exception as e:  # the trouble of one message is its own
                self._refuse(e)

    def _refuse(self, error: Exception) -> None:
        """Raise an alarm about a message, and ask the venue about every order instead."""
        # Of other errors the kind alone: a message holds the API's key.
        why = str(error) if isinstance(error, Unreadable) else type(error).__name__
        self.refusals.add(f"a message of the user channel made no sense: {why}")
        if self._asking is None or self._asking.done():  # once for a frame of many such messages
            self._asking = self.create_task(self._reconciliation.reconcile_all())

    def _take_order(self, message: dict[str, Any]) -> None:
        live = self._orders.by_hash(parsing.text(message, "id").lower())
        if live is None:
            return
        kind = str(message.get("type", "")).upper()
        status = parsing.status(message)
        if kind == "PLACEMENT":
            self._emit(live, live.tracker.apply_acceptance())
        elif kind == "CANCELLATION" or not parsing.is_live(message):
            matched = parsing.number(message, "size_matched")
            why = "" if status == "MATCHED" else status.lower()
            self._emit(live, live.tracker.apply_end(matched, why))
        if parsing.number(message, "size_matched") > live.tracker.matched:
            self._reconciliation.reconcile(live, ANSWER_SECONDS / 4)

    def _take_trade(self, message: dict[str, Any]) -> None:
        for order_id in parsing.order_ids(message):
            live = self._orders.by_hash(order_id)
            if live is None:
                continue
            try:
                self.refusals.heed(parsing.unknown_settlement(message))
                for trade in parsing.trades_of(order_id, message):
                    self._emit(live, live.tracker.apply_trade(trade))
            except Exception as e:  # the other orders of the trade have their fills all the same
                self._refuse(e)
                if not live.is_reconciling:
                    self._reconciliation.recheck(live)
        with suppress(Unreadable):  # what is foreign is found at the next look at the wallet
            for hash_, token, _ in parsing.legs_of(self._holdings.funder, message):
                if self._orders.by_hash(hash_) is None:
                    self.wallet_watch.heard(token)
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self.create_task(self._refresh_cash())

    async def _refresh_cash(self) -> None:
        await asyncio.sleep(0.5)  # several trades of one order need one look
        try:
            await self._update_account_state()
        except Exception as e:
            self._log.warning(f"the balance could not be read: {describe_error(e)}")

    async def _look_at(self, token: str) -> Holding | None:
        """What the wallet has of an outcome; None while some of it is under way."""
        for instrument in self._cache.instruments(venue=VENUE):
            if get_polymarket_token_id(instrument.id) == token:
                return await self._holdings.look(instrument)
        return None

    # -- the watch ---------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Ask about what should have been answered by now."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._reconciliation.reconcile_overdue()
            self._orders.forget(self._loop.time())

    def request_holding(
        self, instrument_id: InstrumentId, on_holding: Callable[[Holding], None]
    ) -> None:
        """Call `on_holding` with what the wallet has, once the venue has answered."""

        async def read() -> None:
            on_holding(await self._holdings.read(self._cache.instrument(instrument_id)))

        self.create_task(read())

    def refresh_cash(self, then: Callable[[], None]) -> None:
        """Go on once the venue has read the wallet's cash anew, or did not answer."""
        self._awaiting_cash.append(then)
        if len(self._awaiting_cash) == 1:
            self.create_task(self._refresh_cash_at_venue())

    async def _refresh_cash_at_venue(self) -> None:
        """Have the venue read the cash anew, once for all that wait: it reports what it last read,
        which of a new wallet is 0 for ever."""
        try:
            async with asyncio.timeout(CASH_SECONDS):
                await self.balances.refresh_cash()
                await self._update_account_state()
        except Exception as e:
            self._log.warning(f"the cash could not be read anew: {describe_error(e)}")
        finally:
            waiting, self._awaiting_cash = self._awaiting_cash, []
            for then in waiting:
                then()


def _terms(order: Order, instrument: BinaryOption) -> Terms:
    if order.is_quote_quantity:
        raise ValueError("sizes are stated in shares alone")
    return Terms(
        token_id=get_polymarket_token_id(instrument.id),
        is_buy=order.side == OrderSide.BUY,
        price=order.price.as_decimal(),
        shares=order.quantity.as_decimal(),
        neg_risk=bool((instrument.info or {}).get("neg_risk")),
        expires=order.expire_time_ns // SECOND,
    )
