"""Keeps the process small: what its threads free is to be used by the others, too."""

import ctypes

_ARENA_MAX = -8
"""The number of the setting in glibc's malloc.h."""
_ARENAS = 2


def share_heaps() -> bool:
    """Let all threads share two heaps; False where the system's library knows no such setting.

    By default glibc makes up to eight for each processor, and none gives back what it holds: after
    some minutes of copies, each on a thread of its own, 40 MB lie idle.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENA_MAX, _ARENAS) == 1
