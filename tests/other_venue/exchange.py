"""A small exchange of its own: a crowd's book per market, one wallet's orders, and a ledger.

It shares nothing with the loopback venue of the other tests, so that what both let pass is no
mistake of one of them. Prices are whole cents, shares and money whole millionths.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MILLION = 1_000_000
LEAST = 5 * MILLION
"""Shares of the smallest order that may rest."""
NO_MATCH = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match"
    " is found."
)


class Rejected(ValueError):
    """An order that the exchange does not take."""


@dataclass(slots=True)
class Book:
    """What the crowd bids and asks for a market's first token: cents to millionths of a share."""

    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class InstrumentBook:
    """A market with two tokens; only the first is traded."""

    condition: str
    slug: str
    tokens: tuple[str, str]
    book: Book = field(default_factory=Book)

    @property
    def token(self) -> str:
        """The token that is traded."""
        return self.tokens[0]


@dataclass(slots=True)
class Order:
    """An order of the wallet. `until` is the second at which it lapses, 0 if never."""

    hash: str
    market: InstrumentBook
    is_buy: bool
    cents: int
    size: int
    kind: str
    maker: str
    until: int
    placed_at: float
    filled: int = 0
    state: str = "LIVE"
    trades: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        """What is not filled."""
        return self.size - self.filled


@dataclass(frozen=True, slots=True)
class Fill:
    """One match of the wallet's order with the crowd; `serial` says in which order they came."""

    serial: int
    order: Order
    cents: int
    shares: int
    is_taker: bool
    time: float

    @property
    def id(self) -> str:
        """The trade's id."""
        return f"{self.serial:08x}-7ade-4000-8000-{int(self.time * 1000):012x}"


Hear = Callable[[str, Order, Fill | None], None]
"""Hears of an order: "placed", "filled" (with the fill), "ended"."""


class Exchange:
    """All markets, orders and fills of one wallet.

    Parameters
    ----------
    cash
        What the wallet begins with, in millionths of a dollar.
    hear
        Told of what befalls an order.
    """

    def __init__(self, cash: int, hear: Hear) -> None:
        self.cash = cash
        self.markets: dict[str, InstrumentBook] = {}
        self.by_token: dict[str, InstrumentBook] = {}
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.shares: dict[str, int] = {}
        self.oversold: list[Order] = []
        """Sales of more than the wallet has."""
        self._hear = hear
        self._serial = itertools.count(1)

    def add(self, slug: str) -> InstrumentBook:
        """List a market."""
        number = len(self.markets) + 1
        condition = f"0x{number:064x}"
        market = InstrumentBook(
            condition, slug, (f"{number:03}" + "7" * 70, f"{number:03}" + "8" * 70)
        )
        self.markets[condition] = market
        self.by_token |= dict.fromkeys(market.tokens, market)
        return market

    def live(self) -> list[Order]:
        """The orders that rest."""
        return [o for o in self.orders.values() if o.state == "LIVE"]

    # -- the wallet's orders -----------------------------------------------------------------------

    def place(self, order: Order, *, is_post_only: bool) -> list[Fill]:
        """Take an order, and match what crosses; raises `Rejected`."""
        self._check(order, is_post_only=is_post_only)
        self.orders[order.hash] = order
        fills = list(self._match(order))
        if order.left and order.kind in ("FAK", "FOK"):
            if not fills:
                del self.orders[order.hash]
                raise Rejected(NO_MATCH)
            order.state = "CANCELED"
        if not fills:
            self._hear("placed", order, None)
        for fill in fills:
            self._hear("filled", order, fill)
        if order.state == "CANCELED":
            self._hear("ended", order, None)
        return fills

    def cancel(self, hash_: str) -> bool:
        """Take an order off the book; whether it was there."""
        order = self.orders.get(hash_)
        if order is None or order.state != "LIVE":
            return False
        order.state = "CANCELED"
        self._hear("ended", order, None)
        return True

    def lapse(self) -> None:
        """Take off what is past its time."""
        for order in self.live():
            if order.until and order.until <= time.time():
                self.cancel(order.hash)

    def _check(self, order: Order, *, is_post_only: bool) -> None:
        if order.hash in self.orders:
            raise Rejected(f"invalid post order: duplicated. order {order.hash} already exists")
        if not 1 <= order.cents <= 99:
            raise Rejected("invalid price")
        if order.kind in ("GTC", "GTD") and order.size < LEAST:
            raise Rejected("invalid order: size lower than the minimum: 5")
        touch = order.market.book.asks if order.is_buy else order.market.book.bids
        if is_post_only and any(_crosses(order, cents) for cents in touch):
            raise Rejected("invalid post-only order: order crosses book")
        others = [o for o in self.live() if o.is_buy == order.is_buy]
        if order.is_buy:
            locked = sum(o.left * o.cents // 100 for o in others)
            free, wanted = self.cash - locked, order.size * order.cents // 100
        else:
            mine = self.shares.get(order.market.token, 0)
            locked = sum(o.left for o in others if o.market is order.market)
            free, wanted = mine - locked, order.size
            if wanted > mine:
                self.oversold.append(order)
        if wanted > free:
            raise Rejected(
                "not enough balance / allowance: the balance is not enough -> balance:"
                f" {free}, order amount: {wanted}"
            )

    def _match(self, order: Order) -> Iterator[Fill]:
        book = order.market.book
        side = book.asks if order.is_buy else book.bids
        for cents in sorted(side, reverse=not order.is_buy):
            if not order.left or not _crosses(order, cents):
                return
            shares = min(order.left, side[cents])
            side[cents] -= shares
            if not side[cents]:
                del side[cents]
            yield self._fill(order, cents, shares, is_taker=True)

    def _fill(self, order: Order, cents: int, shares: int, *, is_taker: bool) -> Fill:
        way = 1 if order.is_buy else -1
        fill = Fill(next(self._serial), order, cents, shares, is_taker, time.time())
        order.filled += shares
        order.trades.append(fill.id)
        if not order.left:
            order.state = "MATCHED"
        token = order.market.token
        self.shares[token] = self.shares.get(token, 0) + way * shares
        self.cash -= way * shares * cents // 100
        self.fills.append(fill)
        return fill

    # -- the crowd ---------------------------------------------------------------------------------

    def move(self, market: InstrumentBook, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Let the crowd bid and ask anew; what meets the wallet's resting orders trades first."""
        market.book = Book(dict(bids), dict(asks))
        mine = [o for o in self.live() if o.market is market]
        for order in sorted(mine, key=lambda o: o.cents if not o.is_buy else -o.cents):
            side = market.book.asks if order.is_buy else market.book.bids
            for cents in sorted(side, reverse=not order.is_buy):
                if not order.left or not _crosses(order, cents):
                    break
                shares = min(order.left, side[cents])
                side[cents] -= shares
                if not side[cents]:
                    del side[cents]
                fill = self._fill(order, order.cents, shares, is_taker=False)
                self._hear("filled", order, fill)


def _crosses(order: Order, cents: int) -> bool:
    return cents <= order.cents if order.is_buy else cents >= order.cents
