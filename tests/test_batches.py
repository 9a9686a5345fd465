"""A recording read from its middle: what holds comes first, and nothing that is not so any more."""

from collections.abc import Iterator

import pytest
from nautilus_trader.model.data import QuoteTick

from recordings.catalog import Recording
from recordings.sample import make_sample


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("batches") / "sample"
    make_sample(folder)
    return Recording(folder)


def books(batch: list[object]) -> dict[str, str]:
    """The last bid and ask that a batch shows of each outcome."""
    quotes: Iterator[QuoteTick] = (d for d in batch if isinstance(d, QuoteTick))
    return {q.instrument_id.value: f"{q.bid_price} {q.ask_price}" for q in quotes}


@pytest.mark.parametrize("number", [1, 40, 400])
def test_a_moment_is_shown_again_with_what_else_holds(recording: Recording, number: int) -> None:
    whole = list(recording.batches())
    begin, last = whole[number]
    holds: dict[str, str] = {}
    for _, batch in whole[: number + 1]:
        holds |= books(batch)
    (moment, first), (following, second) = list(recording.batches(begin))[:2]
    assert (moment, books(first)) == (begin, holds)
    assert len([d for d in first if isinstance(d, QuoteTick)]) == len(holds), "an old book is shown"
    assert [str(d) for d in first[-len(last) :]] == [str(d) for d in last]
    assert (following, len(second)) == (whole[number + 1][0], len(whole[number + 1][1]))


def test_between_two_moments_what_holds_comes_before_the_next(recording: Recording) -> None:
    whole = list(recording.batches())
    (moment, first), (again, second) = list(recording.batches(whole[40][0] + 1))[:2]
    assert moment == again == whole[41][0]
    assert len(books(first)) >= len(books(second))
    assert [str(d) for d in second] == [str(d) for d in whole[41][1]]
