"""The scenarios that are played through the real engine, each in a market of its own."""

from typing import Any

Quote = tuple[float, str | None, str | None, int]
"""Seconds, bid, ask, and the size on both sides."""


def submit(at: float, **fields: str) -> tuple[float, dict[str, str]]:
    """100 at 0.55, target 0.70, stop 0.45, unless told otherwise."""
    asked = {"max_bid": "0.55", "size": "100", "target": "0.70", "stop": "0.45"} | fields
    return at, {"command": "submit"} | {k: v for k, v in asked.items() if v}


def order(at: float, kind: str, **fields: str) -> tuple[float, dict[str, str]]:
    """A later command about the scenario's position."""
    return at, {"command": kind} | fields


RESOLVED = {"carried to its resolution": "1", "a resolution comes before the time": "1"}
"""What the markets pay at the end that are resolved."""
TICKS = {
    "a trailing stop follows by a finer tick": [
        {"tick_size": "0.001", "ts_ns": 1_776_000_003 * 10**9}
    ]
}

# fmt: off
# name: (quotes, commands, phase, exit reason, [(role, shares, price) of each fill])
SCENARIOS: dict[str, tuple[list[Quote], list[Any], str, str | None, list[tuple[str, str, str]]]] = {
    "bought in parts, sold at the target": (
        [(0, "0.53", "0.55", 40), (2, "0.53", "0.55", 81), (3, "0.53", "0.55", 122), (4, "0.70", "0.72", 500)],
        [submit(1)], "closed", "target",
        [("entry", "40", "0.55"), ("entry", "41", "0.55"), ("entry", "19", "0.55"),
         ("target", "100", "0.7")]),
    "stopped out through a gap in a thin book": (
        [(0, "0.53", "0.55", 500), (2, "0.30", "0.33", 30), (3, "0.28", "0.33", 45), (4, "0.25", "0.30", 500)],
        [submit(1)], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "30", "0.3"), ("exit", "45", "0.28"), ("exit", "25", "0.25")]),
    "a batch that only passes through a low bid": (
        [(0, "0.53", "0.55", 500), (2, "0.30", "0.33", 500), (2, "0.54", "0.56", 500), (5, "0.54", "0.57", 500)],
        [submit(1)], "holding", None, [("entry", "100", "0.55")]),
    "passed through, armed anew, and then stopped": (
        [(0, "0.53", "0.55", 500), (2, "0.30", "0.33", 500), (2, "0.54", "0.56", 500), (3, "0.53", "0.56", 500),
         (4, "0.44", "0.46", 500)],
        [submit(1)], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.44")]),
    "a vanished bid sells nothing; its return below the stop does": (
        [(0, "0.53", "0.55", 500), (2, None, "0.55", 500), (4, "0.40", "0.55", 500)],
        [submit(1)], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.4")]),
    "a vanished bid that returns above the stop": (
        [(0, "0.53", "0.55", 500), (2, None, "0.55", 500), (4, "0.50", "0.55", 500)],
        [submit(1)], "holding", None, [("entry", "100", "0.55")]),
    "the entry is taken back when the bid is at its stop": (
        [(0, "0.53", "0.56", 500), (2, "0.45", "0.47", 0), (4, "0.60", "0.62", 500)],
        [submit(1)], "cancelled", None, []),
    "a stop amended through the bid acts at once": (
        [(0, "0.53", "0.55", 500), (9, "0.53", "0.56", 500)],
        [submit(1), order(3, "amend", stop="0.53", now=True)], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "100", "0.53")]),
    "a stop that is through the market when it is armed acts at once": (
        [(0, "0.53", "0.56", 500), (2, "0.44", "0.55", 500), (9, "0.43", "0.56", 500)],
        [submit(1)], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.44")]),
    "cashed out by hand in two parts": (
        [(0, "0.53", "0.55", 500), (9, "0.52", "0.56", 500)],
        [submit(1), order(3, "sell", fraction="0.4"), order(5, "sell")], "closed", "manual",
        [("entry", "100", "0.55"), ("exit", "40", "0.53"), ("exit", "60", "0.53")]),
    "a cash-out that lapses is protected again": (
        [(0, "0.53", "0.55", 500), (70, "0.53", "0.56", 500), (75, "0.44", "0.46", 500)],
        [submit(1), order(3, "sell", min_price="0.60")], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "100", "0.44")]),
    "an entry expires by the market's time": (
        [(0, "0.53", "0.56", 500), (90, "0.50", "0.55", 500)],
        [submit(1, expires="60s")], "cancelled", None, []),
    "not below the floor": (
        [(0, "0.53", "0.55", 500), (2, "0.38", "0.40", 500), (5, "0.37", "0.40", 500)],
        [submit(1, floor="0.40", target="")], "waiting", None, [("entry", "100", "0.55")]),
    "not below the floor, and sold when the bid is back at it": (
        [(0, "0.53", "0.55", 500), (2, "0.38", "0.40", 500), (5, "0.41", "0.43", 500)],
        [submit(1, floor="0.40", target="")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.41")]),
    "a target sold in part when the stop comes is not sold twice": (
        [(0, "0.53", "0.55", 500), (2, "0.70", "0.72", 35), (3, "0.44", "0.46", 500)],
        [submit(1)], "closed", "stop",
        [("entry", "100", "0.55"), ("target", "35", "0.7"), ("exit", "65", "0.44")]),
    # -- further terms ---------------------------------------------------------------------------------
    "a trailing stop sells where it was raised to": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (3, "0.56", "0.58", 500), (4, "0.55", "0.57", 500)],
        [submit(1, target="", trail="0.05")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.55")]),
    "a trailing stop starts from its price": (
        [(0, "0.53", "0.55", 500), (2, "0.59", "0.62", 500), (3, "0.54", "0.58", 500), (5, "0.54", "0.57", 500)],
        [submit(1, target="", trail="5%", trail_from="0.60")], "holding", None, [("entry", "100", "0.55")]),
    "a relative stop counts from what was paid": (
        [(0, "0.54", "0.55", 500), (2, "0.50", "0.52", 500), (4, "0.49", "0.52", 500)],
        [submit(1, max_bid="0.60", target="+10%", stop="10%")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.49")]),
    "a relative target counts from what was paid": (
        [(0, "0.54", "0.55", 500), (2, "0.60", "0.62", 500), (4, "0.61", "0.62", 500)],
        [submit(1, max_bid="0.60", target="+10%", stop="10%")], "closed", "target", [("entry", "100", "0.55"), ("target", "100", "0.61")]),
    "a trail counts from what was paid": (
        [(0, "0.54", "0.55", 500), (2, "0.51", "0.52", 500), (4, "0.50", "0.52", 500)],
        [submit(1, max_bid="0.60", target="", stop="", trail="0.05")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.5")]),
    "no stop before a trail's price, and one from there": (
        [(0, "0.54", "0.55", 500), (2, "0.30", "0.32", 500), (3, "0.60", "0.62", 500), (4, "0.55", "0.57", 500)],
        [submit(1, max_bid="0.60", target="", stop="", trail="0.05", trail_from="0.60")], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "100", "0.55")]),
    "a stop typed for a target is refused": (
        [(0, "0.54", "0.55", 500), (5, "0.59", "0.60", 500)],
        [submit(1), order(6, "amend", stop="0.65")], "holding", None, [("entry", "100", "0.55")]),
    "targets for parts, and the stop for the rest": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (4, "0.44", "0.46", 500)],
        [submit(1, target="", targets="0.60:50% 0.70:30% 0.85")], "closed", "stop",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("exit", "50", "0.44")]),
    "all targets for parts": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (4, "0.85", "0.87", 500)],
        [submit(1, target="", targets="0.60:50% 0.70:30% 0.85")], "closed", "target",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("target", "30", "0.7"), ("target", "20", "0.85")]),
    "the stop at break-even after the first target": (  # 0.55 + 0.0099 to buy, 0.0098 to sell
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (4, "0.57", "0.59", 500)],
        [submit(1, target="", targets="0.60:50% 0.70", break_even_after="1")], "closed", "stop",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("exit", "50", "0.57")]),
    "a confirmed stop is not shaken out": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500), (4, "0.50", "0.52", 500), (9, "0.50", "0.53", 500)],
        [submit(1, stop_confirm="3s")], "holding", None, [("entry", "100", "0.55")]),
    "a confirmed stop sells when its time is over": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500), (4, "0.44", "0.46", 500), (5.5, "0.43", "0.46", 500)],
        [submit(1, stop_confirm="3s")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.44")]),
    "a stop confirmed by quotes": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500), (3, "0.44", "0.46", 500), (4, "0.43", "0.46", 500)],
        [submit(1, stop_confirm="3quotes")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.43")]),
    "a hard stop does not wait": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500), (3, "0.30", "0.33", 500), (4, "0.20", "0.33", 500)],
        [submit(1, stop_confirm="1m", stop_hard="0.30")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.3")]),
    "a stop armed anew after a recovery still sells": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500), (3, "0.50", "0.52", 500), (4, "0.45", "0.47", 500), (5.5, "0.45", "0.48", 500)],
        [submit(1, stop_confirm="1s", stop_hard="0.30")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.45")]),
    "an exit rests at its floor": (
        [(0, "0.53", "0.55", 500), (2, "0.38", "0.40", 500), (5, "0.41", "0.43", 500)],
        [submit(1, floor="0.40", target="", after_floor="rest")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.4")]),
    "an exit that may sell at anything": (
        [(0, "0.53", "0.55", 500), (2, "0.38", "0.40", 500)],
        [submit(1, floor="0.40", target="", after_floor="anything")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.38")]),
    "everything is sold at its time": (
        [(0, "0.53", "0.55", 500), (6, "0.50", "0.55", 500)],
        [submit(1, exit_at="2026-04-12T13:20:04Z")], "closed", "time", [("entry", "100", "0.55"), ("exit", "100", "0.53")]),
    "everything is sold before the market's end": (
        [(0, "0.53", "0.55", 500), (6, "0.50", "0.55", 500)],
        [submit(1, exit_before_end="3s")], "closed", "time", [("entry", "100", "0.55"), ("exit", "100", "0.53")]),
    "a size by its risk": (
        [(0, "0.53", "0.55", 500), (2, "0.45", "0.47", 500)],
        [submit(1, size="", risk="20")], "closed", "stop", [("entry", "166.94", "0.55"), ("exit", "166.94", "0.45")]),
    "a dry run sends nothing": (
        [(0, "0.53", "0.55", 500)],
        [submit(1), submit(2, dry_run="true")], "holding", None, [("entry", "100", "0.55")]),
    "an entry that may not take rests until it is met": (
        [(0, "0.53", "0.57", 500), (3, "0.53", "0.56", 500), (5, "0.53", "0.57", 500), (7, "0.53", "0.55", 500)],
        [submit(1, post_only="true")], "holding", None, [("entry", "100", "0.55")]),
    "an entry is kept although the bid is at its stop": (
        [(0, "0.53", "0.56", 500), (2, "0.45", "0.56", 500), (4, "0.53", "0.55", 500)],
        [submit(1, keep_if_stop_trades="true")], "holding", None, [("entry", "100", "0.55")]),
    "the stop at break-even with its offset, once a price is bid": (
        [(0, "0.53", "0.55", 500), (2, "0.62", "0.64", 500), (4, "0.59", "0.61", 500)],
        [submit(1, break_even_at="0.62", break_even_offset="0.02")], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "100", "0.59")]),
    "a trailing stop sells what its targets leave": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (4, "0.55", "0.57", 500)],
        [submit(1, target="", targets="0.60:50% 0.70", trail="0.05")], "closed", "stop",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("exit", "50", "0.55")]),
    "a trailing stop is confirmed where it stands": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (3, "0.55", "0.57", 500), (4, "0.56", "0.58", 500), (5, "0.55", "0.57", 500),
         (9, "0.54", "0.56", 500)],
        [submit(1, target="", trail="0.05", stop_confirm="3s")], "closed", "stop",
        [("entry", "100", "0.55"), ("exit", "100", "0.55")]),
    "a trailing stop follows by a finer tick": (
        [(0, "0.53", "0.55", 500), (4, "0.601", "0.61", 500), (5, "0.551", "0.56", 500)],
        [submit(1, target="", trail="0.05")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.551")]),
    "the time takes the targets off and sells the rest": (
        [(0, "0.53", "0.55", 500), (2, "0.60", "0.62", 500), (6, "0.50", "0.55", 500)],
        [submit(1, target="", targets="0.60:50% 0.70", exit_at="2026-04-12T13:20:04Z")], "closed", "time",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("exit", "50", "0.6")]),
    "the average bid is the best one where only that is known": (
        [(0, "0.53", "0.55", 500), (2, "0.46", "0.48", 5), (4, "0.45", "0.47", 500)],
        [submit(1, trigger="size")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.45")]),
    "the last trade is the best bid where none is known": (
        [(0, "0.53", "0.55", 500), (2, "0.46", "0.48", 500), (4, "0.45", "0.47", 500)],
        [submit(1, trigger="last")], "closed", "stop", [("entry", "100", "0.55"), ("exit", "100", "0.45")]),
    "the gate refuses a further entry, and that alone": (
        [(0, "0.53", "0.55", 500), (2, "0.30", "0.90", 500)],
        [submit(1, stop="0.20"), submit(3, stop="0.20")], "holding", None, [("entry", "100", "0.55")]),
    "a sale by hand that would leave too little is not made": (
        [(0, "0.53", "0.55", 500), (9, "0.53", "0.56", 500)],
        [submit(1), order(3, "sell", shares="99")], "holding", None, [("entry", "100", "0.55")]),
    "a resolution comes before the time": (
        [(0, "0.53", "0.55", 500), (5, "0.60", "0.62", 500)],
        [submit(1, target="", targets="0.70:50%", trail="0.10", exit_at="2026-04-12T13:50:00Z")], "closed", "settlement",
        [("entry", "100", "0.55"), ("settlement", "100", "1")]),
    "terms that are amended": (
        [(0, "0.53", "0.55", 500), (4, "0.60", "0.62", 500), (5, "0.55", "0.58", 500)],
        [submit(1), order(3, "amend", targets="0.60:50% 0.80", trail="0.05")], "closed", "stop",
        [("entry", "100", "0.55"), ("target", "50", "0.6"), ("exit", "50", "0.55")]),
    "carried to its resolution": (
        [(0, "0.53", "0.55", 500), (5, "0.60", "0.62", 500)],
        [submit(1)], "closed", "settlement", [("entry", "100", "0.55"), ("settlement", "100", "1")]),
}
# fmt: on
