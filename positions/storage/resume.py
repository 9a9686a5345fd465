"""Whether a node goes on where the last one ended, or begins anew.

A state folder belongs to one way to run: a simulation never goes on from a record of real money,
nor the other way round, and real money stays with the wallet that it is in. What is put aside stays
for a while, under `earlier/`; the queue is kept. A replay goes on when it had not come to its end
and the recording is the same.
"""

import re
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from positions.model.orders import SignedOrder
from positions.model.position import Position
from positions.model.soundness import TIME_MAX
from positions.storage.record_copies import (
    has_positions,
    lacking,
    open_when_published,
    read_settings,
)
from positions.storage.schema import StoreError
from positions.storage.store import Store

OVER = "over"
"""The cursor of a replay that came to its end."""
KEPT = 20
"""So many earlier records are kept, the newest; only simulations are ever put aside."""
_CURSOR_MAX = 60
_WALLET = re.compile("0x[0-9a-f]+")
_MODES = ("replay", "paper", "live")
_PARTS = ("positions.duckdb", "positions.duckdb.wal", "published.duckdb", "history.duckdb")


class Cursor(Struct, frozen=True):
    """How far a replay is: the last moment that was fed, and the time; nanoseconds."""

    moment: int
    now: int

    def __str__(self) -> str:
        return f"{self.moment} {self.now}"


class EarlierState(Struct, frozen=True):
    """Positions that are resumed together, and the hashes of all orders of an earlier process.

    `others` are the ids of the positions that are resumed apart from these.
    """

    positions: Sequence[Position]
    signed: Sequence[SignedOrder]
    others: Container[str]


def prepare(state: Path, mode: str, source: str, *, fresh: bool) -> Cursor | None:
    """Put an earlier record aside if the node begins anew; otherwise say how far a replay is.

    `source` is what is replayed, or the wallet that is traded with; "" for paper. Raises StoreError
    if the record is that of another way to run or of another wallet, or cannot be read.
    """
    path = state / "positions.duckdb"
    if not path.exists():
        _check_lost(state, mode, fresh=fresh)
        _put_aside(state)  # what is left without its record belongs to nothing
        return None
    settings = read_settings(path)
    before = _mode_of(settings, mode)
    if "live" in (before, mode) and before != mode:
        rule = f"give the {mode} node another folder with --state"
        raise StoreError(f"{state} holds the record of a {before} node: {rule}")
    owner = settings.get("source", "")
    if mode == "live" and _WALLET.fullmatch(owner) and owner != source and has_positions(path):
        rule = "give this one another folder with --state"
        raise StoreError(f"{state} holds the record of the wallet {owner}: {rule}")
    lost = 0 if fresh else lacking(path, state / "published.duckdb")
    if lost:
        rule = "put positions.duckdb.wal back, or import a backup"
        raise StoreError(f"{path} is older than published.duckdb by {lost} positions: {rule}")
    if mode == "live":
        if fresh:
            raise StoreError(f"{state} holds real positions: a live node cannot begin anew there")
        return None
    cursor = _cursor(settings.get("cursor", OVER))
    goes_on = mode == "paper" or (cursor is not None and settings.get("source") == source)
    if fresh or before != mode or not goes_on:
        _put_aside(state)
        return None
    return cursor if mode == "replay" else None


def _check_lost(state: Path, mode: str, *, fresh: bool) -> None:
    """Check that no position was open when the record went, as what was published last tells."""
    published = state / "published.duckdb"
    before, count = open_when_published(published)
    is_live = "live" in (before, mode)
    if count and (is_live or not fresh):
        rule = f"put it back, or import a backup; without both, move {published} away to begin anew"
        raise StoreError(
            f"{state} has no positions.duckdb, and {count} positions were open: {rule}"
        )


def _mode_of(settings: dict[str, str], mode: str) -> str:
    """The way to run whose record it is. Only that of a live node has a wallet; what names neither
    may be real positions, which a live node alone goes on with."""
    before = settings.get("mode", mode)
    if _WALLET.fullmatch(settings.get("source", "")):
        return "live"
    return before if before in _MODES else "live"


def _cursor(text: str) -> Cursor | None:
    """How far a replay is; None where it is over, or not known."""
    moment, _, now = text.partition(" ")
    if not (moment.isdecimal() and now.isdecimal() and len(text) < _CURSOR_MAX):
        return None
    cursor = Cursor(int(moment), int(now))
    return cursor if max(cursor.moment, cursor.now) < TIME_MAX else None


def sign(store: Store, mode: str, source: str) -> None:
    """Write down whose record this is; what stood there and cannot be is told."""
    before, owner = store.setting("mode") or mode, store.setting("source") or source
    if mode == "live" and not (before == mode and (not owner or _WALLET.fullmatch(owner))):
        store.on_set_aside(f"the record named the mode {before} and the source {owner}")
    store.set("mode", mode)
    store.set("source", source)


def _put_aside(state: Path) -> None:
    parts = [p for name in _PARTS if (p := state / name).exists()]
    if parts:
        shelf = state / "earlier" / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        number = 1
        while shelf.exists():
            number += 1
            shelf = shelf.with_name(f"{shelf.name.partition('.')[0]}.{number}")
        shelf.mkdir(parents=True)
        for part in parts:
            part.rename(shelf / part.name)
        _clear(shelf.parent)
    (state / "sent.log").unlink(missing_ok=True)


def _clear(earlier: Path) -> None:
    """Remove the oldest records that were put aside; a folder with anything else in it stays."""
    shelves = sorted((p for p in earlier.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for shelf in shelves[:-KEPT]:
        for name in _PARTS:
            (shelf / name).unlink(missing_ok=True)
        with suppress(OSError):
            shelf.rmdir()
