"""Reads the wallet's trades of one market, of either protocol."""

from typing import Any

from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import TradeParams

from venues.polymarket.api.protocol import Protocol, position_ids, protocol_of_condition


def get_trades(client: ClobClient, market_id: str, after: int | None = None) -> list[Any]:
    """The trades of a market, since a time in seconds.

    Whether the venue's filter takes a condition of Protocol V2 with 62 or 64 digits is not
    documented, and one that it does not know finds nothing: such trades are asked for by both of
    the outcomes, since a maker's may be told as of the other one.
    """
    if protocol_of_condition(market_id) is Protocol.V1:
        return list(client.get_trades(TradeParams(market=market_id, after=after)))
    found: list[Any] = []
    for token in position_ids(market_id):
        told = client.get_trades(TradeParams(asset_id=token, after=after))
        found += [trade for trade in told if trade not in found]
    return found
