"""What happens to a stop when Nautilus' emulator releases it: nothing.

The emulator turns a triggered stop into a market order and hands it to this algorithm, which keeps
it from the venue: a market sell would be signed at the worst bid in the book. The strategy learns
of the trigger from the `OrderReleased` event, checks it against its own view of the book, sells as
`positions.engine.plan` says, and cancels the held order in a later turn.
"""

from nautilus_trader.common.component import Clock
from nautilus_trader.execution.algorithm import ExecAlgorithm
from nautilus_trader.execution.config import ExecAlgorithmConfig
from nautilus_trader.model.orders import Order

from bridge.clocks import ClockOverride
from bridge.conversion import STOP_ALGORITHM


class StopHolder(ClockOverride, ExecAlgorithm):
    """Holds released stops."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(ExecAlgorithmConfig(exec_algorithm_id=STOP_ALGORITHM))
        self.clock_override = clock

    def on_order(self, order: Order) -> None:
        """Keep a released stop from the venue."""
