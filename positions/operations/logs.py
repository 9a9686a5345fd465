"""Bounds the node's log files, over all of its runs together, and writes down unforeseen errors.

Nautilus begins a new file with each run, and bounds only the files of that run.
"""

import os
import traceback
from contextlib import suppress
from pathlib import Path

from positions.storage.private_files import NotPrivate, open_file

FILE_BYTES = 10_000_000
"""A file of this size is put aside and a new one begun."""
FILES_PER_RUN = 5
"""How many files put aside a run keeps."""
FILES_KEPT = 20
"""How many files of earlier runs are kept when a run begins."""


ERRORS = "errors.log"
"""The file of unforeseen errors, in the folder of the logs."""


def prune(folder: Path, keep: int = FILES_KEPT) -> None:
    """Remove the oldest log files but so many."""
    by_age = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns)
    for file in by_age[: max(0, len(by_age) - keep)]:
        file.unlink(missing_ok=True)


def note_text(folder: Path, text: str) -> Path:
    """Append a text to the file of unforeseen errors; returns that file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ERRORS
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return path


def try_to_note(folder: Path, error: BaseException) -> Path | None:
    """Append an error's traceback; returns the file, or None where the disk does not take it."""
    try:
        return note_error(folder, error)
    except OSError:
        return None


def note_error(folder: Path, error: BaseException) -> Path:
    """Append an error's traceback to the file of such errors; returns that file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ERRORS
    if path.exists() and path.stat().st_size > FILE_BYTES:
        path.unlink()
    with suppress(NotPrivate):  # a link in its place is not followed
        opened = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(opened, "a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    return path
