"""What is known of one outcome's market now: its grid and the best prices of its book.

A `Market` is one token of the venue. The strategy keeps one per token up to date; `life` and `plan`
only read it. Prices are USDC per share, sizes shares, times nanoseconds of the node's clock.
"""

from decimal import Decimal

from msgspec import Struct


class Market(Struct):
    """One outcome of a market, as last seen.

    `bid` and `ask` are None while that side of the book is empty or nothing was seen yet. `seq`
    counts the views of the book, so that "a newer quote" can be told. `payout` is what a share pays
    once the market is resolved, None before. `feed_problem` says what is wrong with the outcome's
    prices, "" while nothing is: without sound prices nothing is bought. While not `is_recorded`,
    nothing can be written down, and nothing is bought either.
    """

    market_id: str
    slug: str
    question: str
    outcome_id: str
    outcome: str
    tick: Decimal
    minimum_size: Decimal
    fee_rate: Decimal
    closes_at: int | None = None
    bid: Decimal | None = None
    bid_size: Decimal = Decimal(0)
    ask: Decimal | None = None
    ask_size: Decimal = Decimal(0)
    seq: int = 0
    quoted_at: int | None = None
    payout: Decimal | None = None
    halted: bool = False
    feed_problem: str = ""
    is_recorded: bool = True

    @property
    def entries_allowed(self) -> bool:
        """Whether anything may be bought now."""
        return self.is_recorded and not self.halted and not self.feed_problem

    def show(
        self,
        bid: Decimal | None,
        bid_size: Decimal,
        ask: Decimal | None,
        ask_size: Decimal,
        at: int,
    ) -> None:
        """Take over a newer view of the book."""
        self.bid, self.bid_size = bid, bid_size
        self.ask, self.ask_size = ask, ask_size
        self.seq += 1
        self.quoted_at = at

    def through(self, stop_price: Decimal | None) -> bool:
        """Whether the bid stands at or below the stop; never without a bid or a stop."""
        return stop_price is not None and self.bid is not None and self.bid <= stop_price
