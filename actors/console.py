"""Prints what happens to each position, and the alarms, on the console."""

from collections.abc import Callable
from functools import partial

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.boundary import bounded
from bridge.messages import ALARMS, STORY
from positions.engine.effects import Alarm, Step
from positions.model.foreign_text import LINE_LENGTH, clean
from positions.model.formatting import iso
from positions.operations.console import Line
from positions.storage.rows import story
from positions.storage.story import ROUTINE, sentence


class Console(Actor):
    """Prints one line per event; `say` must neither wait nor raise."""

    def __init__(self, say: Callable[[Line], None]) -> None:
        super().__init__(ActorConfig(component_id="Console"))
        self._say = say

    def on_start(self) -> None:
        """Subscribe to the steps and the alarms."""
        self.msgbus.subscribe(topic=STORY, handler=bounded(self._on_step))
        self.msgbus.subscribe(topic=ALARMS, handler=bounded(self._on_alarm))

    def _on_step(self, step: Step) -> None:
        kind = type(step.event).__struct_config__.tag
        if kind not in ROUTINE:
            self._say(partial(_line, step))

    def _on_alarm(self, alarm: Alarm) -> None:
        word = "ALARM" if alarm.is_open else "over"
        self._say(clean(f"{_hour(alarm.time)}  {word}: {alarm.text}", LINE_LENGTH))


def _line(step: Step) -> str:
    p, text = step.position, sentence(story(step.position, step.event))
    line = f"{_hour(step.event.time)}  {p.market} {p.outcome} {p.id[-8:]}  {text}"
    return clean(line, LINE_LENGTH)


def _hour(time: int) -> str:
    return iso(time)[11:23].rstrip("Z")
