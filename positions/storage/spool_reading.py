"""The node's reading of its spool: a bounded part at a time, on a thread that may wait."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from positions.commands.fields import Malformed
from positions.commands.messages import (
    Cancel,
    Command,
    Flatten,
    Halt,
    Refusal,
    decode,
    encode_reply,
    refused,
)
from positions.storage.spool import WAITING, Spool, SpoolError

LOOK_SECONDS = 0.02
"""How long one look takes at most, a slow disk apart."""
LOOK_COMMANDS = 50
"""Commands that one look takes up at most."""
Answered = tuple[str, bytes, Path | None]
"""A command's id, its reply, and the file to be moved once that is written."""


class SpooledCommand(NamedTuple):
    """A command and the file in which it came."""

    path: Path
    command: Command
    size: int
    """Its length in bytes."""
    written_at: int
    """When the file was last written, in nanoseconds."""


class SpoolReading:
    """Goes through the waiting files in the order of their names, and writes the answers.

    Each look begins with what came into `first/`: nothing that waits in `new/` holds that up.
    `seen` has the commands acted on before, id -> (content hash, reply), and `taken` those that are
    not answered yet. Both change on another thread, an entry at a time.
    """

    def __init__(
        self,
        spool: Spool,
        commands: Mapping[str, tuple[str, bytes]],
        taken: Mapping[str, Any],
        is_recording: Callable[[], bool],
        now: Callable[[], int],
    ) -> None:
        self._spool = spool
        self._commands = commands
        self._taken = taken
        self._is_recording = is_recording
        self._now = now
        self._files: dict[str, Iterator[Path]] = {}
        """What is yet to be gone through of each folder; without = it is to be listed."""
        self.unwritten: set[str] = set()
        """The ids of answers that the disk did not take at the last look."""
        self.has_more = True
        """Whether the last look ended before all that waits was seen."""

    def work(self, answers: Iterable[Answered], has_room: bool) -> list[SpooledCommand]:
        """Write the answers; then, if there is room, look at what waits next."""
        self.unwritten.clear()
        self._answer(answers)
        if not has_room:
            return []
        batch: list[SpooledCommand] = []
        until = time.monotonic() + LOOK_SECONDS
        self.has_more = False
        for folder in WAITING:
            self.has_more |= not self._go_through(folder, batch, until)
        return batch

    def _go_through(self, folder: str, batch: list[SpooledCommand], until: float) -> bool:
        """Look at the files of a folder, as many as are due; whether that were all of them."""
        files = self._files.pop(folder, None)
        if files is None:
            files = self._spool.changed(folder)
        while len(batch) < LOOK_COMMANDS and time.monotonic() < until:
            path = next(files, None)
            if path is None:
                return True
            if path.stem not in self._taken:
                self._look_at(path, batch)
        self._files[folder] = files
        return False

    def _look_at(self, path: Path, batch: list[SpooledCommand]) -> None:
        try:
            taken = self._take(path)
        except OSError:  # a full disk: it is taken up again
            self._spool.forget_listing()
        except Exception as e:  # whatever is wrong with one file, the others are read
            self._spool.reject(path, f"{type(e).__name__}: {e}\n".encode())
        else:
            if taken is not None:
                batch.append(taken)

    def _take(self, path: Path) -> SpooledCommand | None:
        """The command of a file, if it is to be acted on; otherwise it is answered or set aside."""
        command_id = path.stem
        if not self._spool.is_named_well(path):
            reason = b"the name must be a UUID in lower case followed by .json\n"
            self._spool.reject(path, reason)
            return None
        try:
            content, written_at = self._spool.read_dated(path)
            command = decode(content, command_id)
        except FileNotFoundError:  # moved since the folder was listed
            return None
        except (SpoolError, Malformed) as e:
            self._set_aside(path, "MALFORMED", str(e))
            return None
        if not (self._is_recording() or isinstance(command, Cancel | Flatten | Halt)):
            self._spool.forget_listing()
            return None  # it could be acted on twice after a crash: it waits for the record
        record = self._commands.get(command_id)
        if record is None:
            return SpooledCommand(path, command, len(content), written_at)
        if record[0] in ("", command.digest):
            self._answer([(command_id, record[1], path)])
        else:
            rule = "was used before with other content; a new command needs a new id"
            self._set_aside(path, "ID_REUSED", f"id was {command_id}, {rule}")
        return None

    def _set_aside(self, path: Path, code: str, why: str) -> None:
        reply = refused(path.stem, Refusal(code, why), self._now())
        self._spool.reject(path, encode_reply(reply))

    def _answer(self, answers: Iterable[Answered]) -> None:
        """Write replies; a file is moved once its reply is on disk, else it is answered later."""
        written = self._spool.reply_all([(i, content) for i, content, _ in answers if content])
        for command_id, content, path in answers:
            if content and command_id not in written:
                self.unwritten.add(command_id)
                self._spool.forget_listing()
            elif path is not None:
                self._spool.finish(path)
