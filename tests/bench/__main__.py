"""Speed and memory, as ratios to a bare Nautilus (or DuckDB) baseline measured in the same run.

    make bench                             # every row
    make bench ROWS=backtest,sweep         # some

The machine is shared, so what is computed is measured in seconds of the processor; what is waited
for, by the clock. Figures of one run are told as they are; quote the ratios.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import answers, engines, quotes, recorders, records
from bench_live import bench_live

ROWS: dict[str, Callable[[Path], None]] = {
    "engine": engines.stops,
    "kinds": engines.whole,
    "commits": records.commits,
    "starts": records.starts,
    "restart": records.restart,
    "copies": records.copies,
    "answers": answers.answers,
    "lines": recorders.lines,
    "hour": recorders.hour,
    "backtest": quotes.backtests,
    "sweep": quotes.sweeps,
    "node": quotes.nodes,
    "live": lambda _: bench_live(),
}


def main() -> None:
    """Measure every row, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help=f"some of {','.join(ROWS)}")
    asked = parser.parse_args().rows
    names = asked.split(",") if asked else list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        parser.error(f"rows was {asked}, must be some of {','.join(ROWS)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            begun = time.monotonic()
            ROWS[name](Path(folder))
            print(f"-- {name}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
