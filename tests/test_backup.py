"""A copy of the record, made while a node runs or not, is a record that a node goes on from."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from test_store import lives
from typer.testing import CliRunner
from world import World

from cli.main import app
from positions.storage.backup import WANTED, export, restore
from positions.storage.locks import StateLock
from positions.storage.pulse import Pulse
from positions.storage.resume import Cursor, prepare, sign
from positions.storage.schema import StoreError
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import Store

RUN = CliRunner()


def recorded(folder: Path) -> Store:
    """A record with lives, a replay's cursor and a simulated account."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "positions.duckdb", lambda f: f(), lambda _: None)
    sign(store, "replay", "a recording")
    store.set("cursor", "5 7")
    store.account([("money", "", '{"cash":"7"}')])
    for step in lives(12).steps:
        store.step(step)
    store.flush()
    (folder / "sent.log").write_text('{"order_id":"P-1","venue_order_id":"0xaa"}\n')
    return store


def compare(copy: Path, original: Store) -> None:
    """Everything is there, and a node would go on from it."""
    assert prepare(copy, "replay", "a recording", fresh=False) == Cursor(5, 7)
    again = Store(copy / "positions.duckdb", lambda f: f(), lambda _: None)
    ids = original.cursor().execute("SELECT id FROM positions").fetchall()
    assert ids
    for (position_id,) in ids:
        assert again.replay(position_id) == original.replay(position_id)
    assert again.open_positions() == original.open_positions()
    assert again.account_entries() == original.account_entries()
    assert again.commands() == original.commands()
    again.step(lives(1).steps[0])  # its keys came along: rows are replaced, not doubled
    again.flush()
    assert again.failure == ""
    again.close()
    assert "0xaa" in (copy / "sent.log").read_text()


def test_the_record_of_a_stopped_node(tmp_path: Path) -> None:
    store = recorded(tmp_path / "state")
    store.close()
    arguments = ["export", str(tmp_path / "b.duckdb"), "--state", str(tmp_path / "state")]
    assert RUN.invoke(app, arguments).exit_code == 0
    back = ["import", str(tmp_path / "b.duckdb"), "--state", str(tmp_path / "new")]
    assert RUN.invoke(app, back).exit_code == 0
    original = Store(tmp_path / "state" / "positions.duckdb", lambda f: f(), lambda _: None)
    compare(tmp_path / "new", original)
    original.close()


@pytest.mark.parametrize("is_removed", [False, True])
def test_the_record_of_a_running_node(is_removed: bool, tmp_path: Path) -> None:
    state = tmp_path / "state"
    store = recorded(state)
    if is_removed:
        (state / "positions.duckdb").unlink()
    about = NodeRow("replay", "", False, 1, 0)
    copier = SnapshotWriter(
        state,
        store.cursor,
        World(0).engine,
        lambda: Decimal(0),
        lambda: 0,
        about,
        list,
        Pulse(lambda: 0),
    )
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.02):
            if (state / WANTED).exists():
                copier.publish()

    node = threading.Thread(target=beat)
    with StateLock(state, "replay"):
        node.start()
        try:
            export(state, tmp_path / "b.duckdb")
        finally:
            stopped.set()
            node.join()
    copier.publish_last()
    restore(tmp_path / "b.duckdb", tmp_path / "new")
    compare(tmp_path / "new", store)
    store.close()


def test_a_record_is_never_overwritten_by_an_import(tmp_path: Path) -> None:
    recorded(tmp_path / "state").close()
    export(tmp_path / "state", tmp_path / "b.duckdb")
    with pytest.raises(StoreError, match="holds a record already: name an empty folder"):
        restore(tmp_path / "b.duckdb", tmp_path / "state")


def test_what_is_no_copy_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 1000)
    done = RUN.invoke(app, ["import", str(tmp_path / "rubbish"), "--state", str(tmp_path / "new")])
    assert done.exit_code == 1
    assert f"{tmp_path / 'rubbish'} cannot be used" in done.stderr
    assert not list((tmp_path / "new").glob("*.duckdb"))


def test_nothing_is_exported_where_nothing_is(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["export", str(tmp_path / "b"), "--state", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "there is nothing to export" in done.stderr


def test_the_positions_of_one_wallet_are_not_gone_on_with_by_another(tmp_path: Path) -> None:
    store = recorded(tmp_path)
    sign(store, "live", "0xa")
    store.close()
    assert prepare(tmp_path, "live", "0xa", fresh=False) is None
    with pytest.raises(StoreError, match="of the wallet 0xa: give this one another folder"):
        prepare(tmp_path, "live", "0xb", fresh=False)
