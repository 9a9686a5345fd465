"""One node per state folder, and one per wallet on one machine.

A lock is the kernel's and goes with the process, however it ends; the file's content only says
who holds it.
"""

import fcntl
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from positions.model.errors import RecordError
from positions.storage.private_files import NotPrivate, open_file, require


class Holder(Struct, frozen=True):
    """The node that holds a state folder; times are nanoseconds since 1970."""

    pid: int
    mode: str
    started_at: int
    host: str


class AlreadyRunning(RecordError):
    """Another node holds the state folder."""


class _Lock:
    """Holds a file for as long as the process lives or until released.

    Raises
    ------
    AlreadyRunning
        On entering, if another process holds it.
    NotPrivate
        On entering, if others may write its folder, or it is a link.
    """

    def __init__(self, path: Path, what: str, mode: str) -> None:
        self._path = path
        self._what = what
        self._mode = mode
        self._file = -1

    def __enter__(self) -> Self:
        require(self._path.parent)
        self._file = open_file(self._path, os.O_RDWR | os.O_CREAT)
        for _ in range(20):  # a reader's probe holds it for an instant
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
        else:
            other = _read(self._file)
            os.close(self._file)
            who = f"process {other.pid}" if other else "another process"
            raise AlreadyRunning(f"{self._what} is in use by a running node ({who})")
        holder = Holder(os.getpid(), self._mode, time.time_ns(), socket.gethostname())
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, msgspec.json.encode(holder), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)


class StateLock(_Lock):
    """Holds a state folder, by the file `lock` in it."""

    def __init__(self, folder: Path, mode: str) -> None:
        super().__init__(folder / "lock", str(folder), mode)


class WalletLock(_Lock):
    """Holds a wallet on this machine, by a file in the user's state directory."""

    def __init__(self, address: str, environment: Mapping[str, str] = os.environ) -> None:
        path = user_state(environment) / f"{address.lower()}.lock"
        super().__init__(path, f"the wallet {address}", "live")


def user_state(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what holds on this machine for the user, whatever the state folder."""
    home = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "polybracket"


def holder(folder: Path) -> Holder | None:
    """The node that holds a state folder now; None when none does."""
    try:
        file = open_file(folder / "lock", os.O_RDONLY)
    except (OSError, NotPrivate):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file) or Holder(0, "unknown", 0, "")
    else:
        return None
    finally:
        os.close(file)


def _read(file: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(file, 4096, 0), type=Holder)
    except (msgspec.DecodeError, RecursionError, OSError):
        return None
