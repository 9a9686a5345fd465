"""Reports of the venue that are refused: each is logged, and one a minute raises an alarm."""

from collections.abc import Callable

from positions.model.foreign_text import REASON_LENGTH, clean

ALARM_SECONDS = 60.0
"""Seconds between two alarms, however many reports are refused."""

HEEDED_MAX = 20
"""Texts about unknown words that are alarmed at most, whatever the venue makes up."""


class Refusals:
    """Log refused reports, and raise an alarm at a limited rate."""

    def __init__(
        self, warn: Callable[[str], None], alarm: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        self._warn = warn
        self._alarm = alarm
        self._now = now
        self._alarmed_at = float("-inf")
        self._unreported = 0
        self._heeded: set[str] = set()

    def heed(self, text: str) -> None:
        """Raise an alarm about something that is read all the same: once for each text."""
        if text and text not in self._heeded and len(self._heeded) < HEEDED_MAX:
            self._heeded.add(text)
            self._warn(text)
            self._alarm(text)

    def add(self, text: str) -> None:
        """Log one refusal; raise an alarm unless one was raised within the last minute."""
        text = clean(text, REASON_LENGTH)
        self._warn(text)
        now = self._now()
        if now - self._alarmed_at < ALARM_SECONDS:
            self._unreported += 1
            return
        others = f" (and {self._unreported} before it)" if self._unreported else ""
        self._alarmed_at, self._unreported = now, 0
        self._alarm(f"a report of the venue was refused: {text}{others}")
