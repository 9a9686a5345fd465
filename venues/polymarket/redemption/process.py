"""Redeems by the settings of a node: the connections, the keys, the record, and what is said.

A node starts this module as a process of its own, with its settings on standard input; the private
key is in that process' environment. A result a line comes back, and the last error.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress

import msgspec
from py_clob_client_v2.clob_types import AssetType, BalanceAllowanceParams

from positions.model.errors import ConfigurationError, PolybracketError, in_words
from positions.operations.core_dumps import forbid_core_dumps
from positions.operations.settings import Settings
from positions.operations.wallet import Wallet, environment, relayer_key, wallet
from venues.polymarket.api.clob import close_connections, make_client
from venues.polymarket.redemption.record import RedemptionRecord
from venues.polymarket.redemption.redeemer import OWN_WALLET, Patience, Redeemer, Result
from venues.polymarket.redemption.remote import Chain, Holdings, Relayer
from venues.polymarket.redemption.signing import account_of


def redeem(
    settings: Settings,
    values: Mapping[str, str],
    market: str = "",
    *,
    dry_run: bool = False,
    by_hand: bool = True,
    patience: Patience | None = None,
) -> Iterator[Result]:
    """Redeem by the settings and keys of a live node; a result for each market.

    Raises
    ------
    PolybracketError
        In one line, without a secret in it.
    """
    if settings.mode != "live":
        raise ConfigurationError(f"mode was {settings.mode}, must be live: it has a wallet")
    own, kind = wallet(values, needs_api=False), settings.wallet.signature_type
    account = account_of(own.key)
    if (kind == OWN_WALLET) != (account.address.lower() == own.funder.lower()):
        raise ConfigurationError(
            f"signature_type was {kind}, must fit the funder {own.funder}: see `doctor`"
        )
    relayer = None
    if kind != OWN_WALLET:
        relayer = Relayer(settings.venue.relayer, *relayer_key(values))
    chain, holdings = Chain(settings.venue.rpc), Holdings(settings.venue.data)
    has_paid = False
    with RedemptionRecord(own.funder, values) as record:
        redeemer = Redeemer(
            chain, relayer, holdings, record, account, own.funder, kind, patience or Patience()
        )
        for result in redeemer.run(market, dry_run=dry_run, by_hand=by_hand):
            has_paid = has_paid or result.state == "paid"
            yield result
    if has_paid:
        _refresh_cash(settings, own)


def _refresh_cash(settings: Settings, own: Wallet) -> None:
    """Have the venue read the wallet's cash anew; it reports what it last read."""
    if own.api_key and own.api_secret and own.api_passphrase:
        with suppress(Exception):  # the cash is there all the same, and is read anew before long
            client = make_client(settings.venue.clob, own, settings.wallet.signature_type)
            client.update_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))
            close_connections()


def main() -> int:
    """Redeem for the node whose settings are on standard input."""
    forbid_core_dumps()
    os.umask(0o077)
    try:
        settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
        for result in redeem(settings, environment(), by_hand=False):
            print(msgspec.json.encode(result).decode(), flush=True)
    except (PolybracketError, OSError) as e:
        print(in_words(e), file=sys.stderr)
        return 1
    except Exception as e:  # its text may hold what no log may
        print(f"unexpected {type(e).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
