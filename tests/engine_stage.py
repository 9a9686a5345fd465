"""One recording with a market for each scenario, and its replay by the real program."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from engine_scenarios import RESOLVED, SCENARIOS, TICKS, Quote

from positions.commands.files import numbered
from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool

D = Decimal
T0 = 1_776_000_000
GATE = '[gate]\nspread = "refuse"\nspread_max = 0.5\n'

SIGNAL = """
[[signals]]
name = "rise"
market = "{market}"
outcome = "Yes"
crosses = "up"
level = 0.56
positions_max = 5
stake_max = 50
pause_seconds = 1
[signals.request]
max_bid = 0.56
stake = 20
stop = 0.45
"""
SIGNALLED = 2
"""Positions that the signal's caps allow it."""


class Stage:
    """The recording, the commands, and the record of one replay of all scenarios."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.markets: list[dict[str, Any]] = []
        self.spool = Spool(folder / "state")
        self.count = 0
        self.ids: dict[str, str] = {}
        self.signals = ""

    def add(self, name: str, quotes: list[Quote], commands: list[Any]) -> None:
        number = len(self.markets) + 1
        token, slug = str(1000 + number), f"market-{number}"
        self.markets.append(
            {
                "slug": slug,
                "condition_id": f"0x{number:064x}",
                "question": name,
                "start_ts_ns": T0 * 10**9,
                "end_ts_ns": (T0 + 6) * 10**9,
                "min_order_size": "5",
                "fee_rate": "0.04",
                "neg_risk": False,
                "tokens": [
                    {
                        "token_id": token,
                        "outcome": "Yes",
                        "tick_size": "0.01",
                        "tick_changes_inferred": TICKS.get(name, []),
                        "settlement_price_inferred": RESOLVED.get(name),
                    }
                ],
            }
        )
        for t, bid, ask, size in quotes:
            row = {"ts_event_ns": int((T0 + t) * 10**9), "token_id": token}
            sizes = [None if p is None else D(size) for p in (bid, ask)]
            prices = [None if p is None else D(p) for p in (bid, ask)]
            self.rows.append(
                row
                | dict(zip(("bid", "ask"), prices, strict=True))
                | dict(zip(("bid_size", "ask_size"), sizes, strict=True))
            )
        for at, fields in commands:
            self.count += 1
            command_id = numbered(self.count)
            if fields["command"] == "submit":
                self.ids.setdefault(name, command_id)
                fields = fields | {"market": slug, "outcome": "Yes"}
            else:
                fields = fields | {"position_id": self.ids[name]}
            when = f"2026-04-12T13:{20 + int(at) // 60:02}:{at % 60:06.3f}Z"
            self.spool.put(json.dumps(fields | {"at": when}).encode(), command_id)

    def add_all(self) -> None:
        """Add every scenario."""
        for name, (quotes, commands, *_) in SCENARIOS.items():
            self.add(name, quotes, commands)

    def add_signal(self) -> None:
        """Add a market that is watched for its ask to cross a level, which it does thrice."""
        rising: list[Quote] = [
            (0, "0.53", "0.55", 500),
            (2, "0.54", "0.56", 500),
            (3, "0.53", "0.55", 500),
            (4, "0.54", "0.56", 500),
            (5, "0.60", "0.62", 500),
        ]
        self.add("a signal", rising, [])
        self.signals = SIGNAL.format(market=self.markets[-1]["slug"])

    def write(self) -> None:
        """Write the configuration and import the recording."""
        self.rows.sort(key=lambda r: r["ts_event_ns"])
        decimal = pyarrow.decimal128
        fields = [("ts_event_ns", pyarrow.int64()), ("token_id", pyarrow.string())]
        fields += [(n, decimal(9, 6)) for n in ("bid", "ask")]
        fields += [(n, decimal(18, 6)) for n in ("bid_size", "ask_size")]
        table = pyarrow.Table.from_pylist(self.rows, schema=pyarrow.schema(fields))
        pyarrow.parquet.write_table(table, self.folder / "q.parquet")
        (self.folder / "m.json").write_text(json.dumps(self.markets))
        (self.folder / "config.toml").write_text(
            'mode = "replay"\nstate = "x"\n[account]\ncash = 100000\n'
            f"[limits]\nmax_total_stake = 100000\n{GATE}{self.signals}"
        )
        self._run("catalog", "import", "q.parquet", "--markets", "m.json", "--catalog", "c")

    def play(self) -> Snapshot:
        """Replay everything, once."""
        options = ["--config", "config.toml", "--catalog", "c", "--state", "state"]
        self._run("run", *options, "--speed", "max")
        return Snapshot(self.folder / "state")

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "cli.main", *arguments]
        root = str(Path(__file__).parents[1])
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert done.stderr == ""
        assert "[ERROR]" not in done.stdout, done.stdout[-3000:]
