"""What a quote costs in a backtest and in a node, and how a sweep gains by a second core."""

from pathlib import Path

from bench.material import (
    best,
    configuration,
    figures,
    listed,
    recording,
    requests,
    run,
    spooled,
)

LONG, SHORT = 42_000, 12_000
BREADTHS = (1, 100)


def backtests(folder: Path) -> None:
    """Quotes per second of the processor, as a ratio to an idle strategy on a bare BacktestEngine."""
    print("backtest: µs of the processor per quote, ratio to an idle strategy on a bare engine")
    config = configuration(folder / "backtest.toml", "backtest")
    for instruments in BREADTHS:
        catalog = recording(folder, instruments, LONG)
        bare = _bare(folder, instruments)
        for count in (0, 10, 1_000):
            asked = listed(folder, requests(count, instruments))
            found = best(folder, "backtest", str(config), str(catalog), str(asked))
            assert found["held"] == count, found
            _tell(count, instruments, found, bare)


def nodes(folder: Path) -> None:
    """The same for a whole node that replays; with many positions, a shorter recording."""
    print("node: µs of the processor per quote, ratio to an idle strategy on a bare engine")
    for instruments in BREADTHS:
        bare = _bare(folder, instruments)
        empty = 0.0
        for count in (0, 100, 1_000, 10_000):
            catalog = recording(folder, instruments, SHORT)
            state = spooled(folder, requests(count, instruments))
            config = configuration(state / "config.toml", "replay")
            found = figures(folder, "node", str(config), str(catalog), str(state))
            empty = empty or found["memory"]
            grown = (found["memory"] - empty) / count * 1_000 if count else 0
            _tell(count, instruments, found, bare, f", {grown:.0f} MB per 1,000" if count else "")


def _bare(folder: Path, instruments: int) -> float:
    cost = best(folder, "bare", str(recording(folder, instruments, LONG)))["quote"]
    print(f"  bare Nautilus,    {instruments:>3} instruments: {cost * 1e6:8.1f}", flush=True)
    return cost


def _tell(
    count: int, instruments: int, found: dict[str, float], bare: float, more: str = ""
) -> None:
    cost, set_up = found["quote"], found["setup"]
    shown = f"{cost * 1e6:8.1f}  x{cost / bare:5.1f}, set-up {set_up:.1f} s{more}"
    print(f"  {count:>6} positions, {instruments:>3} instruments: {shown}", flush=True)


def sweeps(folder: Path) -> None:
    """A sweep with one worker against two."""
    catalog = recording(folder, 1, LONG)
    config = configuration(folder / "sweep.toml", "backtest")
    asked = listed(folder, requests(10, 1))
    options = ["--config", str(config), "--catalog", str(catalog), "--positions", str(asked)]
    seconds = []
    for cores in (1, 2):
        results = folder / f"sweep-{cores}.parquet"
        grid = ["--vary", "stop=0.20:0.35:0.01", "--results", str(results), "--cores", str(cores)]
        seconds.append(run("-m", "cli.main", "sweep", *options, *grid).wall)
    one, two = seconds
    print(f"sweep of 16: {one:.1f} s on 1 core, {two:.1f} s on 2, speed-up x{one / two:.2f}")
