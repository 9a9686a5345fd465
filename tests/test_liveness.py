"""A few hostile variants of each kind; more of them: `make liveness`."""

import pytest
from liveness.acts import ALONE, BETWEEN, TOGETHER, act_of, kind_of, sample
from liveness.watch import play

SEED = 1
SAMPLES = {
    "acts on one node": (2, TOGETHER),
    "what an earlier node left": (1, BETWEEN),
    "terminals and signals": (1, ALONE),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_other_position_is_sold_whatever_is_done(name: str) -> None:
    each, kinds = SAMPLES[name]
    failed = play(SEED, sample(each, kinds), workers=1)
    assert not failed, "\n".join(
        f"make liveness SEED={SEED} VARIANT={number}: {why}" for number, why in failed.items()
    )


def test_a_variant_is_the_same_every_time_and_every_kind_comes() -> None:
    names = [act_of(7, number).name for number in range(50)]
    assert names == [act_of(7, number).name for number in range(50)]
    assert {kind_of(n) for n in range(100)} == {*TOGETHER, *BETWEEN, *ALONE}
