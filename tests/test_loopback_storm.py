"""Seeded storms on the loopback venue's engine: whatever is traded, cancelled and undone, its books
add up. It is what others are audited by, so it is audited itself."""

import ast
import asyncio
import contextlib
import os
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from loopback.agenda import Agenda
from loopback.engine import Engine
from loopback.faults import Faults
from loopback.ledger import CASH, ZERO, Kind, Ledger, Market, Order, Side, Trade
from loopback.rules import Refused

D = Decimal
CENT = D("0.01")
WALLETS = tuple("0x" + digit * 40 for digit in "abc")
STEPS = 120
SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(25)


class Deaf:
    """A listener to nothing."""

    def book_changed(self, market: Market) -> None:
        """Nothing."""

    def traded(self, trade: Trade) -> None:
        """Nothing."""

    def settled(self, trade: Trade) -> None:
        """Nothing."""

    def order_said(self, order: Order, event: str, status: str = "") -> None:
        """Nothing."""


class Storm:
    """Three wallets, one market, and chance."""

    def __init__(self, seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.agenda = Agenda(loop)
        self.faults = Faults()
        self.engine = Engine(self.agenda, self.faults, Deaf(), self.ledger)
        self.engine.sellable_after = self.chance.choice((0.0, 3.0))
        self.market = Market(
            "m", "?", ("Yes", "No"), CENT, D(5), D("0.04"), False, "2030-01-01T00:00:00Z"
        )
        self.ledger.add(self.market)
        self.given: dict[tuple[str, str], Decimal] = {}
        for wallet in WALLETS:
            for what in (CASH, *self.market.tokens):
                amount = D(self.chance.randint(20, 200))
                self.given[wallet, what] = amount
                self.ledger.account(wallet).change(self.agenda.now(), what, amount)

    def step(self) -> None:
        """Let something happen."""
        acts = (self.order, self.order, self.order, self.quote, self.cancel, self.wait, self.fail)
        self.chance.choice(acts)()

    def order(self) -> None:
        """Send an order, which may well be refused."""
        kind = self.chance.choice(list(Kind))
        side = self.chance.choice(list(Side))
        price, size = self.price(), D(self.chance.randint(100, 6000)) * CENT
        spend = None
        if side is Side.BUY and not kind.rests:
            spend = (price * size).quantize(CENT)
        self.faults.order_delay = self.chance.choice((0, 0, 0, 1))
        number = self.engine.next_sequence()
        wallet = self.chance.choice(WALLETS)
        lasts = int(self.agenda.now()) + self.chance.randint(182, 190) if kind is Kind.GTD else 0
        token = self.chance.choice(self.market.tokens)
        sent = (wallet, wallet, wallet, self.chance.random() < 0.1, lasts, spend)
        order = Order(
            f"0x{number:064x}",
            self.market,
            token,
            side,
            price,
            size,
            kind,
            *sent,
            self.agenda.now(),
            number,
        )
        with contextlib.suppress(Refused):
            self.engine.place(order)

    def price(self) -> Decimal:
        """A price about the middle."""
        return D(self.chance.randint(40, 60)) * CENT

    def quote(self) -> None:
        """Change the outside."""
        bid = self.price()
        ask = bid + self.chance.randint(1, 5) * CENT
        sizes = (D(self.chance.randint(0, 80)), D(self.chance.randint(0, 80)))
        levels = {Side.BUY: [(bid, sizes[0])], Side.SELL: [(ask, sizes[1])]}
        self.engine.set_outside(self.market, self.chance.choice(self.market.tokens), levels)

    def cancel(self) -> None:
        """Take some order back, open or not."""
        if self.ledger.orders:
            self.engine.cancel(self.chance.choice(list(self.ledger.orders)))

    def wait(self) -> None:
        """Let time pass; some trades then fail to settle."""
        self.faults.failing_trades = self.chance.choice((0, 0, 1))
        self.agenda.skip(self.chance.choice((0.06, 0.2, 2.0)))

    def fail(self) -> None:
        """Let an unsettled trade fail."""
        unsettled = [t for t in self.ledger.trades if not t.is_final]
        if unsettled:
            self.engine.fail(self.chance.choice(unsettled))

    def check(self) -> None:
        """All that must hold at every moment."""
        held = defaultdict(lambda: ZERO, self.given)
        matched: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for trade in self.ledger.trades:
            assert sum(m.shares for m in trade.makers) == trade.taker.shares
            for leg in trade.legs:
                if leg.order is None:
                    continue
                matched[leg.order.id] += leg.shares
                way = 0 if trade.status == "FAILED" else 1 if leg.side is Side.BUY else -1
                held[leg.wallet, leg.token] += way * leg.shares
                held[leg.wallet, CASH] -= way * leg.amount + abs(way) * leg.fee
        for wallet in WALLETS:
            for what in (CASH, *self.market.tokens):
                kept = self.ledger.account(wallet).held(what)
                assert kept == held[wallet, what]
                assert kept >= 0
                assert self.ledger.locked(wallet, what) <= kept
        for order in self.ledger.orders.values():
            assert order.matched == matched[order.id]
            assert order.matched <= order.size or order.spend is not None
        bid, ask = self.market.touch(self.market.tokens[0])
        assert bid is None or ask is None or bid < ask


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_the_books_add_up(seed: int) -> None:
    loop = asyncio.new_event_loop()
    try:
        storm = Storm(seed, loop)
        for _ in range(STEPS):
            storm.step()
            storm.check()
        assert any(t.status == "FAILED" for t in storm.ledger.trades)
        assert any(t.status == "CONFIRMED" for t in storm.ledger.trades)
    finally:
        loop.close()


def test_it_shares_no_rule_with_the_product() -> None:
    ours = {"actors", "node", "positions", "recordings", "strategies", "venues"}
    for path in (Path(__file__).parent / "loopback").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not ours & {name.partition(".")[0] for name in names}, path
