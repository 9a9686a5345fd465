"""The example that compares stops: the same entries for each, and pairs counted as they ended."""

import importlib.util
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from positions.operations.settings import load
from recordings.catalog import Recording
from recordings.sample import make_sample

D = Decimal
ROOT = Path(__file__).parents[1]
BOUGHT = (D(10), D("0.55"))


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = ROOT / "examples" / "compare_stops.py"
    spec = importlib.util.spec_from_file_location("compare_stops", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stops") / "sample"
    make_sample(folder)
    return folder


def test_the_entries_are_the_same_for_a_seed(example: ModuleType, sample: Path) -> None:
    one, two, other = (example.entries(Recording(sample), 40, seed) for seed in (1, 1, 2))
    assert one == two != other
    assert len(one) == 40
    for r in one:
        stop, max_bid, target = (D(r[name]) for name in ("stop", "max_bid", "target"))
        assert max_bid - stop in example.DISTANCES
        assert target - max_bid == 2 * (max_bid - stop)


def test_every_kind_of_stop_is_tried_on_the_same_entries(example: ModuleType, sample: Path) -> None:
    settings = load(ROOT / "config" / "backtest.toml", backtest={"catalog": str(sample)})
    requests = example.entries(Recording(sample), 20, 1)
    runs = {kind: example.play(settings, kind, requests) for kind in example.KINDS}
    bought = [{i: e.bought for i, e in ended.items()} for _, ended in runs.values()]
    assert len(bought[0]) > 10
    assert all(b == bought[0] for b in bought)
    for totals, ended in runs.values():
        assert totals.net_profit == sum(e.profit for e in ended.values())
    assert len({tuple(ended.values()) for _, ended in runs.values()}) > 1, "all stops did the same"


def test_pairs_are_counted_as_they_ended(example: ModuleType) -> None:
    def ended(reason: str, profit: str, bought: Any = BOUGHT) -> Any:
        return example.Ended(bought, reason, reason == "stop", D(profit))

    # shaken out twice, stopped in both, stopped in the other alone, and one not bought alike
    plain = ["stop -1", "stop -1.5", "stop -2", "target 3", "stop -9"]
    other = ["target 2", "settlement -5", "stop -2.5", "stop 0.5", "target 9"]
    found: dict[str, dict[str, Any]] = {kind: {} for kind in example.KINDS}
    for number, (one, two) in enumerate(zip(plain, other, strict=True)):
        found["plain"][str(number)] = ended(*one.split())
        found["trailing"][str(number)] = ended(*two.split())
    found["trailing"]["4"] = ended("target", "9", (D(5), D("0.55")))
    *_, row = example.shaken_table(found)
    assert row == (
        "| trailing | 4 | 2 | 1 settlement, 1 target | -2.50 | -3.00"
        " | 1 | -2.00 | -2.50 | 1 | +3.00 | +0.50 |"
    )
