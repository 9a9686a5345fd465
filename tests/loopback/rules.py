"""What the venue refuses, in its own words.

Pure. Prices in USDC per share, sizes in shares, amounts in USDC.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from loopback.ledger import CASH, ONE, ZERO, Kind, Ledger, Market, Order, Side, plain

MICRO = Decimal("0.000001")
FEE_STEP = Decimal("0.00001")
MARKETABLE_MINIMUM = ONE
GTD_AHEAD = 180
"""Seconds that the time it states must be ahead."""
GTD_MARGIN = 60
"""Seconds before the time it states at which the venue ends an order."""
NO_MATCH = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no "
    "match is found."
)
NOT_FILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
KILLED = "CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed."
CROSSES = "invalid post-only order: order crosses book"
GONE = "order can't be found - already canceled or matched"


class Refused(Exception):
    """The venue does not do it. Carries the status, the body and the headers of its answer."""

    def __init__(self, words: str, status: int = 400, **more: Any) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.body = {"error": words, **more}
        seconds = more.get("retry_after_seconds")
        self.headers = {} if seconds is None else {"Retry-After": str(seconds)}


class Terms(NamedTuple):
    """What an order's two amounts mean. `spend` is set where a market buy states USDC."""

    price: Decimal
    size: Decimal
    spend: Decimal | None


def fee(shares: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """What a taker pays in USDC."""
    return (shares * rate * price * (ONE - price)).quantize(FEE_STEP, ROUND_HALF_EVEN)


def places(number: Decimal) -> int:
    """The decimals that a number needs."""
    return max(0, -int(number.normalize().as_tuple().exponent))


def terms(side: Side, kind: Kind, maker: int, taker: int, tick: Decimal) -> Terms:
    """Read an order's amounts, given in millionths.

    Raises
    ------
    Refused
        If they are not of the precision that the venue takes.
    """
    if maker <= 0 or taker <= 0:
        raise Refused("invalid amounts, the maker and taker amounts must be higher than 0")
    gives, gets = Decimal(maker) * MICRO, Decimal(taker) * MICRO
    shares, money = (gets, gives) if side is Side.BUY else (gives, gets)
    if kind.rests:
        _check_accuracy(side.lower(), side, shares, money, 2, places(tick) + 2)
    elif side is Side.BUY:
        _check_accuracy("market buy", side, shares, money, 4, 2)
    else:
        _check_accuracy("market sell", side, shares, money, 2, 4)
    is_market_buy = side is Side.BUY and not kind.rests
    return Terms(money / shares, shares, money if is_market_buy else None)


def _check_accuracy(
    what: str, side: Side, shares: Decimal, money: Decimal, share_places: int, money_places: int
) -> None:
    if places(shares) <= share_places and places(money) <= money_places:
        return
    maker, taker = (
        (money_places, share_places) if side is Side.BUY else (share_places, money_places)
    )
    raise Refused(
        f"invalid amounts, the {what} orders maker amount supports a max accuracy of {maker} "
        f"decimals, taker amount a max of {taker} decimals"
    )


def check(order: Order, market: Market, now: float, *, is_marketable: bool) -> None:
    """Refuse an order that breaks a rule of its market.

    Raises
    ------
    Refused
        In the venue's words.
    """
    if not market.is_accepting or market.is_closed:
        raise Refused("the market is not accepting orders")
    price, tick = order.price, market.tick
    # A market buy's limit is the ratio of its rounded amounts and need not meet the tick.
    is_on_tick = order.spend is not None or price % tick == 0
    lowest = ZERO if order.spend is not None else tick
    if not lowest <= price <= ONE - lowest:
        raise Refused(f"invalid price ({plain(price)}), min: {tick} - max: {ONE - tick}")
    if not is_on_tick:
        raise Refused(
            f"order {order.id} is invalid. Price ({plain(price)}) breaks minimum tick size rule: "
            f"{tick}"
        )
    if order.kind.rests and order.size < market.minimum:
        raise Refused(
            f"order {order.id} is invalid. Size ({plain(order.size)}) lower than the minimum: "
            f"{plain(market.minimum)}"
        )
    if is_marketable and order.price * order.size < MARKETABLE_MINIMUM:
        amount = plain((order.price * order.size).quantize(MICRO))
        raise Refused(
            f"invalid amount for a marketable {order.side} order (${amount}), min size: $1"
        )
    if order.kind is Kind.GTD and order.expiration < now + GTD_AHEAD:
        raise Refused("invalid expiration value")
    if order.kind is not Kind.GTD and order.expiration:
        raise Refused("invalid expiration value, it must be 0 for an order that is not GTD")
    if order.is_post_only and is_marketable:
        raise Refused(CROSSES if order.kind.rests else "invalid post-only order: FOK or FAK")


def check_funds(order: Order, ledger: Ledger, unsellable: Decimal, *, is_marketable: bool) -> None:
    """Refuse an order that its wallet cannot pay for or deliver.

    Raises
    ------
    Refused
        In the venue's words.
    """
    account = ledger.account(order.maker)
    if order.side is Side.SELL:
        what, needed = order.token, order.size
    else:
        what, needed = CASH, order.spend or order.price * order.size
        if is_marketable:
            needed += fee(order.size, order.price, order.market.fee_rate)
    balance = account.held(what) - (unsellable if order.side is Side.SELL else ZERO)
    locked = ledger.locked(order.maker, what)
    allowance = account.allowances[order.market.exchange]
    if _millionths(needed) > allowance:
        raise Refused(
            "not enough balance / allowance: the allowance is not enough -> "
            f"allowance: {allowance}, order amount: {_millionths(needed)}"
        )
    if needed > balance - locked:
        raise Refused(
            "not enough balance / allowance: the balance is not enough -> "
            f"balance: {_millionths(balance)}, sum of active orders: {_millionths(locked)}, "
            f"order amount: {_millionths(needed)}"
        )


def _millionths(amount: Decimal) -> int:
    return int(amount / MICRO)
