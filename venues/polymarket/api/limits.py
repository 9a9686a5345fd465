"""What the venue lets one wallet send: a bucket of tokens for orders, one for cancels.

The venue tells in headers how many are left and which tier the wallet is of. Both are followed
here, so that an order goes out when it is taken, and not to be refused. Times are seconds of a
clock that only goes forward.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

STOPPED_SECONDS = (0.5, 10.0)
"""The least and the longest that nothing is sent after a 429, whatever it says."""
_TOO_MANY = 429
_ORDERS = ("/order", "/orders")
_CANCELS = (*_ORDERS, "/cancel-all", "/cancel-market-orders")


class Kind(StrEnum):
    """What a token is for."""

    ORDERS = "orders"
    CANCELS = "cancels"


class Rate(Struct, frozen=True):
    """Tokens for each second, and at most at once."""

    each_second: float
    burst: float


STANDARD = "standard"
TIERS: dict[str, dict[Kind, Rate]] = {
    name: {Kind.ORDERS: Rate(o, o_burst), Kind.CANCELS: Rate(2 * o, 2 * o_burst)}
    for name, o, o_burst in (
        (STANDARD, 40, 60),
        ("copper", 60, 90),
        ("bronze", 80, 120),
        ("silver", 200, 300),
        ("gold", 400, 600),
        ("platinum", 450, 675),
        ("diamond", 525, 787),
        ("elite", 600, 900),
    )
}
"""By the wallet's volume of 30 days; cancels have twice as many as orders."""


class Bucket:
    """Tokens of one kind."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._left = rate.burst
        self._at = now
        self._stopped_until = now
        self.unanswered = 0.0
        """Tokens of requests that are on their way: they may all arrive at one moment."""

    def left(self, now: float) -> float:
        """The tokens there are now."""
        grown = self._left + max(now - self._at, 0.0) * self.rate.each_second
        return min(grown, self.rate.burst - self.unanswered)

    def pause(self, cost: float, reserve: float, now: float) -> float:
        """Seconds until so many can be spent that `reserve`, a part of the burst, stays."""
        lacking = min(cost, self.rate.burst) + reserve * self.rate.burst - self.left(now)
        if reserve and lacking > 0 and self.left(now) >= self.rate.burst:
            lacking = 0.0  # what costs more than there can be beside the reserve goes all the same
        return max(self._stopped_until - now, lacking / self.rate.each_second, 0.0)

    def take(self, cost: float, now: float) -> None:
        """Spend tokens."""
        self._left, self._at = self.left(now) - cost, now

    def heard(self, left: float, now: float) -> None:
        """The venue has so many, which are fewer where another program spends them, too; at the
        least a burst below zero, as after cancels that are debited late."""
        told = max(left, -self.rate.burst)
        self._left, self._at = min(self.left(now), told), now

    def stop(self, seconds: float, now: float) -> None:
        """Nothing is taken for so long."""
        shortest, longest = STOPPED_SECONDS
        self._stopped_until = max(self._stopped_until, now + min(max(seconds, shortest), longest))


class RateLimits:
    """The buckets of one wallet, from any thread.

    Parameters
    ----------
    now
        The time.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._mutex = threading.Lock()
        self.tier = ""
        """The tier that the venue told of; "" before."""
        self.is_warned = False
        """Whether the venue said that a limit was reached, and let it pass."""
        self._buckets = {kind: Bucket(rate, now()) for kind, rate in TIERS[STANDARD].items()}

    def __str__(self) -> str:
        with self._mutex:
            now = self._now()
            parts = [
                f"{int(max(b.left(now), 0))} of {b.rate.burst:g} {kind}"
                for kind, b in self._buckets.items()
            ]
        tier = f"{self.tier} tier" if self.tier else f"no tier told, taken for {STANDARD}"
        return f"{tier}, {' and '.join(parts)} left{', WARNED' if self.is_warned else ''}"

    def burst(self, kind: Kind) -> int:
        """The most that one request may cost."""
        return int(self._buckets[kind].rate.burst)

    def pause(self, kind: Kind, cost: float, reserve: float = 0.0) -> float:
        """Seconds until so many tokens can be spent, beside a part of the burst that stays."""
        with self._mutex:
            return self._buckets[kind].pause(cost, reserve, self._now())

    def take(self, kind: Kind, cost: float) -> None:
        """Spend tokens."""
        with self._mutex:
            self._buckets[kind].take(cost, self._now())
            self._buckets[kind].unanswered += cost

    def answered(self, kind: Kind, cost: float) -> None:
        """A request for which tokens were spent was answered, or never will be."""
        with self._mutex:
            self._buckets[kind].unanswered -= cost

    def heard(
        self, method: str, path: str, status: int, headers: Mapping[str, str], retry_after: float
    ) -> None:
        """Follow what an answer of the venue says of the limits."""
        kind = _kind_of(method, path)
        if kind is None:
            return
        with self._mutex:
            self._follow_tier(headers.get("poly-ratelimit-tier", ""))
            now, bucket = self._now(), self._buckets[kind]
            with contextlib.suppress(KeyError, ValueError):
                bucket.heard(float(headers["poly-ratelimit-remaining"]), now)
            self.is_warned = headers.get("poly-ratelimit-warning", "").lower() == "true"
            if status == _TOO_MANY:
                bucket.stop(retry_after, now)

    def set_tier(self, told: str) -> str:
        """Take the wallet to be of a tier; the one it is taken for by now, "" = none was told."""
        with self._mutex:
            self._follow_tier(told)
        return self.tier

    def _follow_tier(self, told: str) -> None:
        tier = told.strip().lower()
        if tier == self.tier or tier not in TIERS:
            return
        self.tier, now = tier, self._now()
        for kind, rate in TIERS[tier].items():
            before = self._buckets[kind]
            if before.rate != rate:
                self._buckets[kind] = bucket = Bucket(rate, now)
                bucket.unanswered = before.unanswered
                bucket.heard(before.left(now) + rate.burst - before.rate.burst, now)


def _kind_of(method: str, path: str) -> Kind | None:
    if method == "POST" and path in _ORDERS:
        return Kind.ORDERS
    return Kind.CANCELS if method == "DELETE" and path in _CANCELS else None
