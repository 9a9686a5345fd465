"""What was sent to redeem winnings, written down before it is sent: one line of JSON each.

A process that is killed leaves a line without an end; the next one asks what came of it, and sends
those very bytes again where nothing did. One process has the file at a time.
"""

import fcntl
import os
import time
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from positions.model.errors import RecordError
from positions.model.position import ZERO
from positions.storage.locks import user_state
from positions.storage.private_files import open_file, require
from venues.polymarket.redemption.calls import Market

FAILURES_MAX = 8
"""So often a market is tried by a node; then only by hand."""
_FIRST_PAUSE = 300
_LONGEST_PAUSE = 6 * 3600


class InUse(RecordError):
    """Another process redeems."""


class Line(Struct, frozen=True, omit_defaults=True):
    """A step of one redemption.

    Parameters
    ----------
    key
        The hash or signature of what is sent: what one redemption is known by.
    step
        "sending", "taken" (by the relayer), or the end: "paid", "failed".
    at
        When, in seconds since 1970.
    request
        Of "sending": the raw transaction, or what the relayer is asked.
    nonce
        The number that the chain uses up with it.
    relayer_id
        What the relayer calls it.
    market
        Of "sending": whose shares are redeemed.
    worth
        Of "sending": what it is to pay, in USDC.
    """

    key: str
    step: str
    condition_id: str
    at: int
    request: Any = None
    market: Market | None = None
    nonce: int = 0
    relayer_id: str = ""
    why: str = ""
    worth: Decimal = ZERO


class RedemptionRecord:
    """The file of one wallet on this machine, whatever the state folder, for this process alone."""

    def __init__(self, wallet: str, environment: Mapping[str, str] = os.environ) -> None:
        self._path = user_state(environment) / f"redeem-{wallet.lower()}.log"
        self.lines: list[Line] = []

    def __enter__(self) -> Self:
        require(self._path.parent)
        self._file = open_file(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise InUse("another process redeems for this wallet: try again later") from None
        content = self._path.read_bytes()
        self.lines = [line for text in content.split(b"\n") if (line := _read(text)) is not None]
        self._is_torn = bool(content) and not content.endswith(b"\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def write(self, line: Line) -> None:
        """Have a line on disk. Raises OSError if it cannot be: nothing may be sent then."""
        content = b"\n" * self._is_torn + msgspec.json.encode(line) + b"\n"
        self._is_torn = True
        if os.write(self._file, content) < len(content):
            raise OSError(28, "No space left on device", str(self._path))
        os.fsync(self._file)
        self._is_torn = False
        self.lines.append(line)

    def end(self, sent: Line, step: str, why: str = "") -> None:
        """Write down how one ended."""
        self.write(Line(sent.key, step, sent.condition_id, int(time.time()), why=why))

    def unfinished(self) -> list[Line]:
        """The lines before a send whose end is not known, the oldest first."""
        ended = {line.key for line in self.lines if line.step in ("paid", "failed")}
        return [x for x in self.lines if x.step == "sending" and x.key not in ended]

    def relayer_id(self, key: str) -> str:
        """What the relayer called it, "" where its answer did not arrive."""
        return next((x.relayer_id for x in self.lines if x.key == key and x.relayer_id), "")

    def failures(self, condition_id: str) -> list[Line]:
        """How a market failed since it was last paid."""
        own = [x for x in self.lines if x.condition_id == condition_id]
        paid = max((n for n, x in enumerate(own) if x.step == "paid"), default=-1)
        return [x for x in own[paid + 1 :] if x.step == "failed"]

    def pause(self, condition_id: str) -> str:
        """Why a node does not try a market now, "" where it does."""
        failed = self.failures(condition_id)
        if len(failed) >= FAILURES_MAX:
            return f"failed {len(failed)} times: try it by hand with `polybracket redeem`"
        if not failed:
            return ""
        seconds = min(_FIRST_PAUSE * 2 ** (len(failed) - 1), _LONGEST_PAUSE)
        left = failed[-1].at + seconds - int(time.time())
        return f"{failed[-1].why}; tried again in {left // 60 + 1} min" if left > 0 else ""


def _read(text: bytes) -> Line | None:
    """A line, None where it was cut short by a crash."""
    try:
        return msgspec.json.decode(text, type=Line)
    except (msgspec.DecodeError, RecursionError):
        return None
