"""Another program that opens positions: it reads the published prices and queues requests.

    .venv/bin/python examples/price_cross.py examples/price_cross.toml --state state/replay

It needs nothing of the node but its state folder: prices come from `published.duckdb`, requests go
into the spool, and what was asked before is known by its reply. It may be stopped and started at
any time; its caps hold over all of that.
"""

import argparse
import sys
import time
from decimal import Decimal
from pathlib import Path

import msgspec

from positions.commands import strict
from positions.commands.market_names import market_name
from positions.commands.signals import PriceCross, Watcher
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool

POLL_SECONDS = 0.5


def watch(state: Path, signal: PriceCross) -> None:
    """Queue what the signal asks for until its caps are reached."""
    spool = Spool(state)

    def is_known(command_id: str) -> bool:
        waits = any(path.stem == command_id for path in spool.waiting())
        return waits or spool.read_reply(command_id) is not None

    watcher = Watcher(signal, is_known)
    while watcher.may_ask:
        fields = watcher.see(best_ask(state, signal), time.time_ns())
        if fields is not None:
            spool.put(msgspec.json.encode(fields), fields["id"])
            print(f"queued {fields['id']} for {signal.name}", flush=True)
        time.sleep(POLL_SECONDS)
    print(f"{signal.name}: its caps are reached after {watcher.asked} positions")


def best_ask(state: Path, signal: PriceCross) -> Decimal | None:
    """The published ask of the outcome; None while there is none."""
    try:
        with Snapshot(state) as copy:
            for row in copy.markets(market_name(signal.market)):
                if signal.outcome in (row["outcome"], row["outcome_id"]):
                    ask: Decimal | None = row["ask"]
                    return ask
    except NoSnapshot:
        return None
    return None


def main() -> int:
    """Watch what a TOML file describes."""
    parser = argparse.ArgumentParser(description="Open positions when a price crosses a level.")
    parser.add_argument("signal", type=Path, help="a TOML file, see examples/price_cross.toml")
    parser.add_argument("--state", type=Path, required=True, help="the node's state folder")
    given = parser.parse_args()
    try:
        data = strict.toml_tables(given.signal.read_text(encoding="utf-8"))
        signal = msgspec.convert(data, PriceCross)
    except (OSError, ValueError) as e:
        print(f"{given.signal}: {e}", file=sys.stderr)
        return 2
    watch(given.state, signal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
