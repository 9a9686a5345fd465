"""Ends a node: waits, though not for ever, until what happened is recorded and replied to."""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.component import sync_logger_to_disk

from actors.command_reader import CommandReader
from bridge.aside import Worker
from positions.storage.patience import ends_within
from positions.storage.snapshot_writer import SnapshotWriter
from positions.storage.store import Store

_ANSWER_SECONDS = 5.0
"""How long a stop waits for the last replies to be written."""
_DISK_SECONDS = 15.0
"""How long it waits for a disk that takes nothing of what is to be recorded; all its waits together
are shorter than the 60 s after which systemd kills it."""


class Ending:
    """The end of one node; `warn` takes a line about what the disk did not take."""

    def __init__(
        self,
        store: Store,
        disk: Worker,
        reader: CommandReader,
        snapshots: SnapshotWriter,
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        self._disk = disk
        self._reader = reader
        self._snapshots = snapshots
        self._warn = warn

    async def finish(self) -> None:
        """Wait for the last records and replies, while the disk goes on."""
        time = asyncio.get_running_loop().time
        left, until = 0, 0.0
        while (pending := self._store.pending) and not self._store.failure:
            if pending != left:
                left, until = pending, time() + _DISK_SECONDS
            elif time() > until:
                break
            await asyncio.sleep(0.01)
        until = time() + _ANSWER_SECONDS
        await asyncio.sleep(0.01)
        while self._reader.has_answers and time() < until:
            await asyncio.sleep(0.01)

    def is_on_disk(self) -> bool:
        """Whether the disk has taken all that is to be recorded; warns of what it has not."""
        is_flushed = self._store.flush(_ANSWER_SECONDS)
        lost, failure = self._store.pending, self._store.failure
        if lost:
            why = failure or "the disk does not answer"
            self._warn(f"polybracket: {lost} records could not be written: {why}")
        elif failure:
            self._warn(f"polybracket: {failure}")
        if not (is_flushed and self._snapshots.publish_last(_DISK_SECONDS)):
            text = "the disk does not answer; `status` and `show` read an older copy of the record"
            self._warn(f"polybracket: {text}")
        return not (lost or failure)

    def close(self) -> bool:
        """Give the record and the disk's thread up; whether that could be done."""
        is_closed = self._store.close(_DISK_SECONDS)
        return self._disk.close(_ANSWER_SECONDS) and is_closed

    def sync_log(self, is_closed: bool) -> None:
        """Have the log on disk, and warn where it is not."""
        if not (is_closed and ends_within(_ANSWER_SECONDS, sync_logger_to_disk)):
            self._warn("polybracket: the disk does not answer; the log may lack lines")
