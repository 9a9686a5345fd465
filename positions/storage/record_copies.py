"""Records that nobody has open: what they say of themselves, and copies of them."""

from pathlib import Path

import duckdb

from positions.storage.database import connect, foreign_object, in_words, quoted, tables
from positions.storage.schema import MIGRATIONS, StoreError, migrate


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a record that nobody has open; none if it is too young to have any.

    Raises StoreError if the file is no record.
    """
    try:
        with connect(path) as connection:
            migrate(connection, path)
            return dict(connection.execute("SELECT name, value FROM settings").fetchall())
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be used: {in_words(e)}") from None


def read_commands(path: Path) -> list[tuple[str, int]]:
    """The ids of the commands in a record that nobody has open, each with when it was acted on.

    Raises StoreError if the file is no record, or its node runs.
    """
    sql = "SELECT id, epoch_ns(received_at) FROM commands ORDER BY received_at, id"
    try:
        with connect(path, read_only=True) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be read: {in_words(e)}") from None


def has_positions(path: Path) -> bool:
    """Whether a record that nobody has open has any position."""
    with connect(path) as connection:
        return connection.execute("SELECT 1 FROM positions LIMIT 1").fetchone() is not None


def lacking(path: Path, published: Path) -> int:
    """How many positions of a published copy the record has only as they were before.

    DuckDB opens a file whose write-ahead log is gone without a word, as it was at the last
    checkpoint: each position's row, events and command are of one moment then. A position of which
    some are older than others is not counted: its rows were changed, which concerns it alone.
    """
    sql = """
        WITH published AS (SELECT position_id AS id, max(seq) AS seq FROM pub.events GROUP BY ALL),
            told AS (SELECT position_id AS id, max(seq) AS seq FROM events GROUP BY ALL),
            kept AS (SELECT id, CASE WHEN json_valid(body)
                THEN TRY_CAST(body->>'seq' AS BIGINT) END AS seq FROM positions)
        SELECT count(*) FROM published LEFT JOIN told USING (id) LEFT JOIN kept USING (id)
        WHERE kept.seq = told.seq AND told.seq < published.seq
            OR told.id IS NULL AND kept.id IS NULL AND id NOT IN (SELECT id FROM commands)"""
    try:
        with connect(path) as connection:
            connection.execute(f"ATTACH {quoted(published)} AS pub (READ_ONLY)")
            row = connection.execute(sql).fetchone()
    except duckdb.Error:
        return 0  # there is no copy to compare with
    return int(row[0]) if row else 0


def open_when_published(published: Path) -> tuple[str, int]:
    """The mode of the node that published a copy, and how many positions were open then."""
    sql = "SELECT any_value(mode), (SELECT count(*) FROM positions WHERE status = 'open') FROM node"
    try:
        with connect(published, read_only=True) as connection:
            row = connection.execute(sql).fetchone()
    except duckdb.Error:
        return "", 0  # there is no copy, or none that tells
    return (str(row[0]), int(row[1])) if row else ("", 0)


def copy_whole(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy everything that a connection sees, as of one moment, to a database of its own."""
    target.unlink(missing_ok=True)
    connection.execute(f"ATTACH {quoted(target)} AS whole")
    try:
        row = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f'COPY FROM DATABASE "{row[0] if row else ""}" TO whole')
    finally:
        connection.execute("DETACH whole")


def copy_record(path: Path, target: Path) -> None:
    """Copy a record that nobody has open to another file of its folder.

    Raises StoreError if it cannot be read, or the copy not be written.
    """
    try:
        with connect(path) as connection:
            migrate(connection, path)
            copy_whole(connection, target)
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be copied: {in_words(e)}") from None


def note_sent_log(path: Path, content: str) -> None:
    """Put the notes of `sent.log` into a copy."""
    with connect(path) as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('sent_log', ?)", [content])


def import_copy(source: Path, target: Path) -> None:
    """Make a record of the rows of a copy, which anybody may have made.

    The tables are made here; from the copy come rows alone, column by column.

    Raises
    ------
    StoreError
        If the copy is none, or holds anything that no record has. Nothing is left behind then.
    """
    try:
        with connect(target, others=[source]) as connection:
            connection.execute(f"ATTACH {quoted(source.absolute())} AS given (READ_ONLY)")
            migrate(connection, target, _checked(connection, source))
            for table in tables(connection):
                if table != "migrations":
                    columns = _columns(connection, table)
                    rows = f"SELECT {columns} FROM given.main.{table}"
                    connection.execute(f"INSERT INTO {table} ({columns}) {rows}")
            connection.execute("DETACH given")
            migrate(connection, target)
    except (duckdb.Error, StoreError) as e:
        for part in (target, Path(f"{target}.wal")):
            part.unlink(missing_ok=True)
        if isinstance(e, StoreError):
            raise
        raise StoreError(f"{source} cannot be used: {in_words(e)}") from None


def _checked(connection: duckdb.DuckDBPyConnection, source: Path) -> list[str]:
    """The migrations that made the tables of the copy."""
    theirs = tables(connection, "given")
    foreign = foreign_object(connection, "given")
    if foreign or "migrations" not in theirs:
        what = f"it holds {foreign}" if foreign else "it has no table migrations"
        raise StoreError(f"{source} is no copy of a record: {what}")
    rows = connection.execute("SELECT name FROM given.main.migrations").fetchall()
    applied = {str(name) for (name,) in rows}
    unknown = sorted(applied - set(MIGRATIONS))
    if unknown:
        raise StoreError(f"{source} comes from a newer version of polybracket ({unknown[0]})")
    names = list(MIGRATIONS)[: len(applied)]
    with duckdb.connect() as blank:
        migrate(blank, source, names)
        ours = tables(blank)
    wrong = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
    if set(names) != applied or wrong:
        what = f"the table {wrong[0]} is not a record's" if wrong else "its migrations have a gap"
        raise StoreError(f"{source} is no copy of a record: {what}")
    return names


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    sql = """SELECT column_name FROM duckdb_columns()
        WHERE database_name = current_database() AND table_name = ? ORDER BY column_index"""
    names = connection.execute(sql, [table]).fetchall()
    return ", ".join(f'"{name}"' for (name,) in names)
