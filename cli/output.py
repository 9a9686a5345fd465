"""How the command line shows things: tables for people, JSON lines for programs, errors."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import TextIOWrapper
from typing import Any

from cli.tables import Column, lines, terminal_width
from positions.model.durations import SECOND
from positions.model.foreign_text import LINE_LENGTH, clean, json_safe
from positions.model.formatting import plain, to_json


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


def is_asked() -> bool:
    """Whether somebody sits at the terminal and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: str) -> str:
    """What a person types in answer, without space around it; "" where nobody does."""
    print(f"{clean(question, LINE_LENGTH)} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


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


def show(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> None:
    """Print a table on stdout, as wide as the terminal, or piped as wide as it needs to be."""
    head, *rest = lines(columns, rows, terminal_width() if width is None else width)
    say(head)
    for line in rest:
        say(line)


_POSITIONS = (
    Column("id"),
    Column("market", least=14),
    Column("outcome", least=3),
    Column("state"),
    Column("size", 5, is_number=True),
    Column("held", is_number=True),
    Column("max", 6, is_number=True),
    Column("entry", 4, is_number=True),
    Column("bid", is_number=True),
    Column("target", is_list=True),
    Column("stop", is_number=True),
    Column("exit", 7, is_number=True),
    Column("profit", is_number=True),
    Column("opened", 9),
    Column("closed", 2),
    Column("reason", 1),
)


def position_lines(
    rows: Iterable[Mapping[str, Any]], width: int | None = None, *, is_dated: bool = False
) -> list[str]:
    """What people see of positions; profit is realized plus estimated, after fees.

    `is_dated` adds when each was opened and closed, and why.
    """
    columns = _POSITIONS if is_dated else _POSITIONS[:-3]
    return lines(columns, (_position_cells(r)[: len(columns)] for r in rows), width)


def state_word(row: Mapping[str, Any]) -> str:
    """Where a position stands, in one word."""
    return str(row["phase"] if row["status"] == "open" else row["status"])


def ladder(row: Mapping[str, Any]) -> str:
    """All targets of a position, those for parts first."""
    parts = row["terms"].get("target_prices", "").split()
    asked = row["terms"].get("targets", "").split()
    if parts:  # what they come to, where they count from the entry price
        asked = [
            f"{price}:{one.partition(':')[2]}" for price, one in zip(parts, asked, strict=True)
        ]
    return " ".join([*asked, number(row["sell_price"])]).strip()


def _position_cells(r: Mapping[str, Any]) -> list[str]:
    is_open = r["status"] == "open"
    return [
        short(r["id"]),
        r["market"],
        r["outcome"],
        state_word(r),
        number(r["size"]),
        number(r["held"]),
        number(r["max_bid_price"]),
        number(r["entry_price"]),
        number(r["current_price"]) if is_open else "",
        ladder(r),
        "none yet" if r["waiting_for"] == "trail_from" else number(r["stop_in_force"]),
        number(r["exit_price"]),
        profit(r),
        local(r["created_at"]),
        "" if is_open else local(r["exit_time"] or r["updated_at"]),
        "" if is_open else r["exit_reason"] or r["phase"],
    ]


def local_time(time: int | str) -> str:
    """A time in the user's time zone, to the second; in ISO 8601 or nanoseconds."""
    moment = (
        datetime.fromisoformat(time)
        if isinstance(time, str)
        else datetime.fromtimestamp(time // SECOND, UTC)
    )
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def local(time_ns: int | None) -> str:
    """A time in the user's time zone, to the minute."""
    return "" if time_ns is None else f"{datetime.fromtimestamp(time_ns // SECOND):%Y-%m-%d %H:%M}"
