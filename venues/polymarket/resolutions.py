"""Asks which of the markets that are followed are resolved, as their channel may not tell it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal

from nautilus_trader.adapters.polymarket.common.symbol import (
    get_polymarket_condition_id,
    get_polymarket_token_id,
)
from nautilus_trader.model.identifiers import InstrumentId

RESOLUTION_SECONDS = 15.0

Resolutions = Callable[[list[str]], Awaitable[dict[str, Decimal]]]
"""Asks what the outcomes of markets (condition ids) pay: token id -> USDC per share, of those that
are resolved."""


class ResolutionWatch:
    """Asks until cancelled.

    Parameters
    ----------
    payouts
        Tells what resolved markets pay.
    followed
        The outcomes that are followed and not known to be resolved.
    close
        Takes an outcome that is, and what it pays.
    warn
        Takes a line for the log.
    """

    def __init__(
        self,
        payouts: Resolutions,
        followed: Callable[[], Iterable[InstrumentId]],
        close: Callable[[InstrumentId, Decimal], None],
        warn: Callable[[str], None],
    ) -> None:
        self._payouts = payouts
        self._followed = followed
        self._close = close
        self._warn = warn

    async def run(self) -> None:
        """Ask every now and then."""
        while True:
            await asyncio.sleep(RESOLUTION_SECONDS)
            try:
                await self._ask()
            except Exception as e:
                self._warn(f"the resolutions could not be read: {e!r}")

    async def _ask(self) -> None:
        followed = list(self._followed())
        markets = sorted({get_polymarket_condition_id(i) for i in followed})
        payouts = await self._payouts(markets) if markets else {}
        for instrument_id in followed:
            payout = payouts.get(get_polymarket_token_id(instrument_id))
            if payout is not None:
                self._close(instrument_id, payout)
