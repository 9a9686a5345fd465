"""A real node whose event loop stands, or that gets no memory: told from beside the loop, ended."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket

from positions.operations.loop_watch import MEMORY_NEEDED, NO_MEMORY_CODE, STUCK_CODE

PATIENCE = 60.0
BELL = """[alarms]
command = ["sh", "-c", 'printf "%s\\n" "$1" >> told', "bell"]
"""
STAND = """
import asyncio, sys, time
from pathlib import Path
import node
from positions.operations.settings import load

async def stand(*_):
    await asyncio.sleep(0.5)
    {stand}

sys.exit(node.Node(load(Path("paper.toml"))).run(stand))
"""
STANDS = {
    "a call that waits": ("time.sleep(1000)", "the event loop stands still"),
    "a call that computes": (
        "while True: sum(range(1000))",
        "the event loop stands still",
    ),
}


def configure(folder: Path, venue: LoopbackPolymarket, more: str = "") -> dict[str, str]:
    """Write a paper node's configuration; returns its environment."""
    addresses = "\n".join(f'{n} = "{a}"' for n, a in venue.settings().items())
    (folder / "paper.toml").write_text(
        f'mode = "paper"\nstate = "state"\n{more}{BELL}[venue]\n{addresses}\n'
    )
    values = {n: v for n, v in os.environ.items() if not n.startswith("POLY")}
    return values | {"PYTHONPATH": str(Path(__file__).parents[1])}


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something, for a while."""
    given_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < given_up, f"not seen: {what}"
        time.sleep(0.1)


@pytest.mark.parametrize("name", STANDS)
def test_a_loop_that_stands_is_told_and_the_process_ends(name: str, tmp_path: Path) -> None:
    stand, what = STANDS[name]
    with LoopbackPolymarket() as venue:
        values = configure(tmp_path, venue, '[safety]\nrestart_when_stuck = "10s"\n')
        done = subprocess.run(
            [sys.executable, "-c", STAND.format(stand=stand)],
            cwd=tmp_path,
            env=values,
            capture_output=True,
            timeout=2 * PATIENCE,
            check=False,
        )
    assert done.returncode == STUCK_CODE, done.stderr.decode()
    lines = done.stderr.decode().splitlines()
    assert any(line.startswith(f"ALARM: {what}: for 5 s") for line in lines), lines
    assert lines[-1].endswith("s; the node ends, to be started anew")
    until((tmp_path / "told").exists, "the alarm command")
    assert (tmp_path / "told").read_text().startswith(what)
    assert " stand\n" in (tmp_path / "state" / "logs" / "errors.log").read_text()


def test_a_computation_that_holds_every_thread_ends_the_process(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        values = configure(tmp_path, venue, '[safety]\nrestart_when_stuck = "10s"\n')
        done = subprocess.run(
            [sys.executable, "-c", STAND.format(stand="n = 10; print(7 ** (n ** 9))")],
            cwd=tmp_path,
            env=values,
            capture_output=True,
            timeout=3 * PATIENCE,
            check=False,
        )
    assert done.returncode == -signal.SIGPROF, done.stderr.decode()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of another process")
def test_a_node_without_memory_ends_in_one_line(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        node = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "run", "--config", "paper.toml"],
            cwd=tmp_path,
            env=configure(tmp_path, venue),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            until((tmp_path / "state" / "published.duckdb").exists, "the node's first copy")
            fields = Path(f"/proc/{node.pid}/statm").read_text().split()
            used = int(fields[0]) * resource.getpagesize() + MEMORY_NEEDED // 2
            resource.prlimit(node.pid, resource.RLIMIT_AS, (used, used))
            _, err = node.communicate(timeout=PATIENCE)
        finally:
            node.kill()
    assert node.returncode == NO_MEMORY_CODE, err
    assert err.decode().splitlines()[-1] == (
        "polybracket: no memory is left; the node ends, to be started anew"
    )
