"""An error that nobody foresaw is told in one line, written down, and the node goes on."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from loopback.server import LoopbackPolymarket
from trading import KEY, Session, trade

from positions.engine.effects import Step
from positions.model.events import OrderFilled


def test_an_error_in_a_step_stops_nothing_else(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            journal = s.node._journal
            step = journal.step

            def fail(one: Step, *calls: Callable[[], None]) -> None:
                if isinstance(one.event, OrderFilled):
                    raise LookupError("no paper left")
                step(one, *calls)

            journal.step = fail  # type: ignore[method-assign]
            p = await s.submit(rain, "0.55", "20", stop_loss_price="0.45")
            await s.held(p, "20")
            told = journal.open_alarms
            await s.until(lambda: any("no paper left" in a[2] for a in told()), "an alarm")

        trade(venue, tmp_path, script)


def test_a_command_that_raises_before_the_engine_has_it_is_answered(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            def fail(*_: object) -> None:
                raise LookupError("no paper left")

            search, asked = s.node.strategy.search, {"market": rain.slug, "outcome": "Yes"}
            odd = asked | {"market": "https://[polymarket.com/rain", "max_bid": "0.5"}
            assert (await s.command("submit", **odd)).code == "UNKNOWN_MARKET"
            holds, request = search.holds, s.node.strategy.holdings.request_holding
            s.node.strategy.holdings.request_holding = fail  # type: ignore[method-assign]
            assert (await s.command("adopt", **asked)).code == "INTERNAL"
            s.node.strategy.holdings.request_holding = request  # type: ignore[method-assign]
            search.holds = fail  # type: ignore[method-assign]
            reply = await s.command("submit", max_bid="0.5", **asked)
            assert (reply.code, "no paper left" in reply.message) == ("INTERNAL", True)
            search.holds = holds  # type: ignore[method-assign]
            await s.submit(rain, "0.55", "20", stop_loss_price="0.45")

        trade(venue, tmp_path, script)


def test_what_nautilus_cannot_hold_does_not_end_the_process(tmp_path: Path) -> None:
    """Its core panics over an identifier that is not ASCII, and over amounts that are too large."""
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def rich(_: web.Request) -> web.Response:
            return web.json_response({"balance": "1" + "0" * 22, "allowances": {}})

        async def script(s: Session) -> None:
            p = await s.submit(rain, "0.55", "20", stop_loss_price="0.45", sell_price="0.70")
            await s.until(lambda: bool(venue.orders(s.funder)), "the target rests")
            resting = venue.orders(s.funder)[0]
            made = {"order_id": resting.id, "matched_amount": "5", "price": "0.70"}
            told = {
                "event_type": "trade",
                "id": "\u00e9" * 10,
                "status": "MATCHED",
                "match_time": str(int(time.time())),
                "asset_id": rain.tokens[0],
                "side": "BUY",
                "size": "5",
                "price": "0.70",
                "taker_order_id": "0xdd",
                "maker_orders": [made],
            }
            venue.faults.say("GET /balance-allowance*", rich)
            venue.push("user", json.dumps(told))
            await s.until(lambda: not venue.faults.http, "the balance is read")
            venue.quote(rain.tokens[0], "0.44", "100", "0.46", "100")
            await s.until(lambda: s.positions[p].is_over, "the stop sells")
            assert venue.shares(s.funder, rain.tokens[0]) == 0

        trade(venue, tmp_path, script)


@pytest.mark.parametrize("told", [{"balance": "nan"}, None])
def test_no_balance_keeps_a_node_from_starting(tmp_path: Path, told: object) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")
        keys = venue.wallet(KEY, cash="1000")

        async def nonsense(_: web.Request) -> web.Response:
            return web.json_response(told)

        async def before(s: Session) -> None:
            await s.held(await s.submit(rain, "0.55", "20", stop_loss_price="0.45"), "20")
            await s.settled()

        async def after(s: Session) -> None:
            reply = await s.command("submit", market="rain", outcome="Yes", max_bid="0.55")
            assert reply.code == "INSUFFICIENT_CASH"
            venue.quote(rain.tokens[0], "0.44", "100", "0.46", "100")
            await s.until(lambda: venue.shares(s.funder, rain.tokens[0]) == 0, "the stop sells")

        trade(venue, tmp_path, before, keys=keys)
        venue.faults.say("GET /balance-allowance*", nonsense, times=None)
        trade(venue, tmp_path, after, keys=keys)


def test_half_a_character_in_a_refusal_holds_no_exit_up(tmp_path: Path) -> None:
    """Nautilus' logger raises over it."""
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            p = await s.submit(rain, "0.55", "20", stop_loss_price="0.45", sell_price="0.70")
            await s.until(lambda: bool(venue.orders(s.funder)), "the target rests")
            venue.faults.answer("DELETE *", 500, error="\ud800", times=2)
            for status in (400, 500):
                venue.faults.answer("POST /order", status, error="\ud800")
            venue.quote(rain.tokens[0], "0.44", "100", "0.46", "100")
            await s.until(lambda: s.positions[p].is_over, "the stop sells")
            assert not s.unforeseen

        trade(venue, tmp_path, script)


def test_an_error_beside_the_start(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        venue.add_market("rain")

        async def script(s: Session) -> None:
            async def fail(_: object) -> None:
                raise LookupError("the ladder is gone")

            s.node._resume._resume = fail  # type: ignore[method-assign]
            s.node._resume._spawn(s.node._resume._resume_over([]))
            told = s.node._journal.open_alarms
            await s.until(lambda: any("the ladder is gone" in a[2] for a in told()), "an alarm")

        trade(venue, tmp_path, script)


def test_an_error_that_ends_a_thread(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        venue.add_market("rain")

        async def script(s: Session) -> None:
            def fail() -> None:
                raise LookupError("the thread tore")

            threading.Thread(target=fail).start()
            told = s.node._journal.open_alarms
            await s.until(lambda: any("the thread tore" in a[2] for a in told()), "an alarm")

        trade(venue, tmp_path, script)


def test_an_error_in_a_callback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            def fail() -> None:
                raise LookupError("the roof fell in")

            asyncio.get_running_loop().call_soon(fail)
            told = s.node._journal.open_alarms
            await s.until(lambda: any("the roof fell in" in a[2] for a in told()), "an alarm")
            p = await s.submit(rain, "0.55", "20", stop_loss_price="0.45")
            await s.held(p, "20")

        trade(venue, tmp_path, script)
    out, err = capfd.readouterr()
    assert "ALARM: unexpected LookupError: the roof fell in; details in" in out
    assert "Traceback" not in out + err
    assert "the roof fell in" in (tmp_path / "logs" / "errors.log").read_text()
