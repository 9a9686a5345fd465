"""Tables for people, that fit the terminal: what matters least is dropped, and no number is cut.

A column has a rank: those of rank 0 stay, of the others the highest is dropped first. Names are
shortened in their middle, and a list of prices goes on in the next line. Piped, a table is as wide
as its values.
"""

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from positions.model.foreign_text import clean

_GAP = " "
NARROWEST = 80
"""A terminal that says that it is narrower is believed to be so wide."""


class Column(NamedTuple):
    """One column. `least` is how short its values may become: 0 = not at all."""

    name: str
    rank: int = 0
    is_number: bool = False
    least: int = 0
    is_list: bool = False
    """Whether a value is a list of words, of which each stays whole."""


def terminal_width() -> int | None:
    """How many characters a line of stdout has; None where it is no terminal."""
    if not sys.stdout.isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size((NARROWEST, 24)).columns)


def middle(text: str, width: int) -> str:
    """The text in so many cells: what is too long is left out in its middle."""
    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    tail = text[-end:] if end else ""
    while cell_len(tail) > end:
        tail = tail[1:]
    return f"{set_cell_size(text, width - 1 - cell_len(tail)).rstrip()}…{tail}"


def lines(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> list[str]:
    """The table, its header first; None = as wide as it needs to be."""
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = _shown(columns, cells, width)
    widths = _widths(shown, columns, cells, width)
    made = [_line([[columns[i].name] for i in shown], columns, widths, shown)]
    for row in cells:
        parts = [_parts(row[i], columns[i], w) for i, w in zip(shown, widths, strict=True)]
        height = max(map(len, parts), default=1)
        for number in range(height):
            level = [[part[number]] if number < len(part) else [""] for part in parts]
            made.append(_line(level, columns, widths, shown))
    return made


def _shown(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int | None
) -> list[int]:
    """The columns for which there is room; one without any value matters least."""
    shown = [
        i for i, c in enumerate(columns) if not (c.rank and cells and all(not r[i] for r in cells))
    ]
    while width is not None and _total([_least(columns[i], i, cells) for i in shown]) > width:
        worst = max(shown, key=lambda i: columns[i].rank)
        if columns[worst].rank == 0:
            break
        shown.remove(worst)
    return shown


def _widths(
    shown: Sequence[int],
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    width: int | None,
) -> list[int]:
    widths = [_natural(columns[i], i, cells) for i in shown]
    least = [_least(columns[i], i, cells) for i in shown]
    while width is not None and _total(widths) > width:
        spare = [w - m for w, m in zip(widths, least, strict=True)]
        if max(spare, default=0) <= 0:
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)


def _natural(column: Column, i: int, cells: Sequence[Sequence[str]]) -> int:
    return max([cell_len(column.name), *(cell_len(row[i]) for row in cells)])


def _least(column: Column, i: int, cells: Sequence[Sequence[str]]) -> int:
    if column.is_list:
        words = (cell_len(word) for row in cells for word in row[i].split())
        return max([cell_len(column.name), *words])
    natural = _natural(column, i, cells)
    return min(natural, max(column.least, cell_len(column.name))) if column.least else natural


def _parts(cell: str, column: Column, width: int) -> list[str]:
    if not column.is_list or cell_len(cell) <= width:
        return [middle(cell, width)]
    made = [""]
    for word in cell.split():
        longer = f"{made[-1]} {word}".strip()
        if cell_len(longer) > width:
            made.append(word)
        else:
            made[-1] = longer
    return made


def _line(
    cells: Sequence[Sequence[str]],
    columns: Sequence[Column],
    widths: Sequence[int],
    shown: Sequence[int],
) -> str:
    padded = []
    for (cell,), width, i in zip(cells, widths, shown, strict=True):
        space = " " * (width - cell_len(cell))
        padded.append(space + cell if columns[i].is_number else cell + space)
    return _GAP.join(padded).rstrip()
