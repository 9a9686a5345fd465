"""The queue of commands: files in a folder, like a maildir.

    spool/tmp   being written          spool/done   acted on
    spool/new   waiting, by name       spool/bad    set aside, each with its reason beside it
    spool/first like `new`, and read before it: what must not wait behind a flood
    replies     the answers, by command id

A file's name is its command's id, a UUIDv7, so names sort in the order of submission. Writing is
atomic and durable; reading trusts nothing. Any program may write here.
"""

import contextlib
import heapq
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from uuid import UUID

from positions.model.errors import RecordError
from positions.storage.private_files import FILE_MODE, NotPrivate, require, require_inner

SIZE_MAX = 64 * 1024
_SETTLED_NS = 2_500_000_000
"""A folder that changed more recently may change again without a newer time."""
_SORTED_AT_ONCE = 1_000
_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.json")


FIRST, NEW = "first", "new"
WAITING = (FIRST, NEW)
"""The folders of what waits, in the order in which they are read."""


class SpoolError(RecordError):
    """One file of the spool cannot be used."""


_last_id = 0
_id_lock = threading.Lock()


def uuid7() -> str:
    """A new UUIDv7, above all others that this process has made."""
    global _last_id
    with _id_lock:
        # 48 bits of milliseconds, 12 of their fraction, then randomness.
        ticks = time.time_ns() * 4096 // 1_000_000
        _last_id = max(ticks, _last_id + 1)
        ticks = _last_id
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62
    return str(UUID(int=value | secrets.randbits(62)))


