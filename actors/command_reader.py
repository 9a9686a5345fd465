"""Reads the spool and hands each command to the strategy when it is due.

Files are looked for by the wall clock, since they come from outside; when a command is due and when
it has lapsed is told by the node's clock, which in a replay is the data's. Each file ends in
`done/` or `bad/` with its reply written before it is moved, and a command id acts once however
often a file with it appears.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from nautilus_trader.common.component import Clock, TimeEvent
from nautilus_trader.model.data import DataType

from bridge.boundary import bounded, tell
from bridge.clocked_actor import ClockedActor
from bridge.clocks import now_ns
from bridge.messages import REPLIES, CommandMessage
from bridge.timers import on_this_thread
from positions.commands.fields import Malformed
from positions.commands.messages import (
    VALID_FOR,
    Cancel,
    Command,
    Flatten,
    Halt,
    Refusal,
    Reply,
    decode,
    encode_reply,
    refused,
)
from positions.model.formatting import iso
from positions.storage.spool import Spool, SpoolError

POLL_SECONDS = 0.1
ROTATE_EVERY = 600
"""Polls between two rotations of what is done."""
KEEP_FILES = 5_000
KEEP_SECONDS = 3_600.0


class CommandReader(ClockedActor):
    """Turns files of the spool into `CommandMessage`s.

    Parameters
    ----------
    spool
        The queue of files.
    seen
        Commands acted on before: id -> (content hash, reply). An id with neither is known to have
        been acted on without a record of its content.
    refuse
        Records a command that the reader itself refuses; it comes back as a reply.
    clock
        The clock to use in place of the node's own; a replay gives that of its data.
    """

    def __init__(
        self,
        spool: Spool,
        seen: dict[str, tuple[str, bytes]],
        refuse: Callable[[Command, Reply], None],
        clock: Clock | None = None,
        is_recording: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__("CommandReader", clock)
        self._spool = spool
        self._seen = seen
        self._refuse = refuse
        self._is_recording = is_recording
        self._taken: dict[str, tuple[Path, str]] = {}
        self._due: dict[str, tuple[Command, str]] = {}
        self._poll_task: asyncio.Handle | None = None
        self._polls = 0

    def on_start(self) -> None:
        """Listen for replies, and for what is due."""
        # One callback for all: a clock of Nautilus keeps that of each alert for ever.
        self._ring = on_this_thread(self._on_due)
        self.msgbus.subscribe(topic=REPLIES, handler=bounded(self._on_reply))

    def begin(self) -> None:
        """Take up everything that waits, now that the strategy has what an earlier run left."""
        self._poll()

    def on_stop(self) -> None:
        """Leave what comes from now on to the next start."""
        if self._poll_task is not None:
            self._poll_task.cancel()

    def _poll(self) -> None:
        self._poll_task = asyncio.get_running_loop().call_later(POLL_SECONDS, self._poll)
        self.look()
        self._polls += 1
        if self._polls % ROTATE_EVERY == 0:
            self._spool.rotate(KEEP_FILES, KEEP_SECONDS)

    def look(self) -> None:
        """Take up every file that came since."""
        for path in self._spool.waiting(besides=self._taken):
            try:
                self._take(path)
            except OSError:
                pass  # a full disk: it is taken up again
            except Exception as e:  # the others are taken up all the same
                tell(e)
                self._taken.pop(path.stem, None)
                with contextlib.suppress(OSError):
                    self._set_aside(path, "INTERNAL", f"it cannot be acted on: {e}")

    def _take(self, path: Path) -> None:
        command_id = path.stem
        try:
            content = self._spool.read(path)
            command = decode(content, command_id)
        except (SpoolError, Malformed) as e:
            self._set_aside(path, "MALFORMED", str(e))
            return
        if not (self._is_recording() or isinstance(command, Cancel | Flatten | Halt)):
            return  # it could be acted on twice after a crash: it waits for the record
        digest = command.digest
        known = self._seen.get(command_id)
        if known is None:
            self._taken[command_id] = (path, digest)
            self._wait_or_deliver(command, content)
        elif known[0] in ("", digest):
            if known[1]:
                self._spool.reply(command_id, known[1])
            self._spool.finish(path)
        else:
            rule = "was used before with other content; a new command needs a new id"
            self._set_aside(path, "ID_REUSED", f"id was {command_id}, {rule}")

    def _set_aside(self, path: Path, code: str, why: str) -> None:
        reply = refused(path.stem, Refusal(code, why), self.clock.timestamp_ns())
        self._spool.reject(path, encode_reply(reply))

    def _wait_or_deliver(self, command: Command, content: bytes) -> None:
        text = content.decode()
        if command.at is not None and command.at > self.clock.timestamp_ns():
            self._due[f"at-{command.id}"] = (command, text)
            self.clock.set_time_alert_ns(f"at-{command.id}", command.at, self._ring)
        else:
            self._deliver(command, text)

    def _on_due(self, event: TimeEvent) -> None:
        self._deliver(*self._due.pop(event.name))

    def _deliver(self, command: Command, text: str) -> None:
        now = now_ns(self.clock)
        wall = command.at is None and command.expires_at is None
        reply = lapsed(command, now, time.time_ns() if wall else now)
        if reply is not None:
            self._refuse(command, reply)
            return
        due = CommandMessage(command_id=command.id, content=text, ts_event=now, ts_init=now)
        self.publish_data(DataType(CommandMessage), due)

    def _on_reply(self, reply: Reply) -> None:
        """Give a reply that is on disk, then move the command's file."""
        content = encode_reply(reply)
        path, digest = self._taken.pop(reply.id, (None, ""))
        if path is not None:
            self._seen[reply.id] = (digest, content)
        elif reply.id in self._seen:
            self._seen[reply.id] = (self._seen[reply.id][0], content)
        with contextlib.suppress(OSError):  # a full disk: the file stays, and is answered later
            self._spool.reply(reply.id, content)
            if path is not None:
                self._spool.finish(path)


def lapsed(command: Command, now: int, told: int) -> Reply | None:
    """The refusal of a command that is no longer to be acted on at the time `told`, if it is so."""
    until = _lapsed_at(command)
    if until is None or told <= until:
        return None
    rule = f"is past: it was to be acted on by then, and it is {iso(now)}"
    refusal = Refusal("EXPIRED", f"expires_at was {iso(until)}, {rule}")
    return refused(command.id, refusal, now)


def _lapsed_at(command: Command) -> int | None:
    """When a command is no longer to be acted on, in nanoseconds; None = never said."""
    if command.expires_at is not None:
        return command.expires_at
    due = command.at if command.at is not None else command.created_at
    return None if due is None else due + VALID_FOR
