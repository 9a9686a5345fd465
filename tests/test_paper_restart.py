"""A paper node killed and started again goes on: its account, its orders, its stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from loopback.server import LoopbackPolymarket

from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool

PATIENCE = 120.0
D = Decimal


class Paper:
    """A paper node's process and what it publishes."""

    def __init__(self, folder: Path, venue: LoopbackPolymarket) -> None:
        self.folder = folder
        self.state = folder / "state"
        addresses = "\n".join(f'{name} = "{url}"' for name, url in venue.settings().items())
        (folder / "paper.toml").write_text(
            f'mode = "paper"\nstate = "state"\n[venue]\n{addresses}\n'
            """[alarms]\ncommand = ["sh", "-c", 'echo "$1" >> told', "sh"]\n"""
        )
        self.start()

    def start(self) -> None:
        arguments = [sys.executable, "-m", "cli.main", "run", "--config", "paper.toml"]
        bare = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        self.process = subprocess.Popen(
            arguments, cwd=self.folder, env=bare, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=PATIENCE)

    def hang_up(self) -> str:
        """Close its terminal; what the owner is told."""
        self.process.send_signal(signal.SIGHUP)
        assert self.process.wait(timeout=PATIENCE) == 0
        return (self.folder / "told").read_text()

    def until(self, holds: Callable[[dict[str, Any], Decimal], bool], what: str) -> None:
        """Wait until the only position and the cash are so."""
        given_up = time.monotonic() + PATIENCE
        while True:
            try:
                with Snapshot(self.state) as copy:
                    rows, node = copy.positions(everything=True), copy.node()
                    is_new = node["pid"] == self.process.pid  # not what an earlier one left
                    if rows and is_new and holds(rows[0], node["cash"]):
                        return
            except NoSnapshot:
                pass
            assert time.monotonic() < given_up, f"not seen: {what}"
            assert self.process.poll() is None, "the node ended"
            time.sleep(0.05)

    def kinds(self, position_id: str) -> list[str]:
        with Snapshot(self.state) as copy:
            return [e["kind"] for e in copy.story(position_id)]


def test_a_killed_paper_node_goes_on_and_sells_at_the_stop(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        market = venue.add_market("rain")
        venue.quote(market.tokens[0], "0.53", "500", "0.55", "60")
        node = Paper(tmp_path, venue)
        try:
            asked = {"market": "rain", "outcome": "Yes", "max_bid": "0.55", "size": "100"}
            asked |= {"command": "submit", "target": "0.70", "stop": "0.45"}
            position_id = Spool(node.state).put(json.dumps(asked).encode())
            node.until(lambda p, _: p["held"] == 60, "a part of the entry is filled")
            with Snapshot(node.state) as copy:
                cash = copy.node()["cash"]
            node.kill()
            node.start()
            node.until(lambda p, c: p["held"] == 60 and c == cash, "it goes on as it was")
            told = "1 position is unprotected from now on: 60 Yes of rain; no stop sells until"
            assert told in node.hang_up()
            node.start()
            node.until(lambda p, c: p["held"] == 60 and c == cash, "it goes on once more")
            venue.quote(market.tokens[0], "0.44", "500", "0.46", "500")
            node.until(lambda p, _: p["status"] == "closed", "the stop sold")
            with Snapshot(node.state) as copy:
                (row,) = copy.positions(everything=True)
                fills = copy.fills(position_id)
            assert row["exit_reason"] == "stop"
            bought = sum(f["shares"] for f in fills if f["side"] == "buy")
            sold = sum(f["shares"] for f in fills if f["side"] == "sell")
            assert bought == sold <= 100
            assert "restarted" in node.kinds(position_id)
        finally:
            node.kill()
