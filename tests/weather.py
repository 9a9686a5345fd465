"""What happens around a node in a storm: prices move and everything fails, by one seed.

Every switch of `loopback.faults` is turned on and off here; a test says so.
"""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from loopback.faults import Faults
from loopback.server import LoopbackPolymarket, MarketHandle

D = Decimal
CENT = D("0.01")
LOWEST, HIGHEST = 8 * CENT, 1 - 8 * CENT
_REQUESTS = ("POST /order", "DELETE /order", "GET /data/*", "GET /book*", "POST /books", "GET *")
_MESSAGES = (
    "order CANCELLATION",
    "order PLACEMENT",
    "order UPDATE",
    "trade MATCHED",
    "trade *",
    "book",
    "price_change",
    "*",
)
_SETTLEMENT_WORDS = ({"MATCHED": "MATCHED_NOT_BROADCASTED"}, {"MATCHED": "SOME_NEW_STATUS"})
Switch = Callable[[Faults], None]


class Prices:
    """Moves the outside liquidity of one market."""

    def __init__(self, venue: LoopbackPolymarket, market: MarketHandle, chance: random.Random):
        self.market = market
        self.middle = D(chance.randint(25, 75)) * CENT
        self.tick = CENT
        self._venue = venue
        self._chance = chance

    def move(self) -> None:
        """Let the market's next moment come: a small move, a gap, an empty side, a new tick."""
        chance, token = self._chance, self.market.tokens[0]
        kind = chance.random()
        far = 20 if kind < 0.04 else 2
        self.middle = min(max(self.middle + chance.randint(-far, far) * CENT, LOWEST), HIGHEST)
        if kind > 0.995 and self.tick == CENT:
            self.tick = D("0.001")
            self._venue.change_tick(self.market, self.tick, message=chance.random() < 0.7)
        offset = chance.randint(1, 9) * self.tick if self.tick < CENT else CENT
        bid, ask = self.middle - offset, self.middle + offset
        sizes = D(chance.randint(3, 150)), D(chance.randint(3, 150))
        if 0.04 <= kind < 0.07:
            self._venue.quote(token, None, 0, ask, sizes[1])
        elif 0.07 <= kind < 0.08:
            self._venue.quote(token, bid, sizes[0])
        elif 0.08 <= kind < 0.12:
            side = chance.choice(("BUY", "SELL"))
            limit = ask + 10 * CENT if side == "BUY" else bid - 10 * CENT
            self._venue.take(token, side, min(max(limit, CENT), 1 - CENT), chance.randint(1, 60))
        else:
            levels = [(bid, sizes[0]), (bid - 3 * CENT, 200)], [(ask, sizes[1])]
            self._venue.book(token, *levels)

    def calm(self) -> None:
        """Show a deep book, so that everything that is to be sold can be."""
        bid, ask = self.middle - CENT, self.middle + CENT
        self._venue.quote(self.market.tokens[0], bid, 100_000, ask, 100_000)


