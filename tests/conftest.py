"""What tests of several files share."""

import math
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pytest

_OWN = tempfile.TemporaryDirectory(prefix="polybracket-tests")
os.environ["XDG_STATE_HOME"] = _OWN.name
"""No test finds the nodes of another process, or of the machine."""
PATIENCE = 20.0
"""Seconds that something which happens soon may take on a busy machine."""


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], None]:
    """Waits until something is true, and fails where it never is."""

    def wait(is_true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_true():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    return wait


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how long positions were unprotected after the restarts of a whole sweep."""
    if os.environ.get("CRASHES") != "all":
        return
    reports = terminalreporter.getreports("passed")
    measured = [p for r in reports if r.when == "call" for p in r.user_properties]
    for name in dict.fromkeys(name for name, _ in measured):
        millis = sorted(int(str(value)) / 1e6 for key, value in measured if key == name)
        middle, worst = (millis[math.ceil(part * len(millis)) - 1] for part in (0.5, 0.99))
        terminalreporter.write_line(
            f"{name.replace('_', ' ')}: p50 {middle:.0f} ms, p99 {worst:.0f} ms,"
            f" at most {millis[-1]:.0f} ms, {len(millis)} restarts with shares held"
        )
