"""Looks at the wallet every now and then: money, open orders, and shares of what is held.

What the user channel did not report is found then, and so is what the owner does elsewhere: where
the wallet has not the shares beside ours that it had, its trades are read. All of
the connections are used now and then, too, so that the venue keeps them.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal

from nautilus_trader.adapters.polymarket.common.symbol import get_polymarket_token_id

from bridge.venue_messages import WalletView
from positions.engine.adoption import Holding
from positions.engine.engine import Engine
from positions.model.position import ZERO
from venues.polymarket.api.clob import BalanceReader, keep_warm
from venues.polymarket.api.errors import describe_error
from venues.polymarket.execution.live_orders import LiveOrders
from venues.polymarket.execution.open_orders import cost_of_buys, read_open_orders
from venues.polymarket.execution.order_reconciliation import OrderReconciliation

WALLET_SECONDS = {True: 5.0, False: 1.0}
"""Seconds between two looks, by whether the user channel is up."""
FAILED_LOOKS = 5
"""So many looks in a row that fail are told as an alarm."""
_SEVERAL_SECONDS = 0.25
"""What is told of several trades needs one look."""
LISTED_SECONDS = 180.0
"""Between two reads of the list of what the wallet can redeem."""
PING_EVERY = 4
"""Looks between two uses of all connections."""


class WalletWatch:
    """Looks at one wallet until cancelled.

    `look_at` reads shares and trades of an outcome; None while some of that is under way. `trouble`
    is told why nothing can be read for a while, and "" once it can be, also the first time.
    """

    def __init__(
        self,
        balances: BalanceReader,
        orders: LiveOrders,
        reconciliation: OrderReconciliation,
        refresh_money: Callable[[], Awaitable[None]],
        is_channel_up: Callable[[], bool],
        publish: Callable[[WalletView], None],
        warn: Callable[[str], None],
        look_at: Callable[[str], Awaitable[Holding | None]],
        trouble: Callable[[str], None],
    ) -> None:
        self._balances = balances
        self._orders = orders
        self._reconciliation = reconciliation
        self._refresh_money = refresh_money
        self._is_channel_up = is_channel_up
        self._publish = publish
        self._warn = warn
        self._look_at = look_at
        self._trouble = trouble
        self._failed_looks = 0
        self._is_troubled = True
        """What a start could not read is over with the first look that succeeds."""
        self.is_taken_over = asyncio.Event()
        """Set once the orders of an earlier process are known: until then they look foreign."""
        self.held: Callable[[], Mapping[str, Decimal]] = dict
        """Gives the shares held of each outcome, for a look at whether the wallet has them."""
        self._paid_out: Callable[[], Mapping[str, Decimal]] = dict
        self._payouts: dict[str, Decimal] = {}
        self._list_paying: Callable[[], Awaitable[dict[str, Decimal]]] | None = None
        self._listed: dict[str, Decimal] = {}
        """What a share pays of outcomes that the wallet can redeem, by the venue's own list: what
        an earlier process held to the end is known by it alone."""
        self.redeemable = ZERO
        """What shares of resolved outcomes pay, in USDC, until their owner has redeemed them."""
        self._has_more: set[str] = set()
        """Outcomes of which the wallet has more than is held: the rest is its owner's."""
        self._beside: dict[str, Decimal] = {}
        """The shares beside ours, or lacking, when trades of an outcome were last read."""
        self._unread: set[str] = set()
        """Outcomes that the owner was heard to trade, and of which no trades were read since."""
        self._heard = asyncio.Event()

    def watch(
        self, engine: Engine, list_paying: Callable[[], Awaitable[dict[str, Decimal]]]
    ) -> None:
        """Know from now on what is held, and by how many, and what else the wallet can redeem."""
        self.held, self._paid_out = engine.held_shares, engine.paid_out
        self._list_paying = list_paying
        self._reconciliation.is_shared = lambda token: (
            token in self._has_more or engine.is_shared(token)
        )

    async def run(self) -> None:
        """Keep the connections open, and look."""
        await self.is_taken_over.wait()
        listing = asyncio.create_task(self._follow_list())  # a look does not wait for it
        try:
            await self._look_for_ever()
        finally:
            listing.cancel()

    async def _follow_list(self) -> None:
        while True:
            await self._read_list()
            await asyncio.sleep(LISTED_SECONDS)

    async def _read_list(self) -> None:
        if self._list_paying is not None:
            with suppress(Exception):  # it is read again before long
                self._listed = await self._list_paying()

    async def _look_for_ever(self) -> None:
        for beat in itertools.count():
            try:
                if beat % PING_EVERY == 0:
                    await keep_warm(self._balances.client)
                await self._look()
                await self._look_at_resolved(is_due=beat % PING_EVERY == 0)
                self._count(None)
            except Exception as e:
                self._count(e)
            # What was heard of and is not settled yet is looked at as if the channel were down.
            seconds = WALLET_SECONDS[self._is_channel_up() and not self._unread]
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._heard.wait()
                await asyncio.sleep(_SEVERAL_SECONDS)
            self._heard.clear()

    def _count(self, error: Exception | None) -> None:
        """Tell of looks that fail several times in a row, and of the first that does not."""
        if error is not None:
            self._failed_looks += 1
            text = f"the wallet could not be read: {describe_error(error)}"
            self._warn(text)
            if self._failed_looks == FAILED_LOOKS:
                self._is_troubled = True
                self._trouble(text)
            return
        self._failed_looks = 0
        if self._is_troubled:
            self._is_troubled = False
            self._trouble("")

    def heard(self, token: str) -> None:
        """The owner traded an outcome elsewhere: look now, if it is one of which we hold some."""
        if token in self.held():
            self._beside.pop(token, None)
            self._unread.add(token)
            self._heard.set()

    async def _look(self) -> None:
        await self._refresh_money()
        refused: list[str] = []
        orders = await read_open_orders(self._balances.client, refused.append)
        for text in refused:
            self._reconciliation.refuse(text)
        self._reconciliation.compare({h: o.matched for h, o in orders.items()})
        foreign = [o for h, o in orders.items() if self._orders.by_hash(h) is None]
        # An order that makes no sense may be its owner's, of any outcome.
        self._orders.foreign = None if refused else frozenset(o.outcome_id for o in foreign)
        balances, moving = await self._read_balances()
        holdings = await self._read_holdings(balances)
        told = {token: n for token, n in balances.items() if token not in moving}
        self._publish(WalletView(len(foreign), cost_of_buys(foreign), told, holdings))

    async def _look_at_resolved(self, *, is_due: bool) -> None:
        """Look whether the wallet still has shares that pay; at once where another outcome does."""
        new = {token: n for token, n in self._paid_out().items() if token not in self._payouts}
        if not (new or (is_due and (self.redeemable or self._listed))):
            return
        payouts, held = self._payouts | new, self.held()
        worth = [await self._balances.read(token) * n for token, n in payouts.items()]
        for token, n in self._listed.items():
            if token in payouts or token in held:  # counted already
                continue
            with suppress(Exception):  # the venue may list what it has no balance of
                worth.append(await self._balances.read(token) * n)
        self._payouts, self.redeemable = payouts, sum(worth, ZERO)

    async def _read_holdings(self, balances: dict[str, Decimal]) -> dict[str, Holding]:
        """What the wallet has, and by which trades, where it has not beside ours what it had.

        Their balances say nothing yet: what trades tell of comes first, also when it is settled.
        """
        held, found = self.held(), {}
        self._beside = {token: n for token, n in self._beside.items() if token in held}
        for token, balance in list(balances.items()):
            beside = balance - held.get(token, ZERO)
            if self._beside.get(token) == beside:
                continue
            try:
                holding = await self._look_at(token)
            except Exception as e:  # the balance alone is told
                self._warn(f"the wallet's trades could not be read: {describe_error(e)}")
                continue
            del balances[token]
            if holding is not None:
                found[token], self._beside[token] = holding, beside
        self._unread &= held.keys() - found.keys()
        return found

    async def _read_balances(self) -> tuple[dict[str, Decimal], set[str]]:
        """Shares of the outcomes that are held, and those of which a trade may be under way."""
        moving = {
            get_polymarket_token_id(o.order.instrument_id)
            for o in self._orders
            if self._reconciliation.may_move(o)
        }
        balances = {}
        for token, held in self.held().items():
            balance = await self._balances.read(token)
            if balance < held and token not in moving:
                await self._balances.refresh(token)  # it reports what it last read
                balance = await self._balances.read(token)
            balances[token] = balance
            (self._has_more.add if balance > held else self._has_more.discard)(token)
        return balances, moving
