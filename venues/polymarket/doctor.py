"""What a node needs of the venue: reached in time, a clock that agrees, a wallet that may trade.

Only reads. Whatever the venue says is shown in one line, and never with a secret in it.
"""

import base64
import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams
from py_clob_client_v2.config import get_contract_config
from py_clob_client_v2.constants import POLYGON

from positions.operations.doctor import Check, Level, failed, ok, warning
from positions.operations.settings import Settings
from positions.operations.wallet import FUNDER, KEY, Wallet, WalletError, relayer_key, wallet
from venues.polymarket.api.bounded_http import BoundedClient
from venues.polymarket.api.clob import (
    BoundedClobClient,
    UnknownAdapter,
    close_connections,
    make_client,
)
from venues.polymarket.api.data_api import rows_of
from venues.polymarket.api.gamma import parse
from venues.polymarket.api.protocol import NEG_RISK, POSITIONS, STANDARD, Protocol
from venues.polymarket.redemption.calls import (
    ADAPTER,
    NEG_RISK_ADAPTER,
    POSITION_MANAGER,
    ROUTER,
    TOKENS,
)

_SAMPLES = 5
_SLOW_SECONDS = 0.5
_SKEW_WARNING = 1.0
_SKEW_FAILED = 5.0
_CONTRACTS = get_contract_config(POLYGON)
_EXCHANGE = STANDARD.address.lower()
_NEG_RISK_EXCHANGE = NEG_RISK.address.lower()
_CASH_TOKEN = "0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb"
_RETIRED_ADAPTER = _CONTRACTS.neg_risk_adapter.lower()
"""Out of force since 2026-07-17, though the client's configuration still names it."""
_NO_ANSWER = "Request exception!"
"""What the client library says of each request that had no answer."""
_ENABLE = "enable trading for this wallet once at polymarket.com, or approve that contract"


def check_venue(settings: Settings, values: Mapping[str, str]) -> Iterator[Check]:
    """Everything about the venue, and about the wallet where the mode needs one."""
    try:
        make_client(settings.venue.clob, None)
    except UnknownAdapter as e:
        yield failed("adapter", str(e), "rm -r .venv, then make setup")
        return
    yield ok("adapter", "has everything that the hardened clients rely on")
    with BoundedClient() as client:
        answers = True
        for check in check_reach(settings, client):
            answers = answers and (check.name != "order book" or check.level != Level.FAILED)
            yield check
        if settings.mode != "live":
            yield ok("wallet", f"mode {settings.mode} needs no key; only live does")
            return
        token_id = _any_token(settings, client) if answers else ""
    try:
        yield from check_wallet(settings, values, token_id, answers=answers)
    finally:
        close_connections()


def check_reach(settings: Settings, client: httpx.Client) -> Iterator[Check]:
    """Whether each of the venue's addresses answers, and how fast."""
    venue, samples = settings.venue, []

    def ask_time() -> None:
        sent = time.time()
        reply = client.get(f"{venue.clob}/time").raise_for_status()
        samples.append((sent, int(reply.json()), time.time()))

    yield _timed("order book", venue.clob, ask_time)
    if samples:
        yield check_clock(samples)
    gamma = f"{venue.gamma}/markets"
    yield _timed("markets", venue.gamma, lambda: client.get(gamma, params={"limit": "1"}))
    if settings.mode == "live":
        yield _timed("data", venue.data, lambda: client.get(f"{venue.data}/v2/status"))
        yield check_place(venue.geoblock, client)
    for channel in ("market", "user") if settings.mode == "live" else ("market",):
        address = f"{venue.websocket}{channel}"
        yield _timed(f"{channel} channel", address, partial(_knock, client, address), warm=False)


def check_clock(samples: Iterable[tuple[float, int, float]]) -> Check:
    """Whether this clock agrees with the venue's, which is reported in whole seconds.

    `samples` have when it was asked, what it said, and when that arrived, in seconds. Each bounds
    how far this clock is ahead.
    """
    samples = list(samples)
    least = max(sent - second - 1 for sent, second, _ in samples)
    most = min(arrived - second for _, second, arrived in samples)
    if least <= 0 <= most:
        return ok("clock", "agrees with the venue's")
    ahead = (least + most) / 2
    found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the venue's"
    to_do = "switch time synchronisation on, such as: timedatectl set-ntp true"
    if abs(ahead) > _SKEW_FAILED:
        return failed("clock", found, to_do)
    return warning("clock", found, to_do) if abs(ahead) > _SKEW_WARNING else ok("clock", found)


