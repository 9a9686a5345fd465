"""An Actor that opens positions by a signal of its own, under caps of its own.

It shares nothing with the strategy but the message bus: its requests are commands like any other,
checked, recorded and answered in the same way. Copy it to begin a signal of your own.
"""

from collections.abc import Callable

import msgspec
from nautilus_trader.common.component import Clock
from nautilus_trader.model.data import DataType, QuoteTick

from bridge import conversion
from bridge.boundary import bounded
from bridge.clocks import ClockedActor
from bridge.messages import CommandMessage
from bridge.venue import VENUE
from positions.commands.market_names import market_name
from positions.commands.messages import decode
from positions.commands.signals import PriceCross, Watcher


class PriceCrossActor(ClockedActor):
    """Watches one outcome and requests a position when its ask crosses a level."""

    def __init__(
        self, signal: PriceCross, is_known: Callable[[str], bool], clock: Clock | None = None
    ) -> None:
        super().__init__(f"PriceCross-{signal.name}", clock)
        self._watcher = Watcher(signal, is_known)

    def on_start(self) -> None:
        """Watch the outcome that the signal names."""
        signal = self._watcher.signal
        for instrument in self.cache.instruments(venue=VENUE):
            book = conversion.instrument_book(instrument)
            named = market_name(signal.market) in (book.market_id, book.slug.lower())
            if named and signal.outcome in (book.outcome_id, book.outcome):
                self.subscribe_quote_ticks(instrument.id)
                return
        self.log.error(f"{signal.name}: {signal.market} {signal.outcome} is no market listed here")

    @bounded
    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Update the watcher with a quote, and publish the command that is due."""
        now = self.clock.timestamp_ns()
        fields = self._watcher.see(tick.ask_price.as_decimal(), now)
        if fields is not None:
            command = decode(msgspec.json.encode(fields))
            self.publish_data(DataType(CommandMessage), CommandMessage(command, now))
