"""What the pages say about positions and money: rows of plain text, made of what was published.

Pure. Values come as the published copy has them: Decimals in USDC and shares, times in nanoseconds.
Each row also carries numbers to sort by; they are for the eye only and never go back to the node.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from positions.model.durations import MINUTE, SECOND
from positions.model.formatting import plain

Row = Mapping[str, Any]
DASH, MINUS = "\u2013", "\u2212"
CENT = Decimal("0.01")
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE

PHASES = {
    "entering": "buying",
    "filling": "buying, what is bought is protected",
    "holding": "held and protected",
    "selling": "selling by hand",
    "exiting": "selling everything",
    "waiting": "waiting for a bid to sell to",
    "leaving": "taking the entry back",
    "disputed": "disputed: see the alarm",
    "dust": "dust, kept to the resolution",
    "closed": "closed",
    "cancelled": "cancelled",
}
REASONS = {
    "target": "target",
    "stop": "stop",
    "manual": "by hand",
    "flatten": "flattened",
    "time": "time was up",
    "settlement": "resolved",
    "owner": "sold elsewhere",
}
"""What sold a position, in words."""
WAITS = {
    "confirmation": "the stop is being confirmed",
    "trail_from": "NO STOP until the trail begins",
    "no_bid": "no bid",
    "below_floor": "bids below the floor",
    "below_minimum": "worth less than $1",
}
BUYS = frozenset({"entering", "filling"})


def price(value: Decimal | None) -> str:
    """A price in cents, as Polymarket shows it, to a hundredth of one."""
    return DASH if value is None else f"{plain((value * 100).quantize(CENT))}¢"


def money(value: Decimal | None, *, sign: bool = False) -> str:
    """An amount of USDC, to the cent."""
    if value is None:
        return DASH
    cents = value.quantize(CENT)
    if cents == 0:
        cents = abs(cents)  # no "-0.00"
    text = f"{abs(cents):,.2f}"
    return f"{_sign(cents, sign=sign)}{text}"


def percent(value: Decimal | None, *, sign: bool = True) -> str:
    """A part of a whole, to a tenth of a hundredth."""
    if value is None:
        return DASH
    text = f"{abs(value) * 100:.1f}%"
    return f"{_sign(value, sign=sign)}{text}"


def _sign(value: Decimal, *, sign: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if sign and value > 0 else ""


def shares(value: Decimal | None) -> str:
    """A number of shares."""
    return DASH if value is None else plain(value.quantize(CENT) if value % CENT == 0 else value)


def span(nanoseconds: int) -> str:
    """A span in its two largest units: 3d 4h, 12m 5s."""
    left = max(0, nanoseconds) // SECOND
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size}{unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts[:2])


def stop_marks(terms: Row, waiting_for: str | None) -> list[str]:
    """What a stop does beside standing there, a word for each."""
    names = {"trail": "trail", "stop_confirm": "confirm", "stop_hard": "hard at"}
    marks = [f"{word} {terms[name]}" for name, word in names.items() if name in terms]
    if "break_even_after" in terms or "break_even_at" in terms:
        marks.append("break-even")
    return marks + ([WAITS[waiting_for]] if waiting_for in WAITS else [])


def targets(p: Row) -> str:
    """The targets of a position, the last one at the end."""
    parts = str(p["terms"].get("targets", "")).split()
    found = [_slice(part) for part in parts]
    return ", ".join([*found, *([price(p["sell_price"])] if p["sell_price"] else [])]) or DASH


def _slice(text: str) -> str:
    level, _, part = text.partition(":")
    try:
        return f"{price(Decimal(level))} ({part})"
    except InvalidOperation:
        return f"{level} ({part})"


def distance(p: Row, market: Row) -> Decimal | None:
    """How far the bid is above the stop, as a part of the bid."""
    stop, bid = p["stop_in_force"], market.get("bid")
    return (bid - stop) / bid if stop is not None and bid else None


def paid(p: Row) -> Decimal:
    """What the shares that are held cost, without fees, in USDC."""
    cost: Decimal = (p["entry_price"] or Decimal(0)) * p["held"]
    return cost


def position_row(p: Row, market: Row, now: int, asked: str) -> dict[str, Any]:
    """One position as the table shows it; `asked` is what was asked for and not answered yet."""
    cost, pnl = paid(p), p["unrealized_pnl"]
    away = distance(p, market)
    value = None if p["current_price"] is None else p["current_price"] * p["held"]
    ends, base = market.get("ends_at"), max(p["size"], p["volume"])
    held = p["held"] / base if base else Decimal(0)
    result = pnl / cost if pnl is not None and cost else None
    return {
        "id": p["id"],
        "question": market.get("question") or p["market"],
        "outcome": p["outcome"],
        "held": shares(p["held"]),
        "size": shares(p["size"]),
        "part": float(min(held, Decimal(1))),
        "entry": price(p["entry_price"]),
        "bought": p["entry_price"] is not None,
        "max_bid": price(p["max_bid_price"]),
        "bid": price(market.get("bid")),
        "ask": price(market.get("ask")),
        "targets": targets(p),
        "stop": price(p["stop_in_force"]),
        "marks": ", ".join(stop_marks(p["terms"], p["waiting_for"])),
        "distance": percent(away, sign=False),
        "near": away is not None and p["held"] > 0 and away < Decimal("0.05"),
        "value": money(value),
        "pnl": money(pnl, sign=True),
        "percent": percent(result),
        "tone": tone(pnl),
        "left": span(ends - now) if ends else DASH,
        "phase": PHASES.get(p["phase"], p["phase"]),
        "alert": p["phase"] in ("disputed", "waiting", "exiting"),
        "asked": asked,
        "sellable": p["held"] > 0,
        "cancellable": p["phase"] in BUYS,
        **_to_sort(p, market, away=away, value=value, result=result),
    }


def _to_sort(p: Row, market: Row, **values: Decimal | None) -> dict[str, float]:
    """The numbers that the table sorts by; what is missing comes first."""
    named = {
        "entry": p["entry_price"],
        "bid": market.get("bid"),
        "ask": market.get("ask"),
        "stop": p["stop_in_force"],
        "distance": values["away"],
        "value": values["value"],
        "pnl": p["unrealized_pnl"],
        "held": p["held"],
    }
    found = {f"by_{n}": -1e9 if v is None else float(v) for n, v in named.items()}
    return found | {"by_left": float(market.get("ends_at") or 0)}


def tone(value: Decimal | None) -> str:
    """Whether an amount is good, bad or neither: the name of its colour."""
    cents = Decimal(0) if value is None else value.quantize(CENT)
    return "gain" if cents > 0 else "loss" if cents < 0 else "even"


def totals(positions: Iterable[Row], cash: Decimal, today: int) -> dict[str, Decimal]:
    """The money line: cash, what is invested, and the profit of what is open and of today."""
    rows = list(positions)
    still = [p for p in rows if p["status"] == "open"]
    ended = [p for p in rows if p["exit_time"] is not None and p["exit_time"] >= today]
    return {
        "cash": cash,
        "invested": sum((paid(p) for p in still), Decimal(0)),
        "open": sum((p["unrealized_pnl"] or Decimal(0) for p in still), Decimal(0)),
        "today": sum((p["realized_pnl"] for p in ended), Decimal(0)),
    }


def midnight(now: int) -> int:
    """The beginning of a day in UTC."""
    return now - now % DAY


_SUMS = {
    "with fee": "Cost with fee",
    "break-even": "Break-even",
    "profit at target": "Profit at the target",
    "result at stop": "Result at the stop",
    "result if no bid is left": "Result if no bid is left",
}
_SUM = re.compile(
    r"(?:would (?:buy|adopt) .*?(?:for at most|that cost)|for) (?P<cost>-?[0-9.]+)"
    r" (?P<fee>with fee)"
    r"|(?P<name>break-even|profit at target|result at stop|result if no bid is left)"
    r" (?P<value>-?[0-9.]+)"
)
_AT_ASK = re.compile(r"bought at the ask ([0-9.]+): ")


def holding(h: Row) -> str:
    """A holding in words: what of it is free, what it cost and what it is worth."""
    worth = money(h["free"] * h["price"])
    kept = f" ({shares(h['protected'])} more are protected)" if h["protected"] else ""
    what = f"{h['market']} · {h['outcome']}: {shares(h['free'])} shares"
    return f"{what}{kept}, bought at {price(h['cost'])}, worth {worth}"


class Preview(Struct, frozen=True):
    """What a dry run told: a row for each sum with its text at the max bid and, where the ask is
    lower, at the ask; and the other sentences.
    """

    sums: list[tuple[str, list[str]]]
    ask: str
    notes: list[str]


def preview(message: str) -> Preview:
    """The sentences of a dry run as a table; what is not a sum stays a sentence."""
    sums: dict[str, list[str]] = {}
    notes: dict[str, None] = {}
    ask = ""
    for sentence in message.removeprefix("dry run: ").split("; "):
        at_ask = _AT_ASK.match(sentence)
        ask = at_ask[1] if at_ask else ask
        rest = sentence[at_ask.end() :] if at_ask else sentence
        found = _SUM.fullmatch(rest)
        if found is None:
            notes[rest] = None
            continue
        value = Decimal(found["cost"] or found["value"])
        name = _SUMS[found["fee"] or found["name"]]
        is_result = not found["fee"] and name != "Break-even"
        text = price(value) if name == "Break-even" else money(value, sign=is_result)
        sums.setdefault(name, []).append(text)
        if found["fee"] and not ask:
            notes[rest] = None
    return Preview(list(sums.items()), ask, list(notes))


def expected(asked: Decimal, market: Row) -> str:
    """What the bids that are known would pay for so many shares: a sentence, fees apart."""
    left, money_ = asked, Decimal(0)
    for level, size in depth(market):
        taken = min(left, size)
        left, money_ = left - taken, money_ + taken * level
    if left == asked:
        return "There is no bid: nothing can be sold now."
    text = f"about {money(money_)} USDC before fees for {shares(asked - left)} shares"
    return (
        f"{text}; no bid is shown for the other {shares(left)}" if left else f"{text} at the bids"
    )


def depth(market: Row) -> list[tuple[Decimal, Decimal]]:
    """The bids of an outcome, best first: those that are published, or the best alone."""
    found = msgspec.json.decode(market.get("bids") or "[]", type=list[tuple[Decimal, Decimal]])
    bid, size = market.get("bid"), market.get("bid_size")
    return found or ([] if bid is None or not size else [(bid, size)])
