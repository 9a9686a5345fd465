"""The order in which a live node's event loop does things, without an event loop.

In a live node a turn of the engine waits for the next pass of the loop, and what Nautilus puts into
one of its queues is handled two passes later. In a backtest Nautilus does everything at once. So
that one recording tells one story in both, a backtest is run in the passes of a live node.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

from nautilus_trader.system.kernel import NautilusKernel

_Run = Callable[[], object]


class Passes:
    """What is under way, pass by pass.

    What is asked for while nothing else is under way is done at once.
    """

    def __init__(self) -> None:
        self._due: list[tuple[int, int, _Run]] = []
        self._recorded: deque[_Run] = deque()
        self._pass = 0
        self._count = 0
        self._is_open = False

    def soon(self, run: _Run) -> None:
        """Run it in the next pass, as `loop.call_soon` would."""
        self._put(1, run)

    def queued(self, run: _Run) -> None:
        """Run it when it comes out of one of Nautilus' queues."""
        self._put(2, run)

    def recorded(self, run: _Run) -> None:
        """Run it when the disk would have it: after all else."""
        self._recorded.append(run)
        self._settle()

    def moment(self, come_in: _Run) -> None:
        """Let all that belongs to one moment come in; then do what it causes."""
        self._is_open = True
        try:
            come_in()
        finally:
            self._is_open = False
        if self._due or self._recorded:
            self._settle()

    def _put(self, passes: int, run: _Run) -> None:
        self._count += 1
        heappush(self._due, (self._pass + passes, self._count, run))
        self._settle()

    def _settle(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        try:
            while self._due or self._recorded:
                if self._due:
                    self._pass, _, run = heappop(self._due)
                    run()
                else:
                    self._recorded.popleft()()
        finally:
            self._is_open = False


def queue_as_live(kernel: NautilusKernel, passes: Passes) -> None:
    """Let orders and their events wait in queues, as a live node has it."""
    risk, execution = kernel.risk_engine, kernel.exec_engine
    for endpoint, handler in (
        ("RiskEngine.execute", risk.execute),
        ("RiskEngine.process", risk.process),
        ("ExecEngine.execute", execution.execute),
        ("ExecEngine.process", execution.process),
    ):
        kernel.msgbus.deregister(endpoint, handler)
        kernel.msgbus.register(endpoint, partial(_queue, passes, handler))


def _queue(passes: Passes, handle: Callable[[Any], None], message: Any) -> None:
    passes.queued(partial(handle, message))
