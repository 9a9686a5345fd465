"""The loopback venue's own rules, row by row: it is the check on ours, so it is checked alone."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from loopback import rules
from loopback.agenda import Agenda
from loopback.engine import Engine
from loopback.faults import Faults
from loopback.ledger import CASH, Account, Kind, Ledger, Market, Order, Side, Trade
from loopback.rules import Refused

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
GTC, GTD, FAK, FOK = Kind.GTC, Kind.GTD, Kind.FAK, Kind.FOK
YES, NO = 0, 1
ME, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20


class Silence:
    """A listener that keeps what it is told in short words."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def book_changed(self, market: Market) -> None:
        """Not of interest here."""

    def traded(self, trade: Trade) -> None:
        self.said.append(trade.status)

    def settled(self, trade: Trade) -> None:
        self.said.append(trade.status)

    def order_said(self, _: Order, event: str, status: str = "") -> None:
        self.said.append(event if status != rules.KILLED else "KILLED")


class Stage:
    """An engine with one market: bids 0.50 x 30 and 0.48 x 100, asks 0.52 x 40 and 0.55 x 100."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: str = "0.01") -> None:
        self.heard = Silence()
        self.faults = Faults()
        self.agenda = Agenda(loop)
        self.ledger = Ledger()
        self.engine = Engine(self.agenda, self.faults, self.heard, self.ledger)
        self.market = Market(
            "m", "?", ("Yes", "No"), D(tick), D(5), D("0.04"), False, "2030-01-01T00:00:00Z"
        )
        self.ledger.add(self.market)
        self.quote("0.50 30, 0.48 100", "0.52 40, 0.55 100")
        for wallet in (ME, OTHER):
            self.account(wallet).change(self.agenda.now(), CASH, D(1000))
            for token in self.market.tokens:
                self.account(wallet).change(self.agenda.now(), token, D(50))

    def account(self, wallet: str) -> Account:
        return self.ledger.account(wallet)

    def quote(self, bids: str, asks: str) -> None:
        levels = {BUY: _levels(bids), SELL: _levels(asks)}
        self.engine.set_outside(self.market, self.market.tokens[YES], levels)

    def send(
        self,
        side: Side,
        price: str,
        size: str,
        kind: Kind = GTC,
        outcome: int = YES,
        wallet: str = ME,
        post_only: bool = False,
        lasts: int = 0,
        spend: str = "",
    ) -> str:
        """Place an order; what became of it, as in "matched 10 @ 0.52, live"."""
        number = self.engine.next_sequence()
        order = Order(
            id=f"0x{number:064x}",
            market=self.market,
            token=self.market.tokens[outcome],
            side=side,
            price=D(price),
            size=D(size),
            kind=kind,
            maker=wallet,
            signer=wallet,
            owner=wallet,
            is_post_only=post_only,
            expiration=int(self.agenda.now()) + lasts if lasts else 0,
            spend=D(spend) if spend else None,
            received_at=self.agenda.now(),
            sequence=number,
        )
        try:
            trades = self.engine.place(order)
        except Refused as e:
            return f"refused: {e.words}"
        return ", ".join([*_fills(trades, order), order.status.lower()])

    def held(self, wallet: str = ME, outcome: int = YES) -> Decimal:
        return self.account(wallet).held(self.market.tokens[outcome])

    def cash(self, wallet: str = ME) -> Decimal:
        return self.account(wallet).held(CASH)


def _fills(trades: list[Trade], order: Order) -> list[str]:
    """What a taker got, in its own token's prices."""
    told = []
    for maker in (leg for trade in trades for leg in trade.makers):
        framed = order.market.frame(maker.token, maker.side, maker.price)
        price = order.market.frame(order.token, *framed)[1]
        told.append(f"{maker.shares.normalize():f} @ {price}")
    return told


def _levels(text: str) -> list[tuple[Decimal, Decimal]]:
    pairs = [part.split() for part in text.split(",") if part]
    return [(D(price), D(size)) for price, size in pairs]


@pytest.fixture
def stage() -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    yield Stage(loop)
    loop.close()


