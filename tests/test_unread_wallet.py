"""What the venue answers about the wallet at a start keeps no stop from being armed."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from loopback.server import LoopbackPolymarket
from trading import KEY, Session, trade

from positions.model.errors import WalletUnreadable
from venues.polymarket.execution import wallet_watch


@pytest.mark.parametrize(
    ("where", "status", "answer"),
    [
        ("GET *", 200, [1, 1, 1]),
        ("GET /balance-allowance*", 200, {"balance": "NaN"}),
        ("GET /balance-allowance*", 500, None),
        ("GET /data/orders", 200, {"data": [None], "next_cursor": "LTE="}),
    ],
)
def test_no_answer_about_the_wallet_keeps_a_stop_from_being_armed(
    where: str, status: int, answer: Any, tmp_path: Path
) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.53", "500", "0.55", "500")
        keys = venue.wallet(KEY, cash="1000")

        async def buy(s: Session) -> None:
            await s.held(await s.submit(rain, "0.55", "20", stop_loss_price="0.45"), "20")

        trade(venue, tmp_path, buy, keys=keys)

        async def say(_: web.Request) -> web.Response:
            return web.json_response(answer, status=status)

        venue.faults.say(where, say, times=4 if where == "GET *" else None)

        async def fall(s: Session) -> None:
            alarms = s.node._journal.open_alarms
            venue.quote(rain.tokens[0], "0.44", "500", "0.46", "500")
            await s.until(lambda: venue.shares(s.funder, rain.tokens[0]) == 0, "sold")
            told = s.node.store.cursor().execute("SELECT kind FROM alarms").fetchall()
            assert ("wallet",) in told
            venue.faults.clear()
            await s.until(lambda: not alarms(), "the wallet is read")
            assert s.node.strategy.engine.cash > 0, "and counted"

        trade(venue, tmp_path, fall, keys=keys)


@pytest.mark.parametrize("where", ["GET /balance-allowance*", "GET /data/orders"])
def test_a_wallet_that_cannot_be_read_any_more_is_told_until_it_can(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_up in wallet_watch.WALLET_SECONDS:
        monkeypatch.setitem(wallet_watch.WALLET_SECONDS, is_up, 0.02)
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.53", "500", "0.55", "500")

        async def script(s: Session) -> None:
            alarms = s.node._journal.open_alarms
            await s.held(await s.submit(rain, "0.55", "20", stop_loss_price="0.45"), "20")
            assert not alarms()
            for _ in range(2):
                venue.faults.answer(where, 500, times=None)
                await s.until(lambda: any(k == "wallet" for _, k, _ in alarms()), "it is told")
                venue.faults.clear()
                await s.until(lambda: not alarms(), "it is over")

        trade(venue, tmp_path, script)


def test_a_wallet_that_cannot_be_read_keeps_a_node_without_positions_from_starting(
    tmp_path: Path,
) -> None:
    with LoopbackPolymarket() as venue:
        keys = venue.wallet(KEY, cash="1000")
        venue.faults.answer("GET /balance-allowance*", 500, times=None)

        async def nothing(_: Session) -> None: ...

        with pytest.raises(WalletUnreadable, match="the wallet cannot be read"):
            trade(venue, tmp_path, nothing, keys=keys)
