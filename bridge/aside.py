"""Jobs that may wait for a disk, run beside the event loop one after the other."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from bridge.boundary import raise_again
from positions.storage.patience import HUNG, HUNG_SECONDS


class Aside(Protocol):
    """Runs a job, and hands on what it gives."""

    def __call__[T](self, job: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `job`, and `then` with what it gave, on the event loop."""


def call_from_thread(
    loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: object
) -> None:
    """Have the event loop call something, from any thread, unless the loop has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *args)


def inline[T](job: Callable[[], T], then: Callable[[T], object]) -> None:
    """Run the job at once, for want of an event loop."""
    then(job())


_Job = tuple[Callable[[], Any], Callable[[Any], object]]


class Threads(ThreadPoolExecutor):
    """Threads for what waits for the venue, the first of them started at once.

    Where no further one can be started, what is asked for has been queued: it is no error, for one
    that is free takes it up, and an order that counted as never sent would be posted all the same.
    """

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._why = ""
        self.submit(int)

    def trouble(self) -> str:
        """Why no further thread can be started now, "" while one can."""
        return self._why

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as e:
            if not self._threads:
                raise
            self._why = str(e)
        else:
            self._why = ""


class Worker:
    """A thread of its own; a job that waits for ever keeps neither the loop nor the end waiting."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._begun: float | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __call__[T](self, job: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `job` on the thread, then `then` with what it gave on the event loop."""
        self._jobs.put((job, then))

    def trouble(self) -> str:
        """Why no job is done now, "" while they are."""
        begun = self._begun
        is_stuck = begun is not None and time.monotonic() - begun > HUNG_SECONDS
        return HUNG if is_stuck else ""

    def close(self, seconds: float) -> bool:
        """Finish what is to be done; whether that took no longer than so many seconds."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            job, then = work
            self._begun = time.monotonic()
            try:
                done: Callable[[], object] = partial(then, job())
            except Exception as e:  # reported by the event loop's own handler
                done = partial(raise_again, e)
            self._begun = None
            call_from_thread(self._loop, done)  # of an ended loop the jobs are done all the same
