"""Reads the spool and hands each command to the strategy when it is due.

The operating system tells when something comes into the spool; it is polled by the wall clock, too,
for what that misses. When a command is due and when it has expired is decided by the node's clock,
which in a replay is the data's. Each file ends in `done/` or `bad/` with its reply written before
it is moved, and a command id acts once however often a file with it appears.

All that touches the disk runs on another thread, a bounded part of it at a time, and its commands
are delivered in slices: neither a slow disk nor a flood of files keeps the event loop from exits.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nautilus_trader.common.component import Clock, TimeEvent
from nautilus_trader.model.data import DataType

from bridge.aside import Aside, call_from_thread, inline
from bridge.boundary import bounded, report
from bridge.clocks import ClockedActor, now_ns
from bridge.messages import REPLIES, CommandMessage
from bridge.timers import Alert, RepeatingTimer
from positions.commands.age import lapsed, sent_at
from positions.commands.messages import Command, Refusal, Reply, encode_reply, refused
from positions.storage.spool import Spool
from positions.storage.spool_reading import Answered, SpooledCommand, SpoolReading
from positions.storage.spool_watch import SpoolWatch

POLL_SECONDS = 0.1
ROTATE_EVERY = 600
"""Polls between two rotations of what is done."""
KEEP_FILES = 5_000
KEEP_SECONDS = 3_600.0
SLICE_SECONDS = 0.005
SLICE_COMMANDS = 10
"""Commands delivered before the event loop has its turn."""
_PAUSE_SECONDS = 0.005
UNWRITTEN_MAX = 500
"""Replies that are not on disk yet; with more, no further command is read."""
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""The size of all commands that are due later; more are refused."""


class _Waiting(NamedTuple):
    """A command whose time is to come; those of one time are due in the order of their ids."""

    at: int
    id: str
    spooled: SpooledCommand


