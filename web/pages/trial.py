"""Try it: a position on a recording, in a process of its own, with its report."""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from nicegui import ui

from positions.commands.files import checked
from positions.model.errors import PolybracketError
from positions.operations.program import module_command
from positions.storage.story import ROUTINE, sentence
from web.pages import words
from web.pages.bet import AMOUNTS, FIELDS, MORE
from web.pages.desk import Desk
from web.pages.frame import frame

SECONDS_MAX = 300
_STARTED = "A backtest runs in a process of its own: the node is not asked, and nothing is sent."


class Result(Struct, frozen=True):
    """What came of a backtest: its positions, its sums in words, and the report."""

    positions: list[dict[str, Any]]
    words: str
    report: bytes


class Failed(PolybracketError):
    """The backtest says why it could not be made."""


def build(desk: Desk) -> None:
    """Show the form."""
    with frame(desk, "/try", "Try it"), ui.element("div").classes("two"):
        _Form(desk)


class _Form:
    """What one browser tries."""

    def __init__(self, desk: Desk) -> None:
        node = desk.view.node
        self._is_running = False
        known = sorted({m["slug"] for m in desk.view.markets.values()})
        with ui.element("div").classes("panel"):
            _heading("Try a position on recorded prices")
            ui.label(_STARTED).classes("soft q-mb-sm")
            with ui.element("div").classes("fields"):
                self._catalog = _text("Catalog", str(node.get("catalog") or "catalog/sample"))
                self._market = _text("Market").props('aria-autocomplete="list"')
                self._market.set_autocomplete(known)
                self._outcome = _text("Outcome", "Yes")
                self._prices = {n: _text(label) for n, (label, _, _) in FIELDS.items()}
                self._unit = ui.select(AMOUNTS, value="size", label="Amount in")
                self._unit.props("outlined dense").classes("w-full")
                self._amount = _text("Amount", "100")
            more = ui.expansion("More").classes("w-full q-mt-sm").props("dense")
            with more, ui.element("div").classes("fields"):
                self._more = {n: _text(label) for n, label in MORE.items()}
            with ui.row().classes("items-center q-mt-md gap-3"):
                self._button = ui.button("Run the backtest", on_click=self._run)
                self._button.props("no-caps unelevated")
                self._said = ui.label().props("role=status")
        with ui.element("div").classes("panel"):
            _heading("Result")
            self._result = ui.column().classes("w-full gap-2")
            with self._result:
                ui.label("Nothing was tried yet.").classes("soft")

    def fields(self) -> dict[str, Any]:
        """The position that is tried."""
        inputs = {**self._prices, **self._more, "market": self._market, "outcome": self._outcome}
        inputs[self._unit.value] = self._amount
        typed = {name: (i.value or "").strip() for name, i in inputs.items()}
        return {"command": "submit", **{name: text for name, text in typed.items() if text}}

    async def _run(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        self._button.disable()
        self._said.set_text("running…")
        try:
            result = await tried(self.fields(), self._catalog.value.strip())
        except PolybracketError as e:
            text = str(e)
        else:
            text = ""
            if not self._result.is_deleted:
                self._show(result)
        self._is_running = False
        if not self._button.is_deleted:
            self._button.enable()
            self._said.set_text(text)

    def _show(self, result: Result) -> None:
        self._result.clear()
        with self._result:
            for p in result.positions:
                _outcome(p)
            for line in result.words.splitlines():
                ui.label(line).classes("soft")
            ui.button(
                "Report with charts",
                icon="download",
                on_click=lambda: ui.download.content(
                    result.report, "polybracket-backtest.html", "text/html"
                ),
            ).props("no-caps outline")


def _outcome(p: Mapping[str, Any]) -> None:
    profit = Decimal(p["realized_pnl"])
    reason = words.REASONS.get(p["exit_reason"] or "", p["status"])
    with ui.row().classes("w-full justify-between items-baseline"):
        ui.label(f"{p['market']} · {p['outcome']} · {reason}").classes("font-semibold")
        ui.label(f"{words.money(profit, sign=True)} USDC").classes(f"num {words.tone(profit)}")
    with ui.element("ul").classes("lines"):
        for event in p["events"]:
            if event["kind"] not in ROUTINE:
                with ui.element("li"):
                    ui.label(event["time"][11:19]).classes("soft num inline q-mr-sm")
                    ui.label(sentence(event)).classes("inline")


async def tried(fields: dict[str, Any], catalog: str) -> Result:
    """The backtest of one position. Raises Failed with its reason, and Malformed before it runs."""
    checked([fields], "")
    with tempfile.TemporaryDirectory(prefix="polybracket-try-") as name:
        folder = Path(name)
        request, report = folder / "position.jsonl", folder / "report.html"
        request.write_bytes(msgspec.json.encode(fields))
        options = ["--catalog", catalog, "--positions", str(request), "--report", str(report)]
        out, err = await _program("backtest", *options, "--json")
        positions = [json.loads(line) for line in out.splitlines()]
        return Result(positions, err.strip(), report.read_bytes())


async def _program(*arguments: str) -> tuple[str, str]:
    pipe = asyncio.subprocess.PIPE
    program = (*module_command("cli.main"), *arguments)
    process = await asyncio.create_subprocess_exec(*program, stdout=pipe, stderr=pipe)
    try:
        out, err = await asyncio.wait_for(process.communicate(), SECONDS_MAX)
    except TimeoutError:
        raise Failed(f"the backtest took longer than {SECONDS_MAX} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Failed(err.decode(errors="replace").strip() or "the backtest failed")
    return out.decode(), err.decode(errors="replace")


def _heading(text: str) -> None:
    ui.label(text).props("role=heading aria-level=2").classes("font-semibold q-mb-sm")


def _text(label: str, value: str = "") -> ui.input:
    return ui.input(label, value=value).classes("w-full").props("outlined dense autocomplete=off")
