"""Who signed what: headers of both levels, and orders as the exchange's contract reads them.

The typed data is written out here anew, so that a client's own reading is checked and not repeated.
"""

import base64
import binascii
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from loopback.ledger import digits
from loopback.rules import Refused

CHAIN = 137
EXCHANGES = {
    "standard": "0xE111180000d2663C0091e4f400237545B87B996B",
    "neg_risk": "0xe2222d279d744050d28e00520010520000310F59",
    "v2": "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
}
"""The contract that settles a market."""
CONTRACT_WALLET = 3
"""The signature type of a wallet that is a contract (ERC-1271)."""
_ATTESTATION = "This message attests that I control the given wallet"
_DOMAIN = [("name", "string"), ("version", "string"), ("chainId", "uint256")]
_ORDER = [
    ("salt", "uint256"),
    ("maker", "address"),
    ("signer", "address"),
    ("tokenId", "uint256"),
    ("makerAmount", "uint256"),
    ("takerAmount", "uint256"),
    ("side", "uint8"),
    ("signatureType", "uint8"),
    ("timestamp", "uint256"),
    ("metadata", "bytes32"),
    ("builder", "bytes32"),
]
_AUTH = [
    ("address", "address"),
    ("timestamp", "string"),
    ("nonce", "uint256"),
    ("message", "string"),
]
_UNREADABLE = (BadSignature, ValidationError, ValueError, TypeError, KeyError, binascii.Error)


class Credentials(NamedTuple):
    """An API key and whose it is."""

    address: str
    key: str
    secret: str
    passphrase: str


class Keys:
    """The API keys in force."""

    def __init__(self) -> None:
        self._by_key: dict[str, Credentials] = {}

    def make(self, address: str, nonce: int = 0) -> Credentials:
        """The key of a wallet and nonce: always the same one."""
        seed = digits("api key", address.lower(), nonce)
        secret = base64.urlsafe_b64encode(bytes.fromhex(digits("secret", seed))).decode()
        key = str(uuid.UUID(hex=seed[:32]))
        made = Credentials(address, key, secret, digits("passphrase", seed))
        self._by_key[key] = made
        return made

    def derive(self, address: str, nonce: int) -> Credentials | None:
        """A key made earlier."""
        made = [c for c in self.of(address) if c.key == self.peek(address, nonce)]
        return made[0] if made else None

    def peek(self, address: str, nonce: int) -> str:
        """The id that a wallet's key has, made or not."""
        return str(uuid.UUID(hex=digits("api key", address.lower(), nonce)[:32]))

    def of(self, address: str) -> list[Credentials]:
        """The keys of a wallet."""
        return [c for c in self._by_key.values() if c.address.lower() == address.lower()]

    def address_of(self, key: str) -> str:
        """Whose key it is; empty if it is not in force."""
        known = self._by_key.get(key)
        return known.address if known else ""

    def drop(self, key: str) -> None:
        """Take a key out of force."""
        self._by_key.pop(key, None)

    def check(self, key: str, secret: str, passphrase: str) -> Credentials | None:
        """The credentials that a socket presents, if they are in force."""
        known = self._by_key.get(key)
        is_right = known and (known.secret, known.passphrase) == (secret, passphrase)
        return known if is_right else None

    def check_request(
        self, headers: Mapping[str, str], method: str, path: str, body: str
    ) -> Credentials:
        """Whose request it is, by its headers of the second level.

        Raises
        ------
        Refused
            If they are not of a key in force.
        """
        known = self._by_key.get(headers.get("POLY_API_KEY", ""))
        if known is None or known.passphrase != headers.get("POLY_PASSPHRASE"):
            raise Refused("Unauthorized/Invalid api key", 401)
        if known.address.lower() != headers.get("POLY_ADDRESS", "").lower():
            raise Refused("Unauthorized/Invalid api key", 401)
        said = headers.get("POLY_TIMESTAMP", "") + method + path + body
        code = hmac.new(base64.urlsafe_b64decode(known.secret), said.encode(), hashlib.sha256)
        right = base64.urlsafe_b64encode(code.digest()).decode()
        if not hmac.compare_digest(right, headers.get("POLY_SIGNATURE", "")):
            raise Refused("Unauthorized/Invalid api key", 401)
        return known


