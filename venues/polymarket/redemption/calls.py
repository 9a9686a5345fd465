"""What is asked of the contracts: calldata, and the balances and payouts that they tell.

A redemption of Protocol V1 goes to the collateral adapter of the market's kind and burns both of
its outcomes; one of Protocol V2 goes to the Router, a call for each outcome. All amounts are in
millionths.
"""

from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from msgspec import Struct

from venues.polymarket.api.protocol import Protocol

CASH = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
TOKENS = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
POSITION_MANAGER = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
ROUTER = "0x12121212006e4CD160D18e3f00711DA5c3372600"
ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
DEPOSIT_FACTORY = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
RELAY_HUB = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
_NO_PARENT = bytes(32)
_BOTH_OUTCOMES = [1, 2]


class Call(Struct, frozen=True):
    """One call of a contract; none of ours sends coins along."""

    to: str
    data: str


class Market(Struct, frozen=True):
    """A market of which a wallet may have shares that pay; both outcomes' ids, in their order."""

    condition_id: str
    protocol: Protocol
    neg_risk: bool
    token_ids: tuple[str, str]
    title: str

    @property
    def shares_at(self) -> str:
        """The contract that holds the shares."""
        return POSITION_MANAGER if self.protocol is Protocol.V2 else TOKENS

    @property
    def redeemed_at(self) -> str:
        """The contract that pays for them, and must be allowed to take them."""
        if self.protocol is Protocol.V2:
            return ROUTER
        return NEG_RISK_ADAPTER if self.neg_risk else ADAPTER


def call(to: str, signature: str, *values: Any) -> Call:
    """A call by the function's signature, such as "balanceOf(address,uint256)"."""
    inner = signature.partition("(")[2].removesuffix(")")
    kinds = [inner] if inner.startswith("(") else inner.split(",")
    return Call(to, "0x" + (keccak(signature.encode())[:4] + encode(kinds, values)).hex())


def number(reply: str) -> int:
    """The number that a call gave. Raises ValueError if it gave none."""
    try:
        return int(decode(["uint256"], bytes.fromhex(reply.removeprefix("0x")))[0])
    except Exception as e:  # the library raises many kinds
        raise ValueError(f"the chain answered {reply[:80]!r}: {type(e).__name__}") from None


def redeem_calls(market: Market, balances: tuple[int, int]) -> tuple[Call, ...]:
    """What turns all shares of a resolved market into cash."""
    condition = bytes.fromhex(market.condition_id.removeprefix("0x"))
    to = market.redeemed_at
    if market.protocol is Protocol.V2:
        name = "redeem(bytes31,uint256,uint256)"
        held = enumerate(balances)
        return tuple(call(to, name, condition[:31], outcome, n) for outcome, n in held if n)
    name = "redeemPositions(address,bytes32,bytes32,uint256[])"
    return (call(to, name, CASH, _NO_PARENT, condition, _BOTH_OUTCOMES),)


def proxied(calls: tuple[Call, ...]) -> Call:
    """The call of the proxy factory that has a proxy wallet make these."""
    made = [(1, c.to, 0, bytes.fromhex(c.data[2:])) for c in calls]
    return call(PROXY_FACTORY, "proxy((uint8,address,uint256,bytes)[])", made)


def together(calls: tuple[Call, ...]) -> tuple[Call, int]:
    """The call that a Safe makes for these, and its operation: 0 = call, 1 = delegated."""
    if len(calls) == 1:
        return calls[0], 0
    packed = b""
    for one in calls:
        data = bytes.fromhex(one.data[2:])
        packed += b"\0" + bytes.fromhex(one.to[2:]) + bytes(32)
        packed += len(data).to_bytes(32, "big") + data
    return call(MULTISEND, "multiSend(bytes)", packed), 1
