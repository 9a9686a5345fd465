"""Runs the owner's alarm command when an alarm opens."""

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.boundary import bounded
from bridge.messages import ALARMS, BELL_ALARM
from positions.engine.effects import Alarm
from positions.operations.bell import Bell


class AlarmBell(Actor):
    """Passes alarms to the bell; their position, kind and subject identify them."""

    def __init__(self, bell: Bell) -> None:
        super().__init__(ActorConfig(component_id="AlarmBell"))
        self._bell = bell

    def on_start(self) -> None:
        """Subscribe to the alarms."""
        self.msgbus.subscribe(topic=ALARMS, handler=bounded(self._on_alarm))

    def _on_alarm(self, alarm: Alarm) -> None:
        if alarm.kind == BELL_ALARM:
            self.log.error(alarm.text)
        elif alarm.is_open:
            self._bell.ring(alarm.text, (alarm.position_id, alarm.kind, _subject(alarm.text)))


def _subject(text: str) -> str:
    """What an alarm is about, such as the market and outcome that its text begins with."""
    subject, colon, _ = text.partition(": ")
    return subject if colon else ""
