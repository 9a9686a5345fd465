"""Holds orders back while the venue takes none of their kind.

An exit that cannot be taken yet is held for a few seconds, and sent the moment the venue takes
orders again: one exit in a while goes out as a probe, the others wait for what becomes of it. What
was held too long is given back, so that it is priced anew.
"""

import asyncio
import contextlib
from collections.abc import Callable

from nautilus_trader.model.enums import OrderSide

from positions.model.durations import SECOND
from positions.model.venue_mode import NORMAL, NOT_NOW, Taking, VenueMode
from venues.polymarket.api.modes import ToldMode
from venues.polymarket.execution.live_orders import LiveOrder

HOLD_SECONDS = 5.0
"""How long an exit is held at most; its limit is as old by then."""
PROBE_SECONDS = 2.0
"""Between two probes while the venue says when the mode ends; near its end, `NEAR_SECONDS`."""
NEAR_SECONDS = 0.25
UNTOLD_SECONDS = (0.25, 1.0)
"""First and longest pause between two probes where it does not say."""
_LASTS = 10.0
"""How long a mode is believed of which no end is told."""
_WALLET_LASTS = 900.0
_SAME_SECONDS = 5.0
"""Told ends that differ by less are the same."""


class ModeGate:
    """Knows the venue's mode, and who may post in it.

    Parameters
    ----------
    publish
        Takes the mode when it changes.
    now_ns
        The time, for when a mode ends.
    """

    def __init__(self, publish: Callable[[VenueMode], None], now_ns: Callable[[], int]) -> None:
        self._publish = publish
        self._now_ns = now_ns
        self._told: ToldMode | None = None
        self._mode = NORMAL
        self._ends_at = 0.0
        self._probed_at = 0.0
        self._probes = 0
        self._opened = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def why(self) -> str:
        """Why an order was not let through."""
        return f"{NOT_NOW}{self._mode}"

    def note(self, told: ToldMode) -> None:
        """An answer tells of a mode."""
        if told.is_of_wallet and self._told is not None and not self._told.is_of_wallet:
            return  # the venue's own comes first
        now = _now()
        self._probes = self._probes + 1 if self._is_same(told) else 0
        lasts = told.seconds or (_WALLET_LASTS if told.is_of_wallet else _LASTS)
        is_later = abs(now + lasts - self._ends_at) > _SAME_SECONDS
        self._ends_at, self._probed_at = now + lasts, now
        until = self._now_ns() + int(told.seconds * SECOND) if told.seconds else None
        if not self._is_same(told) or (is_later and until is not None):
            self._tell(VenueMode(told.text, told.taking, until))
        self._told = told
        self._opened.clear()
        self._set_timer(lasts)

    def took(self, live: LiveOrder) -> None:
        """An order came as far as the book: whatever mode kept such orders away is over."""
        if self._told is None:
            return
        is_told_of_buys = self._told.is_of_wallet
        if is_told_of_buys and live.order.side != OrderSide.BUY:
            return
        if self._told.taking is Taking.POST_ONLY and live.order.is_post_only:
            return
        self._end()

    async def admits(self, live: LiveOrder) -> bool:
        """Whether an order may be posted; an exit is held first, if need be."""
        begun = _now()
        while not self._takes(live):
            now, due = _now(), self._probed_at + self._pause()
            if now >= due and live.is_immediate:
                self._probed_at = now
                return True
            held_until = begun + HOLD_SECONDS
            if not live.is_immediate or now >= held_until:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(held_until, due) - now):
                    await self._opened.wait()
        return True

    def _is_same(self, told: ToldMode) -> bool:
        return self._told is not None and self._told.text == told.text

    def _takes(self, live: LiveOrder) -> bool:
        if self._told is None or self._told.taking is Taking.ALL:
            return True
        return self._told.taking is Taking.POST_ONLY and bool(live.order.is_post_only)

    def _pause(self) -> float:
        assert self._told is not None
        if not self._told.seconds:
            first, longest = UNTOLD_SECONDS
            return min(first * 2 ** min(self._probes, 4), longest)
        is_near = self._ends_at - _now() <= 2 * PROBE_SECONDS
        return NEAR_SECONDS if is_near else PROBE_SECONDS

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._end)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._told = self._timer = None
        self._opened.set()
        self._tell(NORMAL)

    def _tell(self, mode: VenueMode) -> None:
        if mode != self._mode:
            self._mode = mode
            self._publish(mode)


def _now() -> float:
    return asyncio.get_running_loop().time()
