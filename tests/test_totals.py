"""What all positions come to: sums by day, market and exit; what has no bid is not worth nothing."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from small_node import D, Node
from stage import START
from typer.testing import CliRunner

from cli.main import app
from positions.model.events import OrderFilled
from positions.model.position import Role
from positions.storage.totals import By, closed_on, grouped, totals

RUN = CliRunner()
DAY = 86_400 * 10**9


def row(market: str, **values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "market": market,
        "status": "open",
        "phase": "holding",
        "volume": D(10),
        "held": D(10),
        "entry_price": D("0.50"),
        "current_price": D("0.60"),
        "unrealized_pnl": D("0.90"),
        "realized_pnl": D(0),
        "fees": D("0.05"),
        "exit_time": None,
        "exit_reason": None,
        "updated_at": START,
    }
    return known | values


def over(market: str, profit: str, reason: str | None, days: int = 0) -> dict[str, Any]:
    ended = {"status": "closed", "phase": "closed", "held": D(0), "exit_time": START + days * DAY}
    profits = {"unrealized_pnl": None, "realized_pnl": D(profit), "exit_reason": reason}
    return row(market, **ended, **profits)


ROWS = [
    row("rain"),
    row("rain", current_price=None, unrealized_pnl=None),
    row("sun", held=D(4), realized_pnl=D("0.50")),
    row("sun", volume=D(0), held=D(0), entry_price=None, unrealized_pnl=None),
    over("rain", "2.00", "target"),
    over("sun", "-1.50", "stop", days=1),
    over("snow", "0", "settlement", days=1),
]
GROUPS = {
    By.DAY: ["2026-04-13", "2026-04-14", "open"],
    By.MARKET: ["rain", "snow", "sun"],
    By.EXIT: ["settlement", "stop", "target", "open"],
}


def test_the_sums_of_all() -> None:
    t = totals(ROWS)
    assert (t.positions, t.open, t.won, t.lost, t.without_bid) == (6, 3, 1, 1, 1)
    assert (t.invested, t.value) == (D("12.0"), D("8.4"))  # 10 + 10 + 4 at 0.50; 10 + 4 at 0.60
    assert (t.open_pnl, t.realized_pnl, t.fees) == (D("1.80"), D("1.00"), D("0.30"))


@pytest.mark.parametrize("by", By)
def test_groups_add_up_to_all(by: By) -> None:
    made = grouped(ROWS, by)
    assert [t.key for t in made] == GROUPS[by]
    for name in ("positions", "invested", "value", "realized_pnl", "fees", "without_bid"):
        assert sum(getattr(t, name) for t in made) == getattr(totals(ROWS), name)


def test_a_day_has_what_was_over_then() -> None:
    assert [r["market"] for r in closed_on(ROWS, date(2026, 4, 14))] == ["sun", "snow"]


def bought(tmp_path: Path, count: int) -> Node:
    node = Node(tmp_path)
    node.show(D("0.50"), D("0.52"))
    state = ["--state", str(node.state)]
    asked = ["rain-in-london", "Yes", "--max-bid", "0.55", "--size", "30", "--queue", "--again"]
    for _ in range(count):
        assert RUN.invoke(app, ["submit", *asked, *state]).exit_code == 0
    node.work()
    for p in list(node.engine.positions.values()):
        fill = {"trade_id": f"t-{p.id}", "shares": D(30), "price": D("0.52"), "fee": D("0.1")}
        about = {"order_id": p.orders[0].id, "role": Role.ENTRY, "liquidity": "taker"}
        node.engine.event(p.id, OrderFilled(time=START, **about, **fill))
    node.work()
    node.store.close()
    return node


def test_the_summary_is_shown_and_every_story_is_one_stream(tmp_path: Path) -> None:
    node = bought(tmp_path, 3)
    state = ["--state", str(node.state)]
    shown = RUN.invoke(app, ["summary", "--by", "market", *state])
    assert shown.exit_code == 0, shown.output
    assert "rain-in-london" in shown.stdout
    assert "open: 3, invested 46.80, worth 45.00 at the bids" in shown.stdout
    assert "today: 0 closed" in shown.stdout
    rows = [
        json.loads(x)
        for x in RUN.invoke(app, ["summary", "--json", *state]).stdout.split("\n")[:-1]
    ]
    assert [r["key"] for r in rows] == ["open", "total"]
    assert rows[1]["invested"] == "46.8"
    streamed = RUN.invoke(app, ["show", "--all", "--json", *state]).stdout.splitlines()
    stories = [json.loads(line) for line in streamed]
    assert len(stories) == 3
    for story in stories:
        (one,) = RUN.invoke(app, ["show", story["id"], "--json", *state]).stdout.splitlines()
        assert json.loads(one) == story
    done = RUN.invoke(app, ["show", *state])
    assert (done.exit_code, "must name a position" in done.stderr) == (2, True)
