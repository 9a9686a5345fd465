"""The argument that names a position: its id, the end of it, or the name that its owner gave."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import short
from positions.commands.position_names import ID_LENGTH, named
from positions.model.errors import InputError
from positions.storage.snapshot import Snapshot

PositionId = Annotated[
    str, typer.Argument(metavar="ID", help="The end of its id, its name, or its market.")
]


def resolve(state: Path, part: str) -> str:
    """The id of the position that a part of it, its name or its market names."""
    if len(part) == ID_LENGTH and part.count("-") == 4:
        return part
    with Snapshot(state) as copy:
        found = named(copy.positions(everything=True), part)
    if len(found) != 1:
        which = ", ".join(f"{short(r['id'])} ({r['market']} {r['outcome']})" for r in found[:5])
        raise InputError(f"ID was {part!r}, must name one position; found: {which or 'none'}")
    return str(found[0]["id"])
