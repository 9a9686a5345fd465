"""Each defect of the adapter that we mend: it is there in the stock clients, and not in ours.

A probe whose stock column no longer holds tells that a newer adapter has mended the defect: what
mends it here can go. The table in docs/adapter-defects.md is made of the same rows.
"""

import asyncio
import traceback
from pathlib import Path

import pytest
from defects import successor
from defects.lab import Lab
from defects.starts import our_starts, stock_starts
from defects.table import DEFECTS, STARTS, Defect, printed_into
from loopback.server import LoopbackPolymarket
from trading import chosen_of


async def play(lab: Lab, defects: list[Defect]) -> dict[str, str]:
    """What each probe says."""
    seen: dict[str, str] = {}

    async def probe(defect: Defect) -> None:
        try:
            seen[defect.title] = await defect.play(lab.market())
        except Exception:
            seen[defect.title] = traceback.format_exc()

    for when in ("at the start", "first", "together", "alone"):
        chosen = [d for d in defects if d.when == when]
        if when == "together":
            await asyncio.gather(*map(probe, chosen))
        else:
            for defect in chosen:
                await probe(defect)
                lab.venue.faults.clear()
    return seen


def play_all(titles: list[str], *, is_ours: bool) -> dict[str, str]:
    """Play probes on one node."""
    seen: dict[str, str] = {}

    async def live(venue: LoopbackPolymarket) -> None:
        async def act(lab: Lab) -> None:
            seen.update(await play(lab, [DEFECTS[title] for title in titles]))

        await Lab(venue, is_ours=is_ours).run(act)

    with LoopbackPolymarket() as venue:
        asyncio.run(live(venue))
    return seen


def chosen(request: pytest.FixtureRequest) -> list[str]:
    wanted = set(chosen_of(request))
    return [title for title in DEFECTS if title in wanted]


@pytest.fixture(scope="module")
def stock(request: pytest.FixtureRequest) -> dict[str, str]:
    return play_all(chosen(request), is_ours=False)


@pytest.fixture(scope="module")
def ours(request: pytest.FixtureRequest) -> dict[str, str]:
    return play_all(chosen(request), is_ours=True)


@pytest.mark.xdist_group("defects-stock")
@pytest.mark.parametrize("name", DEFECTS)
def test_the_stock_clients_have_it(name: str, stock: dict[str, str]) -> None:
    assert stock[name] == DEFECTS[name].stock


@pytest.mark.xdist_group("defects-ours")
@pytest.mark.parametrize("name", DEFECTS)
def test_ours_have_it_not(name: str, ours: dict[str, str]) -> None:
    assert ours[name] == DEFECTS[name].ours


@pytest.fixture(scope="module")
def stock_start() -> dict[str, str]:
    return stock_starts()


@pytest.fixture(scope="module")
def our_start(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return our_starts(tmp_path_factory.mktemp("starts"))


@pytest.mark.xdist_group("defects-stock-starts")
@pytest.mark.parametrize("name", STARTS)
def test_the_stock_clients_start_with_it(name: str, stock_start: dict[str, str]) -> None:
    assert stock_start[name] == STARTS[name].stock


@pytest.mark.xdist_group("defects-our-starts")
@pytest.mark.parametrize("name", STARTS)
def test_ours_start_without_it(name: str, our_start: dict[str, str]) -> None:
    assert our_start[name] == STARTS[name].ours


def test_the_documentation_shows_the_table_as_it_is() -> None:
    text = (Path(__file__).parents[1] / "docs" / "adapter-defects.md").read_text(encoding="utf-8")
    assert printed_into(text) == text, "run `make defects`"


def test_each_verdict_on_the_next_adapter_is_of_one_row() -> None:
    titles = [*successor.HAS, *successor.HAS_NOT, *successor.UNTOLD]
    assert len(titles) == len(set(titles))
    assert set(titles) <= {*DEFECTS, *STARTS}
