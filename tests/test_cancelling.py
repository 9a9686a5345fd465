"""A cancel that the venue refuses is asked for again at once, and in another way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from loopback.faults import Faults
from loopback.server import MarketHandle
from py_clob_client_v2.exceptions import PolyApiException
from test_faults import crash, opened, resting, stopped
from test_order_reconciliation import HASH, SOLD, TOKEN, Venue, World
from trading import Scenarios, Session

from positions.model.events import CancelRefused, CancelSent
from positions.model.position import Role
from venues.polymarket.api.clob import VenueError, retry_after
from venues.polymarket.api.limits import RateLimits
from venues.polymarket.execution import cancelling
from venues.polymarket.execution.budget import Budget
from venues.polymarket.execution.cancelling import Canceller
from venues.polymarket.execution.order_fill_tracker import Canceled, Filled

pytestmark = pytest.mark.xdist_group("cancelling")

DONE = {"canceled": [HASH], "not_canceled": {}}
GONE = {"canceled": [], "not_canceled": {HASH: "the order is already canceled or matched"}}
RESTS = {"id": HASH, "status": "LIVE", "size_matched": "0"}


def refusal(status: int, **headers: str) -> PolyApiException:
    return VenueError(httpx.Response(status, json={"error": "not now"}, headers=headers))


@dataclass
class Refusing(Venue):
    """Answers cancels as it is told, and the last one for ever."""

    answers: list[Any]
    order: Any = None
    trades: list[dict[str, Any]] = field(default_factory=list)
    asked_in: list[str] = field(default_factory=list)

    def get_order(self, _: str) -> Any:
        """The order as the venue has it."""
        return self.order

    def cancel_order(self, _: Any) -> Any:
        """Cancel one order."""
        return self._answer("order")

    def cancel_orders(self, hashes: list[str]) -> Any:
        """Cancel a batch."""
        assert hashes == [HASH]
        return self._answer("batch")

    def cancel_market_orders(self, params: Any) -> Any:
        """Cancel what rests in an outcome."""
        assert (params.market, params.asset_id) == ("0xc0ffee", TOKEN)
        return self._answer("market")

    def _answer(self, way: str) -> Any:
        self.asked_in.append(way)
        answer = self.answers[min(len(self.asked_in), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_PAUSES", (0.0,) * 9)


def cancelled(venue: Refusing, *, foreign: frozenset[str] | None = None) -> tuple[World, str]:
    """Cancel an order that rests; its world, and why it could not be."""

    async def play() -> tuple[World, str]:
        w = World(venue, is_immediate=False)
        w.live.tracker.apply_acceptance()
        w.orders.foreign = foreign
        why = await asyncio.wait_for(
            Canceller(venue, w.orders, w.reconciliation, Budget(RateLimits())).cancel(w.live), 30
        )
        for task in w.tasks:
            task.cancel()
        return w, why

    return asyncio.run(play())


WIDE = HASH.removeprefix("0x").upper()


@pytest.mark.parametrize("named", [HASH.upper(), WIDE, WIDE.lower(), f"0x{WIDE}"])
def test_a_cancelled_order_is_known_however_its_hash_is_written(named: str) -> None:
    assert (
        cancelling._read({"canceled": [None, 7, named]}, HASH).outcome
        is cancelling.CancelOutcome.CANCELED
    )
    gone = cancelling._read({"canceled": [], "not_canceled": {named: "why"}}, HASH)
    assert (gone.outcome, gone.why) == (cancelling.CancelOutcome.NOT_CANCELED, "why")


REFUSALS = {
    "an error of the venue": [refusal(500)],
    "an error without JSON": [VenueError(httpx.Response(502, text="<html>"))],
    "a rate limit": [refusal(429, **{"retry-after": "0.01"})],
    "a restart": [refusal(425), refusal(425)],
    "a reset": [PolyApiException(error_msg="Request exception!")],
    "an error of the library": [TypeError("not JSON")],
    "null": [None],
    "a list": [[[1]]],
    "words that are not the venue's": [{"error": "maintenance"}],
    "several": [refusal(500), refusal(503), None, refusal(425), "<html>"],
    "not canceled, while it rests": [GONE | {"not_canceled": {HASH: "try later"}}],
}


@pytest.mark.parametrize("answers", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_followed_by_another_attempt(answers: list[Any]) -> None:
    venue = Refusing([*answers, DONE], order=RESTS)
    w, why = cancelled(venue)
    assert (why, w.told[-1]) == ("", Canceled)
    assert len(venue.asked_in) == len(answers) + 1


def test_another_way_is_taken_each_time_and_all_of_the_outcome_only_where_it_is_ours() -> None:
    venues = {foreign: Refusing([refusal(500)], order=RESTS) for foreign in (None, "none", "some")}
    for foreign, venue in venues.items():
        tokens = {"none": frozenset[str](), "some": frozenset([TOKEN])}.get(str(foreign))
        assert "not now" in cancelled(venue, foreign=tokens)[1]
        assert venue.asked_in[:4] == [
            "order",
            "batch",
            "order",
            "market" if foreign == "none" else "batch",
        ]
        assert len(venue.asked_in) == len(cancelling._PAUSES)


def test_an_order_that_was_cancelled_by_an_attempt_without_an_answer_is_over() -> None:
    venue = Refusing([refusal(500), GONE])
    w, why = cancelled(venue)
    assert (why, w.told) == ("", [Canceled])
    assert venue.asked_in == ["order", "batch"]


def test_an_order_that_was_matched_is_over_once_its_trades_are_known() -> None:
    w, why = cancelled(Refusing([GONE], trades=[SOLD]))
    assert (why, w.told) == ("", [Filled])


def test_silence_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "SILENT_SECONDS", 0.01)
    answered = []

    async def play() -> None:
        silent = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait() -> Any:
            asyncio.run_coroutine_threadsafe(silent.wait(), loop).result(30)
            return GONE

        venue = Refusing([wait, DONE], order=RESTS)
        w = World(venue, is_immediate=False)
        w.live.tracker.apply_acceptance()
        answered.append(
            await Canceller(venue, w.orders, w.reconciliation, Budget(RateLimits())).cancel(w.live)
        )
        silent.set()
        for task in w.tasks:
            task.cancel()
        assert w.told == [Canceled]

    asyncio.run(play())
    assert answered == [""]


def test_one_cancel_at_a_time_is_under_way_for_an_order() -> None:
    async def play() -> None:
        venue = Refusing([DONE])
        w = World(venue, is_immediate=False)
        w.live.tracker.apply_acceptance()
        canceller = Canceller(venue, w.orders, w.reconciliation, Budget(RateLimits()))
        assert await asyncio.gather(*(canceller.cancel(w.live) for _ in range(3))) == [""] * 3
        assert venue.asked_in == ["order"]
        for task in w.tasks:
            task.cancel()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (refusal(429, **{"retry-after": "3"}), 3.0),
        (refusal(503, **{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0.0),
        (VenueError(httpx.Response(503, json={"retry_after_seconds": 79})), 79.0),
        (VenueError(httpx.Response(503, json={"error": {"retry_after_seconds": 7}})), 7.0),
        (VenueError(httpx.Response(503, json={"error": ["x"], "retry_after_seconds": []})), 0.0),
        (refusal(503, **{"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}), 86_400.0),
        (refusal(503, **{"retry-after": "Sun Nov  6 08:49:37 2094"}), 86_400.0),
        (refusal(503, **{"retry-after": "Wed, 21 Oct 2099 07:28:00 -0000"}), 86_400.0),
        (refusal(503, **{"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}), 0.0),
        (refusal(503, **{"retry-after": "Mon, 01 Jan 2026 00:00:00 +99999999999"}), 0.0),
        (refusal(429, **{"retry-after": "soon"}), 0.0),
        (refusal(429, **{"retry-after": "-1"}), 0.0),
        (refusal(429, **{"retry-after": "nan"}), 0.0),
        (refusal(429, **{"retry-after": "1e99"}), 0.0),
        (refusal(500), 0.0),
        (TypeError("x"), 0.0),
    ],
)
def test_the_venue_says_when_to_ask_again(error: Exception, seconds: float) -> None:
    assert retry_after(error) == seconds


# -- live ------------------------------------------------------------------------------------------

SCENARIOS = Scenarios()
FAULTS: dict[str, Callable[[Faults], None]] = {
    "fails": lambda f: f.answer("DELETE *", 500, error="x"),
    "fails again and again": lambda f: f.answer("DELETE *", 500, times=4, error="x"),
    "never takes a single cancel": lambda f: f.answer("DELETE /order", 500, times=None, error="x"),
    "takes a cancel of the outcome alone": lambda f: f.answer(
        "DELETE /order*", 503, times=None, error="x"
    ),
    "limits the rate": lambda f: f.answer("DELETE *", 429, times=2, error="slow down"),
    "restarts": lambda f: f.answer("DELETE *", 425, times=3, error="restarting"),
    "resets the connection": lambda f: f.reset("DELETE *", times=2),
    "cuts its answer": lambda f: f.cut("DELETE *"),
    "fails after it has acted, and says nothing": lambda f: (
        f.answer("DELETE *", 500, after=True, error="x"),
        f.lose("order CANCELLATION"),
    ),
    "does not answer": lambda f: f.hang("DELETE *", 8),
}


def refusing(fault: Callable[[Faults], None]) -> Callable[[Session, MarketHandle], Any]:
    async def play(s: Session, m: MarketHandle) -> None:
        p = await opened(s, m)
        await resting(s, p, Role.TARGET)
        await s.looks(1)
        fault(s.venue.faults)
        crash(s, m)
        await stopped(s, p)
        told = [f for _, f in s._facts(p)]
        sent = [f.order_id for f in told if isinstance(f, CancelSent)]
        assert len(set(sent)) == len(sent), "the plan had to ask again"
        assert not any(isinstance(f, CancelRefused) for f in told)

    return play


SCENARIOS |= {f"it {name}": refusing(fault) for name, fault in FAULTS.items()}


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Play those that are asked for; what went wrong in each."""
    return SCENARIOS.play(request, tmp_path_factory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_stop_is_not_held_up_by_a_venue_of_which(name: str, failures: dict[str, str]) -> None:
    assert not failures[name], failures[name]
