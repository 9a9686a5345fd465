"""A real node killed on a venue of another mind than the loopback; more: `make other-venue`."""

from pathlib import Path

from other_venue.kills import run


def test_a_node_killed_on_the_other_venue_sells_what_is_its_own(tmp_path: Path) -> None:
    assert run(1, 2, tmp_path) == []
