"""Commands that try positions on recorded data."""

from pathlib import Path
from typing import Annotated

import typer

from positions import request_files, session
from positions.cli.options import Json, State, state_dir
from positions.cli.outcomes import show_outcome
from positions.cli.output import fail, print_json
from positions.outcome import Outcome
from positions.request_files import Request, UnreadableRequests
from positions.session import NoSession
from positions.settings import Settings, SettingsError, load

DEFAULT_CONFIG = Path("config/backtest.toml")
Config = Annotated[Path, typer.Option(help="The settings.")]
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
    app.command(epilog="Example: polybracket export --state state/replay > session.jsonl")(export)


def backtest(
    config: Config = DEFAULT_CONFIG,
    catalog: Catalog = None,
    positions: PositionsFile = None,
    begin: From = None,
    end: To = None,
    latency: Latency = None,
    as_json: Json = False,
    report: Report = None,
) -> None:
    """Try positions on recorded data: the strategy of the node, without waiting."""
    settings, requests = given(config, catalog, positions, begin, end, latency)
    import backtest as program  # Nautilus takes a second to load
    from recordings.importer import RecordingError

    try:
        outcome = program.run(settings, requests)
    except RecordingError as e:
        fail(str(e))
    show_outcome(outcome, as_json=as_json)
    if report is not None:
        _report(report, outcome, settings.backtest.catalog)


def _report(path: Path, outcome: Outcome, catalog: str) -> None:
    from recordings.catalog import Recording
    from recordings.report import write_report

    try:
        write_report(path, outcome, Recording(Path(catalog)), catalog)
    except OSError as e:
        fail(f"{path}: cannot be written: {e.strerror}")
    typer.echo(f"report: {path}", err=True)


def export(state: State = None) -> None:
    """Print the commands of a stopped node's session, as a file for `backtest`."""
    try:
        print_json(session.requests(state_dir(state)))
    except NoSession as e:
        fail(str(e))


def given(
    config: Path,
    catalog: str | None,
    positions: str | None,
    begin: str | None,
    end: str | None,
    latency: str | None,
) -> tuple[Settings, list[Request]]:
    """The settings with what the command line overrides, and what is to be tried."""
    options = {
        "catalog": catalog,
        "positions": positions,
        "begin": begin,
        "end": end,
        "latency": latency,
    }
    named = {name: value for name, value in options.items() if value is not None}
    try:
        settings = load(config, backtest=named)
        return settings, request_files.commands(Path(settings.backtest.positions))
    except SettingsError as e:
        fail(str(e), 2)
    except UnreadableRequests as e:
        fail(str(e).replace("\n", "\npolybracket: "), 2)
