"""The wallet: what is free and what is bound, shares that no position protects, disputes."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from positions.model.errors import PolybracketError
from positions.model.formatting import plain
from positions.storage.spool import uuid7
from web.pages import actions, words
from web.pages.desk import Desk
from web.pages.frame import frame
from web.source import Row, View

FIGURES = {
    "cash": "Cash",
    "reserved": "Reserved by entries",
    "staked": "Staked",
    "redeemable": "Redeemable",
    "max_total_stake": "Most at stake in all",
    "max_stake_per_position": "Most at stake in one",
}
_ADOPT = {
    "market": "Polymarket address, slug or condition id",
    "outcome": "Outcome, such as Yes",
    "shares": "Shares (empty: all that are free)",
    "sell_price": "Target (empty: none)",
    "stop_loss_price": "Stop (empty: none)",
}


def build(desk: Desk) -> None:
    """Show the wallet, and keep it up to date."""
    with frame(desk, "/wallet", "Wallet") as watchers:
        with ui.element("div").classes("panel"):
            _heading("Money, in USDC")
            figures = {}
            with ui.element("div").classes("facts wide num live-data"):
                for name, text in FIGURES.items():
                    with ui.element("div"):
                        ui.label(text)
                        figures[name] = ui.label()
            ui.label(
                "`polybracket redeem` turns what is redeemable into cash; a live node does so by"
                " itself with auto = true under [redeem], and so does Redeem at polymarket.com."
                " Not from here: no key of the wallet is in this process."
            ).classes("soft")
        with ui.element("div").classes("panel"):
            _heading("Shares that no position protects")
            free = _Free(desk)
        with ui.element("div").classes("two"):
            with ui.element("div").classes("panel"):
                _heading("Adopt shares that no position protects")
                free.form = _adopt(desk, free.read)
            with ui.element("div").classes("panel"):
                _heading("Disputed")
                disputed = ui.element("ul").classes("lines")
        shown: list[Any] = [None]

        def show(view: View) -> None:
            for name, label in figures.items():
                label.set_text(words.money(view.node.get(name)))
            found = [a for a in view.alarms if a["kind"] == "disputed"]
            if shown != [found]:
                shown[:] = [found]
                _disputes(disputed, found)

        watchers.append(show)


def _disputes(list_: ui.element, found: list[Row]) -> None:
    list_.clear()
    with list_:
        for alarm in found:
            with ui.element("li"):
                ui.link(alarm["text"], f"/position/{alarm['position_id']}").style("color:inherit")
        if not found:
            ui.label("None: the record and the venue agree.").classes("soft")


class _Free:
    """The holdings of the wallet that are free, each with a button that fills the form in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.form: Callable[[Row], None] = lambda _: None
        self._said = ui.label("asking the venue…").classes("soft").props("role=status")
        self._list = ui.element("ul").classes("lines")
        ui.button("Look again", on_click=self.read).props("no-caps flat dense")
        ui.timer(0.1, self.read, once=True)

    async def read(self) -> None:
        """Ask what the wallet holds, and show what of it is free."""
        try:
            found = await self._desk.context.venue.holdings()
        except PolybracketError as e:
            self._show([], str(e))
            return
        rows = [h for h in found if h["free"] > 0]
        self._show(rows, "" if rows else "None: positions protect all that the wallet holds.")

    def _show(self, rows: list[Row], text: str) -> None:
        if self._said.is_deleted:
            return
        self._said.set_text(text)
        self._list.clear()
        with self._list:
            for h in rows:
                with ui.element("li"), ui.row().classes("w-full items-center justify-between"):
                    ui.label(words.holding(h))
                    button = ui.button("Adopt", on_click=lambda h=h: self.form(h))
                    button.props(f'no-caps outline dense aria-label="Adopt {h["outcome_id"]}"')


def _adopt(desk: Desk, adopted: Callable[[], Awaitable[None]]) -> Callable[[Row], None]:
    """Shares of the wallet made a position, with what that would do told first; returns what fills
    the form in with a holding."""
    ui.label(
        "Bought on the website, or left over: from now on they have a stop and a target."
    ).classes("soft q-mb-sm")
    with ui.element("div").classes("fields"):
        inputs = {
            name: ui.input(text).props("outlined dense").classes("w-full")
            for name, text in _ADOPT.items()
        }
    said = ui.label().classes("q-my-sm w-full").props("role=status")
    ids = [uuid7()]

    def fields() -> dict[str, Any]:
        return {n: i.value.strip() for n, i in inputs.items() if i.value and i.value.strip()}

    async def preview() -> None:
        try:
            reply = await desk.ask("adopt", fields() | {"dry_run": True})
        except PolybracketError as e:
            said.set_text(str(e))
            return
        if not said.is_deleted:
            said.set_text("The node does not answer." if reply is None else reply.message)

    async def adopt() -> None:
        if not button.enabled:
            return
        button.disable()
        await actions.told(desk, "adopt", fields(), ids[0], seconds=60.0)
        ids[0] = uuid7()
        if not button.is_deleted:
            button.enable()
            await adopted()

    def fill(h: Row) -> None:
        values = {"market": h["market_id"], "outcome": h["outcome"], "shares": plain(h["free"])}
        for name, text in values.items():
            inputs[name].set_value(text)
        inputs["stop_loss_price"].run_method("focus")

    with ui.row().classes("gap-2"):
        ui.button("Preview", on_click=preview).props("no-caps outline")
        button = ui.button("Adopt", on_click=adopt).props("no-caps unelevated")
    return fill


def _heading(text: str) -> None:
    ui.label(text).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")
