"""Files of many requests: TOML, CSV with a header, or JSON lines.

A request has the fields of `submit`; one with a `command` may be any other command. TOML holds them
as `[[positions]]`, or `[[position]]`.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from positions.commands import strict
from positions.commands.fields import Malformed
from positions.commands.messages import SHORT_NAMES, Command, from_fields
from positions.model.errors import InputError

TABLES = ("positions", "position")
"""What the tables of a TOML file may be called."""
_BYTES_MAX = 50_000_000
"""Of a file of requests; one that never ends, as a device, is not read to its end."""


class UnreadableRequests(InputError):
    """The file, or one of its requests, cannot be understood: one line for each."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The requests of a file, as their fields.

    Raises
    ------
    UnreadableRequests
        With the file, the line and what is wrong.
    """
    yield from _requests(path, _content(path))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except OSError as e:
        raise UnreadableRequests(f"{path}: cannot be read: {e.strerror or e}") from None
    if len(content) > _BYTES_MAX:
        raise UnreadableRequests(f"{path}: must be at most {_BYTES_MAX:,} bytes long")
    return content


def _requests(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UnreadableRequests(f"{path}: cannot be read: {e}") from None
    kinds = {".csv": _csv, ".toml": _toml}
    for fields in kinds.get(path.suffix.lower(), _json_lines)(path, text):
        yield {"command": "submit", **fields}


def _csv(path: Path, text: str) -> Iterator[dict[str, Any]]:
    try:
        yield from _csv_rows(path, text.splitlines())
    except csv.Error as e:
        raise UnreadableRequests(f"{path}: is not CSV: {e}") from None


def _csv_rows(path: Path, lines: list[str]) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(lines)
    names: dict[str, str] = {}
    for name in reader.fieldnames or ():
        meaning = SHORT_NAMES.get(name, name)
        meaning = "sell_price" if meaning == "targets" else meaning
        if meaning in names:
            rule = f"the header names {name!r} beside {names[meaning]!r}, which mean the same"
            if name == names[meaning]:
                rule = (
                    f"the header names {name!r} {list(reader.fieldnames or ()).count(name)} times"
                )
            how = '; several targets stand in one: "0.60:50% 0.70"' * (meaning == "sell_price")
            raise UnreadableRequests(f"{path}: {rule}{how}")
        names[meaning] = name
    for row in reader:
        if None in row:
            which = f"line 2 to {len(lines)}"
            raise UnreadableRequests(f"{path}: {which}: has more values than the header names")
        yield {k: v for k, v in row.items() if v not in (None, "")}


def _toml(path: Path, text: str) -> Iterator[dict[str, Any]]:
    try:
        tables = strict.toml_tables(text)
    except ValueError as e:
        raise UnreadableRequests(f"{path}: is not TOML: {e}") from None
    yield from toml_requests(path, tables)


def toml_requests(path: Path, tables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The requests in the tables of a TOML file, which are all called by the one or other name."""
    names = [name for name in TABLES if name in tables]
    requests = tables[names[0]] if len(names) == 1 else None
    is_list = isinstance(requests, list) and all(isinstance(r, dict) for r in requests)
    if requests is None or not is_list or len(tables) > 1:
        rule = "must hold its requests as [[positions]], or [[position]], and nothing else"
        raise UnreadableRequests(f"{path}: {rule}")
    for request in requests:
        yield {k: _plain_time(v) for k, v in request.items()}


def _plain_time(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json_lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fields = strict.json_value(line)
        except ValueError as e:
            raise UnreadableRequests(f"{path}: line {number}: is not JSON: {e}") from None
        if not isinstance(fields, dict):
            raise UnreadableRequests(f"{path}: line {number}: must be a JSON object")
        yield fields


def read_once(path: Path) -> Iterator[dict[str, Any]]:
    """The requests of a file as their fields, each with the id that it has whenever this file is
    read: sent again after it was cut short, it acts on no request twice.
    """
    content = _content(path)
    requests = list(_requests(path, content))
    digest = sha256(content).digest()
    for number, fields in enumerate(requests, start=1):
        yield {"id": _lasting_id(digest, number), **fields}


def _lasting_id(file: bytes, number: int) -> str:
    """The id of a request by its file's digest and its place in it, in the form of a UUIDv8: those
    of one file sort by place, as names in the queue are to be acted on.
    """
    rest = int.from_bytes(sha256(file + number.to_bytes(8)).digest()[:6]) >> 6
    value = int.from_bytes(file[:6]) << 80 | 0x8 << 76 | (number >> 20 & 0xFFF) << 64
    return str(UUID(int=value | 0b10 << 62 | (number & 0xFFFFF) << 42 | rest))


def commands(path: Path) -> list[Command]:
    """The requests of a file, checked; those without an id are numbered.

    Raises
    ------
    UnreadableRequests
        With a line for each request that breaks a rule.
    """
    return checked(read(path), str(path))


def read_numbered(path: Path) -> Iterator[dict[str, Any]]:
    """The requests of a file as their fields, each with an id."""
    for number, fields in enumerate(read(path), start=1):
        yield {"id": numbered(number), **fields}


def checked(requests: Iterable[Mapping[str, Any]], source: str) -> list[Command]:
    """Requests as commands, see `commands`; what was typed has no `source`."""
    parsed: list[Command] = []
    errors = []
    for number, fields in enumerate(requests, start=1):
        try:
            parsed.append(from_fields({"id": numbered(number), **fields}))
        except Malformed as e:
            errors.append(f"{source}: entry {number}: {e}" if source else str(e))
    for command_id, times in Counter(c.id for c in parsed).items():
        if times > 1:
            errors.append(f"{source}: id was {command_id}, stands there {times} times")
    if errors:
        raise UnreadableRequests("\n".join(errors))
    if not parsed:
        raise UnreadableRequests(f"{source}: holds no request")
    return parsed


def numbered(number: int) -> str:
    """The id of a request that has none: its place in the file, in the form of a UUIDv7."""
    return str(UUID(int=(7 << 76) | (2 << 62) | number))
