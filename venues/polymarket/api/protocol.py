"""The two protocols that a market can be of, and the contract that each order is signed for.

Protocol V1 has outcome tokens of the conditional token framework; Protocol V2 has positions of the
PositionManager. A market says by its `version` which it is. The ids say it as well, and a market
whose ids contradict its version is refused, so that of any outcome that is traded the id alone
tells the protocol, also where nothing else is at hand: in a record, or in a wallet.
"""

import re
from enum import StrEnum
from typing import NamedTuple

CHAIN = 137
_MODULES = (1, 2, 3)
"""The first byte of a position's id: binary, negative-risk, combined."""
_RESERVED = ((1 << 64) - 1) << 40
"""Bits that are zero in a position's id, and in a token's id once in 2 ** 64."""
_ID_MAX = 2**256
_CONDITION = re.compile(r"0x[0-9a-f]{64}")


class Protocol(StrEnum):
    """A market's protocol, in the words of its `version`."""

    V1 = "v1"
    V2 = "v2"

    @property
    def asset_type(self) -> str:
        """What the venue's balances call shares of such a market."""
        return "CONDITIONAL-V2" if self is Protocol.V2 else "CONDITIONAL"


class Exchange(NamedTuple):
    """The contract that settles an order, and the version of its signing domain."""

    address: str
    version: str


STANDARD = Exchange("0xE111180000d2663C0091e4f400237545B87B996B", "2")
NEG_RISK = Exchange("0xe2222d279d744050d28e00520010520000310F59", "2")
POSITIONS = Exchange("0xe3333700cA9d93003F00f0F71f8515005F6c00Aa", "3")


def exchange_of(protocol: Protocol, *, neg_risk: bool) -> Exchange:
    """The exchange of a market; Protocol V2 has one for all of its markets."""
    if protocol is Protocol.V2:
        return POSITIONS
    return NEG_RISK if neg_risk else STANDARD


def protocol_of(token_id: str) -> Protocol:
    """The protocol of an outcome, by the layout of its id."""
    number = int(token_id) if token_id.isascii() and token_id.isdigit() else 0
    is_position = number < _ID_MAX and number >> 248 in _MODULES and not number & _RESERVED
    return Protocol.V2 if is_position else Protocol.V1


def protocol_of_condition(condition_id: str) -> Protocol:
    """The protocol of a market, by its condition's id: a position's id without the outcome."""
    hexadecimal = condition_id[2:] if _CONDITION.fullmatch(condition_id) else "0"
    return protocol_of(str(int(hexadecimal, 16)))


def position_ids(condition_id: str) -> tuple[str, str]:
    """The outcomes of a condition of Protocol V2."""
    first = int(condition_id, 16)
    return str(first), str(first + 1)
