"""A disk that stands still: neither a stop nor the end of a node waits for it, and what is not
written is said."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback.server import LoopbackPolymarket
from small_node import Node as SmallNode
from test_faults import crash, opened
from trading import KEY, Session, settings, trade

import node
from actors import ending
from positions.operations.console import Terminal
from positions.storage import snapshot_writer
from positions.storage.patience import ends_within
from positions.storage.store import Store

COMMANDS = 30


class Stall:
    """Holds what calls it, until it is over."""

    def __init__(self) -> None:
        self.begun, self._over = threading.Event(), threading.Event()

    def __call__(self, *_: Any, **__: Any) -> None:
        self.begun.set()
        self._over.wait()

    def end(self) -> None:
        self._over.set()


@pytest.fixture
def stall() -> Iterator[Stall]:
    one = Stall()
    yield one
    one.end()


class Page(Terminal):
    """A terminal on which everything that a node says can be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: Any) -> None:
        self.lines.append(str(line))

    warn = say


def held_up(stall: Stall, call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The call, held up on the thread of this name."""

    def slow(*values: Any) -> Any:
        if threading.current_thread().name == name:
            stall()
        return call(*values)

    return slow


def test_a_stop_sells_while_no_reply_can_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stall: Stall
) -> None:
    with LoopbackPolymarket() as venue:
        rain = venue.add_market("rain")
        venue.quote(rain.tokens[0], "0.50", "100", "0.52", "100")

        async def script(s: Session) -> None:
            p = await opened(s, rain)
            monkeypatch.setattr(os, "fsync", held_up(stall, os.fsync, "disk"))
            asked = [s._spool.put(b'{"command": "resume"}') for _ in range(COMMANDS)]
            await s.until(stall.begun.is_set, "a reply is synced")
            crash(s, rain)
            await s.phase(p, "closed")
            assert not any(map(s._spool.read_reply, asked))
            stall.end()
            await s.until(lambda: all(map(s._spool.read_reply, asked)), "all is answered")

        trade(venue, tmp_path, script)


def test_a_node_ends_though_its_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stall: Stall
) -> None:
    monkeypatch.setattr(ending, "_DISK_SECONDS", 0.2)
    monkeypatch.setattr(ending, "_ANSWER_SECONDS", 0.2)
    page = Page()
    with LoopbackPolymarket() as venue:
        keys = venue.wallet(KEY, cash="1000")
        running = node.Node(settings(venue, tmp_path), keys, terminal=page)

        async def play(*_: Any) -> None:
            s = Session(running, venue, tmp_path, keys["POLYMARKET_FUNDER"])
            monkeypatch.setattr(Store, "_write", held_up(stall, Store._write, "store"))
            s._spool.put(b'{"command": "halt"}')
            await s.until(stall.begun.is_set, "it is being recorded")

        assert running.run(play) == 1
    assert any("records could not be written: the disk does not answer" in t for t in page.lines)
    assert any("read an older copy of the record" in t for t in page.lines)
    assert any("the log may lack lines" in t for t in page.lines)
    stall.end()
    assert running.store.close(), "the disk answers again"


@pytest.mark.parametrize("name", ["patience", "published"])
def test_the_last_copy_is_given_up(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stall: Stall
) -> None:
    """Whether it stands still itself, or the one that is being made does."""
    n = SmallNode(tmp_path)
    monkeypatch.setattr(Path, "replace", held_up(stall, Path.replace, name))
    if name == "published":
        n.copier.publish()
    assert not n.copier.publish_last(0.1)
    assert not (n.state / "published.duckdb").exists()
    n.store.close()


def test_a_copy_is_computed_on_a_thread_that_holds_up_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = SmallNode(tmp_path)
    n.spool.put(
        b'{"command":"adopt","market":"rain-in-london","outcome":"Yes",'
        b'"shares":"5","entry_price":"0.5","stop":"0.4"}'
    )
    n.work()
    computed: list[threading.Thread] = []

    def noted(*_: Any) -> None:
        computed.append(threading.current_thread())

    monkeypatch.setattr(snapshot_writer, "unrealized_pnl", noted)
    n.copier.publish()
    assert n.copier.publish_last()
    assert [(t.name, t.daemon) for t in computed][:1] == [("published", True)]
    n.store.close()


def test_what_raises_within_its_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))
    assert ends_within(10, lambda: 1 / 0)
    assert told == [ZeroDivisionError]
