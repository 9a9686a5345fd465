"""Polymarket's rules and a small exact matching engine: the venue of replay, paper and backtest.

Pure: no Nautilus, no clock, no I/O; prices in USDC per share, sizes in shares, money in USDC, times
in nanoseconds. It knows the best bid and ask and what is displayed there, nothing deeper, so:
an order that takes does so at the touch; displayed size is consumed once, see `Display`; a resting
order is filled at its own price, as maker, once the other side's touch meets it. An order that
comes before any book of its token is known waits for the first one and meets that as a taker.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from operator import gt, lt

from positions.model.venue_rules import (
    AMOUNT_DECIMALS,
    MINIMUM_AMOUNT,
    SIZE_STEP,
    FeeSchedule,
    decimals,
    on_grid,
    taker_fee,
)

ZERO = Decimal(0)
_NEVER = 2**63
_CROSSES = "invalid post-only order: order crosses book"
GTD_MARGIN = 60_000_000_000
"""The venue expires a GTD order a minute before the time it states."""
GTD_AHEAD = 180_000_000_000
"""It takes none that states less."""
TAKER_DELAY = 150_000_000
"""For how long it holds what would take, on markets of crypto and finance."""


class Side(StrEnum):
    """Buy or sell."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    """How long an order stands. IOC is the venue's FAK."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


@dataclass(slots=True)
class Order:
    """A limit order; a `price` of None is a market order, which must be IOC or FOK."""

    order_id: str
    token_id: str
    side: Side
    price: Decimal | None
    shares: Decimal
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_at: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    filled: Decimal = ZERO
    venue_order_id: str = ""
    is_early: bool = False
    """Whether it came before any book of its token was known."""

    @property
    def leaves(self) -> Decimal:
        """Shares that may still be filled."""
        return self.shares - self.filled


@dataclass(frozen=True, slots=True)
class Event:
    """What the venue says of an order."""

    order_id: str
    venue_order_id: str
    time: int


@dataclass(frozen=True, slots=True)
class Accepted(Event):
    """The venue has the order."""


