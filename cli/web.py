"""The command that serves the page and the HTTP interface."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.options import ReplayConfig, State, state_dir
from cli.output import say
from positions.model.errors import InputError
from positions.operations.program import module_command
from positions.operations.settings import load
from positions.operations.wallet import FUNDER, SECRETS, environment


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("web", epilog="Example: polybracket web --port 8080")(web)


def web(
    config: ReplayConfig,
    port: Annotated[int | None, typer.Option(help="Where; [web] port by default.")] = None,
    host: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in, by TLS.")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="The file of the certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The file of its key.")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="The https address at which a TLS proxy serves this.")
    ] = None,
    state: State = None,
) -> None:
    """Serve the page and the HTTP interface of a node, on this machine alone. Ctrl-C ends it.

    It reads what the node publishes and queues commands, and never has a wallet's key. It prints
    an address that lets one browser in, once.
    """
    _without_keys()
    settings = load(config)
    if (tls_cert is None) != (tls_key is None):
        raise InputError("tls_cert must be given together with tls_key")
    if proxy is not None and not proxy.startswith("https://"):
        raise InputError(f"proxy was {proxy}, must begin with https://")
    from web.app import Place, serve  # takes a second to load; no other command needs it

    place = Place(host, port or settings.web.port, allow_remote, tls_cert, tls_key, proxy)
    serve(state_dir(state), settings, place, say)


def _without_keys() -> None:
    """Begin anew without the wallet's keys, should they be in the environment or the `.env`; its
    address, which is public, is kept."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    if (found := environment()) is not os.environ:
        kept.setdefault(FUNDER, found.get(FUNDER, ""))
    if kept != dict(os.environ):
        os.execve(sys.executable, [*module_command("cli.main"), *sys.argv[1:]], kept)
