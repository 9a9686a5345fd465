"""What is over: the equity curve, profit by day, market and reason, and the sales under stops."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from nicegui import ui

from positions.model.formatting import to_json
from web.pages import charts, words
from web.pages.desk import Desk
from web.pages.frame import frame
from web.source import Row, View

_COLUMNS = (
    "exit_time market outcome volume entry_price exit_price exit_reason fees realized_pnl"
    " stop_in_force max_bid_price sell_price created_at id"
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def build(desk: Desk) -> None:
    """Show what is over, and what comes to be over."""
    with frame(desk, "/history", "History and profit") as watchers:
        with ui.row().classes("w-full items-center justify-between"):
            ui.label("History and profit").props("role=heading aria-level=2").classes(
                "text-lg font-semibold"
            )
            ui.button(
                "CSV",
                icon="download",
                on_click=lambda: ui.download.content(
                    to_csv(over(desk.view)), "polybracket-history.csv", "text/csv"
                ),
            ).props("no-caps outline")
        content = ui.column().classes("w-full gap-4 live-data")
        shown: list[int] = []

        def show(view: View) -> None:
            rows = over(view)
            if [len(rows)] != shown:
                shown[:] = [len(rows)]
                content.clear()
                with content:
                    _show(desk, rows)

        watchers.append(show)


def over(view: View) -> list[Row]:
    """The positions of which everything was sold, the newest first."""
    rows = [p for p in view.closed.values() if p["exit_time"] is not None]
    return sorted(rows, key=lambda p: p["exit_time"], reverse=True)


def _show(desk: Desk, rows: list[Row]) -> None:
    if not rows:
        ui.label("Nothing was sold yet.").classes("panel")
        return
    with ui.element("div").classes("panel facts wide num"):
        for name, text, tone in summary(rows):
            with ui.element("div"):
                ui.label(name)
                ui.label(text).classes(tone)
    with ui.element("div").classes("two"):
        _chart("Profit, added up", charts.equity_chart(rows))
        _chart("By day", charts.bars_chart(charts.day_sums(rows)))
    with ui.element("div").classes("two"):
        _sums("By market", charts.sums(rows, lambda p: _name(desk, p)))
        _sums("By what sold it", charts.sums(rows, lambda p: words.REASONS[p["exit_reason"]]))
    with ui.element("div").classes("two"):
        _closed(desk, rows)
        _slips(desk, rows)


def summary(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """The figures over all: name, text and tone."""
    total = sum((p["realized_pnl"] for p in rows), Decimal(0))
    won = sum(1 for p in rows if p["realized_pnl"] > 0)
    best = max(p["realized_pnl"] for p in rows)
    worst = min(p["realized_pnl"] for p in rows)
    slips = [slip for p in rows if (slip := slippage(p)) is not None]
    mean = sum(slips, Decimal(0)) / len(slips) if slips else None
    return [
        ("Profit", words.money(total, sign=True), words.tone(total)),
        ("Positions", str(len(rows)), ""),
        ("Won", words.percent(Decimal(won) / len(rows), sign=False), ""),
        ("Best", words.money(best, sign=True), words.tone(best)),
        ("Worst", words.money(worst, sign=True), words.tone(worst)),
        ("Fees", words.money(sum((p["fees"] for p in rows), Decimal(0))), ""),
        ("Sold under the stop by", words.price(mean and mean.quantize(Decimal("0.0001"))), ""),
    ]


def slippage(p: Row) -> Decimal | None:
    """How far under its stop a position was sold by it, on average; None = by something else."""
    if p["exit_reason"] != "stop" or p["stop_in_force"] is None:
        return None
    under: Decimal = p["stop_in_force"] - p["exit_price"]
    return under


def _name(desk: Desk, p: Row) -> str:
    return str(desk.market(p).get("question") or p["market"])


def _chart(title: str, options: dict[str, Any]) -> None:
    with ui.element("div").classes("panel"):
        ui.label(title).props("role=heading aria-level=2").classes("font-semibold")
        ui.echart(options).style("height:260px")


def _sums(title: str, sums: list[tuple[str, Decimal]]) -> None:
    rows = [
        {"name": name, "profit": words.money(value, sign=True), "tone": words.tone(value)}
        for name, value in sorted(sums, key=lambda s: s[1])
    ]
    _table(title, rows, "name", "profit")


def _closed(desk: Desk, rows: list[Row]) -> None:
    made = [
        {
            "name": f"{_name(desk, p)} · {p['outcome']}",
            "id": p["id"],
            "entry": words.price(p["entry_price"]),
            "exit": words.price(p["exit_price"]),
            "by": words.REASONS[p["exit_reason"]],
            "profit": words.money(p["realized_pnl"], sign=True),
            "tone": words.tone(p["realized_pnl"]),
        }
        for p in rows
    ]
    _table("Closed positions", made, "name", "entry", "exit", "by", "profit", per_page=15)


def _slips(desk: Desk, rows: list[Row]) -> None:
    made = [
        {
            "name": f"{_name(desk, p)} · {p['outcome']}",
            "id": p["id"],
            "stop": words.price(p["stop_in_force"]),
            "sold at": words.price(p["exit_price"]),
            "under": words.price(slip),
        }
        for p in rows
        if (slip := slippage(p)) is not None
    ]
    _table("Sold by a stop", made, "name", "stop", "sold at", "under")


def _table(title: str, rows: list[dict[str, str]], *names: str, per_page: int = 0) -> None:
    left = ("name", "by")
    columns = [
        {
            "name": n,
            "label": "" if n == "name" else n.capitalize(),
            "field": n,
            "align": "left" if n in left else "right",
        }
        for n in names
    ]
    with ui.element("div").classes("panel"):
        ui.label(title).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")
        pages = per_page if len(rows) > per_page > 0 else None
        table = ui.table(rows=rows, columns=columns, row_key="name", pagination=pages)
        table.classes("plain-table").props('flat dense no-data-label="None"')
        table.add_slot("body-cell-name", _LINK)
        table.add_slot("body-cell-profit", _PROFIT)


_LINK = """<q-td :props="props"><a v-if="props.row.id" :href="'/position/' + props.row.id"
style="color:inherit">{{ props.row.name }}</a><span v-else>{{ props.row.name }}</span></q-td>"""
_PROFIT = '<q-td :props="props"><span :class="props.row.tone">{{ props.row.profit }}</span></q-td>'


def to_csv(rows: Iterable[Row]) -> bytes:
    """The rows with a header; a name that a spreadsheet would take for a formula is quoted."""
    file = io.StringIO()
    names = _COLUMNS.split()
    writer = csv.DictWriter(file, names, extrasaction="ignore")
    writer.writeheader()
    for p in rows:
        writer.writerow({n: _defused(v) for n, v in to_json({n: p[n] for n in names}).items()})
    return file.getvalue().encode()


def _defused(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    is_number = value[1:].replace(".", "", 1).isdigit() and value[0] == "-"
    return value if is_number else f"'{value}"
