"""A simulated event loop: a backtest's callbacks run in the order of a live node's.

In a live node a turn of the engine waits for the next iteration of the event loop, and what
Nautilus puts into one of its queues is handled two iterations later. A backtest of Nautilus handles
everything at once. So that one recording has one outcome in both, a backtest runs in iterations.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

from nautilus_trader.system.kernel import NautilusKernel

_Callback = Callable[[], object]


class EventLoop:
    """Callbacks, by the iteration that they are due in.

    What is scheduled while nothing else runs is run at once.
    """

    def __init__(self) -> None:
        self._due: list[tuple[int, int, _Callback]] = []
        self._committed: deque[_Callback] = deque()
        self._iteration = 0
        self._count = 0
        self._is_running = False

    def call_soon(self, callback: _Callback) -> None:
        """Run it in the next iteration, as asyncio's `call_soon` does."""
        self._put(1, callback)

    def call_queued(self, callback: _Callback) -> None:
        """Run it when a live node would take it out of one of Nautilus' queues."""
        self._put(2, callback)

    def call_on_commit(self, callback: _Callback) -> None:
        """Run it once a record would be committed: after everything else."""
        self._committed.append(callback)
        self._run_all()

    def run_moment(self, publish: _Callback) -> None:
        """Publish all that belongs to one moment; then run what it causes."""
        self._is_running = True
        try:
            publish()
        finally:
            self._is_running = False
        if self._due or self._committed:
            self._run_all()

    def _put(self, iterations: int, callback: _Callback) -> None:
        self._count += 1
        heappush(self._due, (self._iteration + iterations, self._count, callback))
        self._run_all()

    def _run_all(self) -> None:
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._due or self._committed:
                if self._due:
                    self._iteration, _, callback = heappop(self._due)
                    callback()
                else:
                    self._committed.popleft()()
        finally:
            self._is_running = False


def queue_as_live(kernel: NautilusKernel, event_loop: EventLoop) -> None:
    """Queue orders and their events, as a live node does."""
    risk, execution = kernel.risk_engine, kernel.exec_engine
    for endpoint, handler in (
        ("RiskEngine.execute", risk.execute),
        ("RiskEngine.process", risk.process),
        ("ExecEngine.execute", execution.execute),
        ("ExecEngine.process", execution.process),
    ):
        kernel.msgbus.deregister(endpoint, handler)
        kernel.msgbus.register(endpoint, partial(_queue, event_loop, handler))


def _queue(event_loop: EventLoop, handle: Callable[[Any], None], message: Any) -> None:
    event_loop.call_queued(partial(handle, message))
