"""What all positions come to, in all and by day, market or exit."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from msgspec import to_builtins

from cli.options import Json, State, state_dir
from cli.output import (
    print_json,
    say,
    show,
)
from cli.tables import Column
from cli.views import age_line, whole
from positions.model.durations import SECOND
from positions.storage.snapshot import RECENT_POSITIONS, Snapshot
from positions.storage.totals import By, Totals, closed_on, grouped, totals


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("summary", epilog="Example: polybracket summary --by market")(summary)


def summary(
    by: Annotated[By, typer.Option(help="What positions are put together by.")] = By.DAY,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Tell what all positions come to: invested, worth, won and lost."""
    folder = state_dir(state)
    with Snapshot(folder) as copy:
        rows, node = copy.positions(everything=True), copy.node()
        line = age_line(folder, node)
    if len(rows) >= RECENT_POSITIONS:
        with whole(folder) as copy:
            rows = copy.positions(everything=True)
    groups = grouped(rows, by)
    if as_json:
        print_json(to_builtins(t, builtin_types=(Decimal,)) for t in (*groups, totals(rows)))
        return
    show((Column(by.value, least=14), *_SUMS), map(_sum_cells, groups))
    say("")
    for text in _total_lines(rows, node):
        say(text)
    say(line, err=True)


_SUMS = (
    Column("positions", 3, is_number=True),
    Column("won", 4, is_number=True),
    Column("lost", 4, is_number=True),
    Column("invested", is_number=True),
    Column("value", 2, is_number=True),
    Column("open profit", is_number=True),
    Column("realized", is_number=True),
    Column("fees", 1, is_number=True),
)


def _sum_cells(t: Totals) -> list[str]:
    counts = [str(n) for n in (t.positions, t.won, t.lost)]
    unknown = "?" if t.without_bid else ""  # what has no bid is not worth nothing
    worth = [f"{t.invested:.2f}", f"{t.value:.2f}{unknown}", f"{t.open_pnl:+.2f}{unknown}"]
    held = worth if t.open else ["", "", ""]
    return [t.key, *counts, *held, f"{t.realized_pnl:+.2f}", f"{t.fees:.2f}"]


def _total_lines(rows: list[dict[str, Any]], node: Mapping[str, Any]) -> list[str]:
    t = totals(rows)
    today = totals(closed_on(rows, datetime.fromtimestamp(node["market_time"] // SECOND).date()))
    without = f"; nothing is bid for {t.without_bid} of them" if t.without_bid else ""
    return [
        f"open: {t.open}, invested {t.invested:.2f}, worth {t.value:.2f} at the bids,"
        f" profit {t.open_pnl:+.2f} after fees{without}",
        f"closed: {t.won} won, {t.lost} lost; realized {t.realized_pnl:+.2f} after"
        f" {t.fees:.2f} of fees",
        f"today: {today.positions} closed, {today.realized_pnl:+.2f} after {today.fees:.2f}"
        " of fees",
    ]