def check_wallet(
    settings: Settings, values: Mapping[str, str], token_id: str, *, answers: bool
) -> Iterator[Check]:
    """Whether the wallet can sign, is known to the venue, and may buy and sell there."""
    try:
        own = wallet(values, needs_api=False)
    except WalletError as e:
        yield failed("wallet", str(e), "set it in a .env of mode 0600, or export it")
        return
    try:
        client = make_client(settings.venue.clob, own, settings.wallet.signature_type)
        address = str(client.get_address())
    except Exception:  # its text may hold the key
        yield failed("wallet", f"{KEY} cannot sign", "copy the private key anew")
        return
    yield ok("wallet", f"key of {address}, funder {own.funder}")
    yield check_signature_type(settings.wallet.signature_type, address, own.funder)
    yield check_redeem_key(settings, values)
    if not (own.api_key and own.api_secret and own.api_passphrase):
        yield failed("credentials", "not in the environment", "run: polybracket credentials")
    elif answers:
        yield from _check_account(settings, client, own, token_id)


def check_signature_type(kind: int, address: str, funder: str) -> Check:
    """Whether the kind of wallet fits who holds the money."""
    is_own = address.lower() == funder.lower()
    found = f"{kind}, and the funder is {'' if is_own else 'not '}the key's own address"
    if kind == 0 and not is_own:
        kinds = "1 (e-mail account), 2 (browser wallet) or 3 (deposit wallet)"
        to_do = f"set {FUNDER} to {address}, or signature_type under [wallet] to {kinds}"
        return failed("signature type", found, to_do)
    if kind != 0 and is_own:
        to_do = f"set signature_type = 0, or {FUNDER} to the address shown at polymarket.com"
        return failed("signature type", found, to_do)
    return ok("signature type", found)


def check_allowances(verb: str, allowances: Mapping[str, Any], needed: int) -> Check:
    """Whether the contracts in force may move what is traded; amounts are in millionths."""
    name = f"allowed to {verb}"
    allowed = {a.lower(): int(v or 0) >= needed for a, v in allowances.items()}
    least = min((int(v or 0) for a, v in allowances.items() if a.lower() == _EXCHANGE), default=0)
    missing = [a for a, is_allowed in allowed.items() if not is_allowed]
    if 0 < least < needed:
        found = f"only {Decimal(least) / 10**6:f} of {Decimal(needed) / 10**6:f} USDC"
        return warning(name, f"{found}, by the exchange {_EXCHANGE}", "approve more for it")
    if not allowed.get(_EXCHANGE):
        cost = "nothing can be bought" if verb == "buy" else "NO STOP AND NO TARGET could sell"
        return failed(name, f"not by the exchange {_EXCHANGE}: {cost}", _ENABLE)
    if not allowed.get(_NEG_RISK_EXCHANGE):
        missing.append(_NEG_RISK_EXCHANGE)
    wanted = sorted(set(missing) - {_RETIRED_ADAPTER, POSITIONS.address.lower()})
    if wanted:
        found = f"not by {', '.join(wanted)}: markets that exclude each other cannot be traded"
        return warning(name, found, _ENABLE)
    retired = _RETIRED_ADAPTER in missing
    note = f" (but {_RETIRED_ADAPTER}, retired on 2026-07-17)" if retired else ""
    return ok(name, f"by every contract in force{note}")


