"""How the outcome of a backtest is shown: the positions' table, then the totals."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from cli.output import money, number, position_lines, print_json, say, short, show
from cli.tables import Column, terminal_width
from positions.model.formatting import iso
from positions.research.backtest_result import Outcome, Totals, totals


def show_outcome(o: Outcome, *, as_json: bool = False) -> None:
    """Positions and totals; or one position with its story a line, and the totals on stderr."""
    if as_json:
        print_json(o.to_rows())
    else:
        for line in position_lines(o.rows, terminal_width()):
            say(line)
    for reply in o.refused:
        say(f"refused {reply.id}: {reply.message}", err=True)
    for command_id in o.never_due:
        say(f"never due {command_id}: its time is after the end of the data", err=True)
    _print_undated(o.undated_since)
    _print_not_bought(o)
    for line in _lines(totals(o)):
        say(line, err=as_json)


def _print_not_bought(o: Outcome) -> None:
    """Why positions were not bought, a line for each of the first ones."""
    if o.not_bought and len(o.not_bought) == len(o.rows):
        say("NOTHING WAS BOUGHT", err=True)
    for row in [r for r in o.rows if r["id"] in o.not_bought][:_BEST]:
        why = o.not_bought[row["id"]]
        name = f"{short(row['id'])} {row['market']} {row['outcome']}"
        say(f"not bought {name}: {why}", err=True)
    if len(o.not_bought) > _BEST:
        say(f"and {len(o.not_bought) - _BEST} more; --json says why of each", err=True)


def _print_undated(since: int | None) -> None:
    if since is not None:
        begins = f"{iso(since)}, where the data begins"
        say(f"a request without a time (at) acts from {begins}", err=True)


_BEST = 20


def show_sweep(rows: Sequence[Mapping[str, Any]], undated_since: int | None = None) -> None:
    """The combinations that made most, and from when on requests without a time were acted on."""
    _print_undated(undated_since)
    best = sorted(rows, key=lambda r: -Decimal(r["totals"]["net_profit"]))
    if len(rows) > _BEST:
        say(f"the best {_BEST} of {len(rows)} combinations", err=True)
    names = list(rows[0]["varied"])
    columns = ("net_profit", "drawdown", "bought", "targets", "stops", "hit_rate", "refused")
    cells = (
        [
            *r["varied"].values(),
            *("-" if r["totals"][c] is None else str(r["totals"][c]) for c in columns),
        ]
        for r in best[:_BEST]
    )
    headers = [*names, *(c.replace("_", " ") for c in columns)]
    show([Column(name, is_number=True) for name in headers], cells)


def _lines(t: Totals) -> list[str]:
    hit_rate = "-" if t.hit_rate is None else f"{t.hit_rate * 100:.0f} %"
    slip, most = number(t.stop_slippage) or "-", number(t.stop_slippage_max) or "-"
    held = "-" if t.seconds_held is None else f"{t.seconds_held:.0f} s"
    return [
        "",
        f"net profit {money(t.net_profit)} USDC after {t.fees:.2f} of fees;"
        f" largest drawdown {t.drawdown:.2f}, at most {t.capital_max:.2f} in positions",
        f"{t.positions} positions, {t.bought} bought, {t.refused} refused;"
        f" {t.targets} ended at the target, {t.stops} at the stop: hit rate {hit_rate}",
        f"stops sold {slip} under their trigger on average, {most} at most; held {held} on average",
    ]
