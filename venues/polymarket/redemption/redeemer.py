"""Turns the shares of resolved markets into cash, each once.

What is sent is on disk before. Nothing further is sent until its end is known, so that no nonce is
used twice and at most one redemption of a wallet is under way.
"""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from eth_account.signers.local import LocalAccount
from msgspec import Struct
from msgspec.structs import replace

from positions.commands.market_names import condition_id_of, is_condition_id, is_token_id
from positions.model.foreign_text import NAME_LENGTH, REASON_LENGTH, clean
from venues.polymarket.api.protocol import Protocol, position_ids, protocol_of
from venues.polymarket.redemption import signing
from venues.polymarket.redemption.calls import Call, Market, proxied, redeem_calls
from venues.polymarket.redemption.record import Line, RedemptionRecord
from venues.polymarket.redemption.remote import (
    MILLION,
    Chain,
    Holdings,
    RedemptionError,
    Relayer,
    Reverted,
)

OWN_WALLET = 0
ZERO = Decimal(0)
_KINDS = {1: "PROXY", 2: "SAFE", 3: "WALLET"}
"""What the relayer calls each kind of wallet."""
_GAS_MAX = 2_000_000
_GAS_PRICE_MAX = 2_000 * 10**9
_PROXY_GAS = 200_000
_DEADLINE_SECONDS = 600
_LOST_SECONDS = 900
"""So long after a send another transaction's nonce is waited for, before the send counts as lost:
not every node of the chain, and not the relayer, tells what was executed last."""

_UNSEEN_SECONDS = 3600
"""So long after it was signed a transaction that no node knows is signed anew."""


class Patience(Struct, frozen=True):
    """How long the end of a transaction is waited for, and asked for how often, in seconds."""

    seconds: float = 120.0
    pause: float = 2.0


class Result(Struct, frozen=True):
    """What became of one market: "would be paid", "paid" or "failed"; `worth` in USDC."""

    market: str
    condition_id: str
    worth: Decimal
    state: str
    why: str = ""

    def __str__(self) -> str:
        text = f"{self.worth:f} USDC of {self.market}: {self.state}"
        return f"{text}: {self.why}" if self.why else text


