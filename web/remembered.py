"""Answers of the venue that are kept for a while: however many ask, it is asked once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable

from msgspec import Struct

KEYS_MAX = 200
"""So many answers are kept at most; the oldest is given up first."""


class _Kept[V](Struct, frozen=True):
    at: float
    answer: asyncio.Task[V]


class Remembered[V]:
    """Answers by key, each for so many seconds; a failure is kept as long as an answer."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._kept: dict[Hashable, _Kept[V]] = {}

    async def get(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        """The answer that is kept, or that is on its way, or a new one; raises what `load` does."""

        async def loaded() -> V:
            return await load()

        kept = self._kept.get(key)
        if kept is None or self._clock() - kept.at >= self._seconds:
            self._kept.pop(key, None)
            while len(self._kept) >= KEYS_MAX:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[key] = _Kept(self._clock(), asyncio.create_task(loaded()))
        return await asyncio.shield(kept.answer)
