"""How old a command is: what it states, or its id's time or its file's, whichever is older."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from test_command_reader import Reading, read

from positions.commands.age import id_time
from positions.storage.spool import uuid7

MINUTE = 60
WEEK = 7 * 24 * 60 * MINUTE
YEARS = 30 * 365 * 24 * 60 * MINUTE
POSITION = {"position_id": uuid7()}


def made(age: float) -> Callable[[], str]:
    """What makes a UUIDv7 of so many seconds ago."""
    return lambda: str(UUID(int=int((time.time() - age) * 1000) << 80 | 7 << 76 | 2 << 62 | 1))


def random() -> str:
    return str(uuid4())


def number() -> str:
    return str(UUID(int=7 << 76 | 2 << 62 | 5))


# fmt: off
AGES: dict[str, tuple[Callable[[], str], float, float | None, bool]] = {
    # what makes the id, the file's age and that which is stated, in seconds; whether it is acted on
    "of now":                                   (made(0),      0,      None,    True),
    "a week old":                               (made(WEEK),   WEEK,   None,    False),
    "a week old, its file copied now":          (made(WEEK),   0,      None,    False),
    "a file a week old under an id of now":     (made(0),      WEEK,   None,    False),
    "another kind of id, of now":               (random,       0,      None,    True),
    "another kind of id, a week old":           (random,       WEEK,   None,    False),
    "a number in the form of a UUIDv7":         (number,       0,      None,    True),
    "an id of the future, a file a week old":   (made(-YEARS), WEEK,   None,    False),
    "an id and a file of the future":           (made(-YEARS), -WEEK,  None,    False),
    "all of it of the future":                  (made(-YEARS), -WEEK,  -YEARS,  False),
    "stated to be of the future, a week old":   (made(WEEK),   WEEK,   -YEARS,  False),
    "a clock a minute ahead":                   (made(-60),    0,      -60,     True),
    "stated to be of now, under an old id":     (made(WEEK),   0,      0,       True),
    "just young enough":                        (made(9 * MINUTE), 9 * MINUTE, None, True),
    "just too old":                             (made(11 * MINUTE), 11 * MINUTE, None, False),
}
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    # what is asked; whether it is acted on a week later
    "submit":  ({}, False),
    "sell":    (POSITION, False),
    "amend":   (POSITION | {"stop": "0.4"}, False),
    "resume":  ({}, False),
    "flatten": ({}, False),
    "close":   (POSITION | {"price": "0.6"}, False),
    "release": (POSITION | {"shares": "5"}, False),
    "cancel":  (POSITION, True),
    "halt":    ({}, True),
}
# fmt: on


def play_one(
    folder: Path, command_id: str, age: float, content: bytes, *, is_acted_on: bool
) -> None:
    """Queue it with a file of this age, and read."""

    def play(r: Reading) -> None:
        r.spool.put(content, command_id)
        then = time.time() - age
        os.utime(folder / "spool" / "new" / f"{command_id}.json", (then, then))
        r.reader.look()
        assert r.delivered == ([command_id] if is_acted_on else [])
        assert r.refused == ([] if is_acted_on else ["EXPIRED"])

    read(folder, play)


@pytest.mark.parametrize("name", AGES)
def test_an_age(name: str, tmp_path: Path) -> None:
    new_id, age, stated, is_acted_on = AGES[name]
    fields = '"command":"submit","market":"m","outcome":"Yes","max_bid":"0.5","size":"10"'
    if stated is not None:
        fields += f',"created_at":"{datetime.fromtimestamp(time.time() - stated, UTC).isoformat()}"'
    play_one(tmp_path, new_id(), age, f"{{{fields}}}".encode(), is_acted_on=is_acted_on)


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_keeps_money_from_being_spent_has_no_age(kind: str, tmp_path: Path) -> None:
    fields, is_acted_on = KINDS[kind]
    if kind == "submit":
        fields = {"market": "m", "outcome": "Yes", "max_bid": "0.5", "size": "10"}
    content = json.dumps({"command": kind} | fields).encode()
    play_one(tmp_path, made(WEEK)(), WEEK, content, is_acted_on=is_acted_on)


def test_the_time_of_an_id() -> None:
    assert id_time("01a22e6d-03a6-7baa-b173-45acc1e2495b") == 0x01A22E6D03A6 * 10**6
    assert (id_time(uuid7()) or 0) > 0
    assert id_time(str(uuid4())) is None
