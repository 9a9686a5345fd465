"""The venue's name, as Nautilus has it. Its adapter has the same, but loads the venue's client."""

from nautilus_trader.model.identifiers import ClientId, Venue

VENUE = Venue("POLYMARKET")
CLIENT_ID = ClientId(VENUE.value)
