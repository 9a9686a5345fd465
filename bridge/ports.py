"""The interfaces that the strategies use and others implement."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Protocol

from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.orders import Order as NautilusOrder

from positions.engine.adoption import Holding
from positions.engine.effects import Alarm, Answer, Step
from positions.engine.recovery import Recovery
from positions.model.position import Order
from positions.storage.resume import EarlierState

Signed = Callable[[str, str, Callable[[bool], None]], None]
"""Called with an order's id and hash before it is posted; calls back whether it may be."""


class Journal(Protocol):
    """Records what happens."""

    def together(self) -> AbstractContextManager[None]:
        """Commit what is recorded inside as one transaction."""

    def step(
        self,
        step: Step,
        on_commit: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Record a step; call back once it is on disk, or can never be; by default alike."""

    def answer(self, answer: Answer) -> None:
        """Record a reply and, once it is on disk, publish it."""

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm, and publish it."""

    def halted(self, halted: bool) -> None:
        """Record whether trading is halted: no new entries."""

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Record the hash of a sale at once, before it is posted."""

    def step_signed(self, step: Step) -> None:
        """Record the step of a sale whose hash `signed` recorded."""


class Holdings(Protocol):
    """Reads what the wallet has of an instrument, foreign trades included, and its cash anew."""

    def request_holding(
        self, instrument_id: InstrumentId, on_holding: Callable[[Holding], None]
    ) -> None:
        """Call `on_holding` at once, or when the venue has answered."""

    def refresh_cash(self, then: Callable[[], None]) -> None:
        """Have the venue read the cash anew, as far as it answers, and go on."""


class EarlierOrders(Protocol):
    """Reads from the venue what became of the orders of an earlier process."""

    async def recover(self, earlier: EarlierState, now: int) -> Recovery:
        """The events of these positions' orders since they were recorded."""

    def payouts(self) -> Mapping[str, Decimal]:
        """What resolved outcomes pay, by outcome id."""

    def adopt(self, orders: Sequence[tuple[NautilusOrder, Order]]) -> None:
        """Go on with the orders that rest at the venue, as Nautilus and as we have them."""


class Finder(Protocol):
    """Finds markets while the node runs, and lists them at its clients."""

    async def find(self, name: str) -> list[BinaryOption]:
        """The outcomes of the market of a slug, an id or an address; none if there is none.

        Raises RuntimeError if the venue did not answer, SeveralMarkets if it names an event.
        """
