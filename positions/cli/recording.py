"""Commands that fill catalogs with market data."""

from pathlib import Path
from typing import Annotated

import typer

from positions.cli.output import fail
from positions.commands import Malformed, duration
from positions.settings import SettingsError, load

DEFAULT_CONFIG = Path("config/paper.toml")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        epilog="Example: polybracket record will-it-rain --until 6h --catalog catalog/rain"
    )(record)


def record(
    markets: Annotated[list[str], typer.Argument(help="Slugs, condition ids or addresses.")],
    catalog: Annotated[Path, typer.Option(help="The folder of the recording.")],
    until: Annotated[str | None, typer.Option(help="For so long, such as 6h.")] = None,
    config: Annotated[Path, typer.Option(help="Where the venue is.")] = DEFAULT_CONFIG,
) -> None:
    """Record markets of Polymarket, without a key; Ctrl-C ends it."""
    try:
        seconds = None if until is None else duration("until", until) / 1e9
        settings = load(config)
    except (Malformed, SettingsError) as e:
        fail(str(e), 2)
    from recordings.importer import RecordingError
    from recordings.record import record as run

    try:
        code = run(settings, markets, catalog, seconds)
    except (RecordingError, OSError) as e:
        fail(str(e))
    raise typer.Exit(code)
