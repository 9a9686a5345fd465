"""Keeps Nautilus from computing what nobody reads.

At each change of a position, Nautilus' portfolio sums all open positions of its instrument: with
thousands of them on one outcome that takes longer than all the rest of a fill. Our own ledger
counts; nothing here, and no part of Nautilus that we use, asks the portfolio about positions.
"""

from nautilus_trader.model.events import PositionEvent
from nautilus_trader.system.kernel import NautilusKernel

_ENDPOINT = "Portfolio.update_position"


def leave_positions_alone(kernel: NautilusKernel) -> None:
    """Publish no position to the portfolio."""
    kernel.msgbus.deregister(_ENDPOINT, kernel.portfolio.update_position)
    kernel.msgbus.register(_ENDPOINT, _ignore)


def _ignore(_: PositionEvent) -> None:
    """Do nothing."""
