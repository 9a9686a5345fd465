"""The venue's modes: how each is told, what waits meanwhile, and what is sent once it is over."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from loopback.server import MarketHandle
from test_faults import crash, opened, resting, stopped
from trading import Scenarios, Session

from positions.model.position import Role
from positions.model.venue_mode import Taking, VenueMode
from venues.polymarket.api import modes
from venues.polymarket.api.clob import VenueError
from venues.polymarket.api.modes import ToldMode

pytestmark = pytest.mark.xdist_group("modes")

SCENARIOS = Scenarios()

ANSWERS: list[tuple[int, dict[str, str], Any, str, Taking, float]] = [
    (425, {}, {}, "restarts", Taking.NOTHING, 0),
    (425, {"Retry-After": "3"}, {"error": "service not ready"}, "restarts", Taking.NOTHING, 3),
    (
        503,
        {"Retry-After": "79"},
        {"error": "post-only mode: only post-only orders and cancels are allowed"},
        "post-only",
        Taking.POST_ONLY,
        79,
    ),
    (
        503,
        {},
        {"code": "post_only_mode", "retry_after_seconds": 12},
        "post-only",
        Taking.POST_ONLY,
        12,
    ),
    (
        503,
        {},
        {"error": "Trading is currently cancel-only. New orders are not accepted"},
        "cancel-only",
        Taking.NOTHING,
        0,
    ),
    (503, {}, {"error": "Trading is currently disabled. Check"}, "disabled", Taking.NOTHING, 0),
    (503, {}, {"error": "trading is disabled"}, "disabled", Taking.NOTHING, 0),
    (503, {}, {"error": {"message": "x", "code": "CANCEL_ONLY"}}, "cancel-only", Taking.NOTHING, 0),
    (503, {}, {"code": "trading_disabled", "error": None}, "disabled", Taking.NOTHING, 0),
    (
        503,
        {},
        {"error": {"code": "post_only_mode", "retry_after_seconds": 12}},
        "post-only",
        Taking.POST_ONLY,
        12,
    ),
    (400, {}, {"error": "'0xab' address in closed-only mode"}, "closed-only", Taking.ALL, 0),
    (400, {}, {"error": "'0xab' address in closed only mode"}, "closed-only", Taking.ALL, 0),
    (400, {}, {"error": "'0xab' address banned"}, "banned", Taking.ALL, 0),
    (403, {}, {"error": "Trading restricted in your region"}, "geoblock", Taking.ALL, 0),
]


@pytest.mark.parametrize(("status", "headers", "body", "word", "taking", "seconds"), ANSWERS)
def test_an_answer_tells_of_a_mode(
    status: int, headers: dict[str, str], body: Any, word: str, taking: Taking, seconds: float
) -> None:
    told = modes.of_error(VenueError(httpx.Response(status, headers=headers, json=body)))
    assert isinstance(told, ToldMode)
    assert word in told.text
    assert (told.taking, told.seconds) == (taking, seconds)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "invalid post-only order: order crosses book"),
        (400, "not enough balance / allowance"),
        (429, "Too Many Requests"),
        (500, "order timed out"),
        (503, "service not ready"),
    ],
)
def test_another_refusal_tells_of_none(status: int, words: str) -> None:
    assert modes.of_error(VenueError(httpx.Response(status, json={"error": words}))) is None
    assert modes.of_error(httpx.ConnectError(words)) is None


def test_a_mode_is_told_with_the_time_it_ends() -> None:
    until = 1_796_000_000 * 10**9
    text = str(VenueMode("the venue is in post-only mode", Taking.POST_ONLY, until))
    assert text.startswith("the venue is in post-only mode until 00:53:20 UTC; entries wait")
    assert "until" not in str(VenueMode("trading is disabled", Taking.NOTHING))


def told_of(s: Session, words: str) -> Callable[[], bool]:
    return lambda: any(words in text for text in s.alarms)


def log(s: Session) -> str:
    """What the node has logged so far."""
    return "".join(f.read_text(encoding="utf-8") for f in (s.state / "logs").glob("*.log"))


def posted(s: Session, since: int) -> list[int]:
    """What the posts from then on were answered."""
    return [r.status for r in s.venue.asked("POST /order")[since:]]


@SCENARIOS.add
async def ten_stops_fire_in_post_only_mode(s: Session, m: MarketHandle) -> None:
    s.venue.quote(m.tokens[0], "0.50", "1000", "0.52", "1000")
    held = [await opened(s, m) for _ in range(10)]
    for p in held:
        await resting(s, p, Role.TARGET)
    before, trades = len(s.venue.asked("POST /order")), len(s.venue.trades(s.funder))
    s.venue.enter("post-only", 6)
    crash(s, m, size="1000")
    await s.until(told_of(s, "post-only mode until"), "the mode is told, with its end")
    for p in held:
        await s.until(lambda p=p: s.positions[p].phase != "holding", "it is to be sold")
    for p in held:
        await stopped(s, p)
    await s.until(lambda: not told_of(s, "post-only")(), "its end is told")
    answers = posted(s, before)
    assert len(s.venue.trades(s.funder)) - trades == 10, "none sold twice"
    assert answers.count(200) >= 10
    assert answers.count(503) < 60, "one goes out as a probe, the others wait"
    assert "unknown" not in log(s)


@SCENARIOS.add
async def entries_wait_and_targets_rest_in_post_only_mode(s: Session, m: MarketHandle) -> None:
    p = await s.submit(m, "0.46", "20", sell_price="0.70", stop_loss_price="0.42")
    await resting(s, p, Role.ENTRY)
    other = await opened(s, m, sell_price="", stop_loss_price="0.48")
    s.venue.enter("post-only", 600)
    s.venue.quote(m.tokens[0], "0.47", "100", "0.52", "100")
    await s.until(told_of(s, "post-only mode until"), "the mode is told, with its end")
    late = await s.submit(m, "0.40", "20", stop_loss_price="0.30")
    s.venue.quote(m.tokens[0], "0.45", "100", "0.46", "20")
    await s.held(p, "20")
    await resting(s, p, Role.TARGET)
    assert s.positions[p].live(Role.TARGET)[0].post_only
    assert not s.positions[late].orders, "it waits"
    assert s.positions[other].held == 20
    s.venue.enter("")
    await s.phase(other, "closed")
    await resting(s, late, Role.ENTRY)
    await s.until(lambda: not told_of(s, "post-only")(), "its end is told")
    await s.command("cancel", position_id=late)
    crash(s, m, "0.41")
    await stopped(s, p)


@SCENARIOS.add
async def an_exit_waits_for_the_end_of_a_mode_that_is_not_told(s: Session, m: MarketHandle) -> None:
    for mode, words in (
        ("cancel-only", "cancel-only mode"),
        ("disabled", "trading is disabled"),
        ("restarting", "the venue restarts"),
    ):
        p = await opened(s, m)
        await resting(s, p, Role.TARGET)
        before = len(s.venue.asked("POST /order"))
        s.venue.enter(mode)
        crash(s, m)
        await s.until(told_of(s, words), f"{mode} is told")
        await s.until(lambda: len(posted(s, before)) > 2, "it is tried again")  # noqa: B023
        assert 200 not in posted(s, before)
        s.venue.enter("")
        await stopped(s, p)
        await s.until(lambda: not told_of(s, words)(), "its end is told")  # noqa: B023
        assert "unknown" not in log(s)
        s.venue.quote(m.tokens[0], "0.50", "100", "0.52", "100")


@SCENARIOS.add
async def a_wallet_that_may_only_sell_is_told_of_and_sells(s: Session, m: MarketHandle) -> None:
    p = await opened(s, m)
    s.venue.faults.closed_only = True
    late = await s.submit(m, "0.40", "20", stop_loss_price="0.30")
    await s.phase(late, "cancelled")
    await s.until(told_of(s, "closed-only"), "it is told")
    crash(s, m)
    await stopped(s, p)
    assert told_of(s, "closed-only")(), "a sale says nothing of it"
    s.venue.faults.closed_only = False
    again = await s.submit(m, "0.40", "20", stop_loss_price="0.30")
    await resting(s, again, Role.ENTRY)
    await s.until(lambda: not told_of(s, "closed-only")(), "its end is told")
    await s.command("cancel", position_id=again)
    await s.phase(again, "cancelled")


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_while(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
