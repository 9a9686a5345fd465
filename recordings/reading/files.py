"""The files in which people have tables: CSV with any of four separators, JSON, Parquet, packed.

What a file is, its first bytes say, and not its name. Nothing in it makes an import endless: a
line, a JSON value, and what a packed file unpacks to are bounded.
"""

import csv
import gzip
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from positions.commands import strict
from positions.model.errors import RecordError
from positions.model.foreign_text import clean
from recordings.reading.values import BadRow, RecordingError, Stamp

Row = dict[str, Any]
Numbered = tuple[int, Row | BadRow]
"""A row by its number in the file, or why it is none."""
UNREADABLE = (
    *(OSError, ValueError, OverflowError, EOFError, csv.Error),
    *(pyarrow.ArrowException, zipfile.BadZipFile, NotImplementedError, RuntimeError),
)
_SAMPLE = 1_000
"""Rows that say what a file is."""
_LINE_MAX = 64 * 2**20
_UNPACKED_FREE = 2**28
_UNPACKED_TIMES = 200
"""A packed file of more than 256 MB may be so many times what it is packed to; quotes are 30."""
_ROWS_MAX = 10**9
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_COMMA = re.compile(r"-?\d*,\d+")
_OTHERS = {
    b"(\xb5/\xfd": "packed with zstd: unpack it first",
    b"7z\xbc\xaf": "packed with 7-Zip: unpack it first",
    b"\xfd7zX": "packed with xz: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"SQLite format 3": "an SQLite database: export its table as CSV",
    b"ARROW1": "an Arrow file: write it as Parquet",
}


class Source(Protocol):
    """A table that is open."""

    kind: str
    names: list[str]
    sample: list[Row]

    def rows(self, keep: "Keep") -> Iterator[Numbered]:
        """Every row, or of Parquet those that are to be kept."""
        ...


class Keep(NamedTuple):
    """Which rows are wanted, by the value of one column, and who is told of the others."""

    column: str | None
    wanted: frozenset[str]
    others: Callable[[int, Iterable[str]], None]
    columns: Sequence[str] | None = None
    """What else is read; None = all."""


@contextmanager
def open_table(path: Path) -> Iterator[Source]:
    """A table, open until what is done with it is done.

    Raises RecordingError if it is none, saying what it is where that can be said; a later row may
    show that, too.
    """
    try:
        with ExitStack() as stack:
            yield _open(path, stack)
    except UNREADABLE as e:
        if isinstance(e, RecordError):
            raise
        why = getattr(e, "strerror", None) or next(iter(str(e).splitlines()), type(e).__name__)
        what = f"cannot be read as CSV, JSON or Parquet: {clean(why)}"
        raise RecordingError(f"{path}: {what}") from None


def _open(path: Path, stack: ExitStack) -> Source:
    with path.open("rb") as file:
        start = file.read(16)
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            raise RecordingError(f"{path}: is {what}")
    if start.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
        return _Parquet(path, stack.enter_context(pyarrow.parquet.ParquetFile(path)))
    if not start:
        raise RecordingError(f"{path}: is empty")
    file, packed = _unpacked(path, start, stack)
    first = stack.enter_context(file).peek(4)[:2]
    encoding = "utf-16" if first in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return _text(path, stack.enter_context(io.TextIOWrapper(file, encoding)), packed)


def _unpacked(path: Path, start: bytes, stack: ExitStack) -> tuple[Any, str]:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path), ", gzip"
    if not start.startswith(b"PK\x03\x04"):
        return path.open("rb"), ""
    archive = stack.enter_context(zipfile.ZipFile(path))
    names = [n for n in archive.namelist() if not n.endswith("/") and "__MACOSX" not in n]
    if "[Content_Types].xml" in names:
        raise RecordingError(f"{path}: is an Excel workbook: save its sheet as CSV")
    if len(names) != 1 or names[0].lower().endswith((".parquet", ".gz", ".zip")):
        raise RecordingError(f"{path}: holds {len(names)} files: unpack it, and import a table")
    return archive.open(names[0]), ", zip"


# -- text ------------------------------------------------------------------------------------------


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    packed, total = path.stat().st_size, 0
    while line := file.readline(_LINE_MAX):
        total += len(line)
        if len(line) == _LINE_MAX:
            raise RecordingError(f"{path}: has a line of more than {_LINE_MAX >> 20} MB")
        if total > max(_UNPACKED_FREE, _UNPACKED_TIMES * packed):
            rule = f"more than {_UNPACKED_TIMES} times its size: is not read"
            raise RecordingError(f"{path}: unpacks to {rule}")
        yield line


def _text(path: Path, file: IO[str], packed: str) -> Source:
    lines = (line for line in _lines(path, file))
    first = next((line for line in lines if line.strip()), "")
    if "\0" in first:
        raise RecordingError(f"{path}: cannot be read as CSV, JSON or Parquet: it is no text")
    if first.lstrip()[:1] in ("{", "["):
        return _Rows(f"JSON{packed}", None, _json(path, first, lines))
    if first.lower().startswith("sep="):
        first = next(lines, "")
    separator = max(",;\t|", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=separator)
    names = [name.strip() for name in next(reader, [])]
    for name, times in Counter(names).items():
        if times > 1 and name:
            raise RecordingError(f"{path}: the header names {name!r} {times} times")
    kind = {",": "CSV", "\t": "TSV"}.get(separator, f"CSV with {separator}")
    rows = (list(map(_with_point, cells)) for cells in reader) if separator == ";" else reader
    return _Rows(kind + packed, names, _csv(names, rows))


