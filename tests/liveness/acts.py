"""Which act a variant is: the table of kinds, and how many of a hundred variants are of each."""

import random
from collections.abc import Callable, Iterable

from liveness import answers, disks, files, frames, leftovers, names, processes
from liveness.processes import Alone
from liveness.scene import Act

TOGETHER: dict[str, tuple[int, Callable[[random.Random], Act]]] = {
    "file": (13, files.one_file),
    "odd file": (6, files.odd_file),
    "blocked reply": (3, files.blocked_reply),
    "flood": (3, files.flood),
    "market frame": (23, frames.market_frame),
    "phantom": (2, frames.phantom),
    "user frame": (17, frames.user_frame),
    "answers of orders": (6, answers.of_orders),
    "answers of the sale": (3, answers.of_own_order),
    "answers of questions": (7, answers.of_questions),
    "name": (1, names.name),
    "slow disk": (1, disks.slow),
    "failing disk": (2, disks.failing),
    "full disk": (1, disks.full),
}
"""Played one after the other on one node."""
BETWEEN: dict[str, tuple[int, Callable[[random.Random], Act]]] = {
    "row": (3, leftovers.row),
    "line": (1, leftovers.line),
    "state file": (1, leftovers.file),
    "queue": (1, leftovers.queue),
    "answers of a start": (1, answers.of_a_start),
}
"""Played between two lives of a node."""
ALONE: dict[str, tuple[int, Callable[[random.Random], Alone]]] = {
    "terminal": (1, processes.terminal),
    "signal": (1, processes.sent),
    "frozen": (1, processes.frozen),
    "standing": (1, processes.standing),
    "starved": (1, processes.starved),
}
"""Played on a process each."""
_SCHEDULE = [
    kind
    for table in (TOGETHER, BETWEEN, ALONE)
    for kind, (often, _) in table.items()
    for _ in range(often)
]


def kind_of(number: int) -> str:
    """The kind of a variant: every hundred of them have each as often as the tables say."""
    hundred, place = divmod(number, len(_SCHEDULE))
    order = random.Random(f"order {hundred}").sample(_SCHEDULE, len(_SCHEDULE))
    return order[place]


def chance_of(seed: int, number: int) -> random.Random:
    """All chance of a variant."""
    return random.Random(f"{seed} {number}")


def act_of(seed: int, number: int) -> Act | Alone:
    """What a variant is."""
    kind = kind_of(number)
    for table in (TOGETHER, BETWEEN, ALONE):
        if kind in table:
            return table[kind][1](chance_of(seed, number))  # type: ignore[operator,index]
    raise KeyError(kind)


def sample(each: int, kinds: Iterable[str]) -> list[int]:
    """The first variants of each kind, so many of them."""
    wanted = dict.fromkeys(kinds, each)
    found = []
    for number in range(100 * len(_SCHEDULE)):
        kind = kind_of(number)
        if wanted.get(kind):
            wanted[kind] -= 1
            found.append(number)
        if not any(wanted.values()):
            break
    return found
