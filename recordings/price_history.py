"""An outcome's prices of before a node followed its market, as bars for a chart.

They are of the venue's public history: prices of trades, or the middle of the book, and never a bid
or an ask. No order was ever decided by them.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from positions.model.durations import DAY, HOUR, MINUTE, SECOND
from positions.model.errors import InputError
from positions.operations.settings import VenueSettings
from venues.polymarket.api.history import History, Point

_STRETCH = 15 * DAY
"""The longest stretch that one request may ask for."""
_KEPT = ((7 * DAY, MINUTE), (60 * DAY, 5 * MINUTE), (90 * DAY, 30 * MINUTE))
"""For how long the venue keeps prices of each minute, five, thirty; older ones are three hours
apart."""
_COARSE = 3 * HOUR
_BUCKET_MAX = DAY
_IN_A_BAR = 10
"""Prices that make a bar, where so many are kept."""
BARS_MAX = 5_000


class PriceBar(Struct, frozen=True):
    """Prices of one stretch of time, in USDC per share; `time` is its beginning in nanoseconds."""

    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


async def load_bars(
    venue: VenueSettings, token_id: str, begin: int, end: int, step: int, now: int
) -> list[PriceBar]:
    """The bars of an outcome from `begin` to before `end`; all times in nanoseconds.

    A stretch without a price has no bar.

    Raises
    ------
    InputError
        If it is no stretch of time, or of more than `BARS_MAX` bars.
    HistoryError
        If the venue does not answer.
    """
    if not 0 <= begin < end or step < SECOND or (end - begin) // step > BARS_MAX:
        rule = f"must be of 1 s or more, at most {BARS_MAX}, from a time to a later one"
        raise InputError(f"bars were of {step / SECOND:g} s from {begin} to {end} ns, {rule}")
    bucket = bucket_of(step, now - begin) // SECOND
    history = History(venue.data, venue.clob, pauses=())
    points: list[Point] = []
    try:
        for start in range(begin, end, _STRETCH):
            until = min(start + _STRETCH, end)
            points += await history.prices(token_id, start // SECOND, until // SECOND, bucket)
    finally:
        await history.close()
    return bars_of(points, begin, step)


def bucket_of(step: int, age: int) -> int:
    """How far apart prices are asked for: as fine as a bar needs, and as is kept of that age."""
    kept = next((apart for longest, apart in _KEPT if age <= longest), _COARSE)
    return min(max(step // _IN_A_BAR // MINUTE * MINUTE, kept), _BUCKET_MAX)


def bars_of(points: Iterable[Point], begin: int, step: int) -> list[PriceBar]:
    """The bars of prices that are in the order of time."""
    prices: dict[int, list[Decimal]] = {}
    for point in points:
        number = (point.at * SECOND - begin) // step
        prices.setdefault(begin + number * step, []).append(point.price)
    return [PriceBar(at, p[0], max(p), min(p), p[-1]) for at, p in prices.items()]
