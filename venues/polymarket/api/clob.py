"""The official client of the venue's REST interface, made fit for a node that must not wait.

It is one object for all modes. What the adapter and this package rely on inside of it has no public
name; those names are checked at start, so that a newer version is refused with a clear word rather
than found out in the middle of an exit.
"""

import asyncio
import contextlib
import dis
import logging
import secrets
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx
from nautilus_trader.adapters.polymarket.common import gamma_markets
from nautilus_trader.adapters.polymarket.data import PolymarketDataClient
from nautilus_trader.adapters.polymarket.execution import PolymarketExecutionClient
from nautilus_trader.adapters.polymarket.providers import PolymarketInstrumentProvider
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketClient
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    ApiCreds,
    AssetType,
    BalanceAllowanceParams,
)
from py_clob_client_v2.constants import POLYGON
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.http_helpers import helpers

from positions.model.errors import ConfigurationError, VenueFailure
from positions.operations.wallet import Wallet
from venues.polymarket.api import parsing
from venues.polymarket.api.bounded_http import BoundedClient
from venues.polymarket.api.errors import describe_error
from venues.polymarket.api.limits import RateLimits
from venues.polymarket.api.pages import Pages
from venues.polymarket.api.parsing import Unreadable
from venues.polymarket.api.protocol import protocol_of

IDLE_SECONDS = 300.0
"""How long an unused connection is kept: the library's own 5 s cost a handshake per exit."""
_TIER = "/v1/user/rate-limit-tier"
UPDATE_SECONDS = 0.3
"""Between two requests to read a balance anew."""
_DAY = 86_400.0
_WARM = 4
"""Connections that are always open: a burst of exits shares them until more are."""
_PRIVATE: dict[type, str] = {
    ClobClient: "_get _l2_headers",
    PolymarketExecutionClient: (
        "_cancel_order _config _connect _disconnect _handle_ws_message _http_client "
        "_http_client_async _maintain_active_market _post_signed_order _submit_limit_order "
        "_submit_order _update_account_state _ws_auth _ws_client"
    ),
    PolymarketDataClient: (
        "_config _connect _disconnect _handle_instrument_update _handle_raw_ws_message "
        "_handle_ws_message _http_client _pending_snapshot_after_tick_change _ws_client"
    ),
    PolymarketInstrumentProvider: (
        "_client _enrich_with_gamma_fee_schedules _http_client _load_instrument"
    ),
    PolymarketWebSocketClient: (
        "_channel _client_subscriptions _client_subscriptions_initial _clients _connect_client "
        "_create_subscribe_market_channel_msg _create_subscribe_user_channel_msg "
        "_disconnect_client _handle_reconnect _handler _handler_reconnect _is_connecting "
        "_proxy_url _send _subscribe_all _tasks _ws_url subscribe"
    ),
}
"""Methods, and attributes that `__init__` sets."""


class UnknownAdapter(ConfigurationError):
    """The installed adapter or client library is not the one that this package was made for."""


class VenueError(PolyApiException):
    """A status of the venue, with what the library drops of it."""

    def __init__(self, resp: httpx.Response | None = None, error_msg: str | None = None) -> None:
        super().__init__(resp, error_msg)
        self.retry_after = 0.0 if resp is None else _seconds(resp.headers.get("retry-after"))
        """Seconds for which the venue wants to be asked no more; 0 where it does not say."""


class Refused(VenueFailure):
    """The venue did not give what was asked for."""


def retry_after(error: BaseException) -> float:
    """Seconds for which the venue wants to be asked no more, as it said it; else 0."""
    body = getattr(error, "error_msg", None)
    inner = body.get("error") if isinstance(body, dict) else None
    told = [b.get("retry_after_seconds") for b in (body, inner) if isinstance(b, dict)]
    return max(getattr(error, "retry_after", 0.0), *map(_seconds, told), 0.0)


