"""Whether a position's values are what the record and the venue can hold.

An amount that is not finite spreads through every sum without a word and raises where nobody
expects it; one that is too large, or a time that no clock shows, cannot be written down. Amounts
are shares or USDC, times nanoseconds since 1970.
"""

from decimal import Decimal

from positions.model.errors import Bug
from positions.model.orders import is_order_id, is_position_id, is_venue_order_id
from positions.model.position import Order, Position
from positions.model.terms import Percent

AMOUNT_MAX = Decimal(10**12)
"""The record's columns hold amounts below this."""
PRICE_MAX = Decimal(1000)
"""And prices below this; those of an average may be above 1 for what is bought and undone."""
TIME_MAX = 4_102_444_800_000_000_000
"""The year 2100: the clocks, the record and the tables of the recordings end a little later."""


class Unsound(Bug, ValueError):
    """A value that cannot be: the event or the row that states it must not be booked."""


def check(p: Position) -> None:
    """Refuse a position that has a value which cannot be.

    Raises Unsound with the field, the value and the rule.
    """
    if not is_position_id(p.id):
        raise Unsound(f"the id of a position was {p.id[:40]!r}, must be of letters and digits")
    for part, names, bound in _BOUNDS:
        for name in names:
            _within(name, getattr(getattr(p, part), name), bound)
    for name, time in (
        ("created_at", p.created_at),
        ("updated_at", p.updated_at),
        ("filled_at", p.ledger.filled_at),
        ("exit_time", p.ledger.exit_time),
        ("entry_expires_at", p.request.entry_expires_at),
    ):
        _instant(name, time)
    for order in p.orders:
        check_order(order)
        if order.id.rpartition("-")[0] != p.id:
            raise Unsound(f"an order was {order.id[:40]!r}, must be one of position {p.id[:40]}")
    sale, terms = p.decision.sale, p.request.terms
    if sale is not None:
        _within("shares of a sale", sale.shares, AMOUNT_MAX)
        _within("sold shares of a sale", sale.sold, AMOUNT_MAX)
        _within("limit_price of a sale", sale.limit_price, PRICE_MAX)
    relative = (terms.trail, terms.stop_below, terms.target_above)
    if terms.targets or terms.stop_hard is not None or any(t is not None for t in relative):
        levels = [x for t in terms.targets for x in (t.price, t.part, t.above)]
        for level in (*levels, *relative, terms.trail_from, terms.stop_hard):
            _within("terms", level.value if isinstance(level, Percent) else level, PRICE_MAX)


def check_order(order: Order) -> None:
    """Refuse an order that has a value which cannot be.

    Raises Unsound with the field, the value and the rule.
    """
    if not is_order_id(order.id):
        raise Unsound(f"the id of an order was {order.id[:40]!r}, must end in a number")
    if order.venue_order_id is not None and not is_venue_order_id(order.venue_order_id):
        raise Unsound(f"the hash of an order was {order.venue_order_id[:40]!r}, must be one")
    _within("price of an order", order.price, PRICE_MAX)
    _within("shares of an order", order.shares, AMOUNT_MAX)
    _within("filled shares of an order", order.filled, AMOUNT_MAX)
    _instant("sent_at of an order", order.sent_at)
    _instant("expires_at of an order", order.expires_at)


def _within(name: str, value: Decimal | None, bound: Decimal) -> None:
    if value is not None and not (value.is_finite() and -bound < value < bound):
        raise Unsound(f"{name} was {str(value)[:40]}, must be between -{bound} and {bound}")


def _instant(name: str, value: int | None) -> None:
    if value is not None and not 0 <= value < TIME_MAX:
        raise Unsound(f"{name} was {str(value)[:40]}, must be between 1970 and 2100")


_BOUNDS = (
    ("request", ("size",), AMOUNT_MAX),
    ("request", ("max_bid_price", "sell_price", "stop_loss_price", "floor_price"), PRICE_MAX),
    ("ledger", ("bought", "cost", "buy_fees", "sold", "proceeds", "sell_fees"), AMOUNT_MAX),
    ("ledger", ("settled", "target_sold", "released"), AMOUNT_MAX),
    ("ledger", ("payout",), PRICE_MAX),
    ("decision", ("missing",), AMOUNT_MAX),
    ("decision", ("raised_stop", "priced_from"), PRICE_MAX),
)
