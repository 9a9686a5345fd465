"""A flood in the queue: what is bad, what is for later, what names unknown markets, what is odd."""

import json
import os
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from test_command_reader import START, Reading, read
from trading import Session, trade

from positions.storage.spool import FIRST, SIZE_MAX, in_order, uuid7
from positions.storage.spool_reading import LOOK_COMMANDS, SpoolReading

FLOOD = 2_000


def flood(state: Path, contents: dict[str, str]) -> None:
    """Have files in the queue all at once, by their names."""
    stage = state / "stage"
    stage.mkdir()
    for name, content in contents.items():
        (stage / name).write_text(content)
        (stage / name).rename(state / "spool" / "new" / name)


def hostile(new: Path) -> dict[str, Path]:
    """What is no command, by what it is."""
    kinds = ("folder", "fifo", "link", "loop", "huge", "device", "empty")
    made = {kind: new / f"{uuid7()}.json" for kind in kinds}
    made["folder"].mkdir()
    (made["folder"] / "file").touch()
    os.mkfifo(made["fifo"])
    made["link"].symlink_to("/etc/hostname")
    made["loop"].symlink_to(made["loop"].name)
    made["device"].symlink_to("/dev/zero")
    with made["huge"].open("wb") as file:
        file.truncate(SIZE_MAX * 1_000)
    made["empty"].touch()
    made["name"] = new / f"{uuid7()}.JSON\n"
    made["name"].touch()
    return made


def test_what_is_no_file_is_set_aside_and_what_comes_after_it_is_read(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        made = hostile(tmp_path / "spool" / "new")
        here = Path.cwd()
        os.chdir(tmp_path / "spool" / "new")  # the name of a socket must be short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{uuid7()}.json")
        os.chdir(here)
        after = r.put()
        r.reader.look()
        while r.reader._reading.has_more:
            r.reader.look()
        assert r.delivered == [after]
        assert r.in_folder("new") == []
        assert len(list((tmp_path / "spool" / "bad").glob("*.reason"))) == len(made) + 1

    read(tmp_path, play)


def test_one_alert_for_all_that_is_for_later(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        ids = {}
        for seconds in (30, 10, 20, 10):
            at = (START + timedelta(seconds=seconds)).isoformat()
            ids[r.put(at=at)] = seconds
        r.reader.look()
        while r.reader._reading.has_more:
            r.reader.look()
        assert r.clock.timer_count == 1
        for seconds in (10, 10, 10):
            r.pass_time(seconds)
        assert r.delivered == sorted(ids, key=lambda i: (ids[i], i))
        assert r.clock.timer_count == 0

    read(tmp_path, play)


def test_a_look_takes_up_a_bounded_part_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    r = Reading(tmp_path)
    reading = SpoolReading(r.spool, {}, {}, lambda: True, lambda: 0)
    ids = [r.put() for _ in range(LOOK_COMMANDS + 20)]
    found = []
    while reading.has_more:
        part = reading.work([], has_room=True)
        assert len(part) <= LOOK_COMMANDS
        found += part
    assert [t.command.id for t in found] == ids
    assert reading.work([], has_room=False) == []


def test_names_are_gone_through_in_order() -> None:
    names = [uuid7() for _ in range(2_500)]
    assert list(in_order(reversed(names))) == names
    assert list(in_order([])) == []


def _bad(number: int) -> tuple[str, str]:
    return (f"{uuid7()}.json", '{"command":"buy"}') if number % 2 else (f"junk {number}", "x")


def _later(_: int) -> tuple[str, str]:
    asked = {"command": "cancel", "position_id": uuid7(), "at": "2099-01-01T00:00:00Z"}
    return f"{uuid7()}.json", json.dumps(asked)


def _unknown(number: int) -> tuple[str, str]:
    asked = {"command": "submit", "market": f"no-{number}", "outcome": "Yes"}
    return f"{uuid7()}.json", json.dumps(asked | {"max_bid": "0.5", "size": "10"})


FLOODS = {"what is bad": _bad, "what is for later": _later, "unknown markets": _unknown}


@pytest.mark.parametrize("name", FLOODS)
def test_a_stop_sells_before_the_flood_is_over(name: str, tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            p = await s.submit(rain, "0.55", "20", stop_loss_price="0.45")
            await s.held(p, "20")
            contents = dict(FLOODS[name](n) for n in range(FLOOD))
            flooding = threading.Thread(target=flood, args=(tmp_path, contents))
            flooding.start()
            new = tmp_path / "spool" / "new"
            await s.until(lambda: len(list(new.iterdir())) > 100, "the flood")
            venue.quote(rain.tokens[0], "0.44", "100", "0.46", "100")
            await s.phase(p, "closed")
            await s.until(lambda: not flooding.is_alive(), "all of it is there")
            assert (await s.command("halt")).status == "accepted"

        trade(venue, tmp_path, script)


def test_what_holds_for_all_overtakes_a_flood_and_keeps_its_order(tmp_path: Path) -> None:
    def play(r: Reading) -> None:
        flood(tmp_path, dict(_bad(n) for n in range(FLOOD)))
        behind = r.put()
        r.reader.look()
        assert r.reader._reading.has_more, "the flood is not over"
        asked = [
            r.spool.put(json.dumps({"command": kind}).encode(), folder=FIRST)
            for kind in ("halt", "resume", "flatten")
        ]
        while r.in_folder("first"):
            r.reader.look()
        assert r.delivered == asked
        while r.reader._reading.has_more:
            r.reader.look()
        assert r.delivered == [*asked, behind]
        assert r.in_folder("first") == []

    read(tmp_path, play)
