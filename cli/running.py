"""Commands that run a node, and copy its whole record."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.options import ReplayConfig, State, state_dir
from cli.output import say
from positions.operations.settings import load
from positions.storage import backup


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(epilog="Example: polybracket run --config config/replay.toml --speed 60")(run)
    app.command("export", epilog="Example: polybracket export backup.duckdb")(export_record)
    example = "Example: polybracket import backup.duckdb --state state/mine"
    app.command("import", epilog=example)(import_record)


def run(
    config: ReplayConfig,
    catalog: Annotated[str | None, typer.Option(help="Replay this catalog.")] = None,
    speed: Annotated[str | None, typer.Option(help='Market seconds per second, or "max".')] = None,
    state: Annotated[str | None, typer.Option(help="The node's state folder.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Put an earlier record aside and begin anew.")
    ] = False,
    really: Annotated[
        bool, typer.Option("--yes-really-trade", help="Let a live node trade with money.")
    ] = False,
) -> None:
    """Run the node in the foreground. Ctrl-C stops it, and a replay ends with its data.

    It goes on where the last one stopped; a replay that came to its end begins anew.
    """
    state = state or os.environ.get("POLYBRACKET_STATE")
    settings = load(config, catalog=catalog, speed=speed, state=state, really_trade=really)
    import node  # Nautilus takes a second to load; no other command needs it

    raise typer.Exit(node.run(settings, fresh=fresh))


def export_record(
    file: Annotated[Path, typer.Argument(help="The copy to make.")], state: State = None
) -> None:
    """Copy the whole record to a file; the node may run meanwhile."""
    folder = state_dir(state)
    backup.export(folder, file)
    say(f"{file}: the whole record of {folder}, {file.stat().st_size} bytes")


def import_record(
    file: Annotated[Path, typer.Argument(help="A copy made by `export`.")], state: State = None
) -> None:
    """Make a copy the record of a state folder that has none; `run` goes on from there."""
    folder = state_dir(state)
    backup.restore(file, folder)
    say(f"{folder}: goes on from {file}")