class Spool:
    """The queue in one state folder; folders that are missing are made.

    Raises NotPrivate if others may write one of them.
    """

    def __init__(self, state: Path) -> None:
        self._root = state / "spool"
        self._replies = state / "replies"
        self._listed: dict[str, int] = {}
        """When each folder had last changed as it was gone through; without = it must be again."""
        require(state)
        self.make()

    def make(self) -> None:
        """Make the folders that are missing: whoever tidies may have taken an empty one away.

        Raises
        ------
        NotPrivate
            If there is something else in the place of one, or others may write it.
        """
        inner = (self._root / name for name in ("tmp", *WAITING, "done", "bad"))
        for folder in (self._root, *inner, self._replies):
            require_inner(folder)

    # -- the writer's side -------------------------------------------------------------------------

    def put(self, content: bytes, command_id: str | None = None, folder: str = NEW) -> str:
        """Queue a command, durably; returns its id. Raises FileExistsError for an id in use."""
        command_id = command_id or uuid7()
        temporary = self._root / "tmp" / f"{command_id}.{secrets.token_hex(4)}"
        try:
            _write(temporary, content)
            os.link(temporary, self._root / folder / f"{command_id}.json")
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(self._root / folder)
        return command_id

    def read_reply(self, command_id: str) -> bytes | None:
        """The answer to a command, if it was given yet."""
        with contextlib.suppress(FileNotFoundError):
            return (self._replies / f"{command_id}.json").read_bytes()
        return None

    def read_old(self, command_id: str) -> bytes | None:
        """The content of a command that was acted on, for as long as it is kept."""
        for folder in ("done", *WAITING):
            with contextlib.suppress(FileNotFoundError):
                return (self._root / folder / f"{command_id}.json").read_bytes()
        return None

    def contents(self, most: int = 1_000) -> dict[str, bytes]:
        """What waits, by id, in the order in which it is taken; so many of each folder at most."""
        found: dict[str, bytes] = {}
        for folder in (self._root / name for name in WAITING):
            names = sorted(n for n in os.listdir(folder) if _NAME.fullmatch(n))  # noqa: PTH208
            for name in names[:most]:
                with contextlib.suppress(FileNotFoundError, SpoolError):
                    found[name.removesuffix(".json")] = self.read(folder / name)
        return found

    def since(self, time_ns: int) -> list[str]:
        """The ids of the commands that were queued or acted on since then, the newest first."""
        found: dict[str, int] = {}
        for folder in (*WAITING, "done"):
            with contextlib.suppress(OSError), os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if _NAME.fullmatch(entry.name) and entry.stat().st_mtime_ns >= time_ns:
                        found[entry.name.removesuffix(".json")] = entry.stat().st_mtime_ns
        return sorted(found, key=lambda name: found[name], reverse=True)

    def take_back(self, command_id: str) -> bool:
        """Take a command away that no node has read; whether it waited."""
        for folder in WAITING:
            with contextlib.suppress(FileNotFoundError):
                (self._root / folder / f"{command_id}.json").unlink()
                return True
        return False

    # -- the node's side ---------------------------------------------------------------------------

    @property
    def waiting_folders(self) -> list[Path]:
        """Where commands come in."""
        return [self._root / name for name in WAITING]

    def waiting(self, besides: Container[str] = ()) -> list[Path]:
        """The files that wait, in the order of their names; what is no command is set aside.

        Those whose ids are in `besides`, which the caller knows to wait, are left out.
        """
        files = []
        for folder in (self._root / name for name in WAITING):
            for name in sorted(os.listdir(folder)):  # noqa: PTH208  (10x faster than iterdir)
                if name.removesuffix(".json") in besides:
                    continue
                if _NAME.fullmatch(name):
                    files.append(folder / name)
                else:
                    self.reject(
                        folder / name, b"the name must be a UUID in lower case followed by .json\n"
                    )
        return files

    def changed(self, name: str) -> Iterator[Path]:
        """The files that wait in a folder, whatever they are, in the order of their names; none of
        them while the folder is as it was when it was last gone through.
        """
        folder = self._root / name
        try:
            changed = folder.stat().st_mtime_ns
        except FileNotFoundError:
            self.make()
            return
        if changed == self._listed.get(name):
            return
        self._listed.pop(name, None)
        if abs(time.time_ns() - changed) > _SETTLED_NS:
            self._listed[name] = changed
        with os.scandir(folder) as entries:
            names = in_order(entry.name for entry in entries)
        for file in names:
            yield folder / file

    def forget_listing(self) -> None:
        """Go through the folders again, whether they change or not."""
        self._listed.clear()

    def is_named_well(self, path: Path) -> bool:
        """Whether a file has the name of a command."""
        return bool(_NAME.fullmatch(path.name))

    def read(self, path: Path) -> bytes:
        """The content of a waiting file; see `read_dated`."""
        return self.read_dated(path)[0]

    def read_dated(self, path: Path) -> tuple[bytes, int]:
        """The content of a waiting file, and when it was last written, in nanoseconds.

        Raises
        ------
        SpoolError
            If it is no regular file, too large, or cannot be read.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as e:
            raise SpoolError(f"file was {path.name}, cannot be read: {e.strerror}") from None
        try:
            info = os.fstat(file)
            if not stat.S_ISREG(info.st_mode):
                raise SpoolError(f"file was {path.name}, must be a regular file")
            if info.st_size > SIZE_MAX:
                raise SpoolError(f"file was {info.st_size} bytes, must be at most {SIZE_MAX}")
            return os.read(file, SIZE_MAX), info.st_mtime_ns
        except OSError as e:
            raise SpoolError(f"file was {path.name}, cannot be read: {e.strerror}") from None
        finally:
            os.close(file)

    def reply(self, command_id: str, content: bytes) -> None:
        """Give the answer to a command, replacing an earlier one."""
        if not self.reply_all([(command_id, content)]):
            raise OSError(f"the answer to {command_id} cannot be written")

    def reply_all(self, answers: Iterable[tuple[str, bytes]]) -> set[str]:
        """Give answers, replacing earlier ones; the ids of those that are on disk now."""
        written = set()
        for command_id, content in answers:
            temporary = self._root / "tmp" / f"{command_id}.{secrets.token_hex(4)}"
            try:
                _write(temporary, content)
                temporary.replace(self._replies / f"{command_id}.json")
            except OSError as e:
                with contextlib.suppress(OSError, NotPrivate):
                    if isinstance(e, FileNotFoundError):
                        self.make()
                    temporary.unlink(missing_ok=True)
            else:
                written.add(command_id)
        try:
            if written:
                _sync_folder(self._replies)
        except OSError:
            return set()
        return written

    def finish(self, path: Path) -> None:
        """Move a file that was acted on to `done/`."""
        with contextlib.suppress(OSError):
            path.replace(self._root / "done" / path.name)

    def reject(self, path: Path, reason: bytes) -> None:
        """Move a file to `bad/`, with the reason beside it; answers it if its name is an id."""
        name = f"{path.name[:100]}.{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):
            path.rename(self._root / "bad" / name)
            (self._root / "bad" / f"{name}.reason").write_bytes(reason)
        answer = self._replies / path.name
        if _NAME.fullmatch(path.name) and not answer.exists():
            answer.write_bytes(reason)

    def rotate(self, keep: int, seconds: float) -> None:
        """Delete the oldest files beyond `keep` of what is done, bad and answered, but none that
        is younger than so many seconds: whoever asked may still want to read it.
        """
        self.make()
        before = time.time() - seconds
        for folder in (self._root / "done", self._root / "bad", self._replies):
            with os.scandir(folder) as entries:
                names = list(in_order(entry.name for entry in entries))
            for name in names[:-keep]:
                with contextlib.suppress(OSError):
                    if (folder / name).stat().st_mtime < before:
                        (folder / name).unlink()


def in_order(names: Iterable[str]) -> Iterator[str]:
    """The names, sorted a thousand at a time: to sort many at once would hold the interpreter."""
    parts: list[list[str]] = [[]]
    for name in names:
        if len(parts[-1]) == _SORTED_AT_ONCE:
            parts.append([])
        parts[-1].append(name)
    for part in parts:
        part.sort()
    return heapq.merge(*parts)


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
