"""The full screen: positions, the story and book of the chosen one, alarms, and keys to act.

What is shown is read from the snapshot each second, on a thread; what is asked goes the way of
every command, into the queue, and its answer is shown. Nothing is asked without a confirmation.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import typer
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Label, Static
from textual.worker import get_current_worker

from cli.flags import as_typed
from cli.live_view import LiveView, book, look, story, what_became
from cli.options import State, state_dir
from cli.output import ladder, number, profit, short, state_word
from cli.tables import middle
from positions.commands.files import checked
from positions.commands.messages import ACCEPTED
from positions.model.errors import InputError, PolybracketError
from positions.model.foreign_text import LINE_LENGTH, clean
from positions.storage.locks import holder
from positions.storage.sending import answer, queue
from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool, uuid7

_EVERY = 1.0
_PATIENCE = 70.0
"""Seconds that an answer is waited for: a sale by hand is tried for a minute."""
_POLL = 0.1
_OTHERS_WIDTH = 66
"""Characters of the columns that stay in view beside the market, at any width."""
_MARKET_WIDTH_MIN = 14
_COLUMNS = ("id", "market", "outcome", "state", "held", "bid", "stop", "profit", "target", "entry")
_Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("top", epilog="Example: polybracket top --state state/paper")(top)


def top(state: State = None) -> None:
    """Watch and steer positions on the full screen; q ends it."""
    folder = state_dir(state)
    with Snapshot(folder):
        pass  # which says what to do where there is none
    Top(folder).run()


class Ask(ModalScreen[dict[str, str] | None]):
    """Asks before anything is sent: some fields, and yes or no. Answers None for no."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "No")]

    def __init__(self, question: str, fields: dict[str, str]) -> None:
        super().__init__()
        self._question = question
        self._fields = fields

    def compose(self) -> ComposeResult:
        """The question, an input for each field, and what to press."""
        with Vertical(id="ask"):
            yield Label(Text(clean(self._question, LINE_LENGTH)))
            for name, hint in self._fields.items():
                yield Input(placeholder=hint, id=name)
            yield Input(placeholder='type "yes" and Enter to send it, Escape to leave', id="yes")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; after the last, send if that is confirmed."""
        if event.input.id != "yes":
            self.focus_next()
            return
        if event.value.strip().lower() not in ("y", "yes"):
            self.dismiss(None)
            return
        values = {name: self.query_one(f"#{name}", Input).value.strip() for name in self._fields}
        self.dismiss({name: value for name, value in values.items() if value})

    def action_leave(self) -> None:
        """Send nothing."""
        self.dismiss(None)


class Top(App[None]):
    """The full screen of one node."""

    CSS = """
    #alarms { color: $text-error; height: auto; max-height: 5; }
    #told { height: auto; max-height: 3; }
    #positions { height: 1fr; }
    #below { height: 40%; }
    #story { width: 2fr; overflow-y: auto; border-top: solid $primary; }
    #book { width: 32; border-top: solid $primary; }
    Ask { align: center middle; }
    #ask { width: 76; height: auto; border: thick $primary; padding: 1; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sell", "Sell"),
        Binding("a", "amend", "Amend"),
        Binding("c", "cancel", "Cancel entry"),
        Binding("h", "halt", "Halt"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._begun: int | None = None
        self._rows: dict[str, _Row] = {}
        self._were_open: set[str] = set()

    def compose(self) -> ComposeResult:
        """Alarms on top, then positions, and the chosen one's story beside its book."""
        yield Static(id="head", markup=False)
        yield Static(id="alarms", markup=False)
        yield DataTable(id="positions", cursor_type="row", zebra_stripes=True)
        with Horizontal(id="below"):
            yield Static(id="story", markup=False)
            yield Static(id="book", markup=False)
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look, each second."""
        table = self._table
        for name in _COLUMNS:
            table.add_column(name, key=name)
        table.focus()
        self._look()
        self.set_interval(_EVERY, self._look)

    @property
    def _table(self) -> "DataTable[Text]":
        return self.query_one("#positions", DataTable)

    @property
    def _chosen(self) -> _Row | None:
        table = self._table
        if not table.is_valid_row_index(table.cursor_row):
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return self._rows.get(key or "")

    # -- what is shown -----------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="look")
    def _look(self) -> None:
        """Read the snapshot, and have it shown; what cannot be read now is read again soon."""
        try:
            seen = look(self._folder, self._begun or 0)
            if self._begun is None:
                self._begun = int(seen.node["market_time"])
                seen = look(self._folder, self._begun)
            chosen = self._chosen
            lines = [] if chosen is None else story(self._folder, chosen["id"])
            levels = [] if chosen is None else book(self._folder, chosen["outcome_id"])
        except PolybracketError as e:
            self.call_from_thread(self._tell, str(e))
            return
        if not get_current_worker().is_cancelled:  # by a look at what is chosen since
            self.call_from_thread(self._show, seen, lines, levels)

    def _show(self, seen: LiveView, lines: list[str], levels: list[str]) -> None:
        self.query_one("#head", Static).update(clean(f"{seen.summary}  {seen.line}", LINE_LENGTH))
        alarms = "\n".join(f"ALARM: {clean(a, LINE_LENGTH)}" for a in seen.alarms)
        self.query_one("#alarms", Static).update(alarms)
        for row in seen.rows:
            if row["status"] != "open" and row["id"] in self._were_open:
                self._tell(what_became(row))
        self._were_open = {r["id"] for r in seen.open}
        self._fill(seen.rows)
        self.query_one("#story", Static).update("\n".join(clean(x, LINE_LENGTH) for x in lines))
        self.query_one("#book", Static).update("\n".join(levels))

    def _fill(self, rows: list[_Row]) -> None:
        """Bring the table up to date, row by row, so that the cursor stays where it is."""
        table = self._table
        self._rows = {r["id"]: r for r in rows}
        for key in [k.value for k in table.rows if k.value not in self._rows]:
            table.remove_row(str(key))
        known = {k.value for k in table.rows}
        width = max(_MARKET_WIDTH_MIN, self.size.width - _OTHERS_WIDTH)
        for row in rows:
            cells = [Text(clean(cell)) for cell in _cells(row, width)]
            if row["id"] not in known:
                table.add_row(*cells, key=row["id"])
                continue
            for name, cell in zip(_COLUMNS, cells, strict=True):
                table.update_cell(row["id"], name, cell, update_width=True)

    def on_data_table_row_highlighted(self) -> None:
        """Show the story and the book of what is chosen now."""
        self._look()

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(clean(text, LINE_LENGTH))

    # -- what is asked -----------------------------------------------------------------------------

    def action_sell(self) -> None:
        """Sell the chosen position, or a part of it."""
        hints = {
            "shares": "shares, or a part such as 50%; empty = all",
            "min_price": "no less than",
        }
        self._ask_about("sell", "Sell {held} {outcome} of {market}?", hints, _sale)

    def action_cancel(self) -> None:
        """Take the chosen position's entry back."""
        self._ask_about("cancel", "Take back the entry of {market} {outcome}?", {}, dict)

    def action_amend(self) -> None:
        """Change stop, target or max bid of the chosen position."""
        hints = {
            "stop": "stop, such as 0.45, 10% or none; empty = as it is",
            "target": "target, such as 0.70, +20% or none; empty = as it is",
            "max_bid": "max bid; empty = as it is",
        }
        self._ask_about("amend", "Amend {market} {outcome}:", hints, dict)

    def action_halt(self) -> None:
        """Let no new entries in."""

        def answered(values: dict[str, str] | None) -> None:
            if values is not None:
                self._send({"command": "halt"})

        self.push_screen(Ask("Halt: no new entries, resting ones are taken back?", {}), answered)

    def _ask_about(
        self,
        command: str,
        question: str,
        hints: dict[str, str],
        fields: Callable[[dict[str, str]], dict[str, str]],
    ) -> None:
        row = self._chosen
        if row is None:
            self._tell("no position is chosen")
            return
        about = {"command": command, "position_id": row["id"]}

        def answered(values: dict[str, str] | None) -> None:
            if values is not None:
                self._send(about | fields(values))

        told = {name: clean(row[name]) for name in ("market", "outcome")}
        text = question.format(held=number(row["held"]), **told)
        self.push_screen(Ask(text, hints), answered)

    @work(thread=True)
    def _send(self, request: dict[str, str]) -> None:
        """Queue a request, and show its answer."""
        try:
            self.call_from_thread(self._tell, f"{request['command']}: {self._answered(request)}")
        except (PolybracketError, OSError) as e:
            self.call_from_thread(self._tell, as_typed(str(e)))

    def _answered(self, request: dict[str, str]) -> str:
        if holder(self._folder) is None:
            raise InputError("no node is running: nothing is asked of it")
        spool, fields = Spool(self._folder), {"id": uuid7(), **request}
        (command,) = checked([fields], "")
        queue(spool, fields, command)
        until, told = time.monotonic() + _PATIENCE, "no answer yet; it stays queued"
        while time.monotonic() < until and self.is_running:
            reply = answer(spool, command.id)
            if reply is not None:
                text = reply.message if reply.status == ACCEPTED else as_typed(reply.message)
                told = f"{reply.status}: {text}"
                if reply.done:
                    break
                self.call_from_thread(self._tell, f"{request['command']}: {told}")
            time.sleep(_POLL)
        return told


def _sale(values: dict[str, str]) -> dict[str, str]:
    """The fields of a sale, of which one may be so many shares or a part."""
    shares = values.pop("shares", "")
    return values | ({"fraction" if "%" in shares else "shares": shares} if shares else {})


def _cells(row: _Row, market_width: int) -> list[str]:
    price = row["current_price"] if row["status"] == "open" else row["exit_price"]
    return [
        short(row["id"]),
        middle(row["market"], market_width),
        middle(row["outcome"], 10),
        state_word(row),
        number(row["held"]),
        number(price),
        "none yet" if row["waiting_for"] == "trail_from" else number(row["stop_in_force"]),
        profit(row),
        ladder(row),
        number(row["entry_price"]),
    ]
