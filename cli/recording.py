"""Commands that fill catalogs with market data."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import VenueConfig
from cli.output import say
from positions.commands.fields import duration, time
from positions.operations.settings import load


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    example = "Example: polybracket record will-it-rain --until 6h --catalog catalog/rain"
    app.command(epilog=example)(record)
    example = "Example: polybracket fetch will-it-rain --catalog catalog/trades"
    app.command(epilog=example)(fetch)
    catalogs = typer.Typer(no_args_is_help=True, help="Recorded market data.")
    app.add_typer(catalogs, name="catalog")
    example = "Example: polybracket catalog import quotes.csv --markets markets.json"
    catalogs.command("import", epilog=f"{example} --catalog catalog/mine")(catalog_import)


def record(
    markets: Annotated[list[str], typer.Argument(help="Slugs, condition ids or addresses.")],
    catalog: Annotated[Path, typer.Option(help="The folder of the recording.")],
    config: VenueConfig,
    until: Annotated[str | None, typer.Option(help="For so long, such as 6h.")] = None,
) -> None:
    """Record markets of Polymarket, without a key; Ctrl-C ends it."""
    seconds = None if until is None else duration("until", until) / 1e9
    settings = load(config)
    from recordings.record import record as run

    raise typer.Exit(run(settings, markets, catalog, seconds))


def fetch(
    market: Annotated[str, typer.Argument(help="A slug, a condition id, or an address.")],
    catalog: Annotated[Path, typer.Option(help="The folder to write to.")],
    config: VenueConfig,
    begin: Annotated[str | None, typer.Option("--from", help="From this time on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to this time.")] = None,
) -> None:
    """Load what changed hands in a market; one that was cut goes on when it is run again."""
    first = None if begin is None else time("from", begin)
    last = None if end is None else time("to", end)
    venue = load(config).venue
    from recordings import fetch as program

    made = program.fetch(venue, market, first, last, catalog)
    before = f", {made.resumed} of them from a load that was cut" if made.resumed else ""
    left_out = f"; {made.left_out} rows left out" if made.left_out else ""
    say(f"{catalog}: {made.trades} trades{before}{left_out}")
    say(program.LIMITS, err=True)


def catalog_import(
    table: Annotated[
        Path, typer.Argument(help="CSV, JSON lines or Parquet of best prices or of books.")
    ],
    markets: Annotated[
        Path, typer.Option(help="JSON of the markets: ours, Gamma's or the CLOB's.")
    ],
    catalog: Annotated[Path, typer.Option(help="The folder to make.")],
    form: Annotated[
        str,
        typer.Option("--format", help="quotes, books, levels or events; without it, as it looks."),
    ] = "auto",
    zone: Annotated[
        str | None, typer.Option(help="Of times that state no offset, such as Europe/London.")
    ] = None,
) -> None:
    """Make a catalog of a table of quotes or books, see docs/import.md; bad rows are left out."""
    from recordings.importer import import_recording
    from recordings.reading.values import zone_of

    made = import_recording(
        table,
        markets,
        catalog,
        lambda line: say(line, err=True),
        lambda line: say(f"{table}: {line}"),
        form,
        None if zone is None else zone_of(zone),
    )
    left_out = f"; {made.left_out} rows left out" if made.left_out else ""
    say(
        f"{catalog}: {made.quotes} quotes and {made.one_sided} one-sided books of {made.tokens}"
        f" outcomes in {made.markets} markets, {made.settled} resolved{left_out}"
    )
