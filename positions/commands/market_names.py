"""How people name a market."""

import re
from urllib.parse import urlsplit

_CONDITION = re.compile(r"0x(?:[0-9a-f]{62}|[0-9a-f]{64})")
_CONDITION_LENGTH = 2 + 64


def market_name(text: str) -> str:
    """The slug or condition id that a text names; of a polymarket.com address, its last slug."""
    name = text.strip()
    if "polymarket.com/" not in name:
        return condition_id_of(name)
    try:
        address = urlsplit(name if "://" in name else f"https://{name}")
    except ValueError:  # no address, and no market's name either
        return name
    return condition_id_of(address.path.rstrip("/").rpartition("/")[2])


def condition_id_of(text: str) -> str:
    """A condition's id with 64 lower-case hexadecimal digits; what is none stays as it is.

    The contracts of Protocol V2 state 31 bytes, which others fill up with a zero byte.
    """
    lower = text.lower()
    return lower.ljust(_CONDITION_LENGTH, "0") if _CONDITION.fullmatch(lower) else text
