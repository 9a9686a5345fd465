"""Our orders at the venue, by our id and by their hash."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order

from positions.model.position import Role
from venues.polymarket.execution.order_fill_tracker import OrderFillTracker

KEPT = 10_000
"""Orders that are over and still known, for what is said of them late."""
UNSETTLED_SECONDS = 60.0
CLOCK_MARGIN = 86_400
"""Seconds by which our clock may be ahead of the venue's, or may have been: trades are asked for
from so long before the order that may have made them."""
POST_AGAIN_SECONDS = 10.0
"""How long an order whose answer is lost is posted again, the same as it was signed."""
GONE_SECONDS = 15.0
"""How long the venue may not know an order that it has taken, or may yet take one that rests."""
LATE_SECONDS = {True: 5.0, False: 1.0}
"""The same for an immediate order whose answer is lost, by whether it timed out: who is slow to
answer may still be about to take it. Another order in its place waits for so long, while prices
run."""


def gone_seconds(*, is_immediate: bool, is_late: bool = True) -> float:
    """How long an order that the venue does not find may still come."""
    return LATE_SECONDS[is_late] if is_immediate else GONE_SECONDS


class LiveOrder:
    """An order of ours at the venue, signed at `now` by the event loop's clock.

    `shares` is its whole size, where Nautilus' order stands for what was left of it.
    """

    def __init__(
        self, order: Order, venue_order_id: str, now: float, shares: Decimal | None = None
    ) -> None:
        self.order = order
        self.venue_order_id = venue_order_id
        self.tracker = OrderFillTracker(order.quantity.as_decimal() if shares is None else shares)
        self.mark_submitted(now)
        self.cancelled_at: float | None = None
        self.posted = asyncio.Event()
        self.is_unwanted = False
        self.is_unknown = False
        """Whether nobody knows if the venue took it."""
        self.copies = 0
        """How many times it was posted without an answer that says what came of that."""
        self.is_reconciling = False
        self.unlisted: dict[str, float] = {}
        """Since when the venue has not listed a trade that was told, by the trade's id."""
        self.post: Callable[[], Any] | None = None
        """Posts it as it was signed; None where that is not known any more, or of no use."""
        self.killed = ""
        """Why a copy of it was killed, in the venue's words, while its fate was unknown."""

    @property
    def may_be_taken(self) -> bool:
        """Whether the venue has a copy of it, or may yet take one, whatever it says of another."""
        return self.copies > 0 or self.tracker.is_accepted

    @property
    def id(self) -> str:
        """Our id of it."""
        return str(self.order.client_order_id.value)

    @property
    def is_immediate(self) -> bool:
        """Whether it fills at once or is killed."""
        return bool(self.order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK))

    def mark_submitted(self, now: float) -> None:
        """It is on its way to the venue."""
        self.signed_at = now
        self.gone_at = now + GONE_SECONDS

    def mark_ambiguous(self, now: float, *, is_late: bool) -> None:
        """The answer to its POST is lost: nobody knows whether the venue took it, or will."""
        self.is_unknown = True
        self.gone_at = now + gone_seconds(is_immediate=self.is_immediate, is_late=is_late)

    def mark_inherited(self, now: float) -> None:
        """An earlier process sent it, and may have posted it again, up to its end before `now`."""
        late = gone_seconds(is_immediate=self.is_immediate)
        self.gone_at = min(now + late, self.signed_at + POST_AGAIN_SECONDS + late)

    def mark_refused(self, now: float, killed: str = "") -> None:
        """A copy was refused for good, or killed; another may have been taken, or will be."""
        self.post = None
        self.killed = killed
        if self.is_immediate and not killed:
            self.gone_at = now + LATE_SECONDS[True]

    def mark_accepted(self, now: float) -> None:
        """The venue has it, although it may not report it yet."""
        self.is_unknown = False
        self.gone_at = now + GONE_SECONDS

    def mark_duplicate(self, now: float) -> None:
        """The venue had it before: an immediate one may be over without a trace."""
        self.is_unknown = False
        self.gone_at = now + gone_seconds(is_immediate=self.is_immediate)

    @property
    def role(self) -> Role:
        """What it is for."""
        return Role(self.order.tags[0])

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is expected of it, nor of its trades."""
        return self.tracker.is_over and not self.tracker.has_unsettled

    @property
    def leaves(self) -> Decimal:
        """Shares that may still be filled."""
        return self.tracker.shares - self.tracker.matched


class LiveOrders:
    """All orders that this process has signed or taken over."""

    def __init__(self) -> None:
        self._by_hash: dict[str, LiveOrder] = {}
        self._by_id: dict[str, LiveOrder] = {}
        self._resting: dict[str, dict[str, LiveOrder]] = {}
        """By market: those that rest, or will."""
        self.foreign: frozenset[str] | None = None
        """Outcomes with orders that the owner placed elsewhere; None where that is not known."""

    def __iter__(self) -> Iterator[LiveOrder]:
        return iter(list(self._by_hash.values()))

    def add(self, live: LiveOrder) -> None:
        """Keep an order."""
        self._by_hash[live.venue_order_id] = live
        self._by_id[live.id] = live
        if not live.is_immediate:
            market = get_polymarket_condition_id(live.order.instrument_id)
            self._resting.setdefault(market, {})[live.venue_order_id] = live

    def resting(
        self, instrument_id: InstrumentId
    ) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        """Shares by price that we have on the book of an outcome: bids, and asks.

        A bid for the other outcome is an ask here, and the other way round.
        """
        sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        found = self._resting.get(get_polymarket_condition_id(instrument_id), {})
        for venue_order_id, live in list(found.items()):
            if live.tracker.is_over:
                del found[venue_order_id]
                continue
            price, is_sale = live.order.price.as_decimal(), live.order.side == OrderSide.SELL
            if live.order.instrument_id != instrument_id:
                price, is_sale = 1 - price, not is_sale
            side = sides[is_sale]
            side[price] = side.get(price, Decimal(0)) + live.leaves
        return sides

    def by_hash(self, venue_order_id: str) -> LiveOrder | None:
        """The order that the venue knows by this hash, if it is ours."""
        return self._by_hash.get(venue_order_id)

    def by_id(self, order_id: str) -> LiveOrder | None:
        """The order that we know by this id, if it was ever signed."""
        return self._by_id.get(order_id)

    def are_all_unwanted(self, token: str) -> bool:
        """Whether every order of an outcome that may rest is to be cancelled, the owner's own
        among them."""
        if self.foreign is None or token in self.foreign:
            return False
        return all(
            o.is_unwanted or o.tracker.is_over
            for o in self
            if get_polymarket_token_id(o.order.instrument_id) == token
        )

    def forget(self, now: float) -> None:
        """Drop the oldest of those that are over, beyond what is kept."""
        for venue_order_id, live in list(self._by_hash.items()):
            if len(self._by_hash) <= KEPT:
                return
            if live.tracker.is_over and live.signed_at < now - UNSETTLED_SECONDS:
                del self._by_hash[venue_order_id]
                del self._by_id[live.id]
