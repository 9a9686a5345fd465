"""No program that may hold the wallet's key leaves its memory in a file, however it ends."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import ctypes, resource, sys
from positions.operations.core_dumps import forbid_core_dumps
{begin}
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
sys.stdin.read()
"""
BEGINNINGS = {
    "by itself": "forbid_core_dumps()",
    "the command line": """
import cli.main as program
program.app = lambda: None
program.main()
""",
    "a node": """
import node
from positions.operations.settings import Settings
node.run(Settings(mode="live", state="state"))  # refused: not told to trade really
""",
}
"""What forbids them; the process stays, so that it can be looked at."""
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux'")


def open_limits() -> None:
    """As a shell does after `ulimit -c unlimited`; tests in the background ignore Ctrl-\\."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


@linux
@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_quit_writes_no_core(name: str, tmp_path: Path) -> None:
    asked = subprocess.Popen(
        [sys.executable, "-c", ASK.format(begin=BEGINNINGS[name])],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=open_limits,
    )
    assert asked.stdout is not None
    assert asked.stdout.readline() == b"(0, 0) 0\n"  # the limit, and whether it is dumpable
    asked.send_signal(signal.SIGQUIT)
    asked.communicate(timeout=60)
    assert asked.returncode == -signal.SIGQUIT
    assert not list(tmp_path.glob("*core*"))
