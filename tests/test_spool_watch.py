"""The system's word that something came into the spool, and the end of the thread that hears it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from positions.storage.spool import FIRST, Spool
from positions.storage.spool_watch import SpoolWatch

Eventually = Callable[[Callable[[], Any]], None]


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "spool watch"]


def test_what_comes_into_any_folder_is_told_and_closing_ends_the_thread(
    tmp_path: Path, eventually: Eventually
) -> None:
    spool, told = Spool(tmp_path), list[int]()
    watch = SpoolWatch(spool.waiting_folders)
    watch.start(lambda: told.append(1))
    for folder in ("new", FIRST):

        def comes(folder: str = folder) -> bool:
            """Put one more: the watch begins a moment after its start."""
            spool.put(b"{}", folder=folder)
            return bool(told)

        eventually(comes)
        told.clear()
    watch.close()
    assert threads() == []


def test_a_folder_that_cannot_be_watched_leaves_it_to_the_poll(
    tmp_path: Path, eventually: Eventually
) -> None:
    watch = SpoolWatch([tmp_path / "gone"])
    watch.start(lambda: None)
    eventually(lambda: not threads())
    watch.close()


def test_a_watch_that_was_never_started_is_closed() -> None:
    SpoolWatch([]).close()
