"""How the strategy goes on with what an earlier process left.

Markets first, then positions, then what the venue says of their orders; orders that still rest at
the venue are made known to Nautilus. All of it is booked before anything is sent.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal

from msgspec.structs import replace
from nautilus_trader.common.component import Clock
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.identifiers import InstrumentId, PositionId
from nautilus_trader.model.orders import Order as NautilusOrder
from nautilus_trader.trading.strategy import Strategy

from bridge import conversion
from bridge.boundary import tell
from bridge.clock_override import ClockOverride
from bridge.clocks import now_ns
from bridge.venue import CLIENT_ID, VENUE
from positions.engine.engine import Engine
from positions.engine.transitions import apply
from positions.model.events import AnyEvent
from positions.model.instrument_book import InstrumentBook
from positions.model.position import Order, Position


class SuccessorStrategy(ClockOverride, Strategy):
    """A strategy that takes over from the one of an earlier process.

    Parameters
    ----------
    engine
        All positions and the decisions about them.
    clock
        The clock to use in place of the node's own; a replay gives that of its data.
    """

    def __init__(self, engine: Engine, clock: Clock | None) -> None:
        super().__init__(
            StrategyConfig(
                strategy_id="PositionManager",
                order_id_tag="001",
                oms_type="HEDGING",
                log_events=False,
                log_commands=False,
            )
        )
        self.engine = engine
        self.clock_override = clock
        self._markets: dict[InstrumentId, InstrumentBook] = {}

    def _schedule(self) -> None:
        raise NotImplementedError

    def load(self, *, halted: bool) -> None:
        """Begin as an earlier process ended."""
        self.engine.load([], halted=halted)

    def take_over(
        self,
        positions: Iterable[Position],
        recovered: Iterable[tuple[str, AnyEvent]],
        payouts: Mapping[str, Decimal],
    ) -> list[tuple[NautilusOrder, Order]]:
        """Go on with what an earlier process left and what the venue says of it.

        All of it is booked in one turn, before anything is sent. Returns the orders that rest at
        the venue, as Nautilus and as we have them.
        """
        held = {p.id: p for p in positions}
        self.engine.load(held.values(), halted=self.engine.halted)
        for position_id, event in recovered:
            self.engine.event(position_id, event)
            with suppress(Exception):  # the engine meets the same, and tells it
                held[position_id] = apply(held[position_id], event)
        for outcome_id, payout in payouts.items():
            if outcome_id in self.engine.markets:
                self.engine.markets[outcome_id].payout = payout
        self._schedule()
        adopted = []
        for position, order in [(p, o) for p in held.values() for o in p.orders]:
            try:
                adopted.append((self._adopt(position, order), order))
            except Exception as e:  # the others go on all the same
                tell(e)
        return adopted

    def _adopt(self, position: Position, order: Order) -> NautilusOrder:
        """Make an order that rests at the venue known to Nautilus, for what is left of it."""
        instrument = self.cache.instrument(conversion.instrument_id(position))
        rest = replace(order, shares=order.leaves)
        native = conversion.order(rest, instrument, self.order_factory)
        self.cache.add_order(native, PositionId(position.id), CLIENT_ID)
        account = self.cache.account_for_venue(VENUE)
        for event in conversion.adoption(native, order, account.id, now_ns(self.clock)):
            native.apply(event)
        self.cache.update_order(native)
        return native
