"""A database that somebody else made reaches nothing, and only a record's rows are taken."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from small_node import Node
from test_store import lives
from typer.testing import CliRunner

from cli.main import app
from positions.storage.backup import export
from positions.storage.database import connect
from positions.storage.schema import migrate
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.store import Store

RUN = CliRunner()
SECRET = "POLYMARKET_PK=0xdeadbeef"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text(SECRET)
    return file


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    node = Node(tmp_path)
    for step in lives(3).steps:
        node.store.step(step)
    node.store.flush()
    node.store.close()
    export(node.state, tmp_path / "backup.duckdb")
    return tmp_path / "backup.duckdb"


# fmt: off
CRAFTED = {
    "a view in a table's place": ["CREATE TABLE s AS FROM settings", "DROP TABLE settings", "CREATE VIEW settings AS FROM s UNION ALL SELECT 'sent_log', content FROM read_text('{secret}')"],
    "one more view": ["CREATE VIEW more AS SELECT * FROM read_text('{secret}')"],
    "a macro": ["CREATE MACRO sneak() AS (SELECT content FROM read_text('{secret}'))"],
    "a default that computes": ["ALTER TABLE settings ALTER value SET DEFAULT repeat('x', 10)"],
    "a generated column": ["DROP TABLE alarms", "CREATE TABLE alarms (time TIMESTAMP_NS NOT NULL, position_id TEXT NOT NULL, kind TEXT NOT NULL, text TEXT AS (repeat('x', 10)), is_open BOOLEAN NOT NULL)"],
    "another type": ["DROP TABLE settings", "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL)"],
    "a column more": ["ALTER TABLE settings ADD COLUMN extra TEXT"],
    "a table less": ["DROP TABLE fills"],
    "a table more": ["CREATE TABLE more AS SELECT 1 AS a"],
    "a type of its own": ["CREATE TYPE mood AS ENUM ('a')"],
    "an index": ["CREATE INDEX i ON fills (position_id)"],
    "a schema of its own": ["CREATE SCHEMA other"],
    "a sequence": ["CREATE SEQUENCE s"],
    "no migrations": ["DROP TABLE migrations"],
    "a gap in its migrations": ["DELETE FROM migrations WHERE name LIKE 'm001%'"],
    "a newer version's": ["INSERT INTO migrations VALUES ('m999_later')"],
}
# fmt: on


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_crafted_backup_is_refused(tmp_path: Path, backup: Path, secret: Path, kind: str) -> None:
    with duckdb.connect(str(backup)) as theirs:
        for statement in CRAFTED[kind]:
            theirs.execute(statement.format(secret=secret))
    new = tmp_path / "new"
    done = RUN.invoke(app, ["import", str(backup), "--state", str(new)])
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith(f"polybracket: {backup}")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.output
    assert [f.name for f in new.iterdir()] == ["lock"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\0" * 500, b"PAR1", b"\xff" * 9])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "backup.duckdb"
    file.write_bytes(content)
    done = RUN.invoke(app, ["import", str(file), "--state", str(tmp_path / "new")])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert file.read_bytes() == content


def test_a_backup_of_an_earlier_version_is_taken(tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    with duckdb.connect(str(old)) as theirs:
        migrate(theirs, old, ["m001_initial"])
        theirs.execute("INSERT INTO settings VALUES ('mode', 'paper')")
    done = RUN.invoke(app, ["import", str(old), "--state", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    store = Store(tmp_path / "new" / "positions.duckdb", lambda f: f(), lambda _: None)
    assert store.setting("mode") == "paper"
    store.close()


# fmt: off
REACHES: dict[str, str] = {
    "a file is read": "SELECT content FROM read_text('{secret}')",
    "a file is written": "COPY (SELECT 1) TO '{folder}/out.csv'",
    "a database is attached": "ATTACH '{folder}/other.duckdb' AS other",
    "code is loaded": "LOAD httpfs",
    "the doors are opened": "SET enable_external_access = true",
    "a folder is allowed": "SET allowed_directories = ['/']",
}
# fmt: on


def _store(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    store = Store(folder / "positions.duckdb", lambda f: f(), lambda _: None)
    yield store.cursor()
    store.close()


def _reader(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connect(folder / "positions.duckdb").close()
    with connect(folder / "positions.duckdb", read_only=True) as connection:
        yield connection


@pytest.mark.parametrize("opened", [_store, _reader])
@pytest.mark.parametrize("what", REACHES)
def test_no_connection_reaches_other_files(
    tmp_path: Path,
    secret: Path,
    opened: Callable[[Path], Iterator[duckdb.DuckDBPyConnection]],
    what: str,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for connection in opened(state):
        with pytest.raises(duckdb.Error):
            connection.execute(REACHES[what].format(secret=secret, folder=tmp_path))
    assert {f.name for f in tmp_path.iterdir()} == {"secret.txt", "state"}


@pytest.mark.parametrize("name", ["published.duckdb", "history.duckdb"])
def test_a_planted_copy_is_not_read(tmp_path: Path, secret: Path, name: str) -> None:
    with duckdb.connect(str(tmp_path / name)) as theirs:
        theirs.execute(f"CREATE VIEW node AS SELECT content AS catalog FROM read_text('{secret}')")
    with pytest.raises(NoSnapshot, match="is no copy of a node: it holds the view node"):
        Snapshot(tmp_path, whole=name.startswith("history"))
