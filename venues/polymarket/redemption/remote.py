"""Asks the chain, the relayer and the Data API; what fails says which, in one line."""

import functools
import re
import secrets
from collections.abc import Mapping
from typing import Any

import httpx

from positions.model.errors import VenueFailure
from positions.model.foreign_text import REASON_LENGTH, clean
from venues.polymarket.api.bounded_http import PUBLIC_CALL_SECONDS, BoundedClient
from venues.polymarket.api.data_api import payouts_of, rows_of
from venues.polymarket.api.protocol import CHAIN
from venues.polymarket.redemption.calls import TOKENS, Call, Market, call, number

_PAGE = 100
_PAGES_MAX = 100
MILLION = 10**6
_REFUSALS = (400, 422)


_UNDER_WAY = re.compile(r"wallet busy|in-flight|nonce", re.IGNORECASE)
"""What a relayer refuses now, and not for good."""


class RedemptionError(VenueFailure):
    """Winnings cannot be redeemed now; says why, in one line.

    `status` is that of an answer, 0 where there was none; `is_refusal` says that the same request
    will never be taken.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.is_refusal = status in _REFUSALS and not _UNDER_WAY.search(text)


class Reverted(RedemptionError):
    """The contract refuses the call."""


@functools.cache
def _http() -> BoundedClient:
    return BoundedClient(PUBLIC_CALL_SECONDS)


class Client:
    """One HTTP address, and its name in messages."""

    def __init__(self, name: str, address: str, headers: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._address = address.rstrip("/")
        self._headers = dict(headers or {})

    def ask(
        self, path: str = "", query: Mapping[str, str] | None = None, *, post: Any = None
    ) -> Any:
        """The JSON that is answered. Raises RedemptionError where there is none."""
        method = "GET" if post is None else "POST"
        try:
            reply = _http().request(
                method, self._address + path, params=query, json=post, headers=self._headers
            )
            if reply.status_code != httpx.codes.OK:
                said = clean(reply.text, REASON_LENGTH)
                text = f"answers {reply.status_code}: {self._without_keys(said)}"
                raise self.error(text, reply.status_code)
            return reply.json()
        except (httpx.HTTPError, ValueError) as e:
            raise self.error(f"does not answer: {clean(str(e) or type(e).__name__)}") from None

    def error(self, why: str, status: int = 0) -> RedemptionError:
        """What is raised about it."""
        return RedemptionError(f"{self._name} {why}", status)

    def _without_keys(self, text: str) -> str:
        for secret in self._headers.values():
            text = text.replace(secret, "***")
        return text


class Chain:
    """Polygon, by an RPC address."""

    def __init__(self, address: str) -> None:
        self._client = Client("the chain", address)

    def check(self) -> None:
        """Raise RedemptionError unless it is Polygon."""
        found = self.number("eth_chainId")
        if found != CHAIN:
            raise self._client.error(f"is {found}, must be {CHAIN}: change rpc under [venue]")

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a method."""
        asked = {"jsonrpc": "2.0", "id": secrets.randbits(31), "method": method, "params": params}
        reply = self._client.ask(post=asked)
        error = reply.get("error") if isinstance(reply, dict) else "no object"
        if error is not None:
            said = error.get("message") if isinstance(error, dict) else error
            text = f"{method}: {clean(str(said), REASON_LENGTH)}"
            if "revert" in text.lower():
                raise Reverted(f"the contract refuses: {text}")
            raise self._client.error(f"refuses {text}")
        return reply.get("result")

    def number(self, method: str, *params: Any) -> int:
        """The result of a method, as a number."""
        found = self.ask(method, *params)
        try:
            return int(found, 16)
        except (TypeError, ValueError):
            raise self._client.error(f"gives no number for {method}") from None

    def call(self, one: Call) -> int:
        """What a call gives, without a transaction."""
        found = self.ask("eth_call", {"to": one.to, "data": one.data}, "latest")
        try:
            return number(str(found))
        except ValueError as e:
            raise self._client.error(str(e)) from None

    def balances(self, market: Market, wallet: str) -> tuple[int, int]:
        """The shares of both outcomes, in millionths."""
        to, name = market.shares_at, "balanceOf(address,uint256)"
        first, second = (self.call(call(to, name, wallet, int(t))) for t in market.token_ids)
        return first, second

    def may_redeem(self, market: Market, wallet: str) -> bool:
        """Whether the contract that pays is allowed to take the shares."""
        name = "isApprovedForAll(address,address)"
        return bool(self.call(call(market.shares_at, name, wallet, market.redeemed_at)))

    def payouts(self, condition_id: str) -> tuple[int, int, int]:
        """What a market of V1 pays: both numerators and their denominator, 0 = not resolved."""
        condition = bytes.fromhex(condition_id[2:])
        whole = self.call(call(TOKENS, "payoutDenominator(bytes32)", condition))
        name = "payoutNumerators(bytes32,uint256)"
        first, second = (self.call(call(TOKENS, name, condition, n)) for n in (0, 1))
        return first, second, whole

    def receipt(self, transaction: str) -> bool | None:
        """Whether a transaction succeeded; None = it is in no block."""
        found = self.ask("eth_getTransactionReceipt", transaction)
        if not isinstance(found, dict):
            return None
        try:
            return int(str(found.get("status")), 16) == 1
        except ValueError:
            raise self._client.error(f"tells no outcome of {transaction}") from None

    def knows(self, transaction: str) -> bool:
        """Whether a transaction waits, or is in a block."""
        return self.ask("eth_getTransactionByHash", transaction) is not None