@dataclass(frozen=True, slots=True)
class Denied(Event):
    """The adapter refuses the order before the venue sees it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected(Event):
    """The venue refuses the order."""

    reason: str


@dataclass(frozen=True, slots=True)
class Filled(Event):
    """Shares changed hands."""

    trade_id: str
    price: Decimal
    shares: Decimal
    fee: Decimal
    is_maker: bool


@dataclass(frozen=True, slots=True)
class Canceled(Event):
    """The order, or what was left of it, is off the book."""


@dataclass(frozen=True, slots=True)
class Expired(Event):
    """A GTD order reached its time."""


@dataclass(frozen=True, slots=True)
class CancelRejected(Event):
    """There was nothing to cancel."""

    reason: str


@dataclass(slots=True)
class Level:
    """A level of the book behind the touch, as it was when it was last the touch."""

    price: Decimal
    size: Decimal
    taken: Decimal


@dataclass(slots=True)
class Display:
    """One side's touch: what is displayed there, and how much of it we have taken.

    A recording does not know what we took, so `left` at a level is what is displayed less that:
    growth adds to it, and a level that shrinks below what is left leaves no more than it shows. A
    level that a better one hides is remembered. One that the touch has passed, or that is gone with
    its whole side, is over: what is displayed there later is new.
    """

    price: Decimal | None = None
    size: Decimal = ZERO
    taken: Decimal = ZERO
    hidden: list[Level] = field(default_factory=list)
    """The levels behind the touch that we have taken from, in no order."""

    def show(
        self,
        price: Decimal | None,
        size: Decimal,
        is_behind: Callable[[Decimal, Decimal], bool],
    ) -> None:
        """Display a new touch; `is_behind` says whether one price is worse than another."""
        if price != self.price:
            if self.taken or self.hidden:
                self._move(price, is_behind)
            else:
                self.price, self.size = price, size
        # Of what has gone from a level, our share went first: we have taken it already.
        if self.taken and size < self.size:
            self.taken = max(self.taken - (self.size - size), ZERO)
        self.size = size

    def _move(self, price: Decimal | None, is_behind: Callable[[Decimal, Decimal], bool]) -> None:
        known = [*self.hidden]
        if self.price is not None and self.taken:
            known.append(Level(self.price, self.size, self.taken))
        if price is None:
            known = []
        at_touch = next((one for one in known if one.price == price), None)
        self.hidden = [one for one in known if price is not None and is_behind(one.price, price)]
        self.price = price
        self.size = ZERO if at_touch is None else at_touch.size
        self.taken = ZERO if at_touch is None else at_touch.taken

    @property
    def left(self) -> Decimal:
        """Shares that may still be taken."""
        return ZERO if self.price is None else self.size - self.taken


@dataclass(slots=True)
class Token:
    """One token: its grid, its touch, and what the account has of it."""

    tick: Decimal
    minimum_size: Decimal
    fee_rate: Decimal
    fee_exponent: int | None = 1
    taker_delay: int = 0
    """For how long an order that would take is held, in nanoseconds."""
    bid: Display = field(default_factory=Display)
    ask: Display = field(default_factory=Display)
    payout: Decimal | None = None
    held: Decimal = ZERO
    resting: dict[str, Order] = field(default_factory=dict)
    is_known: bool = False
    """Whether any book was seen since the venue was opened, be it empty."""
    locked: Decimal = field(default=ZERO, init=False)
    """Shares that resting sells bind."""
    bound: Decimal = field(default=ZERO, init=False)
    """Money that resting buys bind, fees apart."""
    _edges: tuple[Decimal, Decimal, int] | None = field(default=None, init=False)

    @property
    def fee(self) -> FeeSchedule:
        """What takers pay."""
        return FeeSchedule(self.fee_rate, self.fee_exponent)

    def rest(self, order: Order) -> None:
        """Take an order onto the book."""
        self.resting[order.order_id] = order
        self._bind(order, order.leaves)
        self._edges = None

    def remove(self, order: Order) -> None:
        """Take an order off the book."""
        del self.resting[order.order_id]
        self._bind(order, -order.leaves)
        self._edges = None

    def fill(self, order: Order, shares: Decimal) -> None:
        """Let an order have shares of what is displayed."""
        self.opposite(order.side).taken += shares
        if order.order_id in self.resting:
            self._bind(order, -shares)
        order.filled += shares

    def _bind(self, order: Order, shares: Decimal) -> None:
        if order.side is Side.SELL:
            self.locked += shares
        else:
            self.bound += shares * (order.price or Decimal(1))

    def met_buys(self) -> list[Order]:
        """The resting buys that the ask meets."""
        ask, highest_buy = self.ask.price, self._known_edges()[0]
        if ask is None or ask > highest_buy:
            return []
        return [o for o in self.resting.values() if o.side is Side.BUY and self.meets(o)]

    def _known_edges(self) -> tuple[Decimal, Decimal, int]:
        if self._edges is None:
            self._edges = _edges(self.resting.values())
        return self._edges

    def is_calm(self, time: int) -> bool:
        """Whether nothing that rests can be met or has expired: most views of a book are so."""
        highest_buy, lowest_sell, first_expiry = self._known_edges()
        bid, ask = self.bid.price, self.ask.price
        return (
            (ask is None or ask > highest_buy)
            and (bid is None or bid < lowest_sell)
            and time < first_expiry - GTD_MARGIN
        )

    def opposite(self, side: Side) -> Display:
        return self.ask if side is Side.BUY else self.bid

    def meets(self, order: Order) -> bool:
        """Whether the other side's touch is at the order's price or better."""
        touch = self.opposite(order.side).price
        if touch is None or not self.is_known:
            return False
        if order.price is None:
            return True
        return touch <= order.price if order.side is Side.BUY else touch >= order.price


class SimulatedPolymarket:
    """One account on a simulated Polymarket."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.redeemable = ZERO
        """What resolved markets have paid; not spendable before it is redeemed."""
        self.tokens: dict[str, Token] = {}
        self._token_of: dict[str, str] = {}
        self.orders_made = 0
        self.trades_made = 0

    # -- the market --------------------------------------------------------------------------------

    def list_token(
        self,
        token_id: str,
        tick: Decimal,
        minimum_size: Decimal,
        fee: FeeSchedule,
        taker_delay: int = 0,
    ) -> None:
        """Make a token tradable; for one already listed, change its tick only.

        Orders that rest off a new tick keep resting, as they do at the venue.
        """
        token = self.tokens.get(token_id)
        if token is None:
            self.tokens[token_id] = Token(tick, minimum_size, *fee, taker_delay)
        else:
            token.tick = tick

    def quote(
        self,
        token_id: str,
        bid: Decimal | None,
        bid_size: Decimal,
        ask: Decimal | None,
        ask_size: Decimal,
        time: int,
    ) -> list[Event]:
        """Show a new top of the book and fill what rests against it."""
        token = self.tokens[token_id]
        token.bid.show(bid, bid_size, lt)
        token.ask.show(ask, ask_size, gt)
        early = [] if token.is_known else [o for o in token.resting.values() if o.is_early]
        token.is_known = True
        if token.is_calm(time):
            return []
        events: list[Event] = [*self._expire(token, time)]
        for order in early:
            if order.order_id in token.resting:
                events += self._arrive(token, order, time)
        for order in sorted(filter(token.meets, token.resting.values()), key=_priority):
            assert order.price is not None
            events += self._fill(token, order, order.price, time, is_maker=True)
            if order.leaves <= 0:
                self._remove(token, order)
        return events

    def _arrive(self, token: Token, order: Order, time: int) -> list[Event]:
        """Let an order that waited for the first book meet it as if it came now."""
        if not token.meets(order):
            return []
        if order.post_only:
            self._remove(token, order)
            return [Rejected(order.order_id, order.venue_order_id, time, _CROSSES)]
        price = token.opposite(order.side).price
        assert price is not None
        events = self._fill(token, order, price, time, is_maker=False)
        if order.leaves <= 0:
            self._remove(token, order)
        return events

    def settle(self, token_id: str, payout: Decimal, time: int) -> list[Event]:
        """Resolve a token: resting orders end, and each share held pays `payout`."""
        if not 0 <= payout <= 1:
            raise ValueError(f"payout was {payout}, must be from 0 to 1 USDC per share")
        token = self.tokens[token_id]
        events: list[Event] = []
        for order in list(token.resting.values()):
            self._remove(token, order)
            events.append(Canceled(order.order_id, order.venue_order_id, time))
        token.payout = payout
        self.redeemable += payout * token.held
        token.held = ZERO
        token.bid, token.ask = Display(), Display()
        return events

    def restore(self, token_id: str, token: Token) -> None:
        """Take over a token with what is held of it; its book is another one by now, or may be."""
        token.is_known = False
        self.tokens[token_id] = token

    def restore_order(self, order: Order) -> None:
        """Take over an order that rests on the book of a token already taken over."""
        self.tokens[order.token_id].rest(order)
        self._token_of[order.order_id] = order.token_id

    def shares(self, token_id: str) -> Decimal:
        """Shares held of a token."""
        return self.tokens[token_id].held

    def resting(self, token_id: str) -> list[Order]:
        """The orders that rest on a token's book, oldest first."""
        return list(self.tokens[token_id].resting.values())

    # -- orders ------------------------------------------------------------------------------------

    def holds_for(self, order: Order) -> int:
        """For how long an order is held before it is submitted, in nanoseconds.

        One that would take now is, where its market has a delay: it is checked and matched at the
        end of it, with the book of then, and cannot be cancelled meanwhile.
        """
        token = self.tokens.get(order.token_id)
        if token is None or order.post_only or _denial(order) is not None:
            return 0
        return token.taker_delay if token.meets(order) else 0

    def submit(self, order: Order, time: int) -> list[Event]:
        """Take an order in: check it, match it, and let what is left rest or end."""
        self.orders_made += 1
        order.venue_order_id = f"V-{self.orders_made}"
        token = self.tokens.get(order.token_id)
        denial = _denial(order)
        if denial is not None:
            return [Denied(order.order_id, "", time, denial)]
        reason = "unknown token" if token is None else self._refusal(token, order, time)
        if token is None or reason is not None:
            return [Rejected(order.order_id, order.venue_order_id, time, reason or "")]
        events: list[Event] = [Accepted(order.order_id, order.venue_order_id, time)]
        display = token.opposite(order.side)
        whole = order.time_in_force is not TimeInForce.FOK or display.left >= order.shares
        if token.meets(order) and whole:
            assert display.price is not None
            events += self._fill(token, order, display.price, time, is_maker=False)
        if order.leaves > 0:
            if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
                events.append(Canceled(order.order_id, order.venue_order_id, time))
            else:
                order.is_early = not token.is_known
                self.restore_order(order)
        return events

    def cancel(self, order_id: str, time: int) -> list[Event]:
        """Take an order off the book."""
        token_id = self._token_of.get(order_id)
        if token_id is None:
            reason = "already canceled or matched"
            return [CancelRejected(order_id, "", time, reason)]
        token = self.tokens[token_id]
        order = token.resting[order_id]
        self._remove(token, order)
        return [Canceled(order_id, order.venue_order_id, time)]

    def _remove(self, token: Token, order: Order) -> None:
        token.remove(order)
        del self._token_of[order.order_id]

    def _expire(self, token: Token, time: int) -> Iterator[Expired]:
        for order in list(token.resting.values()):
            if order.expires_at is not None and time >= order.expires_at - GTD_MARGIN:
                self._remove(token, order)
                yield Expired(order.order_id, order.venue_order_id, time)

    def _fill(
        self, token: Token, order: Order, price: Decimal, time: int, *, is_maker: bool
    ) -> list[Event]:
        display = token.opposite(order.side)
        shares = min(order.leaves, display.left)
        if shares <= 0:
            return []
        token.fill(order, shares)
        fee = ZERO if is_maker else taker_fee(shares, price, token.fee)
        if order.side is Side.BUY:
            token.held += shares
            self.cash -= shares * price + fee
        else:
            token.held -= shares
            self.cash += shares * price - fee
        self.trades_made += 1
        trade_id = f"T-{self.trades_made}"
        return [
            Filled(
                order.order_id, order.venue_order_id, time, trade_id, price, shares, fee, is_maker
            )
        ]

    # -- the venue's rules -------------------------------------------------------------------------

    def _refusal(self, token: Token, order: Order, time: int) -> str | None:
        if token.payout is not None:
            return "the market is resolved"
        return (
            _price_refusal(token, order)
            or _size_refusal(token, order, time)
            or self._poor(token, order)
        )

    def _poor(self, token: Token, order: Order) -> str | None:
        """Refuse what the account cannot pay or deliver: resting orders bind money and shares."""
        short = "not enough balance / allowance"
        if order.side is Side.SELL:
            return short if order.shares > token.held - token.locked else None
        fee = _fee(token, order) if token.meets(order) else ZERO
        cost = order.leaves * (order.price or Decimal(1)) + fee
        return short if cost > self.cash - self._bound() else None

    def _bound(self) -> Decimal:
        """Money that resting buys bind, and the fees of those that would take."""
        buying = [t for t in self.tokens.values() if t.bound]
        fees = (_fee(t, o) for t in buying for o in t.met_buys())
        return sum((t.bound for t in buying), sum(fees, ZERO))


