"""The note of an order outlives the process, and is dropped once the database has it."""

from decimal import Decimal
from pathlib import Path

from positions.model.orders import SignedOrder
from positions.model.position import Order, Role
from positions.storage.submit_log import SentLog, read


def test_what_was_written_is_read_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "sent.log"
    assert read(path) == []
    log = SentLog(path)
    log.write("P-1", "0xaa")
    order = Order("P-2", Role.EXIT, Decimal("0.41"), Decimal(20), 7, 3, immediate=True)
    log.write("P-2", "0xbb", order)
    log.write("P-4", "\u00e9")
    log.write("\u00e9-4", "0xdd")
    with path.open("ab") as file:
        file.write(b'{"order_id":"P-3","ven')
    assert read(path) == [SignedOrder("P-1", "0xaa"), SignedOrder("P-2", "0xbb", order=order)]
    assert path.stat().st_mode & 0o077 == 0
    log.close()


def test_the_file_is_emptied_when_everything_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "sent.log"
    log = SentLog(path)
    log.write("P-1", "0xaa")
    log.write("P-2", "0xbb")
    log.recorded()
    assert len(read(path)) == 2
    log.recorded()
    assert read(path) == []
    log.write("P-3", "0xcc")
    assert read(path) == [SignedOrder("P-3", "0xcc")]
    log.close()
