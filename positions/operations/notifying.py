"""Sends texts to the owner's addresses by apprise: Telegram, ntfy, mail, webhooks and others.

The addresses have tokens, and so come from the environment or the `.env` alone. The node never
sends by itself: each address has a thread that runs this module as a program of its own, which may
hang, fail or be refused; what comes meanwhile is folded into the next message.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from positions.model.foreign_text import clean
from positions.operations.bell import Bell
from positions.operations.program import module_command
from positions.operations.wallet import NOTIFY

TITLE = "polybracket"
_PROGRAM = module_command("positions.operations.notifying")
_NICE = 10


def addresses(environment: Mapping[str, str]) -> list[str]:
    """The addresses of an environment, parted by spaces."""
    return environment.get(NOTIFY, "").split()


def bells(environment: Mapping[str, str], on_trouble: Callable[[str], None]) -> list[Bell]:
    """One bell for each address: what keeps one of them is nothing to the others."""
    return [Bell(_PROGRAM, on_trouble, given={NOTIFY: a}) for a in addresses(environment)]


def shown(address: str) -> str:
    """An address as it may be shown: what kind it is, and nothing that is secret."""
    kind, colon, _ = address.partition("://")
    return f"{clean(kind, 20)}://…" if colon and kind.isalnum() else "(no address)"


def send(address: str, text: str) -> str:
    """Send a text to an address; returns why it could not be sent, "" if it was."""
    import logging

    import apprise  # takes half a second to load

    # Its log may name the address.
    logging.getLogger("apprise").disabled = True
    service: Any = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        return "is no address that apprise knows"
    try:
        is_sent = service.notify(body=text, title=TITLE)
    except Exception as e:  # whatever a service's code may raise
        return f"failed: {type(e).__name__}"
    return "" if is_sent else "was not taken: the service cannot be reached, or refuses it"


def main() -> int:
    """Send the text of the command line to the address of the environment."""
    os.nice(_NICE)
    return 1 if send(os.environ.get(NOTIFY, ""), sys.argv[-1]) else 0


if __name__ == "__main__":
    sys.exit(main())
