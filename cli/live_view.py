"""What a full screen shows of a node, read from its snapshot in one go."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cli.output import local_time, money, number, state_word
from cli.views import age_line
from positions.model.formatting import plain
from positions.storage.snapshot import Snapshot
from positions.storage.story import sentence

_Row = dict[str, Any]
_LEVELS = 10


class LiveView(Struct, frozen=True):
    """One look at a node: its positions, with those that were over since `begun`, and alarms."""

    rows: list[_Row]
    node: _Row
    alarms: list[str]
    line: str

    @property
    def summary(self) -> str:
        """Cash, open positions and a halt, in one line."""
        halted = "  HALTED: no new entries" if self.node["is_halted"] else ""
        cash = number(self.node["cash"])
        return f"{self.node['mode']}  cash {cash} USDC  {len(self.open)} open{halted}"

    @property
    def open(self) -> list[_Row]:
        """The positions that are open."""
        return [r for r in self.rows if r["status"] == "open"]


def look(folder: Path, begun: int) -> LiveView:
    """The node of a state folder as it was published last; `begun` is market time. Raises
    NoSnapshot if nothing was.
    """
    with Snapshot(folder) as copy:
        known, node, alarms = copy.positions(everything=True), copy.node(), copy.open_alarms()
    over = [r for r in known if r["status"] != "open" and r["updated_at"] >= begun]
    rows = [r for r in known if r["status"] == "open"] + over
    return LiveView(rows, node, [str(a["text"]) for a in alarms], age_line(folder, node))


def story(folder: Path, position_id: str) -> list[str]:
    """The story of a position, a line for each event, the newest first."""
    with Snapshot(folder) as copy:
        events = copy.story(position_id)
    return [f"{local_time(e['time'])[5:]}  {sentence(e)}" for e in reversed(events)]


def book(folder: Path, outcome_id: str) -> list[str]:
    """The bids of an outcome and its best ask, as lines: price and shares."""
    with Snapshot(folder) as copy:
        found = copy.markets(outcome_id)
    if not found:
        return ["no book is known"]
    m = found[0]
    bids = msgspec.json.decode(m.get("bids") or "[]", type=list[tuple[str, str]])
    if not bids and m["bid"] is not None:
        bids = [(plain(m["bid"]), plain(m["bid_size"]))]
    ask = "no ask" if m["ask"] is None else f"{number(m['ask']):>8} {number(m['ask_size']):>10} ask"
    lines = [f"{price:>8} {size:>10} bid" for price, size in bids[:_LEVELS]]
    return [ask, *(lines or ["no bid"])]


def what_became(row: _Row) -> str:
    """What a position that is not open any more came to."""
    reason = row["exit_reason"] or row["phase"]
    at = f" at {number(row['exit_price'])}" if row["exit_price"] is not None else ""
    result = f", profit {money(row['realized_pnl'])}" if row["volume"] > 0 else ""
    return f"{row['market']} {row['outcome']}: {state_word(row)} ({reason}){at}{result}"
