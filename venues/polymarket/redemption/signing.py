"""Signs a redemption for each kind of wallet.

Each signature is of a nonce that the chain uses up: what is sent twice is carried out once.
"""

from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from venues.polymarket.api.protocol import CHAIN
from venues.polymarket.redemption.calls import (
    DEPOSIT_FACTORY,
    PROXY_FACTORY,
    RELAY_HUB,
    Call,
    proxied,
    together,
)

_ZERO = "0x" + "0" * 40
_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_BATCH = [
    {"name": "wallet", "type": "address"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint256"},
    {"name": "calls", "type": "Call[]"},
]
_CALL = [
    {"name": "target", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "data", "type": "bytes"},
]
_SAFE = [
    {"name": name, "type": kind}
    for name, kind in (
        *(("to", "address"), ("value", "uint256"), ("data", "bytes"), ("operation", "uint8")),
        *(("safeTxGas", "uint256"), ("baseGas", "uint256"), ("gasPrice", "uint256")),
        *(("gasToken", "address"), ("refundReceiver", "address"), ("nonce", "uint256")),
    )
]


def account_of(key: str) -> LocalAccount:
    """The account of a private key."""
    account: LocalAccount = Account.from_key(key)
    return account


def sign_transaction(
    account: LocalAccount, one: Call, nonce: int, gas: int, gas_price: int
) -> tuple[str, str]:
    """A transaction of the key's own wallet, as it is sent, and its hash."""
    fields: Any = {"to": one.to, "value": 0, "data": one.data, "nonce": nonce, "chainId": CHAIN}
    signed = account.sign_transaction(fields | {"gas": gas, "gasPrice": gas_price})
    return "0x" + bytes(signed.raw_transaction).hex(), "0x" + bytes(signed.hash).hex()


def proxy_request(
    account: LocalAccount,
    wallet: str,
    calls: tuple[Call, ...],
    nonce: int,
    relay: str,
    gas: int,
    note: str,
) -> dict[str, Any]:
    """What the relayer is asked for a wallet of an account by e-mail (type 1)."""
    data = proxied(calls).data
    addresses = [bytes.fromhex(a[2:]) for a in (account.address, PROXY_FACTORY, RELAY_HUB, relay)]
    owner, factory, hub, relayer = addresses
    numbers = b"".join(n.to_bytes(32, "big") for n in (0, 0, gas, nonce))
    digest = keccak(b"rlx:" + owner + factory + bytes.fromhex(data[2:]) + numbers + hub + relayer)
    return {
        "type": "PROXY",
        "from": account.address,
        "to": PROXY_FACTORY,
        "proxyWallet": wallet,
        "data": data,
        "nonce": str(nonce),
        "signature": _signed(account, encode_defunct(primitive=digest)),
        "metadata": note,
        "signatureParams": {
            "gasLimit": str(gas),
            "gasPrice": "0",
            "relay": relay,
            "relayHub": RELAY_HUB,
            "relayerFee": "0",
        },
    }


def safe_request(
    account: LocalAccount, wallet: str, calls: tuple[Call, ...], nonce: int, note: str
) -> dict[str, Any]:
    """What the relayer is asked for a browser wallet's Safe (type 2)."""
    one, operation = together(calls)
    message = {
        "to": one.to,
        "value": 0,
        "data": bytes.fromhex(one.data[2:]),
        "operation": operation,
        **dict.fromkeys(("safeTxGas", "baseGas", "gasPrice"), 0),
        **dict.fromkeys(("gasToken", "refundReceiver"), _ZERO),
        "nonce": nonce,
    }
    domain = {"chainId": CHAIN, "verifyingContract": wallet}
    types = {"EIP712Domain": _DOMAIN[2:], "SafeTx": _SAFE}
    typed = _typed("SafeTx", domain, types, message)
    digest = keccak(b"\x19" + typed.version + typed.header + typed.body)
    signature = _signed(account, encode_defunct(primitive=digest))
    return {
        "type": "SAFE",
        "from": account.address,
        "to": one.to,
        "proxyWallet": wallet,
        "data": one.data,
        "nonce": str(nonce),
        # A Safe takes a signature of a message for one whose last byte is larger by 4.
        "signature": signature[:-2] + f"{int(signature[-2:], 16) + 4:02x}",
        "metadata": note,
        "signatureParams": {
            "baseGas": "0",
            "gasPrice": "0",
            "gasToken": _ZERO,
            "operation": str(operation),
            "refundReceiver": _ZERO,
            "safeTxnGas": "0",
        },
    }


def deposit_request(
    account: LocalAccount,
    wallet: str,
    calls: tuple[Call, ...],
    nonce: int,
    deadline: int,
    note: str,
) -> dict[str, Any]:
    """What the relayer is asked for a deposit wallet (type 3); `deadline` in seconds."""
    made = [{"target": c.to, "value": 0, "data": bytes.fromhex(c.data[2:])} for c in calls]
    message = {"wallet": wallet, "nonce": nonce, "deadline": deadline, "calls": made}
    domain = {
        "name": "DepositWallet",
        "version": "1",
        "chainId": CHAIN,
        "verifyingContract": wallet,
    }
    types = {"EIP712Domain": _DOMAIN, "Batch": _BATCH, "Call": _CALL}
    return {
        "type": "WALLET",
        "from": account.address,
        "to": DEPOSIT_FACTORY,
        "nonce": str(nonce),
        "signature": _signed(account, _typed("Batch", domain, types, message)),
        "metadata": note,
        "depositWalletParams": {
            "depositWallet": wallet,
            "deadline": str(deadline),
            "calls": [{"target": c.to, "value": "0", "data": c.data} for c in calls],
        },
    }


def _typed(name: str, domain: dict[str, Any], types: dict[str, Any], message: Any) -> Any:
    whole = {"primaryType": name, "domain": domain, "types": types, "message": message}
    return encode_typed_data(full_message=whole)


def _signed(account: LocalAccount, message: Any) -> str:
    return "0x" + bytes(account.sign_message(message).signature).hex()
