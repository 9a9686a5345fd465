"""From a request in the spool to the venue and to the reply."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.material import ROOT, configuration, recording

from positions.storage.spool import Spool

COUNT = 500


def answers(folder: Path) -> None:
    """From `submit` to the order at the venue and to the reply, and commands per second."""
    catalog = recording(folder, 1, 42_000)
    state = folder / "live"
    config = configuration(folder / "live.toml", "replay", str(state))
    command = ["-m", "cli.main", "run", "--config", str(config)]
    node = subprocess.Popen(
        [sys.executable, *command, "--catalog", str(catalog)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    bought: dict[str, float] = {}
    reader = threading.Thread(target=_note_fills, args=(node, bought))
    reader.start()
    try:
        while not (state / "published.duckdb").exists():
            time.sleep(0.05)
        time.sleep(1)
        spool = Spool(state)
        _delays(spool, bought)
        begun = time.perf_counter()
        ids = [spool.put(_request("0.30")) for _ in range(COUNT)]
        for command_id in ids:
            _wait(lambda i=command_id: spool.read_reply(i))
        print(
            f"commands per second, {COUNT} at once (goal 1500): {COUNT / (time.perf_counter() - begun):.0f}"
        )
    finally:
        node.terminate()
        node.wait(timeout=20)
        reader.join()


def _note_fills(node: subprocess.Popen[str], bought: dict[str, float]) -> None:
    """When the node said of each position, by the end of its id, that the venue filled it."""
    assert node.stdout is not None
    for line in node.stdout:
        words = line.split()
        if "bought" in words:
            bought.setdefault(words[words.index("bought") - 1], time.perf_counter())


def _request(max_bid: str) -> bytes:
    fields = {"command": "submit", "market": "m-0", "outcome": "Yes"}
    return json.dumps(fields | {"max_bid": max_bid, "size": "10"}).encode()


def _delays(spool: Spool, bought: dict[str, float]) -> None:
    """Requests one by one, at prices that are filled at once."""
    replied, filled_after = [], []
    for _ in range(100):
        begun = time.perf_counter()
        command_id = spool.put(_request("0.60"))
        _wait(lambda i=command_id: spool.read_reply(i))
        replied.append((time.perf_counter() - begun) * 1e3)
        _wait(lambda i=command_id: bought.get(i[-8:]))
        filled_after.append((bought[command_id[-8:]] - begun) * 1e3)
    print("from submit (ms; goal: the order 10, the reply 25)")
    for name, taken in (("the reply", replied), ("the order at the venue, filled", filled_after)):
        p50, p99 = statistics.median(taken), sorted(taken)[98]
        print(f"  to {name}: p50 {p50:.0f}, p99 {p99:.0f}")


def _wait(is_there: Callable[[], object]) -> None:
    while is_there() is None:
        time.sleep(0.001)