def _fee(token: Token, order: Order) -> Decimal:
    """What an order pays that takes at once; what was filled in part rests by now."""
    if order.filled > 0:
        return ZERO
    return taker_fee(order.leaves, order.price or Decimal(1), token.fee)


def _edges(resting: Iterable[Order]) -> tuple[Decimal, Decimal, int]:
    """The highest price bought at, the lowest sold at, and the first time at which one expires."""
    buys, sells, expiries = [ZERO], [Decimal(1)], [_NEVER]
    for o in resting:
        price = o.price or ZERO
        (buys if o.side is Side.BUY else sells).append(price)
        if o.expires_at is not None:
            expiries.append(o.expires_at)
    return max(buys), min(sells), min(expiries)


def _priority(order: Order) -> tuple[Decimal, str]:
    """Better prices first, then time (venue ids count up; padded so that they sort)."""
    price = order.price or ZERO
    by_price = -price if order.side is Side.BUY else price
    return by_price, order.venue_order_id.rjust(12)


def _denial(order: Order) -> str | None:
    """Why Nautilus' Polymarket adapter would not send the order."""
    if order.reduce_only:
        return "REDUCE_ONLY_NOT_SUPPORTED"
    if order.price is None and order.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK):
        return "UNSUPPORTED_MARKET_TIME_IN_FORCE"
    if order.price is None and order.side is Side.BUY:
        return "Polymarket market BUY orders require quote-denominated quantities"
    return None


