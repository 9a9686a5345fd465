"""Signs orders: what is given and taken, the typed data, its hash, and the key's signature.

What an exit needs is computed here, exactly and for any tick, so that no table of a library stands
between a stop and its sale. One function says which contract and domain an order is signed for, and
its hash, which is the id that the venue will give it, is taken of the very same bytes.
"""

import functools
import secrets
import time
from decimal import Decimal

from coincurve import PrivateKey
from eth_utils.crypto import keccak
from msgspec import Struct
from py_clob_client_v2.order_utils import Side, SignatureTypeV2
from py_clob_client_v2.order_utils.model.order_data_v2 import SignedOrderV2

from venues.polymarket.api.protocol import CHAIN, Exchange, exchange_of, protocol_of

_ZERO = "0x" + "0" * 64
NO_BUILDER = _ZERO
"""Of an order that pays nobody else a fee."""
_MILLION = 10**6
_SALT_BITS = 53
"""The salt travels as a number of JSON, which others read as a float."""
_CONTRACT_WALLET = 3
_ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    b"bytes32 builder)"
)
_WRAPPER_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)"
) + _ORDER_TYPE
_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


class Terms(Struct, frozen=True):
    """What one order says. Price in USDC per share; `expires` in seconds, 0 = never."""

    token_id: str
    is_buy: bool
    price: Decimal
    shares: Decimal
    neg_risk: bool
    expires: int = 0


class Signed(Struct, frozen=True):
    """An order that may be posted, and the id that the venue will give it."""

    order: SignedOrderV2
    hash: str


def amounts(terms: Terms) -> tuple[int, int]:
    """The millionths that an order gives and takes.

    Raises ValueError if no such order can be.
    """
    if not 0 < terms.price < 1:
        raise ValueError(f"price was {terms.price}, must be above 0 and below 1 USDC per share")
    if terms.shares <= 0:
        raise ValueError(f"size was {terms.shares}, must be above 0 shares")
    shares, money = (int(n * _MILLION) for n in (terms.shares, terms.shares * terms.price))
    return (money, shares) if terms.is_buy else (shares, money)


class OrderSigner:
    """Signs one wallet's orders.

    Parameters
    ----------
    key
        The private key, in hexadecimal.
    address
        The key's own address.
    funder
        The address that holds the money.
    signature_type
        The kind of wallet.
    builder
        Who is paid a fee for the order, 32 bytes in hexadecimal.
    """

    def __init__(
        self,
        key: str,
        address: str,
        funder: str,
        signature_type: int,
        builder: str = NO_BUILDER,
    ) -> None:
        self._key = PrivateKey(bytes.fromhex(key.removeprefix("0x")))
        self._is_contract = signature_type == _CONTRACT_WALLET
        self._maker = funder
        self._signer = funder if self._is_contract else address
        self._type = SignatureTypeV2(signature_type)
        self._builder = builder

    def sign(
        self, terms: Terms, *, salt: int | None = None, timestamp: int | None = None
    ) -> Signed:
        """Sign an order. Each has a salt of its own, and the time in milliseconds.

        Raises ValueError if no such order can be.
        """
        given, taken = amounts(terms)
        salt = secrets.randbits(_SALT_BITS) if salt is None else salt
        timestamp = time.time_ns() // 1_000_000 if timestamp is None else timestamp
        contents = keccak(
            keccak(_ORDER_TYPE)
            + _words(salt, self._maker, self._signer, int(terms.token_id), given, taken)
            + _words(not terms.is_buy, self._type, timestamp, _ZERO, self._builder)
        )
        domain = separator(exchange_of(protocol_of(terms.token_id), neg_risk=terms.neg_risk))
        digest = keccak(b"\x19\x01" + domain + contents)
        signature = self._wrapped(domain, contents) if self._is_contract else self._sign(digest)
        order = SignedOrderV2(
            salt=str(salt),
            maker=self._maker,
            signer=self._signer,
            tokenId=terms.token_id,
            makerAmount=str(given),
            takerAmount=str(taken),
            side=Side.BUY if terms.is_buy else Side.SELL,
            signatureType=self._type,
            timestamp=str(timestamp),
            metadata=_ZERO,
            builder=self._builder,
            expiration=str(terms.expires),
            signature="0x" + signature.hex(),
        )
        return Signed(order, "0x" + digest.hex())

    def _sign(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def _wrapped(self, domain: bytes, contents: bytes) -> bytes:
        """The signature of a wallet that is a contract: the order inside of its own domain."""
        wrapper = keccak(
            keccak(_WRAPPER_TYPE)
            + contents
            + keccak(b"DepositWallet")
            + keccak(b"1")
            + _words(CHAIN, self._signer, 0)
        )
        inner = self._sign(keccak(b"\x19\x01" + domain + wrapper))
        return inner + domain + contents + _ORDER_TYPE + len(_ORDER_TYPE).to_bytes(2, "big")


@functools.cache
def separator(exchange: Exchange) -> bytes:
    """What binds an order to one exchange on one chain."""
    return keccak(
        keccak(_DOMAIN_TYPE)
        + keccak(b"Polymarket CTF Exchange")
        + keccak(exchange.version.encode())
        + _words(CHAIN, exchange.address)
    )


def _words(*values: int | str) -> bytes:
    """Numbers and hexadecimal texts, each in 32 bytes."""
    return b"".join((int(v, 16) if isinstance(v, str) else v).to_bytes(32, "big") for v in values)
