"""Server-sent events: what there is, and then what changes, with ids to go on from.

All listeners get the same events; a bounded number of them is kept for those who come back with the
id of the last one that they saw. Who is too slow is ended, and comes back. Names of events:
`snapshot`, `prices`, `position`, `fill`, `alarms`, `node`, `reply`.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec

from positions.commands.messages import Reply
from positions.model.formatting import to_json
from web.source import Source, View

KEPT = 2_000
WAITING_MAX = 500
"""Events that a listener may be behind."""
LISTENERS_MAX = 64
PING_SECONDS = 15.0
_PRICES = ("bid", "bid_size", "ask", "ask_size", "payout", "quoted_at")
_SIGNS = ("heartbeat", "market_time", "loop_lag", "undecided")


class Stream:
    """The events of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start = secrets.token_hex(4)
        """Ids of an earlier start of this process are not ours."""
        self._count = 0
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        source.listen(self._changed)

    @property
    def is_full(self) -> bool:
        """Whether no further listener is taken."""
        return len(self._queues) >= LISTENERS_MAX

    def tell(self, name: str, values: Mapping[str, Any]) -> None:
        """Send an event to all who listen."""
        self._count += 1
        event = self._event(name, values)
        self._kept.append((self._count, event))
        for queue in tuple(self._queues):
            if queue.qsize() >= WAITING_MAX:
                self._queues.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def tell_reply(self, reply: Reply) -> None:
        """Send the node's answer to a command of this process."""
        self.tell("reply", msgspec.to_builtins(reply))

    async def events(self, last_id: str = "") -> AsyncIterator[bytes]:
        """What there is, or what came after an event, and then all that comes."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        missed = self._after(last_id)
        if missed is None:
            missed = [self._event("snapshot", snapshot(self._source.view))]
        self._queues.add(queue)
        try:
            for event in missed:
                yield event
            while True:
                try:
                    event_or_end = await asyncio.wait_for(queue.get(), PING_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event_or_end is None:
                    return
                yield event_or_end
        finally:
            self._queues.discard(queue)

    def _after(self, last_id: str) -> list[bytes] | None:
        """The events after one; None = it is not known, or too long ago."""
        start, _, number = last_id.partition("-")
        if start != self._start or not number.isdecimal() or len(number) > 12:
            return None
        seen = int(number)
        oldest = self._kept[0][0] if self._kept else self._count + 1
        if not oldest - 1 <= seen <= self._count:
            return None
        return [event for count, event in self._kept if count > seen]

    def _event(self, name: str, values: Mapping[str, Any]) -> bytes:
        data = msgspec.json.encode(to_json(values)).decode()
        return f"id: {self._start}-{self._count}\nevent: {name}\ndata: {data}\n\n".encode()

    def _changed(self, before: View, view: View) -> None:
        for name, values in changes(before, view):
            self.tell(name, values)


def snapshot(view: View) -> dict[str, Any]:
    """All of a view that the stream speaks of."""
    return {
        "node": _node(view),
        "positions": list(view.positions.values()),
        "markets": list(view.markets.values()),
        "alarms": list(view.alarms),
    }


def changes(before: View, view: View) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is another than it was, as the names and values of events."""
    yield from (("fill", fill) for fill in view.fills if view.number != before.number)
    rows, earlier = {**view.closed, **view.positions}, {**before.closed, **before.positions}
    for position_id, row in rows.items():
        old = earlier.get(position_id)
        if old is not row and (old is None or _lasting(old) != _lasting(row)):
            yield "position", row
    prices = [
        {"outcome_id": outcome_id, **{name: row.get(name) for name in _PRICES}}
        for outcome_id, row in view.markets.items()
        if _price(before.markets.get(outcome_id)) != _price(row)
    ]
    if prices:
        yield "prices", {"prices": prices, "marks": _marks(before, view)}
    if view.alarms != before.alarms:
        yield "alarms", {"alarms": list(view.alarms)}
    if _told(before) != _told(view):
        yield "node", _node(view)


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in row.items() if n not in ("current_price", "unrealized_pnl")}


def _marks(before: View, view: View) -> list[dict[str, Any]]:
    """What the open positions would bring, where that is another than it was."""
    return [
        {"id": i, "current_price": row["current_price"], "unrealized_pnl": row["unrealized_pnl"]}
        for i, row in view.positions.items()
        if row["unrealized_pnl"] != before.positions.get(i, {}).get("unrealized_pnl")
    ]


def _price(row: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return () if row is None else tuple(row.get(name) for name in _PRICES[:-1])


def _node(view: View) -> dict[str, Any]:
    return {"health": view.health.word, "why": list(view.health.why), **view.node}


def _told(view: View) -> dict[str, Any]:
    return {n: v for n, v in _node(view).items() if n not in _SIGNS}
