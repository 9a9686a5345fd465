"""What a turn of the engine gives back, to be carried out in order."""

from msgspec import Struct

from positions.commands.messages import Command, Reply
from positions.engine.plan import Intent
from positions.model.events import Adopted, AnyEvent, OrderSent
from positions.model.position import Position, Role


class Step(Struct, frozen=True):
    """A position after an event: to be recorded."""

    position: Position
    event: AnyEvent


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


def acts_first(effects: list[Effect]) -> tuple[list[Act], list[Effect]]:
    """The acts that nothing holds back, and the rest, each in its order.

    Held back is what is done for a position of which a record must be on disk first: of an entry
    that is now sent, of an adoption.
    """
    waiting = {
        e.position.id for e in effects if isinstance(e, Step) and _is_recorded_first(e.event)
    }
    now = [e for e in effects if isinstance(e, Act) and e.position.id not in waiting]
    rest = [e for e in effects if not isinstance(e, Act) or e.position.id in waiting]
    return now, rest


def _is_recorded_first(event: AnyEvent) -> bool:
    if isinstance(event, OrderSent):
        return event.order.role is Role.ENTRY
    return isinstance(event, Adopted)
