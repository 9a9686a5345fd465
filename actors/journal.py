"""Records what happens, and publishes it once it is recorded: steps, alarms and replies."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from nautilus_trader.common.component import Clock, MessageBus

from bridge.aside import call_from_thread
from bridge.messages import ALARMS, BELL_ALARM, REPLIES, STORY
from bridge.venue_messages import WALLET_TROUBLES
from positions.commands.messages import Command, Reply
from positions.engine.effects import Alarm, Answer, Step
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.position import Order
from positions.storage import submit_log
from positions.storage.store import Store
from positions.storage.submit_log import SentLog

_SET_ASIDE_MAX = 20
"""So many alarms of what was set aside stay open; a further one takes the place of the last."""


class NodeJournal:
    """Records in the store first, and publishes on the message bus."""

    def __init__(
        self, state: Path, loop: asyncio.AbstractEventLoop, msgbus: MessageBus, clock: Clock
    ) -> None:
        self._msgbus = msgbus
        self._clock = clock
        self._own: dict[str, str] = {}
        self._sent_failure = ""
        self.on_record: Callable[[bool], None] = lambda _: None
        """Called with whether the record can be written."""
        path = state / "positions.duckdb"
        self.store = Store(path, partial(call_from_thread, loop), self.store_failed)
        self.store.on_set_aside = self.set_aside
        log = state / "sent.log"
        self.logged = submit_log.read(log)
        """The orders that an earlier process logged."""
        self.sent = SentLog(log)
        msgbus.subscribe(topic=WALLET_TROUBLES, handler=self._on_wallet_trouble)

    def together(self) -> AbstractContextManager[None]:
        """Commit what is recorded inside as one transaction."""
        return self.store.together()

    def step(
        self,
        step: Step,
        on_commit: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Record a step; call back once it is on disk, or can never be."""
        self.store.step(step, on_commit, on_lost)
        self._msgbus.publish(STORY, step)

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Record the hash of a sale at once, before it is posted."""
        why = self.sent.write(order_id, venue_order_id, order)
        if why != self._sent_failure:  # the sale is submitted all the same
            self._sent_failure = why
            text = f"sent.log {_state(why)}"
            self._msgbus.publish(ALARMS, self._own_alarm("sent_log", text, is_open=bool(why)))

    def step_signed(self, step: Step) -> None:
        """Record the step of a sale whose hash `signed` recorded."""
        self.store.step(step, self.sent.recorded, on_lost=_keep)
        self._msgbus.publish(STORY, step)

    def answer(self, answer: Answer) -> None:
        """Record a reply and, once it is on disk, publish it."""
        reply = answer.reply
        if answer.command is None:
            self.store.late_reply(reply, lambda: self._msgbus.publish(REPLIES, reply))
        else:
            self._record(answer.command, reply)

    def refused(self, command: Command, reply: Reply) -> None:
        """Record a command that never reached the engine; then publish its reply."""
        self._record(command, reply)

    def _record(self, command: Command, reply: Reply) -> None:
        self.store.command(command, reply, lambda: self._msgbus.publish(REPLIES, reply))

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm and publish it."""
        self.store.alarm(alarm)
        self._msgbus.publish(ALARMS, alarm)

    def halted(self, halted: bool) -> None:
        """Record whether trading is halted: no new entries."""
        self.store.set("halted", "yes" if halted else "no")

    def store_failed(self, why: str) -> None:
        """Publish an alarm: nothing can be recorded; or end it."""
        text = f"the record {_state(why)}"
        if why:
            text += "; nothing is bought, exits go on, and what happens is written when it can be"
        self._msgbus.publish(ALARMS, self._own_alarm("store", text, is_open=bool(why)))
        self.on_record(not why)

    def helper_failed(self, what: str, why: str) -> None:
        """Raise an alarm: something beside the event loop goes wrong; or end it."""
        text = f"{what}: {why or 'that is over'}"
        self.alarm(self._own_alarm(what, text, is_open=bool(why)))

    def clock_jumped(self, what: str) -> None:
        """Raise an alarm: time did not pass as it should; or end it."""
        text = what or "time has passed as it should for a while"
        self.alarm(self._own_alarm("clock", text, is_open=bool(what)))

    def wallet_unread(self, why: str) -> None:
        """Raise an alarm: it is not known what the wallet has, until the first look at it."""
        text = f"{why}; nothing is bought until it can be, and stops are armed all the same"
        self.alarm(self._own_alarm("wallet", text, is_open=True))

    def _on_wallet_trouble(self, why: str) -> None:
        """Raise an alarm: the wallet cannot be read any more; or end it."""
        text = "the wallet can be read"
        if why:
            text = f"{why}; what its owner trades elsewhere is not seen, and stops stay armed"
        if why or "wallet" in self._own:
            self.alarm(self._own_alarm("wallet", text, is_open=bool(why)))

    def without_dead_man(self, text: str) -> None:
        """Raise an alarm, until the next start: nothing is cancelled once the node is dead."""
        self.alarm(self._own_alarm("dead_man", text, is_open=True))

    def market_missing(self, market: str, is_missing: bool) -> None:
        """Raise an alarm: a market of open positions cannot be found; or end it."""
        text = f"{market}: the market cannot be found; its positions are NOT protected"
        self.alarm(self._own_alarm(f"market {market}", text, is_open=is_missing))

    def unforeseen(self, error: BaseException, log: Path) -> None:
        """Raise an alarm: an unexpected error, after which the node goes on."""
        text = f"unexpected {type(error).__name__}: {clean(error)}; details in {log}"
        self.alarm(self._own_alarm("unexpected", text, is_open=True))

    def set_aside(self, what: str) -> None:
        """Raise an alarm: one entry cannot be written, or be read; all others are."""
        number = 1 + sum(kind.startswith("set_aside") for kind in self._own)
        kind = f"set_aside {min(number, _SET_ASIDE_MAX)}"
        self.alarm(self._own_alarm(kind, f"set aside: {what}", is_open=True))

    def _own_alarm(self, kind: str, text: str, *, is_open: bool) -> Alarm:
        text = clean(text, REASON_LENGTH)
        if is_open:
            self._own[kind] = text
        else:
            self._own.pop(kind, None)
        return Alarm(self._clock.timestamp_ns(), "", kind, text, is_open=is_open)

    def open_alarms(self) -> list[tuple[str, str, str]]:
        """The open alarms of the node itself, as the engine has those of positions."""
        return [("", kind, text) for kind, text in self._own.items()]

    def tell_open_alarms(self) -> None:
        """Publish the node's own alarms to those who could not listen when they were raised."""
        now = self._clock.timestamp_ns()
        for kind, text in self._own.items():
            self._msgbus.publish(ALARMS, Alarm(now, "", kind, text, is_open=True))

    def bell_failed(self, why: str) -> None:
        """Raise an alarm: the alarm command fails; or end it."""
        text = f"the alarm command {why or 'works again'}"
        text += "; it is tried again" if why else ""
        self.alarm(self._own_alarm(BELL_ALARM, text, is_open=bool(why)))

    def stood(self, what: str) -> None:
        """Raise an alarm: the event loop is stuck; or end it."""
        self.alarm(self._own_alarm("stuck", what or "the node does its work", is_open=bool(what)))

    def thread_ended(self, name: str) -> None:
        """Raise an alarm: a thread that the node needs has ended."""
        text = f"the thread {name!r} has ended, and its work is not done; start the node anew"
        self.alarm(self._own_alarm(f"thread {name}", text, is_open=True))

    def recording_failed(self, why: str) -> None:
        """Raise an alarm: market data cannot be recorded; or end it."""
        text = why or "market data is recorded again"
        self.alarm(self._own_alarm("record", text, is_open=bool(why)))


def _keep() -> None:
    """The note stays in `sent.log`: what the record cannot hold reaches the next start so."""


def _state(why: str) -> str:
    return f"cannot be written: {why}" if why else "is written again"
