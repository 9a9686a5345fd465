"""What stands between the quote that reaches a stop and the sale's POST: nothing that may wait."""

import asyncio
from typing import Any

import pytest
from loopback.server import MarketHandle
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session

from positions.model.position import Role

UPKEEP = frozenset(
    {"GET /time", "GET /balance-allowance", "GET /data/orders", "POST /v1/heartbeats"}
)
"""What the node asks every few seconds, whatever else it does."""
IDLE_SECONDS = 6.0
"""More than the five after which the client library closes a connection by itself."""
SLOW_SECONDS = 8.0
"""More than the node waits for an answer."""
SLOW_CALLS = 20
SCENARIOS = Scenarios()


def of_the_exit(s: Session, m: MarketHandle, since: int) -> list[Any]:
    """What was asked after so many requests up to the exit's POST, upkeep apart."""
    asked = list(s.venue.requests)[since:]
    post = next(r for r in asked if r.where == "POST /order" and m.tokens[0] in r.body)
    assert '"side":"SELL"' in post.body
    assert '"orderType":"FAK"' in post.body
    return [r for r in asked[: asked.index(post) + 1] if r.where not in UPKEEP]


@SCENARIOS.add
async def with_nothing_else_to_do(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m, sell_price="")
    before = len(s.venue.requests)
    crash(s, m)
    await stopped(s, p)
    assert [r.where for r in of_the_exit(s, m, before)] == ["POST /order"]


@SCENARIOS.add
async def with_a_resting_target(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    (target,) = [o for o in s.venue.orders(s.funder) if o.token == m.tokens[0]]
    before = len(s.venue.requests)
    crash(s, m)
    await stopped(s, p)
    cancel, post = of_the_exit(s, m, before)
    assert (cancel.where, post.where) == ("DELETE /order", "POST /order")
    assert target.id in cancel.body


@SCENARIOS.add
async def after_standing_idle(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    await asyncio.sleep(IDLE_SECONDS)
    before = len(s.venue.requests)
    known = {r.peer for r in list(s.venue.requests)[:before]}
    crash(s, m)
    await stopped(s, p)
    assert {r.peer for r in of_the_exit(s, m, before)} <= known, "a connection was opened anew"


@SCENARIOS.add
async def while_the_venue_answers_no_question(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    await resting(s, p, Role.TARGET)
    client = s.node._mode._venue.client
    s.venue.faults.hang("GET /*", SLOW_SECONDS, times=None)
    calls = [asyncio.to_thread(client.get_midpoint, m.tokens[0]) for _ in range(SLOW_CALLS)]
    asking = asyncio.gather(*calls, return_exceptions=True)
    await s.until(lambda: len(s.venue.asked("GET /midpoint")) == SLOW_CALLS, "all of them hang")
    crash(s, m)
    await stopped(s, p)
    assert not any(r.status for r in s.venue.asked("GET /midpoint")), "the exit waited for them"
    s.venue.faults.clear()
    await asking


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.xdist_group("exits")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_stop_sells_at_once(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
