"""Records that nobody has open: what they say of themselves, and copies of them."""

from pathlib import Path

import duckdb

from positions.storage.schema import StoreError, migrate

NO_RECORD = "start a node there with `polybracket run`, or name another folder with --state"
"""What can be done about a folder without a record."""


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a record that nobody has open; none if it is too young to have any.

    Raises
    ------
    StoreError
        If the file is no record.
    """
    try:
        with duckdb.connect(str(path)) as connection:
            migrate(connection, path)
            return dict(connection.execute("SELECT name, value FROM settings").fetchall())
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be used: {str(e).splitlines()[0]}") from None


def read_commands(path: Path) -> list[tuple[str, int]]:
    """The ids of the commands in a record that nobody has open, each with when it was acted on.

    Raises
    ------
    StoreError
        If the file is no record, or its node runs.
    """
    sql = "SELECT id, epoch_ns(received_at) FROM commands ORDER BY received_at, id"
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.Error as e:
        why = str(e).splitlines()[0]
        raise StoreError(f"{path} cannot be read while its node runs: {why}") from None


def has_positions(path: Path) -> bool:
    """Whether a record that nobody has open tells of any position."""
    with duckdb.connect(str(path)) as connection:
        return connection.execute("SELECT 1 FROM positions LIMIT 1").fetchone() is not None


def lacking(path: Path, published: Path) -> int:
    """How many positions of a published copy have events that the record lacks.

    DuckDB opens a file whose write-ahead log is gone without a word, as it was at the last
    checkpoint.
    """
    sql = """
        WITH told AS (SELECT position_id, max(seq) AS seq FROM pub.events GROUP BY ALL),
            kept AS (SELECT position_id, max(seq) AS seq FROM events GROUP BY ALL)
        SELECT count(*) FROM told LEFT JOIN kept USING (position_id)
        WHERE kept.seq IS NULL OR kept.seq < told.seq"""
    try:
        with duckdb.connect(str(path)) as connection:
            quoted = str(published).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS pub (READ_ONLY)")
            found = connection.execute(sql).fetchone()
    except duckdb.Error:
        return 0  # there is no copy to compare with
    return int(found[0]) if found else 0


def copy_whole(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy everything that a connection sees, as of one moment, to a database of its own."""
    target.unlink(missing_ok=True)
    quoted = str(target).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS whole")
    try:
        found = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f'COPY FROM DATABASE "{found[0] if found else ""}" TO whole')
    finally:
        connection.execute("DETACH whole")


def copy_record(path: Path, target: Path) -> None:
    """Copy a record that nobody has open.

    Raises
    ------
    StoreError
        If it cannot be read, or the copy not be written.
    """
    try:
        with duckdb.connect(str(path)) as connection:
            migrate(connection, path)
            copy_whole(connection, target)
    except duckdb.Error as e:
        raise StoreError(f"{path} cannot be copied: {str(e).splitlines()[0]}") from None


def note_sent_log(path: Path, content: str) -> None:
    """Put the notes of `sent.log` into a copy."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('sent_log', ?)", [content])
