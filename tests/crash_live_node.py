"""A live node that kills itself, as `kill -9` would, at one instant of what it does.

    python tests/crash_live_node.py CONFIG INSTANT NUMBER

Instants, `before-` or `after-` the NUMBERth: `commit` to the database, line of the `log` of sales,
`post` of an order, `delete` of one. With `never` the node runs until it is stopped.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from py_clob_client_v2.client import ClobClient

import node
from positions.operations.settings import load
from positions.storage.store import Store
from positions.storage.submit_log import SentLog

BOUNDARIES: dict[str, tuple[type, str]] = {
    "commit": (Store, "_write"),
    "log": (SentLog, "write"),
    "post": (ClobClient, "post_order"),
    "delete": (ClobClient, "cancel_order"),
}


def dies(do: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    """The same function; the process ends before or after its NUMBERth call."""
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = do(*args, **kwargs)
        if calls == number and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return call


def main(config: str, instant: str, number: int) -> int:
    if instant != "never":
        when, _, boundary = instant.partition("-")
        kind, name = BOUNDARIES[boundary]
        setattr(kind, name, dies(getattr(kind, name), when, number))
    return node.run(load(Path(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
