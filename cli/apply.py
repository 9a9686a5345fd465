"""Positions declared in a file: shows what differs, and asks for it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.option_groups import Delivery, with_delivery
from cli.options import Now, state_dir
from cli.output import say
from cli.sending import send
from positions.commands import strict
from positions.commands.declared_positions import checked, difference, id_of, request
from positions.commands.fields import Malformed
from positions.commands.files import UnreadableRequests, toml_requests
from positions.commands.messages import ACCEPTED, Command, decode, decode_reply
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool

_EXAMPLE = "Example: polybracket apply positions.toml --dry-run"
_Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("apply", epilog=_EXAMPLE)(apply)


@with_delivery
def apply(
    delivery: Delivery,
    file: Annotated[Path, typer.Argument(help="TOML with [[positions]], each with a name.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what differs.")] = False,
    now: Now = False,
) -> None:
    """Make the positions as a file declares them: what is missing is opened, what differs amended.

    Applying it again changes nothing. Positions that the file does not name are left alone.
    """
    declared = _declared(file)
    folder = state_dir(delivery.state)
    requests = []
    fits = True
    for name, fields in declared.items():
        due, line, is_done = _compare(folder, name, fields)
        if now and due and due["command"] == "amend":
            due["now"] = True
        fits = fits and is_done
        say(f"{name}: {'would ' if due and dry_run else ''}{line}", err=delivery.as_json)
        requests += [due] if due else []
    if requests and not dry_run:
        send(requests, delivery, file=file)
    if not fits:
        raise typer.Exit(1)


def _declared(file: Path) -> dict[str, _Row]:
    """The declarations by name; each is understood, or the program ends with its line."""
    entries = toml_requests(file, strict.toml_file(file, UnreadableRequests))
    declared: dict[str, _Row] = {}
    for number, fields in enumerate(entries, start=1):
        name = fields.pop("name", None)
        if not isinstance(name, str) or not name or name in declared:
            rule = f"name was {name!r}, must be given and be its own"
            raise UnreadableRequests(f"{file}: position {number}: {rule}")
        try:
            checked(request(name, fields))
        except Malformed as e:
            raise UnreadableRequests(f"{file}: position {name}: {e}") from None
        declared[name] = fields
    return declared


def _compare(folder: Path, name: str, fields: _Row) -> tuple[_Row | None, str, bool]:
    """The request that is due, what to say of it, and whether nothing else differs."""
    attempt, state = _state_of(folder, name)
    if state == "unknown":
        return request(name, fields, attempt), "open it", True
    if isinstance(state, str):
        return None, state, True
    row = state
    if row["status"] != "open":
        return None, f"is {row['status']}", True
    diff = difference(request(name, fields), row, _request_of(folder, row["id"]))
    if diff.fixed:
        return None, f"cannot be changed: {'; '.join(diff.fixed)}", False
    if not diff.changes:
        return None, "is as declared", True
    due = {"command": "amend", "position_id": row["id"], **diff.changes}
    return due, f"amend {', '.join(diff.lines)}", True


def _state_of(folder: Path, name: str) -> tuple[int, str | _Row]:
    """What is known of a declared position, and which attempt to open it that was."""
    spool = Spool(folder)
    waiting = {path.stem for path in spool.waiting()}
    attempt = 0
    while True:
        position_id = id_of(name, attempt)
        diff = _row_of(folder, position_id)
        if diff is not None:
            return attempt, diff
        reply = spool.read_reply(position_id)
        if reply is None:
            return attempt, "is queued already" if position_id in waiting else "unknown"
        if decode_reply(reply).status == ACCEPTED:
            return attempt, "was accepted and is not shown any more, or not yet"
        attempt += 1


def _request_of(folder: Path, position_id: str) -> Command | None:
    """The request that made a position, for as long as the queue keeps it."""
    content = Spool(folder).read_old(position_id)
    try:
        return None if content is None else decode(content, position_id)
    except Malformed:
        return None


def _row_of(folder: Path, position_id: str) -> _Row | None:
    try:
        with Snapshot(folder) as copy:
            return copy.position(position_id)
    except NoSnapshot:
        return None
