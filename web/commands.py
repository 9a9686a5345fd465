"""Commands from the page and from programs: checked, queued and answered as those of `submit`.

Nothing here decides about money: what is sent is a file of the queue, decoded by the same code that
reads it in the node, which answers. All disk work is done on other threads.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from positions.commands import strict
from positions.commands.messages import Reply, from_fields
from positions.model.errors import RecordError
from positions.storage.locks import holder
from positions.storage.sending import answer, queue
from positions.storage.spool import Spool, uuid7

POLL_SECONDS = 0.02
WATCHED_SECONDS = 120.0
"""So long an answer that nobody waits for is looked for, to be told to who listens."""
WATCHED_MAX = 500
_OF_THE_ENVELOPE = frozenset({"id", "created_at", "source"})


class Reused(RecordError):
    """The id was used for another command: a new one needs a new id."""


class NotTrading(RecordError):
    """The owner lets nothing be traded from here."""


class NotTaken(RecordError):
    """What waits cannot be taken back any more."""


class NotRunning(RecordError):
    """No node is running, and nothing is to wait for the next start."""


class Sent(Struct, frozen=True):
    """A command that is queued; `reply` is the node's answer so far, if there is one."""

    id: str
    status: str
    """`queued`, or `queued before` where this id was sent already."""
    reply: Reply | None = None


class _Watched:
    """A command whose answer is looked for, until a moment of the monotonic clock."""

    def __init__(self) -> None:
        self.until = time.monotonic() + WATCHED_SECONDS
        self.reply: Reply | None = None
        self.is_over = asyncio.Event()


class Commands:
    """Writes commands into the queue of one state folder, and reads the answers.

    `may_trade` is asked before each: live trading from here is the owner's to allow. `on_reply` is
    called with each answer, and with each that takes the place of an earlier one.
    """

    def __init__(self, state: Path, may_trade: Callable[[], bool]) -> None:
        self._state = state
        self._may_trade = may_trade
        self.on_reply: Callable[[Reply], None] = lambda _: None
        self._spool: Spool | None = None
        self._watched: dict[str, _Watched] = {}
        self._watching: asyncio.Task[None] | None = None

    async def send(
        self,
        kind: str,
        fields: Mapping[str, Any],
        *,
        command_id: str | None = None,
        source: str = "page",
        wait: float = 0.0,
        may_wait_for_node: bool = False,
    ) -> Sent:
        """Queue a command; its answer is waited for so many seconds.

        Raises
        ------
        Malformed
            With the field, the value and the rule.
        Reused
            If another command has this id.
        NotTrading
            If the node trades with money, and this is not allowed from here.
        NotRunning
            If no node runs, and the command may not wait for the next start.
        OSError
            If the disk does not take it.
        """
        if not self._may_trade():
            rule = "lets nothing be traded from here: set may_trade = true under [web]"
            raise NotTrading(f"the node trades with money, and its owner {rule}")
        if not may_wait_for_node and holder(self._state) is None:
            rule = "start it, or ask for this to be queued for its next start"
            raise NotRunning(f"no node is running: {rule}")
        command_id = command_id or uuid7()
        now = datetime.fromtimestamp(time.time(), UTC).isoformat()
        stated = {"command": kind, **fields, "id": command_id, "source": source}
        status = await asyncio.to_thread(self._queue, {"created_at": now, **stated})
        return Sent(command_id, status, await self.reply(command_id, wait))

    def _queue(self, fields: dict[str, Any]) -> str:
        command = from_fields(fields)
        spool = self._open()
        status = queue(spool, fields, command)
        if status != "queued":
            earlier = spool.read_old(command.id)
            if earlier is not None and _asked(earlier) != _asked(msgspec.json.encode(fields)):
                rule = "was used before with other content; a new command needs a new id"
                raise Reused(f"id was {command.id}, {rule}")
        return status

    async def reply(self, command_id: str, wait: float = 0.0) -> Reply | None:
        """What the node has answered, within so many seconds; None = nothing yet."""
        reply = await asyncio.to_thread(self._answer, command_id)
        if reply is not None and reply.done:
            return reply
        watched = self._watch(command_id)
        if wait <= 0 or watched is None:
            return reply
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watched.is_over.wait(), wait)
        return watched.reply or reply

    async def content(self, command_id: str) -> dict[str, Any] | None:
        """What was asked by a command that waits or was acted on; None = it is not known here."""
        found = await asyncio.to_thread(lambda: self._open().read_old(command_id))
        return None if found is None else _fields(found)

    async def waiting(self) -> list[dict[str, Any]]:
        """What waits in the queue, in the order in which it is taken, as it was asked."""
        found = await asyncio.to_thread(lambda: self._open().contents())
        return [{"id": i} | (_fields(content) or {}) for i, content in found.items()]

    async def take_back(self, command_id: str) -> bool:
        """Take a command out of the queue of a node that is down; whether it was there.

        Raises NotTaken while a node runs: it may have read it already.
        """
        if holder(self._state) is not None:
            raise NotTaken("a node is running, and has read what waits: cancel what came of it")
        return await asyncio.to_thread(lambda: self._open().take_back(command_id))

    # -- answers -----------------------------------------------------------------------------------

    def _watch(self, command_id: str) -> _Watched | None:
        if command_id not in self._watched and len(self._watched) >= WATCHED_MAX:
            return None
        watched = self._watched.setdefault(command_id, _Watched())
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look_for_answers())
        return watched

    async def _look_for_answers(self) -> None:
        """Look for all answers together: a hundred who wait cost no more than one."""
        while self._watched:
            await asyncio.sleep(POLL_SECONDS)
            for command_id, reply in (await asyncio.to_thread(self._answers)).items():
                watched = self._watched[command_id]
                if reply is not None and reply != watched.reply:
                    watched.reply = reply
                    self.on_reply(reply)
                if (reply is not None and reply.done) or time.monotonic() > watched.until:
                    watched.is_over.set()
                    del self._watched[command_id]

    async def close(self) -> None:
        """Look for no answer any more."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def _answers(self) -> dict[str, Reply | None]:
        return {command_id: self._answer(command_id) for command_id in tuple(self._watched)}

    def _answer(self, command_id: str) -> Reply | None:
        try:
            return answer(self._open(), command_id)
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):  # a reason that is no reply
            return None

    def _open(self) -> Spool:
        if self._spool is None:
            self._spool = Spool(self._state)
        return self._spool


def _fields(content: bytes) -> dict[str, Any] | None:
    try:
        found = strict.json_value(content.decode())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _asked(content: bytes) -> dict[str, Any]:
    """What a command asks for, whenever and by whatever it was sent."""
    fields = _fields(content) or {}
    return {name: value for name, value in fields.items() if name not in _OF_THE_ENVELOPE}