class Redeemer:
    """Redeems for one wallet; `relayer` is None for a wallet of the key's own."""

    def __init__(
        self,
        chain: Chain,
        relayer: Relayer | None,
        holdings: Holdings,
        record: RedemptionRecord,
        account: LocalAccount,
        wallet: str,
        kind: int,
        patience: Patience,
    ) -> None:
        self._chain = chain
        self._relayer = relayer
        self._holdings = holdings
        self._record = record
        self._account = account
        self._wallet = wallet
        self._kind = kind
        self._patience = patience

    def run(
        self, market: str = "", *, dry_run: bool = False, by_hand: bool = True
    ) -> Iterator[Result]:
        """Redeem what pays, of one market or of all; `by_hand` also what failed just before.

        Raises
        ------
        RedemptionError
            If the chain, the relayer or the Data API cannot be asked, or what was sent has no end
            yet: nothing further is sent then.
        OSError
            If it cannot be written down what is to be sent.
        """
        self._chain.check()
        if not dry_run:
            for line in self._record.unfinished():
                yield self._settled(line)
        for found in self._found(market):
            if isinstance(found, Result):
                yield found
                continue
            yield from self._redeem(found, dry_run=dry_run, by_hand=by_hand)

    def _found(self, market: str) -> Iterator[Market | Result]:
        """The markets of the wallet's shares that pay, each once, or why one is left out."""
        seen: set[str] = set()
        for row in self._holdings.redeemable(self._wallet):
            if market and not _is_of(row, market):
                continue
            try:
                found = market_of(row)
            except RedemptionError as e:  # the others are redeemed all the same
                yield Result(str(row.get("title"))[:NAME_LENGTH], "", ZERO, "failed", str(e))
                continue
            if found.condition_id not in seen:
                seen.add(found.condition_id)
                yield found

    def _redeem(self, market: Market, *, dry_run: bool, by_hand: bool) -> Iterator[Result]:
        balances, worths = self._owed(market)
        worth = Decimal(sum(worths)) / MILLION
        if not worth:  # not resolved, redeemed already, or nothing won
            return

        def result(state: str, why: str = "") -> Result:
            return Result(market.title, market.condition_id, worth, state, why)

        if not self._chain.may_redeem(market, self._wallet):
            why = f"{market.redeemed_at} may not take shares: approve it once at polymarket.com"
            yield result("failed", why)
        elif dry_run:
            yield result("would be paid")
        elif not by_hand and (why := self._record.pause(market.condition_id)):
            yield result("failed", why)
        else:
            won = (balances[0] if worths[0] else 0, balances[1] if worths[1] else 0)
            yield self._sent(market, redeem_calls(market, won), worths, result("paid"))

    def _owed(self, market: Market) -> tuple[tuple[int, int], list[int]]:
        """The wallet's shares of both outcomes, and what they pay, in millionths."""
        balances = self._chain.balances(market, self._wallet)
        of = self._holdings if market.protocol is Protocol.V2 else self._chain
        *pays, whole = of.payouts(market.condition_id)
        worths = [n * p // whole if whole else 0 for n, p in zip(balances, pays, strict=True)]
        return balances, worths

    def _sent(
        self, market: Market, calls: tuple[Call, ...], worths: list[int], paid: Result
    ) -> Result:
        """Send what redeems a market, one after the other where they cannot go together."""
        is_own = self._relayer is None
        batches = [(c,) for c in calls] if is_own else [calls]
        # Several of them pay for an outcome each; one pays for both.
        pays = [n for n in worths if n] if len(batches) > 1 else [sum(worths)]
        for batch, pay in zip(batches, pays, strict=True):
            try:
                line = self._own(market, batch[0]) if is_own else self._relayed(market, batch)
                line = replace(line, worth=Decimal(pay) / MILLION)
            except Reverted as e:
                why = clean(e, REASON_LENGTH)
                now = int(time.time())
                self._record.write(Line("", "failed", market.condition_id, now, why=why))
                return Result(market.title, market.condition_id, paid.worth, "failed", why)
            self._record.write(line)
            ended = self._settled(line)
            if ended.state != "paid":
                return Result(market.title, market.condition_id, paid.worth, "failed", ended.why)
        return paid

    # -- what is sent ------------------------------------------------------------------------------

    def _own(self, market: Market, one: Call) -> Line:
        """A transaction of the key's own wallet, signed."""
        chain, owner = self._chain, self._account.address
        asked = {"from": owner, "to": one.to, "value": "0x0", "data": one.data}
        gas = chain.number("eth_estimateGas", asked) * 5 // 4
        price = chain.number("eth_gasPrice") * 5 // 4
        if gas > _GAS_MAX or price > _GAS_PRICE_MAX:
            raise RedemptionError(f"the chain asks {gas} gas at {price} wei: more than is paid")
        has = chain.number("eth_getBalance", owner, "latest")
        if has < gas * price:
            needed, there = (f"{Decimal(n) / 10**18:.6f}" for n in (gas * price, has))
            raise RedemptionError(f"gas cannot be paid: {needed} POL, {owner} has {there}")
        nonce = chain.number("eth_getTransactionCount", owner, "pending")
        raw, key = signing.sign_transaction(self._account, one, nonce, gas, price)
        return Line(key, "sending", market.condition_id, int(time.time()), raw, market, nonce=nonce)

    def _relayed(self, market: Market, calls: tuple[Call, ...]) -> Line:
        """What the relayer is to be asked, signed."""
        account, now = self._account, int(time.time())
        note = f"Redeem positions for condition {market.condition_id}"
        nonce, relay = self._asked_relayer.nonce(account.address, _KINDS[self._kind])
        match self._kind:
            case 1:
                gas = self._proxy_gas(calls)
                request = signing.proxy_request(
                    account, self._wallet, calls, nonce, relay, gas, note
                )
            case 2:
                request = signing.safe_request(account, self._wallet, calls, nonce, note)
            case _:
                deadline = now + _DEADLINE_SECONDS
                request = signing.deposit_request(
                    account, self._wallet, calls, nonce, deadline, note
                )
        key = request["signature"]
        return Line(key, "sending", market.condition_id, now, request, market, nonce=nonce)

    def _proxy_gas(self, calls: tuple[Call, ...]) -> int:
        """The gas that is signed for; the relayer pays it."""
        one = proxied(calls)
        asked = {"from": self._account.address, "to": one.to, "data": one.data}
        try:
            return self._chain.number("eth_estimateGas", asked)
        except Reverted:
            raise
        except RedemptionError:
            return _PROXY_GAS

    # -- what comes of it --------------------------------------------------------------------------

    def _settled(self, line: Line) -> Result:
        """How what was sent ended, sent again where nobody has it. Raises RedemptionError."""
        look = self._look_own if isinstance(line.request, str) else self._look_relayed
        name = line.condition_id if line.market is None else line.market.title
        until, problem, tries = time.monotonic() + self._patience.seconds, "", 0
        while True:
            try:
                ended = look(line, is_first=tries == 0)
            except RedemptionError as e:
                problem, ended = f": {e}", ""
            if ended:
                step, why = ("paid", "") if ended == "paid" else ("failed", ended)
                self._record.end(line, step, why)
                return Result(name, line.condition_id, line.worth, step, why)
            tries += 1
            if time.monotonic() > until:
                raise RedemptionError(f"{name} is sent, and its end is not known yet{problem}")
            time.sleep(self._patience.pause)

    def _look_own(self, line: Line, *, is_first: bool) -> str:
        """ "paid", why it failed, or "" while that is not known."""
        used = self._chain.number("eth_getTransactionCount", self._account.address, "latest")
        succeeded = self._chain.receipt(line.key)
        if succeeded is not None:
            return "paid" if succeeded else f"the transaction {line.key} was reverted"
        if used > line.nonce:
            return "another transaction took its nonce" if _is_lost(line) else ""
        if time.time() > line.at + _UNSEEN_SECONDS and not self._chain.knows(line.key):
            return "the chain has not seen it for an hour"  # its nonce is free, or it has it
        if is_first:  # the very same bytes: whoever has them already, has them once
            self._chain.ask("eth_sendRawTransaction", line.request)
        return ""

    def _look_relayed(self, line: Line, *, is_first: bool) -> str:
        """As `_look_own`."""
        relayer, known = self._asked_relayer, self._record.relayer_id(line.key)
        state = relayer.state(known) if known else ""
        if state in ("STATE_FAILED", "STATE_INVALID"):
            return f"the relayer answers {state} for {known}"
        if state == "STATE_CONFIRMED":
            return self._carried_out(line, "the relayer confirms it")
        if state:
            return ""
        used, _ = relayer.nonce(line.request["from"], line.request["type"])
        if used > line.nonce:
            return self._carried_out(line, "its nonce is used")
        params = line.request.get("depositWalletParams")
        if params and time.time() > int(params["deadline"]) + 60:
            return "the relayer did not take it in time"
        if is_first:
            try:
                taken = relayer.submit(line.request)
            except RedemptionError as e:
                if not e.is_refusal:
                    raise
                return str(e)  # one that was taken before has the nonce of the next, too
            now = int(time.time())
            self._record.write(Line(line.key, "taken", line.condition_id, now, relayer_id=taken))
        return ""

    def _carried_out(self, line: Line, what: str) -> str:
        """ "paid" once the chain tells that nothing is owed; a Safe may do nothing, and succeed."""
        if line.market is None or not any(self._owed(line.market)[1]):
            return "paid"
        return f"{what}, and the shares are there still" if _is_lost(line) else ""

    @property
    def _asked_relayer(self) -> Relayer:
        if self._relayer is None:
            raise RedemptionError("this wallet needs a relayer: it was of another kind before")
        return self._relayer


def _is_lost(line: Line) -> bool:
    return time.time() > line.at + _LOST_SECONDS


def _is_of(row: dict[str, Any], market: str) -> bool:
    """Whether a row is of the market that was named, by a name as people type it."""
    condition = condition_id_of(str(row.get("condition_id"))).lower()
    names = (row.get("slug"), row.get("event_slug"), row.get("token_id"))
    return market in (condition, *map(str, names), str(row.get("opposite_token_id")))


def market_of(row: dict[str, Any]) -> Market:
    """The market of a row of the Data API. Raises RedemptionError if it tells too little."""
    condition = condition_id_of(str(row.get("condition_id"))).lower()
    title = clean(row.get("title") or condition, NAME_LENGTH)
    own, other = str(row.get("token_id")), str(row.get("opposite_token_id"))
    if not (is_condition_id(condition) and is_token_id(own)):
        raise RedemptionError(f"the Data API tells no ids of {title}")
    protocol = protocol_of(own)
    if protocol is Protocol.V2:
        return Market(condition, protocol, False, position_ids(condition), title)
    is_neg_risk, index = row.get("negative_risk"), row.get("outcome_index")
    if not isinstance(is_neg_risk, bool) or index not in (0, 1) or not is_token_id(other):
        raise RedemptionError(f"the Data API does not tell of which kind {title} is")
    ids = (own, other) if index == 0 else (other, own)
    return Market(condition, protocol, is_neg_risk, ids, title)
