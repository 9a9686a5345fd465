"""How long a role keeps still after its orders failed: each failure in a row doubles the pause.

An exit is tried again at once, and soon after; where the venue refuses it for a reason that lasts,
it is tried all the same, at a pace at which nothing is lost by it.
"""

from collections.abc import Mapping

from positions.model.durations import SECOND
from positions.model.position import BACKOFF_MAX, Backoff, Role
from positions.model.refusals import is_lasting
from positions.model.venue_mode import NOT_NOW

_BACKOFF = {
    Role.ENTRY: (SECOND, BACKOFF_MAX),
    Role.TARGET: (SECOND, BACKOFF_MAX),
    Role.STOP: (SECOND // 4, 5 * SECOND),
    Role.EXIT: (SECOND // 10, 2 * SECOND),
}
"""First and longest pause after a failure, by role."""
_LASTING = {
    Role.ENTRY: (BACKOFF_MAX, BACKOFF_MAX),
    Role.TARGET: (15 * SECOND, BACKOFF_MAX),
    Role.STOP: (SECOND // 4, 5 * SECOND),
    Role.EXIT: (2 * SECOND, 30 * SECOND),
}
"""The same after a refusal that lasts."""
TAKEN_OFF_PAUSE = 15 * SECOND
"""A target that is taken off the book unasked is put back after so long: its owner may have freed
the shares, to sell them on the website."""
TAKEN_OFF_AGAIN = 3600 * SECOND
"""Who takes it off again within this is the owner, and it stays off."""
_NOT_NOW = {
    Role.ENTRY: SECOND,
    Role.TARGET: SECOND,
    Role.STOP: SECOND // 4,
    Role.EXIT: SECOND // 10,
}
"""The pause after a refusal that is over as soon as the venue's mode is; it was long in coming."""
_REASON_CHARACTERS = 300


def pause_after(before: Backoff | None, role: Role, now: int, reason: str = "") -> Backoff:
    """The pause of `role` after one more failure, `reason` being the venue's words for it."""
    lasts = is_lasting(reason)
    first, longest = (_LASTING if lasts else _BACKOFF)[role]
    failures = 1 if before is None else before.failures + 1
    pause = min(longest, first * 2 ** min(failures - 1, 16))
    if reason.startswith(NOT_NOW):
        pause = _NOT_NOW[role]
    return Backoff(failures, now + pause, reason[:_REASON_CHARACTERS], lasts)


def calmed(backoffs: Mapping[Role, Backoff], role: Role) -> dict[Role, Backoff]:
    """The pauses without that of `role`, of which an order did what it should."""
    return {r: b for r, b in backoffs.items() if r is not role}
