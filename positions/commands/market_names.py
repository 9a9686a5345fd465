"""How people name a market: by its slug, an id of it, or an address of polymarket.com. Pure."""

import difflib
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from positions.model.errors import InputError

_CONDITION = re.compile(r"0x(?:[0-9a-f]{62}|[0-9a-f]{64})")
_CONDITION_LENGTH = 2 + 64
_TOKEN = re.compile(r"[0-9]{20,80}")
_LIKE = 0.6
_SUGGESTED = 3


class SeveralMarkets(InputError):
    """What was named is an event, of which one market must be named.

    `choices` has the slug of each, and its outcomes with their prices.
    """

    def __init__(self, name: str, choices: tuple[tuple[str, str], ...]) -> None:
        listed = "; ".join(f"{slug} ({outcomes})" for slug, outcomes in choices)
        rule = f"is an event of {len(choices)} markets, must name one of them"
        super().__init__(f"market was {name!r}, {rule}: {listed}")
        self.choices = choices


def market_name(text: str) -> str:
    """The slug, condition id or token id that a text names, in lower case; of an address, its last
    part.
    """
    name = text.strip()
    if "polymarket.com/" in name.lower():
        try:
            address = urlsplit(name if "://" in name else f"https://{name}")
        except ValueError:  # no address, and no market's name either
            return name
        name = address.path.rstrip("/").rpartition("/")[2]
    return condition_id_of(name).lower()


def condition_id_of(text: str) -> str:
    """A condition's id with 64 lower-case hexadecimal digits; what is none stays as it is.

    The contracts of Protocol V2 state 31 bytes, which others fill up with a zero byte.
    """
    lower = text.lower()
    return lower.ljust(_CONDITION_LENGTH, "0") if _CONDITION.fullmatch(lower) else text


def is_condition_id(name: str) -> bool:
    """Whether a name is a condition's id; a slug may begin with 0x, too."""
    return _CONDITION.fullmatch(name) is not None


def is_token_id(name: str) -> bool:
    """Whether a name is the id of an outcome's token: a long number."""
    return _TOKEN.fullmatch(name) is not None


def nearest(name: str, slugs: Iterable[str]) -> list[str]:
    """The slugs that a person may have meant, the nearest first: those with the same words, then
    those that are spelled alike.
    """
    wanted = market_name(name)
    words = set(re.split(r"[^a-z0-9]+", wanted)) - {""}
    known = sorted(set(slugs))
    same = [s for s in known if words and words <= set(s.lower().split("-"))]
    alike = difflib.get_close_matches(wanted, known, _SUGGESTED, _LIKE)
    return [*dict.fromkeys([*same, *alike])][:_SUGGESTED]


def how_to_find(name: str) -> str:
    """What to type to find a market that is not known."""
    words = market_name(name).replace("-", " ").strip()
    return f'see polybracket markets --live "{words}"' if words else "see polybracket markets"
