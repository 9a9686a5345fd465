"""Commands for setting up: what is missing, the wallet's credentials, the service."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, LiveConfig, default_config
from cli.output import print_json, say
from positions.model.errors import ConfigurationError
from positions.operations.doctor import Check, Level, check_machine, failed
from positions.operations.env_file import as_lines, write_env
from positions.operations.service import launchd_agent, unit
from positions.operations.settings import Settings, load
from positions.operations.wallet import API, KEY, environment, wallet

_ENV = Path(".env")

Config = Annotated[
    Path | None,
    typer.Option(help="The settings; config/live.toml with a key in the environment, else paper."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("doctor", epilog="Example: polybracket doctor --config config/live.toml")(doctor)
    app.command("credentials", epilog="Example: polybracket credentials --show")(credentials)
    app.command("service", epilog="Example: polybracket service --config config/paper.toml")(
        service
    )


def doctor(config: Config = None, as_json: Json = False) -> None:
    """Check everything that a node needs, a line each, with what to do about it.

    Exits with 1 when anything failed. No secret is shown.
    """
    values = environment()
    path = config or default_config("live" if values.get(KEY) else "paper")
    settings = _load(path)
    if not as_json:
        why = "" if config else f" ({KEY} is {'' if values.get(KEY) else 'not '}set)"
        typer.echo(f"what {path} needs{why}, mode {settings.mode}:")
    broken = False
    for check in _examine(settings, values):
        broken = broken or check.level is Level.FAILED
        _print_check(check, as_json=as_json)
    if broken:
        raise typer.Exit(1)


def _examine(settings: Settings, values: Mapping[str, str]) -> Iterator[Check]:
    yield from check_machine(settings)
    if settings.mode == "replay":
        return
    try:
        from venues.polymarket.doctor import check_venue  # the adapter takes a second to load
    except ImportError as e:
        yield failed("adapter", f"cannot be loaded: {e}", "rm -r .venv, then make setup")
        return
    yield from check_venue(settings, values)


def _print_check(check: Check, *, as_json: bool) -> None:
    if as_json:
        row = {"check": check.name, "level": check.level.value, "found": check.found}
        print_json([row | {"to_do": check.to_do or None}])
        return
    advice = f"; {check.to_do}" if check.to_do else ""
    say(f"{check.level.value:<7}  {check.name:<15}  {check.found}{advice}")


def credentials(
    config: LiveConfig,
    show: Annotated[
        bool,
        typer.Option(
            "--show/--write-env", help="Print the secrets, or write them to .env (the default)."
        ),
    ] = False,
) -> None:
    """Derive the API's credentials from the wallet's key, or make them.

    The key and the funder come from the environment or a .env. The lines are written into the .env
    of this folder, of mode 0600, whose other lines stay as they are. The same key gets the same
    credentials each time.
    """
    values = environment()
    settings = _load(config)
    own = wallet(values, needs_api=False)
    from venues.polymarket.api.clob import derive_credentials

    made = derive_credentials(settings.venue.clob, own, settings.wallet.signature_type)
    lines = dict(zip(API, made, strict=True))
    if show:
        typer.echo("\n".join(as_lines(lines)))
        return
    try:
        write_env(_ENV, lines)
    except OSError as e:
        raise ConfigurationError(f"{_ENV} cannot be written: {e.strerror}") from None
    typer.echo(f"written to {_ENV.absolute()}: {', '.join(API)}")
    other = [name for name in API if os.environ.get(name, lines[name]) != lines[name]]
    if other:
        typer.echo(
            f"but the environment sets {', '.join(other)} otherwise, and goes first", err=True
        )


def service(
    config: LiveConfig,
    launchd: Annotated[
        bool, typer.Option("--launchd/--systemd", help="For macOS, or Linux; else as this machine.")
    ] = sys.platform == "darwin",
) -> None:
    """Print the systemd unit, or launchd agent, that keeps the node running, with how to use it."""
    program = Path(sys.executable).with_name("polybracket")
    made = launchd_agent if launchd else unit
    typer.echo(made(load(config), config, program), nl=False)


def _load(path: Path) -> Settings:
    return load(path, state=os.environ.get("POLYBRACKET_STATE"))
