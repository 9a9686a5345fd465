"""Winnings become cash once, for each kind of wallet, market and payout, whatever befalls it."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import chain as standin
import pytest
from chain import Chain
from msgspec.structs import astuple, replace
from typer.testing import CliRunner

from actors.redeem_watch import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, RedeemWatch
from cli.main import app
from positions.model.errors import PolybracketError
from positions.operations.doctor import Level
from positions.operations.redeeming import Redeemed, redeem
from positions.operations.settings import (
    RedeemSettings,
    Settings,
    VenueSettings,
    WalletSettings,
)
from positions.operations.wallet import WalletError
from venues.polymarket.api.protocol import Protocol
from venues.polymarket.doctor import check_redeem_key, check_redeeming
from venues.polymarket.redemption import process, signing
from venues.polymarket.redemption.calls import Market, redeem_calls
from venues.polymarket.redemption.record import FAILURES_MAX, InUse, RedemptionRecord
from venues.polymarket.redemption.redeemer import Patience, Result
from venues.polymarket.redemption.remote import Client, RedemptionError

D = Decimal
KINDS = {0: "EOA", 1: "proxy", 2: "Safe", 3: "deposit"}
ONCE = Patience(0.0, 0.0)


class Killed(BaseException):
    """The process is ended, and does nothing any more."""


class Owner:
    """The owner of a wallet on the stand-in chain."""

    def __init__(self, folder: Path, kind: int) -> None:
        self.chain = Chain(kind)
        at = self.chain.address
        venue = VenueSettings(data=f"{at}/data", rpc=f"{at}/rpc", relayer=f"{at}/relayer")
        self.settings = Settings(
            mode="live", state=str(folder), venue=venue, wallet=WalletSettings(signature_type=kind)
        )
        self.values = {
            "POLYMARKET_PK": standin.KEY,
            "POLYMARKET_FUNDER": self.chain.wallet,
            "RELAYER_API_KEY": standin.RELAYER_KEY,
            "RELAYER_API_KEY_ADDRESS": standin.OWNER,
            "XDG_STATE_HOME": str(folder.parent),
        }

    def record(self) -> RedemptionRecord:
        """What is written down of the wallet."""
        return RedemptionRecord(self.chain.wallet, self.values)

    def record_file(self) -> Path:
        """Where that is."""
        (file,) = Path(self.values["XDG_STATE_HOME"]).glob("polybracket/redeem-*.log")
        return file

    def redeem(self, market: str = "", patience: Patience = ONCE, **options: bool) -> list[Result]:
        """As `polybracket redeem` does, in this process."""
        run = process.redeem(self.settings, self.values, market, patience=patience, **options)
        return list(run)

    def states(self, market: str = "", **options: bool) -> list[tuple[str, Decimal]]:
        """What became of each, and what it is worth."""
        patience = Patience(30.0, 0.0)
        return [(r.state, r.worth) for r in self.redeem(market, patience, **options)]


@pytest.fixture(params=KINDS, ids=KINDS.values())
def owner(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Owner]:
    made = Owner(tmp_path / "state", request.param)
    yield made
    made.chain.stop()


@pytest.fixture
def eoa(tmp_path: Path) -> Iterator[Owner]:
    made = Owner(tmp_path / "state", 0)
    yield made
    made.chain.stop()


@pytest.fixture
def deposit(tmp_path: Path) -> Iterator[Owner]:
    made = Owner(tmp_path / "state", 3)
    yield made
    made.chain.stop()


# fmt: off
MARKETS = {
    #                      kind        payouts             shares                     USDC
    "a winner of V1":     ("v1",       (1_000_000, 0),     (12_345_678, 0),           "12.345678"),
    "the second outcome": ("v1",       (0, 1_000_000),     (3_000_000, 4_000_000),    "4"),
    "a draw in V1":       ("v1",       (500_000, 500_000), (10_000_000, 3_000_001),   "6.5"),
    "one of many":        ("neg-risk", (1_000_000, 0),     (7_000_000, 0),            "7"),
    "a winner of V2":     ("v2",       (1_000_000, 0),     (5_000_000, 2_000_000),    "5"),
    "a draw in V2":       ("v2",       (500_000, 500_000), (9_000_000, 1_000_000),    "5"),
    "a third in V2":      ("v2",       (333_333, 666_667), (3_000_000, 0),            "0.999999"),
}
# fmt: on


@pytest.mark.parametrize("name", MARKETS)
def test_winnings_become_cash_once(owner: Owner, name: str) -> None:
    kind, payouts, shares, worth = MARKETS[name]
    owner.chain.resolve(kind, payouts, shares)
    assert owner.states(dry_run=True) == [("would be paid", D(worth))]
    assert owner.chain.redeemed == []
    assert owner.states() == [("paid", D(worth))]
    assert owner.chain.cash == int(D(worth) * 10**6)
    assert owner.states() == []  # though the Data API tells of it still
    assert len(set(owner.chain.carried_out)) == len(owner.chain.carried_out)


def test_all_markets_are_redeemed_or_the_one_that_is_named(owner: Owner) -> None:
    for kind in ("v1", "neg-risk", "v2"):
        owner.chain.resolve(kind, shares=(1_000_000, 0))
    named = owner.chain.markets[2].condition_id
    assert owner.states(named) == [("paid", D(1))]
    assert owner.states("market-1") == [("paid", D(1))]
    assert owner.states("nothing-of-the-kind") == []
    assert owner.states() == [("paid", D(1))]
    assert owner.chain.cash == 3_000_000


def test_shares_that_pay_nothing_cost_no_gas(eoa: Owner) -> None:
    eoa.chain.resolve("v1", (0, 1_000_000), (5_000_000, 0))
    assert eoa.states() == []
    assert "eth_sendRawTransaction" not in eoa.chain.asked


def _killing(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> list[int]:
    """End the process at the n-th request or line, before or after it; what was counted."""
    count = itertools.count()
    reached: list[int] = []

    def cut(of: Any, name: str) -> None:
        real = getattr(of, name)

        def step(*args: Any, **options: Any) -> Any:
            mine = next(count) == number
            if mine:
                reached.append(number)
                if not after:
                    raise Killed
            found = real(*args, **options)
            if mine:
                raise Killed
            return found

        monkeypatch.setattr(of, name, step)

    cut(Client, "ask")
    cut(RedemptionRecord, "write")
    return reached


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_step_redeems_neither_twice_nor_never(
    tmp_path: Path, owner: Owner, after: bool
) -> None:
    chain, steps = owner.chain, 0
    is_in_two = chain.kind == 0  # a transaction for each outcome
    kind = "v2" if is_in_two else "v1"
    while True:
        owner.values["XDG_STATE_HOME"] = str(tmp_path / f"home-{steps}")
        market = chain.resolve(kind, (500_000, 500_000), (2_000_000, 4_000_000))
        before, cash = len(chain.carried_out), chain.cash
        with pytest.MonkeyPatch.context() as patch:
            reached = _killing(patch, steps, after=after)
            with suppress(Killed):
                owner.redeem(patience=Patience(30.0, 0.0))
        owner.settings = _in(owner.settings, tmp_path / f"state-{steps}")
        told = sum(worth for _, worth in owner.states())
        assert told in (1, 2, 3) or not reached or after
        assert owner.states() == []
        assert chain.cash - cash == 3_000_000
        paid = [n for condition, n in chain.redeemed if condition == market.condition_id]
        assert sorted(paid) == [1_000_000, 2_000_000]
        assert len(chain.carried_out) - before == (2 if is_in_two else 1)
        if not reached:
            assert steps > 8
            return
        chain.markets.clear()
        chain.redeemed.clear()
        steps += 1


def _in(settings: Settings, folder: Path) -> Settings:
    return replace(settings, state=str(folder))


SENDS = {0: "eth_sendRawTransaction", 1: "/submit", 2: "/submit", 3: "/submit"}


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("took_it", [False, True], ids=["refused", "taken"])
def test_an_answer_that_says_nothing_is_followed_up(
    owner: Owner, status: int, took_it: bool
) -> None:
    chain, sends = owner.chain, SENDS[owner.chain.kind]
    chain.resolve("v1", shares=(5_000_000, 0))
    setattr(chain, "after" if took_it else "before", lambda name: status if name == sends else None)
    if took_it:
        owner.states()
    else:
        with pytest.raises(RedemptionError, match="market 0 is sent, and its end is not known yet"):
            owner.redeem()
        assert chain.cash == 0
        chain.before = lambda _: None
        assert owner.states()[0][0] == "paid"
    assert (chain.cash, len(chain.carried_out)) == (5_000_000, 1)


def test_a_transaction_that_is_reverted_is_tried_again_with_a_bound(owner: Owner) -> None:
    chain = owner.chain
    chain.resolve("v1", shares=(5_000_000, 0))
    chain.reverts = True
    for n in range(FAILURES_MAX):
        ((state, _),) = owner.states()
        assert state == "failed", n
    sent = len(chain.carried_out)
    (left,) = owner.redeem(by_hand=False)
    assert f"failed {FAILURES_MAX} times: try it by hand" in left.why
    # Of the first two kinds the estimate of the gas tells it, before anything is sent.
    assert len(chain.carried_out) == sent == (0 if chain.kind in (0, 1) else FAILURES_MAX)
    chain.reverts = False
    assert owner.states() == [("paid", D(5))]


def test_what_failed_just_now_is_not_tried_again_by_a_node(deposit: Owner) -> None:
    deposit.chain.resolve("v1", shares=(5_000_000, 0))
    deposit.chain.reverts = True
    deposit.states()
    (left,) = deposit.redeem(by_hand=False)
    assert "STATE_FAILED" in left.why
    assert "tried again in" in left.why
    assert len(deposit.chain.carried_out) == 1


def test_gas_that_cannot_be_paid_is_said(eoa: Owner) -> None:
    eoa.chain.resolve("v1", shares=(5_000_000, 0))
    eoa.chain.coins = 5
    with pytest.raises(RedemptionError, match=r"gas cannot be paid: 0\.0\d+ POL, 0x19E7"):
        eoa.redeem()
    eoa.chain.coins = 10**18
    assert eoa.states() == [("paid", D(5))]


def test_a_contract_that_is_not_allowed_is_named(owner: Owner) -> None:
    owner.chain.resolve("v2", shares=(5_000_000, 0))
    owner.chain.allowed = set()
    (left,) = owner.redeem()
    assert left.state == "failed"
    assert "may not take shares: approve it once at polymarket.com" in left.why


def test_another_chain_is_refused(eoa: Owner) -> None:
    eoa.chain.chain_id = 1
    with pytest.raises(RedemptionError, match="the chain is 1, must be 137"):
        eoa.redeem()


def test_a_key_that_the_relayer_refuses_is_not_shown(deposit: Owner) -> None:
    deposit.chain.resolve("v1", shares=(5_000_000, 0))
    deposit.values["RELAYER_API_KEY"] = "another-secret"
    with pytest.raises(RedemptionError, match=r"the relayer answers 401: .*\*\*\*") as caught:
        deposit.redeem()
    assert "another-secret" not in str(caught.value)


def test_a_wallet_of_ones_own_needs_no_relayer_key_and_others_do(
    eoa: Owner, deposit: Owner
) -> None:
    for one in (eoa, deposit):
        del one.values["RELAYER_API_KEY"]
    assert eoa.states() == []
    with pytest.raises(WalletError, match="RELAYER_API_KEY not set"):
        deposit.redeem()


def test_one_process_redeems_at_a_time(deposit: Owner) -> None:
    with deposit.record(), pytest.raises(InUse):
        deposit.redeem()


def test_two_state_folders_of_a_wallet_have_one_record(owner: Owner, tmp_path: Path) -> None:
    owner.chain.resolve("v1", shares=(5_000_000, 0))
    first, sends = owner.settings, SENDS[owner.chain.kind]
    owner.chain.before = lambda name: 503 if name == sends else None
    with pytest.raises(RedemptionError, match="its end is not known yet"):
        owner.redeem()
    owner.chain.before = lambda _: None
    owner.settings = _in(first, tmp_path / "another")
    with owner.record(), pytest.raises(InUse):
        owner.redeem()
    assert owner.states() == [("paid", D(5))], "sent by the first, ended and told by the second"
    owner.settings = first
    assert owner.states() == []
    assert (owner.chain.cash, len(owner.chain.carried_out)) == (5_000_000, 1)


def test_no_secret_is_in_the_record(owner: Owner) -> None:
    owner.chain.resolve("v1", shares=(5_000_000, 0))
    owner.states()
    file = owner.record_file()
    assert file.stat().st_mode & 0o077 == 0
    text = file.read_text()
    assert standin.KEY[2:] not in text
    assert standin.RELAYER_KEY not in text


def test_a_line_that_was_cut_short_is_left_out(eoa: Owner) -> None:
    eoa.chain.resolve("v1", shares=(5_000_000, 0))
    eoa.states()
    with eoa.record_file().open("a") as end:
        end.write('{"key":"0x')
    eoa.chain.resolve("v1", shares=(1_000_000, 0))
    assert eoa.states() == [("paid", D(1))]


def test_rows_that_tell_too_little_stop_nothing_else(owner: Owner) -> None:
    owner.chain.resolve("v1", shares=(5_000_000, 0))
    owner.chain.resolve("v1", shares=(6_000_000, 0))
    real = owner.chain._positions

    def spoiled() -> Any:
        told = real()
        told["data"][0]["negative_risk"] = None
        return told

    owner.chain._positions = spoiled  # type: ignore[method-assign]
    assert owner.states() == [("failed", D(0)), ("paid", D(6))]


def test_only_a_live_node_has_winnings(eoa: Owner) -> None:
    eoa.settings = replace(eoa.settings, mode="paper")
    with pytest.raises(PolybracketError, match="mode was paper, must be live"):
        eoa.redeem()


def test_signatures_are_those_of_the_official_client() -> None:
    """Made by polymarket-client 0.14.0 for both outcomes of a market of Protocol V2."""
    condition = "0x017791f201d5a788e0039e511fc1900e5f000000000000000000000000000000"
    market = Market(condition, Protocol.V2, False, ("1", "2"), "")
    account, calls = signing.account_of(standin.KEY), redeem_calls(market, (5, 6))
    wallet = standin.WALLET
    made = (
        signing.safe_request(account, wallet, calls, 9, ""),
        signing.proxy_request(account, wallet, calls, 9, standin.RELAY, 150_000, ""),
        signing.deposit_request(account, wallet, calls, 9, 1_796_000_000, ""),
    )
    assert [request["signature"] for request in made] == [
        "0x7b7745527b005b0d9509fd755bc26a33c081bf923d0c084d3eabadd42fc73ba4"
        "6be7b92bf9f6eeecbc4df6ac72c9d9a867583ec352dbe9a7568af8182981955820",
        "0xf3cf36cfa0e48f90ef63f8fdbb20abc0011180a823e6d0f03f74f252bad1ecf1"
        "264a25414ac125ec54335afffe5639f08f25ddece756dd2f7f0ffa6c76ac745e1c",
        "0x57bf190d9f7140bed62185c405297d150dfe61e697d6cc96f15d4ab44ddf179c"
        "39151222d00b390924ab1525688b8ffe182f70aeb8463aafb6ab33146a51ed501b",
    ]


def test_a_nodes_program_redeems_by_what_it_is_given(deposit: Owner) -> None:
    deposit.chain.resolve("v1", shares=(5_000_000, 0))
    assert redeem(deposit.settings, deposit.values) == Redeemed(
        ("redeemed 5 USDC of market 0",), ""
    )
    assert deposit.chain.cash == 5_000_000
    deposit.chain.resolve("v2", shares=(5_000_000, 0))
    deposit.values["RELAYER_API_KEY"] = "another-secret"
    (paid, why) = astuple(redeem(deposit.settings, deposit.values))
    assert paid == ()
    assert why.startswith("the relayer answers 401")
    assert "another-secret" not in why


class Watched:
    """A watch whose program and clock are played by a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.answers = [Redeemed((), "")]
        self.runs = 0
        self.owed = D(0)
        self.seconds = 0.0
        self.said: list[str] = []
        self.alarms: list[str] = []
        self.watch = RedeemWatch(
            self._redeem,
            lambda: self.owed,
            self.said.append,
            self.alarms.append,
            self.loop,
            lambda: self.seconds,
        )

    def _redeem(self) -> Redeemed:
        self.runs += 1
        return self.answers.pop(0)

    def look(self, *, starts: bool) -> None:
        """Look; a program that starts runs to its end."""
        before = self.runs
        self.watch.look()
        if starts:
            while self.watch._is_running:
                self.loop.call_later(0.01, self.loop.stop)
                self.loop.run_forever()
        assert self.runs - before == starts


