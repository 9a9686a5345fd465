"""What an earlier process may leave: hostile rows in the record, lines in `sent.log`, odd files."""

import json
import random
from collections.abc import Callable
from typing import Any

import duckdb
from liveness import files
from liveness.grammar import anything, junk, moment, mutated, number, words, written
from liveness.scene import Act, Scene

from positions.storage.spool import uuid7

_START_ROUNDS = 6000
"""For a node that has to come up first."""
_BODIES = {"positions": "body", "events": "fact", "commands": "body", "account": "body"}


def row(chance: random.Random) -> Act:
    """A row of the record about the victim that nobody wrote."""
    kind = chance.choice(sorted(_ROWS))

    async def play(scene: Scene) -> None:
        path = scene.session.state / "positions.duckdb"
        with duckdb.connect(str(path)) as record:
            _ROWS[kind](record, scene)

    return Act(f"record: {kind}", play, _START_ROUNDS, spares_victim=False)


def line(chance: random.Random) -> Act:
    """Lines of `sent.log` that nobody wrote."""
    count = chance.choice((1, 3, 200))

    async def play(scene: Scene) -> None:
        with (scene.session.state / "sent.log").open("ab") as log:
            for _ in range(count):
                log.write(_line(scene) + b"\n" * (scene.chance.random() < 0.95))

    return Act(f"sent.log: {count} lines", play, _START_ROUNDS, spares_victim=False)


def file(chance: random.Random) -> Act:
    """Something odd in the place of one of the node's files."""
    name = chance.choice(
        ("published.duckdb", "history.duckdb", "sent.log", "replies/x", "spool/new/x", "logs/node",
         "positions.duckdb.tmp", "backups/x", "errors.log", "wanted", "spool/done/x")
    )  # fmt: skip
    kind = chance.choice(("directory", "link to nowhere", "empty file", "file of 8 MB"))

    async def play(scene: Scene) -> None:
        path = scene.session.state / name
        path.parent.mkdir(exist_ok=True)
        if name == "sent.log" and kind == "directory":
            return  # its owner must mend that: a node without it would not know what it sold
        if path.is_file():
            path.unlink()
        if not path.exists():
            files.KINDS[kind](path)

    return Act(f"state folder: {name} is a {kind}", play, _START_ROUNDS, spares_victim=False)


def queue(chance: random.Random) -> Act:
    """Commands that wait for the start."""
    count = chance.choice((1, 5, 50))

    async def play(scene: Scene) -> None:
        for _ in range(count):
            content = files.command(scene.chance, scene).encode("utf-8", "replace")
            files.put(scene, f"{uuid7()}.json", content)

    return Act(f"queue: {count} files before the start", play, _START_ROUNDS, spares_victim=False)


def _line(scene: Scene) -> bytes:
    chance = scene.chance
    order = {
        "id": f"{scene.victim.position_id}-9",
        "role": "exit",
        "price": "0.4",
        "shares": number(chance),
        "sent_at": moment(chance),
        "immediate": True,
    }
    good = {
        "order_id": f"{scene.victim.position_id}-9",
        "venue_order_id": "0x" + "ab" * 32,
        "order": mutated(chance, order),
    }
    kind = chance.random()
    if kind < 0.2:
        return junk(chance).encode()
    if kind < 0.3:
        return chance.randbytes(300)
    return written(chance, mutated(chance, good)).encode("utf-8", "replace")


# -- rows ------------------------------------------------------------------------------------------

Record = duckdb.DuckDBPyConnection


def _position(record: Record, scene: Scene) -> None:
    """Its body is wrong."""
    mine = [scene.victim.position_id]
    found = record.execute("SELECT body FROM positions WHERE id = ?", mine).fetchone()
    assert found is not None
    text = _spoiled(scene.chance, found[0])
    record.execute("UPDATE positions SET body = ? WHERE id = ?", [text, *mine])


