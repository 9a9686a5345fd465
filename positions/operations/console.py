"""What a node prints: every line goes through a bounded queue to a thread that may wait.

A terminal can stand still (Ctrl-S, an ssh session that hangs, a pager), a pipe can break, a disk be
full. None of that may hold up, or raise in, whoever has something to say. While a `Terminal` is
open, file descriptors 1 and 2 are pipes that are always read: Nautilus' logger, which waits for its
terminal and aborts the process when that is gone, and every other library print through it too.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self, TextIO

LINES_MAX = 10_000
"""Lines that wait for a terminal; of more the oldest are dropped, and how many is said."""
PATIENCE = 1.0
"""Seconds that the end of a node waits for its terminal."""
_READ_BYTES = 65_536
_AT_ONCE = 100
Line = str | bytes | Callable[[], str]
"""A line of text, bytes as they are, or what makes the line when it is written."""


def open_missing() -> None:
    """Give standard streams that are closed a place: the next file would take their numbers, and
    what is printed would be written into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


class Console:
    """One standard stream, written by a thread of its own.

    A stream that has no file of its own is written to itself; of another, `number` is duplicated.
    """

    def __init__(self, number: int, stream: TextIO | None) -> None:
        self._stream: TextIO | None = None
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._file = -1
        try:
            if stream is not None:
                stream.fileno()
            self._file = os.dup(number)
        except (OSError, ValueError):  # it has been replaced within Python, or is closed
            self._stream = stream
        self._waiting: deque[Line] = deque()
        self._condition = threading.Condition()
        self._is_writing = self._is_closing = False
        self._dropped = 0
        self.lost = 0
        """Lines that were never printed."""
        self.why = ""
        """Why the last of them was not."""
        self._thread = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._thread.start()

    def say(self, line: Line) -> None:
        """Print a line, some time or never; does not wait and does not raise."""
        with self._condition:
            self._waiting.append(line)
            if len(self._waiting) > LINES_MAX:
                self._waiting.popleft()
                self._lose(1, "it stood still")
            self._condition.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all is printed; whether it is."""
        with self._condition:
            return self._condition.wait_for(self._is_done, seconds)

    def _is_done(self) -> bool:
        return not (self._waiting or self._is_writing)

    def close(self, seconds: float) -> bool:
        """Print what waits, and end; whether that was possible within so many seconds."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _lose(self, lines: int, why: str) -> None:
        self._dropped += lines
        self.lost += lines
        self.why = why

    def _write_all(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._is_closing)
                count = min(_AT_ONCE, len(self._waiting))
                lines = [self._waiting.popleft() for _ in range(count)]
                dropped, self._dropped = self._dropped, 0
                self._is_writing = bool(lines)
            if not lines:
                break
            if dropped:
                lines.insert(0, f"({dropped} lines were not printed: {self.why})")
            data = b"".join(_encoded(line, self._encoding) for line in lines)
            try:
                self._write(data)
            except (OSError, ValueError) as e:
                with self._condition:
                    why = getattr(e, "strerror", None) or str(e)
                    self._lose(data.count(b"\n") - bool(dropped), why)
                    self._dropped += dropped
            with self._condition:
                self._is_writing = False
                self._condition.notify_all()
        if self._file >= 0:
            os.close(self._file)

    def _write(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data.decode(self._encoding, "replace"))
            self._stream.flush()
            return
        while data and self._file >= 0:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:  # somebody else made the terminal a non-blocking one
                select.select([], [self._file], [])


def _encoded(line: Line, encoding: str) -> bytes:
    if isinstance(line, bytes):
        return line
    try:
        text = line if isinstance(line, str) else line()
    except Exception as e:  # one line that cannot be printed must not end the thread
        text = f"(a line cannot be printed: {type(e).__name__}: {e})"
    return f"{text}\n".encode(encoding, "backslashreplace")


class Terminal:
    """Standard output and standard error of a node, which never hold it up.

    As a context it also takes over what anything else in this process prints; at its end it waits
    `PATIENCE` seconds for the terminal, and no longer.
    """

    def __init__(self) -> None:
        self.out = Console(1, sys.stdout)
        self.err = Console(2, sys.stderr)
        self._relays: list[tuple[int, int, threading.Thread]] = []
        self._on_ttou: object = None

    def say(self, line: Line) -> None:
        """Print a line to standard output."""
        self.out.say(line)

    def warn(self, line: Line) -> None:
        """Print a line to standard error."""
        self.err.say(line)

    def __enter__(self) -> Self:
        open_missing()
        if threading.current_thread() is threading.main_thread():
            # A node in the background may write to a terminal that stops those who do.
            self._on_ttou = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        for number, console in ((1, self.out), (2, self.err)):
            _flush()
            duplicate = os.dup(number)
            reader, writer = os.pipe()
            os.dup2(writer, number)
            os.close(writer)
            relay = threading.Thread(target=_relay, args=(reader, console), daemon=True)
            relay.start()
            self._relays.append((number, duplicate, relay))
        return self

    def __exit__(self, *_: object) -> None:
        _flush()
        if self._on_ttou is not None:
            signal.signal(signal.SIGTTOU, self._on_ttou)  # type: ignore[arg-type]
        self.close()

    def close(self) -> None:
        """Print what waits, for as long as `PATIENCE` lasts; what is lost is reported."""
        until = time.monotonic() + PATIENCE
        self._tell_lost()
        is_done = all(c.wait(until - time.monotonic()) for c in (self.out, self.err))
        # While the terminal stands still, what is yet to be printed goes on into the pipes.
        for number, duplicate, relay in self._relays if is_done else ():
            os.dup2(duplicate, number)
            relay.join(max(0.0, until - time.monotonic()))
        for _, duplicate, _ in self._relays:
            os.close(duplicate)
        self._relays = []
        for console in (self.out, self.err):
            console.close(max(0.0, until - time.monotonic()))

    def _tell_lost(self) -> None:
        self.out.wait(PATIENCE / 2)
        if self.out.lost:
            lost, why = self.out.lost, self.out.why
            self.err.say(f"polybracket: {lost} lines could not be printed: {why}")


def _relay(reader: int, console: Console) -> None:
    """Hand on what is printed into a pipe, until nobody has it open for writing."""
    while data := os.read(reader, _READ_BYTES):
        console.say(data)
    os.close(reader)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
