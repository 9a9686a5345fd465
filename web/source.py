"""What the node has published, read once for all pages and programs, and what changed in it.

One reader looks at the copy a few times a second, on a thread of its own: it is read anew when it
is another file, and whether the node lives is asked each time. Rows are those of the snapshot, with
Decimals, and times in nanoseconds.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from positions.model.durations import SECOND
from positions.model.errors import RecordError
from positions.operations.health import Health, judge_node
from positions.storage.locks import holder
from positions.storage.snapshot import NoSnapshot, Snapshot

LOOK_SECONDS = 0.2
Row = dict[str, Any]


class View(Struct, frozen=True):
    """The copy at one moment.

    `number` grows by one with each copy that is read; 0 = there is none yet. `positions` are the
    open ones, and `closed` those that are over and published; both by id. `fills` are those of the
    newest copy that the one before did not have.
    """

    number: int = 0
    node: Mapping[str, Any] = {}
    health: Health = Health("NOT RUNNING")
    why_nothing: str = ""
    """Why there is nothing to show, "" where there is."""
    positions: Mapping[str, Row] = {}
    closed: Mapping[str, Row] = {}
    markets: Mapping[str, Row] = {}
    """By outcome id."""
    orders: Mapping[str, list[Row]] = {}
    """Those that work at the venue, by position id."""
    alarms: tuple[Row, ...] = ()
    """What is wrong now."""
    past_alarms: tuple[Row, ...] = ()
    """The newest first."""
    fills: tuple[Row, ...] = ()

    def age(self, now: int | None = None) -> float:
        """How many seconds ago the node gave its last sign of life; infinite without one."""
        beaten = self.node.get("heartbeat")
        now = time.time_ns() if now is None else now
        return float("inf") if beaten is None else max(0, now - beaten) / SECOND


class Source:
    """Reads what a state folder's node publishes, and tells who listens."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.view = View()
        self._listeners: set[Callable[[View, View], None]] = set()
        self._stamp: object = None
        self._seen_fills: set[tuple[str, ...]] = set()
        self._closed_as_of: object = None
        self._is_open = threading.Lock()
        """DuckDB gives all who have a path open at once the same file, be it replaced meanwhile."""
        self._is_looking = asyncio.Lock()

    def listen(self, listener: Callable[[View, View], None]) -> Callable[[], None]:
        """Call back with the earlier view and the new one, in the event loop; returns what ends it.

        It is called when another copy was read, and when the node begins or ceases to live.
        """
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def run(self) -> None:
        """Look for what is new, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> View:
        """Take over what is new now, and tell who listens; a list shows no less than a row did."""
        async with self._is_looking:
            before = self.view
            view = self.view = await asyncio.to_thread(self._read, before)
        if view.number != before.number or view.health.word != before.health.word:
            for listener in tuple(self._listeners):
                listener(before, view)
        return view

    async def ask[T](self, question: Callable[[Snapshot], T]) -> T:
        """The answer to a question about the newest copy, found on another thread.

        Raises NoSnapshot if there is none, or not what was asked for.
        """

        def answer() -> T:
            with self._is_open, Snapshot(self.state) as copy:
                return question(copy)

        return await asyncio.to_thread(answer)

    def _read(self, before: View) -> View:
        """Runs on another thread, one at a time."""
        view = before
        try:
            stamp = _stamp(self.state / "published.duckdb")
            if stamp != self._stamp or before.why_nothing:
                with self._is_open, Snapshot(self.state) as copy:
                    view = self._copied(copy, before)
                self._stamp = stamp
        except (RecordError, OSError) as e:
            view = replace(before, why_nothing=str(e))
        node = view.node or {"heartbeat": 0}
        return replace(view, health=judge_node(holder(self.state), node, time.time_ns()))

    def _copied(self, copy: Snapshot, before: View) -> View:
        as_of = copy.closed_as_of()
        if before.number and as_of == self._closed_as_of:
            closed, rows = before.closed, copy.positions()
        else:
            rows = copy.positions(everything=True)
            closed = {r["id"]: r for r in rows if r["status"] != "open"}
        self._closed_as_of = as_of
        orders: dict[str, list[Row]] = {}
        for row in copy.live_orders():
            orders.setdefault(row["position_id"], []).append(row)
        return View(
            number=before.number + 1,
            node=copy.node(),
            positions={r["id"]: r for r in rows if r["status"] == "open"},
            closed=closed,
            markets={r["outcome_id"]: r for r in copy.markets()},
            orders=orders,
            alarms=tuple(copy.open_alarms()),
            past_alarms=tuple(copy.past_alarms()),
            fills=self._new_fills(copy, is_first=not before.number),
        )

    def _new_fills(self, copy: Snapshot, *, is_first: bool) -> tuple[Row, ...]:
        rows = copy.latest_fills()
        keys = [(r["position_id"], r["order_id"], r["trade_id"], str(r["shares"])) for r in rows]
        new = [r for r, key in zip(rows, keys, strict=True) if key not in self._seen_fills]
        self._seen_fills = set(keys)
        return () if is_first else tuple(new)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise NoSnapshot(f"no node has published anything in {path.parent} yet") from None
    return info.st_mtime_ns, info.st_ino
