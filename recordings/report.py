"""A backtest's outcome as one HTML file with charts, viewable without a network.

Only what is drawn becomes a float; what is written is exact.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io

from positions.model.durations import SECOND
from positions.model.formatting import iso, plain, to_json
from positions.research.backtest_result import Outcome, totals
from recordings.catalog import Price, Recording

_CHARTS = 24
"""Outcomes that are drawn: those with the largest profits and losses."""
_POINTS = 2_000
_BID, _ASK, _GOOD, _BAD = "#2563eb", "#94a3b8", "#16a34a", "#dc2626"
_FILLS = {
    "entry": ("triangle-up", _BID),
    "target": ("triangle-down", _GOOD),
    "exit": ("triangle-down", _BAD),
    "settlement": ("square", _GOOD),
    "adoption": ("circle", _BID),
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
td,th{{padding:.15rem .8rem .15rem 0;text-align:left}}h2{{margin-top:2.5rem}}
.note{{color:#64748b}}</style><h1>{title}</h1>
{body}</html>
"""


def write_report(path: Path, o: Outcome, recording: Recording, catalog: str) -> None:
    """Write the report of an outcome."""
    kind = "SYNTHETIC data" if recording.is_synthetic else "recorded data"
    parts = [f"<p>{kind}, {escape(catalog)}</p>", _totals(o)]
    figures = [("The account", _equity(o)), *_outcomes(o, recording)]
    write_page(path, "Backtest", parts, figures)


def write_page(
    path: Path, title: str, parts: Iterable[str], figures: Iterable[tuple[str, go.Figure]]
) -> None:
    """Write a page of charts; the drawing program stands in it."""
    body = list(parts)
    library: bool = True
    for heading, figure in figures:
        drawn = plotly.io.to_html(figure, full_html=False, include_plotlyjs=library)
        body.append(f"<h2>{escape(heading)}</h2>{drawn}")
        library = False
    text = _PAGE.format(title=escape(title), body="\n".join(body))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _totals(o: Outcome) -> str:
    t = totals(o)
    values = {name: getattr(t, name) for name in t.__struct_fields__}
    rows = "".join(
        f"<tr><th>{name.replace('_', ' ')}</th><td>{'-' if value is None else value}</td></tr>"
        for name, value in to_json(values).items()
    )
    note = "money in USDC after fees; slippage in USDC per share; prices are best bid and ask"
    return f'<table>{rows}</table><p class="note">{note}</p>'


def _equity(o: Outcome) -> go.Figure:
    times = [_moment(p.time) for p in o.equity]
    figure = _figure("USDC")
    figure.add_scatter(
        x=times, y=[float(p.equity) for p in o.equity], name="equity", line_color=_BID
    )
    figure.add_scatter(x=times, y=[float(p.cash) for p in o.equity], name="cash", line_color=_ASK)
    return figure


def _outcomes(o: Outcome, recording: Recording) -> Iterator[tuple[str, go.Figure]]:
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
) -> go.Figure:
    ends = {r["id"]: r["exit_time"] or o.equity[-1].time for r in rows}
    begin, end = min(r["created_at"] for r in rows), max(ends.values())
    margin = max(30 * SECOND, (end - begin) // 20)
    prices = _thinned(recording.prices(instrument_id, begin - margin, end + margin))
    figure = _figure("USDC per share")
    for name, color, price in (("bid", _BID, 1), ("ask", _ASK, 2)):
        figure.add_scatter(
            x=[_moment(p.time) for p in prices],
            y=[p[price] for p in prices],
            name=name,
            line={"color": color, "shape": "hv", "width": 1.5},
        )
    for name, color in (("max_bid_price", _BID), ("sell_price", _GOOD), ("stop_loss_price", _BAD)):
        _add_levels(figure, name, color, rows, ends)
    for role, (symbol, color) in _FILLS.items():
        _add_fills(figure, role, symbol, color, rows, o)
    return figure


def _add_levels(
    figure: go.Figure, name: str, color: str, rows: Sequence[dict[str, Any]], ends: dict[str, int]
) -> None:
    """One line for each position, from its request to its end."""
    xs: list[datetime | None] = []
    ys: list[float | None] = []
    for r in rows:
        if r[name] is not None:
            xs += [_moment(r["created_at"]), _moment(ends[r["id"]]), None]
            ys += [float(r[name]), float(r[name]), None]
    label = {"max_bid_price": "max bid", "sell_price": "target", "stop_loss_price": "stop"}[name]
    figure.add_scatter(x=xs, y=ys, name=label, line={"color": color, "dash": "dot", "width": 1})


def _add_fills(
    figure: go.Figure,
    role: str,
    symbol: str,
    color: str,
    rows: Sequence[dict[str, Any]],
    o: Outcome,
) -> None:
    fills = [f for r in rows for f in o.fills.get(r["id"], []) if f["role"] == role]
    if fills:
        figure.add_scatter(
            x=[_moment(f["time"]) for f in fills],
            y=[float(f["price"]) for f in fills],
            text=[f"{plain(f['shares'])} at {plain(f['price'])}, {iso(f['time'])}" for f in fills],
            name=role,
            mode="markers",
            marker={"symbol": symbol, "color": color, "size": 11},
        )


def _thinned(prices: list[Price]) -> list[Price]:
    """At most so many points as can be seen: of each stretch its first, lowest and highest bid."""
    size = -(-len(prices) // (_POINTS // 3)) if len(prices) > _POINTS else 1
    points: list[Price] = []
    for start in range(0, len(prices), size):
        part = prices[start : start + size]
        points += sorted({part[0], min(part, key=_bid), max(part, key=_bid)}, key=_time)
    return points


def _bid(p: Price) -> float:
    return p.bid or 0.0


def _time(p: Price) -> int:
    return p.time


def _figure(unit: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        height=420,
        margin={"l": 60, "r": 20, "t": 20, "b": 40},
        yaxis_title=unit,
        hovermode="x",
    )
    return figure


def _moment(time: int) -> datetime:
    return datetime.fromtimestamp(time / SECOND, UTC)
