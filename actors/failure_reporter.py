"""Reports failures of the process: unexpected errors, dead threads, a stuck event loop."""

import asyncio
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from actors.journal import NodeJournal
from bridge.aside import Worker, call_from_thread
from positions.operations import logs
from positions.operations.bell import Bell
from positions.operations.console import Terminal
from positions.operations.loop_watch import LoopWatch
from positions.storage.pulse import Pulse


class FailureReporter:
    """Reports to the journal, the error log, the console and the owner's alarm command."""

    def __init__(
        self,
        journal: NodeJournal,
        terminal: Terminal,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        disk: Worker,
        command: tuple[str, ...],
    ) -> None:
        self._journal = journal
        self._terminal = terminal
        self._folder = folder
        self._loop = loop
        self._disk = disk
        failed = partial(call_from_thread, loop, journal.bell_failed)
        self.bell = Bell(command, failed) if command else None
        self._watch: LoopWatch
        loop.set_exception_handler(self._on_loop_error)

    def watch(self, pulse: Pulse, seconds: int | None) -> LoopWatch:
        """A watch of the event loop that reports here; a stuck process ends after so long."""
        self._watch = LoopWatch(pulse, self._on_stuck, self.end, seconds)
        return self._watch

    def _on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report an error of a callback, or of a task that nothing awaits; the node goes on."""
        error = context.get("exception") or RuntimeError(context["message"])
        self._journal.unforeseen(error, self._folder / logs.ERRORS)
        self._disk(partial(logs.try_to_note, self._folder, error), lambda _: None)

    def on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        """Report an error that ended a thread."""
        error = args.exc_value or args.exc_type()
        log = logs.note_error(self._folder, error)
        call_from_thread(self._loop, self._journal.unforeseen, error, log)

    def _on_stuck(self, what: str) -> None:
        """Report a stuck event loop from beside it: what the loop is to report comes too late."""
        call_from_thread(self._loop, self._journal.stood, what)
        if not what:
            return
        if self.bell is not None:
            self.bell.ring(what, "stuck")
        self._terminal.warn(f"ALARM: {what}")
        with suppress(OSError):
            logs.note_text(self._folder, "\n  ".join([what, *self._watch.where()]))

    def warn(self, what: str) -> None:
        """Call the owner about what is no fault, as the end of a node that holds shares."""
        if self.bell is not None:
            self.bell.ring(what, "warning")
        self._terminal.warn(f"ALARM: {what}")

    def end(self, code: int, why: str) -> None:
        """End the process at once: what matters is on disk, and the next process resumes it."""
        with suppress(Exception):
            if self.bell is not None:
                self.bell.ring(why, "end")
        with suppress(Exception):
            self._terminal.warn(f"polybracket: {why}")
            self._terminal.err.wait(1.0)
        with suppress(Exception):
            if self.bell is not None:
                self.bell.close(5.0)
        os._exit(code)
