"""The shares that the venue says the wallet has, held against those that are recorded. Pure."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from positions.model.durations import SECOND
from positions.model.events import AnyEvent, Disputed, Reconciled
from positions.model.position import ZERO, Position, Role

BALANCE_LAG = 60 * SECOND
"""How long the venue's balance of an outcome may lack shares that were bought: it is a copy of what
the chain says, and users have seen sales of just-bought shares refused for a while."""


def may_lag(holders: Iterable[Position], balance: Decimal, moved_at: int, now: int) -> bool:
    """Whether the venue's balance may still lack shares that changed hands at a time.

    Once a sale of more was refused, it is believed, so that what is there is sold; if that is
    nothing, the sale of all is tried again all the same. A clock that was set back since puts
    nothing off.
    """
    is_refused = any(Role.EXIT in p.pacing.backoffs for p in holders)
    return 0 <= now - moved_at < BALANCE_LAG and not (is_refused and balance > 0)


def compare(
    holders: Iterable[Position], balance: Decimal, now: int
) -> Iterator[tuple[str, AnyEvent]]:
    """What follows from the shares that the wallet has of the outcome that these positions hold.

    Where they are fewer than recorded, the oldest positions are served first, and what the others
    lack is disputed: the owner has sold it elsewhere, or the record is wrong.
    """
    holders = sorted(holders, key=lambda p: (p.created_at, p.id))
    total, left = sum((p.held for p in holders), ZERO), balance
    for p in holders:
        missing = max(p.held - left, ZERO) if p.held > 0 else ZERO
        left -= max(p.held, ZERO) - missing
        if missing > 0:
            reason = f"the venue has {balance:f} of {total:f} shares"
            if (p.decision.dispute, p.decision.missing) != (reason, missing):
                yield p.id, Disputed(time=now, reason=reason, missing=missing)
        elif p.decision.dispute is not None and p.held >= 0:
            yield p.id, Reconciled(time=now)
