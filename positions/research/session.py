"""The commands of a node's session, as requests that a backtest can play again."""

from pathlib import Path
from typing import Any

import msgspec

from positions.model.errors import RecordError
from positions.model.formatting import iso
from positions.storage.locks import holder
from positions.storage.record_copies import read_commands
from positions.storage.schema import StoreError
from positions.storage.snapshot import NO_RECORD
from positions.storage.spool import Spool


class NoSession(RecordError):
    """The state folder holds no session that can be read now."""


def requests(state: Path) -> list[dict[str, Any]]:
    """What was asked of a stopped node, each with the market's time at which it was acted on.

    Raises NoSession if there is no record, or its node is running.
    """
    path = state / "positions.duckdb"
    if not path.exists():
        raise NoSession(f"no record at {state}: {NO_RECORD}")
    if holder(state) is not None:
        raise NoSession(f"a node is running in {state}: its session can be read once it is stopped")
    try:
        commands = read_commands(path)
    except StoreError as e:
        raise NoSession(str(e)) from None
    spool = Spool(state)
    return [request for i, at in commands if (request := _request(spool, i, at)) is not None]


def _request(spool: Spool, command_id: str, at: int) -> dict[str, Any] | None:
    """The request as it came; None if its file has been rotated away."""
    content = spool.read_old(command_id)
    if content is None:
        return None
    fields: dict[str, Any] = msgspec.json.decode(content)
    fields.pop("created_at", None)
    return fields | {"id": command_id, "at": iso(at)}
