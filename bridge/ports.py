"""What the strategy needs of others: a record, and somebody who finds markets."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from positions.engine.adoption import Holding
from positions.engine.effects import Alarm, Answer, Step
from positions.model.position import Order


class Journal(Protocol):
    """Where the strategy records what happens, before and after it acts."""

    def together(self) -> AbstractContextManager[None]:
        """What is recorded inside is on disk as a whole, or not at all."""

    def step(self, step: Step, on_commit: Callable[[], None] | None = None) -> None:
        """Record a step; call back once it is on disk."""

    def answer(self, answer: Answer) -> None:
        """Record a reply and, once it is on disk, give it."""

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm, and tell it."""

    def halted(self, halted: bool) -> None:
        """Record whether new entries are off."""

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Record, at once, what the venue may soon know a sale by."""

    def step_signed(self, step: Step) -> None:
        """Record the step of a sale that `signed` noted."""


class Holdings(Protocol):
    """Tells what the wallet has of an outcome, whoever bought it."""

    def look(self, instrument_id: InstrumentId, tell: Callable[[Holding], None]) -> None:
        """Tell it at once, or when the venue has said it."""


class Finder(Protocol):
    """Finds markets while the node runs, and makes them known to it."""

    async def find(self, name: str) -> list[BinaryOption]:
        """The outcomes of the market of a slug, condition id or address; none if there is none.

        Raises
        ------
        RuntimeError
            If the venue did not answer.
        """
