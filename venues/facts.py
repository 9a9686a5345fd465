"""What the venue says of our orders that Nautilus has no event for.

A trade that failed to settle, or one of an order that was told to have been rejected: Nautilus'
orders cannot take them any more, but the ledger must. They go over the message bus.
"""

from msgspec import Struct

from positions.life import AnyFact

VENUE_FACTS = "venue.facts"
"""The topic that `VenueFact`s are published on."""


class VenueFact(Struct, frozen=True):
    """A fact about one of our orders."""

    client_order_id: str
    fact: AnyFact
