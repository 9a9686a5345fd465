"""How the command line shows things: tables for people, JSON lines for programs, errors."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from positions.model.durations import SECOND
from positions.model.foreign_text import LINE_LENGTH, clean, json_safe
from positions.model.formatting import iso, plain, to_json
from positions.operations.health import health

WIDTH = 150


def escape_what_cannot_be_shown() -> None:
    """Let no character raise that the terminal's encoding lacks, as in the C locale."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(message: str) -> None:
    """Print a line on stderr for each line of a message about what went wrong."""
    for line in message.split("\n"):
        print(f"polybracket: {clean(line, LINE_LENGTH)}", file=sys.stderr)


def say(line: str, *, err: bool = False) -> None:
    """Print one line for people, on stderr if asked: nothing in it can do more than be read."""
    # Not by Click, which writes UTF-8 to a terminal that has ASCII alone.
    print(clean(line, LINE_LENGTH), file=sys.stderr if err else sys.stdout, flush=True)


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        print_as_json(json.dumps(to_json(row), ensure_ascii=False))


def print_as_json(text: str) -> None:
    """Print JSON, escaped as JSON is where the terminal cannot show a character."""
    encoding = (sys.stdout.encoding or "utf-8").lower()
    print(json_safe(text, in_ascii=encoding not in ("utf-8", "utf8")))


def short(position_id: str) -> str:
    """The end of an id, which is enough to name it."""
    return position_id[-8:]


def money(value: Decimal | None) -> str:
    """An amount in USDC to the cent, with its sign."""
    return "" if value is None else f"{value:+.2f}"


def profit(row: Mapping[str, Any]) -> str:
    """Realized profit and what is held at the bid; "?" where no bid tells what that would bring."""
    if row["status"] == "open" and row["held"] > 0 and row["unrealized_pnl"] is None:
        return "?"
    return money(row["realized_pnl"] + (row["unrealized_pnl"] or 0))


def number(value: Decimal | None) -> str:
    """A number as exact text."""
    return "" if value is None else plain(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table without frames, readable when piped."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        numeric = name in _NUMERIC.split()
        made.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(clean(cell)) for cell in row))  # never markup
    return made


_NUMERIC = "size held max entry bid ask exit target stop profit fees tick minimum shares price"
_COLUMNS = "id market outcome status phase size held max entry bid target stop exit profit"


def show(made: Table) -> None:
    """Print a table on stdout, wide enough for its values whatever the terminal."""
    console = Console()
    if not console.is_terminal or console.width < 80:
        console = Console(width=WIDTH)
    console.print(made)


def positions_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What people see of positions; profit is realized plus estimated, after fees."""
    return table(
        _COLUMNS.split(),
        (
            (
                short(r["id"]),
                r["market"][:34],
                r["outcome"][:10],
                r["status"],
                r["phase"],
                number(r["size"]),
                number(r["held"]),
                number(r["max_bid_price"]),
                number(r["entry_price"]),
                number(r["current_price"]) if r["status"] == "open" else "",
                number(r["sell_price"]),
                "none yet" if r["waiting_for"] == "trail_from" else number(r["stop_in_force"]),
                number(r["exit_price"]),
                profit(r),
            )
            for r in rows
        ),
    )


def age_line(state: Path, node: Mapping[str, Any]) -> str:
    """As of when a view is, and whether a node does its work."""
    heartbeat = iso(node["heartbeat"])[11:19]
    market = iso(node["market_time"])[:19].replace("T", " ")
    kind = ", SYNTHETIC data" if node["is_synthetic"] else ""
    old = (time.time_ns() - node["heartbeat"]) // SECOND
    age = f" ({old} s ago)" if old > 3 else ""
    return f"as of {heartbeat}{age}, market time {market}, node {health(state, node)}{kind}"
