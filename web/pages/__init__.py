"""The pages: what a browser shows of a node, and asks of it. Each is a module; all share a desk."""

from nicegui import ui

from web import reading
from web.context import Context
from web.pages import alarms, bet, history, position, positions, trial, wallet
from web.pages.desk import Desk
from web.source import Row


def register(context: Context) -> None:
    """Add the pages to NiceGUI's application."""
    desk = Desk(context)

    async def find(text: str) -> list[Row]:
        return await reading.search(context.settings, text)

    simple = {
        "/": positions.build,
        "/history": history.build,
        "/wallet": wallet.build,
        "/control": alarms.build,
        "/try": trial.build,
    }
    for path, build in simple.items():
        ui.page(path)(lambda build=build: build(desk))

    @ui.page("/bet")
    def place_bet(market: str = "") -> None:
        bet.build(desk, find, market)

    @ui.page("/position/{position_id}")
    def one(position_id: str) -> None:
        position.build(desk, position_id)
