"""Messages of the venue that Nautilus has no event for, on its message bus.

A trade that failed to settle, or one of an order that was rejected before: Nautilus' orders do not
accept them, but the ledger must. Whether an instrument's prices can be trusted: Nautilus keeps the
last quote however old it is. What else the same wallet has, and does.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from nautilus_trader.model.identifiers import InstrumentId

from positions.engine.adoption import Holding
from positions.model.events import AnyEvent

VENUE_EVENTS = "venue.events"
"""The topic that `VenueEvent`s are published on."""
FEEDS = "venue.feeds"
"""The topic that `FeedState`s are published on."""
DEPTHS = "venue.depths"
"""The topic that `Depth`s are published on."""
OWN_ORDERS = "venue.own_orders"
"""The topic that the instrument id of each order of ours is published on when its state changes."""
WALLETS = "venue.wallet"
"""The topic that `WalletView`s are published on."""
WALLET_TROUBLES = "venue.wallet_troubles"
"""The topic that it is published on why the wallet cannot be read for a while; "" once it can."""
VENUE_MODES = "venue.modes"
"""The topic that each new `VenueMode` is published on."""
VENUE_ALARMS = "venue.alarms"
"""The topic that the texts of alarms about what the venue reports are published on."""


class VenueEvent(Struct, frozen=True):
    """An event about one of our orders."""

    client_order_id: str
    event: AnyEvent


class FeedState(Struct, frozen=True):
    """What is wrong with an outcome's prices; "" = nothing any more."""

    instrument_id: InstrumentId
    problem: str


class Depth(Struct, frozen=True):
    """An outcome's bids, best first: price and size."""

    instrument_id: InstrumentId
    bids: tuple[tuple[Decimal, Decimal], ...]


class WalletView(Struct, frozen=True):
    """What the wallet has beside our orders.

    Parameters
    ----------
    foreign_orders
        How many of its open orders are not ours.
    foreign_cost
        The USDC that their buys may still take.
    balances
        Shares by outcome id, of outcomes of which we hold some and no trade is under way.
    holdings
        Of outcomes of which the wallet has not what it had beside our shares: how it came by that.
    """

    foreign_orders: int
    foreign_cost: Decimal
    balances: Mapping[str, Decimal]
    holdings: Mapping[str, Holding] = {}
    rate_limit: str = ""
