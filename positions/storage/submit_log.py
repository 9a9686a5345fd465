"""What a sale's order is known by at the venue, written down the moment before it is posted.

An exit does not wait for the database. One write to this file survives the process, and says after
a crash what to ask the venue for; once the database has the same, the file is emptied.
"""

import os
from pathlib import Path

import msgspec

from positions.model.orders import SignedOrder, is_order_id, is_venue_order_id
from positions.model.position import Order
from positions.model.soundness import check_order
from positions.storage.private_files import open_file

_BYTES_MAX = 16_000_000
_LINE_MAX = 10_000


class SentLog:
    """The file of one state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._open = 0
        self._is_torn = False

    def write(self, order_id: str, venue_order_id: str, order: Order | None = None) -> str:
        """Note an order that is about to be posted; says why that failed, "" where it did not."""
        self._open += 1
        line = msgspec.json.encode(SignedOrder(order_id, venue_order_id, order=order)) + b"\n"
        try:
            # What a full disk cut short before must not spoil this line.
            written = os.write(self._file, b"\n" * self._is_torn + line) - self._is_torn
        except OSError as e:
            return e.strerror or str(e)
        self._is_torn = written < len(line)
        return "the disk is full" if self._is_torn else ""

    def recorded(self) -> None:
        """One of the orders noted is in the database; with the last of them the file is emptied."""
        self._open -= 1
        if self._open == 0:
            os.ftruncate(self._file, 0)
            self._is_torn = False

    def close(self) -> None:
        """Give the file up; what is in it stays."""
        os.close(self._file)


def read(path: Path) -> list[SignedOrder]:
    """What the file holds; a line that cannot be that of an order is left out.

    The last may have been cut short by a crash. Of a file that is too large only the end is read:
    it is emptied whenever the record has all of it.
    """
    if not path.exists():
        return []
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
        file.seek(max(0, path.stat().st_size - _BYTES_MAX))
        content = file.read(_BYTES_MAX)
    return [one for line in content.split(b"\n") if (one := _order(line)) is not None]


def _order(line: bytes) -> SignedOrder | None:
    if not 0 < len(line) <= _LINE_MAX:
        return None
    try:
        entry = msgspec.json.decode(line, type=SignedOrder)
        if entry.order is not None:
            check_order(entry.order)
    except Exception:  # whatever it holds, the others are read
        return None
    is_known = is_order_id(entry.order_id) and is_venue_order_id(entry.venue_order_id)
    return entry if is_known and entry.role is None else None
