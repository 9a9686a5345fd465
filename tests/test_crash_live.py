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
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from trading import KEY, PATIENCE

from positions.model.events import AnyEvent, OrderFilled, OrderSent, Restarted, Triggered
from positions.model.position import Role
from positions.storage.locks import holder
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool
from positions.storage.store import Store

ROOT = Path(__file__).parents[1]
D = Decimal
LEVELS = {"sell_price": "0.70", "stop_loss_price": "0.45"}
TERMS = (
    LEVELS,
    {"targets": "0.60:50% 0.70", "stop_loss_price": "0.45", "trail": "0.06"},
    LEVELS | {"stop_confirm": "1s", "floor_price": "0.38", "after_floor": "rest"},
)
"""What is asked for in each market."""
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
        self.markets = [venue.add_market(f"market-{n}", version=f"v{1 + n % 2}") for n in range(3)]
        venue.faults.optional_fields = ("", "missing", "null")[seed % 3]
        self.keys = venue.wallet(KEY, cash="1000")
        self.funder = self.keys["POLYMARKET_FUNDER"]
        self.ids: list[str] = []
        self.configure(self.config, self.state)
        for m in self.markets:
            venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")

    def configure(self, config: Path, state: Path) -> None:
        """Write the configuration of a node of this wallet."""
        addresses = "\n".join(f'{n} = "{url}"' for n, url in self.venue.settings().items())
        config.write_text(
            f'mode = "live"\nstate = "{state}"\nreally_trade = true\n'
            "[limits]\ndefault_stake = 10\nmax_stake_per_position = 100\nmax_total_stake = 900\n"
            f"[venue]\n{addresses}\n"
        )

    def start(
        self,
        instant: str = "never",
        number: int = 0,
        config: Path | None = None,
        stderr: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a node that dies at an instant of its own."""
        plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        program = str(ROOT / "tests" / "crash_live_node.py")
        return subprocess.Popen(
            [sys.executable, program, str(config or self.config), instant, str(number)],
            env=plain | self.keys | {"XDG_STATE_HOME": str(self.state.parent)},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )

    def submit(self, m: MarketHandle) -> None:
        """Queue a position."""
        asked = {"command": "submit", "market": m.slug, "outcome": "Yes", "size": "20"}
        asked |= {"max_bid": "0.55"} | TERMS[self.markets.index(m)]
        self.ids.append(Spool(self.state).put(json.dumps(asked).encode()))

    def adopt(self, m: MarketHandle, shares: str) -> None:
        """Have shares of elsewhere, and queue their protection."""
        self.venue.give(self.funder, m.tokens[0], shares)
        asked = {"command": "adopt", "market": m.slug, "outcome": "Yes", "entry_price": "0.30"}
        asked |= {"sell_price": "0.70", "stop_loss_price": "0.45"}
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

    def die(self, node: subprocess.Popen[bytes]) -> None:
        """Let the market go on until the node has killed itself, or will not come to that."""
        self.wait(lambda: node.poll() is not None or self._runs(node), "the node is there")
        self.live(node, 10)
        node.kill()
        node.wait()

    def _runs(self, node: subprocess.Popen[bytes]) -> bool:
        """Whether the process has come as far as to lock its folder; how long that takes varies."""
        found = holder(self.state)
        return found is not None and found.pid == node.pid

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        until = time.monotonic() + 2 * PATIENCE
        while not is_so():
            assert time.monotonic() < until, what
            time.sleep(0.05)

    def phases(self) -> dict[str, str]:
        """The phase of each position, as the node last published it."""
        try:
            with Snapshot(self.state) as copy:
                rows = copy.positions(everything=True)
                fresh = copy.node()["heartbeat"]
        except NoSnapshot:
            return {}
        alive = holder(self.state) is not None and time.time_ns() - fresh < 3 * 10**9
        return {r["id"]: r["phase"] for r in rows} if alive else {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_live_node_that_was_killed_goes_on(
    case: Case, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with LoopbackPolymarket() as venue:
        person = Person(venue, tmp_path, case.seed)
        for m in person.markets:
            person.submit(m)
        for instant, number in case.deaths:
            if instant != "at":
                person.die(person.start(instant, number))
                continue
            node = person.start()
            person.live(node, 1 + number / 1000)
            node.kill()
            node.wait()
        started = time.time_ns()
        run_to_the_end(person)
    check(person)
    for name, nanos in unprotected(person, started).items():
        record_property(name, nanos)


ADOPTIONS = [(when, number) for number in range(1, 7) for when in ("before", "after")]


@pytest.mark.parametrize(
    ("when", "number"), ADOPTIONS if os.environ.get("CRASHES") == "all" else [("after", 2)]
)
def test_shares_are_adopted_once_wherever_the_node_is_killed(
    when: str, number: int, tmp_path: Path
) -> None:
    with LoopbackPolymarket() as venue:
        person = Person(venue, tmp_path, number)
        person.adopt(person.markets[0], "20")
        person.die(person.start(f"{when}-commit", number))
        run_to_the_end(person)
        token = person.markets[0].tokens[0]
        assert venue.shares(person.funder, token) == 0
    store = Store(person.state / "positions.duckdb", lambda f: f(), lambda _: None)
    try:
        (p,) = (store.replay(position_id) for position_id in person.ids)
        assert (p.ledger.bought, p.ledger.sold) == (20, 20)
        assert len(store.commands()) == 1
    finally:
        store.close()


def run_to_the_end(person: Person) -> None:
    """Start a node that is not killed, and stop it once everything is sold."""
    node = person.start()
    try:
        finish(person)
    finally:
        node.terminate()
        node.wait(PATIENCE)


def unprotected(person: Person, started: int) -> dict[str, int]:
    """How long after its last start the last stop of what was held was armed, in nanoseconds.

    From the start of the process, and from when the node was up and began to go on with its record;
    nothing where nothing was held.
    """
    store = Store(person.state / "positions.duckdb", lambda f: f(), lambda _: None)
    try:
        told = [[f for _, f in store.events(position_id)] for position_id in person.ids]
    finally:
        store.close()
    begun = [f.time for events in told for f in events if isinstance(f, Restarted)]
    begun = [time for time in begun if time >= started]
    up = min(begun, default=started)
    armed = [time for events in told if (time := _armed_at(events, started, up)) is not None]
    if not armed:
        return {}
    return {"unprotected_from_process_start": max(armed) - started} | (
        {"unprotected_from_node_up": max(armed) - up} if begun else {}
    )


def _armed_at(events: Iterable[AnyEvent], started: int, up: int) -> int | None:
    """When a position that was held at the start was armed, or sold by its stop."""
    for event in events:
        is_stop = isinstance(event, OrderSent) and event.order.role is Role.STOP
        if event.time >= started and (is_stop or isinstance(event, Triggered)):
            return event.time
        if isinstance(event, OrderFilled) and event.time > up:
            return None  # it was bought only then
    return None


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
            assert (p.ledger.bought, p.ledger.sold) == (bought, sold) == (20, 20), (
                "an order was lost or doubled"
            )
            money = sum((leg.amount * (1 if leg.side == "SELL" else -1) for leg in legs), D(0))
            assert p.ledger.proceeds - p.ledger.cost == money
            assert p.fees == sum((leg.fee for leg in legs), D(0))
    finally:
        store.close()
