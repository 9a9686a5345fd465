"""The commands for setting up, against a venue: what is told of it, and what is never told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from loopback.server import LoopbackPolymarket
from nautilus_trader.adapters.polymarket.execution import PolymarketExecutionClient
from typer.testing import CliRunner, Result

from cli.main import app
from positions.operations.wallet import API, wallet
from recordings.market_list import read_markets

KEY = "0x" + "4c" * 32
PROXY = "0x" + "dE" * 20
RUN = CliRunner()


@pytest.fixture
def venue() -> Iterator[LoopbackPolymarket]:
    with LoopbackPolymarket() as made:
        market = made.add_market("rain-in-london")
        made.quote(market.tokens[0], "0.53", 10, "0.55", 10)
        yield made


@pytest.fixture
def config(venue: LoopbackPolymarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A live configuration for the venue, in a folder of one's own, without a wallet."""
    for name in ("POLYMARKET_PK", "POLYMARKET_FUNDER", *API):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "live.toml"
    write(file, venue, "live")
    return file


def write(file: Path, venue: LoopbackPolymarket, mode: str, signature_type: int = 0) -> None:
    """Write a configuration for the venue."""
    addresses = "\n".join(f'{name} = "{address}"' for name, address in venue.settings().items())
    wallet_table = f"[wallet]\nsignature_type = {signature_type}\n"
    file.write_text(
        f'mode = "{mode}"\nstate = "state"\n{wallet_table}[venue]\n{addresses}\n'
        '[alarms]\ncommand = ["true"]\n'
    )


