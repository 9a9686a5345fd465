"""The alarms about a position: derived from its state, never kept beside it.

An alarm is open for as long as its condition holds, so it can neither be forgotten nor stay behind.
"""

from collections.abc import Iterable

from positions.model.foreign_text import clean
from positions.model.position import OVER, Backoff, Phase, Position, Role
from positions.model.refusals import what_to_do
from positions.model.venue_mode import NOT_NOW
from positions.model.venue_rules import Obstacle

_OBSTACLE = {
    Obstacle.NO_BID: "the book has no bid",
    Obstacle.BELOW_FLOOR: "all bids are below the floor",
    Obstacle.BELOW_MINIMUM: "at this bid the shares are worth less than $1",
}
_REFUSED = {
    Role.ENTRY: "the entry was refused or taken off the book",
    Role.TARGET: "the target was refused or taken off the book",
    Role.STOP: "the stop could not be armed",
    Role.EXIT: "the sale was refused",
}


def open_alarms(p: Position) -> dict[str, str]:
    """The open alarms of a position: kind -> its text."""
    if p.phase in OVER:
        return {}
    where = f"{p.market} {p.outcome}"
    alarms = {}
    if p.phase is Phase.DISPUTED or p.decision.dispute is not None:
        why = p.decision.dispute or f"sold {p.ledger.sold} of {p.ledger.bought} bought"
        alarms["disputed"] = f"{where}: the record and the venue disagree: {why}{_what_to_do(p)}"
    if p.decision.stuck is not None and p.phase is Phase.WAITING:
        alarms["waiting"] = (
            f"{where}: {p.held} shares cannot be sold: {_OBSTACLE[p.decision.stuck]}"
        )
    elif p.decision.no_bid:
        alarms["no_bid"] = f"{where}: the book has no bid; {p.held} shares stay protected"
    if p.decision.targets_off and p.held > 0:
        alarms["target_off"] = (
            f"{where}: the target was taken off the book again, and stays off;"
            f" `polybracket amend {p.id[-8:]} --target` puts one there"
        )
    for role, backoff in p.pacing.backoffs.items():
        if role is Role.TARGET and p.decision.targets_off:
            continue
        if role is Role.ENTRY and backoff.is_lasting:
            continue  # it ends, and with it the position perhaps: see `refused_for_good`
        if backoff.reason.startswith(NOT_NOW):
            continue  # the venue's mode is alarmed, once for all positions
        alarms[f"{role}_refused"] = f"{where}: {_refusal(role, backoff)}"
    return alarms


def _what_to_do(p: Position) -> str:
    if p.decision.missing <= 0:
        return ""
    return (
        f"; if you sold {p.decision.missing:f} at P, say `polybracket close {p.id[-8:]} --price P`,"
        f" else `polybracket release {p.id[-8:]} {p.decision.missing:f}`"
    )


def _refusal(role: Role, backoff: Backoff) -> str:
    times = f"{backoff.failures} time{'s' if backoff.failures > 1 else ''} in a row"
    why = f": {_said(backoff.reason)}" if backoff.reason else ""
    if not backoff.is_lasting:
        return f"{_REFUSED[role]}, {times}{why}; it is tried again"
    return f"{_REFUSED[role]}, {times}, for a reason that lasts{why}; it is tried again, slowly"


def _said(reason: str) -> str:
    to_do = what_to_do(reason)
    return f"{clean(reason)}; {to_do}" if to_do else clean(reason)


def refused_for_good(p: Position) -> str:
    """The text about an entry that is over because the venue would refuse any other, too."""
    refused = p.pacing.backoffs.get(Role.ENTRY)
    why = _said(refused.reason) if refused is not None else ""
    return (
        f"{p.market} {p.outcome}: the entry was refused for a reason that lasts, and is over: {why}"
    )


_NAMED = 5


def unprotected(positions: Iterable[Position]) -> str:
    """What is not protected any more once the node ends, "" where nothing is held."""
    held = [p for p in positions if p.held > 0 and p.phase not in OVER]
    if not held:
        return ""
    named = ", ".join(f"{p.held:f} {p.outcome} of {p.market}" for p in held[:_NAMED])
    rest = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    many = "1 position is" if len(held) == 1 else f"{len(held)} positions are"
    return f"{many} unprotected from now on: {named}{rest}; no stop sells until the node runs again"
