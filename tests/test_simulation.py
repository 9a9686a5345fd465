"""Seeded lives of the money core against the simulated venue, with what must hold at every step."""

import os

import pytest
from crashes import CrashingWorld
from world import World

LIVES = {
    World: int(os.environ.get("LIVES", "2000")),
    CrashingWorld: int(os.environ.get("LIVES", "600")),
}
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("world", [World, CrashingWorld])
def test_every_life_keeps_the_promise(world: type[World], part: int) -> None:
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else range(part, LIVES[world], PARTS)
    for seed in seeds:
        try:
            world(seed).live(rounds=40)
        except BaseException as e:
            e.add_note(f"replay this life with SEED={seed} LIVES=1")
            raise
