"""What the documentation says of the simulated venue's optimism is what is measured."""

import os
from pathlib import Path

import optimism
import pytest
import recorded
from recorded import D

DOCUMENT = Path(__file__).parents[1] / "docs" / "simulated-venue.md"
LINES = optimism.lines(DOCUMENT.read_text(encoding="utf-8"))


def test_every_recording_has_its_figure() -> None:
    assert list(LINES) == list(recorded.NAMES)


@pytest.mark.parametrize(("shares", "money"), [("5", "2.50"), ("30", "14.00"), ("99", "14.00")])
def test_a_sale_takes_bid_after_bid(shares: str, money: str) -> None:
    assert optimism.paid([(D("0.5"), D(20)), (D("0.4"), D(10))], D(shares)) == D(money)


@pytest.mark.skipif("POSITIONS" not in os.environ, reason="takes minutes: see `make recordings`")
@pytest.mark.skipif(not recorded.FOLDER.is_dir(), reason="the shared recordings are not here")
@pytest.mark.parametrize("name", recorded.NAMES)
def test_the_figure_is_what_is_measured(name: str) -> None:
    assert optimism.line(name) == LINES[name]
