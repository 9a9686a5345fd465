"""A channel is up exactly when its open sockets have asked for all that they are to hear."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import pytest
from loopback.server import LoopbackPolymarket, MarketHandle
from nautilus_trader.adapters.polymarket.common.credentials import PolymarketWebSocketAuth
from nautilus_trader.adapters.polymarket.websocket.client import PolymarketWebSocketChannel
from nautilus_trader.common.component import LiveClock
from trading import KEY, PATIENCE

from venues.polymarket.api.channel import ChannelClient

MARKETS = 5
EACH = 2
"""Subscriptions that one socket takes."""
SEEDS = range(4)


class Line:
    """One channel to a venue with several markets."""

    def __init__(self, venue: LoopbackPolymarket, channel: str, each: int) -> None:
        self.venue = venue
        self.channel = channel
        self.markets = [venue.add_market(f"market-{n}") for n in range(MARKETS)]
        self.resumed = asyncio.Event()
        keys = venue.wallet(KEY)
        self.client = ChannelClient(
            LiveClock(),
            base_url=venue.websocket,
            channel=PolymarketWebSocketChannel(channel),
            handler=lambda _: None,
            handler_reconnect=self._resume,
            loop=asyncio.get_running_loop(),
            auth=PolymarketWebSocketAuth(
                apiKey=keys["POLYMARKET_API_KEY"],
                secret=keys["POLYMARKET_API_SECRET"],
                passphrase=keys["POLYMARKET_PASSPHRASE"],
            ),
            max_subscriptions_per_connection=each,
        )

    async def _resume(self) -> None:
        self.resumed.set()

    def name(self, m: MarketHandle) -> str:
        """What is subscribed to for a market."""
        return m.condition_id if self.channel == "user" else m.tokens[0]

    def heard(self) -> list[int]:
        """How many sockets listen to each market that was asked for."""
        return [self.venue.listeners(self.channel, name) for name in self.client.subscriptions]

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait for something to happen."""
        begun = time.monotonic()
        while not is_so():
            assert time.monotonic() - begun < PATIENCE, f"did not happen: {what}"
            await asyncio.sleep(0.01)

    async def is_whole(self) -> None:
        """Wait until it is up; all is then listened to, by as many sockets as are needed."""
        await self.until(self.client.is_connected, "it is up")
        await self.until(lambda: set(self.heard()) == {1}, "each is listened to, once")
        assert self.venue.listeners(self.channel) == len(self.client._clients)


def play(channel: str, script: Callable[[Line], Awaitable[None]], each: int = 200) -> None:
    async def run(venue: LoopbackPolymarket) -> None:
        line = Line(venue, channel, each)
        try:
            await script(line)
        finally:
            venue.faults.clear()
            await line.client.disconnect()

    with LoopbackPolymarket() as venue:
        asyncio.run(run(venue))


@pytest.fixture(params=["user", "market"])
def channel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("trouble", ["refused", "unanswered"])
def test_a_lost_channel_is_down_until_it_is_listened_to_again(channel: str, trouble: str) -> None:
    async def script(line: Line) -> None:
        for m in line.markets[:3]:
            await line.client.subscribe(line.name(m))
        await line.is_whole()
        getattr(line.venue.faults, trouble).add(channel)
        line.venue.drop(channel)
        await line.until(lambda: not line.client.is_connected(), "it is down")
        assert not await line.client.is_open()
        await line.client.subscribe(line.name(line.markets[3]))
        await line.client.connect()
        line.venue.faults.clear()
        await line.is_whole()

    play(channel, script)


def test_a_channel_is_listened_to_again_although_nothing_else_happens(channel: str) -> None:
    async def script(line: Line) -> None:
        await line.client.subscribe(line.name(line.markets[0]))
        await line.is_whole()
        line.resumed.clear()
        line.venue.drop(channel)
        async with asyncio.timeout(PATIENCE):  # the one timer of this event loop
            await line.resumed.wait()
        await line.is_whole()

    play(channel, script)


@pytest.mark.parametrize("trouble", ["refused", "unanswered"])
def test_a_channel_that_cannot_be_opened_at_first_is_opened_later(
    channel: str, trouble: str
) -> None:
    async def script(line: Line) -> None:
        getattr(line.venue.faults, trouble).add(channel)
        asked = [
            asyncio.ensure_future(line.client.subscribe(line.name(m))) for m in line.markets[:2]
        ]
        await line.until(lambda: bool(line.venue.asked(f"GET /ws/{channel}")), "it is tried")
        line.client.add_subscription(line.name(line.markets[2]))
        assert not line.client.is_connected()
        line.venue.faults.clear()
        await asyncio.gather(*asked)
        await line.is_whole()

    play(channel, script)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_befalls_a_channel_all_is_listened_to_once_in_the_end(
    channel: str, seed: int
) -> None:
    """Drops, refusals and silence in quick succession, while markets are added."""
    chance = random.Random(seed)

    async def script(line: Line) -> None:
        faults, asked = line.venue.faults, [asyncio.ensure_future(line.client.connect())]
        deeds: list[Callable[[], object]] = [
            lambda: line.venue.drop(channel),
            lambda: line.venue.drop(channel, hard=False),
            lambda: faults.refused.add(channel),
            lambda: faults.unanswered.add(channel),
            faults.clear,
            faults.clear,
            lambda: asked.append(asyncio.ensure_future(line.client.connect())),
            lambda: asked.append(asyncio.ensure_future(line.client.reopen())),
            lambda: asked.append(
                asyncio.ensure_future(line.client.subscribe(line.name(chance.choice(line.markets))))
            ),
        ]
        for _ in range(25):
            chance.choice(deeds)()
            await asyncio.sleep(chance.choice([0, 0.001, 0.02, 0.3]))
        faults.clear()
        for m in line.markets:
            await line.client.subscribe(line.name(m))
        await asyncio.gather(*asked)
        await line.is_whole()

    play(channel, script, EACH)
