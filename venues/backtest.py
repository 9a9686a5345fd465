"""A recording and a list of commands as the data of Nautilus' backtest node.

All data of one moment is one record, so that the engine has its turn after the whole of it: fed
quote by quote, it would act in the middle of a batch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.node import BacktestNode
from nautilus_trader.core.data import Data
from nautilus_trader.data.messages import RequestTradeTicks
from nautilus_trader.execution.messages import CancelOrder, SubmitOrder
from nautilus_trader.model.data import CustomData, DataType

from bridge.event_loop import EventLoop
from bridge.messages import CommandMessage
from venues.replay import ReplayDataClient
from venues.simulated.execution import SimulatedExecutionClient

_CHUNK = 1_000


class Moment(Data):
    """All data of one moment of the venue."""

    def __init__(self, time: int, data: list[Data]) -> None:
        self.data = data
        self._time = time

    @property
    def ts_event(self) -> int:
        """The moment, in nanoseconds."""
        return self._time

    @property
    def ts_init(self) -> int:
        """The moment, in nanoseconds."""
        return self._time


_MOMENT = DataType(Moment)
_COMMAND = DataType(CommandMessage)


def stream(
    batches: Iterable[tuple[int, list[Data]]], commands: Iterable[CommandMessage], start: int
) -> Iterator[list[Data]]:
    """The recording's moments with the commands between them, in chunks.

    A command due before the start comes first; one due at a moment comes after its data, as the
    alarm clock of a replay has it.
    """
    waiting = deque(commands)
    chunk: list[Data] = []
    while waiting and waiting[0].ts_init <= start:
        chunk.append(CustomData(_COMMAND, waiting.popleft()))
    for time, data in batches:
        while waiting and waiting[0].ts_init < time:
            chunk.append(CustomData(_COMMAND, waiting.popleft()))
        chunk.append(CustomData(_MOMENT, Moment(time, data)))
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    yield chunk + [CustomData(_COMMAND, command) for command in waiting]


class RecordingNode(BacktestNode):
    """Nautilus' backtest node, fed with a stream in our order.

    Nautilus' own reading of a catalog mixes what happened at once, cannot feed changes of the tick,
    and begins with the last known instrument: with the future.
    """

    stream: Iterator[list[Data]]

    def _run_oneshot(
        self,
        run_config_id: str,
        engine: BacktestEngine,
        data_configs: list[Any],  # noqa: ARG002  (Nautilus' signature)
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        engine.add_data_iterator("recording", self.stream)
        engine.run(start=start, end=end, run_config_id=run_config_id)


class BacktestDataClient(ReplayDataClient):
    """Publishes the data of each moment, then lets the node do what it causes."""

    def open(self, event_loop: EventLoop) -> None:
        """Make the instruments known, and follow the stream."""
        self._event_loop = event_loop
        for instrument in self._instruments:
            self._cache.add_instrument(instrument)
        self._msgbus.subscribe(topic=f"data.{_MOMENT.topic}", handler=self._on_moment)

    def request_trade_ticks(self, request: RequestTradeTicks) -> None:
        """Ignore it: a backtest's engine asks for a subscription's data, which come by moments."""

    def _on_moment(self, moment: Moment) -> None:
        self._event_loop.run_moment(partial(self._publish_all, moment.data))

    def _publish_all(self, batch: list[Data]) -> None:
        for data in batch:
            self.publish(data)


class LatentExecutionClient(SimulatedExecutionClient):
    """A simulated venue that orders take some time to reach."""

    event_loop: EventLoop
    latency_ns: int = 0

    def submit_order(self, command: SubmitOrder) -> None:
        """Send an order on its way."""
        self._send(partial(super().submit_order, command))

    def cancel_order(self, command: CancelOrder) -> None:
        """Send a cancellation on its way."""
        self._send(partial(super().cancel_order, command))

    def _send(self, arrive: Callable[[], None]) -> None:
        if self.latency_ns:
            self.arrivals.later(self.latency_ns, arrive)
        else:
            arrive()

    def arrive(self, act: Callable[[], None]) -> None:
        """Let it have its effect, and what that causes run to its end."""
        self.event_loop.run_moment(act)
