"""What is wrong, what was, and what holds for all positions: halt, resume, flatten."""

from collections.abc import Callable
from typing import Any

from nicegui import run, ui

from positions.model.formatting import iso
from positions.operations.doctor import Check, Level, check_machine
from web.pages import actions
from web.pages.desk import Desk
from web.pages.frame import frame
from web.source import Row, View

STOPS = {
    "halt": (
        "Halt",
        "No new entries; resting ones are taken back. Targets and stops stay.",
        "HALT",
    ),
    "resume": ("Resume", "Entries are let in again.", "RESUME"),
    "flatten": ("Flatten", "Halt, take all entries back, and sell everything held.", "FLATTEN"),
}
_PAST_SHOWN = 50


def build(desk: Desk) -> None:
    """Show the alarms, and keep them up to date."""
    with frame(desk, "/control", "Alarms") as watchers, ui.element("div").classes("two"):
        with ui.column().classes("w-full gap-4"):
            is_open = _panel("Open alarms")
            past = _panel("Earlier")
        with ui.column().classes("w-full gap-4"):
            _buttons(desk)
            _doctor(desk)
        watchers.append(_watch(is_open, past))


def _panel(title: str) -> ui.element:
    with ui.element("div").classes("panel"):
        ui.label(title).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")
        return ui.element("ul").classes("lines").props("aria-live=polite")


def _watch(is_open: ui.element, past: ui.element) -> Callable[[View], None]:
    shown: list[Any] = [None, None]

    def show(view: View) -> None:
        if shown[0] != view.alarms:
            shown[0] = view.alarms
            _fill(is_open, [(a["position_id"], a["text"], "loss") for a in view.alarms])
        if shown[1] != view.past_alarms[:_PAST_SHOWN]:
            shown[1] = view.past_alarms[:_PAST_SHOWN]
            _fill(past, [(a["position_id"], _earlier(a), "") for a in shown[1]])

    return show


def _earlier(alarm: Row) -> str:
    word = "" if alarm["is_open"] else "over: "
    return f"{iso(alarm['time'])[:19].replace('T', ' ')}  {word}{alarm['text']}"


def _fill(list_: ui.element, lines: list[tuple[str, str, str]]) -> None:
    list_.clear()
    with list_:
        for position_id, text, tone in lines:
            with ui.element("li").classes(tone):
                if len(position_id) == 36:
                    ui.link(text, f"/position/{position_id}").style("color:inherit")
                else:
                    ui.label(text)
        if not lines:
            ui.label("None").classes("soft")


def _buttons(desk: Desk) -> None:
    with ui.element("div").classes("panel"):
        ui.label("All positions").props("role=heading aria-level=2").classes(
            "font-semibold q-mb-sm"
        )
        for kind, (name, text, _) in STOPS.items():
            with ui.row().classes("w-full items-center no-wrap gap-3 q-py-xs"):
                color = "negative" if kind == "flatten" else None
                button = ui.button(name, on_click=lambda k=kind: confirm(desk, k), color=color)
                button.props("no-caps " + ("unelevated" if color else "outline"))
                button.style("min-width:92px")
                ui.label(text).classes("soft")


def confirm(desk: Desk, kind: str) -> None:
    """Ask for the word to be typed, and then for it to be done."""
    name, text, word = STOPS[kind]
    count = len(desk.view.positions)
    with actions.Question(name, f"{text} {count} open positions.") as question:
        with question.content:
            typed = ui.input(f"Type {word} to go on").props("autofocus outlined").classes("w-full")

        async def do() -> None:
            question.close()
            await actions.told(desk, kind, {}, question.command_id, seconds=30.0)

        button = question.act(name, do, "negative" if kind == "flatten" else "primary")
        button.bind_enabled_from(typed, "value", lambda value: value == word)
        typed.on("keydown.enter", lambda: button.run_method("click"))
    question.open()


def _doctor(desk: Desk) -> None:
    with ui.element("div").classes("panel"):
        with ui.row().classes("w-full items-center justify-between"):
            ui.label("Doctor").props("role=heading aria-level=2").classes("font-semibold")
            button = ui.button("Check this machine").props("no-caps outline")
        found = ui.element("ul").classes("lines").props("aria-live=polite")

    async def look() -> None:
        button.disable()
        checks = await run.io_bound(lambda: list(check_machine(desk.context.settings)))
        button.enable()
        found.clear()
        with found:
            for check in checks or ():
                _check(check)

    button.on_click(look)


def _check(check: Check) -> None:
    tone = {Level.OK: "gain", Level.WARNING: "warn", Level.FAILED: "loss"}[check.level]
    with ui.element("li"):
        ui.label(check.level).classes(f"{tone} inline font-semibold q-mr-sm")
        ui.label(f"{check.name}: {check.found}").classes("inline")
        if check.to_do:
            ui.label(check.to_do).classes("soft")
