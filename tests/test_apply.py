"""Declared positions: what differs is shown and done, and applying again changes nothing."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result
from small_node import Node
from stage import START
from typer.testing import CliRunner

from cli.main import app
from positions.model.events import OrderClosed
from positions.model.position import OrderEnd
from positions.storage.snapshot import Snapshot

RUN = CliRunner()
D = Decimal
RAIN = """
[[position]]
name = "rain"
market = "rain-in-london"
outcome = "Yes"
max_bid = 0.55
size = 100
target = ["0.60:50%", "0.70"]
stop = "10%"
"""
DRY = """
[[position]]
name = "dry"
market = "rain-in-london"
outcome = "Yes"
max_bid = "0.50"
size = 10
"""

HELD = """
[[position]]
name = "held"
command = "adopt"
market = "rain-in-london"
outcome = "Yes"
entry_price = 0.50
target = "+40%"
stop = "10%"
"""


class Applied(Node):
    """A node, and a file that is applied to it."""

    def apply(self, text: str, *options: str) -> Result:
        file = self.state.parent / "positions.toml"
        file.write_text(text)
        return RUN.invoke(
            app, ["apply", str(file), "--queue", "--state", str(self.state), *options]
        )

    def row(self) -> dict[str, object]:
        with Snapshot(self.state) as copy:
            (row,) = copy.positions()
            return row


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Applied]:
    made = Applied(tmp_path)
    yield made
    made.store.close()


def test_a_dry_run_queues_nothing(node: Applied) -> None:
    done = node.apply(RAIN, "--dry-run")
    assert (done.exit_code, done.stdout) == (0, "rain: would open it\n")
    assert node.work() == 0


def test_applying_twice_changes_nothing_queued_or_open(node: Applied) -> None:
    assert "rain: open it" in node.apply(RAIN + DRY).stdout
    again = node.apply(RAIN + DRY)
    assert again.stdout == "rain: is queued already\ndry: is queued already\n"
    assert node.work() == 2
    assert node.apply(RAIN + DRY).stdout == "rain: is as declared\ndry: is as declared\n"
    assert node.work() == 0


# fmt: off
CHANGES: dict[str, tuple[tuple[str, str], str, dict[str, object]]] = {
    "another stop": (('stop = "10%"', 'stop = 0.47'), "stop_loss_price 10% -> 0.47", {"stop_loss_price": D("0.47")}),
    "no stop": (('stop = "10%"', ''), "stop_loss_price 10% -> none", {"stop_loss_price": None}),
    "another max bid": (("max_bid = 0.55", "max_bid = 0.54"), "max_bid_price 0.55 -> 0.54", {"max_bid_price": D("0.54")}),
    "one target": (('["0.60:50%", "0.70"]', '"0.65"'), "targets 0.6:50% -> none", {"sell_price": D("0.65"), "terms": {"stop_below": "10%"}}),
    "another last target": (('"0.70"]', '"0.80"]'), "sell_price 0.7 -> 0.8", {"sell_price": D("0.80"), "terms": {"targets": "0.6:50%", "stop_below": "10%"}}),
    "no target": (('target = ["0.60:50%", "0.70"]', ''), "targets 0.6:50% -> none", {"sell_price": None, "terms": {"stop_below": "10%"}}),
    "a trail": (('stop = "10%"', 'stop = "10%"\ntrail = 0.05'), "trail none -> 0.05", {"terms": {"targets": "0.6:50%", "stop_below": "10%", "trail": "0.05"}}),
}
# fmt: on


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_amended_once(node: Applied, name: str) -> None:
    (old, new), said, expected = CHANGES[name]
    node.apply(RAIN)
    node.work()
    changed = RAIN.replace(old, new)
    assert said in node.apply(changed).stdout
    assert node.work() == 1
    row = node.row()
    assert {field: row[field] for field in expected} == expected
    assert node.apply(changed).stdout == "rain: is as declared\n"


def test_what_is_held_already_is_declared_like_the_rest(node: Applied) -> None:
    assert "held: open it" in node.apply(HELD).stdout
    assert node.work() == 1
    row = node.row()
    assert (row["size"], row["sell_price"], row["stop_loss_price"]) == (100, D("0.70"), D("0.45"))
    assert node.apply(HELD).stdout == "held: is as declared\n"
    assert "stop_loss_price 10% -> 20%" in node.apply(HELD.replace("10%", "20%")).stdout
    assert node.work() == 1
    done = node.apply(HELD.replace("10%", "20%") + "shares = 40\n")
    assert done.stdout == "held: cannot be changed: size is 100, declared 40\n"
    followed = HELD.replace('stop = "10%"', "trail = 0.05")
    assert "trail none -> 0.05" in node.apply(followed).stdout
    assert node.work() == 1
    assert node.apply(followed).stdout == "held: is as declared\n"


# fmt: off
RELATIVE = {
    # what is declared, what is declared then, what differs, the stop before and after
    "a stop": ('stop = "10%"', 'stop = "20%"', "stop_loss_price 10% -> 20%", ("0.45", "0.40")),
    "a target": ('stop = "10%"\ntarget = "+20%"', 'stop = "10%"\ntarget = "+30%"', "sell_price 20% -> 30%", ("0.45", "0.45")),
    "a target for a part": ('target = ["+10%:50%", "+20%"]', 'target = ["+15%:50%", "+20%"]', "targets +10%:50% -> +15%:50%", (None, None)),
    "a trail": ("trail = 0.05", "trail = 0.06", "trail 0.05 -> 0.06", ("0.45", "0.44")),
    "a trail in place of a stop": ('stop = "10%"', "trail = 0.06", "stop_loss_price 10% -> 0.06", ("0.45", "0.44")),
    "a price in place of a trail": ("trail = 0.05", "stop = 0.43", "stop_loss_price 0.05 -> 0.43", ("0.45", "0.43")),
    "a trail that waits": ("trail = 0.05", "trail = 0.05\ntrail_from = 0.60", "trail_from none -> 0.6", ("0.45", None)),
}
# fmt: on


@pytest.mark.parametrize("name", RELATIVE)
def test_terms_are_compared_not_the_prices_that_they_come_to(node: Applied, name: str) -> None:
    before, after, said, (first, then) = RELATIVE[name]
    node.show(D("0.49"), D("0.50"))  # under the max bid, from which nothing counts
    text = DRY.replace('"0.50"', '"0.60"') + before + "\n"
    node.apply(text)
    node.work()
    assert node.row()["stop_loss_price"] == (None if first is None else D(first))
    assert node.apply(text).stdout == "dry: is as declared\n"
    changed = text.replace(before, after)
    assert said in node.apply(changed).stdout
    assert node.work() == 1
    assert node.row()["stop_loss_price"] == (None if then is None else D(then))
    assert node.apply(changed).stdout == "dry: is as declared\n"


def test_an_amendment_that_sells_at_once_is_refused_unless_now_is_given(node: Applied) -> None:
    node.show(D("0.53"), D("0.54"))
    node.apply(HELD)
    node.work()
    changed = HELD.replace('"10%"', "0.53")
    node.apply(changed)
    node.work()
    assert node.row()["phase"] == "holding"
    node.apply(changed, "--now")
    node.work()
    assert node.row()["phase"] == "exiting"


def test_what_cannot_be_changed_is_said_and_left(node: Applied) -> None:
    node.apply(RAIN)
    node.work()
    done = node.apply(RAIN.replace("size = 100", "size = 90"))
    assert done.exit_code == 1
    assert done.stdout == "rain: cannot be changed: size is 100, declared 90\n"
    assert node.work() == 0


def test_a_refused_declaration_may_be_corrected(node: Applied) -> None:
    node.apply(RAIN.replace("size = 100", "size = 1"))
    node.work()
    assert "rain: open it" in node.apply(RAIN).stdout
    assert node.work() == 1
    assert node.row()["size"] == 100


def test_a_position_that_is_over_stays_over(node: Applied) -> None:
    node.apply(RAIN)
    node.work()
    position_id = str(node.row()["id"])
    RUN.invoke(app, ["cancel", position_id, "--queue", "--state", str(node.state)])
    node.work()
    (entry,) = node.engine.positions[position_id].orders
    gone = OrderClosed(time=START, order_id=entry.id, end=OrderEnd.CANCELED)
    node.engine.event(position_id, gone)
    node.work()
    assert node.apply(RAIN).stdout == "rain: is cancelled\n"
    assert node.work() == 0


def test_what_an_apply_that_was_killed_left_out_is_queued_by_the_next(node: Applied) -> None:
    node.apply(RAIN)  # as if it had been killed before the second
    assert "dry: open it" in node.apply(RAIN + DRY).stdout
    assert node.work() == 2
    assert node.apply(RAIN + DRY).stdout == "rain: is as declared\ndry: is as declared\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "must hold its requests as [[positions]]"),
        ("[[position]]\nmarket='m'", "position 1: name was None, must be given"),
        (RAIN + RAIN, "position 2: name was 'rain', must be given and be its own"),
        (RAIN.replace("0.55", "5.5"), "position rain: max_bid was 5.5"),
        (RAIN + "command = 'flatten'", "position rain: market was"),
        ("[[position]]\nname='x'\ncommand='flatten'", "must be submit or adopt in a declaration"),
        (RAIN + "colour = 'red'", "position rain: colour was 'red', is not a field"),
        ("[[", "is not TOML"),
    ],
)
def test_a_bad_file_is_one_line_and_queues_nothing(node: Applied, text: str, said: str) -> None:
    done = node.apply(text)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert node.work() == 0


# fmt: off
FIXED = {
    "another market": (("rain-in-london", "rain-in-paris"), "market is rain-in-london, declared rain-in-paris"),
    "a stake in place of the size": (("size = 100", "stake = 50"), "stake was none, declared 50"),
    "a risk in place of the size": (("size = 100", "risk = 5"), "risk was none, declared 5"),
    "a maker alone": (("size = 100", "size = 100\npost_only = true"), "post_only was False, declared True"),
    "an entry that expires": (("size = 100", 'size = 100\nexpires = "2h"'), "expires was none, declared 7200000000000"),
}
# fmt: on


@pytest.mark.parametrize("name", FIXED)
def test_every_field_that_cannot_be_changed_is_refused_by_name(node: Applied, name: str) -> None:
    node.apply(RAIN)
    node.work()
    (old, new), said = FIXED[name]
    done = node.apply(RAIN.replace(old, new))
    assert done.exit_code == 1
    assert done.stdout == f"rain: cannot be changed: {said}\n"
    assert node.work() == 0


def test_another_stake_is_refused_by_name(node: Applied) -> None:
    staked = RAIN.replace("size = 100", "stake = 50")
    node.apply(staked)
    node.work()
    assert node.apply(staked).stdout == "rain: is as declared\n"
    done = node.apply(staked.replace("stake = 50", "stake = 60"))
    assert done.stdout == "rain: cannot be changed: stake was 50, declared 60\n"
