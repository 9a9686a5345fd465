"""What the venue sends, read leniently: exact numbers, and only the fields that are needed.

The adapter's own schemas refuse a whole message for an unknown word or a missing field, and lose
what it said. Foreign data is never trusted to be well-formed: what cannot be read raises
`Unreadable`, and the caller asks the venue instead.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from positions.model.durations import SECOND
from positions.model.errors import VenueFailure
from positions.model.trades import Settlement, Trade, trade_name

SETTLEMENTS = {s.value: s for s in Settlement} | {"MATCHED_NOT_BROADCASTED": Settlement.MATCHED}
"""By the venue's words. What is matched and not yet sent to the chain is reported by REST alone."""
_MILLIS = 1_000_000
_ONE = Decimal(1)
AMOUNT_MAX = Decimal(10**12)
"""More shares or USDC than there are: such a number is a mistake, or an attack."""
_SECONDS = (1_577_836_800, 4_102_444_800)
"""From 2020 to 2100."""
_POWERS = 40
_DECIMALS = 12
"""More are those of a binary fraction; Nautilus takes 16 at most."""
_TEXT_MAX = 200
_PARTS_MAX = 100
"""How often a trade may name one maker; each is a fill of its own, and the venue names it once."""
_SHOWN = 60
_DIGITS = re.compile(r"[0-9a-f]{64}")
_OVER = ("MATCHED", "CANCEL", "INVALID", "EXPIRED", "REJECTED", "KILLED", "SYSTEM_CLEARED")
"""How the status of an order that is over begins; a killed one's may be a whole sentence."""


class Unreadable(VenueFailure, ValueError):
    """A message of the venue that makes no sense."""


def messages(raw: bytes) -> list[dict[str, Any]]:
    """The objects in one frame, which may be one, a list of them, or a bare word such as PONG."""
    try:
        data = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        if raw.strip().isalpha():
            return []
        # Not what they are: every message of the user channel holds the API's key.
        raise Unreadable(f"{len(raw)} bytes are not JSON") from None
    except RecursionError:
        raise Unreadable(f"{len(raw)} bytes are nested too deep") from None
    found = data if isinstance(data, list) else [data]
    return [m for m in found if isinstance(m, dict)]


def number(values: Mapping[str, Any], name: str, below: Decimal | int = AMOUNT_MAX) -> Decimal:
    """A number that must be there, at or above zero and below a bound."""
    try:
        value = Decimal(str(values[name]))
    except (KeyError, InvalidOperation, ValueError):  # the last for an integer without end
        raise Unreadable(f"{name} was {_shown(values.get(name))}, must be a number") from None
    # A power of ten without end takes for ever as soon as it is computed with.
    if not value.is_finite() or abs(value.adjusted()) > _POWERS or not 0 <= value < below:
        rule = f"must be a number at or above 0 and below {below}"
        raise Unreadable(f"{name} was {_shown(values[name])}, {rule}")
    exponent = value.as_tuple().exponent
    return (
        value if isinstance(exponent, int) and exponent >= -_DECIMALS else round(value, _DECIMALS)
    )


def balance(values: Mapping[str, Any]) -> Decimal:
    """Shares or USDC of a wallet, which the venue tells in millionths."""
    return number(values, "balance", below=AMOUNT_MAX * 10**6) / 10**6


def price(values: Mapping[str, Any], name: str) -> Decimal:
    """A price that must be there, above 0 and below 1 USDC per share."""
    value = number(values, name, below=1)
    if value == 0:
        raise Unreadable(f"{name} was {value}, must be above 0 and below 1")
    return value


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:
        return "an integer without end"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def text(values: Mapping[str, Any], name: str) -> str:
    """A text that must be there."""
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_MAX:
        raise Unreadable(f"{name} was {_shown(value)}, must be 1 to {_TEXT_MAX} characters")
    return value


def name(values: Mapping[str, Any], field: str) -> str:
    """A text of printable ASCII that must be there: Nautilus ends the process where an identifier
    is not."""
    value = text(values, field)
    if not (value.isascii() and value.isprintable() and value.strip()):
        raise Unreadable(f"{field} was {_shown(value)}, must be printable ASCII")
    return value


def order_hash(stated: object) -> str:
    """An order's hash, as we write it: 0x and digits in lower case."""
    lower = str(stated).lower()
    return f"0x{lower}" if _DIGITS.fullmatch(lower) else lower


def hash_of(values: Mapping[str, Any], name: str = "id") -> str:
    """The hash of an order that a message names; what it names is another text where it is none."""
    return order_hash(values.get(name, ""))


def status(order: Mapping[str, Any]) -> str:
    """An order's status, which the venue writes as "LIVE", "live" or "ORDER_STATUS_LIVE"."""
    return str(order.get("status", "")).upper().removeprefix("ORDER_STATUS_")


def is_live(order: Mapping[str, Any]) -> bool:
    """Whether an order, as the venue describes it, may still be filled: unless it says otherwise
    in a word that is known."""
    return not status(order).startswith(_OVER)