def doctor(config: Path, values: dict[str, str]) -> tuple[Result, dict[str, dict[str, str]]]:
    """What the doctor says, by check; none of it a secret."""
    done = RUN.invoke(app, ["doctor", "--config", str(config), "--json"], env=values)
    if "POLYMARKET_PK" in values:
        for secret in wallet(values, needs_api=False).secrets:
            assert not secret or secret not in done.output
    return done, {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_all_is_well(venue: LoopbackPolymarket, config: Path) -> None:
    done, checks = doctor(config, venue.wallet(KEY, cash=100))
    assert {c["level"] for c in checks.values()} == {"ok"}, done.stdout
    assert done.exit_code == 0
    assert done.stderr == ""
    assert list(checks) == [
        *("python", "packages", "state folder", "disk", "node", "alarms", "adapter"),
        *("order book", "clock", "markets", "data", "place", "market channel", "user channel"),
        *("wallet", "signature type", "redeem", "credentials", "orders", "rate limit", "balance"),
        *("allowed to buy", "allowed to sell"),
        *("allowed to buy in V2", "allowed to sell in V2", "allowed to redeem"),
    ]
    assert checks["balance"]["found"] == "100 USDC"
    assert "median of 5" in checks["order book"]["found"]


def test_paper_needs_no_key(venue: LoopbackPolymarket, config: Path) -> None:
    write(config, venue, "paper")
    done, checks = doctor(config, {})
    assert done.exit_code == 0, done.output
    assert "needs no key" in checks["wallet"]["found"]
    assert "balance" not in checks


def test_live_needs_a_key(config: Path) -> None:
    done, checks = doctor(config, {})
    assert done.exit_code == 1
    assert checks["wallet"]["level"] == "FAILED"
    assert "POLYMARKET_PK, POLYMARKET_FUNDER not set" in checks["wallet"]["found"]


def test_what_the_venue_does_not_take_is_told(venue: LoopbackPolymarket, config: Path) -> None:
    venue.faults.closed_only = venue.faults.geoblock = True
    done, checks = doctor(config, venue.wallet(KEY, cash=100))
    assert done.exit_code == 0, "what is held can be sold"
    assert checks["orders"]["level"] == checks["place"]["level"] == "warning"
    assert "may only sell" in checks["orders"]["found"]
    assert "refused from here (PL)" in checks["place"]["found"]
    assert checks["rate limit"]["found"].startswith("standard tier, 60 of 60 orders")


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"POLYMARKET_PK": "0x" + "4c" * 31}, "wallet", "POLYMARKET_PK is not a private key"),
        ({"POLYMARKET_PK": "0x" + "00" * 32}, "wallet", "POLYMARKET_PK cannot sign"),
        ({"POLYMARKET_FUNDER": "0x12"}, "wallet", "POLYMARKET_FUNDER is not an address"),
        ({"POLYMARKET_FUNDER": PROXY}, "signature type", "not the key's own"),
        ({"POLYMARKET_API_KEY": ""}, "credentials", "not in the environment"),
        ({"POLYMARKET_API_SECRET": "YWJj"}, "credentials", "refused"),
        ({"POLYMARKET_PASSPHRASE": "other"}, "credentials", "refused"),
        ({"POLYMARKET_API_SECRET": "%%%"}, "credentials", "refused"),
    ],
)
def test_what_is_wrong_with_a_wallet_is_told_with_what_to_do(
    venue: LoopbackPolymarket, config: Path, changes: dict[str, str], name: str, said: str
) -> None:
    values = venue.wallet(KEY, cash=100) | changes
    done = RUN.invoke(app, ["doctor", "--config", str(config)], env=values)
    assert done.exit_code == 1
    (line,) = [row for row in done.stdout.splitlines() if row.startswith("FAILED")]
    assert name in line
    assert said in line
    assert "; " in line  # and what to do
    for secret in (KEY[2:], values["POLYMARKET_API_SECRET"], "other", "0x" + "4c" * 31):
        assert not secret or secret not in done.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"POLYMARKET_FUNDER": PROXY}, "signature_type was 0, and the funder is not the key's own"),
        ({"POLYMARKET_PK": "0x" + "00" * 32}, "POLYMARKET_PK cannot sign"),
    ],
)
def test_a_live_node_does_not_start_with_a_wallet_that_cannot_trade(
    venue: LoopbackPolymarket, config: Path, changes: dict[str, str], said: str
) -> None:
    values = venue.wallet(KEY, cash=100) | changes
    arguments = ["run", "--config", str(config), "--yes-really-trade"]
    done = RUN.invoke(app, arguments, env=values)
    assert done.exit_code == 2  # which systemd does not restart
    assert done.stderr.startswith(f"polybracket: {said}")
    assert done.stderr.count("\n") == 1
    assert not (config.parent / "state" / "positions.duckdb").exists()


def test_a_wallet_without_money_is_a_warning(venue: LoopbackPolymarket, config: Path) -> None:
    done, checks = doctor(config, venue.wallet(KEY))
    assert done.exit_code == 0
    assert checks["balance"]["level"] == "warning"
    assert "less than the default_stake 50" in checks["balance"]["found"]


def test_a_proxy_is_checked_as_one(venue: LoopbackPolymarket, config: Path) -> None:
    write(config, venue, "live", signature_type=2)
    done, checks = doctor(config, venue.wallet(KEY, cash=70, funder=PROXY))
    assert done.exit_code == 0, done.stdout
    assert checks["balance"]["found"] == "70 USDC"


def test_a_venue_that_does_not_answer_is_told(venue: LoopbackPolymarket, config: Path) -> None:
    venue.faults.answer("GET /time", 503, times=None)
    done, checks = doctor(config, venue.wallet(KEY))
    assert done.exit_code == 1
    assert checks["order book"]["level"] == "FAILED"
    assert "503" in checks["order book"]["found"]
    assert "check the network" in checks["order book"]["to_do"]
    assert checks["wallet"]["level"] == "ok"
    assert "balance" not in checks  # there is nobody to ask


def test_credentials_that_cannot_be_checked_are_not_called_refused(
    venue: LoopbackPolymarket, config: Path
) -> None:
    venue.faults.answer("GET /auth/*", 503, times=None)
    done, checks = doctor(config, venue.wallet(KEY))
    assert done.exit_code == 1
    assert checks["credentials"]["found"] == "cannot be checked: service not ready"
    assert checks["credentials"]["to_do"] == "try again later"


