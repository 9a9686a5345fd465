"""The main job, shown: a node on a made-up recording, a person at the command line beside it."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from positions.commands.messages import decode_reply
from positions.storage.snapshot import NoSnapshot, Snapshot
from positions.storage.spool import Spool


def _request(market: str, max_bid: str, size: str, **levels: str) -> dict[str, str]:
    return {"market": market, "max_bid": max_bid, "size": size, **levels}


CATALOG = Path("catalog/sample")
STATE = Path("state/demo")
REPORT = STATE / "report.html"
SPEED = "15"
PAGE_SPEED = "3"
"""Slow enough to be watched: the recording lasts for some minutes."""
REQUESTS = {
    "rain": _request("synthetic-rain-in-london", "0.55", "100", target="0.70", stop="0.45"),
    "red": _request("synthetic-team-red-wins", "0.61", "80", target="0.75", stop="0.50"),
    "rate": _request("synthetic-rate-cut-in-june", "0.46", "60", stop="0.35"),
    "film": _request("synthetic-film-wins-award", "0.20", "50", target="0.40"),
    "launch": _request("synthetic-launch-before-friday", "0.66", "40", stop="0.40"),
    "wrong": _request("synthetic-launch-before-friday", "0.65", "40", stop="0.80"),
}
"""What the person at the command line asks for, by the names that the promises use."""
_PROGRAM = [sys.executable, "-m", "cli.main"]


def main() -> int:
    """Play the demo; 0 only if every promise was kept."""
    begun = time.monotonic()
    _make_sample()
    shutil.rmtree(STATE, ignore_errors=True)
    print("== polybracket demo: SYNTHETIC data, no network, no key, no money ==\n")
    print(f"$ polybracket run --catalog {CATALOG} --speed {SPEED} --state {STATE}", flush=True)
    node = subprocess.Popen(
        [*_PROGRAM, "run", "--catalog", str(CATALOG), "--speed", SPEED, "--state", str(STATE)]
    )
    try:
        _play(node)
        code = node.wait(timeout=120)
    except BaseException:
        node.terminate()
        node.wait(timeout=10)
        raise
    if code != 0:
        print(f"\nthe node ended with exit code {code}")
        return 1
    print()
    _program("positions", "--all")
    broken = broken_promises(STATE, _ids) + _differences(_backtest())
    _close(broken, time.monotonic() - begun)
    return 1 if broken else 0


def show_page() -> int:
    """Have a node trade on the made-up recording, and the page beside it, until Ctrl-C."""
    _make_sample()
    shutil.rmtree(STATE, ignore_errors=True)
    print("== polybracket: a page on SYNTHETIC data, no network, no key, no money ==\n")
    options = ["--catalog", str(CATALOG), "--speed", PAGE_SPEED, "--state", str(STATE)]
    node = subprocess.Popen([*_PROGRAM, "run", *options], stdout=subprocess.DEVNULL)
    try:
        _until(node, 2)
        for process in [_begin_submit(name) for name in REQUESTS]:
            _printed(process)
        return subprocess.run([*_PROGRAM, "web", "--state", str(STATE)], check=False).returncode
    except KeyboardInterrupt:
        return 0
    finally:
        node.terminate()
        node.wait(timeout=10)


def _make_sample() -> None:
    if not (CATALOG / "data").is_dir():
        from recordings.sample import make_sample

        print(f"making a small synthetic recording in {CATALOG} ...", flush=True)
        make_sample(CATALOG)


_ids: dict[str, str] = {}


def _play(node: subprocess.Popen[bytes]) -> None:
    _until(node, 2)
    begun = {name: _begin_submit(name) for name in REQUESTS}
    for name, process in begun.items():
        _ids[name] = _printed(process).split()[1]
    _until(node, 370)
    _program("sell", _ids["rate"], "--fraction", "0.5", "--wait", "5s")
    _program("positions")
    _until(node, 540)
    _program("sell", _ids["rate"], "--wait", "5s")
    _until(node, 640)
    _program("cancel", _ids["film"], "--wait", "5s")


def _until(node: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until the recording is so many seconds old."""
    from recordings.sample import START_NS

    moment = START_NS + int(seconds * 1e9)
    while node.poll() is None:
        try:
            with Snapshot(STATE) as copy:
                if copy.node()["market_time"] >= moment:
                    return
        except NoSnapshot:
            pass
        time.sleep(0.1)


def _program(*arguments: str) -> str:
    """Run the program as a person would; returns what it printed."""
    return _printed(_begin(*arguments))


