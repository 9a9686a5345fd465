"""Raises an alarm when time did not pass as it should: a machine that slept, a clock that was set,
a node that stood still. Each means that stops may have been missed, or that times are wrong.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from actors.every_second import EVERY_SECONDS, EverySecond

STILL_SECONDS = 5.0
"""A node that was not served for so long has stood still."""
SLEPT_SECONDS = 2.0
SET_SECONDS = 1.0
STAYS_SECONDS = 600.0
"""How long the alarm stays open, so that a person who looks in later sees it."""


class Moment(Struct, frozen=True):
    """One moment on three clocks, in seconds."""

    wall: float
    """What people call the time; it can be set."""
    boot: float
    """Since the machine was switched on."""
    awake: float
    """The same without what the machine slept."""


def now() -> Moment:
    """This moment. Where sleep looks like a set clock, it is taken for one."""
    awake = time.monotonic()
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else awake
    return Moment(time.time(), boot, awake)


def what_happened(before: Moment, after: Moment) -> str | None:
    """What was wrong with the time between two moments; None = nothing."""
    awake = after.awake - before.awake
    slept = after.boot - before.boot - awake
    jumped = (after.wall - before.wall) - (after.boot - before.boot)
    changes = []
    if slept > SLEPT_SECONDS:
        changes.append(f"the machine slept for {slept:.0f} s")
    if awake - EVERY_SECONDS > STILL_SECONDS:
        changes.append(f"the node stood still for {awake - EVERY_SECONDS:.0f} s")
    if abs(jumped) > SET_SECONDS:
        way = "forward" if jumped > 0 else "back"
        changes.append(f"the clock was set {way} by {abs(jumped):.1f} s")
    if not changes:
        return None
    was_away = slept > SLEPT_SECONDS or awake - EVERY_SECONDS > STILL_SECONDS
    return " and ".join(changes) + ("; nothing was sold meanwhile" if was_away else "")


class ClockWatch(EverySecond):
    """Compares the clocks once a second; `alarm` opens an alarm with a text, or ends it with ""."""

    def __init__(self, alarm: Callable[[str], None], read: Callable[[], Moment] = now) -> None:
        super().__init__("ClockWatch", self.look)
        self._alarm = alarm
        self._read = read
        self._last: Moment | None = None
        self._ends_at: float | None = None

    def look(self) -> None:
        """Compare this moment with the last one."""
        moment, last = self._read(), self._last
        self._last = moment
        text = None if last is None else what_happened(last, moment)
        if text is not None:
            self._alarm(text)
            self._ends_at = moment.boot + STAYS_SECONDS
        elif self._ends_at is not None and moment.boot >= self._ends_at:
            self._ends_at = None
            self._alarm("")
