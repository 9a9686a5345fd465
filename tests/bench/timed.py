"""One process that plays a recording and measures itself.

    python -m bench.timed FIGURES bare CATALOG
    python -m bench.timed FIGURES backtest CONFIG CATALOG POSITIONS
    python -m bench.timed FIGURES node CONFIG CATALOG STATE
    python -m bench.timed FIGURES left CONFIG CATALOG STATE     a node that dies on its way
    python -m bench.timed FIGURES again CONFIG CATALOG STATE    its next start, until all is armed
    python -m bench.timed FIGURES hour CATALOG SECONDS PER_SECOND

The cost of a quote is the processor's time between two moments of the recording, both after the
positions were opened, divided by the moments between: neither start, set-up nor end are in it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.material import resident

import node
from positions.operations.settings import load
from recordings.catalog import Recording

SETTLED = 1_000
"""By this moment all positions are open: they are asked for at the 200th, and data comes in
chunks of a thousand."""
Marks = dict[int, Callable[[], None]]


class Figures:
    """What is measured, and written where it was asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._measured: dict[str, float] = {}
        self._cpu = 0.0

    def write(self, **measured: float) -> None:
        """Write more of it."""
        self._measured |= measured
        self._path.write_text(json.dumps(self._measured))

    def begin(self) -> None:
        """From here on quotes count; what came before is the set-up."""
        self._cpu = time.process_time()
        self.write(setup=self._cpu)

    def end(self, quotes: int) -> None:
        """So many quotes were played."""
        self.write(quote=(time.process_time() - self._cpu) / quotes)


def at_moments(marks: Marks) -> None:
    """Call back before the moments of these numbers are read."""
    read = Recording.batches

    def batches(self: Recording, *stretch: Any) -> Iterator[Any]:
        for number, batch in enumerate(read(self, *stretch)):
            if number in marks:
                marks[number]()
            yield batch

    Recording.batches = batches  # type: ignore[method-assign]


def measure_quotes(figures: Figures, catalog: str) -> None:
    """Measure between the first chunk and the last."""
    last = (int(catalog.rpartition("-")[2]) - 1) // SETTLED * SETTLED
    at_moments({SETTLED: figures.begin, last: lambda: figures.end(last - SETTLED)})


def bare(figures: Figures, catalog: str) -> None:
    """A strategy that does nothing, on Nautilus' engine; its reading counts as it does of ours."""
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, StrategyConfig
    from nautilus_trader.model.currencies import pUSD
    from nautilus_trader.model.enums import AccountType, OmsType
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.trading.strategy import Strategy

    class Idle(Strategy):
        """Listens."""

        def on_start(self) -> None:
            for instrument in self.cache.instruments():
                self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: Any) -> None:
            """Do nothing."""

    recording = Recording(Path(catalog))
    config = BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    engine = BacktestEngine(config)
    engine.add_venue(Venue("POLYMARKET"), OmsType.NETTING, AccountType.CASH, [Money(1000, pUSD)])
    for instrument in recording.instruments:
        engine.add_instrument(instrument)
    engine.add_strategy(Idle(StrategyConfig()))
    figures.begin()
    data = [d for _, batch in recording.batches() for d in batch]
    engine.add_data(data)
    engine.run()
    figures.end(len(data))


def backtest(figures: Figures, config: str, catalog: str, positions: str) -> None:
    """A backtest of ours."""
    from backtest import run
    from positions.commands import files

    measure_quotes(figures, catalog)
    asked = {"catalog": catalog, "positions": positions}
    settings = load(Path(config), backtest=asked)
    outcome = run(settings, files.commands(Path(positions)))
    figures.write(held=sum(r["status"] == "open" and r["volume"] > 0 for r in outcome.rows))


def replay(figures: Figures, config: str, catalog: str, state: str) -> None:
    """A whole node on a recording."""
    measure_quotes(figures, catalog)
    _play(config, catalog, state)


def left(figures: Figures, config: str, catalog: str, state: str) -> None:
    """A node that is gone in the middle of its recording."""
    figures.write(setup=0)
    at_moments({SETTLED: lambda: os._exit(0)})
    _play(config, catalog, state)


def again(figures: Figures, config: str, catalog: str, state: str) -> None:
    """The next start: once the moment where it goes on is fed, all stops are armed."""
    nodes: list[node.Node] = []

    class Noted(node.Node):
        """A node that can be asked."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            nodes.append(self)

    def armed() -> None:
        count = len(nodes[0]._node.cache.orders_emulated())
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - _started()
        figures.write(armed=count, seconds=seconds, cpu=time.process_time(), resident=resident())
        os._exit(0)

    node.Node = Noted  # type: ignore[misc]
    at_moments({1: armed})
    _play(config, catalog, state)


def hour(figures: Figures, catalog: str, seconds: str, per_second: str) -> None:
    """A recorder that is told of so many messages a second, without the time between."""
    from bench.hour import record

    figures.write(**record(Path(catalog), int(seconds), int(per_second)))


def _started() -> float:
    """When this process began, in seconds since the machine did."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def _play(config: str, catalog: str, state: str) -> None:
    settings = load(Path(config), catalog=catalog, speed="max", state=state)
    code = node.run(settings)
    if code:
        raise SystemExit(code)


WAYS = {
    "bare": bare,
    "backtest": backtest,
    "node": replay,
    "left": left,
    "again": again,
    "hour": hour,
}


if __name__ == "__main__":
    WAYS[sys.argv[2]](Figures(Path(sys.argv[1])), *sys.argv[3:])
