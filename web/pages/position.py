"""One position: a chart on which stop and target can be dragged, figures, story and orders."""

from decimal import Decimal
from typing import Any

from nicegui import events, ui

from positions.model.formatting import plain, to_json
from positions.storage.bars import Bar
from positions.storage.story import ROUTINE, sentence
from web.pages import actions, charts, words
from web.pages.desk import Desk, market_time
from web.pages.frame import frame
from web.source import Row, View

HEIGHT = 400


def build(desk: Desk, position_id: str) -> None:
    """Show one position once it is published, and keep it up to date."""
    with frame(desk, "/position", "Position") as watchers:
        missing = ui.label("This position is not known here, or not published yet.").classes(
            "panel"
        )
        content = ui.column().classes("w-full gap-4")
        pages: list[_Page] = []

        def show(view: View) -> None:
            if not pages and desk.position(position_id) is not None:
                missing.set_visibility(False)
                with content:
                    pages.append(_Page(desk, position_id))
                    ui.timer(1.0, pages[0].read, immediate=True)
            for page in pages:
                page.show(view)

        watchers.append(show)


class _Page:
    """What one browser sees of one position."""

    def __init__(self, desk: Desk, position_id: str) -> None:
        self._desk = desk
        self._id = position_id
        self._bars: list[Bar] = []
        self._events: list[Row] = []
        self._fills: list[Row] = []
        self._is_dragging = False
        with ui.row().classes("w-full items-center justify-between gap-2"):
            with ui.column().classes("gap-0"):
                self._title = ui.label().classes("page text-lg font-semibold")
                self._title.props("role=heading aria-level=1")
                self._state = ui.label().classes("soft").props("role=status")
            with ui.row().classes("gap-2"):
                self._buttons = {
                    "sell": self._button("sell", "Sell", "negative"),
                    "cancel": self._button("cancel", "Cancel entry"),
                    "edit": self._button("edit", "Edit"),
                }
        self._facts = ui.element("div").classes("panel live-data")
        self._fact_labels: dict[str, ui.label] = {}
        with ui.element("div").classes("panel live-data"), ui.row().classes("w-full no-wrap gap-0"):
            self._chart = ui.echart({}).classes("grow").style(f"height:{HEIGHT}px; min-width:0")
            self._handles = {
                "stop_loss_price": self._handle("Stop", "red", "stop_loss_price"),
                "sell_price": self._handle("Target", "green", "sell_price"),
            }
        ui.label(
            "Drag a handle at the right, or focus it and use the arrow keys, to amend."
        ).classes("soft")
        with ui.element("div").classes("two"):
            with ui.element("div").classes("panel"):
                ui.html("<h2>Story</h2>", sanitize=False)
                self._story = ui.element("ul").classes("lines")
            with ui.column().classes("gap-4 w-full"):
                self._orders = _plain_table(
                    "Orders at the venue", "role", "price", "shares", "state"
                )
                self._trades = _plain_table("Fills", "time", "side", "shares", "price", "fee")

    def _button(self, kind: str, text: str, color: str | None = None) -> ui.button:
        def act() -> None:
            p = self._desk.position(self._id)
            if p is not None:
                actions.ACTIONS[kind](self._desk, p)

        return ui.button(text, on_click=act, color=color).props(
            "no-caps unelevated" if color else "no-caps outline"
        )

    def _handle(self, name: str, color: str, field: str) -> ui.slider:
        with ui.element("div").classes("chart-side").style(f"height:{HEIGHT}px"):
            slider = ui.slider(min=0, max=100, step=1, value=0).classes("handle")
            slider.props(f'vertical reverse label color={color} aria-label="{name}, in cents"')
            slider.style("height:100%")
        slider.on("update:model-value", lambda: self._drag(), throttle=0.3)
        slider.on("change", lambda e: self._ask(field, e))
        return slider

    def _drag(self) -> None:
        self._is_dragging = True

    def _ask(self, field: str, e: events.GenericEventArguments) -> None:
        """A handle was let go: ask before anything is changed."""
        p = self._desk.position(self._id)
        if p is None:
            return
        price = plain(Decimal(str(round(float(e.args), 4))) / 100)
        dialog = actions.edit(self._desk, p, **{field: price})
        dialog.on("hide", self._let_go)

    def _let_go(self) -> None:
        self._is_dragging = False
        self.show(self._desk.view)

    async def read(self) -> None:
        """Read prices, events and fills anew."""
        p = self._desk.position(self._id)
        if p is None:
            return
        self._bars = await self._desk.prices(p["outcome_id"], p["created_at"])
        story, fills = await self._desk.story(self._id)
        if len(story) != len(self._events):
            self._events, self._fills = story, fills
            self._show_story()
        self.show(self._desk.view)

    def show(self, view: View) -> None:
        """Show what a new view says."""
        p = self._desk.position(self._id)
        if p is None:
            return
        asked = self._desk.asked.get(self._id, "")
        market = self._desk.market(p)
        row = words.position_row(p, market, market_time(view), asked)
        self._title.set_text(actions.name_of(self._desk, p))
        self._state.set_text(row["asked"] or row["phase"])
        is_open = p["status"] == "open" and not asked
        self._buttons["sell"].set_enabled(is_open and row["sellable"])
        self._buttons["cancel"].set_enabled(is_open and row["cancellable"])
        self._buttons["edit"].set_enabled(is_open)
        self._show_facts(p, row)
        self._show_chart(p, view)
        self._orders.rows = [_order(o) for o in view.orders.get(self._id, ())]

    def _show_facts(self, p: Row, row: dict[str, Any]) -> None:
        values = {
            "Held": f"{row['held']} / {row['size']}",
            "Entry": row["entry"],
            "Max bid": row["max_bid"],
            "Bid / ask": f"{row['bid']} / {row['ask']}",
            "Target": row["targets"],
            "Stop": " · ".join(t for t in (row["stop"], row["marks"]) if t),
            "To stop": row["distance"],
            "Value": row["value"],
            "Open profit": f"{row['pnl']} ({row['percent']})",
            "Realized": words.money(p["realized_pnl"], sign=True),
            "Fees": words.money(p["fees"]),
            "Ends in": row["left"],
        }
        if not self._fact_labels:
            with self._facts, ui.element("div").classes("facts wide num"):
                for name in values:
                    with ui.element("div"):
                        ui.label(name)
                        self._fact_labels[name] = ui.label()
        for name, text in values.items():
            self._fact_labels[name].set_text(text)

    def _show_chart(self, p: Row, view: View) -> None:
        options, span = charts.position_chart(
            p, self._bars, self._events, self._fills, market_time(view)
        )
        if options != self._chart.options:
            self._chart.options.clear()
            self._chart.options.update(options)
            self._chart.update()
        tick = charts.cents(self._desk.market(p).get("tick")) or 1.0
        prices = {"stop_loss_price": p["stop_in_force"], "sell_price": p["sell_price"]}
        for name, slider in self._handles.items():
            price = charts.cents(prices[name])
            slider.set_visibility(price is not None and p["status"] == "open")
            if not self._is_dragging and price is not None:
                slider.props.update(min=span.low, max=span.high, step=tick)
                slider.set_value(price)

    def _show_story(self) -> None:
        self._story.clear()
        with self._story:
            for event in reversed(self._events):
                if event["kind"] in ROUTINE:
                    continue
                with ui.element("li"):
                    ui.label(event["time"][11:19]).classes("soft num inline q-mr-sm")
                    ui.label(sentence(event)).classes("inline")
        self._trades.rows = [_fill(f) for f in reversed(self._fills)]


def _plain_table(title: str, *names: str) -> ui.table:
    columns = [
        {
            "name": n,
            "label": n.capitalize(),
            "field": n,
            "align": "left" if n in ("role", "time", "side", "state") else "right",
        }
        for n in names
    ]
    with ui.element("div").classes("panel"):
        ui.html(f"<h2>{title}</h2>", sanitize=False)
        table = ui.table(rows=[], columns=columns, row_key="key").classes("plain-table")
        return table.props('flat dense no-data-label="None"')


def _order(o: Row) -> dict[str, Any]:
    filled = f"{words.shares(o['filled'])} of " if o["filled"] else ""
    return {
        "key": o["order_id"],
        "role": o["role"],
        "price": words.price(o["price"]),
        "shares": f"{filled}{words.shares(o['shares'])}",
        "state": o["state"],
    }


def _fill(f: Row) -> dict[str, Any]:
    return {
        "key": f"{f['order_id']} {f['trade_id']} {f['shares']}",
        "time": to_json({"time": f["time"]})["time"][11:19],
        "side": f"{f['side']} ({f['role']})",
        "shares": words.shares(f["shares"]),
        "price": words.price(f["price"]),
        "fee": words.money(f["fee"]),
    }
