"""What the page asks of the venue itself, by its public interfaces: no key is needed for it."""

import time
from typing import Any

from positions.model.durations import DAY, MINUTE
from positions.model.errors import VenueFailure
from positions.operations.settings import Settings
from positions.operations.wallet import FUNDER
from positions.storage.holdings import split
from web.remembered import Remembered
from web.source import Row, Source

HOLDINGS_SECONDS, PAST_SECONDS = 5.0, 60.0


class NoWallet(VenueFailure):
    """It is not known whose holdings they are to be."""


class Venue:
    """The public interfaces of the venue that a node trades at.

    Parameters
    ----------
    wallet
        The address of the wallet; "" = none is known.
    """

    def __init__(self, settings: Settings, source: Source, wallet: str) -> None:
        self._settings, self._source, self._wallet = settings, source, wallet
        self._holdings: Remembered[list[dict[str, Any]]] = Remembered(HOLDINGS_SECONDS)
        self._past: Remembered[list[Any]] = Remembered(PAST_SECONDS)

    def _mode(self) -> str:
        return str(self._source.view.node.get("mode", self._settings.mode))

    async def holdings(self) -> list[Row]:
        """What the wallet holds of markets that are not over, with what positions protect.

        Raises NoWallet without one, VenueFailure if the venue does not answer.
        """
        from venues.polymarket.api.data_api import holdings_of

        if self._mode() != "live":
            raise NoWallet(f"there is no wallet in {self._mode()} mode")
        if not self._wallet:
            rule = "start the page with it, or beside the node's .env"
            raise NoWallet(f"{FUNDER} is not set: whose holdings are they to be? {rule}")
        address = self._settings.venue.data
        found = await self._holdings.get((), lambda: holdings_of(address, self._wallet))
        return split(found, self._source.view.positions.values())

    async def past(self, outcome_id: str, own_since: int | None) -> tuple[list[Any], str | None]:
        """The prices by the minute of the day before the node's own bars begin, and why there are
        none if the venue does not tell."""
        from recordings.price_history import load_bars

        if self._mode() == "replay":
            return [], None
        now = time.time_ns() // MINUTE * MINUTE
        end = now if own_since is None else min(own_since // MINUTE * MINUTE, now)
        begin = max(end - DAY, 0)
        if begin == end:
            return [], None
        try:
            found = await self._past.get(
                (outcome_id, own_since is None),
                lambda: load_bars(self._settings.venue, outcome_id, begin, end, MINUTE, now),
            )
        except VenueFailure as e:
            return [], str(e)
        return [bar for bar in found if begin <= bar.time < end], None
