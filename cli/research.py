"""Commands that try positions on recorded data."""

from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress

from cli.options import BacktestConfig, Json, State, state_dir
from cli.outcomes import show_outcome, show_sweep
from cli.output import print_json
from positions.commands import files
from positions.commands.files import UnreadableRequests
from positions.commands.messages import Command
from positions.model.errors import ConfigurationError, RecordError
from positions.operations.settings import Settings, load
from positions.research import grid
from positions.research import session as sessions
from positions.research.backtest_result import Outcome
from positions.research.grid import BadGrid, Combination

if TYPE_CHECKING:
    from recordings.catalog import Recording

DEFAULT_RESULTS = Path("state/sweep.parquet")
Catalog = Annotated[str | None, typer.Option(help="The recorded data.")]
PositionsFile = Annotated[
    str | None, typer.Option(help="What to try: TOML, CSV or JSON lines of requests.")
]
From = Annotated[str | None, typer.Option("--from", help="Begin at this time (ISO 8601).")]
To = Annotated[str | None, typer.Option("--to", help="End at this time (ISO 8601).")]
Latency = Annotated[str | None, typer.Option(help="How long orders take: 250ms.")]
Report = Annotated[
    Path | None, typer.Option(help="Write a page with charts, viewable offline, to this file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        epilog="Example: polybracket backtest --catalog catalog/sample"
        " --positions config/positions.toml"
    )(backtest)
    app.command(
        epilog="Example: polybracket sweep --catalog catalog/sample"
        " --positions config/positions.toml --vary stop=0.30:0.50:0.05 --vary target=0.7,0.8"
    )(sweep)
    app.command(epilog="Example: polybracket session --state state/replay > session.jsonl")(session)


def backtest(
    config: BacktestConfig,
    catalog: Catalog = None,
    positions: PositionsFile = None,
    begin: From = None,
    end: To = None,
    latency: Latency = None,
    as_json: Json = False,
    report: Report = None,
) -> None:
    """Try positions on recorded data: the strategy of the node, without waiting."""
    settings, requests = settings_and_requests(config, catalog, positions, begin, end, latency)
    import backtest as program  # Nautilus takes a second to load
    from recordings.catalog import Recording
    from recordings.unbought import reasons

    recording = Recording(Path(settings.backtest.catalog))
    outcome = program.run(settings, requests)
    outcome = replace(outcome, not_bought=reasons(outcome, recording))
    show_outcome(outcome, as_json=as_json)
    if report is not None:
        _report(report, outcome, recording, settings.backtest.catalog)


def _report(path: Path, outcome: Outcome, recording: "Recording", catalog: str) -> None:
    from recordings.report import write_report

    try:
        write_report(path, outcome, recording, catalog)
    except OSError as e:
        raise RecordError(f"{path}: cannot be written: {e.strerror}") from None
    typer.echo(f"report: {path}", err=True)


def sweep(
    vary: Annotated[
        list[str], typer.Option(help="FIELD=FROM:TO:STEP or FIELD=VALUE,VALUE; may be repeated.")
    ],
    config: BacktestConfig,
    catalog: Catalog = None,
    positions: PositionsFile = None,
    begin: From = None,
    end: To = None,
    latency: Latency = None,
    results: Annotated[
        Path, typer.Option(help="The Parquet file to make; a sweep cut short goes on.")
    ] = DEFAULT_RESULTS,
    report: Report = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="So many cores; without it, all.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help='On the Ray cluster at this address; "local" makes one.')
    ] = None,
) -> None:
    """Try every combination of some fields on recorded data, over all cores."""
    settings, commands = settings_and_requests(config, catalog, positions, begin, end, latency)
    requests = list(files.read_numbered(Path(settings.backtest.positions)))
    combinations = _combinations(vary, requests)
    import backtest as program
    from recordings import sweep as sweeps
    from recordings.catalog import Recording

    recording = Recording(Path(settings.backtest.catalog))
    with _executor(ray, cores) as executor, Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("combinations")
        work = (settings, requests, combinations, results, executor)
        rows = sweeps.sweep(
            program.run, *work, lambda n, of: bar.update(task, completed=n, total=of)
        )
    if report is not None:
        sweeps.write_heat_map(report, rows)
    show_sweep(rows, _undated_since(commands, settings, recording.start_ns))
    typer.echo(f"results: {results}", err=True)


def _combinations(vary: list[str], requests: list[dict[str, Any]]) -> list[Combination]:
    axes = grid.axes_of(vary)
    try:
        for name, values in axes.items():
            for value in values:
                files.checked(grid.vary(requests, {name: value}), f"{name}={value}")
    except UnreadableRequests as e:  # of which each request has a line
        raise BadGrid(str(e).splitlines()[0]) from None
    return grid.combinations(axes)


def _undated_since(commands: list[Command], settings: Settings, start: int) -> int | None:
    begin = max(start, settings.backtest.begin_ns or 0)
    return begin if any(c.at is None for c in commands) else None


def _executor(ray: str | None, count: int | None) -> Executor:
    from recordings import sweep as sweeps

    if ray is None:
        return sweeps.cores(count)
    try:
        return sweeps.RayExecutor(ray)
    except ImportError:
        how = "pip install 'polybracket[ray]'"
        raise ConfigurationError(f"ray is not installed: {how}") from None
    except Exception as e:  # whatever a cluster may say
        why = str(e).splitlines()[0]
        raise ConfigurationError(f"ray was {ray!r}, cannot be reached: {why}") from None


def session(state: State = None) -> None:
    """Print the commands of a stopped node's session, as a file for `backtest`."""
    print_json(sessions.requests(state_dir(state)))


def settings_and_requests(
    config: Path,
    catalog: str | None,
    positions: str | None,
    begin: str | None,
    end: str | None,
    latency: str | None,
) -> tuple[Settings, list[Command]]:
    """The settings with what the command line overrides, and what is to be tried."""
    options = {
        "catalog": catalog,
        "positions": positions,
        "begin": begin,
        "end": end,
        "latency": latency,
    }
    overrides = {name: value for name, value in options.items() if value is not None}
    settings = load(config, backtest=overrides)
    return settings, files.commands(Path(settings.backtest.positions))
