"""A paper node under systemd: it needs no key, tells that it lives, and when it stood still."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from loopback.server import LoopbackPolymarket

PATIENCE = 60.0
PROGRAM = [sys.executable, "-m", "cli.main"]


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something, for a while."""
    given_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < given_up, f"not seen: {what}"
        time.sleep(0.1)


@pytest.fixture
def notified() -> Iterator[socket.socket]:
    """What systemd listens on; its name must be short, unlike pytest's folders."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening,
    ):
        listening.bind(str(Path(folder) / "notify"))
        listening.settimeout(PATIENCE)
        yield listening


def status(folder: Path) -> dict[str, object]:
    """What `status` tells of the node."""
    done = subprocess.run(
        [*PROGRAM, "status", "--json", "--state", "state"], cwd=folder, capture_output=True
    )
    told: dict[str, object] = json.loads(done.stdout or "{}")
    return told | {"exit_code": done.returncode}


def test_a_node_that_stood_still_says_so_to_its_owner(
    tmp_path: Path, notified: socket.socket
) -> None:
    with LoopbackPolymarket() as venue:
        addresses = "\n".join(f'{n} = "{a}"' for n, a in venue.settings().items())
        (tmp_path / "paper.toml").write_text(
            f'mode = "paper"\nstate = "state"\n[venue]\n{addresses}\n'
        )
        values = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
        systemd = {"NOTIFY_SOCKET": notified.getsockname(), "WATCHDOG_USEC": "120000000"}
        node = subprocess.Popen(
            [*PROGRAM, "run", "--config", "paper.toml"],
            cwd=tmp_path,
            env=values | systemd,
            stdout=subprocess.PIPE,
        )
        try:
            assert notified.recv(64) == b"READY=1"
            assert notified.recv(64) == b"WATCHDOG=1"
            until((tmp_path / "state" / "published.duckdb").exists, "the node's first copy")
            assert status(tmp_path)["exit_code"] == 0
            node.send_signal(signal.SIGSTOP)
            time.sleep(8)
            node.send_signal(signal.SIGCONT)
            until(lambda: bool(status(tmp_path)["alarms"]), "the alarm")
            told = status(tmp_path)
            assert "the node stood still for" in str(told["alarms"])
            assert told["exit_code"] == 1
        finally:
            node.send_signal(signal.SIGINT)
            out, _ = node.communicate(timeout=PATIENCE)
    assert node.returncode == 0
    assert b"ALARM: the node stood still for" in out
    heard = [notified.recv(64)]
    while heard[-1] != b"STOPPING=1":
        heard.append(notified.recv(64))
    with duckdb.connect(str(tmp_path / "state" / "positions.duckdb"), read_only=True) as base:
        kinds = base.execute("SELECT DISTINCT kind, is_open FROM alarms").fetchall()
    assert kinds == [("clock", True)]
