"""What is known of one outcome's market now: its grid and the best prices of its book.

An `InstrumentBook` is one token of the venue. The strategy keeps one per token up to date;
`triggers` and `plan` only read it. Prices are USDC per share, sizes shares, times nanoseconds of
the node's clock.
"""

from decimal import Decimal

from msgspec import Struct

from positions.model.venue_mode import Taking
from positions.model.venue_rules import FeeSchedule


class InstrumentBook(Struct):
    """One outcome of a market, as last seen.

    `bid` and `ask` are None while that side of the book is empty or nothing was seen yet. `seq`
    counts the views of the book: a newer quote is known by it. `payout` is what a share pays once
    the market is resolved, None before. `bids` are price and size of each bid, best first, where
    the depth of the book is known, and () where only the touch is; `last` is the price of the last
    trade. `feed_problem` says what is wrong with the outcome's prices, "" while nothing is: without
    sound prices nothing is bought; nor while not `is_recorded`, when nothing can be written down.
    `taking` says which orders the venue takes now.
    """

    market_id: str
    slug: str
    question: str
    outcome_id: str
    outcome: str
    tick: Decimal
    minimum_size: Decimal
    fee: FeeSchedule
    closes_at: int | None = None
    bid: Decimal | None = None
    bid_size: Decimal = Decimal(0)
    ask: Decimal | None = None
    ask_size: Decimal = Decimal(0)
    seq: int = 0
    quoted_at: int | None = None
    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    last: Decimal | None = None
    payout: Decimal | None = None
    halted: bool = False
    feed_problem: str = ""
    is_recorded: bool = True
    taking: Taking = Taking.ALL

    @property
    def entries_allowed(self) -> bool:
        """Whether anything may be bought now."""
        sound = not self.feed_problem and self.fee.is_known
        return self.is_recorded and not self.halted and sound

    @property
    def fee_rate(self) -> Decimal:
        """The rate of the taker's fee."""
        return self.fee.rate

    def show(
        self,
        bid: Decimal | None,
        bid_size: Decimal,
        ask: Decimal | None,
        ask_size: Decimal,
        at: int,
        bids: tuple[tuple[Decimal, Decimal], ...] | None = None,
    ) -> None:
        """Take over a newer view of the book; `bids` of None are as they were."""
        if bids is not None:
            self.bids = bids
        self.bid, self.bid_size = bid, bid_size
        self.ask, self.ask_size = ask, ask_size
        self.seq += 1
        self.quoted_at = at

    def traded(self, price: Decimal) -> None:
        """Take over a newer trade; the book is not seen anew by that."""
        self.last = price

    def average_bid(self, shares: Decimal) -> Decimal | None:
        """The average price at which `shares` could be sold to the bids that are known.

        What they do not take is not counted: where only the touch is known, it is the best bid.
        """
        if self.bid is None:
            return None
        money = taken = Decimal(0)
        for price, size in self.bids:
            part = min(size, shares - taken)
            money += part * price
            taken += part
        return money / taken if taken > 0 else self.bid

    def bid_size_from(self, price: Decimal) -> Decimal:
        """How many shares the known bids at `price` or better would take."""
        if self.bid is None or self.bid < price:
            return Decimal(0)
        if not self.bids:
            return self.bid_size
        return sum((size for bid, size in self.bids if bid >= price), Decimal(0))

    def would_take(self, price: Decimal) -> bool:
        """Whether a bid at `price` would meet the ask in place of resting."""
        return self.ask is not None and price >= self.ask

    def takes(self, *, post_only: bool) -> bool:
        """Whether the venue takes an order that rests, post-only or not."""
        return self.taking is Taking.ALL or (self.taking is Taking.POST_ONLY and post_only)

    def through(self, stop_price: Decimal | None) -> bool:
        """Whether the bid stands at or below the stop; never without a bid or a stop."""
        return stop_price is not None and self.bid is not None and self.bid <= stop_price
