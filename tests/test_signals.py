"""Signals: when a price cross asks for a position, and that its caps hold over every restart."""

import importlib.util
import tomllib
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from small_node import Node
from stage import START

from positions.commands.signals import PriceCross, Watcher

D = Decimal
EXAMPLES = Path(__file__).parents[1] / "examples"


def signal(**changes: Any) -> PriceCross:
    """Up through 0.56, three times for 20 USDC each, within 60 USDC."""
    values: dict[str, Any] = {
        "name": "rise",
        "market": "rain-in-london",
        "outcome": "Yes",
        "crosses": "up",
        "level": D("0.56"),
        "request": {"max_bid": "0.58", "stake": 20, "stop": "15%"},
        "positions_max": 3,
        "stake_max": D(60),
        "pause_seconds": 60,
    }
    return PriceCross(**values | changes)


# fmt: off
# name: (changes, [(seconds, ask)], asked at these)
CROSSES: dict[str, tuple[dict[str, Any], list[tuple[int, str | None]], list[int]]] = {
    "the level is reached from below": ({}, [(0, "0.55"), (1, "0.56")], [1]),
    "a tick under the level is not": ({}, [(0, "0.54"), (1, "0.55")], []),
    "what stands beyond at first has not crossed": ({}, [(0, "0.57"), (1, "0.58")], []),
    "what stays beyond crosses once": ({}, [(0, "0.55"), (1, "0.56"), (99, "0.57")], [1]),
    "what comes back crosses again": (
        {}, [(0, "0.55"), (1, "0.56"), (61, "0.55"), (62, "0.56")], [1, 62]),
    "within the pause it does not": (
        {}, [(0, "0.55"), (1, "0.56"), (2, "0.55"), (60, "0.56")], [1]),
    "after the pause it does": ({}, [(0, "0.55"), (1, "0.56"), (2, "0.55"), (61, "0.56")], [1, 61]),
    "an empty side is no crossing": ({}, [(0, "0.55"), (1, None), (2, "0.56")], [2]),
    "downwards": ({"crosses": "down", "level": D("0.40")}, [(0, "0.41"), (1, "0.40")], [1]),
    "no more positions than its cap": (
        {"positions_max": 1}, [(0, "0.55"), (1, "0.56"), (100, "0.55"), (200, "0.56")], [1]),
    "no more stake than its cap": (
        {"stake_max": D("39.99")}, [(0, "0.55"), (1, "0.56"), (100, "0.55"), (200, "0.56")], [1]),
    "as much stake as its cap": (
        {"stake_max": D(40)}, [(0, "0.55"), (1, "0.56"), (100, "0.55"), (200, "0.56")], [1, 200]),
}
# fmt: on


@pytest.mark.parametrize("name", CROSSES)
def test_crosses(name: str) -> None:
    changes, views, asked = CROSSES[name]
    watcher = Watcher(signal(**changes), lambda _: False)
    found = [
        at
        for at, ask in views
        if watcher.see(None if ask is None else D(ask), START + at * 10**9) is not None
    ]
    assert found == asked


def test_a_watcher_that_begins_anew_counts_what_was_asked() -> None:
    known = {signal().fields(0)["id"], signal().fields(1)["id"]}
    watcher = Watcher(signal(), known.__contains__)
    assert (watcher.asked, watcher.may_ask) == (2, True)
    watcher.see(D("0.55"), START)
    fields = watcher.see(D("0.56"), START)
    assert fields == signal().fields(2)
    assert not watcher.may_ask


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"level": D(1)}, "level was 1"),
        ({"name": ""}, "name was ''"),
        ({"name": "hausse à Paris"}, "name was .*, must be .* printable ASCII"),
        ({"name": "x" * 61}, "name was"),
        ({"level": D("NaN")}, "level was NaN"),
        ({"stake_max": D("NaN")}, "stake_max was NaN"),
        ({"stake_max": D("Infinity")}, "stake_max was Infinity"),
        ({"stake_max": D(0)}, "stake_max was 0"),
        ({"pause_seconds": 10**30}, "pause_seconds was 1"),
        ({"positions_max": 0}, "positions_max was 0"),
        ({"pause_seconds": -1}, "pause_seconds was -1"),
        ({"request": {"max_bid": "0.5"}}, "request.stake was not given"),
        ({"request": {"max_bid": "5", "stake": 5}}, "request: max_bid was 5"),
    ],
)
def test_a_signal_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        signal(**changes)


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("price_cross", EXAMPLES / "price_cross.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_another_program_opens_positions_within_its_caps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path)
    other = program()
    asks = iter(["0.55", "0.56", "0.57", "0.55", "0.56", "0.55", "0.56"])

    def step(_: float) -> None:
        node.show(D("0.50"), D(next(asks)))
        node.work()

    monkeypatch.setattr(other.time, "sleep", step)
    node.show(D("0.50"), D("0.54"))
    node.work()
    own = signal(pause_seconds=0, positions_max=2)
    other.watch(node.state, own)
    node.work()
    assert sorted(node.engine.positions) == sorted(own.fields(n)["id"] for n in (0, 1))
    assert {p.request.max_bid_price for p in node.engine.positions.values()} == {D("0.58")}
    other.watch(node.state, own)  # begun anew it asks for nothing more
    assert node.work() == 0
    node.store.close()


def test_the_example_signal_is_sound() -> None:
    text = (EXAMPLES / "price_cross.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text, parse_float=Decimal), PriceCross)
    assert (found.positions_max, found.stake) == (2, 50)
