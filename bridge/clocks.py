"""What time it is."""

import time

from nautilus_trader.common.component import Clock, LiveClock


def now_ns(clock: Clock) -> int:
    """The time of a clock, in nanoseconds; of a live one that of the wall clock.

    Nautilus' live clock never goes back: where the wall clock is set back by an hour it stands
    still for an hour, and no pause would end.
    """
    return time.time_ns() if isinstance(clock, LiveClock) else int(clock.timestamp_ns())