@pytest.fixture
def w() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.loop.close()


def test_a_node_redeems_at_its_start_and_when_something_is_owed(w: Watched) -> None:
    w.look(starts=True)
    w.seconds = PAUSE_SECONDS
    w.look(starts=False)
    w.owed = D(5)
    w.answers = [Redeemed((), "the relayer answers 503"), Redeemed(("redeemed 5",), "")]
    w.look(starts=True)
    assert w.alarms == ["the relayer answers 503"]
    w.seconds += PAUSE_SECONDS - 1
    w.look(starts=False)
    w.seconds += 1
    w.look(starts=True)
    assert (w.alarms, w.said) == (["the relayer answers 503", ""], ["redeemed 5"])


def test_after_failures_the_pause_grows_to_a_bound(w: Watched) -> None:
    pauses = []
    for _ in range(12):
        w.answers = [Redeemed((), "not now")]
        w.look(starts=True)
        pauses.append(w.watch._not_before - w.seconds)
        w.seconds = w.watch._not_before
    assert pauses[:3] == [PAUSE_SECONDS, 2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert w.alarms == ["not now"]


def test_doctor_checks_the_keys_and_approvals_that_redeeming_needs(
    eoa: Owner, deposit: Owner
) -> None:
    assert check_redeem_key(eoa.settings, {}).level is Level.OK
    assert check_redeem_key(deposit.settings, deposit.values).level is Level.OK
    left = check_redeem_key(deposit.settings, {})
    assert (left.level, "RELAYER_API_KEY" in left.found) == (Level.WARNING, True)
    auto = replace(deposit.settings, redeem=RedeemSettings(auto=True))
    assert check_redeem_key(auto, {}).level is Level.FAILED
    rows = [
        {"token": standin.TOKENS, "spender": spender, "approved": True}
        for spender in standin.ADAPTERS
    ]
    assert standin.ROUTER in check_redeeming(rows).found.lower()
    rows.append({"token": standin.MANAGER, "spender": standin.ROUTER, "approved": True})
    assert check_redeeming(rows).level is Level.OK


def test_the_command_says_what_is_paid(deposit: Owner, tmp_path: Path) -> None:
    deposit.chain.resolve("v2", (500_000, 500_000), (3_000_000, 0))
    venue = deposit.settings.venue
    (tmp_path / "live.toml").write_text(
        f'mode = "live"\nstate = "{tmp_path / "state"}"\n[wallet]\nsignature_type = 3\n'
        f'[venue]\ndata = "{venue.data}"\nrpc = "{venue.rpc}"\nrelayer = "{venue.relayer}"\n'
    )
    runner, command = CliRunner(), ["redeem", "--config", str(tmp_path / "live.toml")]
    said = runner.invoke(app, [*command, "--dry-run"], env=deposit.values)
    assert "1.5 USDC of market 0: would be paid" in said.output
    assert deposit.chain.cash == 0
    said = runner.invoke(app, command, env=deposit.values)
    assert (said.exit_code, "1.5 USDC are paid" in said.output) == (0, True)
    assert deposit.chain.cash == 1_500_000
    assert "nothing to redeem" in runner.invoke(app, command, env=deposit.values).output
