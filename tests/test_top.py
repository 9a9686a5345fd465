"""The full screen, driven by its pilot: what it shows, what it asks, and what it sends."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from small_node import D, Node
from stage import START
from textual.pilot import Pilot
from textual.widgets import DataTable, Static
from typer.testing import CliRunner

from cli.main import app
from cli.top import Ask, Top
from positions.commands.messages import from_fields
from positions.model.events import OrderFilled, Settled
from positions.model.position import Role
from positions.storage.locks import StateLock
from positions.storage.spool import uuid7

ASKED = {"market": "rain-in-london", "outcome": "Yes", "max_bid": "0.55", "size": "30"}
PATIENCE = 20.0
Script = Callable[["Screen", "Pilot[None]"], Awaitable[None]]


class Screen:
    """A node with a position that holds 30 shares and one that waits, and its screen."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder)
        self.node.show(D("0.50"), D("0.52"))
        for stop in ("0.45", "0.40"):
            fields = {"command": "submit", "id": uuid7(), **ASKED, "stop": stop}
            self.node.engine.command(from_fields(fields))
        self.node.work()
        self.held, self.waiting = self.node.engine.positions.values()
        fill = {"trade_id": "t", "shares": D(30), "price": D("0.52"), "fee": D(0)}
        about = {"order_id": self.held.orders[0].id, "role": Role.ENTRY, "liquidity": "taker"}
        self.node.engine.event(self.held.id, OrderFilled(time=START, **about, **fill))
        self.node.work()
        self.app = Top(self.node.state)

    def text(self, name: str) -> str:
        """What a part of the screen says."""
        return str(self.app.query_one(f"#{name}", Static).render())

    def rows(self) -> list[list[str]]:
        """The positions as they are shown."""
        table = self.app.query_one("#positions", DataTable)
        return [[str(cell) for cell in table.get_row(key)] for key in table.rows]


def play(folder: Path, script: Script, size: tuple[int, int] = (100, 30)) -> None:
    """Play a script on the screen of a node that is up."""

    async def run() -> None:
        screen = Screen(folder)
        with StateLock(screen.node.state, "replay"):
            async with screen.app.run_test(size=size) as pilot:
                await until(pilot, lambda: len(screen.rows()) == 2)
                await script(screen, pilot)
        screen.node.store.close()

    asyncio.run(run())


async def until(pilot: "Pilot[None]", holds: Callable[[], bool]) -> None:
    """Wait until the screen shows something."""
    loop = asyncio.get_running_loop()
    given_up = loop.time() + PATIENCE
    while not holds():
        assert loop.time() < given_up, "it is not shown"
        await pilot.pause(0.02)


async def typed(pilot: "Pilot[None]", screen: Screen, key: str, *texts: str) -> None:
    """Press a key, answer each field that is asked for, and wait until that is over."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(screen.app.screen, Ask))
    for text in texts:
        await pilot.press(*text, "enter")
    await until(pilot, lambda: not isinstance(screen.app.screen, Ask))


def test_it_shows_positions_the_story_and_the_book(tmp_path: Path) -> None:
    async def script(screen: Screen, pilot: "Pilot[None]") -> None:
        first, second = screen.rows()
        assert first[0] == screen.held.id[-8:]
        assert first[1:7] == ["rain-in-london", "Yes", "holding", "30", "0.5", "0.45"]
        assert first[7:] == ["-0.90", "", "0.52"]  # 30 sold at 0.50 less a fee of 0.30
        assert second[3:5] == ["entering", "0"]
        await until(pilot, lambda: "bought 30 at 0.52" in screen.text("story"))
        assert screen.text("book").split() == ["0.52", "1000", "ask", "0.5", "1000", "bid"]
        assert "2 open" in screen.text("head")
        await pilot.press("down")
        await until(pilot, lambda: "opened: buy 30" in screen.text("story"))
        await until(pilot, lambda: "bought" not in screen.text("story"))

    play(tmp_path, script)


# fmt: off
ASKS: dict[str, tuple[str, tuple[str, ...], dict[str, str] | None]] = {
    "sell all": ("s", ("", "", "yes"), {"command": "sell"}),
    "sell half at no less than a price": ("s", ("50%", "55c", "y"), {"command": "sell", "fraction": "50%", "min_price": "55c"}),
    "sell some": ("s", ("12", "", "yes"), {"command": "sell", "shares": "12"}),
    "not sell after all": ("s", ("", "", "no"), None),
    "sell nothing that was not confirmed": ("s", ("", "", ""), None),
    "amend the stop": ("a", ("0.48", "", "", "yes"), {"command": "amend", "stop": "0.48"}),
    "cancel": ("c", ("yes",), {"command": "cancel"}),
    "halt": ("h", ("yes",), {"command": "halt"}),
}
# fmt: on


@pytest.mark.parametrize("name", ASKS)
def test_a_key_asks_and_sends(tmp_path: Path, name: str) -> None:
    key, texts, expected = ASKS[name]

    async def script(screen: Screen, pilot: "Pilot[None]") -> None:
        await typed(pilot, screen, key, *texts)
        if expected is None:
            assert screen.node.spool.waiting() == []
            return
        await until(pilot, lambda: len(screen.node.spool.waiting()) == 1)
        (file,) = screen.node.spool.waiting()
        sent = json.loads(file.read_text())
        about = {} if key == "h" else {"position_id": screen.held.id}
        assert {n: v for n, v in sent.items() if n != "id"} == expected | about
        screen.node.work()
        await until(pilot, lambda: screen.text("told") != "")

    play(tmp_path, script)


def test_a_refusal_and_what_cannot_be_understood_are_shown(tmp_path: Path) -> None:
    async def script(screen: Screen, pilot: "Pilot[None]") -> None:
        await typed(pilot, screen, "a", "55", "", "", "yes")
        await until(pilot, lambda: "55 is a price in cents: 0.55?" in screen.text("told"))
        await typed(pilot, screen, "a", "0.51", "", "", "yes")
        await until(pilot, lambda: len(screen.node.spool.waiting()) == 1)
        screen.node.work()
        await until(pilot, lambda: "amend: refused: STOP_AT_OR_ABOVE_BID" in screen.text("told"))

    play(tmp_path, script)


def test_what_vanished_is_told_and_stays_in_view(tmp_path: Path) -> None:
    async def script(screen: Screen, pilot: "Pilot[None]") -> None:
        settled = Settled(time=START + 1, payout=D(1), shares=D(30))
        screen.node.engine.event(screen.held.id, settled)
        screen.node.work()
        await until(pilot, lambda: "rain-in-london Yes: closed (settlement)" in screen.text("told"))
        assert "profit +14.40" in screen.text("told")
        assert [row[3] for row in screen.rows()] == ["closed", "entering"]

    play(tmp_path, script)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_a_key_ends_it(tmp_path: Path, key: str) -> None:
    async def script(screen: Screen, pilot: "Pilot[None]") -> None:
        await pilot.press(key)
        await until(pilot, lambda: not screen.app.is_running)

    play(tmp_path, script)


def test_a_node_that_is_down_is_asked_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        screen = Screen(tmp_path)
        async with screen.app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: len(screen.rows()) == 2)
            await typed(pilot, screen, "c", "yes")
            await until(pilot, lambda: "no node is running" in screen.text("told"))
            assert screen.node.spool.waiting() == []
            await until(pilot, lambda: "NOT RUNNING" in screen.text("head"))
        screen.node.store.close()

    asyncio.run(run())


def test_without_a_record_it_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["top", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
