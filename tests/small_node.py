"""A node without Nautilus: the engine, the record and its copy, fed from the queue of a folder."""

from decimal import Decimal
from pathlib import Path

from stage import LIMITS, START, market

from positions.commands.messages import Adopt, decode, encode_reply
from positions.engine.adoption import Holding
from positions.engine.effects import Answer, Step
from positions.engine.engine import Engine
from positions.storage.pulse import Pulse
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.spool import Spool
from positions.storage.store import Store

D = Decimal


class Node:
    """Acts on what is queued when it is told to work."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.spool = Spool(self.state)
        self.engine = Engine(LIMITS, cash=D(1000), strict=True)
        self.engine.list_market(market())
        self.store = Store(self.state / "positions.duckdb", lambda f: f(), lambda _: None)
        about = NodeRow(mode="replay", pid=1, started_at=0, catalog="c", is_synthetic=False)
        self.copier = SnapshotWriter(
            self.state,
            self.store.cursor,
            self.engine,
            lambda: D(0),
            lambda: 0,
            about,
            list,
            Pulse(lambda: 0),
        )

    def work(self) -> int:
        """Act on what is queued and publish; how many commands there were."""
        files = self.spool.waiting()
        for path in files:
            command = decode(self.spool.read(path), path.stem)
            if isinstance(command, Adopt):
                self.engine.adopt(command, Holding(D(100)))
            else:
                self.engine.command(command)
            self.spool.finish(path)
        for effect in self.engine.turn(START):
            if isinstance(effect, Step):
                self.store.step(effect)
            elif isinstance(effect, Answer):
                self.spool.reply(effect.reply.id, encode_reply(effect.reply))
        self.store.flush()
        self.copier.publish_last()
        return len(files)

    def show(self, bid: Decimal, ask: Decimal) -> None:
        """The book's best prices are now these."""
        (m,) = self.engine.markets.values()
        m.show(bid, D(1000), ask, D(1000), START)
        self.engine.viewed(m.outcome_id)
