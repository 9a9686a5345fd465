"""What has been over for long is let go, and only that."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from nautilus_trader.live.node import TradingNode
from stage import ID, START, Cue, Stage, ended, filled, order, quote, resolved, submit
from trading import record

from actors import cache_purge
from bridge.venue import VENUE
from node import Node
from positions.model.durations import SECOND
from positions.model.position import Role
from positions.operations.settings import load
from positions.storage.spool import Spool
from recordings.sample import make_sample

CONFIG = """
mode = "replay"
state = "{folder}/state"
[replay]
catalog = "{folder}/sample"
speed = "max"
[account]
cash = 5000
"""
REQUEST = {
    "command": "submit",
    "market": "synthetic-rain-in-london",
    "outcome": "Yes",
    "max_bid": "0.55",
    "size": "20",
    "at": "2026-03-02T12:00:05Z",
}
BOUGHT = (submit(), quote("0.53", "0.55"), filled(Role.ENTRY, "100", "0.55"))


def _played(*cues: Cue) -> Stage:
    stage = Stage()
    for cue in cues:
        cue(stage)
    return stage


@pytest.mark.parametrize(
    "cues",
    [
        (submit(),),
        BOUGHT,
        (*BOUGHT, resolved("1")),  # the venue has not said yet that its orders are off
    ],
)
def test_of_what_something_may_still_come_is_kept(cues: tuple[Cue, ...]) -> None:
    stage = _played(*cues)
    assert stage.engine.forget(START + 1000 * SECOND) == []
    assert ID in stage.engine.positions


def test_what_is_over_is_kept_for_a_while_and_then_let_go() -> None:
    stage = _played(submit(), order("cancel"), ended(Role.ENTRY))
    assert stage.position.is_over
    assert stage.engine.forget(START) == []
    (gone,) = stage.engine.forget(START + 1)
    assert gone.order_ids == [f"{ID}-1"]
    assert stage.engine.positions == {}
    assert (stage.engine.funds().reserved, stage.engine.funds().staked) == (0, 0)
    stage.command("sell", position_id=ID)
    assert stage.replies[-1].code == "UNKNOWN_POSITION"
    assert "over for more than a day" in stage.replies[-1].message


def test_nautilus_lets_go_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_purge, "KEPT", timedelta(minutes=1))
    monkeypatch.setattr(cache_purge, "EVERY", timedelta(seconds=30))
    make_sample(tmp_path / "sample")
    (tmp_path / "node.toml").write_text(CONFIG.format(folder=tmp_path))
    spool = Spool(tmp_path / "state")
    for fields in (REQUEST | {"stop": "0.53"}, REQUEST):
        spool.put(json.dumps(fields).encode())
    node = Node(load(tmp_path / "node.toml"))

    async def play(trading: TradingNode, is_idle: Callable[[], bool]) -> None:
        await node._mode.play(trading, is_idle)
        (kept,) = node.strategy.engine.positions.values()
        assert kept.request.stop_loss_price is None
        assert [p.id.value for p in trading.cache.positions()] == [kept.id]
        assert [o.client_order_id.value for o in trading.cache.orders()] == kept.order_ids
        assert trading.cache.account_for_venue(VENUE).event_count < 5

    assert node.run(play) == 0
    (left,) = record(tmp_path / "state").open_positions()
    assert left.request.stop_loss_price is None
