"""Nothing that a row, a line or an answer holds keeps a node from starting, or the rest from it."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from loopback.server import LoopbackPolymarket
from msgspec.structs import replace
from stage import ID, Stage, filled, quote, submit
from trading import Session, trade

from positions.engine.effects import Alarm, Answer, Step
from positions.engine.recovery import WalletReport, recover
from positions.model.events import Disputed
from positions.model.orders import SignedOrder, VenueOrder
from positions.model.position import Position, Role, update
from positions.model.trades import Trade
from positions.storage.pulse import Pulse
from positions.storage.resume import Cursor, prepare, sign
from positions.storage.snapshot_writer import NodeRow, SnapshotWriter
from positions.storage.store import UNWRITABLE, Store
from positions.storage.submit_log import SentLog, read
from venues.simulated.account import Account

D = Decimal
OTHER_ID = f"{ID[:-3]}888"


def opened(folder: Path, set_aside: list[str], failures: list[str]) -> Store:
    store = Store(folder / "positions.duckdb", lambda f: f(), failures.append)
    store.on_set_aside = set_aside.append
    return store


def held(store: Store) -> Position:
    """A position that holds 100, its target and its stop live; all its steps are recorded."""
    s = Stage()
    turn = s.engine.turn

    def recorded(now: int) -> list[Any]:
        effects = turn(now)
        for effect in effects:
            if isinstance(effect, Step):
                store.step(effect)
            elif isinstance(effect, Answer) and effect.command is not None:
                store.command(effect.command, effect.reply)
        return effects

    s.engine.turn = recorded  # type: ignore[method-assign]
    for cue in (submit(), quote("0.54", "0.56"), filled(Role.ENTRY, "100", "0.55")):
        cue(s)
    store.flush()
    return s.position


# -- what cannot be written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "poison",
    [
        Alarm(10**20, "", "kind", "text", is_open=True),
        Alarm(-(10**30), "", "kind", "text", is_open=True),
        Alarm(1, "", "kind", "\ud800", is_open=True),
    ],
)
def test_a_row_that_can_never_be_written_is_kept_as_text(tmp_path: Path, poison: Alarm) -> None:
    set_aside: list[str] = []
    failures: list[str] = []
    store = opened(tmp_path, set_aside, failures)
    done = []
    with store.together():
        for number in range(20):
            store.alarm(poison if number == 7 else Alarm(number, "", "kind", "text", is_open=True))
        store.set("halted", "yes")
        store._put([], lambda: done.append(1))
    store.flush()
    assert store.cursor().execute("SELECT count(*) FROM alarms").fetchone() == (19,)
    assert store.setting("halted") == "yes"
    kept = [json.loads(line) for line in (tmp_path / UNWRITABLE).read_text().splitlines()]
    assert [row["table"] for row in kept] == ["alarms"]
    assert (failures, store.failure, store.pending) == ([], "", 0)
    store.close()
    assert done == [1]


def test_an_amount_that_does_not_fit_its_column(tmp_path: Path) -> None:
    set_aside: list[str] = []
    store = opened(tmp_path, set_aside, [])
    p = held(store)
    step = Step(update(p, seq=p.seq + 1, bought=D("1e15")), Disputed(time=p.updated_at, reason=""))
    store.step(step)
    store.set("halted", "yes")
    store.flush()
    assert store.setting("halted") == "yes"
    assert any("a row of positions" in text for text in set_aside)
    store.close()


def test_who_waits_for_a_row_that_was_lost_is_told_so_and_nobody_else(tmp_path: Path) -> None:
    store = opened(tmp_path, [], [])
    p = held(store)
    told: list[str] = []
    event = Disputed(time=p.updated_at, reason="")
    sound, unsound = (update(p, seq=p.seq + n, bought=D(n)) for n in (1, 10**15))
    with store.together():
        for name, one in (("first", sound), ("second", unsound)):
            store.step(
                Step(one, event),
                lambda name=name: told.append(name),  # type: ignore[misc]
                lambda name=name: told.append(f"{name} is lost"),  # type: ignore[misc]
            )
    store.flush()
    store.close()
    assert told == ["first", "second is lost"]


def test_a_row_that_was_written_is_not_written_again_for_one_that_waits(tmp_path: Path) -> None:
    store = opened(tmp_path, [], [])
    p = held(store)
    write, is_full = store._write, [True]

    def fail(rows: list[Any]) -> None:
        if len(rows) == 1 and rows[0][0] == "alarms" and rows[0][1][0] == 1 and is_full.pop():
            is_full.append(False)
            raise duckdb.IOException("the disk is full")
        write(rows)

    store._write = fail  # type: ignore[method-assign]
    with store.together():
        store.step(Step(replace(p, seq=p.seq + 1), Disputed(time=p.updated_at, reason="")))
        store.alarm(Alarm(10**20, "", "poison", "", is_open=True))
        store.alarm(Alarm(1, "", "kind", "text", is_open=True))
    store.close()
    store = opened(tmp_path, [], [])
    count = "SELECT count(*) FROM events WHERE seq = ?"
    assert store.cursor().execute(count, [p.seq + 1]).fetchone() == (1,)
    store.close()


# -- what cannot be read ---------------------------------------------------------------------------

POISONS = {
    "a body that is no JSON": "UPDATE positions SET body = '{' WHERE id = ?",
    "a body that is another's": "UPDATE positions SET body = replace(body, id, 'x') WHERE id = ?",
    "an amount that is none": """UPDATE positions
        SET body = replace(body, '"bought":"100"', '"bought":"NaN"') WHERE id = ?""",
    "an endless amount": """UPDATE positions
        SET body = replace(body, '"bought":"100"', '"bought":"1e999999"') WHERE id = ?""",
    "a far time": """UPDATE positions SET body = regexp_replace(body, '"created_at":[0-9]+',
        '"created_at":253402300799000000000') WHERE id = ?""",
    "an order without a number": """UPDATE positions
        SET body = replace(body, id || '-2', 'order') WHERE id = ?""",
}


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("events", ["whole", "poisoned", "gone"])
def test_a_row_that_cannot_be_read_is_made_from_what_can(
    name: str, events: str, tmp_path: Path
) -> None:
    store = opened(tmp_path, [], [])
    p = held(store)
    before = store.open_positions()
    store.close()
    with duckdb.connect(str(tmp_path / "positions.duckdb")) as connection:
        connection.execute(POISONS[name], [p.id])
        if events == "poisoned":
            connection.execute("UPDATE events SET fact = 'x' WHERE seq = 3")
        elif events == "gone":
            connection.execute("DELETE FROM events")
    set_aside: list[str] = []
    store = opened(tmp_path, set_aside, [])
    (found,) = store.open_positions()
    if events == "whole":
        assert [found] == before
    else:
        assert (found.held, found.stop_in_force) == (p.held, p.stop_in_force)
        assert found.decision.dispute is not None
        assert found.next_order > 2
    assert len(set_aside) == 1
    store.signed_orders()
    store.known_orders()
    store.close()


MISSING = {
    "its events": (["events"], "its row names"),
    "its last event": (["events WHERE seq = (SELECT max(seq) FROM events)"], "its row names"),
    "its row": (["positions"], "it is read from its events"),
    "its row and its events": (["positions", "events"], "but its command; it is NOT protected"),
}


@pytest.mark.parametrize("name", MISSING)
def test_rows_of_one_position_that_are_missing_keep_no_node_from_starting(
    name: str, tmp_path: Path
) -> None:
    tables, said = MISSING[name]
    store = opened(tmp_path, [], [])
    p = held(store)
    sign(store, "live", "0xa")
    store.flush()
    about = NodeRow("live", 1, 0, "", False)
    engine = Stage().engine
    SnapshotWriter(
        tmp_path, store.cursor, engine, lambda: D(0), lambda: 0, about, list, Pulse(int)
    ).publish_last()
    store.close()
    with duckdb.connect(str(tmp_path / "positions.duckdb")) as connection:
        for table in tables:
            connection.execute(f"DELETE FROM {table}")
    assert prepare(tmp_path, "live", "0xa", fresh=False) is None
    set_aside: list[str] = []
    store = opened(tmp_path, set_aside, [])
    found = store.open_positions()
    assert found == ([] if len(tables) == 2 else [p])
    assert store.lately_over() == []
    store.known_orders()
    store.close()
    assert len(set_aside) == 1
    assert said in set_aside[0]


@pytest.mark.parametrize("line", [b"garbage", b"{}", b"\xff" * 300, b"[" * 9000, b"x" * 10**6])
def test_a_line_that_is_no_order(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sent.log"
    log = SentLog(path)
    log.write(f"{ID}-3", "0xab")
    poisoned = [
        b'{"order_id":"no number","venue_order_id":"0x1"}',
        b'{"order_id":"' + ID.encode() + b'-99999999999999999999","venue_order_id":"0x1"}',
        b'{"order_id":"' + ID.encode() + b'-4","venue_order_id":"' + b"a" * 5000 + b'"}',
        line,
    ]
    with path.open("ab") as file:
        file.write(b"\n".join(poisoned) + b"\n")
    log.write(f"{ID}-5", "0xcd")
    assert [one.order_id for one in read(path)] == [f"{ID}-3", f"{ID}-5"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "1", "1 2 3", "9" * 30 + " 1", "-1 5", "1 99999999999999999999", "² ³"]
)
def test_a_cursor_that_cannot_be(cursor: str, tmp_path: Path) -> None:
    store = opened(tmp_path, [], [])
    sign(store, "replay", "a")
    store.set("cursor", cursor)
    store.close()
    assert prepare(tmp_path, "replay", "a", fresh=False) is None
    assert Cursor(5, 7) != cursor


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cash":"NaN"}', '{"held":"1e40"}', "null"])
@pytest.mark.parametrize("kind", ["money", "token", "order", "trade", "dragon"])
def test_an_account_of_which_a_part_cannot_be_read(kind: str, content: str) -> None:
    account = Account(D(100))
    (text,) = account.restore([(kind, "a" * 1000, content)])
    assert len(text) < 400
    assert account.venue.cash == 100


# -- what the venue says ---------------------------------------------------------------------------


def two(tmp_path: Path) -> list[Position]:
    store = opened(tmp_path, [], [])
    p = held(store)
    store.close()
    orders = tuple(replace(o, id=o.id.replace(ID, OTHER_ID)) for o in p.orders)
    return [p, replace(p, id=OTHER_ID, orders=orders)]


@pytest.mark.parametrize(
    ("said", "signed"),
    [
        ({"shares": D("NaN")}, []),
        ({"price": D("sNaN"), "shares": D("NaN")}, []),
        ({}, [SignedOrder("no number", "0x2"), SignedOrder("", "")]),
    ],
)
def test_one_position_that_cannot_be_recovered(
    said: dict[str, Any], signed: list[SignedOrder], tmp_path: Path
) -> None:
    positions = two(tmp_path)
    order = next(o for o in positions[0].orders if o.role is Role.TARGET)
    hashes = [SignedOrder(order.id, "0xab", Role.TARGET), *signed]
    values = {"price": D("0.7"), "shares": D(5), "fee": D(0)} | said
    traded = Trade(
        "T", is_maker=True, time=positions[0].updated_at, venue_order_id="0xab", **values
    )
    known = VenueOrder("0xab", "1001", False, D("0.7"), D(100), D(5), is_open=True)
    found = recover(
        positions, hashes, WalletReport(orders={"0xab": known}, trades=(traded,)), 10**18
    )
    assert OTHER_ID in [position_id for position_id, _ in found.events]
    assert bool(found.errors) is bool(said)
    disputed = [i for i, event in found.events if isinstance(event, Disputed)]
    assert disputed == ([ID] if said else [])


# -- a whole node ----------------------------------------------------------------------------------


def poison(folder: Path, position_id: str) -> None:
    """Poison a record in many places, as no node writes it."""
    with duckdb.connect(str(folder / "positions.duckdb")) as connection:
        run: Callable[..., object] = connection.execute
        run("UPDATE positions SET body = '{' WHERE id = ?", [position_id])
        run("UPDATE events SET fact = 'x' WHERE position_id = ?", [position_id])
        run("INSERT OR REPLACE INTO settings VALUES ('halted', 'perhaps'), ('cursor', 'x')")
        run("INSERT INTO account VALUES ('dragon', 'x', 'y')")
        run("UPDATE commands SET reply = '{', body = ''")
        run("UPDATE orders SET role = 'king' WHERE position_id = ?", [position_id])
    with (folder / "sent.log").open("ab") as file:
        file.write(b'garbage\n{"order_id":"a-b","venue_order_id":"c"}\n\xff\xfe')


def test_a_poisoned_record_starts_and_every_stop_sells(tmp_path: Path) -> None:
    with LoopbackPolymarket() as venue:
        rain, snow = venue.add_market("rain"), venue.add_market("snow")
        for market in (rain, snow):
            venue.quote(market.tokens[0], "0.53", "500", "0.55", "500")
        bought: list[str] = []

        async def buy(s: Session) -> None:
            for market in (rain, snow):
                p = await s.submit(market, "0.55", "20", stop_loss_price="0.45")
                await s.held(p, "20")
                bought.append(p)

        trade(venue, tmp_path, buy)
        poison(tmp_path, bought[0])

        async def fall(s: Session) -> None:
            assert [t for _, k, t in s.node._journal.open_alarms() if "set_aside" in k]
            for market in (snow, rain):
                venue.quote(market.tokens[0], "0.44", "500", "0.46", "500")
                token = market.tokens[0]
                await s.until(lambda t=token: venue.shares(s.funder, t) == 0, "sold")  # type: ignore[misc]

        trade(venue, tmp_path, fall)
