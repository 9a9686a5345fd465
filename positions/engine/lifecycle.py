"""A position's life: a small table of its entry, and one of its exit; the phase is their pair.

Both states follow from the ledger and from what was decided, so they never contradict them. The
tables say where each event may lead, and every event that is booked is held to them (`misstep`), in
tests and in production. What is not in a table changes neither state. `make diagram` prints the
diagram of `docs/architecture.md` from them.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from positions.model.events import (
    Disputed,
    EntryEnded,
    Event,
    FillReversed,
    LeftAsDust,
    NoMoreDust,
    OrderClosed,
    OrderFilled,
    OwnerSold,
    Reconciled,
    Released,
    SaleAsked,
    SaleEnded,
    Settled,
    Stuck,
    Triggered,
    Unstuck,
)
from positions.model.position import Phase, Position, Role


class EntryState(StrEnum):
    """What an entry may still do."""

    BUYING = "buying"
    LEAVING = "leaving"
    """Nothing more is to be bought; an order of it may be on the book."""
    ENDED = "ended"


class ExitState(StrEnum):
    """What becomes of the shares."""

    EMPTY = "empty"
    """None were bought."""
    ARMED = "armed"
    """The stop and the targets guard them."""
    SELLING = "selling"
    EXITING = "exiting"
    WAITING = "waiting"
    DISPUTED = "disputed"
    DUST = "dust"
    SOLD = "sold"


N, X = EntryState, ExitState
_DECIDED = (X.ARMED, X.SELLING, X.EXITING, X.WAITING)
_HELD = (*_DECIDED, X.DUST, X.DISPUTED)
_NOT_HELD = (X.EMPTY, X.SOLD)
_ENDS = (N.LEAVING, N.ENDED)
_AGAIN: dict[EntryState, tuple[EntryState, ...]] = dict.fromkeys(_ENDS, (N.BUYING,))
"""A complete entry buys again what failed to settle, also where that is known before the fill."""

ENTRY_LIFE: dict[type[Event], dict[EntryState, tuple[EntryState, ...]]] = {
    EntryEnded: {N.BUYING: _ENDS},
    SaleAsked: {N.BUYING: _ENDS},
    Triggered: {N.BUYING: _ENDS},
    Settled: {N.BUYING: _ENDS},
    Disputed: {N.BUYING: _ENDS},
    OwnerSold: {N.BUYING: _ENDS},
    Released: {N.BUYING: _ENDS},
    OrderClosed: {N.LEAVING: (N.ENDED,)},
    OrderFilled: {N.LEAVING: (N.ENDED, N.BUYING), N.ENDED: (N.BUYING,)},
    FillReversed: _AGAIN,
}
_TRADED: dict[ExitState, tuple[ExitState, ...]] = {
    **dict.fromkeys(_NOT_HELD, (*_DECIDED, X.DISPUTED)),  # late, what was decided still holds
    **dict.fromkeys(_DECIDED, (X.SOLD, X.DISPUTED)),
    **dict.fromkeys((X.DUST, X.DISPUTED), (*_DECIDED, X.SOLD, X.DISPUTED)),
}
EXIT_LIFE: dict[type[Event], dict[ExitState, tuple[ExitState, ...]]] = {
    OrderFilled: _TRADED,
    OwnerSold: _TRADED,
    Released: _TRADED,
    FillReversed: dict.fromkeys(X, (*_NOT_HELD, *_DECIDED, X.DISPUTED)),
    Settled: dict.fromkeys(_HELD, (X.SOLD, X.EMPTY)),
    SaleAsked: {X.ARMED: (X.SELLING,), X.DISPUTED: (X.SELLING,)},
    SaleEnded: {X.SELLING: (X.ARMED, X.DISPUTED)},
    Triggered: {
        **dict.fromkeys((X.ARMED, X.SELLING), (X.EXITING,)),
        X.DISPUTED: (X.EXITING, X.WAITING),
    },
    Stuck: {X.EXITING: (X.WAITING,)},
    Unstuck: {X.WAITING: (X.EXITING,)},
    LeftAsDust: dict.fromkeys(_HELD, (X.DUST,)),
    NoMoreDust: {X.DUST: (*_DECIDED, X.DISPUTED)},
    Disputed: {
        **dict.fromkeys(_DECIDED, (X.DISPUTED,)),
        X.DISPUTED: (X.EXITING, X.WAITING, X.SELLING),  # fewer shares are missing
    },
    Reconciled: {X.DISPUTED: _DECIDED},
}
PHASES: dict[tuple[EntryState, ExitState], Phase] = {
    **{(entry, x): Phase(x) for entry in N for x in _HELD if x is not X.ARMED},
    **dict.fromkeys([(N.BUYING, x) for x in _NOT_HELD], Phase.ENTERING),
    **dict.fromkeys([(N.LEAVING, x) for x in _NOT_HELD], Phase.LEAVING),
    (N.BUYING, X.ARMED): Phase.FILLING,
    (N.LEAVING, X.ARMED): Phase.HOLDING,
    (N.ENDED, X.ARMED): Phase.HOLDING,
    (N.ENDED, X.EMPTY): Phase.CANCELLED,
    (N.ENDED, X.SOLD): Phase.CLOSED,
}


def entry_state(p: Position) -> EntryState:
    """The state of the entry."""
    if p.decision.entry_ended is None:
        return N.BUYING
    return N.LEAVING if p.live(Role.ENTRY) else N.ENDED


def exit_state(p: Position) -> ExitState:
    """The state of the shares."""
    decision = p.decision
    if p.held < -p.ledger.settled:
        return X.DISPUTED
    if p.held <= 0:
        return X.SOLD if p.ledger.bought > 0 else X.EMPTY
    if decision.dust:
        return X.DUST
    if decision.missing > 0 and p.sellable <= 0:
        return X.DISPUTED
    if decision.cause is not None:
        return X.WAITING if decision.stuck is not None else X.EXITING
    if decision.sale is not None:
        return X.SELLING
    return X.ARMED if decision.dispute is None else X.DISPUTED


def phase_of(p: Position) -> Phase:
    """The phase of a position: the pair of its states."""
    return PHASES[entry_state(p), exit_state(p)]


def misstep(before: Position, after: Position, event: Event) -> str:
    """What an event led to although its table says otherwise; "" where it does not."""
    kind = type(event)
    entry, exit_ = entry_state(before), exit_state(before)
    entry_after, exit_after = entry_state(after), exit_state(after)
    if entry_after is not entry and entry_after not in ENTRY_LIFE.get(kind, {}).get(entry, ()):
        return f"the entry was {entry} and is {entry_after} by {_words(kind)}"
    if exit_after is not exit_ and exit_after not in EXIT_LIFE.get(kind, {}).get(exit_, ()):
        return f"the exit was {exit_} and is {exit_after} by {_words(kind)}"
    return ""


# -- the diagram -----------------------------------------------------------------------------------

_BEGIN, _END = "<!-- life: made by `make diagram` -->\n", "<!-- /life -->"
_RARE = frozenset({FillReversed, Disputed, Reconciled, NoMoreDust})
_LATE = frozenset({N.ENDED, X.SOLD, X.DUST, X.DISPUTED})


def diagram() -> str:
    """Both tables as a Mermaid state diagram, without what is late, disputed or undone."""
    lines = ["```mermaid", "stateDiagram-v2", "    state Entry {", "        [*] --> buying"]
    lines += [*_edges(ENTRY_LIFE), "        ended --> [*]", "    }"]
    lines += [
        "    state Exit {",
        "        [*] --> empty",
        *_edges(EXIT_LIFE),
        "        sold --> [*]",
    ]
    return "\n".join([*lines, "    }", "```"]) + "\n"


def _edges(table: Mapping[type[Event], Mapping[Any, Iterable[StrEnum]]]) -> Iterator[str]:
    """Each usual step from one state to another, with the events that make it."""
    steps: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for kind, rows in table.items():
        for start, ends in rows.items() if kind not in _RARE else ():
            for end in ends:
                is_late = start in _LATE or (start is X.EMPTY and end is not X.ARMED)
                if not is_late and end not in (N.BUYING, X.EMPTY, X.DISPUTED):
                    steps.setdefault((start, end), []).append(_words(kind))
    for (start, end), kinds in steps.items():
        yield f"        {start} --> {end}: {', '.join(kinds)}"


def _words(event: type[Event]) -> str:
    return str(event.__struct_config__.tag).replace("_", " ")


def refresh(document: str) -> str:
    """The document with the diagram as it is now."""
    before, rest = document.split(_BEGIN)
    after = rest[rest.index(_END) :]
    return before + _BEGIN + diagram() + after


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8")
