"""What the market channel and the order book's REST interface report of a market, read leniently.

Only the fields that are needed are read, and each is checked: prices lie between 0 and 1, sizes are
finite and not negative, books are not crossed. What makes no sense raises `Unreadable`; the caller
asks anew.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from venues.polymarket.api.parsing import Unreadable, number, text
from venues.polymarket.market_data.freshness import venue_time

_ONE = Decimal(1)
_DECIMALS_MAX = 6
"""A price has no more, a share no smaller part."""
_SIZE_MAX = Decimal(10) ** 10
_TEXT_MAX = 40
_LEVELS_MAX = 10_000
"""There are no more prices at the smallest tick."""


class Touch(Struct, frozen=True):
    """The best prices of a book; None where the side is empty."""

    bid: Decimal | None
    ask: Decimal | None


class BookSnapshot(Struct, frozen=True):
    """A whole book: price -> size. `at` is its time in milliseconds, None where it states none."""

    market: str
    asset_id: str
    at: int | None
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]

    @property
    def touch(self) -> Touch:
        """Its best prices."""
        return Touch(max(self.bids, default=None), min(self.asks, default=None))


class Change(Struct, frozen=True):
    """A level's new size; 0 = it is gone."""

    is_bid: bool
    price: Decimal
    size: Decimal


class Changes(Struct, frozen=True):
    """What one message changes of one outcome, and the best prices that it states after that."""

    asset_id: str
    levels: list[Change]
    stated: Touch | None


class MarketTrade(Struct, frozen=True):
    """A trade, by what its taker did."""

    market: str
    asset_id: str
    at: int | None
    price: Decimal
    size: Decimal
    is_buy: bool


def book(values: Mapping[str, Any], now_ms: int) -> BookSnapshot:
    """A whole book; Unreadable if any of it makes no sense."""
    snapshot = BookSnapshot(
        market=text(values, "market"),
        asset_id=text(values, "asset_id"),
        at=venue_time(values.get("timestamp"), now_ms),
        bids=_side(values, "bids"),
        asks=_side(values, "asks"),
    )
    touch = snapshot.touch
    if touch.bid is not None and touch.ask is not None and touch.bid >= touch.ask:
        raise Unreadable(f"the best bid was {touch.bid}, must be below the ask, {touch.ask}")
    if stated_touch(values) not in (None, touch):
        raise Unreadable("the best prices were stated to be others than those of the book")
    return snapshot


def _side(values: Mapping[str, Any], name: str) -> dict[Decimal, Decimal]:
    levels = values.get(name)
    if not isinstance(levels, list):
        raise Unreadable(f"{name} was no list")
    if len(levels) > _LEVELS_MAX:
        raise Unreadable(f"{name} had {len(levels)} levels, must have at most {_LEVELS_MAX}")
    sizes = {price(level, "price"): _size(level) for level in levels}
    return {p: size for p, size in sizes.items() if size > 0}


def changes(values: Mapping[str, Any]) -> tuple[list[Changes], set[str]]:
    """What a price change changes, by outcome; and the outcomes of which something made no sense.

    Raises Unreadable if it does not say of which outcomes it is.
    """
    entries = values.get("price_changes")
    if not isinstance(entries, list):
        raise Unreadable("price_changes was no list")
    levels: dict[str, list[Change]] = {}
    stated: dict[str, Touch | None] = {}
    spoilt: set[str] = set()
    for entry in entries:
        if not isinstance(entry, dict):
            raise Unreadable("a price change was no object")
        asset_id = text(entry, "asset_id")
        try:
            is_bid = _is_buy(entry)
            change = Change(is_bid, price(entry, "price"), _size(entry))
            stated[asset_id] = stated_touch(entry)
        except Unreadable:
            spoilt.add(asset_id)
            continue
        levels.setdefault(asset_id, []).append(change)
    whole = [Changes(a, found, stated[a]) for a, found in levels.items() if a not in spoilt]
    return whole, spoilt


def stated_touch(values: Mapping[str, Any]) -> Touch | None:
    """The best prices that a message states; None where it states none. Of an empty side it states
    0, 1, or nothing."""
    bid, ask = values.get("best_bid"), values.get("best_ask")
    if bid is None or ask is None:
        return None
    return Touch(_stated(bid), _stated(ask))


def _stated(value: Any) -> Decimal | None:
    if value == "":
        return None
    number = _number({"best price": value}, "best price")
    return None if number in (0, _ONE) else _price(number, "best price")


def trade(values: Mapping[str, Any], now_ms: int) -> MarketTrade:
    """A trade; Unreadable if any of it makes no sense."""
    size = _size(values)
    if size == 0:
        raise Unreadable("size was 0, must be above 0")
    return MarketTrade(
        market=text(values, "market"),
        asset_id=text(values, "asset_id"),
        at=venue_time(values.get("timestamp"), now_ms),
        price=price(values, "price"),
        size=size,
        is_buy=_is_buy(values),
    )


def price(values: Any, name: str) -> Decimal:
    """A price that must be there, between 0 and 1."""
    return _price(_number(values, name), name)


def _price(value: Decimal, name: str) -> Decimal:
    exponent = value.normalize().as_tuple().exponent
    if not 0 < value < 1 or not isinstance(exponent, int) or exponent < -_DECIMALS_MAX:
        raise Unreadable(f"{name} was {value}, must be between 0 and 1")
    return value


def _size(values: Any) -> Decimal:
    size = _number(values, "size")
    if size > _SIZE_MAX or (size and size.adjusted() < -_DECIMALS_MAX):
        raise Unreadable(f"size was {size}, must be 0, or from 0.000001 to {_SIZE_MAX}")
    return size


def _number(values: Any, name: str) -> Decimal:
    if not isinstance(values, dict):
        raise Unreadable("a level was no object")
    if len(str(values.get(name))) > _TEXT_MAX:
        raise Unreadable(f"{name} was longer than {_TEXT_MAX} characters")
    return number(values, name)


def _is_buy(values: Mapping[str, Any]) -> bool:
    side = text(values, "side").upper()
    if side not in ("BUY", "SELL"):
        raise Unreadable(f"side was {side!r}, must be BUY or SELL")
    return side == "BUY"


def mentioned(raw: bytes, names: Iterable[str]) -> set[str]:
    """Which of these names stand at the beginning of a frame."""
    head = raw[:_HEAD]
    return {name for name in names if name.encode() in head}


_HEAD = 100_000
"""Bytes of a frame that are searched for what it may be about."""
