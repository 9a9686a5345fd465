"""Hostile disks under a running node: slow, full, or in error."""

import errno
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from liveness.files import put
from liveness.scene import Act, Scene

from positions.storage.spool import uuid7


def slow(chance: random.Random) -> Act:
    """Every sync takes long while many replies are to be written."""
    seconds, commands = chance.choice(((0.01, 100), (0.05, 40), (0.3, 10), (2.0, 2)))

    async def play(scene: Scene) -> None:
        _leave(scene, _replaced("fsync", _slowly(os.fsync, seconds)))
        _ask(scene, commands)

    return Act(f"disk: {seconds} s a sync, {commands} replies", play)


def failing(chance: random.Random) -> Act:
    """A call to the disk fails, whatever for."""
    call = chance.choice(("fsync", "replace", "rename", "write", "link", "unlink"))
    number = chance.choice((errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT))

    async def play(scene: Scene) -> None:
        _ask(scene, 5)
        _leave(scene, _replaced(call, _raising(number)))

    return Act(f"disk: os.{call} fails with {errno.errorcode[number]}", play)


def full(chance: random.Random) -> Act:
    """No file may grow."""
    size = chance.choice((0, 100, 20_000))

    async def play(scene: Scene) -> None:
        _ask(scene, 5)
        _leave(scene, _no_file_above(size))

    return Act(f"disk: no file above {size} bytes", play)


def _ask(scene: Scene, commands: int) -> None:
    """Queue commands whose replies are to be written."""
    before = os.fsync
    for _ in range(commands):
        put(scene, f"{uuid7()}.json", b'{"command": "resume"}')
    assert os.fsync is before


def _leave(scene: Scene, fault: Any) -> None:
    """Let a fault last until the act is over."""
    fault.__enter__()
    scene.undo.append(lambda: fault.__exit__(None, None, None))


def _slowly(call: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    def slow_call(*args: Any) -> Any:
        time.sleep(seconds)
        return call(*args)

    return slow_call


def _raising(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@contextmanager
def _replaced(name: str, call: Callable[..., Any]) -> Iterator[None]:
    before = getattr(os, name)
    setattr(os, name, call)
    try:
        yield
    finally:
        setattr(os, name, before)


@contextmanager
def _no_file_above(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
