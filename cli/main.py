"""The `polybracket` program: every command, and the one place where their errors are caught."""

import gc

# Loading makes no garbage, and looking for it there takes a third of the time of a short command.
gc.set_threshold(20_000)

import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.output import complain, escape_what_cannot_be_shown, say
from positions.model.errors import PolybracketError, in_words
from positions.operations.console import open_missing
from positions.operations.core_dumps import forbid_core_dumps

COMMANDS = {
    "requests": "submit adopt sell cancel close release amend halt resume flatten",
    "views": "positions show status",
    "buy": "buy",
    "top": "top",
    "summary": "summary",
    "markets": "markets",
    "holdings": "holdings",
    "setup": "doctor credentials service",
    "redeeming": "redeem",
    "research": "backtest sweep session",
    "recording": "record fetch catalog",
    "apply": "apply",
    "web": "web",
    "notify": "notify",
    "telegram": "telegram",
    "running": "run export import",
}
"""The modules and their commands; only the module of the one that is typed is loaded."""


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


class Commands(Program):
    """The program's commands, each loaded when it is asked for: a second is long at a prompt."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Every command, in the order in which people see them."""
        return " ".join(COMMANDS.values()).split()

    def get_command(self, ctx: Any, name: str) -> Any:
        """The command of this name, or None."""
        for module, names in COMMANDS.items():
            if name in names.split() and name not in self.commands:
                part = typer.Typer(rich_markup_mode=None, add_completion=False)
                import_module(f"cli.{module}").register(part)
                self.commands.update(typer.main.get_group(part).commands)
        return super().get_command(ctx, name)


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
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Bracket positions on Polymarket, kept day and night.",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

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


def main() -> None:
    """Run the program."""
    forbid_core_dumps()
    open_missing()
    app()


if __name__ == "__main__":
    main()
