"""A backtest's outcome as one HTML file, viewable without a network: its table, totals and charts.

Nothing in it is a program: it loads at once. Only what is drawn becomes a float; what is written
is exact.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from positions.model.durations import SECOND
from positions.model.formatting import iso, lasting, percent, plain
from positions.research.backtest_result import Outcome, totals
from recordings.catalog import Recording
from recordings.charts import Line, Marks, Point, chart, thinned

_CHARTS = 24
"""Outcomes that are drawn: those with the largest profits and losses."""
_POINTS = 1_200
_ROWS = 2_000
"""Positions in the table; of more, --json has all."""
_BID, _ASK, _GOOD, _BAD = "#2563eb", "#94a3b8", "#16a34a", "#dc2626"
_FILLS = {
    "entry": ("up", _BID),
    "target": ("down", _GOOD),
    "exit": ("down", _BAD),
    "settlement": ("square", _GOOD),
    "adoption": ("square", _BID),
}
_LEVELS = {"max_bid_price": "max bid", "sell_price": "target", "stop_loss_price": "stop"}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
td,th{{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}}h2{{margin-top:2.5rem}}
.n{{text-align:right}}.note{{color:#64748b}}.good{{color:#16a34a}}.bad{{color:#dc2626}}
svg{{width:100%;height:auto}}svg path{{fill:none;stroke-width:1.5}}.grid{{stroke:#e2e8f0}}
.axis,.legend{{font-size:11px;fill:#475569}}.wide{{overflow-x:auto}}</style><h1>{title}</h1>
{body}</html>
"""


def write_report(path: Path, o: Outcome, recording: Recording, catalog: str) -> None:
    """Write the report of an outcome."""
    kind = "SYNTHETIC data" if recording.is_synthetic else "recorded data"
    parts = [f"<p>{kind}, {escape(catalog)}</p>", _totals(o), _positions(o)]
    write_page(path, "Backtest", parts, [("The account", _equity(o)), *_outcomes(o, recording)])


def write_page(
    path: Path, title: str, parts: Iterable[str], figures: Iterable[tuple[str, str]]
) -> None:
    """Write a page of parts, and of figures with their headings."""
    body = [*parts, *(f"<h2>{escape(heading)}</h2>{figure}" for heading, figure in figures)]
    text = _PAGE.format(title=escape(title), body="\n".join(body))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# -- what is written -------------------------------------------------------------------------------


def _totals(o: Outcome) -> str:
    t = totals(o)
    values = {name.replace("_", " "): getattr(t, name) for name in t.__struct_fields__}
    values["hit rate"] = None if t.hit_rate is None else percent(t.hit_rate)
    held = t.seconds_held
    values["held on average"] = None if held is None else lasting(int(held * SECOND))
    del values["seconds held"]
    rows = "".join(
        f"<tr><th>{name}</th><td>{'-' if value is None else _text(value)}</td></tr>"
        for name, value in values.items()
    )
    note = "money in USDC after fees; slippage in USDC per share; prices are best bid and ask"
    return f'<table>{rows}</table><p class="note">{note}</p>'


def _text(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)


_HEAD = ["market", "outcome", "asked", "size", "entry", "exit", "held", "reason", "profit"]


def _positions(o: Outcome) -> str:
    """A row for each position: how it was entered and left, why, and what it made."""
    rows = [_position(r, o) for r in o.rows[:_ROWS]]
    more = len(o.rows) - len(rows)
    note = f'<p class="note">and {more} more; --json has all</p>' if more > 0 else ""
    numeric = {"size", "profit"}
    head = "".join(f"<th{' class=n' if name in numeric else ''}>{name}</th>" for name in _HEAD)
    table = f"<table><tr>{head}</tr>{''.join(rows)}</table>"
    return f'<h2>Positions</h2><div class="wide">{table}</div>{note}'