class CommandReader(ClockedActor):
    """Turns files of the spool into `CommandMessage`s.

    `replies` has the commands acted on before: id -> (content hash, reply); an id with neither was
    acted on without a record of its content. `refuse` records one that the reader refuses itself.
    """

    def __init__(
        self,
        spool: Spool,
        replies: dict[str, tuple[str, bytes]],
        refuse: Callable[[Command, Reply], None],
        clock: Clock | None = None,
        is_recording: Callable[[], bool] = lambda: True,
        aside: Aside = inline,
    ) -> None:
        super().__init__("CommandReader", clock)
        self._replies = replies
        self._refuse = refuse
        self._aside = aside
        self._is_replayed = clock is not None
        self._pending: dict[str, tuple[Path, str]] = {}
        self._spool = spool
        self._watch = SpoolWatch(spool.waiting_folders)
        self._reading = SpoolReading(spool, replies, self._pending, is_recording, self._time)
        self._ready: deque[SpooledCommand] = deque()
        self._due: list[_Waiting] = []
        self._waiting_bytes = 0
        self._answers: dict[str, bytes] = {}
        """What is to be written, the newest of each command."""
        self._writing: dict[str, bytes] = {}
        self._is_busy = self._is_handing_over = self._is_stopped = False
        self._has_changed = False
        """Whether something came into the spool since the last look began."""
        self._failures: list[Exception] = []
        self._unwritten = 0
        self._has_read_all = asyncio.Event()
        self._timer = RepeatingTimer(self._poll, POLL_SECONDS)
        self._polls = 0

    def _time(self) -> int:
        return int(self.clock.timestamp_ns())

    def on_start(self) -> None:
        """Subscribe to the replies."""
        self._alert = Alert(self.clock, "command-due", bounded(self._on_due))
        self.msgbus.subscribe(topic=REPLIES, handler=bounded(self._on_reply))

    async def begin(self) -> None:
        """Read everything that waits, now that what an earlier process left is resumed."""
        self._timer.start()
        self._watch.start(partial(call_from_thread, asyncio.get_running_loop(), self._on_change))
        await self._has_read_all.wait()

    def on_stop(self) -> None:
        """Leave what comes from now on to the next start."""
        self._is_stopped = True
        self._timer.stop()
        self._watch.close()

    @property
    def has_answers(self) -> bool:
        """Whether answers are still to be written."""
        return bool(self._answers or self._writing)

    def trouble(self) -> str:
        """Why replies cannot be written now, "" while they can."""
        return f"{self._unwritten} of them wait" if self._unwritten else ""

    def _poll(self) -> None:
        self._polls += 1
        if self._polls % ROTATE_EVERY == 0:
            self._aside(lambda: self._spool.rotate(KEEP_FILES, KEEP_SECONDS), lambda _: None)
        self.look()

    def _on_change(self) -> None:
        self._has_changed = True
        self.look()

    def look(self) -> None:
        """Read every file that came since, and write the replies."""
        if self._is_busy:
            return
        self._is_busy, self._has_changed = True, False
        self._writing, self._answers = self._answers, {}
        answers = [(i, content, self._path(i)) for i, content in self._writing.items()]
        has_room = len(answers) <= UNWRITTEN_MAX and not (self._ready or self._is_stopped)
        self._aside(partial(self._read, answers, has_room), self._on_read)

    def _read(self, answers: list[Answered], has_room: bool) -> list[SpooledCommand]:
        """Runs aside; an error must not end the reader."""
        try:
            return self._reading.work(answers, has_room)
        except Exception as e:
            self._failures.append(e)
            return []

    def _path(self, command_id: str) -> Path | None:
        pending = self._pending.get(command_id)
        return None if pending is None else pending[0]

    def _on_read(self, commands: list[SpooledCommand]) -> None:
        self._is_busy = False
        self._unwritten = len(self._reading.unwritten)
        for command_id, content in self._writing.items():
            if command_id in self._reading.unwritten:  # a full disk
                self._answers.setdefault(command_id, content)
            elif command_id not in self._answers:
                self._pending.pop(command_id, None)
        self._writing = {}
        for spooled in commands:
            self._pending[spooled.command.id] = (spooled.path, spooled.command.digest)
        self._ready += commands
        self._deliver_ready()
        if self._failures:
            report(self._failures.pop())
        elif self._answers and not (self._is_busy or self._reading.unwritten):
            self.look()
        elif (self._reading.has_more or self._has_changed) and not self._is_stopped:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self.look)
        elif not (self._ready or self._is_busy):
            self._has_read_all.set()

    # -- delivery ----------------------------------------------------------------------------------

    def _deliver_ready(self) -> None:
        """Deliver commands in slices; between them the event loop has its turn."""
        if self._is_handing_over:
            return
        self._is_handing_over = True
        until, left = time.monotonic() + SLICE_SECONDS, SLICE_COMMANDS
        try:
            while self._ready and (self._is_replayed or (left and time.monotonic() < until)):
                left -= self._wait_or_deliver(self._ready.popleft())
        finally:
            self._is_handing_over = False
            if self._ready:
                asyncio.get_running_loop().call_later(0, self._deliver_ready)
            elif not (self._is_busy or self._reading.has_more):
                self._has_read_all.set()

    def _wait_or_deliver(self, spooled: SpooledCommand) -> bool:
        """Deliver a command that is due; whether it was."""
        command, at = spooled.command, spooled.command.at
        if at is None or at <= self._time():
            self._deliver(spooled)
            return True
        if self._waiting_bytes + spooled.size > WAITING_BYTES_MAX:
            rule = f"holds at most {WAITING_BYTES_MAX} bytes of commands for later; send it again"
            refusal = Refusal("QUEUE_FULL", f"the queue {rule} when it is due")
            self._refuse(command, refused(command.id, refusal, self._time()))
            return True
        self._waiting_bytes += spooled.size
        heapq.heappush(self._due, _Waiting(at, command.id, spooled))
        self._set_alert()
        return False

    def _set_alert(self) -> None:
        """One alert for the earliest: Nautilus' clock looks through all of them at each new one."""
        self._alert.set(self._due[0].at if self._due else None)

    def _on_due(self, _: TimeEvent) -> None:
        now = self._time()
        while self._due and self._due[0].at <= now:
            spooled = heapq.heappop(self._due).spooled
            self._waiting_bytes -= spooled.size
            self._ready.append(spooled)
            if self._is_replayed:
                break  # what each causes is done before the next is due, as in a backtest
        self._set_alert()
        self._deliver_ready()

    def _deliver(self, spooled: SpooledCommand) -> None:
        now, command = now_ns(self.clock), spooled.command
        is_dated = command.at is not None or command.expires_at is not None
        wall = time.time_ns()
        sent = sent_at(command, spooled.written_at, wall)
        reply = lapsed(command, now, now if is_dated else wall, sent)
        if reply is not None:
            self._refuse(command, reply)
            return
        self.publish_data(DataType(CommandMessage), CommandMessage(command, now))

    def _on_reply(self, reply: Reply) -> None:
        """Write a reply that is recorded, then move the command's file."""
        content = encode_reply(reply)
        if reply.id in self._pending:
            self._replies[reply.id] = (self._pending[reply.id][1], content)
        elif reply.id in self._replies:
            self._replies[reply.id] = (self._replies[reply.id][0], content)
        self._answers[reply.id] = content
        self.look()