def _seconds(value: object) -> float:
    """A number of seconds, or the time until a date; 0 where it is neither."""
    with contextlib.suppress(ValueError):
        seconds = float(str(value))
        return seconds if 0 < seconds < _DAY else 0.0
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        stated = parsedate_to_datetime(str(value))
        until = stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)
        return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), _DAY)
    return 0.0


def check_versions() -> None:
    """Make sure that everything relied on is there.

    Raises
    ------
    UnknownAdapter
        Naming what is missing.
    """
    missing = [
        f"{kind.__name__}.{name}"
        for kind, names in _PRIVATE.items()
        for name in names.split()
        if name not in members(kind)
    ]
    replaced = ("_http_client", "PolyApiException")
    for module, name in (
        *((helpers, n) for n in replaced),
        (gamma_markets, "DEFAULT_GAMMA_BASE_URL"),
    ):
        if not hasattr(module, name):
            missing.append(f"{module.__name__.rpartition('.')[2]}.{name}")
    if missing:
        raise UnknownAdapter(
            f"this Polymarket adapter is not the one polybracket was made for: {', '.join(missing)}"
            " is not there; install the versions of requirements.lock"
        )


def members(kind: type) -> set[str]:
    """The methods of a class itself, and the attributes that its `__init__` sets."""
    made = dis.get_instructions(kind.__init__)  # type: ignore[misc]
    return {*vars(kind), *(i.argval for i in made if i.opname == "STORE_ATTR")}


def make_client(
    address: str, wallet: Wallet | None, signature_type: int = 0
) -> "BoundedClobClient":
    """A client for this wallet; without one, for public data alone.

    Raises
    ------
    UnknownAdapter
        If the library is not the one that this package was made for.
    """
    check_versions()
    # The library writes every refusal to stderr; whoever asked says what it means.
    logging.getLogger("py_clob_client_v2").addHandler(logging.NullHandler())
    # Defect: the headers of a refusal are dropped. Can go when its exception has them.
    helpers.PolyApiException = VenueError
    # Over HTTP/1.1 each request has a connection of its own. Over HTTP/2 they would share one, and
    # threads that wait for a slow answer there keep others from reading theirs.
    # Defects: the library closes a connection that was idle for 5 s, and takes an answer of any
    # size, for any time. Can go when all of that may be set.
    helpers._http_client.close()
    helpers._http_client = BoundedClient(
        limits=httpx.Limits(
            max_connections=64, max_keepalive_connections=32, keepalive_expiry=IDLE_SECONDS
        ),
    )
    if wallet is None:
        # The adapter insists on a key and credentials even where nothing is ever signed.
        creds = ApiCreds(api_key="x", api_secret="x", api_passphrase="x")
        key, funder = "0x" + secrets.token_hex(32), "0x" + "0" * 40
    else:
        creds = ApiCreds(
            api_key=wallet.api_key,
            api_secret=wallet.api_secret,
            api_passphrase=wallet.api_passphrase,
        )
        key, funder = wallet.key, wallet.funder
    client = BoundedClobClient(
        address,
        chain_id=POLYGON,
        signature_type=signature_type,
        creds=creds,
        key=key,
        funder=funder,
    )
    helpers._http_client.heard = client.hear
    if hasattr(client, "_resolve_transactions_hashes"):
        # Defect of client versions from 1.1 on: the reply to a POST is held back for up to 30 s
        # while transaction hashes are polled for. Can go when that is optional.
        client._resolve_transactions_hashes = lambda reply: reply
    return client


