"""The engine alone, by the kind of stop, and as part of a whole backtest."""

import random
import time
from pathlib import Path
from uuid import UUID

from bench.material import D, configuration, figures, listed, recording, requests
from msgspec.structs import replace
from stage import LIMITS, market

from positions.commands.messages import from_fields
from positions.engine.effects import Act
from positions.engine.engine import Engine
from positions.engine.plan import Send
from positions.model.events import OrderFilled

COUNT = 1_000
KINDS: dict[str, dict[str, str]] = {
    "plain": {},
    "trailing": {"trail": "0.10"},
    "confirmed": {"stop_confirm": "3s"},
    "size-weighted": {"trigger": "size"},
}


def stops(_: Path) -> None:
    """What a quote costs the engine with so many positions of one market, by the kind of stop."""
    print(f"cost per quote of the engine alone (µs), {COUNT} positions, ratio to plain stops")
    plain = 0.0
    for kind, terms in KINDS.items():
        rng = random.Random(1)
        engine = _protected(COUNT, terms)
        (m,) = engine.markets.values()
        for n in range(2_100):
            if n <= 100:  # by then every trailing stop stands where it stays
                begun = time.perf_counter()
            bid = D(rng.randint(50, 53)) / 100
            m.show(bid, D(100_000), bid + D("0.01"), D(rng.randint(1, 10)), n)
            engine.viewed(m.outcome_id)
            if engine.has_work:
                engine.turn(n)
        cost = (time.perf_counter() - begun) / 2_000
        plain = plain or cost
        print(f"  {kind:>13}: {cost * 1e6:7.1f}  x{cost / plain:.1f}")


def whole(folder: Path) -> None:
    """The same in the whole engine: over a hundred markets, in a backtest."""
    print(f"cost per quote of a whole backtest (µs), {COUNT} positions, ratio to plain stops")
    catalog = recording(folder, 100, 42_000)
    config = configuration(folder / "kinds.toml", "backtest")
    plain = 0.0
    for kind, terms in KINDS.items():
        asked = listed(folder, requests(COUNT, 100, **terms))
        measured = figures(folder, "backtest", str(config), str(catalog), str(asked))
        cost = measured["quote"]
        plain = plain or cost
        held = f"{measured['held']:.0f} held"
        print(f"  {kind:>13}: {cost * 1e6:7.1f}  x{cost / plain:.1f}  {held}", flush=True)


def _protected(count: int, terms: dict[str, str]) -> Engine:
    """An engine whose positions are all bought."""
    engine = Engine(replace(LIMITS, max_total_stake=D(10**9)), cash=D(10**9), strict=True)
    engine.list_market(market())
    for n in range(count):
        fields = {"command": "submit", "id": str(UUID(int=n)), "market": "rain-in-london"}
        asked = {"outcome": "Yes", "max_bid": "0.60", "size": "10", "stop": f"0.{20 + n % 25}"}
        engine.command(from_fields(fields | asked | terms))
    for act in [e for e in engine.turn(0) if isinstance(e, Act) and isinstance(e.intent, Send)]:
        order = act.intent.order
        filled = OrderFilled(
            time=0,
            order_id=order.id,
            trade_id=order.id,
            role=order.role,
            price=order.price,
            shares=order.shares,
            fee=D(0),
            liquidity="maker",
        )
        engine.event(act.position.id, filled)
    engine.turn(0)
    return engine
