"""Finds markets at Polymarket, and writes files of them for `catalog import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.output import say
from positions.model.errors import InputError
from positions.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from positions.operations.settings import VenueSettings


def search_markets(config: Path, text: str) -> list[dict[str, Any]]:
    """The outcomes of the open markets that Polymarket finds for a text."""
    venue = _venue(config, text)
    import asyncio

    from venues.polymarket.api.gamma import search_rows

    return asyncio.run(search_rows(venue.gamma, text))


def export_markets(file: Path, config: Path, text: str, folder: Path | None) -> None:
    """Write what is found to a file of markets; without a state folder, at Polymarket."""
    import asyncio

    from recordings import market_forms

    missing: list[str] = []
    if folder is None:
        found, missing = asyncio.run(market_forms.of_venue(_venue(config, text).gamma, text))
    else:
        with Snapshot(folder) as copy:
            found = market_forms.of_node(copy.markets(text))
    for line in missing:
        say(f"left out {line}", err=True)
    if not found:
        raise InputError(f"text was {text!r}, names no market that can be exported")
    market_forms.write(file, found)
    say(f"{file}: {len(found)} market{'' if len(found) == 1 else 's'}")


def _venue(config: Path, text: str) -> "VenueSettings":
    """Where Polymarket is, for a search that says what it looks for."""
    if not text.strip():
        rule = "must say what to look for: polybracket markets --live TEXT"
        raise InputError(f"text was empty, {rule}")
    from positions.operations.settings import load

    return load(config).venue
