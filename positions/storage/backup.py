"""Copies of a whole record, and a record made of one.

A copy is a database of its own with everything in it, consistent as of one moment; the notes of
`sent.log` travel in it. While a node runs only that node can read its record, so it is asked for
the copy, as for its history.
"""

import os
import shutil
import time
from pathlib import Path

from positions.storage.locks import StateLock, holder
from positions.storage.private_files import FILE_MODE, open_file, owner_only
from positions.storage.record_copies import copy_record, import_copy, note_sent_log, read_settings
from positions.storage.schema import StoreError

WANTED = "backup.wanted"
COPY = "backup.duckdb"
_ANSWER_SECONDS = 60.0
_SENT_LOG = "sent_log"


def export(state: Path, target: Path) -> None:
    """Copy the record of a state folder to a file, replacing an earlier one at once.

    Raises StoreError if there is no record, or it cannot be copied.
    """
    is_running = holder(state) is not None  # its node has a record that was removed, too
    if not (is_running or (state / "positions.duckdb").exists()):
        raise StoreError(f"no record at {state}: there is nothing to export")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: there is no folder {target.parent}: make it first")
    if target.is_dir():
        raise StoreError(f"{target}: is a folder, must be the name of a file")
    aside = target.with_name(f".{target.name}.part")
    aside.unlink(missing_ok=True)
    sent = _sent_log(state)  # before the copy: what it misses is in the copy
    with owner_only():
        if is_running:
            _ask(state)
        else:
            with StateLock(state, "export"):
                copy_record(state / "positions.duckdb", state / COPY)
        shutil.move(state / COPY, aside)
        aside.chmod(FILE_MODE)
        note_sent_log(aside, sent)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(target)


def _sent_log(state: Path) -> str:
    path = state / "sent.log"
    if not path.exists():
        return ""
    with os.fdopen(open_file(path, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
        return file.read()


def _ask(state: Path) -> None:
    request = state / WANTED
    request.touch()
    given_up = time.monotonic() + _ANSWER_SECONDS
    while request.exists():
        if time.monotonic() > given_up:
            request.unlink(missing_ok=True)
            raise StoreError("the node did not copy its record in time; is it busy?")
        time.sleep(0.05)


def restore(source: Path, state: Path) -> None:
    """Make a copy the record of a state folder that has none.

    Raises StoreError if the folder has a record, or the file is no copy of one.
    """
    if not source.is_file():
        raise StoreError(f"{source}: is no file")
    with owner_only(), StateLock(state, "import"):
        record = state / "positions.duckdb"
        if record.exists():
            rule = "name an empty folder with --state, or move it away"
            raise StoreError(f"{state} holds a record already: {rule}")
        aside = state / "import.duckdb"
        aside.unlink(missing_ok=True)
        import_copy(source, aside)
        settings = read_settings(aside)
        (state / "published.duckdb").unlink(missing_ok=True)
        _write_sent_log(state / "sent.log", settings.get(_SENT_LOG, ""))
        aside.rename(record)


def _write_sent_log(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    file = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(file, "w", encoding="utf-8") as log:
        log.write(content)
