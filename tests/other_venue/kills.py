"""A real node on the other venue, killed at random moments and started again, by one seed.

Prices wander, commands are queued, sockets are cut and requests fail. Now and then every bid falls
through every stop, while the node runs or while it is dead: then all that is held must be sold
within a number of rounds of the venue's event loop.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from other_venue.audit import Asked, findings
from other_venue.exchange import MILLION, InstrumentBook
from other_venue.server import OtherVenue
from other_venue.words import KEYS

from positions.storage.spool import Spool, uuid7
from positions.storage.store import Store

ROOT = Path(__file__).parents[2]
ROUND_SECONDS = 0.005
BOUGHT_ROUNDS = 2000
SOLD_ROUNDS = 3000
"""Within so many rounds of the venue all is sold once every stop is passed and the node is up."""
_UP_SECONDS = 90.0
_STOPS = (30, 40, 45)
_FALLEN = 28
"""Cents: under every stop."""
_FAILURES = ("500 before", "500 after", "reset after", "425", "429", "", "")
_DEEP = 100_000 * MILLION


class Broken(AssertionError):
    """A promise was broken."""


class Kills:
    """One run.

    Parameters
    ----------
    seed
        Of all chance, but for how long the node takes.
    folder
        Where the node lives.
    """

    def __init__(self, seed: int, folder: Path, tell: Callable[[str], None]) -> None:
        self.chance = random.Random(f"other venue {seed}")
        self._weather = random.Random(f"weather {seed}")
        """Of what goes on beside the owner: how often depends on the node's speed."""
        self.venue = OtherVenue(1_000_000 * MILLION)
        self.asked: dict[str, Asked] = {}
        self.slowest = 0
        self._folder = folder
        self._state = folder / "state"
        self._tell = tell
        self._node: asyncio.subprocess.Process | None = None
        self._rounds = 0
        self._prices: dict[str, int] = {}
        self._is_calm = False
        self._sold: set[str] = set()

    async def run(self, kills: int) -> list[str]:
        """Kill so many times; everything that is wrong in the end."""
        await self.venue.start()
        self._configure()
        counting = asyncio.create_task(self._count())
        for slug in ("first", "second"):
            market = self.venue.exchange.add(slug)
            self._prices[market.condition] = 53
            self._quote(market)
        wandering = asyncio.create_task(self._wander())
        try:
            await self._start()
            for kill in range(kills):
                await self._live_and_die(kill)
            await self._end()
        finally:
            for task in (wandering, counting):
                task.cancel()
            await self._stop()
            await self.venue.stop()
        return findings(self.venue.exchange, self.asked, self._owners())

    # -- a life ------------------------------------------------------------------------------------

    async def _live_and_die(self, kill: int) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self._submit()
        if self.chance.random() < 0.6:
            self._ask()
        await asyncio.sleep(self.chance.uniform(0.2, 3.0))
        if not kill:  # even the shortest run has something to lose
            await self._passed(BOUGHT_ROUNDS, lambda: any(self.venue.exchange.shares.values()))
        falls = self.chance.random()
        if falls < 0.15:
            await self._fall("while the node ran")
        await self._kill()
        if 0.15 <= falls < 0.3:
            self._fell()
        await self._start()
        if 0.15 <= falls < 0.3:
            await self._all_sold(f"after kill {kill}")
        self._is_calm = False

    async def _end(self) -> None:
        """Buy nothing more, and let every stop be passed."""
        halt = self._queue({"command": "halt"})
        await self._within(SOLD_ROUNDS, lambda: self._is_answered(halt), "`halt` was not answered")
        await self._fall("in the end")
        await self._within(
            SOLD_ROUNDS, lambda: not self.venue.exchange.live(), "an order rested in the end"
        )

    async def _fall(self, when: str) -> None:
        self._fell()
        await self._all_sold(when)

    def _fell(self) -> None:
        """Let every bid fall under every stop, deep enough for everything, and stay there."""
        self._is_calm = True
        self.venue.failures.clear()
        for market in self.venue.exchange.markets.values():
            self._prices[market.condition] = _FALLEN
            self.venue.move(market, {_FALLEN: _DEEP}, {70: _DEEP})

    async def _all_sold(self, when: str) -> None:
        begun = self._rounds
        await self._within(
            SOLD_ROUNDS,
            lambda: not any(self.venue.exchange.shares.values()),
            f"{when}, not all was sold: {self.venue.exchange.shares}",
        )
        self.slowest = max(self.slowest, self._rounds - begun)

    # -- the market and its owner ------------------------------------------------------------------

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            self._rounds += 1

    async def _wander(self) -> None:
        """Move prices, cut sockets and let requests fail, while it is not calm."""
        while True:
            await asyncio.sleep(self._weather.uniform(0.01, 0.3))
            if self._is_calm:
                continue
            market = self._weather.choice(list(self.venue.exchange.markets.values()))
            self._quote(market)
            if self._weather.random() < 0.05:
                self.venue.drop(self._weather.choice(("market", "user")))
            if self._weather.random() < 0.1:
                self.venue.failures = self._weather.choices(_FAILURES, k=2)

    def _quote(self, market: InstrumentBook) -> None:
        """The next price: a small step, with the sizes of both sides by chance."""
        step = self._weather.choice((-4, -2, -1, 1, 2, 4))
        cents = self._prices[market.condition] = min(
            max(self._prices[market.condition] + step, 34), 76
        )
        sizes = [self._weather.choice((5, 50, 5000)) * MILLION for _ in range(2)]
        bids, asks = {cents: sizes[0], 10: 50 * MILLION}, {cents + 2: sizes[1], 95: 50 * MILLION}
        self.venue.move(market, bids, asks)

    def _submit(self) -> None:
        market = self.chance.choice(list(self.venue.exchange.markets.values()))
        size, cents = self.chance.choice((10, 20, 40)), self.chance.choice((50, 60))
        fields: dict[str, Any] = {
            "command": "submit",
            "market": market.condition,
            "outcome": "Yes",
            "max_bid": f"0.{cents}",
            "size": str(size),
            "stop": f"0.{self.chance.choice(_STOPS)}",
        }
        if self.chance.random() < 0.7:
            fields["target"] = f"0.{self.chance.choice((62, 70, 75))}"
        self.asked[self._queue(fields)] = Asked(cents, size * MILLION)

    def _ask(self) -> None:
        """Ask something about one of the latest positions; half of one is sold at most once."""
        position = self.chance.choice(list(self.asked)[-6:])
        kinds: list[dict[str, Any]] = [
            {"command": "sell"},
            {"command": "cancel"},
            {"command": "amend", "stop": "0.33"},
            {"command": "amend", "target": "0.66"},
        ]
        if position not in self._sold:
            kinds.append({"command": "sell", "shares": "5"})
        asked = self.chance.choice(kinds)
        self._sold.add(position)
        self._queue(asked | {"position_id": position})

    def _queue(self, fields: dict[str, Any]) -> str:
        return Spool(self._state).put(json.dumps(fields).encode(), uuid7())

    def _is_answered(self, command_id: str) -> bool:
        return Spool(self._state).read_reply(command_id) is not None

    # -- the node ----------------------------------------------------------------------------------

    def _configure(self) -> None:
        address = self.venue.address
        (self._folder / "live.toml").write_text(
            'mode = "live"\nstate = "state"\nreally_trade = true\n'
            "[limits]\nmax_total_stake = 1000000\nmax_stake_per_position = 1000\n"
            f'[venue]\nclob = "http://{address}"\nwebsocket = "ws://{address}/ws/"\n'
            f'gamma = "http://{address}/gamma"\ndata = "http://{address}/data-api"\n'
        )

    async def _start(self) -> None:
        plain = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        home = {"XDG_STATE_HOME": str(self._folder), "PYTHONPATH": str(ROOT)}
        begun = time.time()
        with (self._folder / "node.log").open("ab") as log:
            self._node = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.main", "run", "--config", "live.toml"),
                cwd=self._folder,
                env=plain | KEYS | home,
                stdout=log,
                stderr=log,
            )
        copy = self._state / "published.duckdb"
        while not (copy.exists() and copy.stat().st_mtime > begun):
            if self._node.returncode is not None or time.time() > begun + _UP_SECONDS:
                told = (self._folder / "node.log").read_text(errors="replace")[-1500:]
                raise Broken(f"the node did not come up ({self._node.returncode}): {told}")
            await asyncio.sleep(0.05)

    async def _kill(self) -> None:
        assert self._node is not None
        with contextlib.suppress(ProcessLookupError):
            self._node.kill()
        await self._node.wait()

    async def _stop(self) -> None:
        if self._node is None or self._node.returncode is not None:
            return
        self._node.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self._node.wait(), 30)
        except TimeoutError:
            await self._kill()
            raise Broken("the node did not stop") from None

    def _owners(self) -> dict[str, str]:
        """Whose each order is, as the stopped node's record has it."""
        store = Store(self._state / "positions.duckdb", lambda work: work(), lambda _: None)
        try:
            sql = "SELECT expected_hash, position_id FROM orders WHERE expected_hash IS NOT NULL"
            return dict(store.cursor().execute(sql).fetchall())
        finally:
            store.close()

    async def _within(self, rounds: int, is_so: Callable[[], bool], otherwise: str) -> None:
        if not await self._passed(rounds, is_so):
            raise Broken(f"{otherwise} (within {rounds} rounds)")

    async def _passed(self, rounds: int, is_so: Callable[[], bool]) -> bool:
        """Whether something was so within so many rounds, while the node ran."""
        begun = self._rounds
        while not is_so():
            if self._rounds - begun > rounds:
                return False
            if self._node is not None and self._node.returncode is not None:
                raise Broken(f"the node ended with {self._node.returncode}")
            await asyncio.sleep(ROUND_SECONDS)
        return True


def run(seed: int, kills: int, folder: Path, tell: Callable[[str], None] = print) -> list[str]:
    """Kill a node of this seed so many times; everything that is wrong in the end."""
    played = Kills(seed, folder, tell)
    try:
        found = asyncio.run(played.run(kills))
    except Broken as e:
        found = [str(e)]
    exchange = played.venue.exchange
    tell(
        f"SEED={seed}: {kills} kills, {len(played.asked)} positions, {len(exchange.orders)} orders,"
        f" {len(exchange.fills)} fills; all sold within {played.slowest} rounds at most;"
        f" {len(found)} findings"
    )
    return found
