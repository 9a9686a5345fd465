"""A node's desk without the node: the engine, the record, the published copy and the queue.

What a person or a program sends through the queue is answered by the engine, in this thread, when
`serve` is called, or all the time on a thread of its own inside `serving`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from stage import LIMITS, Cue, Stage

from positions.commands.fields import Malformed
from positions.commands.messages import Refusal, decode, encode_reply, refused
from positions.commands.validation import Limits
from positions.engine.effects import Alarm, Answer, Effect, Step
from positions.storage.pulse import Pulse
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.spool import Spool
from positions.storage.store import Store


class Desk(Stage):
    """One market's engine with a state folder."""

    def __init__(
        self, state: Path, limits: Limits = LIMITS, mode: str = "replay", **changes: Any
    ) -> None:
        super().__init__(limits, **changes)
        self.state = state
        self.spool = Spool(state)
        self.store = Store(state / "positions.duckdb", lambda f: f(), lambda _: None)
        self.pulse = Pulse(int, clock=lambda: 0.0)
        about = NodeRow(mode=mode, catalog="c", is_synthetic=True)
        self._writer = SnapshotWriter(
            state,
            self.store.cursor,
            self.engine,
            lambda: Decimal(0),
            lambda: self.now,
            about,
            list,
            self.pulse,
        )

    def note(self, effect: Effect) -> None:
        match effect:
            case Step():
                self.store.step(effect)
            case Alarm():
                self.store.alarm(effect)
            case Answer(command, reply):
                if command is not None:
                    self.store.command(command, reply)
                self.spool.reply(reply.id, encode_reply(reply))

    def play(self, *cues: Cue) -> None:
        """Play cues, and publish what came of them."""
        for cue in cues:
            cue(self)
        self.publish()

    def publish(self) -> None:
        """Make the copy that readers see."""
        self.store.flush()
        self.pulse.beat()
        self._writer.publish()
        thread = self._writer._thread
        assert thread is not None
        thread.join()
        assert not self._writer.trouble()

    def serve(self) -> None:
        """Answer what waits."""
        for path in self.spool.waiting():
            try:
                command = decode(self.spool.read(path), path.stem)
            except Malformed as e:
                reply = refused(path.stem, Refusal("MALFORMED", str(e)), self.now)
                self.spool.reject(path, encode_reply(reply))
                continue
            self.engine.command(command)
            self.run()
            self.spool.finish(path)
            self.publish()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer what comes while the block runs."""
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.wait(0.01):
                self.serve()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def close(self) -> None:
        """Close the record."""
        self.store.close()
