"""The table of `docs/storage-faults.md`, row by row."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from stage import START, Stage, ended, filled, quote, submit, turn
from test_store import lives
from world import World

import node
from positions.model.durations import SECOND
from positions.model.orders import SignedOrder
from positions.model.position import Backoff, Role, update
from positions.operations.settings import Settings
from positions.storage.locks import AlreadyRunning, StateLock, WalletLock, holder
from positions.storage.pulse import Pulse
from positions.storage.resume import KEPT, Cursor, prepare, sign
from positions.storage.schema import StoreError
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import DISPLACED, Store
from positions.storage.submit_log import SentLog, read


def opened(folder: Path, failures: list[str] | None = None) -> Store:
    told = failures if failures is not None else []
    return Store(folder / "positions.duckdb", lambda f: f(), told.append)


def killed_with(folder: Path) -> None:
    """A record as a killed node leaves it: what was committed is in the write-ahead log."""
    script = (
        "import os, sys; from pathlib import Path; from test_storage_faults import opened, lives\n"
        "s = opened(Path(sys.argv[1]))\n"
        "for step in lives(6).steps: s.step(step)\n"
        "s.flush(); s.cursor().execute('SELECT 1'); os._exit(0)"
    )
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{root}:{root / 'tests'}"}
    done = subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, check=False)
    assert done.returncode == 0


def events(store: Store) -> int:
    found = store.cursor().execute("SELECT count(*) FROM events").fetchone()
    return int(found[0]) if found else 0


# -- a full disk -----------------------------------------------------------------------------------


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file may grow beyond what this one has now and a little more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_full_disk_kept_out_is_written_once_there_is_room(tmp_path: Path) -> None:
    failures: list[str] = []
    done: list[int] = []
    store = opened(tmp_path, failures)
    steps = lives(40).steps
    store.step(steps[0])
    store.flush()
    with full_disk(tmp_path / "positions.duckdb.wal"):
        with store.together():  # else the first of them may still have room
            for number, step in enumerate(steps[1:]):
                store.step(step, lambda n=number: done.append(n))  # type: ignore[misc]
        until(lambda: failures)
        store.flush()  # does not wait for a disk that is full
        assert store.pending
        assert not done
    until(lambda: not store.pending)
    assert failures[0].startswith("TransactionContext Error")
    assert failures[-1] == ""
    until(lambda: len(done) == len(steps) - 1)
    store.close()
    again = opened(tmp_path)
    assert events(again) == len(steps), "each event is there once"
    for position in {s.position.id: s.position for s in steps}.values():
        assert again.replay(position.id) == position
    again.close()


def test_a_node_may_stop_while_the_disk_is_full(tmp_path: Path) -> None:
    store = opened(tmp_path)
    steps = lives(40).steps
    store.step(steps[0])
    store.flush()
    with full_disk(tmp_path / "positions.duckdb.wal"):
        with store.together():
            for step in steps[1:]:
                store.step(step)
        until(lambda: store.failure)
        store.flush()
        store.close()
    again = opened(tmp_path)
    assert events(again) == 1
    again.close()


def test_rows_that_are_replaced_do_not_pile_up_while_the_disk_is_full(tmp_path: Path) -> None:
    failures: list[str] = []
    store = opened(tmp_path, failures)
    store.set("x", "0")
    store.flush()
    with full_disk(tmp_path / "positions.duckdb.wal"):
        for number in range(50):
            store.set("x", str(number) * 10_000)
        store.account(("order", "P-1", "y" * 30_000) for _ in range(50))
        until(lambda: store.failure)
        until(lambda: store.pending <= 2)
    until(lambda: not store.pending)
    assert store.setting("x") == "49" * 10_000
    store.close()


class FailsOnce(Store):
    """DuckDB gave the file up; it refuses everything until that is opened anew."""

    has_failed = False

    def _write(self, rows: list[Any]) -> None:
        if not self.has_failed:
            self.has_failed = True
            self._connection.close()
            raise duckdb.FatalException("the database has been invalidated")
        super()._write(rows)


def test_a_database_that_gave_up_is_opened_anew(tmp_path: Path) -> None:
    failures: list[str] = []
    store = FailsOnce(tmp_path / "positions.duckdb", lambda f: f(), failures.append)
    store.set("x", "1")
    until(lambda: failures[-1:] == [""])
    assert store.setting("x") == "1"
    assert failures == ["the database has been invalidated", ""]
    store.close()


def removed(path: Path) -> None:
    path.unlink()


def moved_away(path: Path) -> None:
    path.rename(path.with_name("mine.duckdb"))


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(path.read_bytes())
    path.with_name("new").rename(path)


def moved_with_its_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("displace", [removed, moved_away, replaced, moved_with_its_folder])
@pytest.mark.parametrize("is_idle", [True, False])
def test_a_record_that_is_taken_away_from_a_running_node_is_told(
    displace: Callable[[Path], None], is_idle: bool, tmp_path: Path
) -> None:
    folder, failures = tmp_path / "state", list[str]()
    folder.mkdir()
    store = opened(folder, failures)
    store.flush()
    displace(folder / "positions.duckdb")
    if not is_idle:
        store.set("x", "1")
    until(lambda: failures)
    assert failures == [DISPLACED]
    assert store.failure == DISPLACED
    store.close()


def test_a_record_that_is_put_back_is_told(tmp_path: Path) -> None:
    failures = list[str]()
    store = opened(tmp_path, failures)
    path, aside = tmp_path / "positions.duckdb", tmp_path / "mine.duckdb"
    path.rename(aside)
    until(lambda: failures)
    aside.rename(path)
    until(lambda: len(failures) > 1)
    assert failures == [DISPLACED, ""]
    store.close()


def test_a_record_that_was_taken_away_is_not_begun_anew_after_a_fatal_error(tmp_path: Path) -> None:
    failures = list[str]()
    store = FailsOnce(tmp_path / "positions.duckdb", lambda f: f(), failures.append)
    (tmp_path / "positions.duckdb").unlink()
    store.set("x", "1")
    until(lambda: len(failures) > 1)
    assert not (tmp_path / "positions.duckdb").exists()
    store.close()


def test_without_a_record_nothing_is_bought_and_exits_go_on() -> None:
    s = Stage()
    assert quote("0.53", "0.55")(s) == []
    assert submit()(s) == ["buy 100 @0.55"]
    s.engine.record_changed(False)
    assert turn()(s) == ["cancel entry"]
    assert "arm 30 @0.45" in filled(Role.ENTRY, "30", "0.55")(s)
    assert ended(Role.ENTRY)(s) == []
    sent = quote("0.44", "0.46")(s)
    assert sent == ["cancel target", "cancel stop"], "the exit goes on"
    s.engine.record_changed(True)
    assert "buy" not in " ".join(turn()(s))


def test_a_sale_goes_out_though_its_log_cannot_be_written(tmp_path: Path) -> None:
    log = SentLog(tmp_path / "sent.log")
    log.write("P-1", "0xaa")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "sent.log").stat().st_size + 7, hard))
    try:
        assert log.write("P-2", "0xbb") == "the disk is full"
        assert log.write("P-3", "0xcc") == "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.write("P-4", "0xdd") == ""
    assert read(tmp_path / "sent.log") == [SignedOrder("P-1", "0xaa"), SignedOrder("P-4", "0xdd")]
    log.close()


# -- files that cannot be used ---------------------------------------------------------------------


def start(folder: Path, capsys: pytest.CaptureFixture[str], mode: str = "paper") -> tuple[int, str]:
    """Try to start a node that has no chance to; its exit code and what it says."""
    code = node.run(Settings(mode=mode, state=str(folder)))  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("polybracket: ")
    assert said.err.count("\n") == 1
    return code, said.err


def rubbish(folder: Path) -> None:
    (folder / "positions.duckdb").write_bytes(b"rubbish" * 1000)


def torn(folder: Path) -> None:
    opened(folder).close()
    content = (folder / "positions.duckdb").read_bytes()
    (folder / "positions.duckdb").write_bytes(content[:4000])


def corrupt_log(folder: Path) -> None:
    killed_with(folder)
    log = folder / "positions.duckdb.wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)


def newer(folder: Path) -> None:
    opened(folder).close()
    with duckdb.connect(str(folder / "positions.duckdb")) as connection:
        connection.execute("INSERT INTO migrations VALUES ('m999_future')")


def of_a_live_node(folder: Path) -> None:
    store = opened(folder)
    sign(store, "live", "")
    store.close()


def without_its_log(folder: Path) -> None:
    """The node published, was killed, and its write-ahead log went."""
    killed_with(folder)
    store = opened(folder)
    publish(folder, store)
    store.close()
    (folder / "positions.duckdb").unlink()
    opened(folder).close()


def publish(folder: Path, store: Store) -> None:
    about = NodeRow("paper", "", False, 1, 0)
    engine = World(0).engine
    copier = SnapshotWriter(
        folder, store.cursor, engine, lambda: Decimal(0), lambda: 0, about, list, Pulse(int)
    )
    copier.publish_last()


@pytest.mark.parametrize("name", ["published.duckdb", "published.tmp", "history.wanted"])
def test_a_folder_in_the_place_of_a_copy_is_moved_aside(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "notes").mkdir(parents=True)
    store = opened(tmp_path)
    publish(tmp_path, store)
    store.close()
    assert (tmp_path / "published.duckdb").is_file()
    assert list(tmp_path.glob(f"{name}*/notes")), "what was in it is kept"


def without_itself(folder: Path) -> None:
    """The node published that it held shares, was killed, and its record went."""
    store, steps = opened(folder), lives(6).steps
    bought = next(n for n, step in enumerate(steps, 1) if step.position.held)
    for step in steps[:bought]:
        store.step(step)
    store.flush()
    publish(folder, store)
    store.close()
    (folder / "positions.duckdb").unlink()


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "not a database": (rubbish, "positions.duckdb cannot be used: "),
    "a torn database": (torn, "positions.duckdb cannot be used: "),
    "a corrupt log": (corrupt_log, "WAL"),
    "a newer version": (newer, "comes from a newer version of polybracket (m999_future)"),
    "another way to run": (of_a_live_node, "holds the record of a live node: give the paper node"),
    "a log that is gone": (without_its_log, "is older than published.duckdb by"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_record_that_cannot_be_used_stops_the_start_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it, message = FAULTS[name]
    break_it(tmp_path)
    before = (tmp_path / "positions.duckdb").read_bytes()
    code, said = start(tmp_path, capsys)
    assert code == 1
    assert message in said
    assert (tmp_path / "positions.duckdb").read_bytes() == before, "nothing was touched"


@pytest.mark.parametrize(
    ("mode", "fresh", "begins"),
    [("paper", False, False), ("paper", True, True), ("live", False, False), ("live", True, False)],
)
def test_a_record_that_is_gone_is_begun_anew_only_where_that_is_asked_for(
    mode: str, fresh: bool, begins: bool, tmp_path: Path
) -> None:
    without_itself(tmp_path)
    (tmp_path / "sent.log").write_text("")
    if begins:
        assert prepare(tmp_path, mode, "", fresh=fresh) is None
        assert list(tmp_path.glob("earlier/*/published.duckdb"))
    else:
        with pytest.raises(StoreError, match=r"no positions.duckdb, and \d+ positions were open"):
            prepare(tmp_path, mode, "", fresh=fresh)
        assert (tmp_path / "published.duckdb").exists()
        assert (tmp_path / "sent.log").exists()


def test_a_log_torn_by_a_power_cut_gives_the_last_whole_commit(tmp_path: Path) -> None:
    killed_with(tmp_path)
    log = tmp_path / "positions.duckdb.wal"
    log.write_bytes(log.read_bytes()[:-10])
    store = opened(tmp_path)
    for position in store.open_positions():
        assert store.replay(position.id) == position
    store.close()


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, said = start(tmp_path / "file", capsys)
    assert code == 1
    assert str(tmp_path / "file") in said


# -- locks -----------------------------------------------------------------------------------------


def test_a_second_node_on_a_folder_is_refused_with_the_process_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StateLock(tmp_path, "paper"):
        code, said = start(tmp_path, capsys)
    assert code == 1
    assert f"{tmp_path} is in use by a running node (process {os.getpid()})" in said


def test_a_second_node_on_a_wallet_is_refused_whatever_its_folder(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    with WalletLock("0xAbC1", environment):
        with pytest.raises(AlreadyRunning, match="the wallet 0xabc1 is in use by a running node"):
            WalletLock("0xabc1", environment).__enter__()
        with WalletLock("0xother", environment):
            pass
    with WalletLock("0xabc1", environment):
        pass


def test_the_lock_of_a_dead_node_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid":1,"mode":"live","started_at":1,"host":"h"}')
    assert holder(tmp_path) is None
    with StateLock(tmp_path, "replay"):
        pass


# -- the clock -------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_holds_no_exit_up() -> None:
    p = update(lives(1).steps[-1].position, backoffs={Role.EXIT: Backoff(3, START + SECOND)})
    assert not p.may_send(Role.EXIT, START)
    assert p.may_send(Role.EXIT, START - 3600 * SECOND)
    assert p.may_send(Role.EXIT, START + 3600 * SECOND)


# -- going on, or beginning anew -------------------------------------------------------------------


def made_by(folder: Path, mode: str, source: str, cursor: str = "") -> None:
    store = opened(folder)
    sign(store, mode, source)
    if cursor:
        store.set("cursor", cursor)
    store.close()


# fmt: off
BEGINNINGS: dict[str, tuple[tuple[str, str, str], tuple[str, str, bool], Cursor | None, bool]] = {
    # the record's mode, source, cursor; the node's mode, source, fresh; cursor, whether aside
    "a replay cut short goes on":
        (("replay", "a", "5 7"), ("replay", "a", False), Cursor(5, 7), False),
    "a replay that ended begins anew":
        (("replay", "a", "over"), ("replay", "a", False), None, True),
    "another recording begins anew":
        (("replay", "a", "5 7"), ("replay", "b", False), None, True),
    "a fresh replay begins anew":
        (("replay", "a", "5 7"), ("replay", "a", True), None, True),
    "a paper node goes on":
        (("paper", "", ""), ("paper", "", False), None, False),
    "a fresh paper node begins anew":
        (("paper", "", ""), ("paper", "", True), None, True),
    "paper after replay begins anew":
        (("replay", "a", "5 7"), ("paper", "", False), None, True),
    "a live node goes on":
        (("live", "0xa", ""), ("live", "0xa", False), None, False),
    "without positions, with another wallet, too":
        (("live", "0xb", ""), ("live", "0xa", False), None, False),
}
# fmt: on


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_beginning(name: str, tmp_path: Path) -> None:
    record, (mode, source, fresh), cursor, aside = BEGINNINGS[name]
    made_by(tmp_path, *record)
    assert prepare(tmp_path, mode, source, fresh=fresh) == cursor
    assert (tmp_path / "positions.duckdb").exists() is not aside
    shelves = list(tmp_path.glob("earlier/*/positions.duckdb"))
    assert len(shelves) == aside


@pytest.mark.parametrize(
    ("mode", "source"), [("x", "0xa"), ("paper", "0xa"), ("live", "\n"), ("", "0xA?"), ("x", "y")]
)
def test_settings_of_a_record_that_cannot_be_keep_no_live_node_from_starting(
    mode: str, source: str, tmp_path: Path
) -> None:
    made_by(tmp_path, mode, source)
    with pytest.raises(StoreError, match="record of a live node"):
        prepare(tmp_path, "paper", "", fresh=False)
    assert prepare(tmp_path, "live", "0xa", fresh=False) is None
    told: list[str] = []
    store = opened(tmp_path)
    store.on_set_aside = told.append
    sign(store, "live", "0xa")
    store.close()
    assert len(told) == 1
    assert "the record named the mode" in told[0]


def test_real_positions_are_never_put_aside(tmp_path: Path) -> None:
    made_by(tmp_path, "live", "")
    for mode, fresh in (("live", True), ("replay", True), ("paper", False)):
        with pytest.raises(StoreError, match=r"real positions|record of a live node"):
            prepare(tmp_path, mode, "", fresh=fresh)
    assert (tmp_path / "positions.duckdb").exists()


def test_two_records_put_aside_in_one_second_are_both_kept(tmp_path: Path) -> None:
    for _ in range(3):
        made_by(tmp_path, "replay", "a", "over")
        prepare(tmp_path, "replay", "a", fresh=False)
    assert len(list(tmp_path.glob("earlier/*/positions.duckdb"))) == 3


def test_the_oldest_records_put_aside_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        shelf = tmp_path / "earlier" / f"2026{number:02}"
        shelf.mkdir(parents=True)
        (shelf / "positions.duckdb").touch()
        os.utime(shelf, (number, number))
    (tmp_path / "earlier" / "202601" / "notes.txt").touch()
    os.utime(tmp_path / "earlier" / "202601", (1, 1))
    made_by(tmp_path, "paper", "")
    prepare(tmp_path, "paper", "", fresh=True)
    left = {p.name for p in (tmp_path / "earlier").iterdir()}
    assert len(left) == KEPT + 1, "one has something of its owner's in it"
    assert left >= {"202601", f"2026{KEPT + 1}"}
    assert not left & {"202600", "202602"}
