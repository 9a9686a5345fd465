"""Generated nonsense ends nothing: a sample here, more by `make fuzz N=100000`."""

import os
from collections.abc import Callable

import fuzz
import pytest

RUNS = int(os.environ.get("FUZZ", "300"))
PARTS = 8
WAYS: dict[str, Callable[[int], None]] = {
    "turn": lambda seed: fuzz.Fuzz(seed).run(),
    "take up": fuzz.take_up,
    "start": fuzz.start,
}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("way", WAYS)
def test_nothing_raises_past_its_boundary(way: str, part: int) -> None:
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(part, RUNS, PARTS)
    for seed in seeds:
        try:
            WAYS[way](seed)
        except Exception as e:
            e.add_note(f"replay this run with SEED={seed}")
            raise