def _price_refusal(token: Token, order: Order) -> str | None:
    if order.price is None:
        return None
    if not token.tick <= order.price <= 1 - token.tick:
        return f"invalid price ({order.price}), min: {token.tick} - max: {1 - token.tick}"
    if not on_grid(order.price, token.tick):
        return f"order price {order.price} breaks minimum tick size rule: {token.tick}"
    if order.post_only and token.meets(order):
        return _CROSSES
    return None


def _size_refusal(token: Token, order: Order, time: int) -> str | None:
    if order.shares <= 0 or not on_grid(order.shares, SIZE_STEP):
        return f"invalid size ({order.shares}): must be a positive multiple of {SIZE_STEP}"
    at_once = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if not at_once and order.shares < token.minimum_size:
        return f"Size ({order.shares}) lower than the minimum: {token.minimum_size}"
    price = token.opposite(order.side).price if order.price is None else order.price
    amount = order.shares * (price or ZERO)
    if (at_once or token.meets(order)) and amount < MINIMUM_AMOUNT:
        return f"invalid amount for a marketable {order.side} order (${amount}), min size: $1"
    most = AMOUNT_DECIMALS if order.side is Side.SELL else 2
    if at_once and order.price is not None and decimals(amount) > most:
        return f"invalid amounts: {amount} has more than {most} decimals"
    if order.time_in_force is TimeInForce.GTD and (
        order.expires_at is None or order.expires_at < time + GTD_AHEAD
    ):
        return "invalid expiration: must be at least three minutes ahead"
    return None
