"""Polymarket's instruments, none without its fee."""

from typing import Any

from nautilus_trader.adapters.polymarket.common.gamma_markets import fetch_fee_schedules
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProvider


class HardenedProvider(PolymarketInstrumentProvider):
    """Loads markets with what they cost, or not at all."""

    async def _enrich_with_gamma_fee_schedules(self, market_infos: list[dict[str, Any]]) -> None:
        """Defect: where Gamma does not answer, a market is taken to be free of fees, for as long as
        the node runs. Can go when the adapter lets the load fail.
        """
        schedules = await fetch_fee_schedules(
            http_client=self._http_client,
            condition_ids=[market["condition_id"] for market in market_infos],
        )
        for market in market_infos:
            if market["condition_id"] in schedules:
                market["feeSchedule"] = schedules[market["condition_id"]]
