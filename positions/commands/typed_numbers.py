"""Numbers as people type them: 55c, $0.55, .55, 0,55, 50%. Pure; what is ambiguous is refused.

Every number that is typed or that a file holds is read here, so that it means the same everywhere.
"""

import re
from decimal import Decimal

CENT = Decimal("0.01")
_CENTS = re.compile(r"(.*?) ?(?:c|ct|cents?|¢)")
_PLAIN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?|\.[0-9]{1,6}")
_COMMA = re.compile(r"([0-9]{1,9}),([0-9]{1,6})")
_GROUPS = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+)\.([0-9]{1,6})")
_GROUPS_OF_DOTS = re.compile(r"([0-9]{1,3}(?:\.[0-9]{3})+),([0-9]{1,6})")
_PERCENT = re.compile(r"([+-]?)([0-9]{1,3}(?:[.,][0-9]{1,4})?) ?%")


def number(text: str) -> Decimal | None:
    """A number that is not negative, with at most six decimals; None where it is none, or two."""
    bare = text.strip(" ").removeprefix("$").strip(" ")
    if _PLAIN.fullmatch(bare):
        return Decimal(bare)
    if (match := _CENTS.fullmatch(bare)) and not text.strip(" ").startswith("$"):
        cents = None if _CENTS.fullmatch(match[1]) else number(match[1])
        return None if cents is None else cents * CENT
    if (match := _COMMA.fullmatch(bare)) and not _is_ambiguous(match[1], match[2]):
        return Decimal(f"{match[1]}.{match[2]}")
    for groups, separator in ((_GROUPS, ","), (_GROUPS_OF_DOTS, ".")):
        if match := groups.fullmatch(bare):
            return Decimal(f"{match[1].replace(separator, '')}.{match[2]}")
    return None


def percent(text: str) -> Decimal | None:
    """The 20 of 20%, +20% or -20%: which way it counts is the field's."""
    match = _PERCENT.fullmatch(text.strip(" "))
    return None if match is None else Decimal(match[2].replace(",", "."))


def ambiguity(text: str) -> str:
    """What a number with a comma may be, "" where it is not two numbers."""
    bare = text.strip(" ").removeprefix("$").strip(" ")
    match = _COMMA.fullmatch(bare)
    if match is None or not _is_ambiguous(match[1], match[2]):
        return ""
    return f"{match[1]}{match[2]} or {match[1]}.{match[2]}?"


def in_hundredths(value: Decimal) -> str:
    """What a price may have been meant as that is above 1, "" where that is not clear."""
    if not 1 < value < 100:
        return ""
    return f"{value:f} is a price in cents: {(value * CENT).normalize():f}?"


def _is_ambiguous(whole: str, rest: str) -> bool:
    """Whether 1,000 may be a thousand: three digits behind a comma, and no zero before it."""
    return len(rest) == 3 and len(whole) <= 3 and not whole.startswith("0")
