"""What a person may say from a phone, and what is answered: no network, and no telegram, in here.

It reads the copy that the node publishes, and queues commands as the command line does. Whatever
trades has to be confirmed by a number that is typed.
"""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from positions.commands.messages import from_fields
from positions.model.errors import PolybracketError, in_words
from positions.model.foreign_text import clean
from positions.model.formatting import plain
from positions.operations.health import health
from positions.storage.locks import holder
from positions.storage.sending import answer, queue
from positions.storage.snapshot import Snapshot
from positions.storage.spool import Spool, uuid7

HELP = (
    "status: the node and its money\n"
    "positions: what is open\n"
    "sell ID, cancel ID: a position, by the end of its id\n"
    "halt, resume: no new entries, and entries again\n"
    "flatten: sell everything"
)
CONFIRM_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_SHOWN = 20
_TRADES = frozenset({"sell", "cancel", "resume", "flatten"})
_ONLY_READS = "this bot only reads: its owner may set may_trade = true under [telegram]"


class Said(NamedTuple):
    """A message, and what may be said next by a button: (label, text)."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()


class _Pending(NamedTuple):
    code: str
    until: float
    fields: dict[str, Any]


class Talk:
    """One state folder, talked to by those chats that are allowed."""

    def __init__(
        self,
        state: Path,
        chats: frozenset[int],
        *,
        may_trade: bool,
        clock: Callable[[], float] = time.monotonic,
        code: Callable[[], str] = lambda: f"{secrets.randbelow(9000) + 1000}",
    ) -> None:
        self._state, self._chats, self._may_trade = state, chats, may_trade
        self._now, self._code = clock, code
        self._pending: dict[int, _Pending] = {}

    def say(self, chat: int, text: str) -> list[Said]:
        """The answers to a text; none to those who are not allowed. It may wait for the node."""
        if chat not in self._chats:
            return []
        try:
            return self._answer(chat, text.strip().lstrip("/").split()[:2])
        except (PolybracketError, OSError) as e:
            return [Said(clean(in_words(e), 500))]

    def _answer(self, chat: int, words: list[str]) -> list[Said]:
        word, subject = (*words, "", "")[:2]
        word = word.partition("@")[0].lower()
        pending = self._pending.pop(chat, None)
        if word.isdigit():
            return [self._confirmed(pending, word)]
        match word:
            case "status":
                return [self._status()]
            case "positions":
                return self._positions()
            case "halt" | "resume" | "flatten" | "sell" | "cancel":
                return [self._asked(chat, word, subject)]
        return [Said(HELP)]

    # -- what is shown -----------------------------------------------------------------------------

    def _status(self) -> Said:
        with Snapshot(self._state) as copy:
            node, alarms = copy.node(), copy.open_alarms()
        state = health(self._state, node)
        lines = [
            f"node {state.word}, mode {node['mode']}{', HALTED' if node['is_halted'] else ''}",
            *state.why,
            f"{node['open_positions']} open, cash {node['cash']:.2f} USDC",
            *(f"ALARM: {a['text']}" for a in alarms[:_SHOWN]),
        ]
        return Said("\n".join(clean(line, 500) for line in lines))

    def _positions(self) -> list[Said]:
        with Snapshot(self._state) as copy:
            rows = copy.positions()
        said = [Said(_position(r), self._buttons(r)) for r in rows[:_SHOWN]]
        more = len(rows) - len(said)
        return [*said, Said(f"and {more} more")] if more > 0 else said or [Said("nothing is open")]

    def _buttons(self, row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        if not self._may_trade:
            return ()
        name = row["id"][-8:]
        word = "sell" if row["held"] > 0 else "cancel"
        return ((word, f"{word} {name}"),)

    # -- what is done ------------------------------------------------------------------------------

    def _asked(self, chat: int, word: str, subject: str) -> Said:
        if not self._may_trade:
            return Said(_ONLY_READS)
        fields: dict[str, Any] = {"command": word}
        what = {"resume": "let entries begin again", "flatten": "SELL EVERYTHING"}.get(word, "")
        if word in ("sell", "cancel"):
            row = self._named(subject)
            if row is None:
                return Said(f"no open position, or several, end with {clean(subject, 40) or '...'}")
            fields["position_id"] = row["id"]
            what = f"{word} {_position(row)}"
        if word not in _TRADES:
            return self._send(fields)
        code = self._code()
        self._pending[chat] = _Pending(code, self._now() + CONFIRM_SECONDS, fields)
        return Said(f"to {what}: type {code} within {CONFIRM_SECONDS:.0f} s")

    def _named(self, subject: str) -> dict[str, Any] | None:
        with Snapshot(self._state) as copy:
            rows = [r for r in copy.positions() if subject and r["id"].endswith(subject.lower())]
        return rows[0] if len(rows) == 1 else None

    def _confirmed(self, pending: _Pending | None, code: str) -> Said:
        if pending is None or code != pending.code or self._now() > pending.until:
            return Said("nothing was done: that number is not, or no longer, the one asked for")
        return self._send(pending.fields)

    def _send(self, fields: dict[str, Any]) -> Said:
        if holder(self._state) is None:
            return Said("nothing was done: no node is running")
        now = datetime.fromtimestamp(time.time(), UTC).isoformat()
        stated = {"created_at": now, "id": uuid7(), "source": "telegram", **fields}
        command, spool = from_fields(stated), Spool(self._state)
        queue(spool, stated, command)
        until = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < until:
            reply = answer(spool, command.id)
            if reply is not None:
                return Said(clean(f"{reply.code} {reply.message}".strip(), 500))
            time.sleep(0.05)
        return Said(f"queued; no answer within {_ANSWER_SECONDS:.0f} s")


def _position(r: dict[str, Any]) -> str:
    held = f"{plain(r['held'])} of {plain(r['size'])}"
    entry = "" if r["entry_price"] is None else f" bought at {plain(r['entry_price'])}"
    bid = "no bid" if r["current_price"] is None else f"bid {plain(r['current_price'])}"
    stop = "none" if r["stop_in_force"] is None else plain(r["stop_in_force"])
    target = "none" if r["sell_price"] is None else plain(r["sell_price"])
    open_profit = r["unrealized_pnl"]
    profit = "" if open_profit is None else f", {r['realized_pnl'] + open_profit:+.2f} USDC"
    name = clean(f"{r['market']} {r['outcome']}", 120)
    return f"{name}: {held}{entry}, {bid}, stop {stop}, target {target}{profit} ({r['id'][-8:]})"
