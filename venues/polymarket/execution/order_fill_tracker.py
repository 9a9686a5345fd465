"""Track one order of ours from the venue's reports, whatever their sequence.

The venue reports an order in several ways at once: the reply to its POST or DELETE, messages on the
user channel, replies to queries. Reports arrive late, twice, in any sequence, or not at all. An
`OrderFillTracker` applies each of them and returns the updates: an order is accepted once, each
trade fills it once and is reversed at most once, and an order ends once all that it matched has
been reported. Pure: no clock, no connection. Prices are USDC per share, sizes shares.
"""

from collections.abc import Collection
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from positions.model.position import ZERO
from positions.model.trades import Trade
from venues.polymarket.api.parsing import Unreadable


class Overfill(Unreadable):
    """A trade has more shares than the order has left."""


class Accepted(Struct, frozen=True):
    """The venue has the order."""


class Filled(Struct, frozen=True):
    """Shares changed hands. `is_late`: the order had been reported over."""

    trade: Trade
    is_late: bool


class FillReversed(Struct, frozen=True):
    """A trade that was reported failed to settle."""

    trade: Trade


class Canceled(Struct, frozen=True):
    """The order is over without having been filled whole."""

    reason: str


class Rejected(Struct, frozen=True):
    """The venue never had the order on its book."""

    reason: str


OrderUpdate = Accepted | Filled | FillReversed | Canceled | Rejected


class OrderFillTracker:
    """One order of ours at the venue."""

    def __init__(self, shares: Decimal) -> None:
        self.shares = shares
        self._trades: dict[str, Trade] = {}
        self._filled = ZERO
        self._is_accepted = False
        self._ends_at: Decimal | None = None
        self._reason = ""
        self._is_over = False
        self._is_rejected = False

    @property
    def matched(self) -> Decimal:
        """Shares of all trades reported so far, failed ones included."""
        return sum((t.shares for t in self._trades.values()), ZERO)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected: filled whole, or its end is reported."""
        return self._is_over or self.matched >= self.shares

    @property
    def is_accepted(self) -> bool:
        """Whether the venue reported that it has, or had, the order."""
        return self._is_accepted

    @property
    def is_rejected(self) -> bool:
        """Whether the venue reported that it never had the order."""
        return self._is_rejected

    @property
    def is_ended(self) -> bool:
        """Whether the venue said that it is over, though trades of it may still be to come."""
        return self._is_over or self._ends_at is not None

    @property
    def lacks_trades(self) -> bool:
        """Whether the order ended with more matched than was reported: its trades are lacking."""
        return self._ends_at is not None and self.matched < self._ends_at

    @property
    def has_unsettled(self) -> bool:
        """Whether a trade may still fail."""
        return not all(t.is_settled for t in self._trades.values())

    def unlisted(self, listed: Collection[str]) -> list[Trade]:
        """The trades that were told and are not among these, named as `Trade.whole`."""
        held = (t for t in self._trades.values() if not t.is_failed)
        return [t for t in held if t.whole not in listed]

    def apply_acceptance(self) -> list[OrderUpdate]:
        """The venue says that it has the order."""
        if self._is_accepted or self._is_over:
            return []
        self._is_accepted = True
        return [Accepted()]

    def apply_trade(self, trade: Trade) -> list[OrderUpdate]:
        """Apply a report of a trade, or of its settlement.

        Raises
        ------
        Overfill
            If a new trade has more shares than the order has left; nothing is changed then.
        """
        before = self._trades.get(trade.id)
        if before is None and (parts := self._other_parts(trade)):
            return [n for p in parts for n in self.apply_trade(replace(p, status=trade.status))]
        if before is not None:
            if before.is_failed:
                return []  # reported out of sequence: what failed stays so
            # Its size stays as it was reported first: so many shares are booked.
            self._trades[trade.id] = replace(before, status=trade.status)
            return [FillReversed(before)] if trade.is_failed else []
        self._check_size(trade)
        self._trades[trade.id] = trade
        if trade.is_failed:
            return self._end()  # it had never been reported: nothing changed hands
        news = [*self.apply_acceptance(), Filled(trade, is_late=self._is_over)]
        self._filled += trade.shares
        if self._is_over and self._filled < self.shares:
            return [*news, Canceled(self._reason)]  # the late fill opened the order again
        return news + self._end()

    def _check_size(self, trade: Trade) -> None:
        settled = (t.shares for t in self._trades.values() if not t.is_failed)
        leaves = self.shares - sum(settled, ZERO)
        if not trade.is_failed and trade.shares > leaves:
            raise Overfill(
                f"shares of trade {trade.id} were {trade.shares}, must be at most the order's"
                f" remaining {leaves}"
            )

    def _other_parts(self, trade: Trade) -> list[Trade]:
        """The same trade as reported before: whole and now in parts, or the other way round."""
        parts = [t for t in self._trades.values() if t.whole and t.whole == trade.whole]
        return [t for t in parts if trade.whole in (t.id, trade.id)]

    def apply_end(self, matched: Decimal | None, reason: str = "") -> list[OrderUpdate]:
        """The venue says that the order is over, and how many shares it matched in all.

        Where it does not say how many (None), the order ends at what was reported so far.
        """
        if self._is_over:
            return []
        known = self.matched if self._ends_at is None else self._ends_at
        self._ends_at = known if matched is None else max(known, min(matched, self.shares))
        self._reason = reason
        return self._end()

    def abandon(self, reason: str) -> list[OrderUpdate]:
        """The venue reports nothing of it any more: it is over at the trades reported so far."""
        self._ends_at = None
        return self.apply_end(None, reason)

    def apply_rejection(self, reason: str) -> list[OrderUpdate]:
        """The venue says that it never took the order."""
        if self._is_over or self._is_accepted or self._trades:
            return self.apply_end(None, reason)
        self._is_over = self._is_rejected = True
        self._reason = reason
        return [Rejected(reason)]

    def _end(self) -> list[OrderUpdate]:
        ends_at = self.shares if self._ends_at is None else self._ends_at
        if self._is_over or self.matched < ends_at:
            return []
        self._is_over = True
        return [] if self._filled >= self.shares else [Canceled(self._reason)]
