"""How much too well the simulated venue sells: stop exits against a recording's full depth.

    PYTHONPATH=.:tests python -m optimism docs/simulated-venue.md

The simulated venue knows the best bid alone. What it told of each stop's sale is compared with what
the bids of the full book at the moment of the trigger would have paid for the same shares, taken at
once. Of positions that share a book, each has all of it. Prints the table into the documentation.
"""

import gzip
import sys
import tempfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import recorded
import stories
from recorded import D
from test_recordings import CONFIG, SHARES_MAX

from recordings.importer import import_recording

POSITIONS = 500
SEED = 11
_BEGIN, _END = "<!-- table: made by `make optimism` -->", "<!-- /table -->"
_HEAD = (
    "| recording | stop exits | shares | beyond the touch | told, USDC | full depth, USDC "
    "| too good by, USDC |\n|---|---|---|---|---|---|---|"
)
Bids = list[tuple[Decimal, Decimal]]
"""Price and size, best first."""


class Exit(NamedTuple):
    """A stop's sale, as it was told."""

    token_id: str
    at: int
    """When the stop was triggered, in nanoseconds."""
    shares: Decimal
    money: Decimal
    beyond: Decimal
    """Shares that the best bid did not show at the trigger."""


def stop_exits(name: str, folder: Path) -> list[Exit]:
    """The stop exits of a backtest of seeded positions on a recording."""
    files = (recorded.FOLDER / f"{name}.{kind}" for kind in ("quotes.parquet", "markets.json"))
    import_recording(*files, folder / "catalog")
    requests = recorded.positions(name, POSITIONS, SEED, shares_max=SHARES_MAX)
    o = stories.backtest_of(CONFIG, folder / "catalog", requests)
    found = []
    for row in o.rows:
        sold = [f for f in o.fills.get(row["id"], ()) if f["role"] == "exit"]
        if row["exit_reason"] == "stop" and sold:
            (trigger,) = [e for e in o.events[row["id"]] if e["kind"] == "triggered"]
            shares = sum((f["shares"] for f in sold), D(0))
            money = sum((f["shares"] * f["price"] for f in sold), D(0))
            beyond = max(shares - D(trigger["bid_size"]), D(0))
            at = recorded.nanoseconds(trigger["time"])
            found.append(Exit(row["outcome_id"], at, shares, money, beyond))
    return found


def from_depth(name: str, exits: list[Exit]) -> Decimal:
    """What the full books at their moments would have paid for all the exits."""
    waiting = defaultdict(list)
    for one in sorted(exits, key=lambda e: e.at, reverse=True):
        waiting[one.token_id].append(one)
    books: dict[str, Bids] = {}
    money = D(0)
    with gzip.open(recorded.FOLDER / f"{name}.book.jsonl.gz") as file:
        for line in file:
            frame = msgspec.json.decode(line)["msg"]
            token_id, at = frame["asset_id"], int(frame["timestamp"]) * 1_000_000
            due = waiting[token_id]
            while due and due[-1].at < at:
                money += paid(books[token_id], due.pop().shares)
            if due:
                bids = [(D(level["price"]), D(level["size"])) for level in frame["bids"]]
                books[token_id] = sorted(bids, reverse=True)
    return money + sum(paid(books[t], e.shares) for t, due in waiting.items() for e in due)


def paid(bids: Bids, shares: Decimal) -> Decimal:
    """What bids pay for shares, taken one after the other; nothing for those that find none."""
    money = D(0)
    for price, size in bids:
        part = min(size, shares)
        money, shares = money + part * price, shares - part
    return money


def line(name: str) -> str:
    """A recording's line of the table."""
    if not (recorded.FOLDER / f"{name}.book.jsonl.gz").exists():
        return f"| {name} | | | | | not recorded | not known |"
    with tempfile.TemporaryDirectory() as folder:
        exits = stop_exits(name, Path(folder))
    told = sum((e.money for e in exits), D(0))
    shares, beyond = (sum((getattr(e, f) for e in exits), D(0)) for f in ("shares", "beyond"))
    depth = from_depth(name, exits)
    sums = f"{shares:,.0f} | {beyond:,.0f} | {told:,.2f} | {depth:,.2f} | {told - depth:+,.2f}"
    return f"| {name} | {len(exits)} | {sums} |"


def lines(text: str) -> dict[str, str]:
    """The lines of the table in the documentation, by recording."""
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    return {row.split(" | ")[0].removeprefix("| "): row for row in table.splitlines()[3:]}


def printed_into(text: str) -> str:
    """The documentation's text with the table as it is now."""
    before, _, rest = text.partition(_BEGIN)
    table = "\n".join([_HEAD, *(line(name) for name in recorded.NAMES)])
    return f"{before}{_BEGIN}\n{table}\n{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(printed_into(document.read_text(encoding="utf-8")), encoding="utf-8")
