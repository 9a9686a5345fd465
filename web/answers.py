"""What the interface answers, as structs: its OpenAPI schema is made from them.

Money is decimal text, times are ISO 8601 in UTC; the rows are those of the published copy.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from positions.storage.totals import Totals


class Problem(Struct, frozen=True):
    """Why a request is not acted on: a code for programs, a sentence for people."""

    code: str
    message: str
    field: str | None | UnsetType = UNSET
    value: str | None | UnsetType = UNSET
    rule: str | None | UnsetType = UNSET
    id: str | UnsetType = UNSET
    """Of the command that the node refused."""


class Answer(Struct, frozen=True):
    """A command that is queued, and the node's answer as far as there is one."""

    id: str
    status: str
    """queued, queued before, or accepted."""
    message: str | UnsetType = UNSET
    position_id: str | UnsetType = UNSET
    done: bool | UnsetType = UNSET
    """False while what was begun goes on; GET /commands/{id} tells how it ends."""
    time: datetime | UnsetType = UNSET
    preview: dict[str, Any] | UnsetType = UNSET


class PositionRow(Struct, frozen=True):
    """A position; prices are USDC per share."""

    id: str
    market_id: str
    market: str
    outcome_id: str
    outcome: str
    status: str
    phase: str
    size: Decimal
    max_bid_price: Decimal
    sell_price: Decimal | None
    stop_loss_price: Decimal | None
    stop_in_force: Decimal | None
    floor_price: Decimal
    entry_price: Decimal | None
    filled_at: datetime | None
    volume: Decimal
    held: Decimal
    exit_price: Decimal | None
    exit_time: datetime | None
    exit_reason: str | None
    was_auto: bool | None
    realized_pnl: Decimal
    fees: Decimal
    waiting_for: str | None
    terms: dict[str, str]
    created_at: datetime
    updated_at: datetime
    current_price: Decimal | None
    unrealized_pnl: Decimal | None


class Positions(Struct, frozen=True):
    """Positions, the newest first; `next` is the cursor of those that follow, None = no more."""

    positions: list[PositionRow]
    next: str | None
    as_of: datetime
    node: str


class Rows(Struct, frozen=True):
    """Rows of one kind."""

    rows: list[dict[str, Any]]


class OrderRow(Struct, frozen=True):
    """An order that was sent for a position; `state` is None once it is over."""

    order_id: str
    position_id: str
    role: str
    price: Decimal
    shares: Decimal
    sent_at: datetime
    expected_hash: str | None
    state: str | None
    filled: Decimal | None
    expires_at: datetime | None
    venue_order_id: str | None


class Orders(Struct, frozen=True):
    """The orders of a position, in the order of time."""

    orders: list[OrderRow]


class FillRow(Struct, frozen=True):
    """What changed hands; shares are negative where a fill is undone."""

    order_id: str
    trade_id: str
    time: datetime
    side: str
    shares: Decimal
    price: Decimal
    fee: Decimal
    liquidity: str
    role: str


class Fills(Struct, frozen=True):
    """The fills of a position, in the order of time."""

    fills: list[FillRow]


class BarRow(Struct, frozen=True):
    """Bid and ask at the end of a stretch of time, the lowest bid and the highest ask in it."""

    time: datetime
    bid: Decimal | None
    bid_low: Decimal | None
    ask: Decimal | None
    ask_high: Decimal | None


class StopRow(Struct, frozen=True):
    """Where the stop stood from a time on."""

    time: datetime
    price: Decimal


class PriceRow(Struct, frozen=True):
    """Prices of the venue's trades in a stretch of time."""

    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Chart(Struct, frozen=True):
    """What a chart of a position shows; a stretch without a change has no bar.

    `before` are prices by the minute, of the day before the bars; `before_missing` is why the venue
    does not tell them.
    """

    step: str
    before: list[PriceRow]
    before_missing: str | None
    max_bid_price: Decimal
    entry_price: Decimal | None
    sell_price: Decimal | None
    stop_in_force: Decimal | None
    floor_price: Decimal
    bars: list[BarRow]
    stops: list[StopRow]
    fills: list[FillRow]


class History(Struct, frozen=True):
    """Prices of an outcome: as the node saw them, and of the venue's trades before that."""

    step: str
    before: list[PriceRow]
    before_missing: str | None
    bars: list[BarRow]


class EventRow(Struct, frozen=True):
    """One event of a position's story; `sentence` says it in words, and details come beside."""

    seq: int
    kind: str
    time: datetime
    sentence: str


class Events(Struct, frozen=True):
    """The story of a position."""

    events: list[EventRow]


class HoldingRow(Struct, frozen=True):
    """Shares of an outcome that the wallet holds; `free` ones are protected by no position, `cost`
    and `price` are USDC per share."""

    market: str
    market_id: str
    outcome: str
    outcome_id: str
    shares: Decimal
    protected: Decimal
    free: Decimal
    cost: Decimal
    price: Decimal


class Holdings(Struct, frozen=True):
    """What the wallet holds of markets that are not over, the most shares first."""

    holdings: list[HoldingRow]


class MarketRow(Struct, frozen=True):
    """One outcome of a market that the node follows."""

    market_id: str
    slug: str
    question: str
    outcome_id: str
    outcome: str
    bid: Decimal | None
    ask: Decimal | None
    tick: Decimal | None
    minimum_size: Decimal | None


class Markets(Struct, frozen=True):
    """Outcomes of markets, by slug and outcome."""

    markets: list[MarketRow]


class Book(Struct, frozen=True):
    """The book of one outcome, best prices first, each a price and its shares."""

    market_id: str
    outcome_id: str
    outcome: str
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    quoted_at: datetime | None
    tick: Decimal
    minimum_size: Decimal
    ends_at: datetime | None


class Command(Struct, frozen=True):
    """A command as it was asked, and the node's answer as far as there is one."""

    id: str
    status: str
    asked: dict[str, Any] | None
    message: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    position_id: str | UnsetType = UNSET
    done: bool | UnsetType = UNSET
    time: datetime | UnsetType = UNSET
    preview: dict[str, Any] | UnsetType = UNSET


class Queue(Struct, frozen=True):
    """What waits, in the order in which the node takes it."""

    commands: list[dict[str, Any]]


class Alarms(Struct, frozen=True):
    """What is wrong now, and what was, the newest first."""

    open: list[dict[str, Any]]
    past: list[dict[str, Any]]


class Status(Struct, frozen=True):
    """Whether the node does its work, and with what."""

    health: str
    why: list[str]
    running: bool
    mode: str
    heartbeat: datetime
    market_time: datetime
    synthetic: bool
    halted: bool
    may_trade: bool
    cash: Decimal
    redeemable: Decimal
    open_positions: int
    staked: Decimal | None
    reserved: Decimal | None
    default_stake: Decimal | None
    max_stake_per_position: Decimal | None
    max_total_stake: Decimal | None
    alarms: list[str]


class HealthAnswer(Struct, frozen=True):
    """What the node does: running, starting, NOT RESPONDING or NOT RUNNING."""

    health: str
    why: list[str]


class Summary(Struct, frozen=True):
    """What came of the positions that are over."""

    by: str
    rows: list[Totals]
    total: Totals
