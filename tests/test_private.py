"""A state folder is its owner's alone to write, and no link in it is followed."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from small_node import Node
from typer.testing import CliRunner

import node
from cli.main import app
from positions.operations.settings import Settings
from positions.storage import private_files as private
from positions.storage.locks import StateLock, holder
from positions.storage.private_files import NotPrivate, open_file, problem, require
from positions.storage.spool import Spool
from positions.storage.submit_log import SentLog

RUN = CliRunner()
GOOD = ["submit", "rain", "Yes", "--max-bid", "0.55", "--size", "100", "--queue"]
ANOTHER = 65_534


def _chown(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(path, ANOTHER, ANOTHER)


# fmt: off
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "all may write": (lambda f: f.chmod(0o777), "can be written by others: chmod 700"),
    "the group may write": (lambda f: f.chmod(0o770), "can be written by others: chmod 700"),
    "all may write, and it is sticky": (lambda f: f.chmod(0o1777), "chmod 700"),
    "another user's": (_chown, f"chown {os.geteuid()}"),
    "all may write the folder above": (lambda f: f.parent.chmod(0o777), "put another in its place"),
    "the folder above is another user's": (lambda f: _chown(f.parent), "put another in its place"),
}
RIGHT: dict[str, Callable[[Path], object]] = {
    "its owner's alone": lambda f: f.chmod(0o700),
    "others may read": lambda f: f.chmod(0o755),
    "a sticky folder above": lambda f: f.parent.chmod(0o1777),
    "not there yet": lambda f: f.rmdir(),
}
# fmt: on


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "above" / "state"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", WRONG)
def test_a_folder_that_others_may_write_is_refused(state: Path, name: str) -> None:
    spoil, said = WRONG[name]
    spoil(state)
    with pytest.raises(NotPrivate, match=said):
        Spool(state)
    with pytest.raises(NotPrivate, match=said), StateLock(state, "live"):
        pass
    for command in (GOOD, ["status"], ["positions"], ["import", __file__]):
        done = RUN.invoke(app, [*command, "--state", str(state)])
        assert done.exit_code == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("name", WRONG)
def test_no_node_starts_where_others_may_write(
    state: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = WRONG[name]
    spoil(state)
    before = os.umask(0o022)
    try:
        assert node.run(Settings(mode="paper", state=str(state))) == 2
    finally:
        os.umask(before)
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("name", RIGHT)
def test_a_folder_of_its_owner_is_taken(state: Path, name: str) -> None:
    RIGHT[name](state)
    assert problem(state) == ""
    require(state)
    Spool(state)
    for made in state.rglob("*"):
        assert made.stat().st_mode & 0o077 == 0


def test_a_link_to_a_folder_is_judged_by_where_it_leads(state: Path) -> None:
    link = state.parent / "link"
    link.symlink_to(state)
    assert problem(link) == ""
    state.chmod(0o777)
    assert "can be written by others" in problem(link)


def test_a_folder_that_the_own_group_may_write_is_taken(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.parent.chmod(0o775)
    for is_own in (True, False):
        monkeypatch.setattr(private, "_is_own_group", lambda _, answer=is_own: answer)
        assert bool(problem(state)) is not is_own


@pytest.mark.parametrize("part", ["spool", "spool/new", "spool/tmp", "replies"])
@pytest.mark.parametrize("how", ["a link", "all may write"])
def test_a_queue_that_others_may_write_is_refused(state: Path, part: str, how: str) -> None:
    Spool(state)
    folder = state / part
    if how == "a link":
        folder.rename(state.parent / "elsewhere")
        folder.symlink_to(state.parent / "elsewhere")
    else:
        folder.chmod(0o777)
    done = RUN.invoke(app, [*GOOD, "--state", str(state)])
    assert done.exit_code == 1
    assert str(folder) in done.stderr


@pytest.mark.parametrize("name", ["lock", "sent.log"])
@pytest.mark.parametrize("how", ["a link", "a link to nothing", "a second name", "all may write"])
def test_no_link_in_a_files_place_is_followed(state: Path, name: str, how: str) -> None:
    precious, file = state.parent / "precious", state / name
    precious.write_text("x" * 100)
    match how:
        case "a link":
            file.symlink_to(precious)
        case "a link to nothing":
            file.symlink_to(state.parent / "nothing")
        case "a second name":
            file.hardlink_to(precious)
        case _:
            file.write_text("")
            file.chmod(0o666)
    opened = StateLock(state, "live").__enter__ if name == "lock" else partial(SentLog, file)
    with pytest.raises(NotPrivate, match=str(file)):
        opened()
    assert precious.read_text() == "x" * 100
    assert not (state.parent / "nothing").exists()
    assert holder(state) is None


def test_a_fifo_in_a_files_place_holds_nothing_up(state: Path) -> None:
    os.mkfifo(state / "lock")
    assert holder(state) is None
    with pytest.raises(NotPrivate, match="regular"):
        open_file(state / "lock", os.O_RDWR)


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    made = Node(tmp_path)
    made.store.close()
    assert RUN.invoke(app, [*GOOD, "--state", str(made.state)]).exit_code == 0
    file = tmp_path / "backup.duckdb"
    before = os.umask(0o000)
    try:
        done = RUN.invoke(app, ["export", str(file), "--state", str(made.state)])
        assert done.exit_code == 0, done.output
        new = tmp_path / "new"
        assert RUN.invoke(app, ["import", str(file), "--state", str(new)]).exit_code == 0
    finally:
        os.umask(before)
    (queued,) = (made.state / "spool" / "new").iterdir()
    for private_file in (file, queued, new, *new.rglob("*")):
        assert private_file.stat().st_mode & 0o077 == 0, private_file