def _column(record: Record, scene: Scene) -> None:
    """A column of it is wrong, as far as the table lets it."""
    changes: dict[str, Any] = {
        "held": scene.chance.choice((-1, 0, 10**11)),
        "phase": str(words(scene.chance)),
        "status": "open",
        "market_id": str(words(scene.chance)),
        "outcome_id": str(words(scene.chance)),
        "terms": written(scene.chance, anything(scene.chance)),
    }
    name = scene.chance.choice(sorted(changes))
    sql = f"UPDATE positions SET {name} = ? WHERE id = ?"
    record.execute(sql, [_storable(changes[name]), scene.victim.position_id])


def _event(record: Record, scene: Scene) -> None:
    """One of its events is wrong."""
    mine = [scene.victim.position_id]
    sql = "SELECT seq, fact FROM events WHERE position_id = ? ORDER BY random() LIMIT 1"
    found = record.execute(sql, mine).fetchone()
    assert found is not None
    text = _spoiled(scene.chance, found[1])
    record.execute(
        "UPDATE events SET fact = ? WHERE position_id = ? AND seq = ?", [text, *mine, found[0]]
    )


def _no_events(record: Record, scene: Scene) -> None:
    """Its events are gone."""
    record.execute("DELETE FROM events WHERE position_id = ?", [scene.victim.position_id])


def _no_row(record: Record, scene: Scene) -> None:
    """Its row is gone; every second time its events are, too."""
    record.execute("DELETE FROM positions WHERE id = ?", [scene.victim.position_id])
    if scene.chance.random() < 0.5:
        _no_events(record, scene)


def _command(record: Record, scene: Scene) -> None:
    """A command that was acted on is wrong, or its reply is."""
    body = files.command(scene.chance, scene)
    reply = _spoiled(scene.chance, '{"id": "x", "status": "accepted", "message": ""}')
    values = [uuid7(), scene.chance.choice(("submit", "sell", "odd")), "d", body, reply]
    record.execute(
        "INSERT INTO commands (id, kind, received_at, digest, body, reply)"
        " VALUES (?, ?, now()::TIMESTAMP_NS, ?, ?, ?)",
        [_storable(v) for v in values],
    )


def _order(record: Record, scene: Scene) -> None:
    """What an order is known by at the venue is wrong."""
    sql = "UPDATE orders SET expected_hash = ?, role = ? WHERE position_id = ?"
    values = [str(words(scene.chance)), str(words(scene.chance)), scene.victim.position_id]
    record.execute(sql, [_storable(v) for v in values])


def _account(record: Record, scene: Scene) -> None:
    """What is kept of the account is wrong."""
    kind = scene.chance.choice(("order", "trade", "cash", "odd"))
    body = _spoiled(scene.chance, '{"id": "x", "cash": "5"}')
    record.execute("INSERT INTO account VALUES (?, ?, ?)", [kind, uuid7(), body])


def _setting(record: Record, scene: Scene) -> None:
    """A setting that nobody knows, or one that cannot be."""
    name = scene.chance.choice((f"odd-{uuid7()}", "mode", "source", "cursor", "halted"))
    value = _storable(str(words(scene.chance)))
    record.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", [name, value])


def _alarm(record: Record, scene: Scene) -> None:
    """An alarm with odd words."""
    text = _storable(str(words(scene.chance)))
    record.execute(
        "INSERT INTO alarms VALUES (now()::TIMESTAMP_NS, ?, ?, ?, true)", [uuid7(), text, text]
    )


def _spoiled(chance: random.Random, text: str) -> str:
    if chance.random() < 0.3:
        return chance.choice(("", "null", "[]", "{}", text[: len(text) // 2], "[" * 5000))
    return _storable(written(chance, mutated(chance, json.loads(text))))


def _storable(value: Any) -> Any:
    return (
        value.encode("utf-8", "replace").decode().replace("\0", "?")
        if isinstance(value, str)
        else value
    )


_ROWS: dict[str, Callable[[Record, Scene], None]] = {
    "a position's body": _position,
    "a position's column": _column,
    "an event": _event,
    "no events": _no_events,
    "no row": _no_row,
    "a command": _command,
    "an order": _order,
    "an account": _account,
    "a setting": _setting,
    "an alarm": _alarm,
}
