"""The queue's reader: each command acts once, when it is due, whatever the files do."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.model.data import DataType
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.portfolio import Portfolio

from actors.command_reader import CommandReader
from bridge.messages import REPLIES, CommandMessage
from positions.commands.messages import ACCEPTED, Command, Reply, decode_reply
from positions.storage.spool import Spool, uuid7

START = datetime(2026, 4, 13, 12, tzinfo=UTC)
GOOD = {"command": "submit", "market": "m", "outcome": "Yes", "max_bid": "0.5", "size": "10"}


class Reading:
    """A reader over a spool, with a data clock that is moved by hand; answers what it delivers."""

    def __init__(self, state: Path, seen: dict[str, tuple[str, bytes]] | None = None) -> None:
        self.spool = Spool(state)
        self.clock = TestClock()
        self.clock.set_time(int(START.timestamp() * 1e9))
        self.bus = MessageBus(TraderId("TESTER-000"), self.clock)
        self.delivered: list[str] = []
        self.refused: list[str] = []
        cache = Cache()
        self.is_recorded = True
        known = {} if seen is None else seen
        self.reader = CommandReader(
            self.spool, known, self._refuse, self.clock, lambda: self.is_recorded
        )
        self.reader.register_base(
            Portfolio(self.bus, cache, self.clock), self.bus, cache, self.clock
        )
        topic = f"data.{DataType(CommandMessage).topic}"
        self.bus.subscribe(topic=topic, handler=self._on_command)

    def _on_command(self, message: CommandMessage) -> None:
        self.delivered.append(message.command.id)
        self._answer(Reply(id=message.command.id, status=ACCEPTED, message="done", time=1))

    def _refuse(self, _: Command, reply: Reply) -> None:
        self.refused.append(reply.code)
        self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        self.bus.publish(REPLIES, reply)

    def put(self, command_id: str | None = None, **fields: Any) -> str:
        return self.spool.put(json.dumps(GOOD | fields).encode(), command_id)

    def pass_time(self, seconds: float) -> None:
        """Let the data's time pass, and its alerts ring."""
        until = self.clock.timestamp_ns() + int(seconds * 1e9)
        while handlers := self.clock.advance_time(until):  # one may set another, as in a replay
            for handler in handlers:
                handler.handle()

    def in_folder(self, name: str) -> list[str]:
        return sorted(p.name for p in (self.spool._root / name).iterdir())


def read(state: Path, play: Callable[[Reading], None], **given: Any) -> Reading:
    """Play with a reader that has started."""

    async def drive() -> Reading:
        reading = Reading(state, **given)
        reading.reader.start()
        play(reading)
        reading.reader.stop()
        return reading

    return asyncio.run(drive())


