"""What the venue keeps: markets, orders, trades, and what each wallet holds.

Money in USDC, sizes in shares, prices in USDC per share, times in seconds; all exact.
"""

import hashlib
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
ONE = Decimal(1)
CASH = "cash"
UNLIMITED = 2**256 - 1


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def other(self) -> "Side":
        """The other way."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Kind(StrEnum):
    """How long an order stands."""

    GTC = "GTC"
    GTD = "GTD"
    FAK = "FAK"
    FOK = "FOK"

    @property
    def rests(self) -> bool:
        """Whether what is not matched at once waits on the book."""
        return self in (Kind.GTC, Kind.GTD)


def digits(*parts: object) -> str:
    """A hash of 64 hexadecimal digits: the same for the same parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def token_id(slug: str, outcome: str) -> str:
    """An outcome's id: 77 digits, as most real ones have."""
    return str(10**76 + int(digits("token", slug, outcome), 16) % (9 * 10**76))


def position_id(slug: str, number: int) -> str:
    """An outcome's id in Protocol V2: the condition's, with the outcome in the last byte."""
    base = int(digits("position", slug)[:32], 16)
    return str(1 << 248 | base << 120 | number)


def plain(number: Decimal) -> str:
    """A number as the venue writes it: no exponent, no trailing zeros."""
    return f"{number.normalize():f}" if number else "0"


@dataclass(slots=True)
class Level:
    """Outside liquidity at one price. `sequence` is its place in time."""

    price: Decimal
    size: Decimal
    sequence: int


@dataclass(slots=True, eq=False)
class Market:
    """One market of two outcomes that mirror each other: one book, kept in the first's prices."""

    slug: str
    question: str
    outcomes: tuple[str, str]
    tick: Decimal
    minimum: Decimal
    fee_rate: Decimal
    neg_risk: bool
    ends: str
    version: str | None = "v1"
    taker_delay: bool = False
    stale_tick: Decimal | None = None
    condition_id: str = ""
    tokens: tuple[str, str] = ("", "")
    is_accepting: bool = True
    is_closed: bool = False
    payouts: tuple[Decimal, Decimal] | None = None
    outside: dict[Side, dict[Decimal, Level]] = field(
        default_factory=lambda: {Side.BUY: {}, Side.SELL: {}}
    )
    resting: "list[Order]" = field(default_factory=list)
    last_price: Decimal | None = None
    changed_ms: int = 0

    def __post_init__(self) -> None:
        if self.is_v2:
            self.tokens = (position_id(self.slug, 0), position_id(self.slug, 1))
            self.condition_id = f"0x{int(self.tokens[0]):064x}"
            return
        self.condition_id = "0x" + digits("condition", self.slug)
        first, second = self.outcomes
        self.tokens = (token_id(self.slug, first), token_id(self.slug, second))

    @property
    def is_v2(self) -> bool:
        """Whether it is of Protocol V2."""
        return self.version == "v2"

    @property
    def exchange(self) -> str:
        """Which exchange settles it: "standard", "neg_risk" or "v2"."""
        return "v2" if self.is_v2 else "neg_risk" if self.neg_risk else "standard"

    @property
    def narrow_id(self) -> str:
        """The condition's id as Gamma and filters know it: of V2 with 62 digits."""
        return self.condition_id[: -2 if self.is_v2 else None]

    def is_first(self, token: str) -> bool:
        """Whether a token is the one in whose prices the book is kept."""
        return token == self.tokens[0]

    def other(self, token: str) -> str:
        """The token of the other outcome."""
        return self.tokens[1] if self.is_first(token) else self.tokens[0]

    def outcome(self, token: str) -> str:
        """An outcome's name."""
        return self.outcomes[self.tokens.index(token)]

    def payout(self, token: str) -> Decimal | None:
        """What a share pays; None before the resolution."""
        return None if self.payouts is None else self.payouts[self.tokens.index(token)]

    def frame(self, token: str, side: Side, price: Decimal) -> tuple[Side, Decimal]:
        """A side and price of a token in the book's own terms, or back: buying the second outcome
        at p is selling the first at 1 - p."""
        return (side, price) if self.is_first(token) else (side.other, ONE - price)

    def depth(self, token: str) -> dict[Side, dict[Decimal, Decimal]]:
        """Sizes by price on both sides of a token's book."""
        sizes: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
        for side, levels in self.outside.items():
            for level in levels.values():
                self._add(sizes, token, side, level.price, level.size)
        for order in self.resting:
            self._add(sizes, token, order.book_side, order.book_price, order.left)
        return sizes

    def _add(
        self,
        sizes: dict[Side, dict[Decimal, Decimal]],
        token: str,
        book_side: Side,
        book_price: Decimal,
        size: Decimal,
    ) -> None:
        side, price = self.frame(token, book_side, book_price)
        sizes[side][price] = sizes[side].get(price, ZERO) + size

    def touch(self, token: str) -> tuple[Decimal | None, Decimal | None]:
        """The best bid and ask of a token; None for an empty side."""
        depth = self.depth(token)
        return max(depth[Side.BUY], default=None), min(depth[Side.SELL], default=None)


