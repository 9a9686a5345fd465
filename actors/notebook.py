"""A journal that keeps everything in memory: for runs whose record is read when they are over."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from positions.commands.messages import Reply
from positions.engine.effects import Alarm, Answer, Step
from positions.model.position import Order


class Notebook:
    """Notes what happens.

    Parameters
    ----------
    recorded
        Calls back as if the note had reached the disk.
    """

    def __init__(self, recorded: Callable[[Callable[[], None]], None]) -> None:
        self._recorded = recorded
        self.steps: list[Step] = []
        self.replies: dict[str, Reply] = {}
        """The last reply to each command, by its id."""
        self.alarms: list[Alarm] = []

    def together(self) -> AbstractContextManager[None]:
        """All is noted at once."""
        return nullcontext()

    def step(self, step: Step, on_commit: Callable[[], None] | None = None) -> None:
        """Note a step; call back once it would be on disk."""
        self.steps.append(step)
        if on_commit is not None:
            self._recorded(on_commit)

    def answer(self, answer: Answer) -> None:
        """Note a reply."""
        self.replies[answer.reply.id] = answer.reply

    def alarm(self, alarm: Alarm) -> None:
        """Note an alarm."""
        self.alarms.append(alarm)

    def halted(self, halted: bool) -> None:
        """Nothing outlives the run."""

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Nothing outlives the run."""

    def step_signed(self, step: Step) -> None:
        """Note a step."""
        self.steps.append(step)
