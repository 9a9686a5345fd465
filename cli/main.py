"""The `polybracket` program: every command, and the one place where their errors are caught."""

import os
import sys
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import apply, recording, requests, research, setup, views, web
from cli.options import ReplayConfig, State, state_dir
from cli.output import complain, escape_what_cannot_be_shown, say
from positions.model.errors import PolybracketError, in_words
from positions.operations.console import open_missing
from positions.operations.process import forbid_core_dumps
from positions.operations.settings import load
from positions.storage import backup


class Program(TyperGroup):
    """Every command of the program; what one of them raises becomes one line and an exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command that was asked for; no traceback reaches the terminal."""
        escape_what_cannot_be_shown()
        try:
            return super().main(*args, **options)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(1)
        except PolybracketError as e:
            complain(in_words(e))
            sys.exit(e.exit_code)
        except OSError as e:
            complain(in_words(e))
            sys.exit(1)
        except Exception as e:
            complain(in_words(e, _note(e)))
            sys.exit(1)


def _note(error: Exception) -> Path | None:
    """Write down where an error came from that nobody foresaw; None = the disk does not take it."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="polybracket-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
            return Path(file.name)
    except OSError:
        return None


app = typer.Typer(
    cls=Program,
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
web.register(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        say(f"polybracket {version('polybracket')}")
        raise typer.Exit


@app.callback()
def program(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """What every command takes."""


@app.command(epilog="Example: polybracket run --config config/replay.toml --speed 60")
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


@app.command("export", epilog="Example: polybracket export backup.duckdb")
def export_record(
    file: Annotated[Path, typer.Argument(help="The copy to make.")], state: State = None
) -> None:
    """Copy the whole record to a file; the node may run meanwhile."""
    folder = state_dir(state)
    backup.export(folder, file)
    say(f"{file}: the whole record of {folder}, {file.stat().st_size} bytes")


@app.command("import", epilog="Example: polybracket import backup.duckdb --state state/mine")
def import_record(
    file: Annotated[Path, typer.Argument(help="A copy made by `export`.")], state: State = None
) -> None:
    """Make a copy the record of a state folder that has none; `run` goes on from there."""
    folder = state_dir(state)
    backup.restore(file, folder)
    say(f"{folder}: goes on from {file}")


def main() -> None:
    """Run the program."""
    forbid_core_dumps()
    open_missing()
    app()


if __name__ == "__main__":
    main()
