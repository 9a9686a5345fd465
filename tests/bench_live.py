"""From a quote's bytes at the socket to `POST /order` at the venue: ours, the stock adapter's, and
the floor: a script that only signs and posts.

    python tests/bench_live.py [--samples 40]

The venue is a process of its own, and each contender too. Ratios are to the floor.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROUND_TRIPS = (0.0, 0.05)
CRASH = {"bid": "0.44", "bid_size": 100_000, "ask": "0.47", "ask_size": 100_000}
CALM = {"bid": "0.50", "bid_size": 100_000, "ask": "0.52", "ask_size": 100_000}
BURST = 100
Figures = dict[str, list[float]]


def floor(venue: Any, samples: int) -> Figures:
    """Listen, sign, post: with the official client, warmed, and nothing else."""
    import aiohttp
    from loopback.scene import Scene
    from py_clob_client_v2.clob_types import OrderArgsV2

    market = venue.add_market("floor")
    token = market.tokens[0]
    venue.quote(token, **CALM)
    client = Scene.make_client(_Only(venue), "0x" + "33" * 32)
    venue.give(client.get_address(), token, 100_000)
    order = OrderArgsV2(token_id=token, price=0.41, size=20, side="SELL")
    client.post_order(client.create_order(order), "FAK")

    async def sell(figures: list[float]) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(venue.websocket + "market") as ws,
        ):
            await ws.send_json({"type": "market", "assets_ids": [token]})
            await ws.receive()
            for _ in range(samples):
                await asyncio.to_thread(venue.quote, token, **CALM)
                timing = asyncio.create_task(_timed(venue, token))
                while _best_bid((await ws.receive()).data) != "0.44":
                    pass
                client.post_order(client.create_order(order), "FAK")
                figures += await timing

    figures: Figures = {}
    for trip in ROUND_TRIPS:
        venue.fault("round_trip", trip)
        asyncio.run(sell(figures.setdefault(_named("sign and post", trip), [])))
    return figures


def _best_bid(frame: str) -> str:
    message = json.loads(frame)
    changes = message.get("price_changes") if isinstance(message, dict) else None
    return str(changes[0].get("best_bid")) if changes else ""


async def _timed(venue: Any, token: str, count: int = 1) -> list[float]:
    timed: list[float] = await asyncio.to_thread(venue.time_sales, count, CRASH | {"token": token})
    return timed


class _Only:
    """What `Scene.make_client` needs of a scene."""

    def __init__(self, venue: Any) -> None:
        self.venue = venue


def stock(venue: Any, samples: int) -> Figures:
    """The stock adapter in a node, and a strategy that sells at market once the bid has fallen."""
    from nautilus_trader.adapters.polymarket.common import gamma_markets
    from nautilus_trader.model.enums import OrderSide, TimeInForce
    from nautilus_trader.trading.strategy import Strategy
    from test_loopback_adapter import KEY, config, ids, play

    gamma_markets.DEFAULT_GAMMA_BASE_URL = venue.gamma
    markets = [venue.add_market(f"stock-{n}") for n in range(samples)]
    settings = config(venue, *markets)
    funder = venue.wallet(KEY)["POLYMARKET_FUNDER"]

    class Seller(Strategy):
        """Sells twenty shares at market whenever a bid has just fallen."""

        def __init__(self) -> None:
            super().__init__()
            self.bids: dict[Any, float] = {}

        def on_start(self) -> None:
            for market in markets:
                self.subscribe_quote_ticks(ids(market)[0])

        def on_quote_tick(self, tick: Any) -> None:
            bid, before = float(tick.bid_price), self.bids.get(tick.instrument_id, 0)
            self.bids[tick.instrument_id] = bid
            if bid < 0.45 < before:
                size = self.cache.instrument(tick.instrument_id).make_qty(20)
                kind = {"time_in_force": TimeInForce.IOC}
                order = self.order_factory.market(tick.instrument_id, OrderSide.SELL, size, **kind)
                self.submit_order(order)

    seller, figures = Seller(), {}

    def act() -> None:
        for temper, trip in [("cold", 0.0), *(("warm", trip) for trip in ROUND_TRIPS)]:
            venue.fault("round_trip", trip)
            for market in markets:
                token = market.tokens[0]
                venue.give(funder, token, 20)
                venue.quote(token, **CALM)
                _wait(lambda m=market: seller.bids.get(ids(m)[0]) == 0.5)
                timed = venue.time_sales(1, CRASH | {"token": token})
                figures.setdefault(_named(f"stock market sell, {temper}", trip), []).extend(timed)

    for market in markets:
        venue.quote(market.tokens[0], **CALM)
    asyncio.run(play(settings, seller, act))
    return figures


def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.005)


def ours(venue: Any, samples: int) -> Figures:
    """Our node: positions with and without a resting target, alone and a hundred at once."""
    from trading import Session, trade

    from positions.model.position import Role

    figures: Figures = {}

    async def opened(s: Session, slug: str, count: int, positions: int, target: str) -> list[Any]:
        markets = [venue.add_market(f"{slug}-{n}") for n in range(count)]
        for market in markets:
            await asyncio.to_thread(venue.quote, market.tokens[0], **CALM)
        levels = {"stop_loss_price": "0.45"} | ({"sell_price": target} if target else {})
        asked = [(m, "0.55", "20") for m in markets for _ in range(positions)]
        ids = await asyncio.gather(*(s.submit(*a, **levels) for a in asked))
        for position_id in ids:
            await s.held(position_id, "20")
            if target:
                await s.until(lambda i=position_id: _rests(s, i, Role.TARGET), "the target rests")
        return markets

    async def script(s: Session) -> None:
        for trip in ROUND_TRIPS:
            for target in ("", "0.70"):
                venue.fault("round_trip", trip)
                words = "our exit, with a target" if target else "our exit"
                name = _named(words, trip)
                slug = f"ours-{trip}-{target}".replace(".", "")
                for market in await opened(s, slug, samples, 1, target):
                    figures.setdefault(name, []).extend(await _timed(venue, market.tokens[0]))
                    await asyncio.sleep(0.05 + 2 * trip)
            (market,) = await opened(s, f"burst-{trip}".replace(".", ""), 1, BURST, "")
            figures[_named(f"our {BURST} exits at once", trip)] = await _timed(
                venue, market.tokens[0], BURST
            )

    with tempfile.TemporaryDirectory() as state:
        trade(venue, Path(state), script, cash="1000000")
    return figures


def _rests(s: Any, position_id: str, role: Any) -> bool:
    return any(o.state == "working" for o in s.positions[position_id].live(role))


def _named(words: str, trip: float) -> str:
    return f"{words}, {trip * 1000:.0f} ms round trip"


def strained(venue: Any, samples: int) -> Figures:
    """Our node while its terminal, its disk or its queue is in trouble."""
    from bench_strained import strained as under_strain

    return under_strain(venue, samples // 2)


CONTENDERS = {"floor": floor, "stock": stock, "ours": ours, "strained": strained}


def run(name: str, samples: int) -> Figures:
    """One contender's figures, from a process of its own."""
    with tempfile.TemporaryFile("w+") as out:
        command = [sys.executable, __file__, "--samples", str(samples), "--only", name]
        done = subprocess.run(command, stdout=out, stderr=out, cwd=ROOT, check=False)
        out.seek(0)
        said = out.read()
    lines = [line for line in said.splitlines() if line.startswith('{"figures"')]
    if done.returncode != 0 or not lines:
        raise SystemExit(said[-3000:])
    figures: Figures = json.loads(lines[-1])["figures"]
    return figures


def bench_live(samples: int = 40) -> None:
    """Print every contender's figures, and their ratios to the floor's."""
    print(f"from a quote's bytes to POST /order (ms), {samples} samples; ratio to sign and post")
    floors: dict[str, float] = {}
    for name in CONTENDERS:
        for words, taken in run(name, samples).items():
            trip = words.rpartition(", ")[2]
            p50, p99 = statistics.median(taken), _quantile(taken, 0.99)
            base = floors.setdefault(trip, p50)
            print(f"  {words:<48} p50 {p50:7.1f}  p99 {p99:7.1f}  x{p50 / base:5.1f}", flush=True)


def _quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """Run all, or one contender for the process that asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--only", choices=CONTENDERS)
    given = parser.parse_args()
    if given.only is None:
        bench_live(given.samples)
        return
    from remote import RemoteVenue

    with RemoteVenue() as venue:
        figures = CONTENDERS[given.only](venue, given.samples)
    print(json.dumps({"figures": figures}), flush=True)
    os._exit(0)  # whatever a contender left running shall not keep its figures waiting


if __name__ == "__main__":
    main()
