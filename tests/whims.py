"""What the owner of a seeded life asks for beyond a max bid, a target and a stop."""

import random
from decimal import Decimal
from typing import Any

D = Decimal
CENT = D("0.01")


def some_terms(
    rng: random.Random, fields: dict[str, Any], max_bid: Decimal, stop: Decimal
) -> dict[str, Any]:
    """Some of the further terms, each in some lives."""
    asked: dict[str, Any] = {"if_taken_off": rng.choice(("replace", "end"))}
    wants = rng.sample(range(8), rng.choice((0, 1, 2, 3, 4)))
    has_stop = "stop_loss_price" in fields
    if 0 in wants and has_stop:
        asked["trail"] = rng.choice(("0.01", "0.03", "0.1", "7%"))
        if rng.random() < 0.3:
            asked["trail_from"] = str(max_bid + rng.randint(-2, 4) * CENT)
    if 1 in wants and has_stop:
        asked["stop_confirm"] = rng.choice(("3s", "20s", "2quotes", "9quotes"))
    if 2 in wants and has_stop:
        asked["trigger"] = rng.choice(("size", "last"))
    if {1, 2} & set(wants) and has_stop and stop > 5 * CENT and rng.random() < 0.7:
        asked["stop_hard"] = str(stop - 3 * CENT)
    if 3 in wants and "sell_price" in fields and D(str(fields["size"])) >= 20:
        top = D(str(fields["sell_price"]))
        steps = [p for p in (max_bid + 2 * CENT, max_bid + 5 * CENT) if p < top]
        asked["targets"] = [*(f"{p}:30%" for p in steps), str(fields.pop("sell_price"))]
        if steps:
            asked["break_even_after"] = len(steps)
    if 4 in wants and "floor_price" in fields:
        asked["after_floor"] = rng.choice(("rest", "anything"))
    if 5 in wants:
        asked["exit_before_end"] = rng.choice(("560s", "590s", "9m"))
    if 6 in wants:
        asked["break_even_at"] = str(max_bid + rng.randint(1, 6) * CENT)
        asked["break_even_offset"] = rng.choice(("0", "0.02"))
    if 7 in wants:
        asked["keep_if_stop_trades"] = True
        if has_stop and "targets" not in asked:
            fields.pop("size")
            asked["risk"] = rng.choice(("2", "10"))
    if has_stop and "stop_hard" not in asked and rng.random() < 0.2:
        fields["stop_loss_price"] = rng.choice(("8%", "20%"))  # of the entry price
        if fields.get("sell_price"):
            fields["sell_price"] = "+9%"
    return asked


def some_depth(
    rng: random.Random, bid: Decimal, size: Decimal
) -> tuple[tuple[Decimal, Decimal], ...]:
    """The bids from the touch on, where the depth of the book is known."""
    if rng.random() < 0.5:
        return ()
    return ((bid, size), (max(bid - 3 * CENT, CENT), D(40)))


def some_command(rng: random.Random, market: str, cents: int) -> dict[str, Any]:
    """A later command; the price of the market is about so many cents."""
    near = _near(rng, cents, -10, 10)
    asked: list[dict[str, Any]] = [
        {"command": "sell", "fraction": "0.5"},
        {"command": "sell"},
        {"command": "sell", "min_price": near},
        {"command": "cancel"},
        {"command": "amend", "stop_loss_price": near, "now": rng.random() < 0.5},
        {"command": "amend", "sell_price": near, "now": rng.random() < 0.5},
        {"command": "amend", "stop_loss_price": "12%", "sell_price": "+7%"},
        {"command": "amend", "max_bid_price": near},
        {"command": "amend", "stop_loss_price": "none"},
        {"command": "amend", "trail": rng.choice(("0.02", "none"))},
        {"command": "amend", "targets": [f"{near}:50%", "0.99"]},
        {"command": "amend", "stop_confirm": rng.choice(("5s", "none"))},
        {"command": "release", "shares": rng.choice(("1", "7.31", "20"))},
        {"command": "close", "price": near},
        {"command": "halt"},
        {"command": "resume"},
        {"command": "flatten"},
        _adoption(rng, market, cents),
        _adoption(rng, market, cents),
    ]
    return rng.choice(asked)


def _adoption(rng: random.Random, market: str, cents: int) -> dict[str, Any]:
    """All of what the wallet has, or a part of it, is to be protected."""
    asked = {"command": "adopt", "market": market, "outcome": "Yes"}
    asked |= {"entry_price": str(CENT * rng.randint(20, 70))}
    asked |= {"stop_loss_price": _near(rng, cents, -9, -1), "sell_price": _near(rng, cents, 1, 9)}
    return asked | ({"shares": rng.choice(("5", "6.5", "20"))} if rng.random() < 0.5 else {})


def _near(rng: random.Random, cents: int, least: int, most: int) -> str:
    return str(CENT * min(max(cents + rng.randint(least, most), 1), 99))
