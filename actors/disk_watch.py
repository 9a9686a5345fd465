"""Raises an alarm when what works beside the event loop fails for a while, or hangs."""

from collections.abc import Callable, Mapping

LOOKS = 5
"""Looks in a row, one a second, that find the same trouble before it is told."""


class DiskWatch:
    """Looks once a second at the disk's helpers, threads and descriptors.

    Parameters
    ----------
    troubles
        By what goes wrong: tells why it does, "" while all is well.
    tell
        Told what goes wrong, and why; "" once it does not any more.
    """

    def __init__(
        self, troubles: Mapping[str, Callable[[], str]], tell: Callable[[str, str], None]
    ) -> None:
        self._troubles = troubles
        self._tell = tell
        self._looks = dict.fromkeys(troubles, 0)

    def look(self) -> None:
        """Count for how long each has failed, and tell of those that do for long."""
        for what, trouble in self._troubles.items():
            why = trouble()
            looks = self._looks[what]
            self._looks[what] = looks + 1 if why else 0
            if self._looks[what] == LOOKS or (looks >= LOOKS and not why):
                self._tell(what, why)
