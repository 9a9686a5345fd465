"""The gate before an entry: could its stop sell, how wide is the spread, how near is the end?

Pure. What it sees is always part of the reply; whether a finding refuses, only warns or is left out
is the owner's choice. Prices are USDC per share, sizes shares, spans nanoseconds.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from positions.commands.messages import Refusal
from positions.model.durations import SECOND
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Position


class Action(StrEnum):
    """What follows from a finding."""

    OFF = "off"
    WARN = "warn"
    REFUSE = "refuse"


class Gate(Struct, frozen=True):
    """What is asked of a market before a position is opened in it.

    Parameters
    ----------
    depth
        Where the bids at the stop or better would take less than the whole size.
    spread, spread_max
        Where ask less bid is wider.
    end, end_within
        Where the market closes sooner.
    """

    depth: Action = Action.WARN
    spread: Action = Action.WARN
    spread_max: Decimal = Decimal("0.10")
    end: Action = Action.WARN
    end_within: int = 600 * SECOND


class Finding(Struct, frozen=True):
    """One thing that the gate saw; `action` is OFF where it is as it should be."""

    code: str
    text: str
    action: Action = Action.OFF


def look(p: Position, book: InstrumentBook, gate: Gate, now: int) -> list[Finding]:
    """What there is to say of the market before the position is opened."""
    return [*_depth(p, book, gate), _spread(book, gate), _end(book, gate, now)]


def refusal(findings: list[Finding]) -> Refusal | None:
    """The refusal that the findings cause, if they cause one."""
    for f in findings:
        if f.action is Action.REFUSE:
            return Refusal(f.code, f"{f.text}; see [gate] in the configuration")
    return None


def summary(findings: list[Finding]) -> str:
    """The findings as one text, warnings marked."""
    marks = {Action.WARN: "WARNING: "}
    return "; ".join(marks.get(f.action, "") + f.text for f in findings)


def _depth(p: Position, book: InstrumentBook, gate: Gate) -> Iterator[Finding]:
    if p.stop_in_force is None or gate.depth is Action.OFF:
        return
    there = book.bid_size_from(p.stop_in_force)
    wanted = f"bids at the stop {p.stop_in_force} or better want {there:f} shares"
    text = f"{wanted}; the stop would sell {p.request.size:f}"
    yield Finding("THIN_BIDS", text, gate.depth if there < p.request.size else Action.OFF)


def _spread(book: InstrumentBook, gate: Gate) -> Finding:
    if book.bid is None or book.ask is None:
        side = "bid" if book.bid is None else "ask"
        return Finding("ONE_SIDED_BOOK", f"the book has no {side}", gate.spread)
    spread = max(book.ask - book.bid, ZERO)
    if spread > gate.spread_max:
        return Finding("WIDE_SPREAD", f"spread {spread} is above {gate.spread_max}", gate.spread)
    return Finding("WIDE_SPREAD", f"spread {spread}")


def _end(book: InstrumentBook, gate: Gate, now: int) -> Finding:
    if book.closes_at is None:
        return Finding("NEAR_END", "the market states no end")
    minutes = (book.closes_at - now) // (60 * SECOND)
    if book.closes_at <= now:
        return Finding("NEAR_END", f"its stated end {_day(book.closes_at)} is past", gate.end)
    if book.closes_at - now < gate.end_within:
        return Finding("NEAR_END", f"the market ends in {minutes} minutes", gate.end)
    days, hours = divmod(minutes // 60, 24)
    text = f"{days} days" if days else f"{hours} hours" if hours else f"{minutes} minutes"
    return Finding("NEAR_END", f"the market ends in {text}")


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%d}"
