"""What all pages share: the newest view, and what was asked and not answered yet.

One for the whole process, however many browsers are open; nothing here waits for one of them.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from positions.commands.messages import Reply
from positions.storage.bars import Bar, read_bars
from positions.storage.snapshot import NoSnapshot
from positions.storage.spool import uuid7
from web.context import Context
from web.source import Row, View

SALE_SECONDS = 75.0
"""A cash-out by hand ends within a minute."""
STALE_SECONDS = 3.0


class Desk:
    """The pages' one source, and the one way by which they ask for something."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.asked: dict[str, str] = {}
        """What is asked of each position and not answered yet, in a word."""
        self.is_dark: bool | None = None
        self._tasks: set[asyncio.Task[Reply | None]] = set()

    @property
    def view(self) -> View:
        """What was published last."""
        return self.context.source.view

    def position(self, position_id: str) -> Row | None:
        """One position, if it is still listed."""
        view = self.view
        return view.positions.get(position_id) or view.closed.get(position_id)

    def market(self, p: Row) -> Row:
        """The outcome of a position, {} while it is not known."""
        return self.view.markets.get(p["outcome_id"], {})

    async def prices(self, outcome_id: str, since: int) -> list[Bar]:
        """Bid and ask of an outcome from a time on: by the minute, and lately by the second."""

        def read() -> list[Bar]:
            fine = read_bars(self.context.state, outcome_id, "1s", since)
            coarse = read_bars(self.context.state, outcome_id, "1m", since)
            return [bar for bar in coarse if not fine or bar.time < fine[0].time] + fine

        return await asyncio.to_thread(read)

    async def story(self, position_id: str) -> tuple[list[Row], list[Row]]:
        """The events and the fills of a position that are published."""
        try:
            return await self.context.source.ask(
                lambda copy: (copy.story(position_id), copy.fills(position_id))
            )
        except NoSnapshot:
            return [], []

    async def ask(
        self,
        kind: str,
        fields: Mapping[str, Any],
        command_id: str | None = None,
        *,
        word: str = "",
        seconds: float = 15.0,
    ) -> Reply | None:
        """Ask something of the node; None if it did not answer in so many seconds.

        It goes on although whoever asked closes the page; `word` is shown at the position until
        then. Asked twice under one id, it is done once. Raises PolybracketError for what is not
        sent.
        """
        position_id = str(fields.get("position_id", ""))
        if word:
            self.asked[position_id] = word
        answer = self._answer(kind, fields, command_id or uuid7(), seconds, position_id)
        task = asyncio.create_task(answer)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _answer(
        self, kind: str, fields: Mapping[str, Any], command_id: str, seconds: float, about: str
    ) -> Reply | None:
        try:
            sent = await self.context.commands.send(
                kind, fields, command_id=command_id, source="page", wait=seconds
            )
            return sent.reply
        finally:
            self.asked.pop(about, None)


def market_time(view: View) -> int:
    """Now, as the market has it: in a replay, the recording's time."""
    return int(view.node.get("market_time", 0))


def is_stale(view: View) -> bool:
    """Whether what is shown is too old to be acted on without a second look."""
    return not view.health.is_well or view.age() > STALE_SECONDS


Watcher = Callable[[View], None]
