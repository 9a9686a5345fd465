"""A seeded storm over a live node on the loopback venue, and the audit after it.

    SEED=7 MINUTES=4 python tests/storm.py    # or: make storm

Positions are opened, amended, sold and cancelled at random while prices move and everything that
can go wrong at the venue does; then all is well again, markets are resolved, and the venue's ledger
is compared with ours. `Watch` looks every 50 ms whether all that is held is protected.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from loopback.ledger import Order as VenueOrder
from loopback.ledger import Side, Trade
from loopback.rules import Refused
from loopback.server import LoopbackPolymarket, MarketHandle
from trading import KEY, Session, trade
from weather import CENT, Prices, Weather

from positions.model.events import Amended, Opened, OrderFilled
from positions.model.position import EXITS, OrderState, Phase, Position, Role
from positions.model.venue_rules import is_dust

D = Decimal
LOOK_SECONDS = 0.05
UNPROTECTED_LOOKS_MAX = 20
"""The bound: no share above dust is seen without its stop, or its sale, so many times in a row: for
a second."""
EXPLAINED_SECONDS = 30.0
"""How long after a trade failed a sale of its shares may be refused."""
_COVERING = frozenset({OrderState.SENT, OrderState.WORKING})


class Size(NamedTuple):
    """How big a storm is."""

    positions: int
    markets: int
    seconds: float


class Storm:
    """One storm: what is done, what is seen, and what must hold.

    Parameters
    ----------
    seed
        Of all chance.
    """

    def __init__(self, seed: int, size: Size, venue: LoopbackPolymarket) -> None:
        self.size = size
        self.keys = venue.wallet(KEY, cash="1000000")
        self.venue = venue
        self.chance = random.Random(seed)
        self.markets = [
            venue.add_market(
                f"storm-{seed}-{n}", neg_risk=n % 4 == 3, version="v2" if n % 4 > 1 else "v1"
            )
            for n in range(size.markets)
        ]
        self.prices = {m.slug: Prices(venue, m, self.chance) for m in self.markets}
        self.weather = Weather(venue, self.markets, self.chance)
        self.watch = Watch(venue)
        self.submitted = 0
        self.answers: dict[str, int] = {}
        self._commands: list[asyncio.Task[None]] = []

    async def play(self, s: Session) -> None:
        """The whole storm, on a node."""
        self._session = s
        watching = asyncio.create_task(self.watch.run(s))
        for prices in self.prices.values():
            prices.move()
        await self._rage()
        await self._settle_down()
        watching.cancel()
        await self._audit()

    # -- the storm ---------------------------------------------------------------------------------

    async def _rage(self) -> None:
        begun, changes, wishes, website = time.monotonic(), 0.0, 0.0, 0.0
        while (passed := time.monotonic() - begun) < self.size.seconds:
            prices = self.chance.choice(list(self.prices.values()))
            await asyncio.to_thread(prices.move)
            if passed > changes:
                changes = passed + self.chance.uniform(0.1, 0.8)
                await asyncio.to_thread(self.weather.change)
            due = self.size.positions * min(1.0, 1.4 * passed / self.size.seconds + 0.1)
            if self.submitted < due:
                self.submitted += 1
                self._do(self._submit())
            elif passed > wishes:
                wishes = passed + self.chance.uniform(0.1, 1.0)
                self._do(self._interfere())
            if passed > website:
                website = passed + self.chance.uniform(0.3, 2.0)
                await asyncio.to_thread(self._use_website)
            await asyncio.sleep(0.4 / self.size.markets)

    def _do(self, work: Any) -> None:
        self._commands.append(asyncio.create_task(work))

    async def _submit(self) -> None:
        chance = self.chance
        market = chance.choice(self.markets)
        middle = self.prices[market.slug].middle
        max_bid = min(max(middle + chance.randint(-2, 6) * CENT, 5 * CENT), 1 - 6 * CENT)
        fields: dict[str, str] = {"size": str(chance.randint(1500, 6000) * CENT)}
        if chance.random() < 0.8:
            fields["sell_price"] = str(max_bid + chance.randint(2, 5) * CENT)
        if chance.random() < 0.95:
            stop = min(max_bid, middle - CENT) - chance.randint(2, 8) * CENT
            fields["stop_loss_price"] = str(max(stop, CENT))
        command = {"market": market.slug, "outcome": "Yes", "max_bid": str(max_bid)}
        reply = await self._command("submit", **command, **fields)  # what is refused, again
        if not reply.position_id:
            self.submitted -= 1

    async def _interfere(self) -> None:
        """A person changes their mind about some position."""
        alive = [p for p in self._session.positions.values() if not p.is_over]
        if not alive:
            return
        p, kind = self.chance.choice(alive), self.chance.random()
        if kind < 0.3:
            part = self.chance.choice(("0.5", "1"))
            await self._command("sell", position_id=p.id, fraction=part)
        elif kind < 0.5:
            await self._command("cancel", position_id=p.id)
        else:
            move = self.chance.randint(-3, 3) * CENT
            name = self.chance.choice(("sell_price", "stop_loss_price", "max_bid_price"))
            before = getattr(p.request, name)
            if before is not None and 0 < before + move < 1:
                changes = {name: str(before + move), "now": self.chance.random() < 0.5}
                await self._command("amend", position_id=p.id, **changes)

    def _use_website(self) -> None:
        """The owner sells, buys or cancels something on the website, with the same wallet."""
        chance, kind = self.chance, self.chance.random()
        market = chance.choice(self.markets)
        token, size = market.tokens[0], D(chance.randint(500, 3000)) * CENT
        resting = self.venue.orders(self._session.funder)
        if kind > 0.4:  # of what can be sold there is little: look for it
            held = [m for m in self.markets if self.venue.shares(self._session.funder, m.tokens[0])]
            market = chance.choice(held or self.markets)
            token = market.tokens[0]
        if kind < 0.25 and resting:
            order = chance.choice(resting)
            self.venue.cancel(order.id)
            self._count("website cancel")
            if order.side is not Side.SELL or chance.random() < 0.5:
                return
            token, size, kind = order.token, order.left, 1.0  # it freed them to sell them
        side = "BUY" if 0.25 <= kind < 0.4 else "SELL"
        far = D(chance.randint(0, 20)) * CENT
        middle = next(p.middle for p in self.prices.values() if p.market.tokens[0] == token)
        price = middle + far if side == "BUY" else middle - far
        price = min(max(price, 2 * CENT), 1 - 2 * CENT)
        try:
            hash_ = self.venue.trade(self.keys, token, side, price, size, rests=kind < 0.3)
        except Refused as e:
            self._count(f"website {side} refused: {e.words.partition(':')[0][:24]}")
        else:
            self._session.foreign.add(hash_)
            self._count(f"website {side}")

    def _count(self, what: str) -> None:
        self.answers[what] = self.answers.get(what, 0) + 1

    async def _command(self, kind: str, **fields: Any) -> Any:
        reply = await self._session.command(kind, patience=150, **fields)
        self._count(f"{kind} {reply.code or reply.status}")
        return reply

    # -- the calm ----------------------------------------------------------------------------------

    async def _settle_down(self) -> None:
        """All is well: what is being sold is sold; then markets end, or everything is flattened."""
        s = self._session
        self.weather.clear()
        for prices in self.prices.values():
            await asyncio.to_thread(prices.calm)
        await asyncio.gather(*self._commands)
        await s.until(lambda: not self._is_exiting(), "exits are done")
        await s.settled()
        await s.until(self._is_all_there, "the venue has all that is held", patience=90)
        for order in self.venue.orders(s.funder):
            if order.id in s.foreign:
                self.venue.cancel(order.id)
        self._end(self.markets[::2])
        await self._command("flatten")
        await s.until(lambda: not self._is_exiting(), "all is flat, or worth less than $1")
        self._end(self.markets[1::2])
        await s.until(lambda: not list(self._alive()), "every position is over", patience=60)

    def _is_all_there(self) -> bool:
        """Whether what the owner sold is booked: no position holds what the wallet has not."""
        held: dict[str, Decimal] = {}
        for p in self._session.positions.values():
            held[p.outcome_id] = held.get(p.outcome_id, D(0)) + p.held
        return all(self.venue.shares(self._session.funder, t) >= n for t, n in held.items())

    def _is_exiting(self) -> bool:
        return any(p.phase in (Phase.EXITING, Phase.SELLING) for p in self._alive())

    def _end(self, markets: list[MarketHandle]) -> None:
        for market in markets:
            winner = self.chance.choice((*market.tokens, ""))
            payouts = None if winner else dict.fromkeys(market.tokens, "0.5")
            self.venue.resolve(market, winner, payouts=payouts)

    def _alive(self) -> Iterator[Position]:
        return (p for p in self._session.positions.values() if not p.is_over)

    # -- the audit ---------------------------------------------------------------------------------

    async def _audit(self) -> None:
        s = self._session
        for market in self.markets:
            await s.agrees(market)
            assert self.venue.shares(s.funder, market.tokens[0]) >= 0, market
        for p in s.positions.values():
            self._check_bids(p)
        assert not [p for p in s.positions.values() if p.decision.dispute is not None], "disputed"
        assert not self.watch.unexplained, self.watch.unexplained

    def _check_bids(self, p: Position) -> None:
        """Nothing was bought above the highest max bid that its owner ever set."""
        told = [event for _, event in self._session.node.store.events(p.id)]
        allowed = [f.position.request.max_bid_price for f in told if isinstance(f, Opened)]
        allowed += [f.max_bid_price for f in told if isinstance(f, Amended)]
        bought = [f for f in told if isinstance(f, OrderFilled) and f.role is Role.ENTRY]
        assert all(f.price <= max(allowed) for f in bought), p.id

    def report(self) -> str:
        """What happened, in a few lines."""
        w, phases = self.watch, [p.phase for p in self._session.positions.values()]
        reasons = [str(p.ledger.exit_reason) for p in self._session.positions.values()]
        exits = sorted(w.exits.values()) or [0.0]
        return "\n".join(
            (
                f"{len(phases)} positions over {len(self.markets)} markets: {_counted(phases)};"
                f" sold by {_counted(reasons)}",
                f"commands: {self.answers}",
                f"weather: {self.weather.seen}",
                f"{len(self.venue.requests)} requests, {len(self.venue.ledger.trades)} trades,"
                f" failed: {sum(t.status == 'FAILED' for t in self.venue.ledger.trades)}",
                f"longest without protection: {w.bare_looks * LOOK_SECONDS:.2f} s"
                f" (bound {UNPROTECTED_LOOKS_MAX * LOOK_SECONDS:.2f} s) in {w.looks} looks",
                f"longest that bought shares were not known: {w.longest_unknown:.2f} s",
                f"sales refused for lack of shares: {w.refused}, unexplained {len(w.unexplained)}",
                f"spells of exiting: p50 {exits[len(exits) // 2]:.2f} s,"
                f" p90 {exits[len(exits) * 9 // 10]:.2f} s, longest {exits[-1]:.2f} s",
            )
        )


def _counted(names: list[Any]) -> dict[str, int]:
    return {str(name): names.count(name) for name in sorted(set(names))}


class Watch:
    """Looks at what is held and at what the venue refuses, all the time."""

    def __init__(self, venue: LoopbackPolymarket) -> None:
        self.venue = venue
        self.looks = 0
        self.bare_looks = 0
        self.longest_unknown = 0.0
        self.worst: Position | None = None
        self.refused = 0
        self.unexplained: list[str] = []
        self.exits: dict[str, float] = {}
        self.foreign: set[str] = set()
        self._exiting_since: dict[str, float] = {}
        self._bare: dict[str, int] = {}
        self._unknown_since: dict[str, float] = {}
        self._listen()

    async def run(self, s: Session) -> None:
        """Look until cancelled."""
        self.foreign = s.foreign
        while True:
            self._look(s)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self, s: Session) -> None:
        self.looks += 1
        now = time.monotonic()
        held: dict[str, Decimal] = {}
        for p in list(s.positions.values()):
            held[p.outcome_id] = held.get(p.outcome_id, D(0)) + max(p.held, D(0))
            market = s.node.strategy.engine.markets[p.outcome_id]
            is_bare = market.payout is None and _is_bare(p, market.tick)
            looks = self._bare[p.id] = self._bare.get(p.id, 0) + 1 if is_bare else 0
            if looks > self.bare_looks:
                self.bare_looks, self.worst = looks, p
            lasted = _lasting(self._exiting_since, p.id, p.phase is Phase.EXITING, now)
            if lasted:
                self.exits[p.id] = max(lasted, self.exits.get(p.id, 0.0))
        for token, known in held.items():
            unknown = self.venue.account(s.funder).held(token) - known
            lasted = _lasting(self._unknown_since, token, unknown >= 2, now)
            self.longest_unknown = max(self.longest_unknown, lasted)

    # -- refused sales -----------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear of every sale that the venue refuses for lack of shares."""
        place = self.venue.engine.place

        def placing(order: VenueOrder) -> Any:
            try:
                return place(order)
            except Refused as e:
                if order.side is Side.SELL and "balance is not enough" in e.words:
                    self._refused(order, e.words)
                raise

        self.venue.engine.place = placing  # type: ignore[method-assign]

    def _refused(self, order: VenueOrder, words: str) -> None:
        self.refused += 1
        now = self.venue.engine.agenda.now()
        is_explained = any(
            _explains(t, order.token, self.foreign)
            for t in self.venue.ledger.trades
            if now - t.updated_at < EXPLAINED_SECONDS
        ) or any(  # the owner freed the shares, and offers them: at rest, or delayed
            o.id in self.foreign and o.side is Side.SELL and o.token == order.token
            for o in self.venue.ledger.open_orders(order.maker)
        )
        if not is_explained and not self.venue.engine.sellable_after:
            self.unexplained.append(f"{order.token[:8]} {order.kind} {order.size}: {words}")