def test_a_command_is_delivered_answered_and_moved(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        command_id = r.put()
        r.reader.look()
        r.reader.look()
        assert r.delivered == [command_id]
        assert r.in_folder("done") == [f"{command_id}.json"]
        content = r.spool.read_reply(command_id)
        assert content is not None
        assert decode_reply(content).message == "done"

    read(tmp_path, play)


def test_without_a_record_only_what_may_be_done_twice_is_taken(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        r.is_recorded = False
        position = {"position_id": uuid7()}
        ids = {
            kind: r.spool.put(json.dumps({"command": kind} | fields).encode())
            for kind, fields in {
                "submit": GOOD,
                "sell": position,
                "cancel": position,
                "halt": {},
                "resume": {},
                "flatten": {},
            }.items()
        }
        r.reader.look()
        assert r.delivered == [ids["cancel"], ids["halt"], ids["flatten"]]
        r.is_recorded = True
        r.reader.look()
        assert r.delivered[3:] == [ids["submit"], ids["sell"], ids["resume"]]

    read(tmp_path, play)


def test_the_same_file_again_gets_its_reply_and_acts_no_more(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        command_id = r.put()
        r.reader.look()
        first = r.spool.read_reply(command_id)
        (tmp_path / "replies" / f"{command_id}.json").unlink()
        r.put(command_id)
        r.reader.look()
        assert r.delivered == [command_id]
        assert r.spool.read_reply(command_id) == first
        assert r.in_folder("new") == []

    read(tmp_path, play)


def test_the_same_id_with_other_content_is_set_aside_and_the_reply_stays(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        command_id = r.put()
        r.reader.look()
        first = r.spool.read_reply(command_id)
        r.put(command_id, size="20")
        r.reader.look()
        assert r.delivered == [command_id]
        assert r.spool.read_reply(command_id) == first
        (reason,) = (tmp_path / "spool" / "bad").glob("*.reason")
        assert decode_reply(reason.read_bytes()).code == "ID_REUSED"

    read(tmp_path, play)


def test_what_an_earlier_run_acted_on_acts_no_more(tmp_path: Path) -> None:
    command_id = uuid7()
    seen = {command_id: ("", b'{"id":"x"}')}

    def play(r: Reading) -> None:
        r.put(command_id)
        r.reader.look()
        assert r.delivered == []
        assert r.spool.read_reply(command_id) == b'{"id":"x"}'

    read(tmp_path, play, seen=seen)


def test_a_command_for_later_waits_and_blocks_nothing_behind_it(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        later = r.put(at=(START + timedelta(seconds=30)).isoformat())
        now = r.put()
        r.reader.look()
        assert r.delivered == [now]
        r.pass_time(29)
        assert r.delivered == [now]
        assert r.in_folder("new") == [f"{later}.json"]
        r.pass_time(1)
        assert r.delivered == [now, later]

    read(tmp_path, play)


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"expires_at": (START - timedelta(seconds=1)).isoformat()}, ["EXPIRED"]),
        ({"expires_at": START.isoformat()}, []),
        ({"at": (START - timedelta(minutes=10, seconds=1)).isoformat()}, ["EXPIRED"]),
        ({"at": (START - timedelta(minutes=10)).isoformat()}, []),
        ({"created_at": "11 minutes ago"}, ["EXPIRED"]),
        ({"created_at": "0 minutes ago"}, []),
    ],
)
def test_a_command_lapses(tmp_path: Path, fields: dict[str, str], codes: list[str]) -> None:
    def play(r: Reading) -> None:
        command_id = r.put(**_dated(fields))
        r.reader.look()
        assert r.refused == codes
        assert r.delivered == ([] if codes else [command_id])
        assert r.in_folder("done") == [f"{command_id}.json"]

    read(tmp_path, play)


def _dated(fields: dict[str, str]) -> dict[str, str]:
    """The fields, with what is "so many minutes ago" when the test is run."""
    now = datetime.now(UTC)
    return {
        name: (now - timedelta(minutes=int(text.split()[0]))).isoformat()
        if text.endswith("minutes ago")
        else text
        for name, text in fields.items()
    }


def test_what_was_due_is_let_go(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        ids = [r.put(at=(START + timedelta(seconds=n)).isoformat()) for n in range(1, 4)]
        r.reader.look()
        assert len(r.reader._due) == 3
        r.pass_time(2.5)
        assert (r.delivered, len(r.reader._due)) == (ids[:2], 1)
        r.pass_time(10)
        assert (r.delivered, len(r.reader._due)) == (ids, 0)

    read(tmp_path, play)


@pytest.mark.parametrize("name", ["first", "new", "tmp", "done", "bad", "../replies"])
def test_a_folder_that_was_tidied_away_is_made_again(tmp_path: Path, name: str) -> None:
    def play(r: Reading) -> None:
        (tmp_path / "spool" / name).rmdir()
        for _ in range(2):
            r.reader.look()
            r.spool.rotate(5, 0)
        r.spool.forget_listing()
        command_id = r.put()
        for _ in range(3):
            r.reader.look()
        assert r.delivered == [command_id]
        assert r.spool.read_reply(command_id) is not None
        assert r.in_folder("done") == [f"{command_id}.json"]
        assert not r.reader._failures

    read(tmp_path, play)


def test_an_answer_is_written_to_a_folder_that_went_meanwhile(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for folder in ("spool/tmp", "replies"):
        (tmp_path / folder).rmdir()
        assert spool.reply_all([(uuid7(), b"{}")]) == set()
        assert len(spool.reply_all([(uuid7(), b"{}")])) == 1
        for file in (tmp_path / "replies").iterdir():
            file.unlink()
