"""Has winnings redeemed while the node runs: at its start, and whenever something is owed."""

import asyncio
import threading
import time
from collections.abc import Callable
from decimal import Decimal

from actors.every_second import EverySecond
from bridge.aside import call_from_thread
from positions.operations.redeeming import Redeemed

PAUSE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 6 * 3600.0


class RedeemWatch(EverySecond):
    """Runs `redeem`, which may take minutes, on a thread; never twice at once.

    `owed` tells what is redeemable in USDC, `say` takes a line for people, `alarm` why something is
    not redeemed, "" once it is. After a failure the pause doubles, up to six hours.
    """

    def __init__(
        self,
        redeem: Callable[[], Redeemed],
        owed: Callable[[], Decimal],
        say: Callable[[str], None],
        alarm: Callable[[str], None],
        loop: asyncio.AbstractEventLoop,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("RedeemWatch", self.look)
        self._redeem = redeem
        self._owed = owed
        self._say = say
        self._alarm = alarm
        self._node_loop = loop
        self._seconds = seconds
        self._is_running = False
        self._is_due = True  # what an earlier process sent may have no end yet
        self._pause = PAUSE_SECONDS
        self._not_before = 0.0
        self._why = ""

    def look(self) -> None:
        """Start the program, if it is time to."""
        is_due = self._is_due or self._owed() > 0
        if self._is_running or not is_due or self._seconds() < self._not_before:
            return
        self._is_running = True
        try:
            threading.Thread(target=self._work, name="redeem", daemon=True).start()
        except RuntimeError as e:  # no further thread can be started now
            self._ended(Redeemed((), str(e)))

    def _work(self) -> None:
        try:
            done = self._redeem()
        except Exception as e:  # its text may hold what no log may
            done = Redeemed((), f"unexpected {type(e).__name__}")
        call_from_thread(self._node_loop, self._ended, done)

    def _ended(self, done: Redeemed) -> None:
        self._is_running, self._is_due = False, bool(done.why)
        for line in done.paid:
            self._say(line)
        longer = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._not_before = self._seconds() + self._pause
        self._pause = longer if done.why else PAUSE_SECONDS
        if done.why != self._why:
            self._why = done.why
            self._alarm(done.why)
