"""Finds out at the venue what became of an order, when nobody said it.

A request whose answer was lost, a message that never came, a channel that was down: the order is
asked about until the venue's answer leaves nothing open. Before that no other order is sent in its
place; the very same one is posted again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

from msgspec.structs import replace
from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.enums import OrderSide
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.exceptions import PolyApiException

from positions.model.durations import SECOND
from positions.model.trades import Settlement
from venues.polymarket.api import parsing
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.execution.live_orders import (
    CLOCK_MARGIN,
    GONE_SECONDS,
    POST_AGAIN_SECONDS,
    LiveOrder,
    LiveOrders,
)
from venues.polymarket.execution.market_trades import get_trades
from venues.polymarket.execution.order_fill_tracker import OrderUpdate, Overfill

_PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Seconds between two questions about an order whose fate is unknown."""
ANSWER_SECONDS = 2.0
"""How long an answer of the venue may take before it is asked for."""
_UNKNOWN_PAUSE = 1.0
"""The longest pause while an immediate order is unknown: an exit waits for it."""
APPEARS_AFTER = 5.0
"""Seconds after which an order that rests must be among the venue's open ones."""
UNLISTED_SECONDS = 20.0
"""How long the venue may not list a trade that the channel told, nor count it."""


class OrderReconciliation:
    """Asks the venue about orders."""

    def __init__(
        self,
        client: ClobClient,
        orders: LiveOrders,
        emit: Callable[[LiveOrder, list[OrderUpdate]], None],
        post: Callable[[LiveOrder], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        now_ns: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        self._client = client
        self._orders = orders
        self._emit = emit
        self._post_again = post
        self._spawn = spawn
        self._now_ns = now_ns
        self._warn = warn
        self.refuse = warn
        """Takes a line about a report that is refused."""
        self.heed: Callable[[str], None] = lambda _: None
        """Takes a line about a report that is read all the same; "" where there is nothing."""
        self.is_shared: Callable[[str], bool] = lambda _: False
        """Tells whether several positions are about an outcome, by its token."""

    # -- when to ask -------------------------------------------------------------------------------

    def reconcile(self, live: LiveOrder, after: float = 0.0) -> None:
        """Find out about an order, unless that is under way or all of it is known by then."""
        if not live.is_reconciling:
            live.is_reconciling = True
            self._spawn(self._run(live, after))

    def recheck(self, live: LiveOrder) -> None:
        """Ask about an order although it is over: a fill of it may have been missed."""
        live.is_reconciling = True
        self._spawn(self._query_again(live))

    async def reconcile_all(self) -> None:
        """Find out about every order of which something may have been missed."""
        for live in self._orders:
            if live.posted.is_set() and not live.is_settled:
                self.reconcile(live)

    def reconcile_overdue(self) -> None:
        """Find out about orders whose answer should have come by now."""
        for live in self._orders:
            if self._is_overdue(live):
                self.reconcile(live)

    def compare(self, matched: Mapping[str, Decimal]) -> None:
        """Reconcile orders that matched other amounts at the venue than here, and take those back
        that are over for us; `matched` has the shares of each open order, by its hash.
        """
        found = (self._orders.by_hash(venue_order_id) for venue_order_id in matched)
        strays = [o for o in found if o is not None and o.tracker.is_over]
        if strays:
            self._spawn(self._cancel_strays(strays))
        for live in self._orders:
            if not live.posted.is_set() or live.is_settled or _is_young(live):
                continue
            if (
                matched.get(live.venue_order_id) != live.tracker.matched
                or live.tracker.has_unsettled
            ):
                self.reconcile(live)

    async def _cancel_strays(self, strays: list[LiveOrder]) -> None:
        hashes = [o.venue_order_id for o in strays]
        self._warn(f"orders that are over, or told of falsely, are cancelled: {hashes}")
        try:
            await asyncio.to_thread(self._client.cancel_orders, hashes)
        except Exception as e:  # they are found again at the next look
            self._warn(f"they could not be cancelled: {describe_error(e)}")
        for live in strays:
            if not live.is_reconciling:
                self.recheck(live)  # it may have matched before

    def may_move(self, live: LiveOrder) -> bool:
        """Whether shares of an order may just have changed hands, or may not have after all."""
        is_open = not live.tracker.is_over
        under_way = live.tracker.has_unsettled or live.is_reconciling
        return under_way or (is_open and (live.is_immediate or _is_young(live)))

    def _is_overdue(self, live: LiveOrder) -> bool:
        if not live.posted.is_set() or live.tracker.is_over:
            return False
        now, cancelled = _now(), live.cancelled_at
        return (live.is_immediate and now - live.signed_at > ANSWER_SECONDS) or (
            cancelled is not None and now - cancelled > ANSWER_SECONDS
        )

    async def _run(self, live: LiveOrder, after: float) -> None:
        """Ask until the venue's answer leaves nothing open."""
        try:
            await asyncio.sleep(after)
            attempt, begun = 0, _now()
            while not live.is_settled:
                asked_at = _now()
                known = await self.query(live)
                if known:
                    live.is_unknown = False
                    if not live.tracker.lacks_trades:
                        return
                elif known is False and _is_worth_posting_again(live):
                    await self._post_again(live)
                elif known is False and attempt >= 2 and asked_at >= _gone_at(live, begun):
                    self.abandon(live)
                    return
                pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
                if live.is_unknown and live.is_immediate:
                    pause = min(pause, _UNKNOWN_PAUSE)
                until_gone = live.gone_at - _now()
                await asyncio.sleep(min(pause, until_gone) if until_gone > 0 else pause)
                attempt += 1
        finally:
            live.is_reconciling = False

    async def confirm_cancel(self, live: LiveOrder) -> None:
        """The reply to a cancel says that an order is over, and not what it had matched.

        What follows sells what is left at once. Where others have shares of that outcome, too, the
        venue would take theirs, and where it has told of more than its trades, it would refuse: it
        is asked first.
        """
        is_shared = self.is_shared(get_polymarket_token_id(live.order.instrument_id))
        if is_shared or live.tracker.lacks_trades:
            await self._await_end(live, ANSWER_SECONDS)  # an exit waits for it, and not for ever
            if is_shared and live.tracker.lacks_trades:  # what was reported sold is not there
                await self._await_end(live, GONE_SECONDS)
        self._emit(live, live.tracker.abandon(""))
        self.recheck(live)

    async def _await_end(self, live: LiveOrder, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not await self._is_end_known(live) or live.tracker.lacks_trades:
                    await asyncio.sleep(_PAUSES[0])

    async def _is_end_known(self, live: LiveOrder) -> bool:
        """Whether the venue tells what became of a cancelled order; not, where it tells of it as
        it was before."""
        known = await self.query(live)
        return known is False or (known is True and live.tracker.is_ended)

    async def _query_again(self, live: LiveOrder) -> None:
        try:
            # The sale that follows is under way by then, and is refused if it asks for what was
            # sold unheard; once more for a fill that the venue reports late.
            for after in (ANSWER_SECONDS / 8, ANSWER_SECONDS):
                await asyncio.sleep(after)
                pauses = chain(_PAUSES, repeat(_PAUSES[-1]))
                while await self.query(live) is None:
                    await asyncio.sleep(next(pauses))
            while live.unlisted:
                await asyncio.sleep(_PAUSES[-1])
                await self.query(live)
        finally:
            live.is_reconciling = False

    def abandon(self, live: LiveOrder) -> None:
        """Take an order for over that the venue does not know any more, or never did."""
        is_known = live.tracker.is_accepted or live.tracker.is_ended
        if live.is_unknown and not live.killed and not is_known:
            self._emit(live, live.tracker.apply_rejection("the venue never took it"))
        else:
            self._emit(live, live.tracker.abandon(live.killed or "gone from the venue"))

    # -- asking ------------------------------------------------------------------------------------

    async def query(self, live: LiveOrder) -> bool | None:
        """Ask about an order once: whether the venue has or had it; None if it did not answer."""
        try:
            order = await asyncio.to_thread(self._client.get_order, live.venue_order_id)
        except PolyApiException as e:
            if e.status_code != 404:
                return None
            order = None
        except Exception:
            return None
        try:
            if not isinstance(order, dict) or not order.get("id"):
                return await self._query_forgotten(live)
            matched = parsing.number(order, "size_matched")
            if matched != live.tracker.matched or live.tracker.has_unsettled:
                listed = await self._query_trades(live)
                self._take_back_unlisted(live, listed if matched < live.tracker.matched else None)
            self._emit(live, live.tracker.apply_acceptance())
            if not parsing.is_live(order):
                self._emit(live, live.tracker.apply_end(matched, parsing.status(order).lower()))
        except Unreadable as e:
            self.refuse(f"{live.id} could not be looked up: {describe_error(e)}")
            return None
        return True

    async def _query_forgotten(self, live: LiveOrder) -> bool:
        """The venue forgets orders that are over, and their trades stay; one that is new it may not
        know yet, which alone says nothing."""
        self._take_back_unlisted(live, await self._query_trades(live))
        if live.is_immediate and live.tracker.matched > Decimal(0):
            self.abandon(live)
        return live.tracker.is_over

    def _take_back_unlisted(self, live: LiveOrder, listed: set[str] | None) -> None:
        """Reverse what the channel told of an offer, and the venue has denied for long: neither its
        trades have it nor, unless it has forgotten the order, what that matched. What it offered is
        offered anew.

        Not of a buy: who believes too late that shares are there leaves them unprotected. `listed`
        is None where the venue says that the order matched as much as was told.
        """
        missing, now = [] if listed is None else live.tracker.unlisted(listed), _now()
        if live.order.side != OrderSide.SELL or live.is_immediate:
            return
        since = {t.id: live.unlisted.get(t.id, now) for t in missing}
        denied = [t for t in missing if now - since[t.id] >= UNLISTED_SECONDS]
        live.unlisted = {} if denied else since
        if not denied:
            return
        for trade in denied:
            self.refuse(f"trade {trade.id} of {live.id} is not among the venue's, and is reversed")
            failed = replace(trade, status=Settlement.FAILED)
            self._emit(live, live.tracker.apply_trade(failed))
        self._spawn(self._cancel_strays([live]))

    async def _query_trades(self, live: LiveOrder) -> set[str]:
        """Apply what the venue lists of an order's trades, named as `Trade.whole`."""
        age = int(_now() - live.signed_at) + CLOCK_MARGIN
        market = get_polymarket_condition_id(live.order.instrument_id)
        after = self._now_ns() // SECOND - age
        try:
            trades = await asyncio.to_thread(get_trades, self._client, market, after)
        except Exception as e:  # the client library fails in many ways at what is no JSON
            raise Unreadable(describe_error(e)) from None
        overfill: Overfill | None = None
        listed = set()
        for report in trades:
            if live.venue_order_id not in parsing.order_ids(report):
                continue  # whatever is wrong with it is no matter of this order
            self.heed(parsing.unknown_settlement(report))
            for trade in parsing.trades_of(live.venue_order_id, report):
                listed.add(trade.whole)
                try:
                    self._emit(live, live.tracker.apply_trade(trade))
                except Overfill as e:
                    overfill = e
        if overfill is not None:
            if not live.tracker.is_over:
                raise overfill
            self.refuse(f"{live.id}: {overfill}")
        return listed


def _is_worth_posting_again(live: LiveOrder) -> bool:
    """Whether the venue shall have another copy of an order whose fate is unknown."""
    is_new = _now() - live.signed_at < POST_AGAIN_SECONDS
    return is_new and live.is_unknown and not live.is_unwanted and live.post is not None


def _gone_at(live: LiveOrder, begun: float) -> float:
    """When nothing more is to be expected of an order that has been asked about since `begun`."""
    return begun + GONE_SECONDS if live.tracker.lacks_trades else live.gone_at


def _is_young(live: LiveOrder) -> bool:
    """Whether the venue may not report it yet."""
    return _now() - live.signed_at < APPEARS_AFTER


def _now() -> float:
    return asyncio.get_running_loop().time()