class Weather:
    """Turns faults on and off."""

    def __init__(
        self, venue: LoopbackPolymarket, markets: list[MarketHandle], chance: random.Random
    ) -> None:
        self._venue = venue
        self._markets = markets
        self._chance = chance
        self.seen: dict[str, int] = {}

    def change(self) -> None:
        """Let one more thing go wrong, or some or all of it be well again."""
        if self._chance.random() < 0.3:
            self.clear()
            return
        name = self._chance.choice(sorted(SWITCHES))
        self.seen[name] = self.seen.get(name, 0) + 1
        SWITCHES[name](self)

    def clear(self) -> None:
        """Let all be well."""
        self._venue.faults.clear()
        self._venue.engine.sellable_after = 0.0

    @property
    def _faults(self) -> Faults:
        return self._venue.faults

    def _times(self) -> int:
        return self._chance.randint(1, 4)

    def _token(self) -> str:
        return self._chance.choice(self._markets).tokens[0]

    def _answer(self) -> None:
        status = self._chance.choice((400, 425, 429, 500, 503))
        after = status >= 500 and self._chance.random() < 0.5
        self._faults.answer(self._request(), status, after=after, times=self._times())

    def _reset(self) -> None:
        after = self._chance.random() < 0.5
        self._faults.reset(self._request(), after=after, times=self._times())

    def _hang(self) -> None:
        seconds = self._chance.choice((0.2, 1.0, 6.0))
        after = self._chance.random() < 0.5
        self._faults.hang(self._request(), seconds, after=after, times=self._times())

    def _request(self) -> str:
        return self._chance.choice(_REQUESTS)

    def _message(self) -> None:
        what, times = self._chance.choice(_MESSAGES), self._chance.randint(1, 8)
        match self._chance.randrange(3):
            case 0:
                self._faults.lose(what, times=times)
            case 1:
                self._faults.double(what, times=times)
            case _:
                self._faults.postpone(what, self._chance.random(), times=times)

    def _set(self, name: str, *values: Any) -> None:
        setattr(self._faults, name, self._chance.choice(values))

    def _silence(self) -> None:
        self._faults.silent.add(self._chance.choice(("market", "user", self._token())))

    def _refuse(self) -> None:
        self._close(self._faults.refused)

    def _leave_unanswered(self) -> None:
        self._close(self._faults.unanswered)

    def _close(self, to: set[str]) -> None:
        channel = self._chance.choice(("market", "user"))
        to.add(channel)
        self._venue.drop(channel, hard=self._chance.random() < 0.5)

    def _drop(self) -> None:
        self._venue.drop(self._chance.choice(("market", "user")))

    def _withdraw(self) -> None:
        self._venue.withdraw(self._chance.choice(self._markets))

    def _enter_mode(self) -> None:
        modes = ("restarting", "post-only", "cancel-only", "disabled")
        self._venue.enter(self._chance.choice(modes), self._chance.choice((0.5, 2.0)))

    def _unsellable(self) -> None:
        self._venue.engine.sellable_after = self._chance.choice((0.5, 2.0))


SWITCHES: dict[str, Callable[[Weather], None]] = {
    "http": Weather._answer,
    "reset": Weather._reset,
    "hang": Weather._hang,
    "messages": Weather._message,
    "round_trip": lambda w: w._set("round_trip", 0.05, 0.3),
    "order_delay": lambda w: w._set("order_delay", 0.3, 2.0),
    "messages_after_reply": lambda w: w._set("messages_after_reply", 0.0, 0.3, 3.0),
    "killed_text": lambda w: w._set("killed_text", True),
    "silent": Weather._silence,
    "refused": Weather._refuse,
    "unanswered": Weather._leave_unanswered,
    "cut": lambda w: w._faults.cut(w._request(), times=w._times()),
    "delayed_stay": lambda w: w._set("delayed_stay", True),
    "long_statuses": lambda w: w._set("long_statuses", True),
    "frozen": lambda w: w._faults.frozen.add(w._token()),
    "failing_trades": lambda w: w._set("failing_trades", 1, 3),
    "retried_trades": lambda w: w._set("retried_trades", 1, 3),
    "unseen_seconds": lambda w: w._set("unseen_seconds", 0.3, 0.9),
    "data_lag": lambda w: w._set("data_lag", 2.0, 10.0),
    "balance_lag": lambda w: w._set("balance_lag", 2.0, 10.0),
    "mode": Weather._enter_mode,
    "limits": lambda w: w._set("limits", {"orders": (20.0, 40.0), "cancels": (20.0, 40.0)}),
    "closed_only": lambda w: w._set("closed_only", True),
    "geoblock": lambda w: w._set("geoblock", True),
    "cash_last_read": lambda w: w._set("cash_last_read", D(0)),
    "settlement_words": lambda w: w._set("settlement_words", *_SETTLEMENT_WORDS),
    "dropped": Weather._drop,
    "withdrawn": Weather._withdraw,
    "unsellable": Weather._unsellable,
}
"""What may go wrong, named as in `Faults` where it is a switch of it."""
