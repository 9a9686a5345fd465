"""The `polybracket` program: every command, and the one place where errors become one line."""

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

from cli import apply, recording, requests, research, setup, views
from cli.options import DEFAULT_CONFIG, State, state_dir
from cli.output import fail, say
from positions.operations.console import open_missing
from positions.operations.core_dumps import forbid_core_dumps
from positions.operations.settings import SettingsError, load
from positions.storage import backup
from positions.storage.locks import AlreadyRunning
from positions.storage.private_files import NotPrivate
from positions.storage.schema import StoreError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Bracket positions on Polymarket, kept day and night.",
)
requests.register(app)
views.register(app)
setup.register(app)
research.register(app)
recording.register(app)
apply.register(app)


@app.command(epilog="Example: polybracket run --config config/replay.toml --speed 60")
def run(
    config: Annotated[Path, typer.Option(help="The settings.")] = DEFAULT_CONFIG,
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
    try:
        state = state or os.environ.get("POLYBRACKET_STATE")
        settings = load(config, catalog=catalog, speed=speed, state=state, really_trade=really)
    except SettingsError as e:
        fail(str(e), 2)
    import node  # Nautilus takes a second to load; no other command needs it

    raise typer.Exit(node.run(settings, fresh=fresh))


@app.command("export", epilog="Example: polybracket export backup.duckdb")
def export_record(
    file: Annotated[Path, typer.Argument(help="The copy to make.")], state: State = None
) -> None:
    """Copy the whole record to a file; the node may run meanwhile."""
    folder = state_dir(state)
    try:
        backup.export(folder, file)
    except (AlreadyRunning, NotPrivate, StoreError, OSError) as e:
        fail(str(e))
    say(f"{file}: the whole record of {folder}, {file.stat().st_size} bytes")


@app.command("import", epilog="Example: polybracket import backup.duckdb --state state/mine")
def import_record(
    file: Annotated[Path, typer.Argument(help="A copy made by `export`.")], state: State = None
) -> None:
    """Make a copy the record of a state folder that has none; `run` goes on from there."""
    folder = state_dir(state)
    try:
        backup.restore(file, folder)
    except (AlreadyRunning, NotPrivate, StoreError, OSError) as e:
        fail(str(e))
    say(f"{folder}: goes on from {file}")


def main() -> None:
    """Run the program; no traceback reaches the terminal."""
    forbid_core_dumps()
    open_missing()
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as e:
        with tempfile.NamedTemporaryFile(
            "w", prefix="polybracket-", suffix=".log", delete=False
        ) as report:
            traceback.print_exc(file=report)
        name = type(e).__name__
        print(f"polybracket: unexpected {name}: {e}; details in {report.name}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
