"""A live node on the loopback Polymarket, in this process, and a person's hands on both.

    with LoopbackPolymarket() as venue:
        ...
        trade(venue, tmp_path, script)

`script` is a coroutine function; it gets a `Session` once the node trades, and when it returns the
node stops. The node is the real one: real adapter, signatures, sockets, database and queue.
"""

import asyncio
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loopback.ledger import Leg
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.live.node import TradingNode

from node import Node
from positions.commands.messages import Reply, decode_reply
from positions.model.events import (
    Amended,
    AnyEvent,
    FillReversed,
    Opened,
    OrderFilled,
    OrderSigned,
)
from positions.model.formatting import iso
from positions.model.position import Position, Role
from positions.operations.settings import Settings
from positions.storage.rows import story
from positions.storage.spool import FIRST, NEW, Spool, uuid7
from positions.storage.store import Store
from positions.storage.story import sentence

KEY = "0x" + "11" * 32
_BOOKED = """
SELECT coalesce(sum(shares) FILTER (side = 'buy'), 0),
    coalesce(sum(shares) FILTER (side = 'sell'), 0),
    coalesce(sum(shares * price) FILTER (side = 'buy'), 0),
    coalesce(sum(shares * price) FILTER (side = 'sell'), 0), coalesce(sum(fee), 0)
FROM fills WHERE liquidity NOT IN ('settlement', 'adoption') AND role <> 'owner'
    AND position_id IN (SELECT id FROM positions WHERE outcome_id = ?)"""
PATIENCE = float(os.environ.get("PATIENCE", "30"))
"""Seconds that anything may take; what is checked is what happens, not how fast."""
Script = Callable[["Session"], Awaitable[None]]
Scenario = Callable[["Session", MarketHandle], Awaitable[None]]


