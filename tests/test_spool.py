"""The queue of commands: what is thrown at it, it answers or sets aside, and nothing is lost."""

import os
import random
import threading
from pathlib import Path

import hostile
import pytest

from positions.commands.messages import Malformed, decode
from positions.storage.spool import SIZE_MAX, Spool, SpoolError, uuid7


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_what_is_put_waits_in_order_and_is_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    ids = [spool.put(f"{n}".encode()) for n in range(20)]
    files = spool.waiting()
    assert [f.stem for f in files] == ids
    assert [spool.read(f) for f in files] == [f"{n}".encode() for n in range(20)]
    for f in files:
        spool.finish(f)
    assert spool.waiting() == []


def test_an_id_is_queued_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    command_id = spool.put(b"one")
    with pytest.raises(FileExistsError):
        spool.put(b"two", command_id)
    assert spool.read(spool.waiting()[0]) == b"one"


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    def write() -> None:
        for _ in range(50):
            spool.put(b"x")

    writers = [threading.Thread(target=write) for _ in range(4)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    assert len(spool.waiting()) == 200


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "large"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    spool = Spool(tmp_path)
    path = tmp_path / "spool" / "new" / f"{uuid7()}.json"
    secret = tmp_path / "secret"
    secret.write_text("secret")
    match kind:
        case "link":
            path.symlink_to(secret)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_bytes(b"x" * (SIZE_MAX + 1))
    with pytest.raises(SpoolError):
        spool.read(path)
    spool.reject(path, b"why")
    assert spool.waiting() == []
    assert spool.read_reply(path.stem) == b"why"
    assert secret.read_text() == "secret"


def test_odd_names_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in ("notes.txt", ".swp", "A" * 200, "x.json"):
        (tmp_path / "spool" / "new" / name).write_text("?")
    assert spool.waiting() == []
    assert len(list((tmp_path / "spool" / "bad").glob("*.reason"))) == 4


def test_the_oldest_are_deleted_when_there_are_many(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    ids = [uuid7() for _ in range(10)]
    for command_id in ids:
        spool.reply(command_id, b"{}")
    spool.rotate(keep=3, seconds=60)
    assert all(spool.read_reply(i) for i in ids), "too young to go"
    spool.rotate(keep=3, seconds=0)
    assert [i for i in ids if spool.read_reply(i)] == ids[-3:]


def refusal(content: bytes) -> str:
    """Why a content is refused; empty where it is understood."""
    try:
        decode(content, uuid7())
    except Malformed as e:
        return str(e)
    return ""


def test_ten_thousand_hostile_contents_are_named_by_field_and_rule() -> None:
    rng = random.Random(5)
    refusals = [why for why in (refusal(hostile.content(rng)) for _ in range(10_000)) if why]
    assert len(refusals) > 9_900
    for why in refusals:
        assert " was " in why
        assert len(why) < 700
        assert "\n" not in why