def order_ids(trade: Any) -> list[str]:
    """The hashes of all orders that took part in a trade, each once however often it is named; none
    of what is no trade."""
    if not isinstance(trade, dict):
        return []
    makers = (hash_of(maker, "order_id") for maker in _makers(trade))
    return list(dict.fromkeys((hash_of(trade, "taker_order_id"), *makers)))


def legs_of(wallet: str, trade: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """A wallet's orders in a trade that it was sent: hash, outcome, and whether it bought."""
    text(trade, "side")
    taken, is_taker_buying = str(trade.get("asset_id")), _is_buy(trade)
    makers = [m for m in _makers(trade) if _is_of(wallet, m)]
    side = trade.get("trader_side")
    if side is None:
        is_taker = _is_of(wallet, trade) if trade.get("maker_address") else not makers
    else:
        is_taker = str(side).upper() == "TAKER"
    if is_taker:
        yield hash_of(trade, "taker_order_id"), taken, is_taker_buying
    for maker in makers:
        asset = str(maker.get("asset_id"))
        yield hash_of(maker, "order_id"), asset, is_taker_buying is not (asset == taken)


def _is_of(wallet: str, part: Mapping[str, Any]) -> bool:
    return str(part.get("maker_address", "")).lower() == wallet.lower()


def _is_buy(trade: Mapping[str, Any]) -> bool:
    return str(trade.get("side", "")).upper() == "BUY"


def trades_of(order_id: str, trade: Mapping[str, Any]) -> list[Trade]:
    """An order's parts of a trade: one for each price at which it traded.

    A taker that met several makers is reported at one price; what each of them asked is what it
    paid. A maker of the other outcome stands for its complement: buying No at 0.40 is selling Yes
    at 0.60.

    Raises
    ------
    Unreadable
        If the trade does not say what changed hands.
    """
    status = SETTLEMENTS.get(_settlement_word(trade), Settlement.MATCHED)
    trade_id = name(trade, "id")
    time = _time(trade, status)
    ours = [m for m in _makers(trade) if hash_of(m, "order_id") == order_id]
    if len(ours) > _PARTS_MAX:
        raise Unreadable(f"maker_orders had one order {len(ours)} times, at most {_PARTS_MAX}")
    outcome, is_buy = str(trade.get("asset_id")), _is_buy(trade)
    if ours:
        asset = str(ours[0].get("asset_id"))
        is_buy, outcome = is_buy is not (asset == outcome), asset
        parts = [(price(m, "price"), number(m, "matched_amount")) for m in ours]
    elif hash_of(trade, "taker_order_id") == order_id:
        parts = _levels(trade)
    else:
        return []
    whole = trade_name(trade_id, order_id)
    names = [trade_name(trade_id, order_id, i) for i in range(len(parts))]
    return [
        Trade(
            id=name if len(parts) > 1 else whole,
            price=paid,
            shares=shares,
            is_maker=bool(ours),
            time=time,
            status=status,
            whole=whole,
            venue_order_id=order_id,
            outcome_id=outcome,
            is_buy=is_buy,
        )
        for name, (paid, shares) in zip(names, parts, strict=True)
        if shares > 0
    ]


def _settlement_word(trade: Mapping[str, Any]) -> str:
    """A trade's status, which the venue writes as "MINED" or "TRADE_STATUS_MINED"."""
    return str(trade.get("status", "")).upper().removeprefix("TRADE_STATUS_")


def unknown_settlement(trade: Mapping[str, Any]) -> str:
    """What to say of a trade whose status is no known word: it changed hands, since the venue
    reports it, and may yet fail; "" where the word is known."""
    if _settlement_word(trade) in SETTLEMENTS:
        return ""
    word = _shown(trade.get("status"))
    return f"a trade's status was {word}, which is not known: it counts as matched, not settled"


def _time(trade: Mapping[str, Any], status: Settlement) -> int:
    """When a trade was matched: to the millisecond in its first message, else to the second."""
    name = "match_time" if trade.get("match_time") is not None else "last_update"
    stated_second = int(number(trade, name, below=_SECONDS[1]))
    if stated_second < _SECONDS[0]:
        raise Unreadable(f"{name} was {stated_second}, must be from 2020 to 2100")
    second = stated_second * SECOND
    if status is not Settlement.MATCHED or trade.get("timestamp") is None:
        return second
    stated = int(number(trade, "timestamp", below=_SECONDS[1] * 1000)) * _MILLIS
    return stated if second <= stated < second + 10 * SECOND else second


def _levels(trade: Mapping[str, Any]) -> list[tuple[Decimal, Decimal]]:
    size = number(trade, "size")
    by_price: dict[Decimal, Decimal] = {}
    for maker in _makers(trade):
        paid = price(maker, "price")
        if maker.get("asset_id") != trade.get("asset_id"):
            paid = _ONE - paid
        by_price[paid] = by_price.get(paid, Decimal(0)) + number(maker, "matched_amount")
    if sum(by_price.values()) == size:
        return sorted(by_price.items())
    return [(price(trade, "price"), size)]


def _makers(trade: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    makers = trade.get("maker_orders") or []
    return [m for m in makers if isinstance(m, dict)] if isinstance(makers, list) else []
