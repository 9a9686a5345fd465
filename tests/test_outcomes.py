"""What is said once a request was answered: what it came to, and what may not have been meant."""

from pathlib import Path
from typing import Any

import pytest
from small_node import D, Node
from stage import START
from typer.testing import CliRunner

import cli.sending
from cli.main import app
from positions.commands.doubts import doubts
from positions.commands.messages import Reply, from_fields
from positions.model.events import OrderAccepted, OrderFilled
from positions.model.position import Role
from positions.storage import known_nodes
from positions.storage.locks import StateLock
from positions.storage.outcomes import entry_outcome, sale_outcome
from positions.storage.snapshot import Snapshot
from positions.storage.spool import uuid7

RUN = CliRunner()
ASKED = {"market": "rain-in-london", "outcome": "Yes", "max_bid": "0.55", "size": "20"}
ROW: dict[str, Any] = {
    "id": uuid7(),
    "market": "rain-in-london",
    "market_id": "0xc0ffee",
    "outcome": "Yes",
    "outcome_id": "1001",
    "status": "open",
    "phase": "entering",
    "size": D("20.00"),
    "volume": D(0),
    "held": D(0),
    "max_bid_price": D("0.55"),
    "entry_price": None,
    "sell_price": D("0.7"),
    "stop_in_force": D("0.45"),
    "floor_price": D(0),
    "waiting_for": None,
    "realized_pnl": D(0),
    "terms": {},
}
TERMS = "; target 0.7, stop 0.45"
SENT = {"kind": "order_sent", "role": "entry"}
WORKING = {"kind": "order_accepted", "order_id": "x-1"}


def bought(shares: str, price: str = "0.52", role: str = "entry") -> dict[str, Any]:
    fill = {"kind": "order_filled", "role": role, "shares": shares, "price": price}
    return fill | {"fee": "0.10"}


def refused(reason: str) -> dict[str, Any]:
    return {"kind": "order_closed", "end": "rejected", "reason": reason}


# fmt: off
ENTRIES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str, bool]] = {
    "nothing is known yet": ({}, [SENT], f"not on the book yet{TERMS}", False),
    "it rests": ({}, [SENT, WORKING], f"resting: 20 at 0.55, nothing is bought yet{TERMS}", False),
    "all is bought": (
        {"volume": D(20), "held": D(20), "entry_price": D("0.52"), "phase": "holding"}, [SENT, WORKING, bought("12"), bought("8")],
        f"bought 20 at 0.52, fee 0.20{TERMS}", True),
    "a part is bought": (
        {"volume": D(12), "held": D(12), "entry_price": D("0.52"), "phase": "filling"}, [SENT, WORKING, bought("12")],
        f"bought 12 at 0.52, fee 0.10 of 20; the rest rests at 0.55{TERMS}", False),
    "a part, and no more": (
        {"volume": D(12), "held": D(12), "entry_price": D("0.52"), "phase": "holding"}, [SENT, WORKING, bought("12")],
        f"bought 12 at 0.52, fee 0.10 of 20; the rest rests at 0.55{TERMS}", True),
    "the venue refuses": ({"status": "cancelled", "phase": "cancelled"}, [SENT, refused("not enough balance")], "nothing is bought: not enough balance", True),
    "a trail that waits": (
        {"stop_in_force": None, "waiting_for": "trail_from", "floor_price": D("0.4"), "terms": {"trail": "5%", "stop_confirm": "3s"}}, [WORKING],
        "resting: 20 at 0.55, nothing is bought yet; target 0.7, stop none yet, floor 0.4, trail 5%, stop confirm 3s", False),
}
ASK = {"kind": "sale_asked", "command_id": "c"}
SALES: dict[str, tuple[list[dict[str, Any]], str | None, bool]] = {
    "of another request": ([{"kind": "sale_asked", "command_id": "d"}, bought("5", "0.60", "exit")], None, False),
    "nothing yet": ([ASK], "nothing is sold", False),
    "in two parts, of which a target is one": (
        [bought("20"), ASK, bought("6", "0.60", "exit"), bought("4", "0.65", "target"), {"kind": "sale_ended"}, bought("5", "0.30", "exit")],
        "sold 10 at 0.62: 6.00 USDC after 0.20 of fees; profit of the position +1.50, 10 are held", True),
}
# fmt: on


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry(name: str) -> None:
    changes, events, text, is_final = ENTRIES[name]
    found = entry_outcome(ROW | changes, events)
    assert (found.text, found.is_final) == (text, is_final)


@pytest.mark.parametrize("name", SALES)
def test_a_sale(name: str) -> None:
    events, text, is_final = SALES[name]
    row = ROW | {"held": D(10), "realized_pnl": D("1.5")}
    found = sale_outcome(row, events, "c")
    assert (found and found.text) == text
    assert found is None or found.is_final == is_final


