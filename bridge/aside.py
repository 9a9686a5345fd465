"""Work that may wait for a disk, run beside the event loop, one piece after the other."""

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol


class Aside(Protocol):
    """Runs a job, and hands on what it gives."""

    def __call__[T](self, job: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `job`, and `then` with what it gave, on the event loop."""


def inline[T](job: Callable[[], T], then: Callable[[T], object]) -> None:
    """Run the job at once, for want of an event loop."""
    then(job())


_Job = tuple[Callable[[], Any], Callable[[Any], object]]


class Worker:
    """A thread of its own; a job that waits for ever keeps neither the loop nor the end waiting.

    Parameters
    ----------
    name
        The thread's.
    call
        Runs a function on the event loop, such as `loop.call_soon_threadsafe`.
    """

    def __init__(self, name: str, call: Callable[..., object]) -> None:
        self._call = call
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __call__[T](self, job: Callable[[], T], then: Callable[[T], object]) -> None:
        """Run `job` on the thread, then `then` with what it gave on the event loop."""
        self._jobs.put((job, then))

    def close(self, seconds: float) -> bool:
        """Finish what is to be done; whether that took no longer than so many seconds."""
        self._jobs.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (asked := self._jobs.get()) is not None:
            job, then = asked
            try:
                done: Callable[[], object] = partial(then, job())
            except Exception as e:  # told by the event loop's own handler
                done = partial(_raise, e)
            try:
                self._call(done)
            except RuntimeError:
                continue  # the loop has ended; what is still to be written is written


def _raise(error: Exception) -> None:
    raise error
