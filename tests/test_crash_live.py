"""A live node killed with SIGKILL and started again on its wallet: nothing lost, nothing twice.

A seeded script of prices and commands goes on at the loopback venue while the node is killed: at
each of its durable boundaries, or at random instants. It is then started again and run to the end.
`make crash` plays them all; otherwise a few.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from trading import KEY, PATIENCE

from positions.locks import holder
from positions.published import NotPublished, Published
from positions.spool import Spool
from positions.store import Store

ROOT = Path(__file__).parents[1]
D = Decimal
BOUGHT = {"holding", "exiting", "closed"}
RANDOM = int(os.environ.get("INSTANTS", "60"))


class Case(NamedTuple):
    """Where the node dies, again and again: (instant, number), or ("at", milliseconds)."""

    deaths: tuple[tuple[str, int], ...]
    seed: int

    def __str__(self) -> str:
        return "-".join(f"{instant}{number}" for instant, number in self.deaths)


def cases() -> Iterator[Case]:
    """Every boundary, then random instants, some of them of the start itself."""
    for boundary, last in (("commit", 16), ("log", 4), ("post", 7), ("delete", 4)):
        for number in range(1, last + 1):
            for when in ("before", "after"):
                yield Case(((f"{when}-{boundary}", number),), number)
    rng = random.Random(11)
    for seed in range(RANDOM):
        deaths = [("at", rng.randint(0, 6000)) for _ in range(rng.choice((1, 1, 2)))]
        yield Case(tuple(deaths), seed)


FEW = [Case((("after-post", 1),), 1), Case((("after-log", 1), ("before-commit", 3)), 3)]
CASES = list(cases()) if os.environ.get("CRASHES") == "all" else FEW


class Person:
    """Who owns the wallet: the market moves, commands are queued, the node is started again."""

    def __init__(self, venue: LoopbackPolymarket, folder: Path, seed: int) -> None:
        self.venue = venue
        self.state = folder / "state"
        self.config = folder / "live.toml"
        self.rng = random.Random(seed)
        self.markets = [venue.add_market(f"market-{n}") for n in range(3)]
        self.keys = venue.wallet(KEY, cash="1000")
        self.funder = self.keys["POLYMARKET_FUNDER"]
        self.ids: list[str] = []
        rows = venue.settings() | {}
        addresses = "\n".join(f'{name} = "{address}"' for name, address in rows.items())
        self.config.write_text(
            f'mode = "live"\nstate = "{self.state}"\nreally_trade = true\n'
            "[limits]\ndefault_stake = 10\nmax_stake_per_position = 100\nmax_total_stake = 900\n"
            f"[venue]\n{addresses}\n"
        )
        for m in self.markets:
            venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")

    def start(self, instant: str = "never", number: int = 0) -> subprocess.Popen[bytes]:
        """Start a node that dies at an instant of its own."""
        plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        program = str(ROOT / "tests" / "crash_live_node.py")
        return subprocess.Popen(
            [sys.executable, program, str(self.config), instant, str(number)],
            env=plain | self.keys | {"XDG_STATE_HOME": str(self.state.parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def submit(self, m: MarketHandle) -> None:
        """Queue a position."""
        asked = {"command": "submit", "market": m.slug, "outcome": "Yes", "size": "20"}
        asked |= {"max_bid": "0.55", "sell_price": "0.70", "stop_loss_price": "0.45"}
        self.ids.append(Spool(self.state).put(json.dumps(asked).encode()))

    def move(self) -> None:
        """Something happens at the market."""
        token = self.rng.choice(self.markets).tokens[0]
        bid, ask = self.rng.choice((("0.50", "0.52"), ("0.48", "0.51"), ("0.53", "0.55")))
        self.venue.quote(
            token, bid, self.rng.choice(("3", "40")), ask, self.rng.choice(("7", "90"))
        )

    def live(self, node: subprocess.Popen[bytes], seconds: float) -> None:
        """Let the market go on until the node is dead, or for so long."""
        until = time.monotonic() + seconds
        while node.poll() is None and time.monotonic() < until:
            self.move()
            time.sleep(0.05)

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        until = time.monotonic() + 2 * PATIENCE
        while not is_so():
            assert time.monotonic() < until, what
            time.sleep(0.05)

    def phases(self) -> dict[str, str]:
        """The phase of each position, as the node last published it."""
        try:
            with Published(self.state) as copy:
                rows = copy.positions(everything=True)
                fresh = copy.node()["heartbeat"]
        except NotPublished:
            return {}
        alive = holder(self.state) is not None and time.time_ns() - fresh < 3 * 10**9
        return {r["id"]: r["phase"] for r in rows} if alive else {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_live_node_that_was_killed_goes_on(case: Case, tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        person = Person(venue, tmp_path, case.seed)
        for m in person.markets:
            person.submit(m)
        for instant, number in case.deaths:
            node = person.start(*((instant, number) if instant != "at" else ("never", 0)))
            person.live(node, 8 if instant != "at" else 1 + number / 1000)
            node.kill()
            node.wait()
        node = person.start()
        try:
            finish(person)
        finally:
            node.terminate()
            node.wait(PATIENCE)
    check(person)


def finish(person: Person) -> None:
    """Let everything be bought, then stop all of it out."""
    for m in person.markets:
        person.venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
    protected = {"holding", "exiting", "closed"}
    person.wait(
        lambda: (
            set(person.phases()) >= set(person.ids) and set(person.phases().values()) <= protected
        ),
        "everything is bought",
    )
    for m in person.markets:
        person.venue.quote(m.tokens[0], "0.40", "500", "0.44", "100")
    person.wait(lambda: set(person.phases().values()) == {"closed"}, "everything is sold")
    person.wait(lambda: not person.venue.orders(person.funder), "nothing rests")


def check(person: Person) -> None:
    """Each command acted on once, and our ledger is the venue's to the last micro-share."""
    spool = Spool(person.state)
    assert spool.waiting() == []
    wallet = person.funder.lower()
    store = Store(person.state / "positions.duckdb", lambda f: f(), lambda _: None)
    try:
        for position_id, m in zip(person.ids, person.markets, strict=True):
            p = store.replay(position_id)
            trades = [t for t in person.venue.ledger.trades if t.status != "FAILED"]
            legs = [leg for t in trades for leg in t.legs if leg.token == m.tokens[0]]
            legs = [leg for leg in legs if leg.wallet.lower() == wallet]
            bought = sum((leg.shares for leg in legs if leg.side == "BUY"), D(0))
            sold = sum((leg.shares for leg in legs if leg.side == "SELL"), D(0))
            assert (p.bought, p.sold) == (bought, sold) == (20, 20), "an order was lost or doubled"
            money = sum((leg.amount * (1 if leg.side == "SELL" else -1) for leg in legs), D(0))
            assert p.proceeds - p.cost == money
            assert p.fees == sum((leg.fee for leg in legs), D(0))
    finally:
        store.close()
