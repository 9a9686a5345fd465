"""A journal in memory, for runs whose record is read when they are over."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from positions.commands.messages import Reply
from positions.engine.effects import Alarm, Answer, Step
from positions.model.position import Order


class Notebook:
    """Records what happens."""

    def __init__(self, call_on_commit: Callable[[Callable[[], None]], None]) -> None:
        self._call_on_commit = call_on_commit
        self.steps: list[Step] = []
        self.replies: dict[str, Reply] = {}
        """The last reply to each command, by its id."""
        self.alarms: list[Alarm] = []

    def together(self) -> AbstractContextManager[None]:
        """Everything is recorded at once."""
        return nullcontext()

    def step(
        self,
        step: Step,
        on_commit: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,  # noqa: ARG002  (nothing is ever lost here)
    ) -> None:
        """Record a step; call back once it would be committed."""
        self.steps.append(step)
        if on_commit is not None:
            self._call_on_commit(on_commit)

    def answer(self, answer: Answer) -> None:
        """Record a reply."""
        self.replies[answer.reply.id] = answer.reply

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm."""
        self.alarms.append(alarm)

    def halted(self, halted: bool) -> None:
        """Nothing outlives the run."""

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Nothing outlives the run."""

    def step_signed(self, step: Step) -> None:
        """Record a step."""
        self.steps.append(step)