# fmt: off
ROWS = {
    # what is sent                                                         what becomes of it
    "a buy under the ask rests":
        ([(BUY, "0.51", "10")],                                            "live"),
    "a buy at the ask takes it":
        ([(BUY, "0.52", "10")],                                            "10 @ 0.52, matched"),
    "a buy takes level after level and pays each one's price":
        ([(BUY, "0.55", "50")],                                            "40 @ 0.52, 10 @ 0.55, matched"),
    "what a GTC buy does not find rests":
        ([(BUY, "0.52", "50")],                                            "40 @ 0.52, live"),
    "what a FAK does not find is killed":
        ([(BUY, "0.52", "50", FAK)],                                       "40 @ 0.52, canceled"),
    "a FAK that meets nothing is refused":
        ([(BUY, "0.51", "50", FAK)],                                       f"refused: {rules.NO_MATCH}"),
    "a FOK that is not filled whole is refused":
        ([(BUY, "0.52", "50", FOK)],                                       f"refused: {rules.NOT_FILLED}"),
    "a FOK that is filled whole is matched":
        ([(BUY, "0.55", "50", FOK)],                                       "40 @ 0.52, 10 @ 0.55, matched"),
    "a market buy gets as many shares as its dollars pay for":
        ([(BUY, "0.55", "20", FAK, YES, ME, False, 0, "11.00")],           "21.153846 @ 0.52, matched"),
    "a post-only buy at the ask is refused":
        ([(BUY, "0.52", "10", GTC, YES, ME, True)],                        f"refused: {rules.CROSSES}"),
    "a post-only buy under the ask rests":
        ([(BUY, "0.51", "10", GTC, YES, ME, True)],                        "live"),
    "a sell at the bid takes it":
        ([(SELL, "0.50", "10")],                                           "10 @ 0.50, matched"),
    "a buy of the other outcome meets the bids of this one":
        ([(BUY, "0.50", "10", GTC, NO)],                                   "10 @ 0.50, matched"),
    "a buy of the other outcome under its ask rests":
        ([(BUY, "0.49", "10", GTC, NO)],                                   "live"),
    "two buyers of the two outcomes meet when their prices make a dollar":
        ([(BUY, "0.51", "10", GTC, YES, OTHER), (BUY, "0.49", "10", GTC, NO)], "10 @ 0.49, matched"),
    "of two orders at a price the earlier is met first":
        ([(BUY, "0.51", "6", GTC, YES, OTHER), (BUY, "0.51", "7", GTC, YES, OTHER),
          (SELL, "0.51", "8")],                                            "6 @ 0.51, 2 @ 0.51, matched"),
    "an order queues behind the outside at its price":
        ([(SELL, "0.52", "6", GTC, YES, OTHER), (BUY, "0.52", "42")],      "40 @ 0.52, 2 @ 0.52, matched"),
    "a resting order under the minimum is refused":
        ([(BUY, "0.51", "4.99")],                                          "lower than the minimum: 5"),
    "a FAK under the minimum size but above a dollar is taken":
        ([(BUY, "0.52", "2", FAK)],                                        "2 @ 0.52, matched"),
    "an order that takes under a dollar is refused":
        ([(SELL, "0.10", "9.99", FAK)],                                    "marketable SELL order ($0.999), min size: $1"),
    "an order that takes a dollar is taken":
        ([(SELL, "0.10", "10", FAK)],                                      "10 @ 0.50, matched"),
    "a price between the ticks is refused":
        ([(BUY, "0.505", "10")],                                           "Price (0.505) breaks minimum tick size rule: 0.01"),
    "a price of one is refused":
        ([(BUY, "1.00", "10")],                                            "invalid price (1), min: 0.01 - max: 0.99"),
    "the lowest price is one tick":
        ([(BUY, "0.01", "10")],                                            "live"),
    "shares that are not there cannot be sold":
        ([(SELL, "0.60", "50.01")],                                        "balance: 50000000, sum of active orders: 0, order amount: 50010000"),
    "shares of an open sell cannot be sold again":
        ([(SELL, "0.60", "30"), (SELL, "0.60", "20.01")],                  "balance: 50000000, sum of active orders: 30000000, order amount: 20010000"),
    "all shares may be in open sells":
        ([(SELL, "0.60", "30"), (SELL, "0.60", "20")],                     "live"),
    "cash of an open buy cannot be spent again":
        ([(BUY, "0.40", "2000"), (BUY, "0.41", "500")],                    "balance: 1000000000, sum of active orders: 800000000, order amount: 205000000"),
    "a taker must have the fee, too":
        ([(BUY, "0.55", "1818")],                                          "sum of active orders: 0, order amount: 1017898200"),
    "a resting buy may cost all cash":
        ([(BUY, "0.50", "2000")],                                          "live"),
    "a GTD order that states less than three minutes is refused":
        ([(BUY, "0.51", "10", GTD, YES, ME, False, 179)],                  "refused: invalid expiration value"),
    "a GTD order that lasts longer rests":
        ([(BUY, "0.51", "10", GTD, YES, ME, False, 181)],                  "live"),
    "an expiration without GTD is refused":
        ([(BUY, "0.51", "10", GTC, YES, ME, False, 90)],                   "refused: invalid expiration value"),
}
# fmt: on


