"""A real node killed on a venue of another mind than the loopback; more: `make other-venue`."""

from pathlib import Path

from other_venue.kills import run

BUYS_IN_BOTH_MARKETS_AND_FALLS_WHILE_DEAD = 32


def test_a_node_killed_on_the_other_venue_sells_what_is_its_own(tmp_path: Path) -> None:
    assert run(BUYS_IN_BOTH_MARKETS_AND_FALLS_WHILE_DEAD, 1, tmp_path) == []
