"""What a wallet can redeem is counted after a restart, too, by the venue's own list."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket

from venues.polymarket.api.data_api import DataApi, DataApiError, _paying
from venues.polymarket.execution.wallet_watch import WalletWatch

D = Decimal
ROW = {"token_id": "1" * 20, "current_size": 12.5, "current_price": 1, "redeemable": True}
SPOILT: list[dict[str, Any]] = [
    {"token_id": 1},
    {"token_id": "0xabc"},
    {"current_size": "nan"},
    {"current_price": 0},
    {"current_price": 1.5},
    {"current_price": None},
    {"redeemable": "yes"},
]


def test_the_list_of_what_pays_is_read_in_pages() -> None:
    with LoopbackPolymarket() as venue:
        wallet = venue.wallet("0x" + "4c" * 32)["POLYMARKET_FUNDER"]
        tokens = []
        for n in range(103):
            market = venue.add_market(f"market-{n}")
            venue.give(wallet, market.tokens[0], str(n + 1))
            venue.resolve(market, market.tokens[n == 102])
            tokens.append(market.tokens[0])
        found = asyncio.run(_list(venue.settings()["data"], wallet))
        assert found == dict.fromkeys(tokens[72:102], D(1)), "the 30 worth most, none that lost"


async def _list(address: str, wallet: str) -> dict[str, Decimal]:
    api = DataApi(address)
    try:
        return await api.paying(wallet)
    finally:
        await api.close()


@pytest.mark.parametrize("spoilt", SPOILT, ids=str)
def test_a_row_that_makes_no_sense_is_left_out(spoilt: dict[str, Any]) -> None:
    assert _paying(ROW) == ("1" * 20, D("12.5"), D(1))
    assert _paying(ROW | spoilt) is None


class Owned:
    """A wallet after a restart: the venue lists what it can redeem."""

    def __init__(self) -> None:
        self.shares: dict[str, Decimal] = {"A": D(20), "B": D(6), "held": D(5), "ended": D(3)}
        self.listed: dict[str, Decimal] | Exception = {
            "A": D(1),
            "B": D("0.5"),
            "held": D(1),
            "ended": D(1),
            "unknown": D(1),
        }
        unused: Any = None
        self.watch = WalletWatch(self, *[unused] * 8)  # type: ignore[arg-type]
        engine: Any = SimpleNamespace(
            held_shares=lambda: {"held": D(5)}, paid_out=lambda: {"ended": D(1)}
        )
        paying: Callable[[], Awaitable[dict[str, Decimal]]] = self.paying
        self.watch._reconciliation = SimpleNamespace()  # type: ignore[assignment]
        self.watch.watch(engine, paying)

    async def paying(self) -> dict[str, Decimal]:
        """The venue's list."""
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    async def read(self, token: str) -> Decimal:
        """The venue's balance."""
        return self.shares[token]

    def look(self) -> Decimal:
        """Read the list, and look."""

        async def play() -> None:
            await self.watch._read_list()
            await self.watch._look_at_resolved(is_due=True)

        asyncio.run(play())
        return self.watch.redeemable


def test_what_an_earlier_process_held_to_the_end_counts_until_it_is_redeemed() -> None:
    o = Owned()
    assert o.look() == 26, "20 + 6 / 2, and 3 of a position of this process, each once"
    o.listed = DataApiError("the Data API does not answer: 503")
    assert o.look() == 26, "what was read before counts on"
    o.shares |= {"A": D(0), "B": D(0), "ended": D(0)}
    assert o.look() == 0, "redeemed, though the list is of before"
    o.listed = {}
    assert o.look() == 0
