"""How old a command is, and whether it is too old to be acted on.

A command that buys, sells or changes something is meant for the market as it was when it was sent:
after `VALID_FOR`, a buy after `BUY_VALID_FOR`, it has lapsed, unless it says otherwise. `cancel`
and `halt` have no age: they only ever keep money from being spent, and late is better than never.
"""

from uuid import UUID

from positions.commands.messages import (
    BUY_VALID_FOR,
    VALID_FOR,
    Cancel,
    Command,
    Halt,
    Refusal,
    Reply,
    Submit,
    refused,
)
from positions.model.durations import MINUTE
from positions.model.formatting import iso

AHEAD_MAX = 5 * MINUTE
"""So far ahead of ours another machine's clock may be; what is later says nothing of an age."""
_UUID7_SINCE = 1_577_836_800_000_000_000
"""The year 2020: an id of an earlier time is a number in the form of a UUIDv7."""


def id_time(command_id: str) -> int | None:
    """When an id was made, in nanoseconds, if it is a UUIDv7."""
    value = UUID(command_id)
    made = (value.int >> 80) * 1_000_000
    return made if value.version == 7 and made >= _UUID7_SINCE else None


def sent_at(command: Command, written_at: int, now: int) -> int | None:
    """When a command was sent, in nanoseconds of the wall clock; None where nothing states it.

    It is what the command states, or the older of its id's time and its file's; a time in the
    future is not believed.
    """
    if command.created_at is not None and command.created_at <= now + AHEAD_MAX:
        return command.created_at
    times = (id_time(command.id), written_at)
    return min((t for t in times if t is not None and t <= now + AHEAD_MAX), default=None)


def lapsed(command: Command, now: int, time: int, sent: int | None) -> Reply | None:
    """The refusal of a command that is too old to be acted on, None if it is not.

    `time` is what its age is measured by: the wall clock's, or market time for a command
    that names one.
    """
    if command.expires_at is None and isinstance(command, Cancel | Halt):
        return None
    until, life = command.expires_at, BUY_VALID_FOR if isinstance(command, Submit) else VALID_FOR
    if until is None and command.at is not None:
        until = command.at + life
    if until is None and sent is not None:
        until = sent + life
    if until is None:
        text = "created_at, the id's time and the file's are in the future: how old the command is"
        return refused(command.id, Refusal("EXPIRED", f"{text} is not known; send it anew"), now)
    if time <= until:
        return None
    rule = f"is past: it was to be acted on by then, and it is {iso(now)}"
    return refused(command.id, Refusal("EXPIRED", f"expires_at was {iso(until)}, {rule}"), now)
