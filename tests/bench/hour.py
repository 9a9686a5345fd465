"""An hour of recording, without the time between its messages: the real recorder, journal and fold."""

import asyncio
import random
import resource
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path

from bench.material import resident
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import InstrumentId, TradeId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.portfolio.portfolio import Portfolio

from recordings.fold import complete
from recordings.importer import Token, instrument
from recordings.journal import Journal
from recordings.recorder import Recorder

OUTCOMES = 100
T0 = 1_776_000_000 * 10**9


class _Weighed(Journal):
    """A journal that counts what it writes."""

    bytes = 0

    def _append(self, content: bytes) -> None:
        self.bytes += len(content)
        super()._append(content)


def record(catalog: Path, seconds: int, per_second: int) -> dict[str, float]:
    """Record so many messages, fold all of them, and tell what that took."""
    return asyncio.run(_record(catalog, seconds, per_second))


async def _record(catalog: Path, seconds: int, per_second: int) -> dict[str, float]:
    clock, cache = TestClock(), Cache()
    bus = MessageBus(TraderId("BENCH-001"), clock)
    bus.register("DataEngine.execute", lambda _: None)
    journal = _Weighed(catalog)
    recorder = Recorder(catalog, journal, _fail)
    recorder.register_base(Portfolio(bus, cache, clock), bus, cache, clock)
    recorder.start()
    ids = [_listed(bus, n) for n in range(OUTCOMES)]
    messages = _messages(ids, 10**9 // per_second)
    early = spent = 0.0
    for second in range(seconds):
        due = [next(messages) for _ in range(per_second)]
        begun = time.process_time()
        for topic, message in due:
            bus.publish(topic, message)
        await asyncio.sleep(0)
        spent += time.process_time() - begun
        if second == min(60, seconds - 1):
            early = resident()
    late = resident()
    recorder.stop()
    if recorder._folding is not None:
        await recorder._folding
    complete(catalog)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu": spent,
        "early": early,
        "late": late,
        "lines_mb": journal.bytes / 1e6,
        "catalog_mb": _megabytes(catalog / "data"),
        "folding_cpu": children.ru_utime + children.ru_stime,
        "folding_memory": children.ru_maxrss / 1024,
    }


def _listed(bus: MessageBus, n: int) -> InstrumentId:
    """Make an outcome known."""
    instrument_id = InstrumentId.from_str(f"0x{n:064x}-{n}.POLYMARKET")
    about = {"slug": f"m-{n}", "condition_id": f"0x{n:064x}", "min_order_size": "5"}
    outcome = {"token_id": str(n), "outcome": "Yes", "tick_size": "0.01"}
    known = instrument(Token(about | {"fee_rate": "0.04"}, outcome, instrument_id), "0.01", T0)
    bus.publish(f"data.instrument.POLYMARKET.{instrument_id.symbol}", known)
    return instrument_id


def _messages(ids: list[InstrumentId], apart: int) -> Iterator[tuple[str, QuoteTick | TradeTick]]:
    """Nine quotes, one trade, and so on, over all outcomes, so many nanoseconds apart."""
    rng, now = random.Random(1), T0
    prices = [Price.from_str(f"{Decimal(n) / 100:.2f}") for n in range(101)]
    sizes = [Quantity.from_str(f"{n * 10}.000000") for n in range(1, 200)]
    for number in count():
        now += apart
        i, bid = rng.choice(ids), rng.randint(50, 53)
        if number % 10:
            told = (prices[bid], prices[bid + 1], rng.choice(sizes), rng.choice(sizes), now, now)
            yield f"data.quotes.POLYMARKET.{i.symbol}", QuoteTick(i, *told)
        else:
            trade = (prices[bid], rng.choice(sizes), AggressorSide.BUYER, TradeId(str(number)))
            yield f"data.trades.POLYMARKET.{i.symbol}", TradeTick(i, *trade, now, now)


def _megabytes(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6


def _fail(failure: str) -> None:
    if failure:
        raise SystemExit(failure)