def _with_point(cell: str) -> str:
    """A number as it is written where a semicolon separates fields: its comma is the point."""
    return cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell


def _csv(names: list[str], rows: Iterator[list[str]]) -> Iterator[Numbered]:
    number = 0
    for cells in rows:
        if not any(cells):
            continue
        number += 1
        if len(cells) != len(names) and any(cells[len(names) :] or [len(cells) < len(names)]):
            yield number, BadRow("the row", f"of {len(cells)} fields", f"must have {len(names)}")
        else:
            yield number, dict(zip(names, cells, strict=False))


def _json(path: Path, first: str, lines: Iterator[str]) -> Iterator[Numbered]:
    """A value a line; or one value that is, or holds, a list."""
    try:
        strict.json_value(first)
    except ValueError:
        whole = _whole(path, first, lines)
        yield from _objects(1, strict.json_value(whole))
        return
    for number, line in enumerate(chain([first], lines), start=1):
        if not line.strip():
            continue
        try:
            value = strict.json_value(line)
        except ValueError as e:
            yield number, BadRow("the line", repr(line[:40]), f"is not JSON: {clean(e, 80)}")
            continue
        yield from _objects(number, value)


def _whole(path: Path, first: str, lines: Iterator[str]) -> str:
    parts, total = [first], len(first)
    for line in lines:
        parts.append(line)
        total += len(line)
        if total > _LINE_MAX:
            rule = f"is one JSON value of more than {_LINE_MAX >> 20} MB: must be a line a row"
            raise RecordingError(f"{path}: {rule}")
    return "".join(parts)


def _objects(number: int, value: Any) -> Iterator[Numbered]:
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list)]
        is_page = len(lists) == 1 and len(value) < 6 and any(isinstance(v, dict) for v in lists[0])
        if not (is_page and not {"price_changes", "bids", "asks"} & value.keys()):
            yield number, value
            return
        value = lists[0]
    if not isinstance(value, list):
        yield number, BadRow("the value", repr(str(value)[:40]), "must be an object of fields")
        return
    for place, item in enumerate(value):
        yield (
            number + place,
            item if isinstance(item, dict) else BadRow("a row", repr(item), "must be an object"),
        )


class _Rows:
    """A table that is read from its beginning to its end, once."""

    def __init__(self, kind: str, names: list[str] | None, rows: Iterator[Numbered]) -> None:
        self.kind = kind
        self._first = list(islice(rows, _SAMPLE))
        self.sample = [row for _, row in self._first if isinstance(row, dict)]
        self.names = names or list(dict.fromkeys(name for row in self.sample for name in row))
        self._rows = rows

    def rows(self, keep: Keep) -> Iterator[Numbered]:  # noqa: ARG002  (a row is read to be known)
        """Every row."""
        return chain(self._first, self._rows)


# -- Parquet ---------------------------------------------------------------------------------------


class _Parquet:
    """A Parquet file, of which only the rows that are wanted are made into objects."""

    kind = "Parquet"

    def __init__(self, path: Path, file: Any) -> None:
        self._file = file
        about = file.metadata
        size = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        if about.num_rows > _ROWS_MAX or size > max(
            _UNPACKED_FREE, _UNPACKED_TIMES * path.stat().st_size
        ):
            raise RecordingError(f"{path}: unpacks to {about.num_rows} rows of {size} bytes")
        self.names = list(self._file.schema_arrow.names)
        for name, times in Counter(self.names).items():
            if times > 1:
                raise RecordingError(f"{path}: the header names {name!r} {times} times")
        batches = self._file.iter_batches(batch_size=_SAMPLE)
        self.sample = [row for batch in islice(batches, 1) for row in _objects_of(batch)]

    def rows(self, keep: Keep) -> Iterator[Numbered]:
        """The rows that are to be kept."""
        columns = None if keep.columns is None else list(keep.columns)
        wanted, start = pyarrow.array(sorted(keep.wanted), pyarrow.string()), 1
        for batch in self._file.iter_batches(columns=columns):
            places: Iterable[int] = range(batch.num_rows)
            kept = batch
            if keep.column is not None:
                ids = _texts(batch.column(keep.column))
                mask = pyarrow.compute.is_in(ids, wanted)
                places = pyarrow.compute.indices_nonzero(mask).to_pylist()
                kept = batch.filter(mask)
                if kept.num_rows < batch.num_rows:
                    others = pyarrow.compute.unique(ids).to_pylist()
                    keep.others(
                        batch.num_rows - kept.num_rows, {str(i) for i in others} - keep.wanted
                    )
            for place, row in zip(places, _objects_of(kept), strict=True):
                yield start + place, row
            start += batch.num_rows


def _texts(column: Any) -> Any:
    if pyarrow.types.is_fixed_size_binary(column.type):
        column = column.cast(pyarrow.binary())
    return column.cast(pyarrow.string())


def _objects_of(batch: Any) -> Iterator[Row]:
    columns = [_values(batch.column(n)) for n in range(batch.num_columns)]
    names = batch.schema.names
    return (dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True))


def _values(column: Any) -> list[Any]:
    """The cells; times as numbers, since no calendar of Python's has all of Parquet's."""
    if not pyarrow.types.is_timestamp(column.type):
        return column.to_pylist()
    ns, is_utc = _NS[column.type.unit], column.type.tz is not None
    numbers = column.cast(pyarrow.int64()).to_pylist()
    return [None if n is None else Stamp(n * ns, is_utc) for n in numbers]
