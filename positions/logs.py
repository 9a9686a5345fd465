"""Bounds the node's log files, over all of its runs together.

Nautilus begins a new file with each run, and bounds only the files of that run.
"""

from pathlib import Path

FILE_BYTES = 10_000_000
"""A file of this size is put aside and a new one begun."""
FILES_PER_RUN = 5
"""How many files put aside a run keeps."""
FILES_KEPT = 20
"""How many files of earlier runs are kept when a run begins."""


def prune(folder: Path, keep: int = FILES_KEPT) -> None:
    """Remove the oldest log files but so many."""
    by_age = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns)
    for file in by_age[: max(0, len(by_age) - keep)]:
        file.unlink(missing_ok=True)
