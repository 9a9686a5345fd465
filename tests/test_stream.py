"""The stream of server-sent events: what there is, what changes, and where one goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from desk import Desk
from stage import ID, filled, quote, submit

from positions.commands.messages import Reply
from positions.model.position import Role
from positions.storage.locks import StateLock
from web import stream
from web.source import Source
from web.stream import Stream


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with StateLock(tmp_path, "replay"):
        made = Desk(tmp_path)
        made.play(quote("0.50", "0.54"), submit())
        yield made
        made.close()


def parsed(event: bytes) -> tuple[str, str, Any]:
    """The id, the name and the values of an event."""
    lines = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return lines["id"], lines["event"], msgspec.json.decode(lines["data"])


async def until(events: AsyncIterator[bytes], name: str) -> tuple[str, Any]:
    """The id and values of the next event of a name."""
    async for event in events:
        event_id, found, values = parsed(event)
        if found == name:
            return event_id, values
    raise AssertionError("the stream ended")


def test_there_is_a_snapshot_and_then_what_changes(desk: Desk) -> None:
    async def play() -> None:
        source = Source(desk.state)
        told = Stream(source)
        await source.look()
        events = told.events()
        _, first = await until(events, "snapshot")
        assert [p["id"] for p in first["positions"]] == [ID]
        assert first["node"]["health"] == "running"
        desk.play(filled(Role.ENTRY, "100", "0.54", fee="1"))
        await source.look()
        _, fill = await until(events, "fill")
        assert (fill["position_id"], fill["shares"], fill["price"]) == (ID, "100", "0.54")
        _, row = await until(events, "position")
        assert (row["held"], row["phase"]) == ("100", "holding")
        desk.play(quote("0.51", "0.54"))
        await source.look()
        event_id, prices = await until(events, "prices")
        assert [(p["outcome_id"], p["bid"]) for p in prices["prices"]] == [("1001", "0.51")]
        assert [m["current_price"] for m in prices["marks"]] == ["0.51"]
        told.tell_reply(Reply(id=ID, status="accepted", message="done"))
        _, reply = await until(events, "reply")
        assert reply["message"] == "done"
        again = told.events(event_id)
        assert await until(again, "reply")

    asyncio.run(play())


@pytest.mark.parametrize("last_id", ["", "x", "0badcafe-1", "-", "a-999999999999999"])
def test_an_id_that_is_not_known_begins_with_a_snapshot(tmp_path: Path, last_id: str) -> None:
    async def play() -> None:
        assert parsed(await anext(Stream(Source(tmp_path)).events(last_id)))[1] == "snapshot"

    asyncio.run(play())


def test_a_node_that_ends_is_told(desk: Desk) -> None:
    async def play() -> None:
        source = Source(desk.state)
        events = Stream(source).events()
        await source.look()
        await until(events, "snapshot")
        (desk.state / "lock").unlink()
        await source.look()
        _, node = await until(events, "node")
        assert node["health"] == "NOT RUNNING"

    asyncio.run(play())


def test_who_does_not_read_is_ended_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WAITING_MAX", 3)

    async def play() -> None:
        told = Stream(Source(tmp_path))
        slow = told.events()
        await anext(slow)
        for number in range(10):
            told.tell("alarms", {"number": number})
        seen = [parsed(event)[2]["number"] async for event in slow]
        assert seen == [0, 1, 2]
        assert not told.is_full
        assert not told._queues

    asyncio.run(play())
