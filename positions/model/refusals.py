"""Which refusals of the venue last: their words come back with every order until a person acts.

A wallet of the wrong kind, a missing allowance, a ban or a closed market are not over in a second;
whatever is not known here may be. In lower case, as part of what the venue says.
"""

_LASTING = (
    "maker address not allowed",
    "deposit wallet",
    "has to be the address of the api key",
    "api key",
    "unauthorized",
    "the allowance is not enough",
    "closed only mode",
    "closed-only mode",
    "address banned",
    "address is banned",
    "geoblock",
    "restricted in your region",
    "not available in your region",
    "no orderbook exists",
    "market is closed",
    "market closed",
    "market is resolved",
    "not accepting orders",
)


def is_lasting(reason: str) -> bool:
    """Whether the same order would be refused again, and any other in its place."""
    said = " ".join(reason.lower().split())
    return any(words in said for words in _LASTING) or (
        "orderbook" in said and "does not exist" in said
    )
