"""A folder, a wallet, and a node in a process of its own that can be started, and again."""

import contextlib
import ctypes
import fcntl
import json
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from liveness.scene import ROUNDS_MAX, SHARES, Failed, Rounds
from liveness.together import LIMITS, environment, status
from loopback.server import LoopbackPolymarket, MarketHandle
from trading import KEY

from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool

_PROGRAM = ("-m", "cli.main")
START_ROUNDS = 12_000
STATUS_ROUNDS = 9000
_END_SECONDS = 20.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Streams(NamedTuple):
    """What a process has for its output: `out` and `err` as `subprocess` takes them."""

    out: int
    err: int
    is_terminal: bool = False


class Stand:
    """A folder, a wallet, and a node that can be started in a process, and again."""

    def __init__(
        self, venue: LoopbackPolymarket, rounds: Rounds, folder: Path, chance: random.Random
    ) -> None:
        self.venue = venue
        self.chance = chance
        self.state = folder / "state"
        self.process: subprocess.Popen[bytes] | None = None
        self._rounds = rounds
        self._folder = folder
        folder.mkdir(parents=True)
        self._keys = venue.wallet(KEY, cash="1000000")
        self.funder = self._keys["POLYMARKET_FUNDER"]
        self.pair: list[MarketHandle] = []
        self._said: dict[str, Any] = {}
        """What `status` said last."""
        self.told = folder / "told"
        """What the alarm command was told, where it was configured."""
        self.configure("")

    def configure(self, more: str) -> None:
        """Write the node's configuration, with further tables."""
        limits = "\n".join(f"{name} = {value}" for name, value in LIMITS.items())
        addresses = "\n".join(f'{n} = "{url}"' for n, url in self.venue.settings().items())
        (self._folder / "live.toml").write_text(
            f'mode = "live"\nstate = "{self.state}"\nreally_trade = true\n'
            f"[limits]\n{limits}\n[venue]\n{addresses}\n{more}"
        )

    # -- the process -------------------------------------------------------------------------------

    def start(self, streams: Streams | None = None, script: str = "") -> None:
        """Start the node, or a script that runs one, and wait until it has published."""
        program = ["-c", script] if script else [*_PROGRAM, "run", "--config", "live.toml"]
        to = streams or Streams(subprocess.DEVNULL, subprocess.DEVNULL)
        begun = time.time()
        self.process = subprocess.Popen(
            [sys.executable, *program],
            cwd=self._folder,
            env=environment() | dict(self._keys) | {"XDG_STATE_HOME": str(self._folder)},
            stdin=subprocess.DEVNULL,
            stdout=to.out,
            stderr=to.err,
            start_new_session=True,
            preexec_fn=_own_terminal if streams and streams.is_terminal else _end_with_parent,
        )
        copy = self.state / "published.duckdb"
        self.within(
            START_ROUNDS,
            lambda: self.is_over or (copy.exists() and copy.stat().st_mtime > begun),
            "the node did not come up",
        )
        if self.is_over:
            raise Failed(f"the node did not come up: it ended with {self.process.returncode}")

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self.process is None or self.process.poll() is not None

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self.process is not None
        return self.process.pid

    def touch(self, name: str) -> None:
        """Leave an empty file where the node runs."""
        (self._folder / name).touch()

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def close(self) -> None:
        """End the process, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(_END_SECONDS)

    # -- what is seen ------------------------------------------------------------------------------

    def open(self) -> None:
        """Open two positions and wait until both are protected."""
        spool = Spool(self.state)
        for role in ("victim", "other"):
            market = self.venue.add_market(f"{role}-{self._folder.name}")
            self.venue.quote(market.tokens[0], "0.50", "5000", "0.52", "5000")
            self.pair.append(market)
            asked = {"market": market.slug, "outcome": "Yes", "max_bid": "0.55", "size": SHARES}
            levels = {"stop": "0.45", "target": "0.70"}
            spool.put(json.dumps({"command": "submit"} | asked | levels).encode())
        tokens = {market.tokens[0] for market in self.pair}
        self.within(
            START_ROUNDS,
            lambda: tokens <= {o.token for o in self.venue.orders(self.funder) if o.side == "SELL"},
            "the positions were not opened",
        )
        self.within(START_ROUNDS, lambda: self._shown() == 2, "the positions were not published")

    def fall(self) -> None:
        """Let the other's bid fall through its stop."""
        self.venue.quote(self.pair[1].tokens[0], "0.40", "5000", "0.60", "5000")

    def is_sold(self) -> bool:
        """Whether the wallet holds no share of the other any more."""
        return self.venue.ledger.account(self.funder).held(self.pair[1].tokens[0]) == 0

    def sold(self, rounds: int = ROUNDS_MAX) -> None:
        """Wait until the other is sold; raises `Failed` where it is not."""
        self.within(rounds, self.is_sold, "the other position was not sold")

    def shown_running(self) -> bool:
        """Whether `status` says that the node runs, whatever alarms are open."""
        self._said = status(self.state)
        return self._said.get("running") is True

    def within(self, rounds: int, is_so: Callable[[], bool], otherwise: str) -> None:
        """Wait for so many rounds of the venue; raises `Failed` in the end."""
        begun, wall = self._rounds.count, time.monotonic()
        while not is_so():
            gone, seconds = self._rounds.count - begun, time.monotonic() - wall
            if gone > rounds:
                after = f"within {gone} rounds of the venue ({seconds:.1f} s)"
                raise Failed(f"{otherwise} {after}; `status` said {self._said}")
            self._rounds.sign()
            time.sleep(0.01)

    def _shown(self) -> int:
        with contextlib.suppress(NoSnapshot), Snapshot(self.state) as copy:
            return sum(row["held"] > 0 for row in copy.positions())
        return 0


def _end_with_parent() -> None:
    """No node outlives a worker that was ended."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _own_terminal() -> None:
    _end_with_parent()
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
