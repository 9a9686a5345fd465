"""Whether a node does its work, by its lock and its newest snapshot.

That a process holds the lock says only that it exists: it may be stopped, or its event loop may
stand. So three ages are checked: that of the loop's heartbeat, how late the loop was, and how long
nothing was decided. The lock is the kernel's and bound to the process itself, so no process id is
compared: one may be used again, or be of another container.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from positions.model.durations import SECOND
from positions.storage.locks import Holder, holder
from positions.storage.snapshot import NoSnapshot, Snapshot

STALE_SECONDS = 10
"""A heartbeat is published every second; a busy machine may take some seconds for a copy."""
LAG_SECONDS = 5
UNDECIDED_SECONDS = 5


class Health(Struct, frozen=True):
    """What a node does: `running`, `starting`, `NOT RESPONDING` or `NOT RUNNING`, and why so."""

    word: str
    why: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether the node does its work."""
        return self.word == "running"

    def __str__(self) -> str:
        return f"{self.word}: {'; '.join(self.why)}" if self.why else self.word


def health(state: Path, node: Mapping[str, Any], now: int | None = None) -> Health:
    """What the node of a state folder does, by its published row; `now` is wall-clock time."""
    return judge_node(holder(state), node, time.time_ns() if now is None else now)


def health_of(state: Path) -> Health:
    """What the node of a state folder does; it may have published nothing yet."""
    if holder(state) is None:
        return Health("NOT RUNNING")

    try:
        with Snapshot(state) as copy:
            node = copy.node()
    except NoSnapshot:
        node = {"heartbeat": 0}
    return health(state, node)


def judge_node(held: Holder | None, node: Mapping[str, Any], now: int) -> Health:
    """What a node does whose lock is held by this process, or by none."""
    if held is None:
        return Health("NOT RUNNING")
    if node["heartbeat"] < held.started_at:  # what is published is of an earlier process
        age = (now - held.started_at) // SECOND
        return Health("starting", (f"nothing is published yet, {max(0, age)} s after its start",))
    why = []
    lag, undecided = node.get("loop_lag", 0), node.get("undecided", 0)  # older copies have none
    age = (now - node["heartbeat"]) // SECOND
    if age > STALE_SECONDS:
        why.append(f"its event loop gave no heartbeat for {age} s")
    if age < -STALE_SECONDS:
        why.append(f"its heartbeat is {-age} s in the future: the clock was set")
    if lag > LAG_SECONDS * SECOND:
        why.append(f"its event loop was late by {lag / SECOND:.1f} s")
    if undecided > UNDECIDED_SECONDS * SECOND:
        why.append(f"nothing was decided for {undecided / SECOND:.1f} s")
    return Health("NOT RESPONDING", tuple(why)) if why else Health("running")