def test_what_an_entry_came_to_is_read_from_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Node(tmp_path)
    node.show(D("0.50"), D("0.52"))
    c = from_fields({"command": "submit", "id": uuid7(), **ASKED, "stop": "0.45"})
    node.engine.command(c)
    node.work()
    (p,) = node.engine.positions.values()
    (order,) = p.orders
    filled = OrderFilled(
        time=START,
        order_id=order.id,
        role=Role.ENTRY,
        trade_id="t",
        shares=D(20),
        price=D("0.52"),
        fee=D("0.2"),
        liquidity="taker",
    )
    for event in (OrderAccepted(time=START, order_id=order.id, venue_order_id="v"), filled):
        node.engine.event(p.id, event)
        node.work()
    reply = Reply(id=c.id, status="accepted", message="", position_id=p.id)
    monkeypatch.setattr(cli.sending.time, "monotonic", lambda: 0.0)
    cli.sending._follow(c, reply, node.state, 1.0)
    assert capsys.readouterr().out == "bought 20 at 0.52, fee 0.20; target none, stop 0.45\n"
    node.store.close()


def submit(**changes: Any) -> Any:
    return from_fields({"command": "submit", "id": uuid7(), **ASKED, **changes})


# fmt: off
DOUBTS: dict[str, tuple[Any, dict[str, Any], int, list[str]]] = {
    "nothing before": (submit(), {"status": "closed"}, 61, []),
    "the same": (submit(market="https://polymarket.com/event/x/RAIN-in-london", outcome="yes"), {}, 12, ["the same was asked for 12 s ago"]),
    "another size": (submit(size="21"), {}, 12, []),
    "another stop": (submit(stop="0.3"), {}, 12, []),
    "the other outcome of what is held": (submit(outcome="No"), {"held": D(5)}, 12, ["holds 5 Yes of rain-in-london, which is the other outcome"]),
    "the other outcome of what is not bought yet": (submit(outcome="No"), {}, 12, []),
    "the other outcome of what is over": (submit(outcome="No"), {"held": D(5), "status": "closed"}, 12, []),
    "more of what is held": (submit(size="30"), {"held": D(5)}, 12, []),
}
# fmt: on


@pytest.mark.parametrize("name", DOUBTS)
def test_a_doubt(name: str) -> None:
    asked, changes, age, said = DOUBTS[name]
    found = doubts(asked, [(submit(), age)], [ROW | changes])
    assert len(found) == len(said)
    assert all(text in one for text, one in zip(said, found, strict=True))


def test_the_preview_tells_the_book_and_both_prices(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.show(D("0.50"), D("0.52"))
    node.engine.command(submit(stop="0.45", target="0.70", dry_run=True))
    node.work()
    (told,) = (node.state / "replies").iterdir()
    text = told.read_text()
    assert "dry run: bid 0.50 (1000 shares), ask 0.52 (1000 shares); would buy 20 at 0.55" in text
    assert "bought at the ask 0.52: for 10.60 with fee; offer 20 at 0.70" in text
    node.store.close()


def test_a_node_of_this_machine_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POLYBRACKET_STATE", raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    node = Node(tmp_path / "work")
    node.work()
    node.store.close()
    there = tmp_path / "work" / "state"
    other = tmp_path / "other" / "state"
    other.mkdir(parents=True)
    for folder in (there, other):
        known_nodes.register(folder)
    assert set(known_nodes.known()) == {there, other}
    assert RUN.invoke(app, ["positions"]).exit_code == 1  # none runs
    with StateLock(there, "replay"):
        assert known_nodes.running() == [there]
        done = RUN.invoke(app, ["positions"])
        assert done.exit_code == 0, done.output
        assert f"the running node, replay: {there}" in done.stderr
        assert RUN.invoke(app, ["positions", "--state", "work/state"]).exit_code == 0
        assert RUN.invoke(app, ["positions", "--state", "state"]).exit_code == 1  # two end so
        with StateLock(other, "replay"):
            assert RUN.invoke(app, ["positions"]).exit_code == 1  # which one is not said
    with Snapshot(there) as copy:
        assert copy.positions() == []


def test_what_waits_is_shown(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.work()
    state = ["--state", str(node.state)]
    typed = ["rain-in-london", "Yes", "--max-bid", "0.55", "--size", "20", "--queue"]
    assert RUN.invoke(app, ["submit", *typed, *state]).exit_code == 0
    (file,) = node.spool.waiting()
    for view in ("positions", "status"):
        shown = RUN.invoke(app, [view, *state]).output
        assert f"queued {file.stem[-8:]}: buy 20 shares of rain-in-london Yes at 0.55" in shown
    node.store.close()
