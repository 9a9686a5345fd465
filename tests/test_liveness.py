"""A hostile variant of each kind that is played on one node, and a few of the others; more of them:
`make liveness`."""

from liveness.acts import ALONE, BETWEEN, TOGETHER, act_of, kind_of, sample
from liveness.watch import play

SEED = 1
CHEAP = (*TOGETHER, "row", "terminal")
"""Of the kinds that need a node of their own, one of each sort."""


def test_the_other_position_is_sold_whatever_is_done() -> None:
    failed = play(SEED, sample(1, CHEAP), workers=1)
    assert not failed, "\n".join(
        f"make liveness SEED={SEED} VARIANT={number}: {why}" for number, why in failed.items()
    )


def test_a_variant_is_the_same_every_time_and_every_kind_comes() -> None:
    names = [act_of(7, number).name for number in range(50)]
    assert names == [act_of(7, number).name for number in range(50)]
    assert {kind_of(n) for n in range(100)} == {*TOGETHER, *BETWEEN, *ALONE}
