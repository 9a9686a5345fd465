"""Runs the owner's command when an alarm opens.

The same alarm again within a while is folded, and one command runs at a time: what opens meanwhile
is told by the next, so that a thousand stops at once do not start a thousand programs. A command
outlives the node, so that the last alarm is told too.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import ActorConfig

from actors.boundary import bounded
from actors.messages import ALARMS
from positions.effects import Alarm
from positions.foreign import REASON_LENGTH, clean
from positions.wallet import SECRETS

FOLD_SECONDS = 60.0
PATIENCE = 30.0
"""Seconds after which a command that still runs is killed, with what it started."""
TOLD_AT_ONCE = 20
"""Alarms in one text; of more only the number is told, for a command line has an end."""
_LOOK_SECONDS = 0.05


class AlarmBell(Actor):
    """Calls the owner.

    Parameters
    ----------
    command
        A program and its arguments; the alarms' text, one a line, is added as the last one.
    clock
        Seconds that only ever grow.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(ActorConfig(component_id="AlarmBell"))
        self._command = command
        self._now = clock
        self._rung_at: dict[tuple[str, str], float] = {}
        self._untold: list[str] = []
        self._ringing: asyncio.Task[None] | None = None

    def on_start(self) -> None:
        """Listen to the alarms."""
        self.msgbus.subscribe(topic=ALARMS, handler=bounded(self._on_alarm))

    def _on_alarm(self, alarm: Alarm) -> None:
        now, key = self._now(), (alarm.position_id, alarm.kind)
        if not alarm.is_open or now - self._rung_at.get(key, -FOLD_SECONDS) < FOLD_SECONDS:
            return
        self._rung_at[key] = now
        self._untold.append(clean(alarm.text, REASON_LENGTH))
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.get_running_loop().create_task(self._ring())

    async def _ring(self) -> None:
        while self._untold:
            texts, self._untold = self._untold, []
            try:
                process = subprocess.Popen(
                    [*self._command, _joined(texts)],
                    env={n: v for n, v in os.environ.items() if n not in SECRETS},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except (OSError, ValueError) as e:
                self.log.error(f"the alarm command cannot be run: {e}")
            else:
                await self._see_to_its_end(process)

    async def _see_to_its_end(self, process: subprocess.Popen[bytes]) -> None:
        until = self._now() + PATIENCE
        while process.poll() is None:
            if self._now() >= until:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self.log.error(f"the alarm command ran over {PATIENCE:.0f} s and was killed")
            await asyncio.sleep(_LOOK_SECONDS)


def _joined(texts: list[str]) -> str:
    rest = len(texts) - TOLD_AT_ONCE
    more = [f"and {rest} more"] if rest > 0 else []
    return "\n".join([*texts[:TOLD_AT_ONCE], *more])