def _check_account(
    settings: Settings, client: BoundedClobClient, own: Wallet, token_id: str
) -> Iterator[Check]:
    try:
        client.get_api_keys()
    except Exception as e:
        if getattr(e, "status_code", None) in (400, 401, 403):
            to_do = "run: polybracket credentials"
            yield failed("credentials", f"refused: {why(e, own)}", to_do)
        else:
            yield failed("credentials", f"cannot be checked: {why(e, own)}", "try again later")
        return
    yield ok("credentials", "accepted")
    yield from _check_standing(client, own)
    if settings.wallet.builder_code:
        yield _check_builder(settings.wallet.builder_code, client, own)
    try:
        held = client.get_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))
        if int(held["balance"]) < settings.limits.default_stake * 10**6:
            # The venue reports what it last read: of a new wallet 0, until it reads it anew.
            client.update_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))
            held = client.get_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))
        balance = int(held["balance"])
        yield _check_balance(Decimal(balance) / 10**6, settings.limits.default_stake)
        yield check_allowances("buy", held.get("allowances") or {}, max(balance, 1))
        if token_id:
            kind = BalanceAllowanceParams(AssetType.CONDITIONAL, token_id)
            shares = client.get_balance_allowance(kind)
            yield check_allowances("sell", shares.get("allowances") or {}, 1)
    except Exception as e:
        yield failed("balance", f"cannot be read: {why(e, own)}", "try again later")
        return
    yield from _check_positions(settings, own)


def _check_positions(settings: Settings, own: Wallet) -> Iterator[Check]:
    """Whether the exchange of Protocol V2 may move what is traded there, as the chain says."""
    address, query = f"{settings.venue.data}/v2/approvals", {"user": own.funder}
    try:
        with BoundedClient() as client:
            rows = rows_of(client.get(address, params=query).raise_for_status().json())
    except (httpx.HTTPError, ValueError) as e:
        found = f"cannot be read: {type(e).__name__}; only markets of Protocol V2 need it"
        yield warning("allowed in V2", found, "try again later")
        return
    yield from (check_positions(verb, rows) for verb in ("buy", "sell"))
    yield check_redeeming(rows)


def check_redeeming(rows: Iterable[Mapping[str, Any]]) -> Check:
    """Whether the contracts that pay winnings may take the shares of a wallet, as rows tell."""
    approved = {
        (str(row.get("token")).lower(), str(row.get("spender")).lower())
        for row in rows
        if row.get("approved") is True
    }
    pairs = ((TOKENS, ADAPTER), (TOKENS, NEG_RISK_ADAPTER), (POSITION_MANAGER, ROUTER))
    missing = [to for token, to in pairs if (token.lower(), to.lower()) not in approved]
    if not missing:
        return ok("allowed to redeem", "by every contract that pays winnings")
    found = f"not by {', '.join(missing)}: winnings there stay out of the cash"
    return warning("allowed to redeem", found, "approve it once at polymarket.com")


def check_redeem_key(settings: Settings, values: Mapping[str, str]) -> Check:
    """Whether what redeems has the keys that it needs."""
    if settings.wallet.signature_type == 0:
        return ok("redeem", "the wallet sends and pays for it itself: keep some POL there")
    try:
        relayer_key(values)
    except WalletError as e:
        to_do = "set it in a .env of mode 0600, or redeem at polymarket.com"
        is_needed = settings.redeem.auto
        return (failed if is_needed else warning)("redeem", str(e), to_do)
    return ok("redeem", "the relayer's key is there")


def check_positions(verb: str, rows: Iterable[Mapping[str, Any]]) -> Check:
    """Whether a wallet may trade markets of Protocol V2; approvals of V1 do not count there.

    Parameters
    ----------
    verb
        "buy" or "sell".
    rows
        The approvals of the wallet, as the Data API tells them.
    """
    token = _CASH_TOKEN if verb == "buy" else POSITION_MANAGER.lower()
    exchange = POSITIONS.address.lower()
    is_allowed = any(
        str(row.get("token")).lower() == token
        and str(row.get("spender")).lower() == exchange
        and row.get("approved") is True
        for row in rows
    )
    name = f"allowed to {verb} in V2"
    if is_allowed:
        return ok(name, f"by the exchange {exchange}")
    cost = "be bought" if verb == "buy" else "be sold, BY NO STOP AND NO TARGET"
    found = f"not by the exchange {exchange}: no market of Protocol V2 can {cost}"
    return warning(name, found, _ENABLE)


def _check_builder(code: str, client: ClobClient, own: Wallet) -> Check:
    """What is paid to whom the owner names in each order."""
    try:
        rates = client._get(f"{client.host}/fees/builder-fees/{code}")
        taker, maker = (int(rates[f"builder_{who}_fee_rate_bps"]) for who in ("taker", "maker"))
    except Exception as e:
        to_do = f"leave builder_code under [wallet] empty, or ask whose it is: {code}"
        return warning("builder", f"its rate cannot be read: {why(e, own)}", to_do)
    found = f"{code} is paid {taker} bps of what is taken and {maker} bps of what is made"
    if taker or maker:
        to_do = (
            "leave builder_code under [wallet] empty; what is shown and checked counts it nowhere"
        )
        return warning("builder", found, to_do)
    return ok("builder", found)


