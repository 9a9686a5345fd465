"""The wallet: what is free and what is bound, shares that no position protects, disputes."""

from typing import Any

from nicegui import ui

from positions.model.errors import PolybracketError
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
                "What is redeemable is paid by a click on Redeem at polymarket.com: no key of the"
                " wallet is in this process."
            ).classes("soft")
        with ui.element("div").classes("two"):
            with ui.element("div").classes("panel"):
                _heading("Adopt shares that no position protects")
                _adopt(desk)
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


def _adopt(desk: Desk) -> None:
    """Shares of the wallet made a position, with what that would do told first."""
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

    with ui.row().classes("gap-2"):
        ui.button("Preview", on_click=preview).props("no-caps outline")
        button = ui.button("Adopt", on_click=adopt).props("no-caps unelevated")


def _heading(text: str) -> None:
    ui.label(text).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")
