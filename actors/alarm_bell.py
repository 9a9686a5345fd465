"""Runs the owner's command when an alarm opens; the same alarm again within a while is folded."""

import asyncio
import time

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from actors.messages import ALARMS
from positions.desk import Alarm

FOLD_SECONDS = 60.0
_COMMAND_SECONDS = 30.0


class AlarmBell(Actor):
    """Calls the owner.

    Parameters
    ----------
    command
        A program and its arguments; the alarm's text is added as the last one.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        super().__init__(ActorConfig(component_id="AlarmBell"))
        self._command = command
        self._rung_at: dict[tuple[str, str], float] = {}
        self._running: set[asyncio.Task[None]] = set()

    def on_start(self) -> None:
        """Listen to the alarms."""
        self.msgbus.subscribe(topic=ALARMS, handler=self._on_alarm)

    def _on_alarm(self, alarm: Alarm) -> None:
        now, key = time.monotonic(), (alarm.position_id, alarm.kind)
        if not alarm.is_open or now - self._rung_at.get(key, -FOLD_SECONDS) < FOLD_SECONDS:
            return
        self._rung_at[key] = now
        task = asyncio.get_running_loop().create_task(self._ring(alarm.text))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _ring(self, text: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                text,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                await asyncio.wait_for(process.wait(), _COMMAND_SECONDS)
            except TimeoutError:
                process.kill()
                self.log.error(f"the alarm command ran over {_COMMAND_SECONDS:.0f} s")
        except OSError as e:
            self.log.error(f"the alarm command cannot be run: {e}")
