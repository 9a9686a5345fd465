"""The messages that travel on Nautilus' message bus between our actors and the strategy."""

from nautilus_trader.core.data import Data

from positions.commands.messages import Command

REPLIES = "polybracket.replies"
"""Topic of `positions.commands.messages.Reply`, published once the reply is on disk."""
STORY = "polybracket.story"
"""Topic of `positions.engine.engine.Step`: every event of every position."""
ALARMS = "polybracket.alarms"
"""Topic of `positions.engine.engine.Alarm`."""
BELL_ALARM = "alarm_command"
"""The kind of the alarm about the alarm command, which is not run for it."""


class CommandMessage(Data):
    """A command that is due, decoded."""

    def __init__(self, command: Command, time: int) -> None:
        self.command = command
        self._time = time

    @property
    def ts_event(self) -> int:
        """When it is due, in nanoseconds."""
        return self._time

    @property
    def ts_init(self) -> int:
        """When it is due, in nanoseconds."""
        return self._time
