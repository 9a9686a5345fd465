"""A small storm over a live node, and that storms spare no fault; big ones: `make storm`."""

import os
import random
from pathlib import Path

from loopback.faults import Faults
from loopback.server import LoopbackPolymarket
from storm import UNPROTECTED_LOOKS_MAX, Size, run
from weather import SWITCHES, Weather


def test_a_storm_leaves_our_ledger_and_the_venues_the_same(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED") or 1)
    storm = run(seed, Size(positions=10, markets=3, seconds=10), tmp_path)
    assert storm.watch.bare_looks <= UNPROTECTED_LOOKS_MAX, storm.watch.worst


def test_a_storm_knows_every_fault() -> None:
    ways = {"optional_fields"}  # of the venue, for the whole of a storm
    switches = {name for name in vars(Faults()) if name != "messages"} - ways
    assert switches - {"http", "mode_ends_at"} <= set(SWITCHES)
    with LoopbackPolymarket() as venue:
        weather = Weather(venue, [venue.add_market("m")], random.Random(1))
        calm = vars(Faults())
        for switch in SWITCHES.values():
            switch(weather)
        touched = {name for name, value in vars(venue.faults).items() if value != calm[name]}
        assert touched == set(calm) - ways
        weather.clear()
        assert vars(venue.faults) == calm