def _position(r: Mapping[str, Any], o: Outcome) -> str:
    made = r["realized_pnl"] + (r["unrealized_pnl"] or 0)
    if r["volume"] > 0:
        entry = f"{plain(r['entry_price'])} at {_clock(r['filled_at'])}"
        end = r["exit_time"] if r["held"] <= 0 and r["exit_time"] else o.equity[-1].time
        held, kind = lasting(end - r["filled_at"]), "good" if made > 0 else "bad"
        reason = r["exit_reason"] or r["phase"]
        profit = f'<span class="{kind}">{made:+.2f}</span>'
    else:
        entry = held = profit = ""
        reason = o.not_bought.get(r["id"], "not bought")
    left = (
        "" if r["exit_price"] is None else f"{plain(r['exit_price'])} at {_clock(r['exit_time'])}"
    )
    asked = f"≤ {plain(r['max_bid_price'])} at {_clock(r['created_at'])}"
    cells = [escape(str(c)) for c in (r["market"], r["outcome"], asked)]
    cells = [f"<td>{c}</td>" for c in cells]
    cells.append(f'<td class="n">{plain(r["volume"])} of {plain(r["size"])}</td>')
    cells += [f"<td>{escape(c)}</td>" for c in (entry, left, held, reason)]
    return f'<tr>{"".join(cells)}<td class="n">{profit}</td></tr>'


def _clock(time: int | None) -> str:
    return "-" if time is None else iso(time)[:19].replace("T", " ")


# -- what is drawn ---------------------------------------------------------------------------------


def _equity(o: Outcome) -> str:
    lines = [
        Line("equity", _BID, [(p.time, float(p.equity)) for p in o.equity]),
        Line("cash", _ASK, [(p.time, float(p.cash)) for p in o.equity]),
    ]
    return chart("USDC", lines)


def _outcomes(o: Outcome, recording: Recording) -> Iterator[tuple[str, str]]:
    by_outcome: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in o.rows:
        if row["volume"] > 0:
            by_outcome[f"{row['market_id']}-{row['outcome_id']}.POLYMARKET"].append(row)

    def matters(instrument_id: str) -> Any:
        return max(
            abs(r["realized_pnl"] + (r["unrealized_pnl"] or 0)) for r in by_outcome[instrument_id]
        )

    for instrument_id in sorted(by_outcome, key=matters, reverse=True)[:_CHARTS]:
        rows = by_outcome[instrument_id]
        profit = sum(r["realized_pnl"] + (r["unrealized_pnl"] or 0) for r in rows)
        count = f"{len(rows)} positions" if len(rows) > 1 else "1 position"
        heading = f"{rows[0]['market']} {rows[0]['outcome']}: {count}, {profit:+.2f} USDC"
        yield heading, _outcome(rows, o, recording, instrument_id)


def _outcome(
    rows: Sequence[dict[str, Any]], o: Outcome, recording: Recording, instrument_id: str
) -> str:
    ends = {r["id"]: r["exit_time"] or o.equity[-1].time for r in rows}
    begin, end = min(r["created_at"] for r in rows), max(ends.values())
    margin = max(30 * SECOND, (end - begin) // 20)
    prices = recording.prices(instrument_id, begin - margin, end + margin)
    lines = [
        Line("bid", _BID, thinned([(p.time, p.bid) for p in prices], _POINTS), is_step=True),
        Line("ask", _ASK, thinned([(p.time, p.ask) for p in prices], _POINTS), is_step=True),
    ]
    for name, color in (("max_bid_price", _BID), ("sell_price", _GOOD), ("stop_loss_price", _BAD)):
        points = _level(name, rows, ends)
        lines += [Line(_LEVELS[name], color, points, is_dotted=True)] if points else []
    marks = [_fills(role, shape, color, rows, o) for role, (shape, color) in _FILLS.items()]
    return chart("USDC per share", lines, [m for m in marks if m.points])


def _level(name: str, rows: Sequence[dict[str, Any]], ends: Mapping[str, int]) -> list[Point]:
    """A stretch for each position, from its request to its end."""
    points: list[Point] = []
    for r in rows:
        if r[name] is not None:
            begin, end, price = r["created_at"], ends[r["id"]], float(r[name])
            points += [(begin, price), (end, price), (end, None)]
    return points


def _fills(role: str, shape: str, color: str, rows: Sequence[dict[str, Any]], o: Outcome) -> Marks:
    fills = [f for r in rows for f in o.fills.get(r["id"], []) if f["role"] == role]
    return Marks(
        role,
        color,
        shape,
        [
            (
                f["time"],
                float(f["price"]),
                f"{plain(f['shares'])} at {plain(f['price'])}, {iso(f['time'])}",
            )
            for f in fills
        ],
    )