class Session:
    """What a person does and sees."""

    def __init__(self, node: Node, venue: LoopbackPolymarket, state: Path, funder: str) -> None:
        self.node = node
        self.venue = venue
        self.funder = funder
        self.state = state
        self.foreign: set[str] = set()
        """Hashes of orders that the owner placed elsewhere."""
        self._spool = Spool(state)

    @property
    def positions(self) -> dict[str, Position]:
        """The node's own view."""
        return self.node.strategy.engine.positions

    @property
    def alarms(self) -> list[str]:
        """What is wrong now."""
        return [text for _, _, text in self.node.strategy.engine.open_alarms()]

    @property
    def unforeseen(self) -> str:
        """The tracebacks of errors that nobody expected."""
        log = self.state / "logs" / "errors.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    async def command(self, kind: str, patience: float = PATIENCE, **fields: Any) -> Reply:
        """Queue a command and wait for its last answer."""
        folder = FIRST if kind in ("flatten", "halt", "resume") else NEW
        sent = iso(time.time_ns())  # which a patched clock tells, unlike the file's own time
        content = msgspec.json.encode({"command": kind, "created_at": sent, **fields})
        command_id = self._spool.put(content, uuid7(), folder)
        reply: list[Reply] = []

        def is_answered() -> bool:
            content = self._spool.read_reply(command_id)
            reply[:] = [] if content is None else [decode_reply(content)]
            return bool(reply) and reply[0].done

        await self.until(is_answered, f"{kind} is answered", patience)
        return reply[0]

    async def submit(self, market: MarketHandle, max_bid: str, size: str, **fields: Any) -> str:
        """Open a position in the market's first outcome; its id."""
        asked = {"market": market.slug, "outcome": "Yes", "max_bid": max_bid, "size": size}
        reply = await self.command("submit", **(asked | fields))
        assert reply.status == "accepted", reply.message
        return reply.position_id

    async def until(
        self,
        is_so: Callable[[], bool],
        what: str,
        patience: float = PATIENCE,
        *,
        pause: float = 0.01,
    ) -> None:
        """Wait for something to happen."""
        begun = time.monotonic()
        while not is_so():
            if time.monotonic() - begun > patience:
                raise AssertionError(f"did not happen: {what}\n{self._seen()}")
            await asyncio.sleep(pause)

    async def held(self, position_id: str, shares: str) -> None:
        """Wait until so many shares are held, and protected if there is a stop."""
        p = self.positions
        await self.until(lambda: str(p[position_id].held) == shares, f"{shares} shares are held")
        if p[position_id].request.stop_loss_price is not None:
            await self.until(
                lambda: bool(p[position_id].live(Role.STOP)), f"{shares} shares are protected"
            )

    async def phase(self, position_id: str, phase: str) -> None:
        """Wait until the position is in a phase."""
        await self.until(lambda: self.positions[position_id].phase == phase, f"it is {phase}")

    async def settled(self) -> None:
        """Wait until no trade can fail any more."""
        await self.until(
            lambda: all(t.is_final for t in self.venue.trades(self.funder)), "all is settled"
        )

    async def looks(self, times: int) -> None:
        """Look at the wallet so often, once it is heard that all is settled."""
        watch = self.node._mode._venue.execution.wallet_watch  # type: ignore[union-attr]
        await self.until(
            lambda: not any(o.tracker.has_unsettled or o.is_reconciling for o in watch._orders),
            "it is heard",
        )
        for _ in range(times):
            await watch._look()
            await self.until(lambda: not self.node.strategy.engine.has_work, "it is acted on")

    async def agrees(self, market: MarketHandle) -> None:
        """Wait until our ledger of a market's first outcome is the venue's, to the last share."""
        token = market.tokens[0]
        await self.settled()
        try:
            await self.until(
                lambda: self._booked(token) == self._traded(token), "our ledger is the venue's"
            )
        except AssertionError as e:
            raise AssertionError(f"{market.slug}:\n{self._differences(token)}\n{e}") from None
        assert not self.unforeseen, self.unforeseen
        ours = [p for p in self.positions.values() if p.outcome_id == token]
        assert all(p.held >= 0 for p in ours), "sold more than held"
        paid = [leg.price for leg in self._legs(token) if leg.side == "BUY"]
        assert not paid or max(paid) <= self._max_bid(token), "bought above the max bid"

    def _max_bid(self, token: str) -> Decimal:
        """The highest that anybody ever set for an outcome."""
        sql = "SELECT id FROM positions WHERE outcome_id = ?"
        found = self.node.store.cursor().execute(sql, [token]).fetchall()
        told = [event for (position_id,) in found for _, event in self._facts(position_id)]
        allowed = [f.position.request.max_bid_price for f in told if isinstance(f, Opened)]
        allowed += [f.max_bid_price for f in told if isinstance(f, Amended)]
        return max(allowed, default=Decimal(0))

    def _legs(self, token: str) -> list[Leg]:
        trades = [t for t in self.venue.trades(self.funder) if t.status != "FAILED"]
        wallet = self.funder.lower()
        mine = [leg for t in trades for leg in t.legs if leg.wallet.lower() == wallet]
        return [leg for leg in mine if leg.token == token and leg.order_id not in self.foreign]

    def _traded(self, token: str) -> tuple[Decimal, ...]:
        """Shares bought and sold, USDC paid and received, and fees, as the venue has them."""
        sums = [Decimal(0)] * 5
        for leg in self._legs(token):
            is_sale = leg.side == "SELL"
            sums[is_sale] += leg.shares
            sums[2 + is_sale] += leg.amount
            sums[4] += leg.fee
        return tuple(sums)

    def _differences(self, token: str) -> str:
        """The orders of which other shares are booked than traded, and their positions' stories."""
        traded: dict[str, Decimal] = {}
        for leg in self._legs(token):
            traded[leg.order_id] = traded.get(leg.order_id, Decimal(0)) + leg.shares
        lines = [f"{self._booked(token)} booked, {self._traded(token)} traded"]
        for p in [p for p in self.positions.values() if p.outcome_id == token]:
            told = [event for _, event in self._facts(p.id)]
            hashes = {f.order_id: f.venue_order_id for f in told if isinstance(f, OrderSigned)}
            booked = dict.fromkeys(hashes.values(), Decimal(0))
            for f in told:
                if isinstance(f, OrderFilled | FillReversed) and f.order_id in hashes:
                    way = 1 if isinstance(f, OrderFilled) else -1
                    booked[hashes[f.order_id]] += way * f.shares
            wrong = {h: (n, traded.get(h)) for h, n in booked.items() if n != traded.pop(h, 0)}
            if wrong:
                lines += [f"{h}: {wrong[h]}" for h in wrong] + [sentence(story(p, f)) for f in told]
        return "\n".join([*lines, *(f"{h}: unknown, {n} traded" for h, n in traded.items())])

    def _booked(self, token: str) -> tuple[Decimal, ...]:
        """The same, as our database has them."""
        self.node.store.flush()
        found = self.node.store.cursor().execute(_BOOKED, [token]).fetchone()
        assert found is not None
        return found

    def _seen(self) -> str:
        p = max(self.positions.values(), key=lambda p: p.created_at, default=None)
        lines = [] if p is None else [sentence(story(p, f)) for _, f in self._facts(p.id)]
        lines += [f"{r.where} {r.status}" for r in self.venue.requests[-20:]]
        if p is not None:
            lines += [str(p), str(self.node.strategy.engine.markets[p.outcome_id])]
        return "\n".join([*lines, *self.alarms])

    def _facts(self, position_id: str) -> list[tuple[int, AnyEvent]]:
        self.node.store.flush()
        return self.node.store.events(position_id)


