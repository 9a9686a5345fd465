"""How long a role keeps still after its orders failed: each failure in a row doubles the pause."""

from collections.abc import Mapping

from positions.model.durations import SECOND
from positions.model.position import BACKOFF_MAX, Backoff, Role

_BACKOFF = {
    Role.ENTRY: (SECOND, BACKOFF_MAX),
    Role.TARGET: (SECOND, BACKOFF_MAX),
    Role.STOP: (SECOND // 4, 5 * SECOND),
    Role.EXIT: (SECOND // 4, 5 * SECOND),
}
"""First and longest pause after a failure, by role."""


def pause_after(before: Backoff | None, role: Role, now: int) -> Backoff:
    """The pause of `role` after one more failure."""
    first, longest = _BACKOFF[role]
    failures = 1 if before is None else before.failures + 1
    pause = min(longest, first * 2 ** min(failures - 1, 16))
    return Backoff(failures, now + pause)


def calmed(backoffs: Mapping[Role, Backoff], role: Role) -> dict[Role, Backoff]:
    """The pauses without that of `role`, of which an order did what it should."""
    return {r: b for r, b in backoffs.items() if r is not role}
