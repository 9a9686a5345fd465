"""Dialogs that ask something of the node about a position: sell, edit, cancel.

A command's id is made when its dialog opens, so a double click, or a second try after a lost
connection, acts once. The position shows what was asked until the answer is there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, ClassVar, Literal

from nicegui import context, ui

from positions.commands.messages import ACCEPTED, Reply
from positions.model.errors import PolybracketError
from positions.model.formatting import plain
from positions.storage.spool import uuid7
from web.pages import words
from web.pages.desk import SALE_SECONDS, Desk
from web.source import Row

Tone = Literal["positive", "warning", "negative"]
PAUSE = 0.3
"""Seconds without a key after which it is looked up what was typed."""
PARTS = {"25%": "0.25", "50%": "0.5", "75%": "0.75", "100%": ""}


async def told(
    desk: Desk, kind: str, fields: dict[str, Any], command_id: str, **waits: Any
) -> Reply | None:
    """Ask, and tell the answer on the page that asked, if it is still open."""
    client = context.client
    try:
        reply = await desk.ask(kind, fields, command_id, **waits)
        text = "no answer yet: it stays queued" if reply is None else reply.message
        is_good = reply is not None and reply.status == ACCEPTED
    except PolybracketError as e:
        reply, text, is_good = None, str(e), False
    if not client.is_deleted:
        with client:
            bad: Tone = "warning" if reply is None else "negative"
            tone: Tone = "positive" if is_good else bad
            ui.notify(text, type=tone, position="top", timeout=8000, close_button="Close")
    return reply


class Question(ui.dialog):
    """A dialog with a title, its content, and buttons; deleted once it is closed."""

    def __init__(self, title: str, about: str) -> None:
        super().__init__()
        self.command_id = uuid7()
        self.on("hide", self.delete)
        with self, ui.card().classes("panel gap-3").style("min-width: min(92vw, 440px)"):
            ui.label(title).props("role=heading aria-level=2").classes("text-lg font-semibold")
            ui.label(about).classes("soft")
            self.content = ui.column().classes("w-full gap-3")
            self.said = ui.label().classes("soft w-full").props("role=status")
            self.buttons = ui.row().classes("w-full justify-end")
        with self.buttons:
            ui.button("Back", on_click=self.close).props("flat no-caps")

    def act(
        self, text: str, do: Callable[[], Awaitable[None]], color: str = "primary"
    ) -> ui.button:
        """The button that does it, once: it is off from the click on."""

        async def once() -> None:
            if not button.enabled:
                return
            button.disable()
            await do()

        with self.buttons:
            button = ui.button(text, on_click=once, color=color).props("no-caps unelevated")
        return button


def name_of(desk: Desk, p: Row) -> str:
    """A position in words: its question and outcome."""
    return f"{desk.market(p).get('question') or p['market']} · {p['outcome']}"


def sell(desk: Desk, p: Row) -> None:
    """Ask how much to sell, and sell it."""
    market = desk.market(p)
    with Question("Sell", name_of(desk, p)) as question:
        with question.content:
            part = ui.toggle(list(PARTS), value="100%").props("no-caps spread")
            part.classes("w-full").props('aria-label="Part of what is held"')
            amount = ui.input("or shares", placeholder=words.shares(p["held"])).classes("w-full")
            limit = ui.input("Lowest price (optional)", placeholder="0.45 or 45¢").classes("w-full")

        def fields() -> dict[str, Any]:
            found: dict[str, Any] = {"position_id": p["id"]}
            if amount.value:
                found["shares"] = amount.value.strip()
            elif PARTS[part.value]:
                found["fraction"] = PARTS[part.value]
            if limit.value:
                found["min_price"] = limit.value.strip()
            return found

        def show() -> None:
            asked = _asked_shares(p["held"], fields())
            if asked is None:
                question.said.set_text("Shares must be a number.")
                return
            question.said.set_text(words.expected(asked, market))

        async def do() -> None:
            request = fields()
            question.close()
            about = {"word": "selling…", "seconds": SALE_SECONDS}
            await told(desk, "sell", request, question.command_id, **about)

        for element in (part, amount, limit):
            element.on_value_change(show)
        show()
        button = question.act("Sell now", do, "negative")
        for element in (amount, limit):
            element.on("keydown.enter", lambda: button.run_method("click"))
    question.open()


def _asked_shares(held: Decimal, fields: dict[str, Any]) -> Decimal | None:
    try:
        if "shares" in fields:
            return Decimal(fields["shares"])
        return held * Decimal(fields.get("fraction", "1"))
    except ArithmeticError:
        return None


def cancel(desk: Desk, p: Row) -> None:
    """Ask whether the entry is to be taken back, and take it back."""
    with Question("Take the entry back", name_of(desk, p)) as question:
        with question.content:
            ui.label("Nothing more is bought. What was bought stays protected.")

        async def do() -> None:
            question.close()
            request = {"position_id": p["id"]}
            await told(desk, "cancel", request, question.command_id, word="cancelling…")

        question.act("Cancel the entry", do)
    question.open()


def edit(desk: Desk, p: Row, **proposed: str) -> Question:
    """Ask for other prices, tell what they would do, and amend."""
    return _Edit(desk, p, proposed)


class _Edit(Question):
    """The prices of a position as they are, to be changed; `proposed` are those asked for."""

    NAMES: ClassVar = {
        "max_bid_price": "Max bid",
        "sell_price": "Target (empty: none)",
        "stop_loss_price": "Stop (empty: none)",
    }

    def __init__(self, desk: Desk, p: Row, proposed: dict[str, str]) -> None:
        super().__init__("Edit", name_of(desk, p))
        self._desk = desk
        self._id = p["id"]
        prices = {**p, "stop_loss_price": p["stop_in_force"]}
        self._old = {n: "" if prices[n] is None else plain(prices[n]) for n in self.NAMES}
        texts = self._old | proposed
        with self.content:
            self._inputs = {
                n: ui.input(name, value=texts[n]).classes("w-full").props(f"name={n}")
                for n, name in self.NAMES.items()
            }
            self._now = ui.checkbox("Do it although it sells at once").classes("warn")
            self._now.set_visibility(False)
        button = self.act("Change", self._do)
        for element in self._inputs.values():
            element.on_value_change(self._preview)
            element.on("keydown.enter", lambda: button.run_method("click"))
        ui.timer(0.05, self._preview, once=True)
        self.open()

    def _fields(self) -> dict[str, Any]:
        typed = {n: (i.value or "").strip() for n, i in self._inputs.items()}
        changed = {n: text or "none" for n, text in typed.items() if text != self._old[n]}
        return {"position_id": self._id, **changed} if changed else {}

    async def _preview(self) -> None:
        request = self._fields()
        await asyncio.sleep(PAUSE)
        if self.is_deleted or request != self._fields():
            return
        if not request:
            self.said.set_text("Nothing is changed.")
            return
        try:
            reply = await self._desk.ask("amend", request | {"dry_run": True}, seconds=5.0)
        except PolybracketError as e:
            self.said.set_text(str(e))
            return
        if self.is_deleted or request != self._fields():
            return
        answer = "The node does not answer." if reply is None else reply.message
        text = answer.removeprefix("dry run: ")
        self.said.set_text(text)
        self._now.set_visibility("WARNING" in text)

    async def _do(self) -> None:
        request = self._fields()
        self.close()
        if request:
            now = {"now": True} if self._now.visible and self._now.value else {}
            await told(self._desk, "amend", request | now, self.command_id, word="amending…")


ACTIONS: dict[str, Callable[[Desk, Row], Any]] = {"sell": sell, "edit": edit, "cancel": cancel}
