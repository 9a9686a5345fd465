"""What the wallet holds, and what of it no position protects."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from cli.options import Json, LiveConfig, State, state_dir
from cli.output import number, print_json, say, show
from cli.tables import Column
from positions.model.errors import ConfigurationError, RecordError
from positions.operations.wallet import FUNDER, environment
from positions.storage.holdings import split
from positions.storage.snapshot import Snapshot

_ZERO = Decimal(0)
_COLUMNS = (
    Column("market", least=18),
    Column("outcome", least=3),
    Column("shares", 2, is_number=True),
    Column("protected", 1, is_number=True),
    Column("free", is_number=True),
    Column("cost", 3, is_number=True),
    Column("price", is_number=True),
    Column("worth", is_number=True),
)
_Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("holdings", epilog="Example: polybracket holdings --state state/live")(holdings)


def holdings(config: LiveConfig, as_json: Json = False, state: State = None) -> None:
    """List what the wallet holds at Polymarket; `free` is what no position protects."""
    rows = of_wallet(config, state_dir(state))
    if as_json:
        print_json(rows)
        return
    show(_COLUMNS, map(_cells, rows))
    free = [r for r in rows if r["free"] > 0]
    worth = sum((r["free"] * r["price"] for r in free), _ZERO)
    how = "; `adopt --all --stop 10%` protects them" if free else ""
    text = f"{len(free)} of {len(rows)} holdings are not protected, worth {worth:.2f} USDC{how}"
    say(text, err=True)


def of_wallet(config: Path, folder: Path) -> list[_Row]:
    """The holdings of the wallet in the environment, with what positions of a folder protect.

    Raises ConfigurationError if no wallet is named, VenueFailure if the venue does not answer.
    """
    import asyncio

    from positions.operations.settings import load
    from venues.polymarket.api.data_api import holdings_of

    funder = environment().get(FUNDER, "")
    if not funder:
        raise ConfigurationError(f"{FUNDER} is not set: whose holdings are they to be?")
    found = asyncio.run(holdings_of(load(config).venue.data, funder))
    return split(found, _positions(folder))


def _positions(folder: Path) -> list[_Row]:
    """The open positions; none where there is no record."""
    try:
        with Snapshot(folder) as copy:
            return copy.positions()
    except RecordError:
        return []


def _cells(r: _Row) -> list[str]:
    return [
        r["market"],
        r["outcome"],
        number(r["shares"]),
        number(r["protected"]),
        number(r["free"]),
        number(r["cost"]),
        number(r["price"]),
        f"{r['shares'] * r['price']:.2f}",
    ]
