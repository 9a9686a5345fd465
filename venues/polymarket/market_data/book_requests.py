"""Asks anew for what could not be read or is doubted: soon, together, and not too often."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from nautilus_trader.model.identifiers import InstrumentId

_SOON = 0.1
"""Seconds in which questions are collected: a doubt may be over by then."""
_GAP_MIN, _GAP_MAX = 1.0, 10.0
"""Seconds between two questions for the same outcome. Each that was in vain doubles them."""


class BookRequests:
    """Requests for the books of outcomes; `ask` reads them, and does not raise."""

    def __init__(
        self, ask: Callable[[list[InstrumentId]], Awaitable[None]], now: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._now = now
        self._wanted: dict[InstrumentId, None] = {}
        self._sent_at: dict[InstrumentId, float] = {}
        self._gaps: dict[InstrumentId, float] = {}
        self._is_running = False

    def add(self, ids: Iterable[InstrumentId]) -> bool:
        """Put outcomes on the list; whether `run` must be called for that."""
        self._wanted |= dict.fromkeys(ids)
        is_needed = bool(self._wanted) and not self._is_running
        self._is_running = self._is_running or is_needed
        return is_needed

    def mark_answered(self, instrument_id: InstrumentId, *, is_news: bool) -> None:
        """A book was read; whether that changed anything."""
        gap = self._gaps.get(instrument_id, _GAP_MIN)
        self._gaps[instrument_id] = _GAP_MIN if is_news else min(2 * gap, _GAP_MAX)

    def sent_at(self, instrument_id: InstrumentId) -> float | None:
        """When a book was last asked for, by whomever."""
        return self._sent_at.get(instrument_id)

    def mark_sent(self, ids: Iterable[InstrumentId]) -> None:
        """Books are being asked for."""
        now = self._now()
        for instrument_id in ids:
            self._wanted.pop(instrument_id, None)
            self._sent_at[instrument_id] = now

    async def run(self) -> None:
        """Ask until nothing is on the list."""
        try:
            while self._wanted:
                await asyncio.sleep(_SOON)
                due = [i for i in self._wanted if self._is_due(i)]
                if due:
                    await self._ask(due)
        finally:
            self._is_running = False

    def _is_due(self, instrument_id: InstrumentId) -> bool:
        sent_at = self._sent_at.get(instrument_id)
        gap = self._gaps.get(instrument_id, _GAP_MIN)
        return sent_at is None or self._now() - sent_at >= gap
