"""How commands come into the queue, and their answers back: the same for whoever sends them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from positions.commands.messages import (
    Command,
    Flatten,
    Halt,
    Reply,
    Resume,
    decode_reply,
)
from positions.storage.spool import FIRST, NEW, Spool


def queue(spool: Spool, fields: Mapping[str, Any], command: Command) -> str:
    """Queue a request, unless it was before; says which.

    Raises OSError if the disk does not take it.
    """
    if spool.read_reply(command.id) is not None or spool.read_old(command.id) is not None:
        return "queued before"
    try:
        # Those that hold for all positions overtake what waits, but never each other.
        folder = FIRST if isinstance(command, Flatten | Halt | Resume) else NEW
        spool.put(msgspec.json.encode(fields), command.id, folder)
    except FileExistsError:
        return "queued before"
    return "queued"


def answer(spool: Spool, command_id: str) -> Reply | None:
    """What the node has answered so far, if anything."""
    content = spool.read_reply(command_id)
    return None if content is None else decode_reply(content)