def _check_standing(client: BoundedClobClient, own: Wallet) -> Iterator[Check]:
    """What the venue lets this wallet do, and how often."""
    try:
        if bool(client.get_closed_only_mode().get("closed_only")):
            found = "this wallet may only sell (closed-only): nothing can be bought"
            yield warning("orders", found, "see polymarket.com for the reason")
        else:
            yield ok("orders", "this wallet may buy and sell")
    except Exception as e:
        yield warning("orders", f"cannot be checked: {why(e, own)}", "try again later")
    try:
        client.read_tier()
        yield ok("rate limit", str(client.rate_limits))
    except Exception as e:
        found = f"the tier is not told ({why(e, own)}): taken for standard"
        yield ok("rate limit", found)


def check_place(address: str, client: httpx.Client) -> Check:
    """Whether the venue takes orders from where this runs."""
    try:
        told = client.get(address).raise_for_status().json()
        is_blocked = bool(told["blocked"])
        place = f"{told.get('country') or '?'} {told.get('region') or ''}".strip()[:40]
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as e:
        found = f"{address} does not tell: {type(e).__name__}"
        return warning("place", found, "see polymarket.com whether orders are taken from here")
    if is_blocked:
        found = f"orders are refused from here ({place}), or buys are"
        return warning("place", found, "what is held may still be sold from some such places")
    return ok("place", f"orders are taken from here ({place})")


def _check_balance(cash: Decimal, stake: Decimal) -> Check:
    found = f"{cash:f} USDC"
    if cash < stake:
        to_do = f"deposit at polymarket.com, or lower default_stake; is {FUNDER} the right address?"
        return warning("balance", f"{found}, less than the default_stake {stake}", to_do)
    return ok("balance", found)


def _timed(name: str, address: str, ask: Callable[[], Any], *, warm: bool = True) -> Check:
    """How long an address takes to answer: the median of a few."""
    times = []
    try:
        if warm:  # the first one opens the connection
            ask()
        for _ in range(_SAMPLES):
            begun = time.perf_counter()
            reply = ask()
            times.append(time.perf_counter() - begun)
            if isinstance(reply, httpx.Response):
                reply.raise_for_status()
    except (httpx.HTTPError, ValueError) as e:
        why = f"{address} does not answer: {e or type(e).__name__}".splitlines()[0]
        return failed(name, why, "check the network, a firewall, and the address under [venue]")
    median = statistics.median(times)
    found = f"{address} answers in {median * 1000:.0f} ms, the median of {_SAMPLES}"
    if median > _SLOW_SECONDS:
        return warning(name, found, "run nearer to the venue: every exit is late by that much")
    return ok(name, found)


def _knock(client: httpx.Client, address: str) -> None:
    """Open a websocket and let it go."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
    }
    with client.stream("GET", address.replace("ws", "http", 1), headers=headers) as reply:
        if reply.status_code != 101:
            raise ValueError(f"it is no websocket: status {reply.status_code}")


def _any_token(settings: Settings, client: httpx.Client) -> str:
    """An outcome of Protocol V1, to ask about shares with; "" when none can be found."""
    query = {"limit": "20", "closed": "false"}
    try:
        found = client.get(f"{settings.venue.gamma}/markets", params=query).json()
        markets = [m for values in found if (m := parse(values)) is not None]
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    tokens = (m.outcomes[0].token_id for m in markets if m.protocol is Protocol.V1)
    return next(tokens, "")


def why(error: Exception, own: Wallet) -> str:
    """What went wrong, in one line without a secret."""
    said = getattr(error, "error_msg", None) or type(error).__name__
    if isinstance(said, dict):
        said = said.get("error") or said
    if said == _NO_ANSWER:
        said = "it does not answer"
    text = " ".join(str(said).split())[:200]
    for secret in own.secrets:
        text = text.replace(secret, "***") if secret else text
    return text
