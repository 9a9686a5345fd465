"""Reads the copy of the record that a node publishes; `snapshot_writer.py` says how it is made.

What is typed and seen comes through here, so it loads nothing of what makes a record.
"""

import time
from pathlib import Path
from typing import Any, Self

import msgspec

from positions.model.errors import RecordError

RECENT_POSITIONS = 2_000
"""Positions that are over and still listed."""
HISTORY_WANTED = "history.wanted"
"""In the state folder: a reader asks for the whole history."""
NO_RECORD = "start a node there with `polybracket run`, or name another folder with --state"
"""What can be done about a folder without a record."""

_ANSWER_SECONDS = 15.0


class NoSnapshot(RecordError):
    """There is nothing to read yet, or not what was asked for."""


class Snapshot:
    """The newest copy, open for reading; rows are dicts with times in nanoseconds.

    `whole` reads the copy of the whole history that `history` asked the node for. Raises NoSnapshot
    if the state folder holds no copy.
    """

    def __init__(self, state: Path, *, whole: bool = False) -> None:
        self._path = state / ("history.duckdb" if whole else "published.duckdb")
        if not self._path.exists():
            raise NoSnapshot(f"no record at {state}: {NO_RECORD}")
        import duckdb  # a request that is queued needs none of it

        from positions.storage.database import connect, foreign_object, in_words

        for attempt in range(20):
            try:
                self._connection = connect(self._path, read_only=True)
                break
            except duckdb.Error as e:  # replaced while it was being opened
                if attempt == 19:
                    raise NoSnapshot(f"{self._path} cannot be read: {in_words(e)}") from None
                time.sleep(0.05)
        if foreign := foreign_object(self._connection):
            self._connection.close()
            raise NoSnapshot(f"{self._path} is no copy of a node: it holds {foreign}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def node(self) -> dict[str, Any]:
        """The node as it was at its last heartbeat."""
        return self._rows("SELECT * FROM node")[0]

    def positions(self, *, everything: bool = False) -> list[dict[str, Any]]:
        """The open positions, or all that are published, oldest first."""
        where = "" if everything else "WHERE status = 'open'"
        return self._rows(f"SELECT * FROM positions {where} ORDER BY created_at, id")

    def position(self, position_id: str) -> dict[str, Any]:
        """One position. Raises NoSnapshot if it is not among those published."""
        rows = self._rows("SELECT * FROM positions WHERE id = ?", position_id)
        if not rows:
            raise NoSnapshot(f"position {position_id} is not known here")
        return rows[0]

    def closed_as_of(self) -> tuple[Any, ...]:
        """What is another once another position is over."""
        sql = "SELECT count(*) AS n, max(updated_at) AS t FROM positions WHERE status <> 'open'"
        return tuple(self._rows(sql)[0].values())

    def has_story(self, position_id: str) -> bool:
        """Whether the story of this position is here."""
        return bool(self._rows("SELECT 1 FROM events WHERE position_id = ? LIMIT 1", position_id))

    def fills(self, position_id: str) -> list[dict[str, Any]]:
        """What changed hands, in the order of the events that told it."""
        sql = "SELECT * EXCLUDE (position_id) FROM fills WHERE position_id = ? ORDER BY rowid"
        fills = self._rows(sql, position_id)
        told = enumerate(self.story(position_id))
        places = {
            (e.get("trade_id"), e.get("order_id", ""), e["kind"] == "fill_reversed"): i
            for i, e in told
        }

        def place(fill: dict[str, Any]) -> int:
            key = (fill["trade_id"], fill["order_id"], fill["shares"] < 0)
            return places.get(key, len(places))

        return sorted(fills, key=lambda f: (f["time"], place(f)))  # which keeps what is of no event

    def latest_fills(self, most: int = 500) -> list[dict[str, Any]]:
        """What changed hands last, of all positions, in the order of time."""
        return self._rows(f"SELECT * FROM fills ORDER BY rowid DESC LIMIT {most}")[::-1]

    def orders(self, position_id: str) -> list[dict[str, Any]]:
        """What was sent for a position, in the order of time; `state` is None of what is over."""
        sql = """SELECT o.*, l.state, l.filled, l.expires_at, l.venue_order_id FROM orders o
            LEFT JOIN live_orders l USING (order_id) WHERE o.position_id = ? ORDER BY o.rowid"""
        return self._rows_if_any(sql, position_id)

    def live_orders(self) -> list[dict[str, Any]]:
        """What works, or may, for the open positions."""
        return self._rows_if_any("SELECT * FROM live_orders ORDER BY sent_at, order_id")

    def story(self, position_id: str) -> list[dict[str, Any]]:
        """The events of a position, JSON-ready, in their order."""
        sql = "SELECT story FROM events WHERE position_id = ? ORDER BY seq"
        return [msgspec.json.decode(r["story"]) for r in self._rows(sql, position_id)]

    def markets(self, text: str = "") -> list[dict[str, Any]]:
        """The markets whose slug, question or ids contain the text."""
        sql = """SELECT * FROM markets WHERE contains(lower(slug), ?)
            OR contains(lower(question), ?) OR market_id = ? OR outcome_id = ?
            ORDER BY slug, outcome"""
        return self._rows(sql, text.lower(), text.lower(), text, text)

    def open_alarms(self) -> list[dict[str, Any]]:
        """What is wrong now."""
        return self._rows("SELECT * FROM open_alarms ORDER BY position_id, kind")

    def past_alarms(self) -> list[dict[str, Any]]:
        """What went wrong, and what was over again, the newest first."""
        return self._rows_if_any("SELECT * FROM alarms ORDER BY rowid")

    def _rows_if_any(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a table that copies of older versions do not have."""
        import duckdb

        try:
            return self._rows(sql, *values)
        except duckdb.CatalogException:
            return []

    def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        relation = self._connection.execute(sql, list(values))
        names = [column[0] for column in relation.description or ()]
        kinds = [str(column[1]) for column in relation.description or ()]
        times = {n for n, kind in zip(names, kinds, strict=True) if kind.startswith("TIMESTAMP")}
        if times:
            columns = ", ".join(f"epoch_ns({n}) AS {n}" if n in times else n for n in names)
            relation = self._connection.execute(f"SELECT {columns} FROM ({sql})", list(values))
        rows = [dict(zip(names, r, strict=True)) for r in relation.fetchall()]
        for row in rows if "terms" in names else ():
            row["terms"] = msgspec.json.decode(row["terms"])
        return rows


def history(state: Path) -> Snapshot:
    """Everything a running node ever recorded, copied anew.

    Raises NoSnapshot if the node does not answer.
    """
    request = state / HISTORY_WANTED
    request.touch()
    given_up = time.monotonic() + _ANSWER_SECONDS
    while request.exists():
        if time.monotonic() > given_up:
            request.unlink(missing_ok=True)
            raise NoSnapshot("the node did not copy its history in time; is it busy or stopped?")
        time.sleep(0.05)
    return Snapshot(state, whole=True)
