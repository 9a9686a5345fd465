"""The messages that travel on Nautilus' message bus between our actors and the strategy."""

from nautilus_trader.core.data import Data
from nautilus_trader.model.custom import customdataclass

REPLIES = "polybracket.replies"
"""Topic of `positions.commands.messages.Reply`, published once the reply is on disk."""
STORY = "polybracket.story"
"""Topic of `positions.engine.engine.Step`: every event of every position."""
ALARMS = "polybracket.alarms"
"""Topic of `positions.engine.engine.Alarm`."""
BELL_ALARM = "alarm_command"
"""The kind of the alarm about the alarm command, which is not run for it."""


@customdataclass
class CommandMessage(Data):
    """A command that is due, as the JSON text in which it was queued."""

    command_id: str = ""
    content: str = ""
