"""What is written beside the event loop and is written no more, or hangs, raises an alarm."""

import asyncio
import threading
from pathlib import Path

import pytest
from small_node import Node as SmallNode

from actors.disk_watch import LOOKS, DiskWatch
from bridge import aside
from bridge.aside import Threads, Worker
from positions.storage import patience, snapshot_writer


def test_a_trouble_is_told_once_it_lasts_and_when_it_is_over() -> None:
    why, told = [""], []
    watch = DiskWatch({"replies/": lambda: why[0]}, lambda *said: told.append(said))
    for problem, looks in (("full", LOOKS - 1), ("", 1), ("full", LOOKS + 9), ("", 3)):
        why[0] = problem
        for _ in range(looks):
            watch.look()
    assert told == [("replies/", "full"), ("replies/", "")]


def test_a_copy_that_cannot_be_written_says_why_until_it_can(tmp_path: Path) -> None:
    node = SmallNode(tmp_path)
    cursor = node.copier._cursor

    def fail() -> object:
        raise OSError("no space left")

    for problem in (True, False):
        node.copier._cursor = fail if problem else cursor  # type: ignore[assignment]
        node.copier.publish()
        assert node.copier._thread is not None
        node.copier._thread.join()
        assert bool(node.copier.trouble()) is problem


def test_a_copy_that_hangs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, go = SmallNode(tmp_path), threading.Event()
    cursor = node.copier._cursor

    def hang() -> object:
        go.wait()
        return cursor()

    node.copier._cursor = hang  # type: ignore[assignment]
    monkeypatch.setattr(snapshot_writer, "HUNG_SECONDS", -1.0)
    node.copier.publish()
    assert node.copier.trouble() == patience.HUNG
    go.set()
    assert node.copier._thread is not None
    node.copier._thread.join()
    assert node.copier.trouble() == ""


def test_a_job_beside_the_loop_that_hangs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "HUNG_SECONDS", -1.0)
    loop = asyncio.new_event_loop()
    worker, begun, go = Worker("disk", loop), threading.Event(), threading.Event()
    assert worker.trouble() == ""
    worker(lambda: (begun.set(), go.wait()), lambda _: None)
    begun.wait()
    assert worker.trouble() == patience.HUNG
    go.set()
    assert worker.close(60)
    assert worker.trouble() == ""
    loop.close()


def test_a_request_is_carried_out_although_no_further_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = Threads(8, "venue")
    start = threading.Thread.start

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    slow, go = threading.Event(), threading.Event()
    first = threads.submit(lambda: (slow.set(), go.wait()))
    slow.wait()
    second = threads.submit(lambda: "posted once")
    assert threads.trouble() == "can't start new thread"
    go.set()
    assert second.result() == "posted once"
    assert first.done()
    monkeypatch.setattr(threading.Thread, "start", start)
    both = threading.Barrier(2)
    for future in [threads.submit(both.wait), threads.submit(both.wait)]:
        future.result()
    assert threads.trouble() == ""
    threads.shutdown()