def test_a_live_node_tells_that_the_venue_does_not_answer(
    venue: LoopbackPolymarket, config: Path
) -> None:
    venue.faults.reset("GET /balance-allowance", times=None)
    arguments = ["run", "--config", str(config), "--yes-really-trade"]
    done = RUN.invoke(app, arguments, env=venue.wallet(KEY, cash=100))
    assert done.exit_code == 1
    assert "it does not answer; polybracket doctor says what to do" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_search_that_finds_nothing_says_so(config: Path) -> None:
    done = RUN.invoke(app, ["markets", "zebra", "--live", "--config", str(config)])
    assert done.exit_code == 0
    assert done.stderr == "Polymarket finds no open market for 'zebra'\n"


def test_credentials_are_written_into_the_dotenv_and_then_accepted(
    venue: LoopbackPolymarket, config: Path
) -> None:
    made = venue.wallet(KEY, cash=100)
    env = config.with_name(".env")
    env.write_text("# mine\n" + "\n".join(f"{n}={v}" for n, v in made.items() if n not in API))
    env.chmod(0o600)
    done = RUN.invoke(app, ["credentials", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert env.stat().st_mode & 0o777 == 0o600
    assert env.read_text().startswith("# mine\nPOLYMARKET_PK=")
    for name in API:
        assert f"{name}={made[name]}\n" in env.read_text()
        assert made[name] not in done.output
    again, checks = doctor(config, {})
    assert again.exit_code == 0
    assert checks["credentials"]["found"] == "accepted"


def test_credentials_are_made_for_a_new_key_and_shown_when_asked(
    config: Path,
) -> None:
    values = {"POLYMARKET_PK": "0x" + "5d" * 32, "POLYMARKET_FUNDER": PROXY}
    arguments = ["credentials", "--show", "--config", str(config)]
    done = RUN.invoke(app, arguments, env=values)
    assert done.exit_code == 0, done.output
    assert [line.partition("=")[0] for line in done.stdout.splitlines()] == list(API)
    assert not config.with_name(".env").exists()
    assert RUN.invoke(app, arguments, env=values).stdout == done.stdout  # always the same


def test_credentials_that_go_second_are_told(venue: LoopbackPolymarket, config: Path) -> None:
    values = venue.wallet(KEY) | {"POLYMARKET_PASSPHRASE": "an-old-one"}
    done = RUN.invoke(app, ["credentials", "--config", str(config)], env=values)
    assert "the environment sets POLYMARKET_PASSPHRASE otherwise" in done.stderr
    assert "an-old-one" not in done.output


def test_credentials_that_the_venue_does_not_give_are_one_line(
    venue: LoopbackPolymarket, config: Path
) -> None:
    values = venue.wallet(KEY)
    venue.faults.answer("* /auth/*", 500, times=None)
    done = RUN.invoke(app, ["credentials", "--config", str(config)], env=values)
    assert done.exit_code == 1
    assert done.stderr.startswith("polybracket: no credentials from http://127.0.0.1:")
    assert done.stderr.count("\n") == 1
    assert not config.with_name(".env").exists()


def test_what_each_protocol_may_trade_is_told_apart(
    venue: LoopbackPolymarket, config: Path
) -> None:
    values = venue.wallet(KEY, cash=100)
    venue.allow(values["POLYMARKET_FUNDER"], 0, is_v2=True)
    done, checks = doctor(config, values)
    assert done.exit_code == 0
    assert checks["allowed to buy"]["level"] == checks["allowed to sell"]["level"] == "ok"
    assert checks["allowed to buy in V2"]["level"] == "warning"
    assert "no market of Protocol V2 can be sold" in checks["allowed to sell in V2"]["found"]
    assert "approve that contract" in checks["allowed to sell in V2"]["to_do"]
    venue.allow(values["POLYMARKET_FUNDER"], 1000, is_v2=True)
    venue.faults.answer("GET /data-api/v2/approvals", 500)
    _, checks = doctor(config, values)
    assert "only markets of Protocol V2 need it" in checks["allowed in V2"]["found"]


@pytest.mark.parametrize(
    ("status", "rate", "level", "said"),
    [
        (200, 0, "ok", "is paid 0 bps of what is taken"),
        (200, 35, "warning", "is paid 35 bps of what is taken"),
        (404, 0, "warning", "cannot be read"),
    ],
)
def test_what_a_builder_is_paid_is_told(
    venue: LoopbackPolymarket, config: Path, status: int, rate: int, level: str, said: str
) -> None:
    async def say(_: web.Request) -> web.Response:
        rates = {"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": rate}
        return web.json_response(rates, status=status)

    code = "0x" + "ab" * 32
    text = config.read_text()
    config.write_text(text.replace("[wallet]\n", f'[wallet]\nbuilder_code = "{code}"\n'))
    venue.faults.say(f"GET /fees/builder-fees/{code}", say)
    _, checks = doctor(config, venue.wallet(KEY, cash=100))
    assert checks["builder"]["level"] == level
    assert said in checks["builder"]["found"]


def test_an_adapter_that_is_not_known_is_one_line(
    venue: LoopbackPolymarket, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(PolymarketExecutionClient, "_submit_limit_order")
    done = RUN.invoke(app, ["credentials", "--config", str(config)], env=venue.wallet(KEY))
    assert done.exit_code == 1
    assert done.stderr.startswith("polybracket: this Polymarket adapter is not the one")
    assert done.stderr.count("\n") == 1


def test_markets_are_searched_at_the_venue(venue: LoopbackPolymarket, config: Path) -> None:
    other = venue.add_market("rain-in-paris")
    venue.add_market("sun-in-rome")
    arguments = ["markets", "rain", "--live", "--config", str(config)]
    done = RUN.invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["slug"], r["outcome"]) for r in rows] == [
        *(("rain-in-london", "Yes"), ("rain-in-london", "No")),
        *(("rain-in-paris", "Yes"), ("rain-in-paris", "No")),
    ]
    assert (rows[0]["bid"], rows[0]["ask"]) == ("0.53", "0.55")
    assert rows[1]["bid"] is None  # the other outcome has a book of its own
    assert (rows[2]["bid"], rows[2]["ask"]) == (None, None)  # an empty book has no price
    assert [r["outcome_id"] for r in rows[2:]] == list(other.tokens)
    assert "rain-in-paris" in RUN.invoke(app, arguments).stdout


def test_markets_are_exported_as_an_import_takes_them(
    venue: LoopbackPolymarket, config: Path
) -> None:
    venue.add_market("rain-in-paris")
    file = config.with_name("markets.json")
    arguments = ["markets", "rain", "--live", "--config", str(config), "--export", str(file)]
    done = RUN.invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (0, f"{file}: 2 markets\n"), done.output
    assert [m["slug"] for m in read_markets(file)] == ["rain-in-london", "rain-in-paris"]
    again = RUN.invoke(app, arguments)
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    file.unlink()
    arguments[1] = "rain-in-paris"
    assert RUN.invoke(app, arguments).stdout == f"{file}: 1 market\n"
    file.unlink()
    arguments[1] = "zebra"
    assert "names no market that can be exported" in RUN.invoke(app, arguments).stderr


@pytest.mark.parametrize(
    ("text", "code", "said"), [("", 2, "text was empty"), ("rain", 1, "Gamma does not answer")]
)
def test_a_search_that_cannot_be_is_one_line(
    venue: LoopbackPolymarket, config: Path, text: str, code: int, said: str
) -> None:
    venue.faults.answer("GET /gamma/*", 500, times=None)
    done = RUN.invoke(app, ["markets", text, "--live", "--config", str(config)])
    assert done.exit_code == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
