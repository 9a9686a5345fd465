"""Files of requests: each acts once however often it is sent, and says one thing."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from positions.commands import strict
from positions.commands.fields import Malformed
from positions.commands.messages import decode
from positions.storage.spool import Spool, uuid7

RUN = CliRunner()
ROW = {"market": "m", "outcome": "Yes", "max_bid": "0.5", "size": "10"}


def send(tmp_path: Path, content: str, *options: str, name: str = "p.jsonl") -> Result:
    file = tmp_path / name
    file.write_text(content)
    state = str(tmp_path / "state")
    return RUN.invoke(app, ["submit", "--file", str(file), "--queue", "--state", state, *options])


def waiting(tmp_path: Path) -> list[str]:
    return [path.stem for path in Spool(tmp_path / "state").waiting()]


LINES = "".join(json.dumps(ROW) + "\n" for _ in range(20))


def test_the_same_file_sent_again_queues_nothing(tmp_path: Path) -> None:
    assert send(tmp_path, LINES).stdout.count("queued ") == 20
    ids = waiting(tmp_path)
    assert len(set(ids)) == 20
    again = send(tmp_path, LINES)
    assert again.exit_code == 0
    assert again.stdout.count("queued before ") == 20
    assert waiting(tmp_path) == ids


def test_what_was_acted_on_is_not_queued_again(tmp_path: Path) -> None:
    send(tmp_path, LINES)
    spool = Spool(tmp_path / "state")
    first, second, *_ = spool.waiting()
    spool.finish(first)
    spool.reply(second.stem, b"{}")
    second.unlink()
    assert send(tmp_path, LINES).stdout.count("queued before ") == 20
    assert len(waiting(tmp_path)) == 18


def test_a_file_can_be_sent_anew_on_purpose(tmp_path: Path) -> None:
    send(tmp_path, LINES)
    assert send(tmp_path, LINES, "--again").exit_code == 0
    assert len(waiting(tmp_path)) == 40


def test_another_file_is_another(tmp_path: Path) -> None:
    send(tmp_path, LINES)
    send(tmp_path, LINES + json.dumps(ROW | {"size": "11"}) + "\n")
    assert len(waiting(tmp_path)) == 41


def test_requests_are_acted_on_in_the_order_of_the_file(tmp_path: Path) -> None:
    sizes = [str(n) for n in range(1, 301)]
    send(tmp_path, "".join(json.dumps(ROW | {"size": n}) + "\n" for n in sizes))
    files = Spool(tmp_path / "state").waiting()
    assert [json.loads(f.read_text())["size"] for f in files] == sizes


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
@pytest.mark.parametrize("after", [0, 7])
def test_what_is_queued_is_said_when_it_is_cut_short(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    said: str,
    after: int,
) -> None:
    put = Spool.put

    def fail_after(self: Spool, *arguments: Any) -> str:
        if len(self.waiting()) >= after:
            raise error
        return put(self, *arguments)

    monkeypatch.setattr(Spool, "put", fail_after)
    done = send(tmp_path, LINES)
    assert done.exit_code == code
    assert said in done.stderr
    assert ("7 of 20 are queued" if after else "nothing is queued") in done.stderr
    assert done.stderr.count("\n") == 1
    ids = waiting(tmp_path)
    assert all(command_id in done.stdout for command_id in ids)
    monkeypatch.undo()
    assert send(tmp_path, LINES).exit_code == 0
    assert len(waiting(tmp_path)) == 20
    assert set(ids) <= set(waiting(tmp_path))


# fmt: off
TWICE = {
    "a name in a line of JSON": ("p.jsonl", '{"market":"m","outcome":"Yes","max_bid":"0.5","size":"10","size":"1000"}', "'size' stands there twice"),
    "a name inside of a value": ("p.jsonl", '{"market":{"a":1,"a":2},"outcome":"Yes","max_bid":"0.5","size":"10"}', "'a' stands there twice"),
    "a column of CSV": ("p.csv", "market,outcome,max_bid,size,size\nm,Yes,0.5,10,1000\n", "the header names 'size' 2 times"),
    "a column by two names": ("p.csv", "market,outcome,max_bid,max_bid_price,size\nm,Yes,0.5,0.6,10\n", "which mean the same"),
    "a key of TOML": ("p.toml", '[[positions]]\nmarket="m"\nsize=1\nsize=2\n', "is not TOML"),
    "an id": ("p.jsonl", (json.dumps(ROW | {"id": "01900000-0000-7000-8000-000000000000"}) + "\n") * 2, "stands there 2 times"),
    "no number": ("p.jsonl", '{"market":"m","outcome":"Yes","max_bid":"0.5","size":NaN}', "NaN is no number"),
}
# fmt: on


@pytest.mark.parametrize("what", TWICE)
def test_what_stands_there_twice_is_refused_by_name(tmp_path: Path, what: str) -> None:
    name, content, said = TWICE[what]
    done = send(tmp_path, content, name=name)
    assert done.exit_code == 2
    assert said in done.stderr
    assert waiting(tmp_path) == []


@pytest.mark.parametrize("name", ["size", "market", "command"])
def test_a_command_that_says_two_things_is_refused(name: str) -> None:
    content = json.dumps({"command": "submit", **ROW})[:-1] + f', "{name}": "x"}}'
    with pytest.raises(Malformed, match=f"'{name}' stands there twice"):
        decode(content.encode(), uuid7())


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "", "{", "1" * 9_999])
def test_no_text_ends_the_reader(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict.json_value(text)
