"""A long-running process must not keep what its threads have freed."""

import subprocess
import sys

import pytest

_THREADS = """
import ctypes, threading
from positions.operations.process import share_heaps
libc = ctypes.CDLL(None)
assert share_heaps()
barrier = threading.Barrier(12)
def work():
    libc.malloc.restype = ctypes.c_void_p
    libc.free(ctypes.c_void_p(libc.malloc(100)))
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[t.start() for t in threads]
[t.join() for t in threads]
libc.malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_threads_share_two_heaps() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _THREADS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 1 <= done.stderr.count("Arena ") <= 2
