"""The command line: what it refuses, what it says, and how it exits."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from itertools import chain, repeat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import cli.sending
from cli.main import COMMANDS, app
from positions.operations.health import Health
from positions.storage.spool import Spool

RUN = CliRunner()
GOOD = ["submit", "rain", "Yes", "--max-bid", "0.55", "--size", "100", "--queue"]


LOADED = """
import sys
from cli.main import main
try:
    main()
except SystemExit:
    print(*sys.modules)
"""


def commands() -> list[str]:
    return [name for names in COMMANDS.values() for name in names.split() if name != "catalog"]


@pytest.mark.parametrize(("module", "names"), COMMANDS.items())
def test_every_command_is_listed_with_its_module(module: str, names: str) -> None:
    part = typer.Typer()
    import_module(f"cli.{module}").register(part)
    assert list(typer.main.get_group(part).commands) == names.split()


@pytest.mark.parametrize(
    ("typed", "loaded"),
    [
        (["positions"], set()),
        (["submit", *GOOD[1:]], set()),
        (["--version"], set()),
    ],
)
def test_a_command_loads_no_more_than_it_needs(
    tmp_path: Path, typed: list[str], loaded: set[str]
) -> None:
    program = [sys.executable, "-c", LOADED, *typed]
    environment = {**os.environ, "POLYBRACKET_STATE": str(tmp_path)}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)
    heavy = {"nautilus_trader", "duckdb", "httpx", "asyncio", "rich.console", "pyarrow"}
    heavy |= {"positions.engine.engine", "positions.operations.settings"}
    assert heavy & set(done.stdout.split()) == loaded


NODE = """
import sys
import node
print(*{"nautilus_trader.adapters.polymarket", "py_clob_client_v2", "httpx"} & sys.modules.keys())
import venues.polymarket.factories
print(*{"py_ecc.optimized_bls12_381", "py_ecc.bls12_381.bls12_381_pairing"} & sys.modules.keys())
"""


def test_a_node_loads_no_more_than_its_mode_needs() -> None:
    """A replay no client of the venue, and that client no curves that it never computes on."""
    done = subprocess.run([sys.executable, "-c", NODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", commands())
def test_every_command_has_an_example(name: str) -> None:
    out = RUN.invoke(app, [name, "--help"]).output
    assert re.search(rf"Example: polybracket {name}", out), out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-bid", "1.5"], "--max-bid was 1.5"),
        (["--max-bid", "abc"], "--max-bid was 'abc'"),
        (["--size", "0"], "size was 0, must be above 0"),
        (["--target", "120%%"], "--target was"),
        (["--expires", "soon"], "--expires was 'soon'"),
        (["--at", "noon"], "--at was 'noon'"),
        (["--stake", "5"], "--stake was 5, must not be given together with --size"),
        (["--wait", "x"], "wait was 'x'"),
        (
            ["--max-bid", "55"],
            "--max-bid was 55, must be above 0 and below 1 USDC per share; 55 is a price in cents: 0.55?",
        ),
        (
            ["--max-bid", "55%"],
            "--max-bid was '55%', must be a plain decimal such as \"0.55\"; 0.55?",
        ),
        (
            ["--stop", "45"],
            "--stop was 45, must be above 0 and below 1 USDC per share; 45 is a price in cents: 0.45?",
        ),
        (
            ["--size", "1,000"],
            "--size was '1,000', must be a plain decimal such as \"0.55\"; 1000 or 1.000?",
        ),
        (["--expires", "5"], "--expires was 5, must be a time"),
        (
            ["--exit-before-end", "5"],
            "--exit-before-end was 5, must be a span such as 90s, 15m, 2h or 3d; 5s, 5m or 5h?",
        ),
        (["--target", "0.60", "--target", "0.70"], "must state a part such as 0.60:50%"),
        (["--trail", "100%"], "trail was '100%', must be above 0% and below 100%"),
        (["--stop-confirm", "3"], "--stop-confirm was 3, must be a span such as 3s, or 5quotes"),
        (["--trigger", "ask"], "trigger was 'ask', must be one of bid, size, last"),
        (["--risk", "5"], "--risk was 5, must not be given together with --size"),
    ],
)
def test_bad_input_is_one_line_and_queues_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = RUN.invoke(app, [*GOOD, *arguments, "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert Spool(tmp_path).waiting() == []


def test_a_request_is_queued_and_said_to_wait_for_a_node(tmp_path: Path) -> None:
    done = RUN.invoke(app, [*GOOD, "--target", "+20%", "--stop", "0.45", "--state", str(tmp_path)])
    assert done.exit_code == 0
    (file,) = Spool(tmp_path).waiting()
    assert file.stem in done.stdout
    assert "buy 100 shares of rain Yes at 0.55 or less, target 20%, stop 0.45" in done.stdout
    assert "no node is running in " in done.stdout
    assert json.loads(file.read_text())["sell_price"] == "+20%"


def test_without_an_answer_it_says_so_and_fails(tmp_path: Path) -> None:
    done = RUN.invoke(app, [*GOOD, "--wait", "1s", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "no answer yet" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.jsonl", '{"market":"m","outcome":"Yes","max_bid":0.5,"size":10}\n' * 3),
        ("p.csv", "market,outcome,max_bid,size\nm,Yes,0.5,10\nm,Yes,0.5,20\nm,No,0.4,30\n"),
    ],
)
def test_many_at_once(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    state = tmp_path / "state"
    done = RUN.invoke(app, ["submit", "--file", str(file), "--queue", "--state", str(state)])
    assert done.exit_code == 0, done.output
    assert len(Spool(state).waiting()) == 3


def test_a_file_with_one_bad_line_queues_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    good = '{"market":"m","outcome":"Yes","max_bid":0.5,"size":10}\n'
    file.write_text(good + good.replace("0.5", "5") + good)
    state = tmp_path / "state"
    done = RUN.invoke(app, ["submit", "--file", str(file), "--queue", "--state", str(state)])
    assert done.exit_code == 2
    assert "entry 2: max_bid was 5" in done.stderr
    assert Spool(state).waiting() == []


@pytest.mark.parametrize("name", ["positions", "markets", "status"])
def test_a_view_without_a_record_says_what_to_do(tmp_path: Path, name: str) -> None:
    done = RUN.invoke(app, [name, "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "start a node" in done.stderr
    assert done.stdout == ""


def test_a_missing_configuration_is_one_line(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["run", "--config", str(tmp_path / "none.toml")])
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr


def test_the_default_state_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYBRACKET_STATE", str(tmp_path / "mine"))
    assert RUN.invoke(app, GOOD).exit_code == 0
    assert len(Spool(tmp_path / "mine").waiting()) == 1


def test_the_further_terms_are_queued_as_they_are_asked_for(tmp_path: Path) -> None:
    terms = ["--target", "0.60:50%", "--target", "0.70", "--trail", "5%", "--keep-if-stop-trades"]
    done = RUN.invoke(app, [*GOOD, *terms, "--state", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "target 0.60:50% 0.70, stop none" in done.stdout
    (file,) = Spool(tmp_path).waiting()
    queued = json.loads(file.read_text())
    assert queued["targets"] == ["0.60:50%", "0.70"]
    assert (queued["trail"], queued["keep_if_stop_trades"]) == ("5%", True)


POSITION = "0190b5a2-7a3f-7c3e-8c3e-000000000001"


def test_an_amendment_that_may_sell_at_once_says_so_in_its_file(tmp_path: Path) -> None:
    about = [POSITION, "--queue", "--state", str(tmp_path)]
    done = RUN.invoke(app, ["amend", *about, "--stop", "10%", "--target", "+20%", "--now"])
    assert done.exit_code == 0, done.output
    (file,) = Spool(tmp_path).waiting()
    queued = json.loads(file.read_text())
    assert (queued["stop_loss_price"], queued["sell_price"]) == ("10%", "+20%")
    assert queued["now"] is True
    done = RUN.invoke(app, ["amend", *about, "--now"])
    assert (done.exit_code, "must change something" in done.stderr) == (2, True)


DOWN = {
    "submit": GOOD[1:-1],
    "adopt": ["rain", "Yes", "--stop", "0.45"],
    "sell": [POSITION],
    "cancel": [POSITION],
    "close": [POSITION, "--price", "0.6"],
    "release": [POSITION, "5"],
    "amend": [POSITION, "--stop", "0.40"],
    "halt": [],
    "resume": [],
    "flatten": [],
}


@pytest.mark.parametrize("command", DOWN)
def test_a_node_that_is_down_is_asked_nothing_unless_that_is_meant(
    tmp_path: Path, command: str
) -> None:
    typed = [command, *DOWN[command], "--state", str(tmp_path)]
    done = RUN.invoke(app, typed)
    assert done.exit_code == 1
    assert done.stderr == (
        f"polybracket: no node is running in {tmp_path}: start it, or give --queue to have this"
        " done at its next start\n"
    )
    assert not (tmp_path / "spool").exists() or Spool(tmp_path).waiting() == []
    done = RUN.invoke(app, [*typed, "--queue"])
    assert done.exit_code == 0, done.output
    assert len(Spool(tmp_path).waiting()) == 1


@pytest.mark.parametrize("wait", [(), ("--wait", "1s")])
def test_a_node_that_was_just_begun_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: tuple[str, ...]
) -> None:
    words = chain(["NOT RUNNING"] * 2, repeat("starting"))
    monkeypatch.setattr(cli.sending, "health_of", lambda _: Health(next(words)))
    done = RUN.invoke(app, ["halt", *wait, "--state", str(tmp_path)])
    assert ("no node is running" in done.stderr) == (not wait)
    assert len(Spool(tmp_path).waiting()) == bool(wait)


def test_what_is_queued_can_be_taken_back(tmp_path: Path) -> None:
    assert RUN.invoke(app, [*GOOD, "--state", str(tmp_path)]).exit_code == 0
    (file,) = Spool(tmp_path).waiting()
    done = RUN.invoke(app, ["cancel", file.stem[-8:], "--state", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (0, f"taken back {file.stem}: it was not acted on\n")
    assert Spool(tmp_path).waiting() == []


def test_the_same_asked_twice_within_a_minute_is_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = [*GOOD, "--state", str(tmp_path)]
    assert RUN.invoke(app, typed).exit_code == 0
    done = RUN.invoke(app, typed)
    assert done.exit_code == 2
    assert re.search(r"the same was asked for \d+ s ago \(\w{8}\): give --again", done.stderr)
    assert RUN.invoke(app, [*typed, "--stop", "0.45"]).exit_code == 0
    assert RUN.invoke(app, [*typed, "--again"]).exit_code == 0
    for answer, count in (("no", 3), ("", 3), ("yes", 4)):
        monkeypatch.setattr(cli.sending, "is_asked", lambda: True)
        monkeypatch.setattr(cli.sending, "ask", lambda _, answer=answer: answer)
        assert RUN.invoke(app, typed).exit_code == (0 if answer == "yes" else 2)
        assert len(Spool(tmp_path).waiting()) == count


@pytest.mark.parametrize(
    "words", [GOOD, ["amend", POSITION, "--stop", "0.40"], ["sell", POSITION]], ids=str
)
def test_a_dry_run_needs_a_node(tmp_path: Path, words: list[str]) -> None:
    done = RUN.invoke(app, [*words, "--dry-run", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "no node is running" in done.stderr
    assert Spool(tmp_path).waiting() == []


def test_a_dry_run_of_a_file_asks_about_each_and_spends_no_lasting_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, state = tmp_path / "p.csv", tmp_path / "state"
    file.write_text("market,outcome,max_bid,size\nm,Yes,0.5,10\nn,No,0.4,20\n")
    typed = ["submit", "--file", str(file), "--queue", "--state", str(state)]
    done = RUN.invoke(app, [*typed, "--dry-run"])
    assert (done.exit_code, "no node is running" in done.stderr) == (1, True)
    monkeypatch.setattr("cli.requests.holder", lambda _: True)
    done = RUN.invoke(app, [*typed, "--dry-run", "--wait", "1"])
    assert done.stderr.count("no answer yet") == 2
    asked = [json.loads(path.read_text()) for path in Spool(state).waiting()]
    assert [q["dry_run"] for q in asked] == [True, True]
    assert RUN.invoke(app, typed).exit_code == 0
    assert len(Spool(state).waiting()) == 4  # the file itself is sent for the first time