def settings(venue: LoopbackPolymarket, state: Path, **changes: Any) -> Settings:
    """A live node's settings; `changes` are whole tables or top-level values."""
    values: dict[str, Any] = {
        "mode": "live",
        "state": str(state),
        "really_trade": True,
        "venue": venue.settings(),
        "limits": {
            "default_stake": 50,
            "max_stake_per_position": 1000,
            "max_total_stake": 100_000,
        },
    }
    return msgspec.convert(values | changes, Settings)


def trade(
    venue: LoopbackPolymarket,
    state: Path,
    script: Script,
    *,
    keys: Mapping[str, str] | None = None,
    cash: str = "1000",
    **changes: Any,
) -> Node:
    """Run a live node for as long as the script lasts; the node, for its record."""
    keys = venue.wallet(KEY, cash=cash) if keys is None else keys
    state.mkdir(parents=True, exist_ok=True)
    node = Node(settings(venue, state, **changes), keys)

    async def play(_: TradingNode, __: Callable[[], bool]) -> None:
        await script(Session(node, venue, state, keys.get("POLYMARKET_FUNDER", "")))

    assert node.run(play) == 0
    return node


def record(state: Path) -> Store:
    """The database of a node that has stopped."""
    return Store(state / "positions.duckdb", lambda work: work(), lambda _: None)


class Scenarios(dict[str, Scenario]):
    """The scenarios of a test module, by the sentence that their function's name is."""

    def add(self, play: Scenario) -> Scenario:
        """Enter a scenario."""
        self[play.__name__.replace("_", " ")] = play
        return play

    def play(
        self, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, **changes: Any
    ) -> dict[str, str]:
        """Play those of which a test is to be run; what went wrong in each, "" if nothing did."""
        chosen = {name: self[name] for name in chosen_of(request)}
        return play_all(chosen, folders.mktemp("scenarios"), **changes)


def chosen_of(request: pytest.FixtureRequest) -> list[str]:
    """The `name`s of the tests of a module that are to be run."""
    items = [i for i in request.session.items if i.path == request.path]
    params = [i.callspec.params for i in items if hasattr(i, "callspec")]
    return [p["name"] for p in params if "name" in p]


def play_all(
    scenarios: Mapping[str, Scenario],
    state: Path,
    optional_fields: Sequence[str] = ("", "missing", "null"),
    **changes: Any,
) -> dict[str, str]:
    """Play scenarios one after the other on one node, each in a market of its own, in turn of both
    protocols and of each way with optional fields, quoted 0.50 to 0.52; what went wrong in each, ""
    if nothing did."""
    failures: dict[str, str] = {}
    with LoopbackPolymarket() as venue:

        async def script(s: Session) -> None:
            for number, (name, scenario) in enumerate(scenarios.items()):
                version = "v2" if number % 2 else "v1"
                venue.faults.optional_fields = optional_fields[number % len(optional_fields)]
                market = venue.add_market(f"market-{number}", version=version)
                venue.quote(market.tokens[0], "0.50", "100", "0.52", "100")
                try:
                    await scenario(s, market)
                    venue.faults.clear()
                    await s.agrees(market)
                    failures[name] = ""
                except Exception:
                    failures[name] = traceback.format_exc()
                venue.faults.clear()

        trade(venue, state, script, cash="100000", **changes)
    return failures
