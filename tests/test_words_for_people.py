"""What is said where something is wrong: in the program's words, never in those of a library."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_node import D, Node
from stage import START
from typer.testing import CliRunner

from cli.main import app
from positions.model.events import OrderFilled
from positions.model.position import Role
from positions.operations.settings import SettingsError, load
from positions.storage.locks import StateLock
from positions.storage.snapshot import Snapshot

RUN = CliRunner()
# fmt: off
SETTINGS = {
    '[safety]\ndead_man = "on"': "safety.dead_man was 'on', must be one of all, entries, off",
    'mode = "papr"': "mode was 'papr', must be one of",
    "mode = 5": "mode was 5, must be one of",
    '[gate]\ndepth = "on"': "gate.depth was 'on', must be one of off, warn, refuse",
    '[gate]\nspread_max = "much"': "gate.spread_max was 'much', must be a number, such as 0.55",
    '[wallet]\nsignature_type = "x"': "wallet.signature_type was 'x', must be a whole number",
    '[alarms]\ncommand = "say"': "alarms.command was 'say', must be a list, such as [ ... ]",
    "alarms = 5": "alarms was 5, must be a table of its own",
    "really_trade = 1": "really_trade was 1, must be true or false",
    "nothing = 1": "nothing is not a setting; known here: mode, state",
    "[safety]\ndeadman = 1": "safety.deadman is not a setting; known here: dead_man, stale_seconds",
    "[exits]\nslip_ticks = 101": "slip_ticks was 101, must be from 0 to 100 (in exits)",
}
HEADERS = {
    "market,outcome,max_bid,size,target,target": "the header names 'target' 2 times; several targets stand in one",
    "market,outcome,max_bid,size,target,targets": "the header names 'targets' beside 'target'",
    "market,outcome,max_bid,max_bid_price,size": "the header names 'max_bid_price' beside 'max_bid', which mean the same\n",
    "market,outcome,max_bid,size,stop,stop_loss_price": "'stop_loss_price' beside 'stop'",
    "market,market_id,outcome,max_bid,size": "'market_id' beside 'market'",
}
# fmt: on
RAW = re.compile(r"Errno|IO Error|msgspec|DuckDB|at `\$|Invalid |Expected |Traceback|Exception")


@pytest.mark.parametrize("text", SETTINGS)
def test_a_setting_that_cannot_be_is_told_with_what_it_may_be(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(file)
    assert SETTINGS[text] in str(refused.value)
    assert not RAW.search(str(refused.value))


@pytest.mark.parametrize("header", HEADERS)
def test_two_columns_of_one_meaning_are_refused(tmp_path: Path, header: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(f"{header}\nrain,Yes,0.55,10,0.6,0.7\n")
    state = tmp_path / "state"
    done = RUN.invoke(app, ["submit", "--file", str(file), "--queue", "--state", str(state)])
    assert done.exit_code == 2
    assert HEADERS[header] in done.stderr


def test_a_file_means_the_same_to_submit_apply_and_backtest(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    for table in ("positions", "position"):
        file.write_text(
            f'[[{table}]]\nname = "wet"\nmarket = "rain"\noutcome = "Yes"\n'
            "max_bid = 0.55\nsize = 10\n"
        )
        state = ["--queue", "--state", str(tmp_path / table)]
        done = RUN.invoke(app, ["submit", "--file", str(file), *state])
        assert done.exit_code == 0, done.output
        done = RUN.invoke(app, ["apply", str(file), *state])
        assert done.exit_code == 0, done.output
        done = RUN.invoke(app, ["backtest", "--positions", str(file), "--catalog", "nowhere"])
        assert "nowhere" in done.stderr
    file.write_text("[[position]]\nx = 1\n[[positions]]\nx = 1\n")
    done = RUN.invoke(app, ["apply", str(file), "--state", str(tmp_path)])
    assert "must hold its requests as [[positions]], or [[position]]" in done.stderr


def test_what_the_disk_holds_is_told_in_words(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.work()
    node.store.close()
    state = ["--state", str(node.state)]
    done = RUN.invoke(app, ["export", str(tmp_path / "no" / "x"), *state])
    assert done.stderr == (
        f"polybracket: {tmp_path / 'no' / 'x'}: there is no folder {tmp_path / 'no'}:"
        " make it first\n"
    )
    done = RUN.invoke(app, ["export", str(tmp_path), *state])
    assert "is a folder, must be the name of a file" in done.stderr
    with StateLock(node.state, "replay"):
        done = RUN.invoke(app, ["session", *state])
    assert "a node is running in" in done.stderr
    assert done.exit_code == 1
    for name in ("positions.duckdb", "published.duckdb"):
        (node.state / name).write_bytes(b"rubbish" * 1000)
    for command in ("session", "positions"):
        done = RUN.invoke(app, [command, *state])
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "it is no database of this program, or torn" in done.stderr
        assert not RAW.search(done.stderr)


def test_a_venue_that_is_not_there_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    closed = "http://127.0.0.1:9"
    Path("live.toml").write_text(f'mode = "live"\nstate = "s"\n[venue]\nclob = "{closed}"\n')
    keys = {"POLYMARKET_PK": "0x" + "4c" * 32, "POLYMARKET_FUNDER": "0x" + "de" * 20}
    done = RUN.invoke(app, ["credentials", "--config", "live.toml"], env=keys)
    assert done.exit_code == 1
    assert done.stderr == (
        f"polybracket: no credentials from {closed}: it does not answer: is the network there?\n"
    )


def test_fills_of_one_moment_are_in_the_order_of_their_events(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.show(D("0.50"), D("0.52"))
    asked = ["rain-in-london", "Yes", "--max-bid", "0.55", "--size", "30", "--stop", "0.4"]
    state = ["--state", str(node.state)]
    assert RUN.invoke(app, ["submit", *asked, "--queue", *state]).exit_code == 0
    node.work()
    (p,) = node.engine.positions.values()
    (order,) = p.orders
    for number in (3, 1, 2):
        filled = OrderFilled(
            time=START,
            order_id=order.id,
            role=Role.ENTRY,
            trade_id=f"t{number}",
            shares=D(number),
            price=D("0.52"),
            fee=D(0),
            liquidity="taker",
        )
        node.engine.event(p.id, filled)
    node.work()
    with Snapshot(node.state) as copy:
        assert [f["trade_id"] for f in copy.fills(p.id)] == ["t3", "t1", "t2"]
    node.store.close()


def test_show_has_local_times_with_utc_beside(tmp_path: Path) -> None:
    node = Node(tmp_path)
    asked = ["rain-in-london", "Yes", "--max-bid", "0.55", "--size", "30", "--queue"]
    state = ["--state", str(node.state)]
    RUN.invoke(
        app, ["submit", *asked, "--break-even-at", "0.6", "--break-even-offset", ".02", *state]
    )
    node.work()
    node.store.close()
    program = [sys.executable, "-m", "cli.main", "show", "rain-in-london"]
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [*program, *state],
        env={"TZ": "Asia/Tokyo", "PATH": "/usr/bin", "PYTHONPATH": root, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "2026-04-14 01:00:00  (2026-04-13T16:00:00.000Z)" in done.stdout
    assert "2026-04-14 01:00:00  (16:00:00.000Z)  opened: buy 30" in done.stdout
    labels = [line.rpartition("  ")[0] for line in lines[: lines.index("")]]
    assert any(label.startswith("break_even_offset") for label in labels)
