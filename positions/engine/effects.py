"""What a turn of the desk gives back, to be carried out in order."""

from msgspec import Struct

from positions.commands.messages import Command, Reply
from positions.engine.plan import Intent
from positions.model.events import AnyFact
from positions.model.position import Position


class Step(Struct, frozen=True):
    """A position after a fact: to be recorded."""

    position: Position
    fact: AnyFact


class Act(Struct, frozen=True):
    """An intent, to be carried out; already booked."""

    position: Position
    intent: Intent


class Answer(Struct, frozen=True):
    """A reply to a command; `command` is None for the later part of an earlier answer."""

    command: Command | None
    reply: Reply


class Alarm(Struct, frozen=True):
    """An alarm that opened, or one that is over."""

    time: int
    position_id: str
    kind: str
    text: str
    is_open: bool


class HaltChanged(Struct, frozen=True):
    """Whether new entries are off; must outlive the node."""

    halted: bool


class Unforeseen(Struct, frozen=True):
    """An error that was caught at a boundary: to be written down."""

    error: Exception


Effect = Step | Act | Answer | Alarm | HaltChanged | Unforeseen
