"""Notices at once what comes into the spool, where the operating system tells of it.

It only saves waiting: a network disk, a system without free watches, or a folder that was made anew
tells nothing, and the node goes through its folders every tenth of a second all the same.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

STEP_MILLIS = 5
"""How often the watching thread looks for what the system told."""
_PATIENCE_SECONDS = 1.0


class SpoolWatch:
    """Watches folders on a thread of its own, from `start` to `close`."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_change: Callable[[], object]) -> None:
        """Call back on the thread, soon after something came, went or changed."""
        thread = threading.Thread(
            target=self._watch, args=(on_change,), name="spool watch", daemon=True
        )
        with suppress(RuntimeError):  # no thread can be started
            thread.start()
            self._thread = thread

    def close(self) -> None:
        """End the thread, and with it the system's watch."""
        self._is_over.set()  # it is looked at in each step
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS)

    def _watch(self, on_change: Callable[[], object]) -> None:
        from watchfiles import watch  # takes a moment to load

        step = STEP_MILLIS
        with suppress(Exception):  # the system cannot watch them, or not any more
            for _ in watch(
                *self._folders,
                watch_filter=None,
                debounce=step,
                step=step,
                stop_event=self._is_over,
                recursive=False,
                raise_interrupt=False,
            ):
                on_change()
