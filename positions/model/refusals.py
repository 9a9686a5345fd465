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

_KEYS = "derive the credentials anew with `polybracket credentials`"
_TO_DO = {
    "deposit wallet": "set signature_type = 3 under [wallet]",
    "has to be the address of the api key": _KEYS,
    "api key": _KEYS,
    "unauthorized": _KEYS,
    "allowance": "`polybracket doctor` tells which contract must be allowed to spend",
}


def what_to_do(reason: str) -> str:
    """What a person can do about a refusal; empty where nothing is known."""
    said = _normal(reason)
    return next((to_do for words, to_do in _TO_DO.items() if words in said), "")


def is_lasting(reason: str) -> bool:
    """Whether the same order would be refused again, and any other in its place."""
    said = _normal(reason)
    return any(words in said for words in _LASTING) or (
        "orderbook" in said and "does not exist" in said
    )


def _normal(reason: str) -> str:
    return " ".join(reason.lower().split())
