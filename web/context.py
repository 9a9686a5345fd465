"""What pages, routes and streams share: one reader, one writer, the settings."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from positions.operations.settings import Settings
from web.commands import Commands
from web.source import Source
from web.venue import Venue


class Context(Struct, frozen=True):
    """One state folder, as the page and the interface have it.

    `source.view` is the newest copy; `await commands.send("sell", {...}, wait=5)` queues a command.
    """

    state: Path
    settings: Settings
    source: Source
    commands: Commands
    venue: Venue
    may_trade: Callable[[], bool]
    """Whether anything may be asked from here: where money is at stake, only if that is allowed."""


def make_context(state: Path, settings: Settings, wallet: str = "") -> Context:
    """The context of a state folder; `settings` say where Polymarket is, and who may trade.

    `wallet` is the address of the wallet, "" = it is not known.
    """
    source = Source(state)

    def may_trade() -> bool:
        mode = source.view.node.get("mode", settings.mode)
        return settings.web.may_trade or "live" not in (mode, settings.mode)

    venue = Venue(settings, source, wallet)
    return Context(state, settings, source, Commands(state, may_trade), venue, may_trade)
