"""Where what happens is recorded, told and answered: the store, the story and the replies."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from nautilus_trader.common.component import Clock, MessageBus

from bridge.messages import ALARMS, BELL_ALARM, REPLIES, STORY
from positions.commands.messages import Command, Reply
from positions.engine.effects import Alarm, Answer, Step
from positions.model.foreign_text import REASON_LENGTH, clean
from positions.model.position import Order
from positions.storage.store import Store
from positions.storage.submit_log import SentLog

_SET_ASIDE_MAX = 20
"""So many alarms of what was set aside stay open; a further one takes the place of the last."""


class NodeJournal:
    """Records in the store first, and tells the message bus.

    Parameters
    ----------
    msgbus
        Where the story, the alarms and the replies are published.
    clock
        The node's time, for what the journal itself has to tell.
    """

    store: Store
    sent: SentLog

    def __init__(self, msgbus: MessageBus, clock: Clock) -> None:
        self._msgbus = msgbus
        self._clock = clock
        self._own: dict[str, str] = {}
        self._sent_failure = ""
        self.on_record: Callable[[bool], None] = lambda _: None
        """Told whether the record can be written."""

    def together(self) -> AbstractContextManager[None]:
        """What is recorded inside is on disk as a whole, or not at all."""
        return self.store.together()

    def step(self, step: Step, on_commit: Callable[[], None] | None = None) -> None:
        """Record a step; call back once it is on disk."""
        self.store.step(step, on_commit)
        self._msgbus.publish(STORY, step)

    def signed(self, order_id: str, venue_order_id: str, order: Order | None) -> None:
        """Record, at once, what the venue may soon know a sale by."""
        why = self.sent.write(order_id, venue_order_id, order)
        if why != self._sent_failure:  # the sale goes out all the same
            self._sent_failure = why
            text = f"sent.log {_state(why)}"
            self._msgbus.publish(ALARMS, self._own_alarm("sent_log", text, is_open=bool(why)))

    def step_signed(self, step: Step) -> None:
        """Record the step of a sale that `signed` noted."""
        self.store.step(step, self.sent.recorded)
        self._msgbus.publish(STORY, step)

    def answer(self, answer: Answer) -> None:
        """Record a reply and, once it is on disk, give it."""
        reply = answer.reply
        if answer.command is None:
            self.store.late_reply(reply, lambda: self._msgbus.publish(REPLIES, reply))
        else:
            self._record(answer.command, reply)

    def refused(self, command: Command, reply: Reply) -> None:
        """Record a command that never reached the engine; then give its reply."""
        self._record(command, reply)

    def _record(self, command: Command, reply: Reply) -> None:
        self.store.command(command, reply, lambda: self._msgbus.publish(REPLIES, reply))

    def alarm(self, alarm: Alarm) -> None:
        """Record an alarm and tell it."""
        self.store.alarm(alarm)
        self._msgbus.publish(ALARMS, alarm)

    def halted(self, halted: bool) -> None:
        """Record whether new entries are off."""
        self.store.set("halted", "yes" if halted else "no")

    def store_failed(self, why: str) -> None:
        """Tell that nothing can be recorded, or that it can again."""
        text = f"the record {_state(why)}"
        if why:
            text += "; nothing is bought, exits go on, and what happens is written when it can be"
        self._msgbus.publish(ALARMS, self._own_alarm("store", text, is_open=bool(why)))
        self.on_record(not why)

    def clock_jumped(self, what: str) -> None:
        """Record and tell that time did not pass as it should, or that this is long ago."""
        text = what or "time has passed as it should for a while"
        self.alarm(self._own_alarm("clock", text, is_open=bool(what)))

    def market_missing(self, market: str, *, is_open: bool) -> None:
        """Record and tell that a market of open positions cannot be found, or is found again."""
        text = f"{market}: the market cannot be found; its positions are NOT protected"
        self.alarm(self._own_alarm(f"market {market}", text, is_open=is_open))

    def unforeseen(self, error: BaseException, log: Path) -> None:
        """Record and tell that something failed which nobody expected to; the node goes on."""
        text = f"unexpected {type(error).__name__}: {clean(error)}; details in {log}"
        self.alarm(self._own_alarm("unexpected", text, is_open=True))

    def set_aside(self, what: str) -> None:
        """Record and tell that something cannot be written, or be read, and that all else is."""
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

    def bell_failed(self, why: str) -> None:
        """Record and tell that the alarm command fails, or that it works again."""
        text = f"the alarm command {why or 'works again'}"
        text += "; it is tried again" if why else ""
        self.alarm(self._own_alarm(BELL_ALARM, text, is_open=bool(why)))

    def stood(self, what: str) -> None:
        """Record and tell that the node did not do its work, or that it does again."""
        self.alarm(self._own_alarm("stuck", what or "the node does its work", is_open=bool(what)))

    def thread_ended(self, name: str) -> None:
        """Record and tell that a thread which the node needs has ended."""
        text = f"the thread {name!r} has ended, and its work is not done; start the node anew"
        self.alarm(self._own_alarm(f"thread {name}", text, is_open=True))

    def recording_failed(self, why: str) -> None:
        """Tell that market data cannot be recorded, or that it can again."""
        text = why or "market data is recorded again"
        self.alarm(self._own_alarm("record", text, is_open=bool(why)))


def _state(why: str) -> str:
    return f"cannot be written: {why}" if why else "is written again"
