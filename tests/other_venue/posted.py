"""Reads orders as they are posted to the other venue, and hashes them as its contract does."""

import time
from collections.abc import Mapping
from typing import Any

from other_venue.exchange import InstrumentBook, Order, Rejected
from py_clob_client_v2.config import get_contract_config
from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2, Side
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2

Json = dict[str, Any]
_CHAIN = 137
EXCHANGE = get_contract_config(_CHAIN).exchange_v2
"""The address of the contract that settles."""


def read(posted: Json, markets: Mapping[str, InstrumentBook]) -> Order:
    """The order that a request posts; raises `Rejected`."""
    sent = posted["order"]
    is_buy = sent["side"] == "BUY"
    gives, takes = int(sent["makerAmount"]), int(sent["takerAmount"])
    size, money = (takes, gives) if is_buy else (gives, takes)
    cents, rest = divmod(money * 100, size)
    if rest:
        raise Rejected("invalid price: it breaks the minimum tick size rule: 0.01")
    market = markets[sent["tokenId"]]
    if sent["tokenId"] != market.token:
        raise Rejected("only the first outcome is traded here")
    return Order(
        hash=_hashed(sent),
        market=market,
        is_buy=is_buy,
        cents=cents,
        size=size,
        kind=posted["orderType"],
        maker=sent["maker"],
        until=int(sent.get("expiration") or 0),
        placed_at=time.time(),
    )


def _hashed(sent: Json) -> str:
    """The hash of an order, as the official client's own builder makes it."""
    builder = ExchangeOrderBuilderV2(EXCHANGE, _CHAIN, None)
    order = OrderV2(
        salt=str(sent["salt"]),
        maker=sent["maker"],
        signer=sent["signer"],
        tokenId=sent["tokenId"],
        makerAmount=sent["makerAmount"],
        takerAmount=sent["takerAmount"],
        side=Side.BUY if sent["side"] == "BUY" else Side.SELL,
        signatureType=sent["signatureType"],
        timestamp=sent["timestamp"],
        metadata=sent["metadata"],
        builder=sent["builder"],
        expiration=sent["expiration"],
    )
    return str(builder.build_order_hash(builder.build_order_typed_data(order)))
