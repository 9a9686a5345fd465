"""What makes one view of the venue newer than another. Every reader of the venue goes by this page.

- **A book** is as old as the time that the venue gives it, on the channel and in REST alike. A
  frame of the channel that is older than the newest received of its outcome changes nothing; of
  equal times the one that arrives later is newer. A book that is read counts unless it is older
  than what was known when it was requested; what the channel reported while it was being read is
  changed in it where it is not older than the book itself. An older book counts only where it has
  the very best prices that the newest frame stated and ours has not: it has what was lost. Where a
  time is missing or is none that can be (`venue_time`), the order of arrival counts, and for what
  is read the order in which it was requested.
- **A tick** is as old as its message. The answer to a question for it has no time: it counts unless
  the channel reported a tick while it was asked for. A book that is read states its tick with its
  time.
- **A trade** that is older than the newest received of its outcome is not the last one.
- **A resolution** has no age: it is publishable once two sources report the same (`resolutions`).
- **A balance** has no time: it counts by the order of reading, and for what changed hands
  shortly before it was read not at all (`positions.engine.balances`).
- **An order** only goes on: what it has matched never shrinks, a trade that failed stays failed,
  and what has ended stays so (`order_fill_tracker`). No time is compared.

Times are milliseconds of the venue's clock, compared with one another alone; pure.
"""

from typing import Any

AHEAD_MS = 5_000
"""A time that is further ahead of our clock is none: one frame of the year 5000 would make all that
follow old."""
_FIRST_MS = 1_500_000_000_000
"""The venue is not as old as this."""
_DIGITS = 13


def venue_time(value: Any, now_ms: int) -> int | None:
    """The time that a message states in digits or as a number; None where it can be none."""
    text = str(value)
    if len(text) != _DIGITS or not text.isascii() or not text.isdigit():
        return None
    at = int(text)
    return at if _FIRST_MS <= at <= now_ms + AHEAD_MS else None


class NewestTime:
    """The newest time that was received of one thing."""

    def __init__(self) -> None:
        self.at = 0

    def advance(self, at: int | None) -> bool:
        """Take what is reported at a time; whether it is no older than what was received before."""
        if self.is_after(at):
            return False
        self.at = self.at if at is None else at
        return True

    def is_after(self, at: int | None) -> bool:
        """Whether something newer than that was received."""
        return at is not None and at < self.at
