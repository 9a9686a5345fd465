"""Runs the owner's command for each alarm, on a thread of its own.

The same again within a while is folded, and one command runs at a time: what comes meanwhile is
sent with the next, so that a thousand stops at once start no thousand programs. A command that
fails is tried again, later each time, with what has come since. It outlives the node, so that the
last alarm is sent too. Whoever rings waits for nothing, and may be any thread.
"""

import errno
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from positions.model.foreign_text import REASON_LENGTH, clean
from positions.operations.wallet import SECRETS

FOLD_SECONDS = 60.0
PATIENCE = 30.0
"""Seconds after which a command that still runs is killed, with what it started."""
SENT_AT_ONCE = 20
"""Texts in one command; of more only the number is sent, for a command line has an end."""
WAITING_MAX = 1000
"""Texts that wait; of more only the number is kept."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds after a first, second and later failure in a row."""
STALE_SECONDS = 3600.0
"""An alarm that could not be sent for so long is dropped."""
_LOOK_SECONDS = 0.05
_RESERVED = 6
"""Descriptors that are kept for the command: its start needs three."""
_NOT_RUN = {126: "Permission denied", 127: "No such file or directory"}
"""The shell's exit codes for a program that cannot be run, or is not there."""


class Bell:
    """Calls the owner.

    Parameters
    ----------
    command
        A program and its arguments; the texts, one a line, are added as the last one.
    on_trouble
        Told, on the bell's thread, why the command failed, and "" once it works again.
    pauses
        Seconds to wait after each failure in a row; the last one repeats.
    given
        Variables that the command has beside those of this process that are no secrets.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        on_trouble: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pauses: Sequence[float] = PAUSES,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._given = dict(given or {})
        self._on_trouble = on_trouble
        self._now = clock
        self._pauses = pauses
        self._rung_at: dict[object, float] = {}
        self._pruned_at = clock()
        self._unsent: deque[tuple[float, str]] = deque()
        self._dropped = 0
        self._is_busy = self._is_starting = self._is_closing = False
        self._failures = 0
        self._trouble = ""
        self._reserve = _descriptors()
        self._condition = threading.Condition()
        self.thread = threading.Thread(target=self._serve, name="bell", daemon=True)
        self.thread.start()

    def ring(self, text: str, key: object) -> None:
        """Notify the owner, unless an alarm with the same `key` was sent just now."""
        now = self._now()
        with self._condition:
            if now - self._rung_at.get(key, -FOLD_SECONDS) < FOLD_SECONDS:
                return
            self._forget(now)
            self._rung_at[key] = now
            if len(self._unsent) < WAITING_MAX:
                self._unsent.append((now, clean(text, REASON_LENGTH)))
            else:
                self._dropped += 1
            self._condition.notify_all()

    def _forget(self, now: float) -> None:
        if now - self._pruned_at >= FOLD_SECONDS:
            self._pruned_at = now
            self._rung_at = {k: t for k, t in self._rung_at.items() if now - t < FOLD_SECONDS}

    def close(self, seconds: float = 2.0) -> None:
        """End once the command for what is queued has begun; waits for `seconds` at most."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: not (self._unsent or self._is_starting), seconds)

    @property
    def is_quiet(self) -> bool:
        """Whether no alarm waits and no command runs."""
        with self._condition:
            return not (self._unsent or self._is_busy)

    def _serve(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._unsent or self._is_closing)
                if not self._unsent:
                    return
                texts, dropped = self._take()
            why = self._run(_joined([text for _, text in texts], dropped))
            with self._condition:
                self._is_busy = False
                if why:
                    oldest = self._now() - STALE_SECONDS
                    self._unsent.extendleft(t for t in reversed(texts) if t[0] > oldest)
                    self._dropped += dropped
            self._tell_trouble(why)
            if why:
                self._pause()

    def _take(self) -> tuple[list[tuple[float, str]], int]:
        taken = list(self._unsent), self._dropped
        self._unsent.clear()
        self._dropped = 0
        self._is_busy = self._is_starting = True
        return taken

    def _tell_trouble(self, why: str) -> None:
        self._failures = self._failures + 1 if why else 0
        if why != self._trouble:
            self._trouble = why
            self._on_trouble(why)

    def _pause(self) -> None:
        """Wait after a failure; what comes new is tried once the shortest wait is over."""
        whole = self._pauses[min(self._failures, len(self._pauses)) - 1]
        least = min(whole, self._pauses[0])
        with self._condition:
            waiting = len(self._unsent)
            self._condition.wait_for(lambda: self._is_closing, least)
            self._condition.wait_for(
                lambda: self._is_closing or len(self._unsent) > waiting, whole - least
            )
            if self._is_closing:
                self._unsent.clear()

    def _run(self, text: str) -> str:
        """Run the command to its end; returns why it failed, "" if it did not."""
        until = self._now() + PATIENCE
        try:
            process = self._start_at_any_cost(text)
        except (OSError, ValueError, MemoryError) as e:
            return f"cannot be run: {e}"
        finally:
            with self._condition:
                self._is_starting = False
                self._condition.notify_all()
        while process.poll() is None:
            if self._now() >= until:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"ran over {PATIENCE:.0f} s and was killed"
            time.sleep(_LOOK_SECONDS)
        code = process.returncode
        if code < 0:
            return f"failed: ended by signal {-code}"
        if code in _NOT_RUN:
            return f"cannot be run: {_NOT_RUN[code]}: {self._command[0]}"
        return f"failed: exit {code}" if code else ""

    def _start_at_any_cost(self, text: str) -> subprocess.Popen[bytes]:
        try:
            return self._start(text)
        except OSError as e:
            if e.errno not in (errno.EMFILE, errno.ENFILE) or not self._reserve:
                raise
            for descriptor in self._reserve:
                os.close(descriptor)
            try:
                return self._start(text)
            finally:
                self._reserve = _descriptors()

    def _start(self, text: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            # Python waits, with its lock held, until a program is read: one on a disk that hangs
            # would hold all threads. So the shell is started, and reads it.
            ["/bin/sh", "-c", 'exec "$@"', "sh", *self._command, text],
            env={n: v for n, v in os.environ.items() if n not in SECRETS} | self._given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _descriptors() -> list[int]:
    """Descriptors that are given back when there is no other; as many as can be had."""
    kept: list[int] = []
    with suppress(OSError):
        while len(kept) < _RESERVED:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    return kept


def _joined(texts: list[str], dropped: int) -> str:
    rest = len(texts) - SENT_AT_ONCE + dropped
    more = [f"and {rest} more"] if rest > 0 else []
    return "\n".join([*texts[:SENT_AT_ONCE], *more])
