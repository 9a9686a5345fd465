"""What the wallet holds and nothing protects: listed, and adopted all at once."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback.server import LoopbackPolymarket
from small_node import D, Node
from typer.testing import CliRunner

from cli.holdings import _positions
from cli.main import app
from positions.commands.messages import Adopt, from_fields
from positions.engine.adoption import Holding
from positions.storage.holdings import protected
from positions.storage.spool import Spool, uuid7
from venues.polymarket.api.data_api import _holding

RUN = CliRunner()
KEY = "0x" + "4c" * 32
ROW = {
    "asset": "1" * 20,
    "conditionId": "0x" + "ab" * 32,
    "size": 12.5,
    "avgPrice": 0.4,
    "curPrice": 0.5,
    "slug": "rain",
    "outcome": "Yes",
}


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[tuple[list[str], dict[str, str], list[str]]]:
    """The options that name a venue, a wallet's keys, and the tokens that it holds."""
    with LoopbackPolymarket() as venue:
        addresses = "\n".join(f'{name} = "{url}"' for name, url in venue.settings().items())
        config = tmp_path / "live.toml"
        config.write_text(f'mode = "live"\nstate = "state"\n[venue]\n{addresses}\n')
        keys = venue.wallet(KEY, cash=100)
        tokens = []
        for slug, shares in (("rain-in-london", "40"), ("sun-in-rome", "12.5")):
            token = venue.add_market(slug).tokens[0]
            venue.quote(token, "0.50", "100", "0.52", "100")
            venue.give(keys["POLYMARKET_FUNDER"], token, shares)
            tokens.append(token)
        yield ["--config", str(config)], keys, tokens


def test_holdings_are_listed_with_what_protects_them(
    tmp_path: Path, wallet: tuple[list[str], dict[str, str], list[str]]
) -> None:
    options, keys, tokens = wallet
    state = ["--state", str(tmp_path / "none")]
    done = RUN.invoke(app, ["holdings", *options, *state], env=keys)
    assert done.exit_code == 0, done.output
    assert "2 of 2 holdings are not protected, worth 26.25 USDC" in done.stderr
    done = RUN.invoke(app, ["holdings", "--json", *options, *state], env=keys)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["outcome_id"], r["shares"], r["free"]) for r in rows] == [
        (tokens[0], "40", "40"),
        (tokens[1], "12.5", "12.5"),
    ]


def test_all_that_is_free_is_adopted(
    tmp_path: Path, wallet: tuple[list[str], dict[str, str], list[str]]
) -> None:
    options, keys, tokens = wallet
    folder = tmp_path / "state"
    state = ["--queue", "--state", str(folder)]
    asked = ["adopt", "--all", "--stop", "10%", *options, *state]
    done = RUN.invoke(app, asked, env=keys)
    assert done.exit_code == 0, done.output
    queued = [json.loads(path.read_text()) for path in Spool(folder).waiting()]
    assert [(q["command"], q["outcome"], q["stop_loss_price"]) for q in queued] == [
        ("adopt", tokens[0], "10%"),
        ("adopt", tokens[1], "10%"),
    ]
    for words in (["x", "Yes"], ["--shares", "5"]):
        done = RUN.invoke(app, ["adopt", *words, *asked[1:]], env=keys)
        assert (done.exit_code, "together with --all" in done.stderr) == (2, True)


def test_what_a_position_holds_is_protected(tmp_path: Path) -> None:
    assert _positions(tmp_path / "none") == []
    node = Node(tmp_path)
    node.show(D("0.50"), D("0.52"))
    asked = {"market": "rain-in-london", "outcome": "Yes", "stop": "0.45", "entry_price": "0.50"}
    command = from_fields({"command": "adopt", "id": uuid7(), "shares": "60", **asked})
    assert isinstance(command, Adopt)
    node.engine.adopt(command, Holding(D(100)))
    node.work()
    assert protected(_positions(node.state)) == {"1001": 60}
    node.store.close()


def test_without_a_wallet_or_a_venue_it_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wallet: tuple[list[str], dict[str, str], list[str]],
) -> None:
    options, keys, _ = wallet
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYMARKET_FUNDER", raising=False)
    done = RUN.invoke(app, ["holdings", *options, "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.startswith("polybracket: POLYMARKET_FUNDER is not set")
    config = Path(options[1])
    config.write_text(re.sub(r'(data = "http://127.0.0.1:)\d+', r"\g<1>9", config.read_text()))
    done = RUN.invoke(app, ["holdings", *options, "--state", str(tmp_path)], env=keys)
    assert (done.exit_code, "the Data API does not answer" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"redeemable": True},
        {"size": 0},
        {"size": -1},
        {"size": "NaN"},
        {"avgPrice": None},
        {"asset": 5},
        {"slug": None},
        {"conditionId": None},
    ],
)
def test_a_holding_that_makes_no_sense_is_left_out(changes: dict[str, object]) -> None:
    assert _holding(ROW) is not None
    assert _holding(ROW | changes) is None