@pytest.mark.parametrize("name", ROWS)
def test_what_becomes_of_an_order(stage: Stage, name: str) -> None:
    sent, expected = ROWS[name]
    assert expected in [stage.send(*order) for order in sent][-1]


# fmt: off
AMOUNTS = {
    # side, kind, maker, taker (millionths), tick                          price, size, spend
    "a limit buy":         ((BUY, GTC, 5_200_000, 10_000_000, "0.01"),     ("0.52", "10", None)),
    "a fine limit buy":    ((BUY, GTC, 5_205_000, 10_000_000, "0.001"),    ("0.5205", "10", None)),
    "a limit sell":        ((SELL, GTC, 10_010_000, 5_205_200, "0.01"),    ("0.52", "10.01", None)),
    "a FAK sell":          ((SELL, FAK, 10_010_000, 5_205_200, "0.001"),   ("0.52", "10.01", None)),
    "a market buy":        ((BUY, FOK, 10_000_000, 19_230_700, "0.01"),    (None, "19.2307", "10")),
    "a limit buy of three decimals of shares":
        ((BUY, GTC, 5_200_520, 10_001_000, "0.01"),  "the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2"),
    "a FAK sell for five decimals of dollars":
        ((SELL, FAK, 10_110_000, 5_267_310, "0.001"), "the market sell orders maker amount supports a max accuracy of 2 decimals, taker amount a max of 4"),
    "a market buy for a fraction of a cent":
        ((BUY, FAK, 10_001_000, 19_230_700, "0.01"), "the market buy orders maker amount supports a max accuracy of 2 decimals, taker amount a max of 4"),
    "an amount of nothing":
        ((BUY, GTC, 0, 10_000_000, "0.01"),          "must be higher than 0"),
}
# fmt: on


@pytest.mark.parametrize("name", AMOUNTS)
def test_what_an_orders_amounts_mean(name: str) -> None:
    (side, kind, maker, taker, tick), expected = AMOUNTS[name]
    if isinstance(expected, str):
        with pytest.raises(Refused) as e:
            rules.terms(side, kind, maker, taker, D(tick))
        assert expected in e.value.words
        return
    price, size, spend = expected
    read = rules.terms(side, kind, maker, taker, D(tick))
    assert (read.size, read.spend) == (D(size), None if spend is None else D(spend))
    assert price is None or read.price == D(price)


def test_a_taker_pays_the_fee_of_each_level_and_a_maker_none(stage: Stage) -> None:
    stage.send(SELL, "0.53", "10", wallet=OTHER)
    stage.send(BUY, "0.53", "50")
    # 40 x 0.52 and 10 x 0.53; fees 40 x 0.04 x 0.52 x 0.48 and 10 x 0.04 x 0.53 x 0.47
    assert stage.cash() == D(1000) - D("20.8") - D("5.3") - D("0.39936") - D("0.09964")
    assert stage.cash(OTHER) == D(1000) + D("5.3")
    assert (stage.held(), stage.held(OTHER)) == (D(100), D(40))


def test_outside_prices_that_meet_an_order_fill_it_at_its_own_price(stage: Stage) -> None:
    stage.send(SELL, "0.60", "20")
    stage.quote("0.62 12", "0.63 100")
    assert (stage.held(), stage.cash()) == (D(38), D(1000) + D("7.2"))
    assert stage.market.touch(stage.market.tokens[YES]) == (None, D("0.60"))


def test_what_an_order_took_is_gone_until_the_outside_shows_it_again(stage: Stage) -> None:
    stage.send(BUY, "0.52", "40")
    assert stage.market.touch(stage.market.tokens[YES]) == (D("0.50"), D("0.55"))
    stage.quote("0.50 30", "0.52 40")
    assert stage.market.touch(stage.market.tokens[NO]) == (D("0.48"), D("0.50"))


def test_a_trade_settles_in_steps(stage: Stage) -> None:
    stage.send(BUY, "0.52", "10")
    stage.agenda.skip(1)
    stage.agenda.skip(1)
    assert [s for s in stage.heard.said if s != "MATCHED"] == ["MINED", "CONFIRMED"]


def test_a_trade_may_be_tried_again_before_it_settles(stage: Stage) -> None:
    stage.faults.retried_trades = 1
    stage.send(BUY, "0.52", "10")
    for _ in range(3):
        stage.agenda.skip(1)
    assert stage.heard.said[1:] == ["RETRYING", "MINED", "CONFIRMED"]


