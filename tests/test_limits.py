"""What a wallet may send: what is left, who goes first, and two hundred stops at once."""

import asyncio
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from test_faults import opened, resting
from trading import Session, trade

from positions.model.position import Role
from venues.polymarket.api.limits import TIERS, Bucket, Kind, Rate, RateLimits
from venues.polymarket.execution.budget import Budget, Rank

pytestmark = pytest.mark.xdist_group("limits")


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_as_time_passes_and_no_further() -> None:
    bucket = Bucket(Rate(40, 60), 0.0)
    bucket.take(60, 0.0)
    assert (bucket.left(0.0), bucket.left(0.5), bucket.left(99.0)) == (0, 20, 60)


@pytest.mark.parametrize(
    ("left", "cost", "reserve", "pause"),
    [
        (60, 1, 0.0, 0.0),
        (60, 15, 0.25, 0.0),
        (60, 60, 0.0, 0.0),
        (60, 61, 0.0, 0.0),  # no more can ever be there
        (60, 60, 0.5, 0.0),
        (30, 1, 0.5, 1 / 40),
        (30, 1, 0.25, 0.0),
        (0, 1, 0.0, 1 / 40),
        (0, 20, 0.0, 0.5),
        (-40, 1, 0.0, 41 / 40),  # what a cancel of everything costs is told afterwards
    ],
)
def test_what_is_lacking_is_waited_for(
    left: float, cost: float, reserve: float, pause: float
) -> None:
    bucket = Bucket(Rate(40, 60), 0.0)
    bucket.take(60 - left, 0.0)
    assert bucket.pause(cost, reserve, 0.0) == pytest.approx(pause)


def test_nothing_is_sent_for_as_long_as_a_refusal_says_within_bounds() -> None:
    for said, waited in ((3.0, 3.0), (0.0, 0.5), (3600.0, 10.0)):
        bucket = Bucket(Rate(40, 60), 0.0)
        bucket.stop(said, 0.0)
        assert bucket.pause(1, 0.0, 0.0) == waited
        assert bucket.pause(1, 0.0, waited) == 0


def test_the_venues_headers_are_followed() -> None:
    time = Time()
    limits = RateLimits(time)
    assert str(limits) == (
        "no tier told, taken for standard, 60 of 60 orders and 120 of 120 cancels left"
    )
    told = {"poly-ratelimit-remaining": "12", "poly-ratelimit-tier": "Standard"}
    limits.heard("POST", "/order", 200, told, 0)
    assert str(limits) == "standard tier, 12 of 60 orders and 120 of 120 cancels left"
    limits.heard("DELETE", "/orders", 429, {"poly-ratelimit-warning": "true"}, 4.0)
    assert limits.pause(Kind.CANCELS, 1) == 4
    assert limits.pause(Kind.ORDERS, 1) == 0
    assert str(limits).endswith("WARNED")
    limits.heard("GET", "/data/orders", 429, {"poly-ratelimit-remaining": "0"}, 9.0)
    assert limits.pause(Kind.ORDERS, 1) == 0, "it is none of the two"
    limits.heard("POST", "/order", 200, {"poly-ratelimit-tier": "gold"}, 0)
    assert (limits.tier, limits.burst(Kind.ORDERS)) == ("gold", TIERS["gold"][Kind.ORDERS].burst)
    limits.heard("POST", "/order", 200, {"poly-ratelimit-tier": "odd", "x": "y"}, 0)
    limits.heard("POST", "/order", 200, {"poly-ratelimit-remaining": "many"}, 0)
    assert limits.tier == "gold"


@pytest.mark.parametrize("told", ["-inf", "-1e300", "nan", "inf", "-3", "1e400", "", "0x5"])
def test_no_header_keeps_an_exit_waiting_for_long(told: str) -> None:
    limits = RateLimits(Time())
    limits.heard("POST", "/order", 200, {"poly-ratelimit-remaining": told}, 0)
    assert 0 <= limits.pause(Kind.ORDERS, 1) < 2
    assert "left" in str(limits)


def test_what_is_on_its_way_may_arrive_at_one_moment() -> None:
    time = Time()
    limits = RateLimits(time)
    limits.take(Kind.ORDERS, 60)
    time.now = 10.0
    assert limits.pause(Kind.ORDERS, 1) > 0, "the venue may count all of them now"
    limits.answered(Kind.ORDERS, 20)
    assert limits.pause(Kind.ORDERS, 20) == 0
    assert limits.pause(Kind.ORDERS, 21) > 0


def test_exits_are_served_first_whoever_came_first() -> None:
    async def play() -> list[str]:
        time, served = Time(), list[str]()
        limits = RateLimits(time)
        limits.take(Kind.ORDERS, 60)
        limits.answered(Kind.ORDERS, 60)
        budget = Budget(limits)

        async def one(name: str, rank: Rank) -> None:
            await budget.spend(Kind.ORDERS, rank)
            served.append(name)

        asked = [
            asyncio.create_task(one(name, rank))
            for name, rank in (
                ("entry", Rank.ENTRY),
                ("target", Rank.TARGET),
                ("exit", Rank.EXIT),
                ("another exit", Rank.EXIT),
            )
        ]
        gone = asyncio.create_task(one("gone", Rank.EXIT))
        await asyncio.sleep(0)
        gone.cancel()
        while not all(task.done() for task in asked):
            time.now += 0.025
            await asyncio.sleep(0.06)
        return served

    assert asyncio.run(play()) == ["exit", "another exit", "target", "entry"]


def test_two_hundred_stops_fire_at_once_on_the_standard_tier(tmp_path: Path) -> None:
    count = 200
    with LoopbackPolymarket() as venue:
        m = venue.add_market("rain")
        venue.quote(m.tokens[0], "0.50", "10000", "0.52", "10000")

        async def script(s: Session) -> None:
            ids = [await opened(s, m, "10") for _ in range(count)]
            for p in ids:
                await resting(s, p, Role.TARGET)
            await s.settled()
            venue.faults.limits = {"orders": (40, 60), "cancels": (80, 120)}
            before = len(venue.requests)
            venue.quote(m.tokens[0], "0.44", "10000", "0.47", "10000")
            await s.until(lambda: all(s.positions[p].is_over for p in ids), "all are sold", 120)
            assert all(s.positions[p].ledger.sold == 10 for p in ids)
            refused = [r for r in venue.requests[before:] if r.status == 429]
            assert len(refused) <= 3, f"{len(refused)} were refused"
            await s.until(
                lambda: s.node.strategy.engine.rate_limit.startswith("standard tier"),
                "the tier is known for `status`",
            )
            await s.agrees(m)

        trade(venue, tmp_path, script, cash="10000")
