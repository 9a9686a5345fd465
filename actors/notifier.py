"""Tells the owner what happens, by the bells of his addresses."""

from collections.abc import Collection, Sequence

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from bridge.boundary import bounded
from bridge.messages import ALARMS, STORY
from positions.engine.effects import Alarm, Step
from positions.operations.bell import Bell
from positions.operations.notices import is_over, notices

NOTIFY_ALARM = "notify"
"""The kind of alarm of a message that cannot be sent: no message is sent about it."""
_OVER_MAX = 10_000


class Notifier(Actor):
    """Passes on the events that are asked for. It waits for nothing: bells have their threads."""

    def __init__(self, bells: Sequence[Bell], events: Collection[str], mode: str) -> None:
        super().__init__(ActorConfig(component_id="Notifier"))
        self._bells, self._events, self._mode = bells, events, mode
        self._over: dict[str, None] = {}
        self._told = 0

    def on_start(self) -> None:
        """Subscribe to what happens, and tell that the node runs."""
        self.msgbus.subscribe(topic=STORY, handler=bounded(self._on_step))
        self.msgbus.subscribe(topic=ALARMS, handler=bounded(self._on_alarm))
        self._tell("node", f"the node has started, mode {self._mode}")

    def on_stop(self) -> None:
        """Tell that the node stops."""
        self._tell("node", "the node stops; what is open is not protected until it runs again")

    def _on_step(self, step: Step) -> None:
        p = step.position
        for notice in notices(step, was_over=p.id in self._over):
            self._tell(notice.event, notice.text)
        if is_over(p):
            self._over[p.id] = None
            if len(self._over) > _OVER_MAX:
                del self._over[next(iter(self._over))]
        else:
            self._over.pop(p.id, None)

    def _on_alarm(self, alarm: Alarm) -> None:
        if alarm.is_open and alarm.kind != NOTIFY_ALARM:
            self._tell("alarm", f"ALARM: {alarm.text}", key=(alarm.position_id, alarm.kind))

    def _tell(self, event: str, text: str, key: object = None) -> None:
        if event in self._events:
            self._told += 1
            for bell in self._bells:
                bell.ring(text, key or self._told)
