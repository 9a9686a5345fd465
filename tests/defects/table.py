"""The table of defects: what each probe shows with the stock clients, and with ours."""

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from defects.lab import Spot

Play = Callable[[Spot], Awaitable[str]]
When = Literal["at the start", "first", "together", "alone"]


class Defect(NamedTuple):
    """A defect. `stock` and `ours` are what its probe says; `mended_by` names what makes the
    difference; `when` says whether it needs a node that did nothing yet, one that sent no order
    yet, or the node for itself."""

    title: str
    stock: str
    ours: str
    mended_by: str
    when: When
    play: Play


DEFECTS: dict[str, Defect] = {}


def defect(
    title: str, *, stock: str, ours: str, mended_by: str, when: When = "together"
) -> Callable[[Play], Play]:
    """Enter a probe into the table."""

    def enter(play: Play) -> Play:
        assert title not in DEFECTS
        DEFECTS[title] = Defect(title, stock, ours, mended_by, when, play)
        return play

    return enter


def markdown() -> str:
    """The table, as the documentation shows it."""
    rows = [
        f"| {d.title} | {d.stock} | {d.ours} | {d.mended_by} |"
        for d in sorted(DEFECTS.values(), key=lambda d: d.play.__module__)
    ]
    head = ["| What happens | Stock adapter | Ours | Mended by |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def printed_into(text: str) -> str:
    """The documentation's text with the table as it is now."""
    begin, end = "<!-- table: made by `make defects` -->", "<!-- /table -->"
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{markdown()}\n{end}{after}"
