"""A real node killed with SIGKILL and started again: nothing lost, nothing done twice.

Each case replays the synthetic sample with the same commands, dies at its instants one after the
other, and is then run to the end of the recording. `make crash` plays them all; otherwise a few.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from positions.storage.spool import Spool
from positions.storage.store import Store
from recordings.sample import make_sample
from venues.simulated.account import Account, outcome

ROOT = Path(__file__).parents[1]
REPLAY = ROOT / "config" / "replay.toml"
D = Decimal
Instant = tuple[str, int]

SUBMITS: list[dict[str, str]] = [
    {"market": "synthetic-rain-in-london", "max_bid": "0.55", "target": "0.70", "stop": "0.45"},
    {"market": "synthetic-team-red-wins", "max_bid": "0.61", "target": "0.75", "stop": "0.50"},
    {"market": "synthetic-rate-cut-in-june", "max_bid": "0.46", "stop": "0.35"},
    {"market": "synthetic-film-wins-award", "max_bid": "0.20", "target": "0.40"},
    {"market": "synthetic-launch-before-friday", "max_bid": "0.66", "stop": "0.40"},
]
LATER: list[tuple[float, int, dict[str, str]]] = [
    (130, 3, {"command": "sell", "shares": "30"}),
    (150, 1, {"command": "amend", "stop": "0.46"}),
    (160, 1, {"command": "release", "shares": "10"}),
    (400, 4, {"command": "cancel"}),
]
COMMANDS = len(SUBMITS) + len(LATER)


def instants() -> Iterator[tuple[Instant, ...]]:
    """Every commit, before and after; random moments; and crashes of the start itself."""
    rng = random.Random(5)
    for number in range(1, 26):
        yield (("before", number),)
        yield (("after", number),)
    for _ in range(40):
        yield (("moment", rng.randint(1, 2500)),)
    for _ in range(20):
        yield tuple((rng.choice(("before", "after")), rng.randint(1, 8)) for _ in range(3))


ALL = list(instants())
FEW = [(("moment", 700),), (("after", 3), ("before", 1), ("after", 1))]
CASES = ALL if os.environ.get("CRASHES") == "all" else FEW


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crash") / "sample"
    make_sample(folder)
    return folder


def _id(number: int) -> str:
    return f"0190b5a2-7a3f-7c3e-8c3e-{number:012}"


def queue(spool: Spool) -> None:
    """The same commands for every case."""

    def put(number: int, at: float, fields: dict[str, Any]) -> None:
        when = f"2026-03-02T12:{int(at) // 60:02}:{at % 60:06.3f}Z"
        spool.put(json.dumps(fields | {"at": when}).encode(), _id(number))

    for number, fields in enumerate(SUBMITS, start=1):
        put(number, 2, {"command": "submit", "outcome": "Yes", "size": "80"} | fields)
    for number, (at, position, fields) in enumerate(LATER, start=len(SUBMITS) + 1):
        put(number, at, fields | {"position_id": _id(position)})


def run(state: Path, catalog: Path, instant: Instant, config: Path = REPLAY) -> int:
    """Run a node to its end, or to the instant at which it kills itself."""
    arguments = [str(config), str(catalog), str(state), instant[0], str(instant[1])]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "crash_node.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_node_that_was_killed_goes_on(
    case: tuple[Instant, ...], sample: Path, tmp_path: Path
) -> None:
    queue(Spool(tmp_path))
    for instant in case:
        # -9: it was killed; a node that made fewer commits ended well, and the next begins anew.
        assert run(tmp_path, sample, instant) in (-9, 0)
        if _is_over(tmp_path):
            break
    else:
        assert run(tmp_path, sample, ("never", 0)) == 0
    check(tmp_path)


def _is_over(state: Path) -> bool:
    if not (state / "positions.duckdb").exists():
        return False
    with duckdb.connect(str(state / "positions.duckdb")) as db:
        found = db.execute("SELECT value FROM settings WHERE name = 'cursor'").fetchone()
    return found == ("over",)


def check(state: Path) -> None:
    """What must hold at the end, whatever happened."""
    spool = Spool(state)
    assert spool.waiting() == []
    for number in range(1, COMMANDS + 1):
        reply = json.loads(spool.read_reply(_id(number)) or b"{}")
        assert reply["status"] == "accepted", reply
    store = Store(state / "positions.duckdb", lambda f: f(), lambda _: None)
    try:
        check_record(store)
    finally:
        store.close()


def check_record(store: Store) -> None:
    """The ledger is what its events give and what the venue has; every stop is in force."""
    account = Account(D(0))
    account.restore(store.account_entries())
    shares = {outcome(i): t.held for i, t in account.venue.tokens.items()}
    cash, redeemable = D(1000), D(0)
    for number in range(1, len(SUBMITS) + 1):
        p = store.replay(_id(number))
        assert p.ledger.bought <= p.request.size, "an entry was sent twice"
        assert p.held >= 0
        shares[p.outcome_id] -= p.held + p.ledger.released
        assert p.ledger.released == (10 if number == 1 else 0), "released once"
        paid = p.ledger.payout is not None and p.ledger.exit_reason == "settlement"
        cash -= p.ledger.cost + p.fees
        redeemable += p.ledger.proceeds if paid else D(0)
        cash += D(0) if paid else p.ledger.proceeds
        roles = {o.role for o in p.orders}
        assert p.held == 0 or p.request.stop_loss_price is None or roles & {"stop", "exit"}
        asked = [f for _, f in store.events(p.id) if type(f).__name__ == "SaleAsked"]
        assert len(asked) == (1 if number == 3 else 0), "a command was acted on twice"
    assert set(shares.values()) == {D(0)}, "the venue has other shares than the ledger"
    assert (account.venue.cash, account.venue.redeemable) == (cash, redeemable)
    assert store.setting("cursor") == "over"
