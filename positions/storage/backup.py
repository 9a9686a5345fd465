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
from positions.storage.record_copies import copy_record, note_sent_log, read_settings
from positions.storage.schema import StoreError

WANTED = "backup.wanted"
COPY = "backup.duckdb"
_ANSWER_SECONDS = 60.0
_SENT_LOG = "sent_log"


def export(state: Path, target: Path) -> None:
    """Copy the record of a state folder to a file, replacing an earlier one at once.

    Raises
    ------
    StoreError
        If there is no record, or it cannot be copied.
    """
    if not (state / "positions.duckdb").exists():
        raise StoreError(f"no record at {state}: there is nothing to export")
    aside = target.with_name(f".{target.name}.part")
    sent = _sent_log(state)  # before the copy: what it misses is in the copy
    if holder(state) is None:
        with StateLock(state, "export"):
            copy_record(state / "positions.duckdb", aside)
    else:
        _ask(state)
        shutil.move(state / COPY, aside)
    note_sent_log(aside, sent)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(target)


def _sent_log(state: Path) -> str:
    path = state / "sent.log"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _ask(state: Path) -> None:
    wanted = state / WANTED
    wanted.touch()
    given_up = time.monotonic() + _ANSWER_SECONDS
    while wanted.exists():
        if time.monotonic() > given_up:
            wanted.unlink(missing_ok=True)
            raise StoreError("the node did not copy its record in time; is it busy?")
        time.sleep(0.05)


def restore(source: Path, state: Path) -> None:
    """Make a copy the record of a state folder that has none.

    Raises
    ------
    StoreError
        If the folder has a record, or the file is no copy of one.
    """
    if not source.is_file():
        raise StoreError(f"{source}: is no file")
    with StateLock(state, "import"):
        record = state / "positions.duckdb"
        if record.exists():
            rule = "name an empty folder with --state, or move it away"
            raise StoreError(f"{state} holds a record already: {rule}")
        aside = state / "import.duckdb"
        shutil.copyfile(source, aside)
        try:
            settings = read_settings(aside)
        except StoreError as e:
            aside.unlink()
            raise StoreError(str(e).replace(str(aside), str(source))) from None
        (state / "published.duckdb").unlink(missing_ok=True)
        (state / "sent.log").write_text(settings.get(_SENT_LOG, ""), encoding="utf-8")
        aside.rename(record)
