"""Probes of connections, threads, secrets and starts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from defects.lab import Spot
from defects.table import defect
from nautilus_trader.adapters.polymarket.config import PolymarketDataClientConfig

from node import THREADS
from venues.polymarket.api.clob import keep_warm

_HANG_SECONDS = 2.0


@defect(
    "Requests that hang take all threads from an exit",
    stock="posted after they ended",
    ours="posted while they hung",
    mended_by="node.THREADS",
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    bought = spot.order("BUY", "0.52")
    await spot.hears(bought, "filled")
    threads = THREADS if spot.lab.is_ours else None  # as Nautilus' kernel makes them
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    spot.venue.faults.hang("GET /midpoint", _HANG_SECONDS, times=None)
    asking = [
        asyncio.ensure_future(asyncio.to_thread(spot.lab.client.get_midpoint, spot.token))
        for _ in range(ThreadPoolExecutor()._max_workers)
    ]
    sale = spot.order("SELL", "0.50", kind="IOC")
    await spot.hears(sale, "filled", 30)
    await asyncio.gather(*asking, return_exceptions=True)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    posted, asked = spot.posted("SELL")[0], spot.venue.asked("GET /midpoint")[0]
    waited = (posted.time_ns - asked.time_ns) / 1e9
    return "posted while they hung" if waited < _HANG_SECONDS else "posted after they ended"


@defect(
    "A connection that is unused for six seconds is closed",
    stock="a new connection",
    ours="a connection known before",
    mended_by="clob.IDLE_SECONDS, clob.keep_warm",
    when="alone",
)
async def _(spot: Spot) -> str:
    await keep_warm(spot.lab.client)
    known = {r.peer for r in list(spot.venue.requests)}
    await asyncio.sleep(6)
    await asyncio.to_thread(spot.lab.client.get_server_time)
    peer = spot.venue.asked("GET /time")[-1].peer
    return "a connection known before" if peer in known else "a new connection"


class _Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, line: str, *_: Any) -> None:
        self.lines.append(line)

    debug = info = error = warning


@defect(
    "The log names the API's secret when the user channel is not connected",
    stock="named",
    ours="not named",
    mended_by="ChannelClient._send",
)
async def _(spot: Spot) -> str:
    client = spot.lab.execution._ws_client
    kept, client._log = client._log, _Log()
    try:
        await client._send(-1, client._create_dynamic_subscribe_msg([spot.market.condition_id]))
        text = "\n".join(client._log.lines)
    finally:
        client._log = kept
    assert "not connected" in text
    return "named" if spot.lab.keys["POLYMARKET_API_SECRET"] in text else "not named"


@defect(
    "The first prices wait before the market channel is opened",
    stock="5 s",
    ours="0.05 s",
    mended_by="Polymarket.data_client",
)
async def _(spot: Spot) -> str:
    config = spot.lab.data._config if spot.lab.is_ours else PolymarketDataClientConfig()
    return f"{config.ws_connection_initial_delay_secs:g} s"
