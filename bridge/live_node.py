"""Makes a TradingNode, runs it, and stops it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import (
    CacheConfig,
    LiveDataEngineConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.live.node import TradingNode

from bridge.venue import VENUE
from positions.model.errors import VenueFailure
from positions.operations import logs

_START_CHECKS = 800
"""Checks, each after 50 ms, of whether the node has started."""
_TICKS_KEPT = 10


class NotStarted(VenueFailure):
    """The node did not start: a client could not connect, for example."""


MakeClient = Callable[[asyncio.AbstractEventLoop, MessageBus, Cache, LiveClock], Any]


class NodeClient(NamedTuple):
    """A client of the venue: Nautilus' configuration of it, and what makes it in a node."""

    config: Any
    make: MakeClient


def _factory(base: type, make: MakeClient) -> type:
    class ClientFactory(base):
        @staticmethod
        def create(
            loop: asyncio.AbstractEventLoop,
            name: str,  # noqa: ARG004  (Nautilus' signature)
            config: object,  # noqa: ARG004
            msgbus: MessageBus,
            cache: Cache,
            clock: LiveClock,
        ) -> Any:
            return make(loop, msgbus, cache, clock)

    return ClientFactory


def make_node(
    name: str,
    loop: asyncio.AbstractEventLoop,
    log: Path,
    data: NodeClient,
    execution: NodeClient | None = None,
) -> TradingNode:
    """A node with these clients, to be built once its components are added."""
    config = TradingNodeConfig(
        trader_id=name,
        logging=LoggingConfig(
            log_level="ERROR",
            log_level_file="WARNING",
            log_directory=str(log.parent),
            log_file_name=log.name,
            log_file_max_size=logs.FILE_BYTES,
            log_file_max_backup_count=logs.FILES_PER_RUN,
            log_colors=False,
            fileout_sync_on_flush=False,
        ),
        # Nautilus keeps the last 10,000 quotes and trades of each instrument; nothing reads them.
        cache=CacheConfig(tick_capacity=_TICKS_KEPT),
        data_engine=LiveDataEngineConfig(qsize=1_000_000),
        # Nautilus' own checks deny bursts of exits, and sells when fully invested.
        risk_engine=LiveRiskEngineConfig(bypass=True, qsize=1_000_000),
        # The execution client reconciles: Nautilus' own checks infer fills without fees.
        exec_engine=LiveExecEngineConfig(
            reconciliation=False, inflight_check_interval_ms=0, qsize=1_000_000
        ),
        data_clients={VENUE.value: data.config},
        exec_clients={} if execution is None else {VENUE.value: execution.config},
        timeout_connection=20,
        timeout_post_stop=0.1,
        timeout_disconnection=2,
    )
    node = TradingNode(config=config, loop=loop)
    add_clients(node, data, execution)
    return node


def add_clients(node: TradingNode, data: NodeClient, execution: NodeClient | None) -> None:
    """Give a node what makes its clients."""
    node.add_data_client_factory(VENUE.value, _factory(LiveDataClientFactory, data.make))
    if execution is not None:
        node.add_exec_client_factory(VENUE.value, _factory(LiveExecClientFactory, execution.make))


async def drive(
    node: TradingNode,
    prepare: Callable[[], Awaitable[object]],
    play: Callable[[], Coroutine[Any, Any, None]],
    finish: Callable[[bool], Awaitable[None]],
) -> None:
    """Start a node, run it to the end of `play` or to Ctrl-C, and stop it.

    Parameters
    ----------
    prepare
        Run once the node has started, before `play`.
    play
        What the node runs for; cancelled at Ctrl-C.
    finish
        Run before the node is stopped, with whether `play` has ended.

    Raises
    ------
    NotStarted
        If the node did not start.
    """
    running = asyncio.ensure_future(node.run_async())
    _stop_at_hang_up(node)
    try:
        await _started(node, running)
        await prepare()
        playing = asyncio.ensure_future(play())
        await asyncio.wait({playing, running}, return_when=asyncio.FIRST_COMPLETED)
        has_ended = playing.done()
        if not has_ended:
            playing.cancel()
        await finish(has_ended)
    finally:
        if not running.done():
            await node.stop_async()
        await asyncio.wait({running}, timeout=10)
        await _cancel_tasks()
    if not playing.cancelled():
        playing.result()


def _stop_at_hang_up(node: TradingNode) -> None:
    """Stop the node in order, as at Ctrl-C, when its terminal is closed; under nohup it runs on."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        with suppress(ValueError, RuntimeError):  # only a main thread is told of signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, node.stop)


async def _started(node: TradingNode, running: asyncio.Future[None]) -> None:
    for _ in range(_START_CHECKS):
        if node.trader.is_running or running.done():
            break
        await asyncio.sleep(0.05)
    if not node.trader.is_running:
        raise NotStarted("the node did not start")


async def _cancel_tasks() -> None:
    """Nautilus leaves its actors' idle workers behind; a closed loop would complain of them."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