class Relayer:
    """Polymarket's relayer, which sends for wallets that are contracts, and pays for it."""

    def __init__(self, address: str, key: str, owner: str) -> None:
        headers = {"RELAYER_API_KEY": key, "RELAYER_API_KEY_ADDRESS": owner}
        self._client = Client("the relayer", address, headers)

    def nonce(self, owner: str, kind: str) -> tuple[int, str]:
        """The next number that the chain takes, and who relays."""
        path = "/relay-payload" if kind == "PROXY" else "/v1/account/transactions/params"
        reply = self._client.ask(path, {"address": owner, "type": kind})
        try:
            return int(reply["nonce"]), str(reply["address"])
        except (LookupError, TypeError, ValueError):
            raise self._client.error("tells no nonce") from None

    def submit(self, request: Mapping[str, Any]) -> str:
        """Ask for a transaction; what the relayer calls it."""
        reply = self._client.ask("/submit", post=request)
        found = reply.get("transactionID") if isinstance(reply, dict) else None
        if not isinstance(found, str) or not found:
            raise self._client.error("tells no id of what it took")
        return found

    def state(self, relayer_id: str) -> str:
        """What has become of it, such as "STATE_CONFIRMED"; "" where it is not known any more."""
        try:
            reply = self._client.ask(f"/v1/account/transactions/{relayer_id}")
        except RedemptionError as e:
            if e.status != httpx.codes.NOT_FOUND:
                raise
            return ""
        return str(reply.get("state")) if isinstance(reply, dict) else ""


class Holdings:
    """What the Data API tells of a wallet; it may lag behind the chain, which decides."""

    def __init__(self, address: str) -> None:
        self._client = Client("the Data API", address)

    def redeemable(self, wallet: str) -> list[dict[str, Any]]:
        """The rows of shares that pay."""
        query = {"user": wallet, "status": "REDEEMABLE", "filter_amount": "0", "limit": str(_PAGE)}
        found: list[dict[str, Any]] = []
        for _ in range(_PAGES_MAX):
            reply = self._client.ask("/v2/positions", query)
            found += rows_of(reply)
            pages = reply.get("pagination") if isinstance(reply, dict) else None
            cursor = pages.get("next_cursor") if isinstance(pages, dict) else None
            if not cursor:
                return found
            query["cursor"] = str(cursor)
        return found

    def payouts(self, condition_id: str) -> tuple[int, int, int]:
        """What a market pays, as `Chain.payouts` tells it."""
        for row in rows_of(self._client.ask("/v2/resolutions", {"condition": condition_id})):
            if told := payouts_of(row):
                first, second = (int(p * MILLION) for p in told)
                return first, second, MILLION
        return 0, 0, 0