def _begin(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_PROGRAM, *arguments, "--state", str(STATE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _printed(process: subprocess.Popen[str]) -> str:
    """What a program prints that was begun; what it was told to do is shown first."""
    said, _ = process.communicate()
    assert isinstance(process.args, list)
    print(f"\n$ polybracket {' '.join(map(str, process.args[len(_PROGRAM) : -2]))}", flush=True)
    print(said, flush=True)
    return said


def _begin_submit(name: str) -> subprocess.Popen[str]:
    market, *rest = REQUESTS[name].items()
    options = [word for field, value in rest for word in (f"--{field.replace('_', '-')}", value)]
    return _begin("submit", market[1], "Yes", *options, "--wait", "5s")


def _backtest() -> dict[str, list[Any]]:
    """Try the session that just ran on its own recording; the fills of each position."""
    session = STATE / "session.jsonl"
    print(f"\n$ polybracket session --state {STATE} > {session}", flush=True)
    lines = subprocess.run(
        [*_PROGRAM, "session", "--state", str(STATE)], capture_output=True, text=True, check=True
    )
    session.write_text(lines.stdout, encoding="utf-8")
    options = ["--catalog", str(CATALOG), "--positions", str(session), "--report", str(REPORT)]
    print(f"$ polybracket backtest {' '.join(options)} --json", flush=True)
    done = subprocess.run(
        [*_PROGRAM, "backtest", *options, "--json"], capture_output=True, text=True, check=True
    )
    print(done.stderr)
    outcomes = map(json.loads, done.stdout.splitlines())
    return {p["id"]: [_fill(f) for f in p["fills"]] for p in outcomes}


def _fill(f: Mapping[str, Any]) -> tuple[str, Decimal, Decimal]:
    return f["role"], Decimal(f["shares"]), Decimal(f["price"])


def _differences(backtested: dict[str, list[Any]]) -> list[str]:
    """The promise that a backtest repeats what happened, if it is broken."""
    with Snapshot(STATE) as copy:
        fills = {i: [_fill(f) for f in copy.fills(i)] for n, i in _ids.items() if n != "wrong"}
    is_kept = all(sorted(backtested[i]) == sorted(made) for i, made in fills.items())
    return [] if is_kept else ["a backtest of the session has the same fills"]


def broken_promises(state: Path, ids: Mapping[str, str]) -> list[str]:
    """What the demo promises and the record does not show; `ids` as `REQUESTS` names them."""
    with Snapshot(state) as copy:
        rows = {name: copy.position(i) for name, i in ids.items() if name != "wrong"}
        fills = {name: copy.fills(i) for name, i in ids.items() if name != "wrong"}
    refusal = Spool(state).read_reply(ids["wrong"])

    def count(name: str, role: str) -> int:
        return sum(1 for f in fills[name] if f["role"] == role)

    def ended(name: str, reason: str) -> bool:
        row: dict[str, Any] = rows[name]
        return bool(row["status"] == "closed" and row["exit_reason"] == reason)

    promises: dict[str, Callable[[], bool]] = {
        "one position is filled in parts and sold at its target": lambda: (
            ended("rain", "target") and count("rain", "entry") > 1
        ),
        "one is stopped out through a gap, in several sales": lambda: (
            ended("red", "stop")
            and count("red", "exit") > 1
            and rows["red"]["exit_price"] < Decimal("0.45")
        ),
        "one is cashed out by hand in two parts": lambda: (
            ended("rate", "manual") and count("rate", "exit") > 1
        ),
        "one never trades and is cancelled": lambda: rows["film"]["status"] == "cancelled",
        "one is carried to resolution": lambda: ended("launch", "settlement"),
        "one is refused with its reason": lambda: (
            refusal is not None and decode_reply(refusal).code == "STOP_NOT_BELOW_MAX_BID"
        ),
        "nothing is bought above its max bid": lambda: all(
            f["price"] <= rows[name]["max_bid_price"]
            for name, made in fills.items()
            for f in made
            if f["role"] == "entry"
        ),
        "nothing is sold that was not held": lambda: all(row["held"] == 0 for row in rows.values()),
    }
    return [promise for promise, is_kept in promises.items() if not is_kept()]


def _close(broken: list[str], seconds: float) -> None:
    for promise in broken:
        print(f"NOT KEPT: {promise}")
    word = "not every promise was kept" if broken else "every promise was kept"
    print(f"\n{word} in {seconds:.0f} s. The record of this synthetic session is in {STATE}/:")
    print("  published.duckdb   what every reader uses; open it with duckdb or a notebook")
    print("  positions.duckdb   the whole record, with every event")
    print("  report.html        its backtest, with charts: open it in a browser")
    print("  logs/              Nautilus' own log\n")
    print("Next:")
    print(f"  .venv/bin/polybracket show {_ids['red'][-8:]} --state {STATE}")
    print(f"  .venv/bin/polybracket web --state {STATE}      this session in a browser")
    print("  make web      the page beside a node that trades on the same recording")
    print("  .venv/bin/polybracket run --help")
    print("  .venv/bin/polybracket catalog import --help      to replay real data")


if __name__ == "__main__":
    sys.exit(show_page() if sys.argv[1:] == ["--page"] else main())
