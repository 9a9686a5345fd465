"""Tells on the terminal, live, what happens to each position and what goes wrong."""

from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.boundary import bounded
from bridge.messages import ALARMS, STORY
from positions.engine.effects import Alarm, Step
from positions.foreign import LINE_LENGTH, clean
from positions.model.formatting import iso
from positions.storage.rows import story
from positions.storage.story import ROUTINE, tell


class Narrator(Actor):
    """Prints one line per event.

    Parameters
    ----------
    say
        Takes one line of text.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(ActorConfig(component_id="Narrator"))
        self._say = say

    def on_start(self) -> None:
        """Listen to the story and to the alarms."""
        self.msgbus.subscribe(topic=STORY, handler=bounded(self._on_step))
        self.msgbus.subscribe(topic=ALARMS, handler=bounded(self._on_alarm))

    def _on_step(self, step: Step) -> None:
        p, event = step.position, story(step.position, step.fact)
        if event["kind"] not in ROUTINE:
            when = iso(step.fact.time)[11:23].rstrip("Z")
            self._tell(f"{when}  {p.market} {p.outcome} {p.id[-8:]}  {tell(event)}")

    def _on_alarm(self, alarm: Alarm) -> None:
        word = "ALARM" if alarm.is_open else "over"
        self._tell(f"{iso(alarm.time)[11:23].rstrip('Z')}  {word}: {alarm.text}")

    def _tell(self, line: str) -> None:
        self._say(clean(line, LINE_LENGTH))
