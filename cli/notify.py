"""The command that tries whether the owner is reached."""

from typing import Annotated

import typer

from cli.output import say
from positions.model.errors import ConfigurationError
from positions.operations.notifying import addresses, send, shown
from positions.operations.wallet import NOTIFY, environment


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("notify", epilog="Example: polybracket notify --test")(notify)


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send a message to each address.")] = False,
) -> None:
    """Tell where messages are sent to, and send one with --test.

    The addresses stand in POLYBRACKET_NOTIFY, in the environment or a .env, parted by spaces, in
    the form of apprise: ntfy://topic, tgram://token/chat, discord://id/token, json://host.
    Exits with 1 where one of them cannot be reached.
    """
    known = addresses(environment())
    if not known:
        how = f"set {NOTIFY} in the environment or the .env, such as ntfy://a-topic-of-your-own"
        raise ConfigurationError(f"no address is known: {how}")
    is_sent = True
    for address in known:
        why = send(address, "a test: messages of this kind arrive") if test else ""
        is_sent = is_sent and not why
        done = "sent" if test else "is sent to"
        say(f"{shown(address)} {why or done}", err=bool(why))
    if not is_sent:
        raise typer.Exit(1)
