"""What is being recorded, line by line, before it becomes a catalog.

Lines are JSON arrays, appended once a second, so that a recorder that is killed loses no more than
that; the last line may then be torn. A segment that is full is closed, and folded into the catalog
by `recordings.fold`. Nothing but what came since the last second is kept in memory.
"""

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from positions.storage.locks import StateLock

LINES_MAX = 200_000
"""Lines of a segment: what folding it takes in memory is bounded."""
_UNWRITTEN_MAX = 200_000
"""Lines that are kept while the disk takes none; older ones are lost then."""
_ENCODER = msgspec.json.Encoder()


def live(catalog: Path) -> Path:
    """Where the segments of a catalog are."""
    return catalog / "live"


def closed(catalog: Path) -> list[Path]:
    """The segments that are complete, oldest first."""
    return sorted(live(catalog).glob("*.jsonl"))


def close_all(catalog: Path) -> None:
    """Close what a recorder that is no more left open."""
    for path in live(catalog).glob("*.open"):
        path.rename(path.with_suffix(".jsonl"))


class Journal:
    """The segments of one recorder, which holds the catalog while it records."""

    def __init__(self, catalog: Path, lines_max: int = LINES_MAX) -> None:
        self._catalog, self._folder = catalog, live(catalog)
        self._lock: StateLock | None = None
        self._lines_max = lines_max
        self._unwritten: list[bytes] = []
        self._file: int | None = None
        self._path = Path()
        self._lines = 0
        self.total = 0
        """Lines written."""
        self.lost = 0
        """Lines that the disk did not take in time."""

    def hold(self) -> None:
        """Hold the catalog, and close what an earlier recorder left open.

        Raises AlreadyRunning if another process records there.
        """
        if self._lock is None:
            self._lock = StateLock(self._folder, "record").__enter__()
            close_all(self._catalog)

    def release(self) -> None:
        """Write what is left, close the segment and give the catalog up."""
        try:
            self.flush()
        finally:
            self.close()
            if self._lock is not None:
                self._lock.__exit__(None, None, None)
                self._lock = None

    def note(self, *line: Any) -> None:
        """Take a line; it is written by the next `flush`."""
        self._unwritten.append(_ENCODER.encode(line))

    @property
    def is_heavy(self) -> bool:
        """Whether a flush should not wait for the second."""
        return len(self._unwritten) >= 5_000

    def flush(self) -> bool:
        """Write what was noted; whether a segment became complete.

        Raises
        ------
        OSError
            If the disk does not take it; it is kept, and tried again.
        """
        if not self._unwritten:
            return False
        try:
            self._append(b"\n".join(self._unwritten) + b"\n")
        except OSError:
            spare = max(0, len(self._unwritten) - _UNWRITTEN_MAX)
            self.lost += spare
            del self._unwritten[:spare]
            raise
        self._lines += len(self._unwritten)
        self.total += len(self._unwritten)
        self._unwritten.clear()
        if self._lines < self._lines_max:
            return False
        self.close()
        return True

    def _append(self, content: bytes) -> None:
        if self._file is None:
            self._path = self._folder / f"{time.time_ns()}.open"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, content) < len(content):
                raise OSError(28, "the disk is full")
        except OSError:
            os.ftruncate(self._file, before)  # half of it would stand there twice
            os.lseek(self._file, before, os.SEEK_SET)
            raise

    def close(self) -> None:
        """Close the segment that is being written, if there is one."""
        if self._file is not None:
            os.close(self._file)
            self._file, self._lines = None, 0
            self._path.rename(self._path.with_suffix(".jsonl"))
