"""The life of a position as a table: from which phase to which, and by what events.

The phase itself follows from the ledger (`life.phase_of`); this is the specification that it is
held to: the tests walk every phase and every event, and `make diagram` prints the diagram of
`docs/architecture.md` from it.
"""

import sys
from pathlib import Path

from positions.model.events import (
    Disputed,
    EntryEnded,
    Event,
    LeftAsDust,
    NoMoreDust,
    OrderClosed,
    OrderFilled,
    Reconciled,
    SaleAsked,
    SaleEnded,
    Settled,
    Stuck,
    Triggered,
    Unstuck,
)
from positions.model.position import Phase

P = Phase
LIFE: dict[tuple[Phase, Phase], tuple[type[Event], ...]] = {
    # The entry.
    (P.ENTERING, P.FILLING): (OrderFilled,),
    (P.ENTERING, P.LEAVING): (EntryEnded, Settled, Disputed, Triggered, SaleAsked),
    (P.ENTERING, P.CANCELLED): (EntryEnded, Settled, Disputed, Triggered, SaleAsked),
    (P.ENTERING, P.CLOSED): (EntryEnded, Settled, Disputed, Triggered, SaleAsked),
    (P.FILLING, P.HOLDING): (EntryEnded,),
    (P.FILLING, P.ENTERING): (OrderFilled,),  # the target sold all while the entry still works
    (P.LEAVING, P.CANCELLED): (OrderClosed,),
    (P.LEAVING, P.CLOSED): (OrderClosed, OrderFilled),
    (P.LEAVING, P.HOLDING): (OrderFilled,),  # a fill that raced our cancel
    (P.LEAVING, P.EXITING): (OrderFilled,),
    (P.LEAVING, P.WAITING): (OrderFilled,),
    (P.LEAVING, P.SELLING): (OrderFilled,),
    # By hand.
    (P.FILLING, P.SELLING): (SaleAsked,),
    (P.HOLDING, P.SELLING): (SaleAsked,),
    (P.SELLING, P.HOLDING): (SaleEnded,),
    # The exit.
    (P.FILLING, P.EXITING): (Triggered,),
    (P.HOLDING, P.EXITING): (Triggered,),
    (P.SELLING, P.EXITING): (Triggered,),
    (P.DISPUTED, P.EXITING): (Triggered,),
    (P.EXITING, P.WAITING): (Stuck,),
    (P.WAITING, P.EXITING): (Unstuck,),
    # The end: everything is sold or paid; the entry's cancel may still be under way.
    **{
        (held, end): (OrderFilled, Settled)
        for held in (P.FILLING, P.HOLDING, P.SELLING, P.EXITING, P.WAITING, P.DUST, P.DISPUTED)
        for end in (P.CLOSED, P.LEAVING)
    },
    **{
        (held, P.DUST): (LeftAsDust,)
        for held in (P.FILLING, P.HOLDING, P.SELLING, P.EXITING, P.WAITING, P.DISPUTED)
    },
    # A buy that arrives late is held again, or sold again if that was decided.
    **{
        (over, again): (OrderFilled,)
        for over in (P.CLOSED, P.CANCELLED, P.DUST)
        for again in (P.HOLDING, P.SELLING, P.EXITING, P.WAITING)
    },
    # Contradictions: more sold than held, or an error in the handling.
    **{(any_, P.DISPUTED): (Disputed, OrderFilled) for any_ in P if any_ is not P.DISPUTED},
    (P.DISPUTED, P.HOLDING): (OrderFilled,),  # the buy that was missing
    (P.DISPUTED, P.FILLING): (OrderFilled,),
    (P.DISPUTED, P.ENTERING): (OrderFilled,),
    (P.DISPUTED, P.SELLING): (OrderFilled,),
    (P.DISPUTED, P.WAITING): (OrderFilled, Triggered),
}
LIFE[(P.DISPUTED, P.EXITING)] = (Triggered, OrderFilled)
for _again in (P.FILLING, P.HOLDING, P.SELLING, P.EXITING, P.WAITING, P.ENTERING):
    LIFE[(P.DISPUTED, _again)] = (*LIFE.get((P.DISPUTED, _again), ()), Reconciled)
for _exit in (P.EXITING, P.WAITING):  # read anew, fewer shares are missing
    LIFE[(P.DISPUTED, _exit)] = (*LIFE[(P.DISPUTED, _exit)], Disputed)
for _again in (P.HOLDING, P.SELLING, P.EXITING, P.WAITING):
    LIFE[(P.DUST, _again)] = (*LIFE[(P.DUST, _again)], NoMoreDust)
_BOUGHT = (P.FILLING, P.HOLDING, P.SELLING, P.EXITING, P.WAITING, P.DUST, P.DISPUTED)
_SOLD = (P.LEAVING, P.CLOSED, P.DUST, P.DISPUTED)
UNDONE: frozenset[tuple[Phase, Phase]] = frozenset(
    {(P.ENTERING, P.FILLING), (P.FILLING, P.ENTERING)}
    | {(over, again) for over in _BOUGHT + _SOLD for again in (P.ENTERING, P.FILLING)}
    | {(held, none) for held in _BOUGHT for none in (P.LEAVING, P.CANCELLED, P.CLOSED)}
    | {(P.CLOSED, P.CANCELLED)}
    | {(over, again) for over in _SOLD for again in (P.HOLDING, P.SELLING, P.EXITING, P.WAITING)}
    | {(any_, P.DISPUTED) for any_ in P}
)
"""Where a failed settlement may lead: what was bought is not held, or what was sold still is."""
_RARE = frozenset({P.DISPUTED})
_BEGIN, _END = "<!-- life: made by `make diagram` -->\n", "<!-- /life -->"


def diagram() -> str:
    """The usual paths of LIFE as a Mermaid state diagram; late fills and disputes are left out."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> entering"]
    lines.append("    [*] --> holding: adopted")
    for (start, end), events in LIFE.items():
        late = start in (P.CLOSED, P.CANCELLED, P.DUST) and end is not P.CLOSED
        if late or _RARE & {start, end}:
            continue
        names = ", ".join(sorted({_words(f) for f in events}))
        lines.append(f"    {start} --> {end}: {names}")
    lines += ["    closed --> [*]", "    cancelled --> [*]", "```"]
    return "\n".join(lines) + "\n"


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