@dataclass(slots=True, eq=False)
class Order:
    """A client's order. `spend` is set where a market buy states USDC rather than shares."""

    id: str
    market: Market
    token: str
    side: Side
    price: Decimal
    size: Decimal
    kind: Kind
    maker: str
    signer: str
    owner: str
    is_post_only: bool
    expiration: int
    spend: Decimal | None
    received_at: float
    sequence: int
    status: str = "LIVE"
    matched: Decimal = ZERO
    trades: "list[Trade]" = field(default_factory=list)

    @property
    def left(self) -> Decimal:
        """Shares that may still be matched."""
        return max(self.size - self.matched, ZERO)

    @property
    def is_open(self) -> bool:
        """Whether it may still be matched."""
        return self.status in ("LIVE", "DELAYED")

    @property
    def book_side(self) -> Side:
        """Its side of the market's book."""
        return self.market.frame(self.token, self.side, self.price)[0]

    @property
    def book_price(self) -> Decimal:
        """Its price in the market's book."""
        return self.market.frame(self.token, self.side, self.price)[1]


@dataclass(slots=True, eq=False)
class Leg:
    """One side's part in a trade; `order` is None for outside liquidity. `amount` in USDC, without
    the fee."""

    order: Order | None
    order_id: str
    token: str
    side: Side
    price: Decimal
    shares: Decimal
    amount: Decimal
    fee: Decimal
    wallet: str
    owner: str


@dataclass(slots=True, eq=False)
class Trade:
    """One taker met one or more makers. `price` is that of the last level that was reached."""

    id: str
    market: Market
    taker: Leg
    makers: list[Leg]
    price: Decimal
    matched_at: float
    updated_at: float
    bucket: int = 0
    status: str = "MATCHED"
    transaction_hash: str = ""

    @property
    def legs(self) -> list[Leg]:
        """Everyone's part."""
        return [self.taker, *self.makers]

    @property
    def is_final(self) -> bool:
        """Whether its settlement can no longer change."""
        return self.status in ("CONFIRMED", "FAILED")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what a wallet holds of something (a token, or `CASH`)."""

    time: float
    what: str
    amount: Decimal
    is_bought: bool = False


class Account:
    """What one wallet holds. Every change is kept, so that the past can be told."""

    def __init__(self, address: str, owner: str) -> None:
        self.address = address
        self.owner = owner
        self.allowances = dict.fromkeys(("standard", "neg_risk", "v2"), UNLIMITED)
        """Millionths that each exchange may take."""
        self.changes: list[Change] = []
        self._held: dict[str, Decimal] = defaultdict(lambda: ZERO)

    def held(self, what: str) -> Decimal:
        """How much it holds now."""
        return self._held[what]

    def tokens(self) -> list[str]:
        """The tokens that it has ever held."""
        return [what for what in self._held if what != CASH]

    def change(self, time: float, what: str, amount: Decimal, *, is_bought: bool = False) -> None:
        """Book a change."""
        if amount:
            self._held[what] += amount
            self.changes.append(Change(time, what, amount, is_bought))

    def held_at(self, what: str, time: float) -> Decimal:
        """How much it held at an earlier time."""
        return self.held(what) - sum((c.amount for c in self._since(what, time)), ZERO)

    def bought_since(self, token: str, time: float) -> Decimal:
        """Shares bought after a time."""
        return sum((c.amount for c in self._since(token, time) if c.is_bought), ZERO)

    def _since(self, what: str, time: float) -> list[Change]:
        return [c for c in self.changes if c.what == what and c.time > time]


class Ledger:
    """All of it. Addresses are looked up whatever their case."""

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.events: dict[str, list[str]] = {}
        """The slugs of the markets of an event that has several, by its own slug."""
        self.by_token: dict[str, Market] = {}
        self.orders: dict[str, Order] = {}
        self._open: list[Order] = []
        self.trades: list[Trade] = []
        self.accounts: dict[str, Account] = {}

    def add(self, market: Market) -> None:
        """Make a market known."""
        self.markets[market.condition_id] = market
        self.by_token.update(dict.fromkeys(market.tokens, market))

    def account(self, address: str) -> Account:
        """A wallet's account; made when first asked for, owned by itself."""
        key = address.lower()
        if key not in self.accounts:
            self.accounts[key] = Account(address, address)
        return self.accounts[key]

    def take(self, order: Order) -> None:
        """Keep an order."""
        self.orders[order.id] = order
        self._open.append(order)

    def awaits_shares(self, trade: Trade) -> bool:
        """Whether shares that a trade gives are not there yet: what brings them is not mined."""
        ours = [leg for leg in trade.legs if leg.order is not None]
        given = {(leg.wallet, leg.token) for leg in ours if leg.side is Side.SELL}
        earlier = itertools.takewhile(lambda t: t is not trade, self.trades)
        return any(
            leg.side is Side.BUY and (leg.wallet, leg.token) in given
            for pending in earlier
            if pending.status in ("MATCHED", "RETRYING")
            for leg in pending.legs
        )

    def open_orders(self, wallet: str) -> list[Order]:
        """A wallet's orders that may still be matched, oldest first."""
        self._open = [o for o in self._open if o.is_open]
        return [o for o in self._open if o.maker.lower() == wallet.lower()]

    def locked(self, wallet: str, what: str) -> Decimal:
        """How much of a token, or of `CASH`, a wallet's open orders may still take."""
        orders = self.open_orders(wallet)
        if what == CASH:
            buys = [o for o in orders if o.side is Side.BUY]
            return sum((o.price * o.left for o in buys), ZERO)
        return sum((o.left for o in orders if o.side is Side.SELL and o.token == what), ZERO)

    def wallets_of(self, owner: str) -> list[str]:
        """The wallets that an address signs for."""
        return [a.address for a in self.accounts.values() if a.owner.lower() == owner.lower()]
