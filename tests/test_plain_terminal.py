"""What is shown on a terminal that has ASCII alone, as in the C locale: escaped, never an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from small_node import D, Node

from positions.storage.spool import uuid7

ROOT = Path(__file__).parents[1]
QUESTION, OUTCOME = "Gewinnt Köln \u2014 \U0001f3c6?", "Jä"
ENVIRONMENT = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}


def run(*command: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
    values = os.environ | ENVIRONMENT | {"PYTHONPATH": str(ROOT)} | changes
    return subprocess.run([sys.executable, *command], env=values, capture_output=True, check=False)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a position in a market whose names are not ASCII, and its id."""
    node = Node(tmp_path_factory.mktemp("node"))
    (m,) = node.engine.markets.values()
    m.question, m.outcome = QUESTION, OUTCOME
    node.show(D("0.50"), D("0.52"))
    fields = {"market": m.slug, "outcome": OUTCOME, "max_bid": "0.55", "size": "20"}
    content = msgspec.json.encode({"command": "submit", "stop_loss_price": "0.45", **fields})
    node.spool.put(content, uuid7())
    node.work()
    node.store.close()
    (position_id,) = node.engine.positions
    return node.state, position_id


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1"])
@pytest.mark.parametrize("view", ["positions", "show", "markets", "status"])
@pytest.mark.parametrize("is_json", [False, True])
def test_a_view_escapes_what_cannot_be_shown(
    view: str, is_json: bool, encoding: str, held: tuple[Path, str]
) -> None:
    state, position_id = held
    asked = [view, *([position_id] if view == "show" else []), *(["--json"] if is_json else [])]
    done = run("-m", "cli.main", *asked, "--state", str(state), PYTHONIOENCODING=encoding)
    assert b"Error" not in done.stderr
    assert done.returncode == (view == "status")  # which says that no node runs
    shown = done.stdout.decode("latin-1")
    if is_json:
        rows = [json.loads(line) for line in shown.splitlines()]
        told = json.dumps(rows, ensure_ascii=False)
        assert OUTCOME in told or view == "status"
    elif view != "status":
        assert ("J\\xe4" if encoding != "latin-1" else OUTCOME) in shown


def test_what_a_node_prints_is_escaped() -> None:
    script = f"""
from positions.operations.console import Terminal
with Terminal() as terminal:
    terminal.say({QUESTION!a})
    terminal.warn({OUTCOME!a})
"""
    done = run("-c", script)
    assert done.returncode == 0
    assert done.stdout == b"Gewinnt K\\xf6ln \\u2014 \\U0001f3c6?\n"
    assert done.stderr == b"J\\xe4\n"


def test_what_is_typed_is_refused_in_one_line(tmp_path: Path) -> None:
    typed = ["submit", "Köln", OUTCOME, "--max-bid", "0.5", "--size", "20"]
    done = run("-m", "cli.main", *typed, "--state", str(tmp_path))
    assert done.stderr.count(b"\n") <= 1
    assert b"UnicodeEncodeError" not in done.stderr
