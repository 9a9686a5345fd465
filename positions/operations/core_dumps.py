"""Keeps the wallet's key out of files that a crash would leave."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4
"""The number of the option in Linux' prctl.h."""


def forbid_core_dumps() -> None:
    """Let no signal and no crash write this process' memory, which holds the key, to a file.

    The limit stops the kernel from writing a file; where a program collects core dumps through a
    pipe, Linux ignores the limit and asks whether the process is dumpable. One that is not can
    neither be attached to nor have its environment read by other processes of its user. Children
    inherit the limit alone.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
