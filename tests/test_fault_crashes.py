"""The faults of `test_faults` and `test_rare_faults`, with the node dying in the midst of each.

A scenario is played until the venue has had so many requests for orders; then the disk takes
nothing any more and the node goes, as it would by `kill -9`, with the fault still there. A new node
goes on from the record. What it holds must be protected, the market's end must close all of it, and
our ledger must be the venue's. `make crash` plays each scenario with each number of requests.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import test_faults
import test_rare_faults
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.live.node import TradingNode
from trading import KEY, Scenario, Session, settings

from node import Node
from positions.model.errors import VenueFailure
from positions.model.position import EXITS, OVER, Phase, Position, Role

SCENARIOS: dict[str, Scenario] = test_faults.SCENARIOS | test_rare_faults.SCENARIOS
STARTS_MAX = 5


class Case(NamedTuple):
    """A scenario, and the request for an order at which the node dies."""

    scenario: str
    request: int

    def __str__(self) -> str:
        return f"{self.scenario}, at request {self.request}"


FEW = [
    Case("the entry is taken although the venue says 500", 1),
    Case("the exits answer times out although it matched", 2),
    Case("the exits trade fails to settle", 2),
    Case("the target fills while it is being cancelled", 3),
    Case("the cancels answer and message are lost", 3),
]
CASES = (
    [Case(name, number) for name in SCENARIOS for number in (1, 2, 3, 4)]
    if os.environ.get("CRASHES") == "all"
    else FEW
)


class Mortal:
    """A wallet whose nodes die and are started again, on one folder.

    Parameters
    ----------
    venue
        Where it trades.
    state
        The folder.
    """

    def __init__(self, venue: LoopbackPolymarket, state: Path) -> None:
        self.venue = venue
        self._state = state
        self._keys = venue.wallet(KEY, cash="100000")

    def run(self, script: Callable[[Session], Any]) -> None:
        """Start a node, as whoever watches over it would, and run it for as long as the script."""
        for _ in range(STARTS_MAX):
            node = Node(settings(self.venue, self._state, safety={"stale_seconds": 1}), self._keys)
            begun = False

            async def play(_: TradingNode, __: Callable[[], bool], node: Node = node) -> None:
                nonlocal begun
                begun = True
                await script(
                    Session(node, self.venue, self._state, self._keys["POLYMARKET_FUNDER"])
                )

            with suppress(VenueFailure):  # it said so in one line, and is started again
                node.run(play)
            if begun:
                return
            self.venue.faults.clear()
        raise AssertionError("the node does not come up")


def play_case(mortal: Mortal, case: Case, m: MarketHandle) -> None:
    """Play a scenario to its death, start again, and end its market."""

    async def first(s: Session) -> None:
        before = len(mortal.venue.requests)
        playing = asyncio.ensure_future(SCENARIOS[case.scenario](s, m))
        while not playing.done() and _orders_asked(s, before) < case.request:
            await asyncio.sleep(0.001)
        if not playing.done():
            s.node.store._write = _dead  # type: ignore[method-assign]
            playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)

    async def second(s: Session) -> None:
        await s.until(lambda: all(map(_is_safe, _of(s, m))), "what is held is protected")
        s.venue.faults.clear()
        if s.venue.ledger.markets[m.condition_id].payouts is None:
            s.venue.quote(m.tokens[0], "0.40", "500", "0.44", "100")
        await s.until(lambda: all(map(_is_done, _of(s, m))), "all of it is over")
        await s.agrees(m)

    mortal.run(first)
    mortal.run(second)


def _dead(_: Any) -> None:
    raise duckdb.IOException("the node is dead")


def _orders_asked(s: Session, since: int) -> int:
    """How many requests to post or to cancel an order have come to the venue since then."""
    return sum(r.where in ("POST /order", "DELETE /order") for r in s.venue.requests[since:])


def _of(s: Session, m: MarketHandle) -> Iterator[Position]:
    return (p for p in s.positions.values() if p.outcome_id == m.tokens[0])


def _is_safe(p: Position) -> bool:
    is_armed = bool(p.live(Role.STOP)) or p.phase in EXITS or p.phase in OVER
    return p.sellable <= 0 or is_armed


def _is_done(p: Position) -> bool:
    return p.sellable <= 0 and not p.orders and p.phase in (*OVER, Phase.DISPUTED)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_node_that_dies_in_the_midst_of_a_fault_goes_on(case: Case, tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain", version=f"v{1 + CASES.index(case) % 2}")
        venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")
        play_case(Mortal(venue, tmp_path), case, m)
