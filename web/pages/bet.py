"""Place bet: a market by its address or by words, what is asked for, and what that would do."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

from nicegui import events, ui

from positions.commands.market_names import market_name
from positions.commands.messages import ACCEPTED, Reply
from positions.model.errors import PolybracketError
from positions.storage.bars import Bar
from positions.storage.spool import uuid7
from web.pages import actions, charts, words
from web.pages.desk import Desk, market_time
from web.pages.frame import frame
from web.source import Row

PAUSE = 0.3
"""Seconds without a key after which it is looked up what was typed."""
Find = Callable[[str], Awaitable[list[Row]]]
"""The outcomes that Polymarket finds for a text."""
FIELDS = {
    "max_bid_price": ("Max bid", "55c or 0.55", "The most to pay per share."),
    "sell_price": ("Target", "70c, 0.70 or +20%", "Sell here; empty: none."),
    "stop_loss_price": ("Stop", "45c, 0.45 or 10%", "Sell when the bid is here; empty: none."),
}
AMOUNTS = {"stake": "USDC to spend", "size": "Shares", "risk": "USDC the stop may lose"}
PRESETS = (("sell_price", "+10%"), ("sell_price", "+25%"), ("stop_loss_price", "10%"))
STAKES = ("10", "25", "50", "100")
MORE = {
    "floor_price": "Floor: never sell below this price",
    "expires": "Take the unfilled entry back after, such as 2h",
    "trail": "Trail: the stop follows so far below the best price",
    "trail_from": "The trail begins at this price",
    "break_even_at": "Stop to break-even once this price is bid",
    "break_even_after": "Stop to break-even after so many targets",
    "stop_confirm": "Sell once the price stayed at the stop for 3s, or 5quotes",
    "stop_hard": "Sell at this bid without waiting for that",
    "trigger": "What the stop watches: bid, size or last",
    "after_floor": "With only bids below the floor: hold, rest or anything",
    "exit_at": "Sell everything at this time (ISO 8601)",
    "exit_before_end": "Sell everything so long before the market ends, such as 10m",
    "if_taken_off": "An entry that the venue takes off its book: replace or end",
}


def build(desk: Desk, find: Find, market: str = "") -> None:
    """Show the form."""
    with frame(desk, "/bet", "Place bet") as watchers, ui.element("div").classes("two"):
        form = _Form(desk, find)
        watchers.append(lambda _: form.show_book())
        ui.timer(1.0, form.read_prices)
        if market:
            form.name.set_value(market)


class _Form:
    """What one browser asks for, and the preview of it."""

    def __init__(self, desk: Desk, find: Find) -> None:
        self._desk = desk
        self._find = find
        self._outcome: Row | None = None
        self._command_id = uuid7()
        self._bars: list[Bar] = []
        self._before: list[Any] = []
        self._turns: Counter[str] = Counter()
        self._shown: dict[str, Any] = {}
        with ui.column().classes("gap-4 w-full"):
            with ui.element("div").classes("panel"):
                _heading("Market")
                self.name = _text("Polymarket address, or words to search for", "market")
                self.name.props("autofocus").on_value_change(self._search)
                self._found = ui.column().classes("w-full gap-1 q-mt-sm").props("role=listbox")
            with ui.element("div").classes("panel"):
                _heading("Bet")
                self._make_fields()
        with ui.element("div").classes("panel"):
            _heading("What it would do")
            self._book = ui.element("div").classes("facts num")
            self._chart = ui.echart({}).style("height:190px").classes("w-full")
            self._warning = ui.label().classes("notice").props("role=alert")
            self._warning.set_visibility(False)
            self._preview = ui.element("ul").classes("lines").props("aria-live=polite")
            self._tell(["Choose a market, and state a max bid and an amount."])

    def _make_fields(self) -> None:
        with ui.element("div").classes("fields"):
            self._prices = {
                n: _text(name, n, hint, help_) for n, (name, hint, help_) in FIELDS.items()
            }
            with ui.row().classes("no-wrap items-start gap-2 w-full"):
                self._unit = ui.select(AMOUNTS, value="stake", label="Amount in")
                self._unit.classes("grow").props("outlined dense")
                self._amount = _text("Amount", "amount", "25")
        with ui.row().classes("gap-1 q-mt-xs"):
            for stake in STAKES:
                _chip(f"{stake} USDC", partial(self._preset, stake))
            for field, text in PRESETS:
                name = f"{FIELDS[field][0]} {text}"
                _chip(name, partial(self._prices[field].set_value, text))
        with ui.expansion("More").classes("w-full q-mt-sm").props("dense"):
            with ui.element("div").classes("fields"):
                self._more = {n: _text(label, n) for n, label in MORE.items()}
            self._post_only = ui.checkbox("Post only: never take liquidity")
            self._keep = ui.checkbox("Keep an unfilled entry when the price is at its stop")
        for element in self._inputs():
            element.on_value_change(self._look)
            element.on("keydown.enter", self._place)
        for box in (self._unit, self._post_only, self._keep):
            box.on_value_change(self._look)
        with ui.row().classes("w-full items-center q-mt-md gap-3"):
            self._button = ui.button("Place bet", on_click=self._place).props("no-caps unelevated")
            self._said = ui.label().classes("grow").props("role=status aria-live=polite")

    async def _is_last_word(self, about: str) -> bool:
        """Whether nothing more was typed for a moment.

        Values themselves arrive with every key: what is placed by Enter is what stands there.
        """
        self._turns[about] += 1
        turn = self._turns[about]
        await asyncio.sleep(PAUSE)
        return turn == self._turns[about] and not self._preview.is_deleted

    def _inputs(self) -> list[ui.input]:
        return [*self._prices.values(), self._amount, *self._more.values()]

    def _preset(self, stake: str) -> None:
        self._unit.set_value("stake")
        self._amount.set_value(stake)

    # -- the market --------------------------------------------------------------------------------

    async def _search(self) -> None:
        text = (self.name.value or "").strip()
        self._choose(None)
        self._found.clear()
        if len(text) < 2 or not await self._is_last_word("market"):
            return
        rows = known(self._desk, text)
        if not rows:
            with self._found:
                ui.spinner(size="sm")
            try:
                rows = await self._find(text)
            except PolybracketError as e:
                self._say_found(str(e))
                return
            if self._found.is_deleted or text != (self.name.value or "").strip():
                return
        self._say_found("" if rows else "No open market is found for this.")
        self._show_found(rows)

    def _say_found(self, text: str) -> None:
        self._found.clear()
        if text:
            with self._found:
                ui.label(text).classes("soft")

    def _show_found(self, rows: list[Row]) -> None:
        by_market: dict[str, list[Row]] = {}
        for row in rows:
            by_market.setdefault(row["market_id"], []).append(row)
        with self._found:
            for outcomes in list(by_market.values())[:12]:
                with ui.row().classes("w-full items-center justify-between gap-2"):
                    ui.label(outcomes[0]["question"]).classes("grow").style("flex-basis:55%")
                    with ui.row().classes("gap-1"):
                        for row in sorted(outcomes, key=lambda r: r["outcome"] == "No"):
                            self._outcome_button(row)

    def _outcome_button(self, row: Row) -> None:
        asked = row.get("ask") or row.get("price")
        text = f"{row['outcome']} {words.price(asked) if asked else ''}".strip()
        button = ui.button(text)
        button.on_click(lambda: self._choose(row, button))
        button.props("no-caps outline dense aria-pressed=false").classes("q-px-sm")

    def _choose(self, row: Row | None, button: ui.button | None = None) -> None:
        self._outcome = row
        for other in self._found.descendants():
            if isinstance(other, ui.button):
                other.props(remove="unelevated aria-pressed", add="outline aria-pressed=false")
        if button is not None:
            button.props(remove="outline aria-pressed", add="unelevated aria-pressed=true")
            self._prices["max_bid_price"].run_method("focus")
        self._bars, self._before = [], []
        self.show_book()
        ui.timer(0.01, self._look, once=True)

    async def read_prices(self) -> None:
        """Read the prices of what is chosen anew."""
        row = self._outcome
        if row is not None:
            since = market_time(self._desk.view) - words.HOUR
            bars = await self._desk.prices(row["outcome_id"], since)
            self._bars = bars if row is self._outcome else self._bars
            venue = self._desk.context.venue
            before, _ = await venue.past(row["outcome_id"], bars[0].time if bars else None)
            if row is self._outcome:
                self._before = before

    def show_book(self) -> None:
        """Show the newest prices of what is chosen."""
        row = self._outcome
        self._chart.set_visibility(bool(self._bars or self._before))
        if self._bars or self._before:
            now = market_time(self._desk.view)
            options = charts.price_chart(self._bars, now, self._before)
            self._chart.options.clear()
            self._chart.options.update(options)
            self._chart.update()
        self._book.clear()
        if row is None:
            self._warning.set_visibility(False)
            return
        newest = self._desk.view.markets.get(row["outcome_id"], row)
        values = {
            "Outcome": row["outcome"],
            "Bid": f"{words.price(newest['bid'])} · {words.shares(newest['bid_size'])}",
            "Ask": f"{words.price(newest['ask'])} · {words.shares(newest['ask_size'])}",
        }
        with self._book:
            for name, text in values.items():
                with ui.element("div"):
                    ui.label(name)
                    ui.label(text)
        held = [
            p for p in self._desk.view.positions.values() if p["outcome_id"] == row["outcome_id"]
        ]
        self._warning.set_visibility(bool(held))
        if held:
            shares = words.shares(sum((p["held"] for p in held), Decimal(0)))
            self._warning.set_text(
                f"You have this outcome already: {len(held)} open, {shares} shares."
            )

    # -- what is asked -----------------------------------------------------------------------------

    def fields(self) -> dict[str, Any] | None:
        """What is asked for; None while something that must be stated is missing."""
        typed = {n: i.value for n, i in (*self._prices.items(), *self._more.items())}
        found: dict[str, Any] = {n: t.strip() for n, t in typed.items() if t and t.strip()}
        if self._outcome is None or "max_bid_price" not in found or not self._amount.value:
            return None
        found |= {"market": self._outcome["market_id"], "outcome": self._outcome["outcome"]}
        found[self._unit.value] = self._amount.value.strip()
        flags = {"post_only": self._post_only, "keep_if_stop_trades": self._keep}
        return found | {name: True for name, box in flags.items() if box.value}

    async def _look(self) -> None:
        """Have the node tell what this would do, once no more is typed."""
        if not await self._is_last_word("bet"):
            return
        asked = self.fields()
        if asked == self._shown:
            return
        self._shown = asked or {}
        self._command_id = uuid7()
        if asked is None:
            self._tell(["Choose a market, and state a max bid and an amount."])
            return
        try:
            reply = await self._desk.ask("submit", asked | {"dry_run": True}, seconds=10.0)
        except PolybracketError as e:
            self._refuse(str(e))
            return
        if self._preview.is_deleted or asked != self.fields():
            return
        self._show_preview(reply)

    def _show_preview(self, reply: Reply | None) -> None:
        if reply is None:
            self._tell(["The node does not answer: there is no preview."])
        elif reply.status != ACCEPTED:
            self._refuse(reply.message)
        else:
            told = words.preview(reply.message)
            self._tell(told.notes)
            self._show_sums(told)

    def _show_sums(self, told: words.Preview) -> None:
        heads = ["", "At the max bid", *([f"At the ask {told.ask}"] if told.ask else [])]
        with self._preview, ui.element("li"), ui.element("table").classes("sums num"):
            for cells in (heads, *([name, *texts] for name, texts in told.sums)):
                with ui.element("tr"):
                    for number, text in enumerate(cells):
                        tag = "th" if number == 0 or cells is heads else "td"
                        loss = "loss" if text.startswith(words.MINUS) else ""
                        with ui.element(tag).classes(loss):
                            ui.label(text)

    def _refuse(self, text: str) -> None:
        self._tell([text], is_bad=True)

    def _tell(self, lines: list[str], *, is_bad: bool = False) -> None:
        self._preview.clear()
        with self._preview:
            for line in lines:
                with ui.element("li").classes("loss" if is_bad or "NO STOP" in line else ""):
                    ui.label(line)

    async def _place(self, _: events.EventArguments | None = None) -> None:
        """Place it, once: the button is off until the answer is there."""
        asked = self.fields()
        if asked is None:
            self._said.set_text("A market, a max bid and an amount are needed.")
            return
        if not self._button.enabled:
            return
        self._button.disable()
        self._said.set_text("placing…")
        reply = await actions.told(self._desk, "submit", asked, self._command_id)
        if self._button.is_deleted:
            return
        self._button.enable()
        self._command_id = uuid7()
        self._said.set_text("" if reply is None else reply.message)
        if reply is not None and reply.status == ACCEPTED and reply.position_id:
            ui.navigate.to(f"/position/{reply.position_id}")


def known(desk: Desk, text: str) -> list[Row]:
    """The outcomes that the node follows of a market that the text names or describes."""
    name = market_name(text).lower()
    rows = [m for m in desk.view.markets.values() if m["payout"] is None]
    exact = [m for m in rows if name in (m["slug"].lower(), m["market_id"].lower())]
    if exact or "polymarket.com/" in text:
        return exact
    wanted = text.lower()
    return [m for m in rows if wanted in m["slug"].lower() or wanted in m["question"].lower()]


def _heading(text: str) -> None:
    ui.label(text).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")


def _text(label: str, name: str, hint: str = "", help_: str = "") -> ui.input:
    made = ui.input(label, placeholder=hint).classes("w-full")
    made.props(f'outlined dense hide-bottom-space name="{name}" autocomplete=off')
    return made.props(f'hint="{help_}"') if help_ else made


def _chip(text: str, act: Callable[[], Any]) -> None:
    ui.button(text, on_click=act).props("no-caps flat dense size=sm").classes("q-px-sm")
