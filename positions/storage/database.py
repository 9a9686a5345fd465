"""Opens DuckDB files so that nothing in them can reach beyond them.

A file that somebody else made may hold views, macros and defaults that read other files, attach
databases or load code. So no connection of ours reaches any file but those it is opened for, loads
an extension, or can be made to do so; and what is taken for a record is one, table by table.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb

_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
}
_OBJECTS = {
    "view": "SELECT view_name FROM duckdb_views()",
    "macro": "SELECT function_name FROM duckdb_functions()",
    "index": "SELECT index_name FROM duckdb_indexes()",
    "sequence": "SELECT sequence_name FROM duckdb_sequences()",
    "schema": "SELECT schema_name FROM duckdb_schemas()",
    "type": "SELECT type_name FROM duckdb_types()",
}
_OURS = {
    "index": "schema_name = 'main'",
    "sequence": "true",
    "schema": "NOT internal AND schema_name <> 'main'",
}


def connect(
    path: Path, *, read_only: bool = False, others: Iterable[Path] = ()
) -> duckdb.DuckDBPyConnection:
    """Open a database that reaches its own folder and the databases `others`, and nothing else.

    Raises duckdb.Error if it cannot be opened.
    """
    connection = duckdb.connect(str(path), read_only=read_only, config=_CLOSED)
    try:
        _close(connection, path.absolute(), [other.absolute() for other in others])
    except BaseException:
        connection.close()
        raise
    return connection


def _close(connection: duckdb.DuckDBPyConnection, path: Path, others: list[Path]) -> None:
    row = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    if row and row[0]:  # this process has it open already, and both share one instance
        return
    files = [str(file) for other in others for file in (other, f"{other}.wal")]
    connection.execute(f"SET allowed_directories = {_listed([f'{path.parent}/'])}")
    connection.execute(f"SET allowed_paths = {_listed(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(quoted(value) for value in values)}]"


def in_words(error: duckdb.Error) -> str:
    """Why a file cannot be used, in words of ours where the kind is known."""
    text = " ".join(str(error).split())
    kinds = {
        "Could not set lock": "another process has it open",
        "not a valid DuckDB database file": "it is no database of this program, or torn",
        "WAL": "its write-ahead log (the WAL beside it) is damaged",
        "No such file": "it is not there",
        "Permission denied": "its permissions do not allow it",
        "No space left": "the disk is full",
    }
    known = (said for words, said in kinds.items() if words in text)
    return next(known, "its content is damaged")


def quoted(value: object) -> str:
    """A value as a text of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def tables(connection: duckdb.DuckDBPyConnection, name: str | None = None) -> dict[str, str]:
    """The tables of a database, by default the main one, each with the statement that makes it."""
    sql = f"SELECT table_name, sql FROM duckdb_tables() WHERE database_name = {_named(name)}"
    return dict(connection.execute(sql).fetchall())


def foreign_object(connection: duckdb.DuckDBPyConnection, name: str | None = None) -> str:
    """What a database holds besides tables, such as "the view settings"; "" = nothing."""
    for kind, sql in _OBJECTS.items():
        where = f"database_name = {_named(name)} AND {_OURS.get(kind, 'NOT internal')}"
        row = connection.execute(f"{sql} WHERE {where} LIMIT 1").fetchone()
        if row is not None:
            return f"the {kind} {row[0]}"
    return ""


def _named(name: str | None) -> str:
    return "current_database()" if name is None else quoted(name)
