"""The table of defects: what each probe shows with the stock clients, and with ours."""

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from defects.lab import Spot
from defects.successor import VERSION, verdict

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


class Start(NamedTuple):
    """A defect of a start. `stock` and `ours` are what is seen of it on either side."""

    title: str
    stock: str
    ours: str
    mended_by: str


DEFECTS: dict[str, Defect] = {}
STARTS: dict[str, Start] = {}


def defect(
    title: str, *, stock: str, ours: str, mended_by: str, when: When = "together"
) -> Callable[[Play], Play]:
    """Enter a probe into the table."""

    def enter(play: Play) -> Play:
        assert title not in DEFECTS
        DEFECTS[title] = Defect(title, stock, ours, mended_by, when, play)
        return play

    return enter


def start(title: str, *, stock: str, ours: str, mended_by: str) -> str:
    """Enter a defect of a start into the table; its title."""
    assert title not in STARTS
    STARTS[title] = Start(title, stock, ours, mended_by)
    return title


def markdown() -> str:
    """The table, as the documentation shows it."""
    probed = sorted(DEFECTS.values(), key=lambda d: d.play.__module__)
    rows = [
        f"| {d.title} | {d.stock} | {d.ours} | {d.mended_by} | {verdict(d.title)} |"
        for d in (*probed, *STARTS.values())
    ]
    head = [
        f"| What happens | Stock adapter | Ours | Mended by | What mends it in {VERSION} |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def printed_into(text: str) -> str:
    """The documentation's text with the table as it is now."""
    begin, end = "<!-- table: made by `make defects` -->", "<!-- /table -->"
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{markdown()}\n{end}{after}"