def _explains(trade: Trade, token: str, foreign: set[str]) -> bool:
    """Whether a sale of what is recorded may be refused because of a trade: it failed to settle, or
    a resting sale was met, or the owner sold, and that may not have been heard of."""
    legs = [leg for leg in trade.legs if leg.order is not None and leg.token == token]
    is_met = any(leg is not trade.taker and leg.side is Side.SELL for leg in legs)
    is_website = trade.taker.order is not None and trade.taker.order_id in foreign
    return bool(legs) and (trade.status == "FAILED" or is_met or is_website)


def _is_bare(p: Position, tick: Decimal) -> bool:
    """Whether shares are held without what protects them."""
    if p.request.stop_loss_price is None or p.held <= 0 or is_dust(p.held, tick):
        return False
    if p.phase in EXITS or p.phase is Phase.DUST:
        return False
    if p.decision.released_seq is not None and p.decision.no_bid:
        return False  # it went off at a bid that is gone, or is our own: the next one decides
    return not any(o.state in _COVERING and o.leaves >= p.held for o in p.live(Role.STOP))


def _lasting(since: dict[str, float], key: str, is_so: bool, now: float) -> float:
    if not is_so:
        since.pop(key, None)
        return 0.0
    return now - since.setdefault(key, now)


def run(seed: int, size: Size, state: Path, tell: Callable[[str], None] = print) -> Storm:
    """Let a storm of this seed go over a node of its own; raises where something did not hold."""
    with LoopbackPolymarket() as venue:
        venue.faults.optional_fields = ("", "missing", "null")[seed % 3]
        storm = Storm(seed, size, venue)
        tell(f"SEED={seed}: {size.positions} positions, {size.markets} markets, {size.seconds:g} s")
        try:
            trade(venue, state, storm.play, keys=storm.keys, safety={"stale_seconds": 2})
        finally:
            if storm.watch.looks:
                tell(storm.report())
    return storm


def main() -> int:
    """Run the storm that the environment describes; 0 only if everything held."""
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    minutes = float(os.environ.get("MINUTES") or 4)
    with tempfile.TemporaryDirectory() as name:
        storm = run(seed, Size(200, 20, 60 * minutes), Path(name))
    is_bound = storm.watch.bare_looks <= UNPROTECTED_LOOKS_MAX
    print("everything held" if is_bound else f"unprotected for too long: {storm.watch.worst}")
    return 0 if is_bound else 1


if __name__ == "__main__":
    sys.exit(main())
