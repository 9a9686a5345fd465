"""The record: it gives back what was put in, and its events give the position again."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from world import World

from positions.commands.messages import Reply, from_fields
from positions.engine.effects import Alarm
from positions.model.position import EntryEnd, Position
from positions.model.terms import Terms
from positions.storage.schema import MIGRATIONS, StoreError
from positions.storage.store import Store


def opened(path: Path, failures: list[str] | None = None) -> Store:
    told = failures if failures is not None else []
    return Store(path, lambda f: f(), told.append)


def lives(count: int) -> World:
    """Some seeded lives, all in one world's steps."""
    world = World(0)
    world.live(rounds=30)
    for seed in range(1, count):
        other = World(seed)
        other.commands = seed * 1000
        other.live(rounds=30)
        world.steps += other.steps
    return world


def test_the_events_of_every_position_give_the_position(tmp_path: Path) -> None:
    store = opened(tmp_path / "p.duckdb")
    expected: dict[str, Position] = {}
    rng = random.Random(1)
    for step in lives(25).steps:
        store.step(step)
        expected[step.position.id] = step.position
        if rng.random() < 0.05:
            store.flush()
    store.flush()
    for position_id, position in expected.items():
        assert store.replay(position_id) == position
    rows = store.cursor().execute("SELECT id, phase, volume, held FROM positions").fetchall()
    assert {r[0]: r[1:] for r in rows} == {
        p.id: (p.phase.value, p.ledger.bought, p.held) for p in expected.values()
    }
    fills = store.cursor().execute("SELECT count(*) FROM fills").fetchone()
    told = sum(len(p.ledger.trades) for p in expected.values())
    paid = sum(1 for p in expected.values() if p.ledger.exit_reason == "settlement")
    adopted = sum(1 for p in expected.values() if p.decision.entry_ended is EntryEnd.ADOPTED)
    assert fills == (told + paid + adopted,)
    store.close()


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path / "p.duckdb")
    world = World(3)
    world.submit()
    for step in world.steps:
        store.step(step)
    store.set("halted", "yes")
    store.close()
    again = opened(tmp_path / "p.duckdb")
    assert again.open_positions() == list(world.engine.positions.values())
    assert again.setting("halted") == "yes"
    assert again.setting("other") is None
    again.close()


def test_callbacks_come_after_the_commit_and_in_order(tmp_path: Path) -> None:
    calls: list[Callable[[], None]] = []
    store = Store(tmp_path / "p.duckdb", calls.append, lambda _: None)
    seen: list[int] = []
    world = World(3)
    world.submit()
    for number, step in enumerate(world.steps):
        store.step(step, lambda n=number: seen.append(n))  # type: ignore[misc]
    store.flush()
    while len(calls) < len(world.steps):
        pass
    for call in calls:
        call()
    assert seen == list(range(len(world.steps)))
    assert store.pending == 0
    store.close()


def test_a_command_keeps_its_content_and_its_last_reply(tmp_path: Path) -> None:
    store = opened(tmp_path / "p.duckdb")
    command = from_fields({"command": "halt", "id": "0190b5a2-7a3f-7c3e-8c3e-000000000001"})
    first = Reply(id=command.id, status="accepted", message="working", done=False)
    store.command(command, first)
    store.late_reply(Reply(id=command.id, status="accepted", message="finished"))
    store.alarm(Alarm(1, "", "store", "text", is_open=True))
    store.flush()
    (digest, reply) = store.commands()[command.id]
    assert digest == command.digest
    assert b"finished" in reply
    store.close()


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.duckdb"
    opened(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO migrations VALUES ('m999_future')")
    with pytest.raises(StoreError, match="newer version"):
        opened(path)


def test_a_file_that_is_no_record_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "p.duckdb"
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_a_gap_in_the_events_is_an_error(tmp_path: Path) -> None:
    store = opened(tmp_path / "p.duckdb")
    world = World(3)
    world.submit()
    for step in world.steps:
        store.step(step)
    store.flush()
    store.cursor().execute("DELETE FROM events WHERE seq = 2")
    with pytest.raises(StoreError, match=r"event 2 .* is missing"):
        store.replay(world.steps[0].position.id)
    store.close()


def test_a_record_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "p.duckdb"
    body = {
        "id": "P",
        "market_id": "0xc0ffee",
        "market": "rain",
        "outcome_id": "1001",
        "outcome": "Yes",
        "size": "100",
        "max_bid_price": "0.55",
        "created_at": 1,
        "stop_loss_price": "0.45",
        "bought": "100",
        "cost": "55",
        "entry_ended": "complete",
        "phase": "holding",
    }
    with duckdb.connect(str(path)) as old:
        old.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY)")
        for statement in MIGRATIONS["m001_initial"].split(";"):
            if statement.strip():
                old.execute(statement)
        old.execute("INSERT INTO migrations VALUES ('m001_initial')")
        old.execute(
            """INSERT INTO positions (id, market_id, market, outcome_id, outcome, status, phase,
                size, max_bid_price, stop_loss_price, floor_price, volume, held, realized_pnl, fees,
                created_at, updated_at, body)
            VALUES ('P', '0xc0ffee', 'rain', '1001', 'Yes', 'open', 'holding', 100, 0.55, 0.45, 0,
                100, 100, 0, 0, make_timestamp_ns(1), make_timestamp_ns(1), ?)""",
            [json.dumps(body)],
        )
    store = opened(path)
    (p,) = store.open_positions()
    assert (p.request.terms, p.stop_in_force, p.decision.touch) == (Terms(), Decimal("0.45"), None)
    found = store.cursor().execute("SELECT stop_in_force, terms FROM positions").fetchall()
    assert found == [(Decimal("0.45"), "{}")]
    store.close()
    assert opened(path).open_positions() == [p]