class BoundedClobClient(ClobClient):
    """The library's client, whose lists have an end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages = Pages()
        self._updating, self._updated_at = threading.Lock(), 0.0
        self.rate_limits = RateLimits()

    def hear(self, answer: httpx.Response) -> None:
        """Follow what an answer tells of the limits."""
        self.rate_limits.heard(
            answer.request.method,
            answer.request.url.path,
            answer.status_code,
            answer.headers,
            _seconds(answer.headers.get("retry-after")),
        )

    def read_tier(self) -> str:
        """The tier of the wallet, as the venue tells it; "" where it says something else."""
        reply = self._get(f"{self.host}{_TIER}", headers=self._l2_headers("GET", _TIER))
        tier = reply.get("tier") if isinstance(reply, dict) else None
        return self.rate_limits.set_tier(str(tier))

    def update_balance_allowance(self, params: BalanceAllowanceParams | None = None) -> Any:
        """Defect: nothing keeps the wallet below the 50 of them that the venue takes in ten
        seconds. Can go when the library does.
        """
        with self._updating:
            time.sleep(max(self._updated_at + UPDATE_SECONDS - time.monotonic(), 0.0))
            self._updated_at = time.monotonic()
        return super().update_balance_allowance(params)

    def _get(self, endpoint: str, headers: Any = None, params: dict[str, Any] | None = None) -> Any:
        """Defect: a list is read for as long as the venue tells of a further page. Can go when the
        library bounds it.
        """
        ask = partial(super()._get, endpoint, headers, params)
        if params is None or "next_cursor" not in params:
            return ask()
        return self._pages.ask(str(params["next_cursor"]), ask)

    def get_balance_allowance(self, params: Any = None) -> Any:
        """Defect: the adapter makes an amount of any number, and Nautilus ends the process where
        that is too large. Can go when the adapter refuses it.
        """
        reply = super().get_balance_allowance(params)
        if not isinstance(reply, dict):
            raise Unreadable(f"the balance was {str(reply)[:60]!r}, must be an object")
        parsing.balance(reply)
        return reply


class BalanceReader:
    """Reads how many shares a wallet has, and has the venue read them, or its cash, anew."""

    def __init__(self, client: ClobClient, signature_type: int) -> None:
        self.client = client
        self._signature_type = signature_type

    async def read(self, outcome_id: str) -> Decimal:
        """The shares of an outcome, as the venue has them for new orders."""
        reply = await asyncio.to_thread(self.client.get_balance_allowance, self._of(outcome_id))
        return parsing.balance(reply)

    async def refresh(self, outcome_id: str) -> None:
        """Have the venue read the shares of an outcome anew."""
        await asyncio.to_thread(self.client.update_balance_allowance, self._of(outcome_id))

    async def refresh_cash(self) -> None:
        """Have the venue read the cash anew."""
        await asyncio.to_thread(self.client.update_balance_allowance, cash_of(self._signature_type))

    def _of(self, outcome_id: str) -> BalanceAllowanceParams:
        return BalanceAllowanceParams(
            asset_type=protocol_of(outcome_id).asset_type,
            token_id=outcome_id,
            signature_type=self._signature_type,
        )


def cash_of(signature_type: int) -> BalanceAllowanceParams:
    """What to ask the balance with for the cash of this kind of wallet."""
    return BalanceAllowanceParams(asset_type=AssetType.COLLATERAL, signature_type=signature_type)


def close_connections() -> None:
    """Close those of the library's client, which is one for the whole process and goes on."""
    helpers._http_client.close()
    helpers._http_client = BoundedClient()


async def keep_warm(client: ClobClient) -> None:
    """Use the connections that exits will need, all at once."""
    pings = (asyncio.to_thread(client.get_server_time) for _ in range(_WARM))
    await asyncio.gather(*pings, return_exceptions=True)


def derive_credentials(address: str, wallet: Wallet, signature_type: int) -> tuple[str, str, str]:
    """The API's key, secret and passphrase of a wallet; made if it has none yet.

    Raises
    ------
    Refused
        If the venue gives none.
    """
    client = make_client(address, wallet, signature_type)
    try:
        made = client.create_or_derive_api_key()
    except Exception as e:
        is_unheard = getattr(e, "status_code", None) is None  # the client says "Request exception!"
        why = "it does not answer: is the network there?" if is_unheard else describe_error(e)
        raise Refused(f"no credentials from {address}: {why}") from None
    finally:
        close_connections()
    return str(made.api_key), str(made.api_secret), str(made.api_passphrase)