def check_attestation(headers: Mapping[str, str]) -> tuple[str, int]:
    """The wallet and nonce that headers of the first level speak for.

    Raises
    ------
    Refused
        If that wallet did not sign them.
    """
    try:
        address, nonce = headers["POLY_ADDRESS"], int(headers["POLY_NONCE"])
        values = {
            "address": address,
            "timestamp": headers["POLY_TIMESTAMP"],
            "nonce": nonce,
            "message": _ATTESTATION,
        }
        domain = {"name": "ClobAuthDomain", "version": "1", "chainId": CHAIN}
        message = _typed("ClobAuth", _AUTH, domain, values)
        signer = Account.recover_message(message, signature=headers["POLY_SIGNATURE"])
    except _UNREADABLE:
        raise Refused("Invalid L1 Request headers", 401) from None
    if signer.lower() != address.lower():
        raise Refused("Invalid L1 Request headers", 401)
    return address, nonce


class SignedOrder(NamedTuple):
    """An order's hash, and the address whose key signed it."""

    hash: str
    signed_by: str


def read_order(order: Mapping[str, Any], exchange: str) -> SignedOrder:
    """Hash an order as the exchange does and recover who signed it.

    Raises
    ------
    Refused
        If it cannot be read.
    """
    try:
        values = {name: _value(order, name, kind) for name, kind in _ORDER}
        domain = {
            "name": "Polymarket CTF Exchange",
            "version": "3" if exchange == "v2" else "2",
            "chainId": CHAIN,
            "verifyingContract": EXCHANGES[exchange],
        }
        message = _typed("Order", _ORDER, domain, values)
        signature = bytes.fromhex(str(order["signature"]).removeprefix("0x"))
        digest = keccak(b"\x19" + message.version + message.header + message.body)
        signed = digest
        if values["signatureType"] == CONTRACT_WALLET:
            signed = _wrapped(values["signer"], message)
        signed_by = Account._recover_hash(signed, signature=signature[:65])
    except _UNREADABLE:
        raise Refused("Invalid order payload") from None
    return SignedOrder("0x" + digest.hex(), signed_by)


def _wrapped(wallet: str, message: SignableMessage) -> bytes:
    """What the owner of a contract wallet signs: the order inside of the wallet's own domain."""
    order_type = f"Order({','.join(f'{kind} {name}' for name, kind in _ORDER)})"
    outer_type = (
        "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
        f"address verifyingContract,bytes32 salt){order_type}"
    )
    outer = encode(
        ["bytes32", "bytes32", "bytes32", "bytes32", "uint256", "address", "bytes32"],
        [
            keccak(text=outer_type),
            message.body,
            keccak(text="DepositWallet"),
            keccak(text="1"),
            CHAIN,
            wallet,
            bytes(32),
        ],
    )
    return keccak(b"\x19\x01" + message.header + keccak(outer))


def _value(order: Mapping[str, Any], name: str, kind: str) -> Any:
    value = order[name]
    if name == "side":
        return {"BUY": 0, "SELL": 1}[value]
    if kind.startswith("uint"):
        return int(value)
    if kind == "bytes32":
        return bytes.fromhex(str(value).removeprefix("0x")).rjust(32, b"\0")
    return value


def _typed(
    name: str, fields: list[tuple[str, str]], domain: Mapping[str, Any], values: Mapping[str, Any]
) -> SignableMessage:
    parts = _DOMAIN + ([("verifyingContract", "address")] if "verifyingContract" in domain else [])
    types = {"EIP712Domain": _described(parts), name: _described(fields)}
    return encode_typed_data(
        full_message={"types": types, "primaryType": name, "domain": domain, "message": values}
    )


def _described(fields: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields]
