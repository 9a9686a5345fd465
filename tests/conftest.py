"""What tests of several files share."""

import time
from collections.abc import Callable
from typing import Any

import pytest

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
