"""The markets that the node knows, or that Polymarket finds."""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.market_search import export_markets, search_markets
from cli.options import Json, State, VenueConfig, state_dir
from cli.output import (
    number,
    print_json,
    say,
    show,
)
from cli.tables import Column
from cli.views import age_line
from positions.storage.snapshot import Snapshot

_LIVE_NOTE = "bid and ask are the first outcome's; --json shows whole ids and minimums"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("markets", epilog="Example: polybracket markets london")(markets)


def markets(
    config: VenueConfig,
    text: Annotated[str, typer.Argument(help="Part of a slug or question, or an id.")] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Search Polymarket; no node needs to run.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write them to this file, for `catalog import`.")
    ] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List the markets that the node knows, or with --live those that Polymarket finds."""
    if export is not None:
        export_markets(export, config, text, None if live else state_dir(state))
        return
    if live:
        rows = search_markets(config, text)
        line = _LIVE_NOTE if rows else f"Polymarket finds no open market for {text!r}"
    else:
        folder = state_dir(state)
        with Snapshot(folder) as copy:
            rows, line = copy.markets(text), age_line(folder, copy.node())
    if as_json:
        print_json(rows)
        return
    if live:
        by_market = groupby(rows, key=lambda r: r["market_id"])
        show(_FOUND, (_found_cells(list(outcomes)) for _, outcomes in by_market))
    else:
        show(_KNOWN, map(_known_cells, rows))
    say(line, err=True)


# A market's name and its outcomes are typed as they stand here: they are never shortened.
_KNOWN = (
    Column("market"),
    Column("outcome"),
    Column("bid", is_number=True),
    Column("ask", is_number=True),
    Column("tick", 2, is_number=True),
    Column("minimum", 1, is_number=True),
    Column("question", 4, least=20),
    Column("condition id", 3),
)
_FOUND = (
    Column("market"),
    Column("first"),
    Column("second", 1),
    Column("bid", 3, is_number=True),
    Column("ask", 3, is_number=True),
    Column("end", 2),
    Column("volume", 5, is_number=True),
    Column("question", 4, least=20),
)


def _known_cells(r: Mapping[str, Any]) -> list[str]:
    paid = "-" if r["payout"] is None else f"paid {number(r['payout'])}"
    return [
        r["slug"],
        r["outcome"],
        number(r["bid"]) or paid,
        number(r["ask"]) or "-",
        number(r["tick"]),
        number(r["minimum_size"]),
        r["question"],
        r["market_id"][:14] + "…",
    ]


def _found_cells(outcomes: list[dict[str, Any]]) -> list[str]:
    first = outcomes[0]
    priced = [f"{r['outcome']} {number(r['price'])}".strip() for r in outcomes]
    return [
        first["slug"],
        priced[0],
        ", ".join(priced[1:]),
        number(first["bid"]) or "-",
        number(first["ask"]) or "-",
        first["ends_at"][:10],
        "" if first["volume"] is None else f"{first['volume']:,.0f}",
        first["question"],
    ]
