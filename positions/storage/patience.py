"""Waiting for what a disk may never finish."""

import threading
from collections.abc import Callable

HUNG_SECONDS = 15.0
"""A disk that has taken nothing for so long hangs."""
HUNG = "the disk does not answer"


def ends_within(seconds: float, work: Callable[[], object]) -> bool:
    """Do work on a thread of its own; whether it ended within so many seconds.

    The thread keeps no process from ending. What the work raises goes to `threading.excepthook`.
    """
    thread = threading.Thread(target=work, name="patience", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
