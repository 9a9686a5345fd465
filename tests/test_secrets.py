"""No secret of the wallet is in anything that a live node, its commands or its crashes write."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from loopback.server import LoopbackPolymarket, MarketHandle

from positions.storage.snapshot import Snapshot

KEY = "0x" + "4cA7" * 16
PATIENCE = 60.0
_RING = "import os, sys; open('rung', 'a').write(str([sys.argv, os.environ]))"
_CRASH = """
import sys
import node, cli.main
def crash(self):
    raise RuntimeError("the roof fell in")
node.Node._build = crash
sys.argv[0] = "polybracket"
cli.main.main()
"""


class Live:
    """A live node on a venue, and all that it and its commands say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venue = LoopbackPolymarket()
        self.values: dict[str, str] = {}
        self.said = b""

    def set_up(self) -> MarketHandle:
        """A market, a wallet with money, a configuration."""
        market = self.venue.add_market("rain-in-london")
        self.venue.quote(market.tokens[0], "0.53", 500, "0.55", 500)
        self.values = self.venue.wallet(KEY, cash=500)
        rows = self.venue.settings().items()
        addresses = "\n".join(f'{name} = "{address}"' for name, address in rows)
        bell = f'[alarms]\ncommand = ["{sys.executable}", "-c", "{_RING}"]\n'
        (self.folder / "live.toml").write_text(
            f'mode = "live"\nstate = "state"\nreally_trade = true\n{bell}[venue]\n{addresses}\n'
        )
        return market

    def start(self, *program: str) -> subprocess.Popen[bytes]:
        """Start a program in the folder, with the wallet in its environment alone."""
        plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        return subprocess.Popen(
            [sys.executable, *program],
            cwd=self.folder,
            env=plain | self.values | {"TMPDIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def end(self, process: subprocess.Popen[bytes], *, code: int) -> str:
        """Wait for a program's end, and keep what it said."""
        out, err = process.communicate(timeout=PATIENCE)
        self.said += out + err
        assert process.returncode == code, (out + err).decode()
        return out.decode()

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end."""
        return self.end(self.start("-m", "cli.main", *arguments), code=code)

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was said or stands in a file now: where, and what."""
        yield "stdout and stderr", self.said
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()
            if path.suffix == ".duckdb":
                yield str(path), _rows(path)  # strings are packed in the file itself

    def logged(self) -> bytes:
        """What stands in the node's logs now."""
        return b"".join(f.read_bytes() for f in self.folder.glob("state/logs/node_*.log"))

    def secrets(self) -> list[tuple[str, bytes]]:
        """Each secret, in each form in which it could get out."""
        bare = KEY.removeprefix("0x")
        forms = [("key", bare), ("key", str(int(bare, 16)))]
        names = ("POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_PASSPHRASE")
        forms += [(name, self.values[name]) for name in names]
        raw = base64.urlsafe_b64decode(self.values["POLYMARKET_API_SECRET"])
        as_bytes = [("key", bytes.fromhex(bare)), ("POLYMARKET_API_SECRET", raw)]
        return [(name, form.lower().encode()) for name, form in forms] + as_bytes


def _rows(path: Path) -> bytes:
    with duckdb.connect(str(path), read_only=True) as base:
        tables = [name for (name,) in base.execute("SHOW TABLES").fetchall()]
        return "\n".join(str(base.execute(f"FROM {t}").fetchall()) for t in tables).encode()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something, for a while."""
    given_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < given_up, f"not seen: {what}"
        time.sleep(0.05)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    made = Live(tmp_path)
    with made.venue:
        yield made


def test_no_secret_is_written_by_a_whole_life(live: Live) -> None:
    market, venue = live.set_up(), live.venue
    token, funder = market.tokens[0], live.values["POLYMARKET_FUNDER"]
    live.command("doctor", "--config", "live.toml")
    node = live.start("-m", "cli.main", "run", "--config", "live.toml")
    at = ("--state", "state")
    try:
        until((live.folder / "state" / "published.duckdb").exists, "the node's first copy")
        bracket = ("--max-bid", "0.55", "--size", "50", "--target", "0.70", "--stop", "0.45")
        live.command("submit", market.slug, "Yes", *bracket, *at, "--wait", "30s")
        until(lambda: venue.shares(funder, token) == 50, "the entry's fill")
        _disturb(live)
        until(lambda: live.logged().count(b"made no sense") >= 2, "the log, on disk")
        venue.faults.answer("POST /order", 400, error="no luck")
        venue.faults.answer("POST /order", 500, error="out of order")
        venue.quote(token, "0.44", 500, "0.46", 500)
        until(lambda: venue.shares(funder, token) == 0, "the stop's sale")
        until(lambda: _is_calm(live.folder / "state"), "a copy in which all is well")
        live.command("submit", market.slug, "Yes", "--max-bid", "2", "--size", "5", *at, code=2)
        live.command("positions", "--all", "--json", *at)
        live.command("status", *at)
    finally:
        node.send_signal(signal.SIGINT)
        live.end(node, code=0)
    _crash(live)
    everything = {Path(where).name: content for where, content in live.written() if content}
    assert {"positions.duckdb", "published.duckdb"} <= set(everything)
    assert b"fate unknown" in live.logged()
    assert b"the sale was refused" in everything["rung"]
    assert b"LIVE on" in live.said
    for where, content in live.written():
        for name, secret in live.secrets():
            assert secret not in content, f"{name} is in {where}"
            assert secret not in content.lower(), f"{name} is in {where}"


def _is_calm(state: Path) -> bool:
    with Snapshot(state) as copy:
        return not copy.positions() and not copy.open_alarms()


def _disturb(live: Live) -> None:
    """What makes a node write into its log: lost sockets, and messages that make no sense."""
    owner = live.values["POLYMARKET_API_KEY"]
    for message in (
        {"event_type": "order", "type": "PLACEMENT", "owner": owner, "order_owner": owner},
        {"event_type": "trade", "owner": owner, "status": "NEW", "maker_orders": [{"owner": 1}]},
        {"event_type": owner},
    ):
        live.venue.push("user", json.dumps(message))
    live.venue.push("user", f"{owner} is no JSON")
    live.venue.drop("user")


def _crash(live: Live) -> None:
    """A crash that nobody foresaw, and a refusal at the door."""
    crashed = live.start("-c", _CRASH, "run", "--config", "live.toml")
    live.end(crashed, code=1)
    (report,) = live.folder.glob("polybracket-*.log")
    assert "the roof fell in" in report.read_text()
    live.values |= {"POLYMARKET_PASSPHRASE": "not-the-passphrase"}
    live.command("run", "--config", "live.toml", code=1)
    assert re.search(rb"polybracket: .*Invalid api key", live.said)


def test_a_secret_would_be_found(live: Live) -> None:
    live.set_up()
    secret = live.values["POLYMARKET_API_SECRET"]
    with duckdb.connect(str(live.folder / "x.duckdb")) as base:
        base.execute("CREATE TABLE t AS SELECT ? AS c FROM range(1000)", [f"<{secret}>"])
    found = [where for where, content in live.written() if secret.encode() in content]
    assert str(live.folder / "x.duckdb") in found
