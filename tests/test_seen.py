"""What views say of what is not known, and what a dispute counts that its owner has seen."""

from decimal import Decimal
from pathlib import Path

import pytest
from small_node import Node
from stage import START
from typer.testing import CliRunner

from cli.main import app
from cli.output import profit
from cli.views import _count_alarms
from positions.commands.messages import from_fields
from positions.engine.balances import BALANCE_LAG
from positions.model import events
from positions.model.position import Role
from positions.storage.snapshot import Snapshot
from positions.storage.spool import uuid7

RUN = CliRunner()
D = Decimal

# fmt: off
PROFITS = {
    # status, held, realized, unrealized, shown
    "nothing is bought": (("open", "0", "0", None), "+0.00"),
    "no bid tells what it would bring": (("open", "20", "0", None), "?"),
    "a part is sold, and no bid for the rest": (("open", "12", "1.5", None), "?"),
    "a bid tells it": (("open", "20", "0", "-0.4"), "-0.40"),
    "some is sold and some held": (("open", "12", "1.5", "-0.4"), "+1.10"),
    "all is sold": (("closed", "0", "1.5", None), "+1.50"),
    "dust is left": (("closed", "0.5", "1.5", None), "+1.50"),
}
# fmt: on


@pytest.mark.parametrize("name", PROFITS)
def test_the_profit_that_is_shown(name: str) -> None:
    (status, held, realized, unrealized), shown = PROFITS[name]
    row = {"status": status, "held": D(held), "realized_pnl": D(realized)}
    row["unrealized_pnl"] = None if unrealized is None else D(unrealized)
    assert profit(row) == shown


def counted(node: Node, *options: str) -> int:
    """How many alarms `status` counts."""
    node.store.flush()
    node.copier.publish_last()
    with Snapshot(node.state) as copy:
        return _count_alarms(node.state, copy.open_alarms(), is_seen="--seen" in options)


def test_a_dispute_that_was_seen_hides_no_later_alarm(tmp_path: Path) -> None:
    node = Node(tmp_path)
    (m,) = node.engine.markets.values()
    position_id = uuid7()
    asked = {"market": m.market_id, "outcome": m.outcome_id, "max_bid": "0.55", "size": "20"}
    node.engine.command(from_fields({"command": "submit", "id": position_id, **asked}))
    node.show(D("0.54"), D("0.55"))
    node.work()
    told = {"price": D("0.55"), "shares": D(20), "fee": D(0), "liquidity": "maker"}
    entry = node.engine.positions[position_id].live(Role.ENTRY)[0].id
    filled = events.OrderFilled(time=START, order_id=entry, trade_id="T", role=Role.ENTRY, **told)
    node.engine.event(position_id, filled)
    node.work()
    assert counted(node) == 0

    def lacks(balance: str) -> None:
        for _ in range(2):
            node.engine.balance_seen(m.outcome_id, D(balance), START + 2 * BALANCE_LAG)
            node.work()

    lacks("12")
    assert [counted(node), counted(node, "--seen"), counted(node)] == [1, 0, 0]
    lacks("5")
    assert counted(node) == 1, "another dispute is another alarm"
    assert counted(node, "--seen") == 0
    node.engine.feed_changed(m.outcome_id, "silent", START)
    node.work()
    assert counted(node) == 1, "and so is another alarm"
    shown = RUN.invoke(app, ["status", "--state", str(node.state)])
    assert "polybracket close" in shown.output
    node.store.close()