def test_a_trade_that_fails_to_settle_gives_back_cash_and_shares(stage: Stage) -> None:
    stage.faults.failing_trades = 1
    stage.send(BUY, "0.52", "10")
    stage.agenda.skip(1)
    assert (stage.cash(), stage.held()) == (D(1000), D(50))
    assert stage.heard.said[-1] == "FAILED"


def test_what_was_done_with_shares_that_never_came_fails_too(stage: Stage) -> None:
    stage.send(BUY, "0.52", "40")
    stage.send(SELL, "0.60", "50")
    stage.send(SELL, "0.48", "40", FAK)
    (bought, sold) = stage.ledger.trades
    stage.engine.fail(bought)
    assert (bought.status, sold.status) == ("FAILED", "MATCHED")  # 50 - 40 sold: still 10 there
    assert [o.status for o in stage.ledger.orders.values()][1] == "CANCELED"
    assert stage.held() == D(10)
    stage.engine.fail(sold)
    assert (stage.cash(), stage.held()) == (D(1000), D(50))


def test_a_sale_of_shares_that_never_came_fails_with_their_purchase(stage: Stage) -> None:
    stage.send(BUY, "0.52", "40")
    stage.send(SELL, "0.48", "60", FAK)
    stage.engine.fail(stage.ledger.trades[0])
    assert [t.status for t in stage.ledger.trades] == ["FAILED", "FAILED"]
    assert (stage.cash(), stage.held()) == (D(1000), D(50))


def test_just_bought_shares_can_be_sold_after_a_while(stage: Stage) -> None:
    stage.engine.sellable_after = 5
    stage.send(BUY, "0.52", "10")
    assert "not enough balance" in stage.send(SELL, "0.60", "50.01")
    assert stage.send(SELL, "0.60", "50") == "live"
    stage.agenda.skip(6)
    assert stage.send(SELL, "0.60", "10") == "live"


def test_a_GTD_order_ends_a_minute_before_its_time(stage: Stage) -> None:
    stage.send(BUY, "0.51", "10", GTD, lasts=185)
    stage.agenda.skip(120)
    assert len(stage.ledger.open_orders(ME)) == 1
    stage.agenda.skip(10)
    assert stage.ledger.open_orders(ME) == []
    assert stage.heard.said[-1] == "CANCELLATION"


def test_a_delayed_order_is_matched_later_against_what_is_there_then(stage: Stage) -> None:
    stage.faults.order_delay = 3
    assert stage.send(BUY, "0.55", "10", FAK) == "delayed"
    stage.quote("0.50 30", "0.54 100")
    stage.agenda.skip(4)
    (trade,) = stage.ledger.trades
    assert (trade.price, stage.held()) == (D("0.54"), D(60))


def test_what_a_delayed_order_does_not_find_rests(stage: Stage) -> None:
    stage.faults.order_delay = 3
    assert stage.send(BUY, "0.52", "50") == "delayed"
    stage.agenda.skip(4)
    (order,) = stage.ledger.open_orders(ME)
    assert (order.status, order.left) == ("LIVE", D(10))
    assert stage.market.touch(stage.market.tokens[YES])[0] == D("0.52")


def test_a_delayed_order_whose_match_is_gone_is_killed(stage: Stage) -> None:
    stage.faults.order_delay = 3
    stage.send(BUY, "0.52", "10", FAK)
    stage.quote("0.50 30", "0.54 100")
    stage.agenda.skip(4)
    assert (stage.ledger.trades, stage.heard.said) == ([], ["CANCELLATION"])


def test_a_resolved_market_takes_no_orders_and_ends_those_it_has(stage: Stage) -> None:
    stage.send(SELL, "0.60", "10")
    stage.engine.resolve(stage.market, (D(1), D(0)))
    assert stage.ledger.open_orders(ME) == []
    assert "not accepting orders" in stage.send(BUY, "0.51", "10")


def test_no_dollar_and_no_share_comes_or_goes_between_clients(stage: Stage) -> None:
    stage.quote("", "")
    stage.send(SELL, "0.60", "20", wallet=OTHER)
    stage.send(BUY, "0.60", "20")
    stage.send(BUY, "0.30", "15", outcome=NO, wallet=OTHER)
    stage.send(SELL, "0.30", "15", outcome=NO)
    assert stage.held(ME) + stage.held(OTHER) == D(100)
    assert stage.held(ME, NO) + stage.held(OTHER, NO) == D(100)
    # fees 20 x 0.04 x 0.6 x 0.4 and 15 x 0.04 x 0.3 x 0.7
    assert stage.cash(ME) + stage.cash(OTHER) == D(2000) - D("0.192") - D("0.126")
