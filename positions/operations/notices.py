"""What a person is told of, in a sentence each: fills, targets, stops, ends, alarms, the node.

Pure. The names are those of `[notify] events`.
"""

from collections.abc import Callable
from typing import NamedTuple

from positions.engine.effects import Step
from positions.model.events import OrderFilled, Triggered
from positions.model.formatting import plain
from positions.model.position import ExitReason, Phase, Position, Role, entry_price, realized_pnl
from positions.operations.settings import NotifyEvent

_OVER = frozenset({Phase.CLOSED, Phase.DUST})
_CAUSES = {
    ExitReason.STOP: "stop triggered",
    ExitReason.FLATTEN: "flatten: everything is sold",
    ExitReason.TIME: "time is up: everything is sold",
}


class Notice(NamedTuple):
    """What happened, and the sentence for it."""

    event: NotifyEvent
    text: str


def notices(step: Step, *, was_over: bool) -> list[Notice]:
    """What a person is told of a step; `was_over` = the position was over before it."""
    p, told = step.position, list[Notice]()
    match step.event:
        case OrderFilled() as fill:
            event, words = _FILLED[fill.role]
            amount = f"{plain(fill.shares)} at {plain(fill.price)}"
            told.append(Notice(event, f"{_named(p)}: {words(p)} {amount}"))
        case Triggered(cause=cause, bid=bid):
            seen = "there is no bid" if bid is None else f"bid {plain(bid)}"
            told.append(Notice("stop", f"{_named(p)}: {_CAUSES.get(cause, cause)}, {seen}"))
        case _:
            pass
    if p.phase in _OVER and p.ledger.bought > 0 and not was_over:
        told.append(Notice("closed", f"{_named(p)}: {_closed(p)}"))
    return told


def is_over(p: Position) -> bool:
    """Whether nothing more is to be told of a position's end."""
    return p.phase in _OVER


_FILLED: dict[Role, tuple[NotifyEvent, Callable[[Position], str]]] = {
    Role.ENTRY: ("filled", lambda _: "bought"),
    Role.TARGET: ("target", lambda _: "the target sold"),
    Role.EXIT: (
        "stop",
        lambda p: "sold" if p.decision.cause is None else f"{p.decision.cause}: sold",
    ),
}


def _named(p: Position) -> str:
    return f"{p.market} {p.outcome}"


def _closed(p: Position) -> str:
    reason = p.ledger.exit_reason
    why = "" if reason is None else f" ({reason.value})"
    entry = entry_price(p)
    bought = "" if entry is None else f", bought at {plain(entry)}"
    return f"closed{why}{bought}: profit {realized_pnl(p):+.2f} USDC after fees"
