"""A node that kills itself, as `kill -9` would, at one instant of what it does.

    python tests/crash_node.py CONFIG CATALOG STATE INSTANT NUMBER

Instants: `before` and `after` the NUMBERth commit, or the NUMBERth `moment` of the recording, in
the midst of what it causes. With `never` the node runs to its end.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import node
from positions.operations.settings import load
from positions.storage.store import Store
from venues.replay import Replay


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(config: str, catalog: str, state: str, instant: str, number: int) -> int:
    count = 0
    write, settle = Store._write, Replay._settle

    def counted_write(self: Store, rows: list[Any]) -> None:
        nonlocal count
        count += instant in ("before", "after")
        if (instant, count) == ("before", number):
            die()
        write(self, rows)
        if (instant, count) == ("after", number):
            die()

    async def counted_settle(self: Replay) -> None:
        nonlocal count
        count += instant == "moment"
        if (instant, count) == ("moment", number):
            self._is_idle = die  # type: ignore[assignment]
        await settle(self)

    Store._write, Replay._settle = counted_write, counted_settle  # type: ignore[method-assign]
    settings = load(Path(config), catalog=catalog, speed="max", state=state)
    return node.run(settings)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5], int(sys.argv[5])))
