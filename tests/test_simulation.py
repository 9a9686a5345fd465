"""Seeded lives of the money core against the simulated venue, with what must hold at every step."""

import os

import pytest
from world import World

LIVES = int(os.environ.get("LIVES", "2000"))
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_every_life_keeps_the_promise(part: int) -> None:
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(part, LIVES, PARTS)
    for seed in seeds:
        try:
            World(seed).live(rounds=40)
        except BaseException as e:
            e.add_note(f"replay this life with SEED={seed} LIVES=1")
            raise
