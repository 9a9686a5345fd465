"""Sweeps: the grid, one backtest for each combination, and going on where it was cut short."""

import importlib.util
from collections.abc import Callable
from concurrent.futures import Executor, Future
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

import backtest
from cli.main import app
from positions.commands.files import numbered
from positions.operations.settings import Settings, load
from positions.research import grid
from positions.research.grid import BadGrid
from recordings import sweep
from recordings.sample import make_sample

RED = {
    "command": "submit",
    "id": numbered(1),
    "market": "synthetic-team-red-wins",
    "outcome": "Yes",
    "max_bid": "0.61",
    "size": "80",
    "stop": "0.50",
    "at": "2026-03-02T12:00:02Z",
}


class Inline(Executor):
    """Runs at once what is submitted."""

    def __init__(self) -> None:
        self.tried: list[Any] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.tried.append(args[-1])
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("recording")
    make_sample(folder / "sample")
    return load(Path("config/backtest.toml"), backtest={"catalog": str(folder / "sample")})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("stop=0.30:0.40:0.05", ["0.30", "0.35", "0.40"]),
        ("stop=0.30:0.39:0.05", ["0.30", "0.35"]),
        ("stop=0.30:0.30:1", ["0.30"]),
        ("target=+10%,+20%,none", ["+10%", "+20%", "none"]),
    ],
)
def test_an_axis_has_these_values(text: str, values: list[str]) -> None:
    assert grid.axis(text) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stop", "must be FIELD=FROM:TO:STEP"),
        ("stop=", "must be FIELD=FROM:TO:STEP"),
        ("stop=0.5:0.3:0.1", "must go up by a step above 0"),
        ("stop=0.3:0.5:0", "must go up by a step above 0"),
        ("stop=0.1:0.9:0.0001", "at most 1000 values"),
        ("stop=1..2:3:1", "must go up by a step above 0"),
        ("market=a,b", "must name a price, a size or another option"),
    ],
)
def test_an_axis_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadGrid, match=said):
        grid.axis(text)


def test_a_combination_replaces_a_field_under_each_of_its_names() -> None:
    request = {"command": "submit", "stop_loss_price": "0.5", "sell_price": "0.7"}
    sale = {"command": "sell", "position_id": "x"}
    varied = list(grid.vary([request, sale], {"stop": "0.4", "target": "none"}))
    assert varied == [{"command": "submit", "stop": "0.4"}, sale]


def test_a_sweep_that_was_cut_short_goes_on(settings: Settings, tmp_path: Path) -> None:
    combinations = grid.combinations(grid.axes_of(["stop=0.40,0.50", "max_bid=0.20,0.61"]))
    results = tmp_path / "out" / "results.parquet"
    told: list[tuple[int, int]] = []

    def run(executor: Executor, requests: list[dict[str, Any]]) -> list[sweep.Row]:
        def progress(done: int, count: int) -> None:
            told.append((done, count))
            if told == [(0, 4), (1, 4)]:
                raise KeyboardInterrupt

        return sweep.sweep(
            backtest.run, settings, requests, combinations, results, executor, progress
        )

    with pytest.raises(KeyboardInterrupt):
        run(Inline(), [RED])
    assert not results.exists()
    rest = Inline()
    rows = run(rest, [RED])
    assert len(rest.tried) == len(combinations) - 1
    assert told[-1] == (4, 4)
    assert [r["varied"] for r in rows] == combinations
    found = duckdb.sql(
        f"SELECT stop, stops, net_profit FROM '{results}' WHERE bought = 1 ORDER BY stop"
    ).fetchall()
    assert [(stop, stops) for stop, stops, _ in found] == [("0.40", 1), ("0.50", 1)]
    assert all(isinstance(profit, Decimal) and profit < -10 for _, _, profit in found)
    other = Inline()
    run(other, [RED | {"size": "40"}])
    assert len(other.tried) == 4, "results of other requests were taken for these"
    page = tmp_path / "map.html"
    sweep.write_heat_map(page, rows)
    text = page.read_text()
    assert text.count("background:rgba(") == len({tuple(r["varied"].values())[:2] for r in rows})
    assert "<script" not in text


def test_a_combination_that_cannot_be_asked_for_counts_as_refused(settings: Settings) -> None:
    row = sweep.try_one(backtest.run, settings, [RED], {"stop": "0.70"})
    assert (row["totals"]["refused"], row["totals"]["positions"]) == (1, 0)


def test_the_command_uses_processes_and_shows_the_best_first(
    settings: Settings, tmp_path: Path
) -> None:
    results = tmp_path / "results.parquet"
    options = ["--catalog", settings.backtest.catalog, "--results", str(results)]
    done = CliRunner().invoke(app, ["sweep", *options, "--vary", "stop=0.30,0.50", "--cores", "2"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["stop", "net", "profit"]
    assert [line.split()[0] for line in lines[1:]] == ["0.50", "0.30"]
    assert results.exists()


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (
            ["--vary", "stop=abc"],
            "stop=abc: entry 1: stop was 'abc', must be a plain decimal",
        ),
        (["--vary", "nothing=1"], "nothing was 1, is not a field"),
        (["--vary", "stop=0.1", "--vary", "stop=0.2"], "vary was 'stop' twice"),
    ],
)
def test_a_bad_grid_is_one_line(vary: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["sweep", *vary])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_a_ray_cluster_does_the_same(settings: Settings, tmp_path: Path) -> None:
    combinations = grid.combinations(grid.axes_of(["stop=0.40,0.50"]))
    arguments = (backtest.run, settings, [RED], combinations)
    here = sweep.sweep(*arguments, tmp_path / "a.parquet", Inline(), lambda *_: None)
    with sweep.RayExecutor("local") as executor:
        there = sweep.sweep(*arguments, tmp_path / "b.parquet", executor, lambda *_: None)
    assert here == there
