"""A position's story in plain words: one sentence per event."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from positions.model.formatting import plain, told

_Event = Mapping[str, Any]


def _number(value: Any) -> str:
    return "none" if value is None else plain(Decimal(str(value)))


def _opened(e: _Event) -> str:
    return (
        f"opened: buy {_number(e['size'])} at {_number(e['max_bid_price'])} or less,"
        f" target {_number(e.get('sell_price'))}, stop {_number(e.get('stop_loss_price'))}"
        f"{_terms(e)}"
    )


def _adopted(e: _Event) -> str:
    return (
        f"adopted: {_number(e['size'])} shares of the wallet, that cost"
        f" {_number(e['max_bid_price'])} each, target {_number(e.get('sell_price'))},"
        f" stop {_number(e.get('stop_loss_price'))}{_terms(e)}"
    )


def _terms(e: _Event) -> str:
    """What else was asked for, as the fields' names and values."""
    return "".join(f", {name} {value}" for name, value in told(e.get("terms") or {}).items())


def _amended(e: _Event) -> str:
    return (
        f"amended: max bid {_number(e['max_bid_price'])}, target {_number(e['sell_price'])},"
        f" stop {_number(e['stop_loss_price'])}{_terms(e)}"
    )


_ENTRY_ENDED = {
    "complete": "the entry is complete",
    "expired": "the entry has expired and is taken back",
    "stop_reached": "the bid is at the stop: the unfilled entry is taken back",
    "target_reached": "the target is selling: nothing more is bought",
    "cancelled": "the entry is taken back",
    "time_up": "time is up: nothing more is bought",
    "refused": "the venue refuses the entry for a reason that lasts: it is not sent again",
    "taken_off": "the venue took the entry off its book: it is not sent again",
}


def _entry_ended(e: _Event) -> str:
    return _ENTRY_ENDED.get(e["reason"], f"the entry is over ({e['reason']})")


def _sale_asked(e: _Event) -> str:
    return f"cash out by hand: {_number(e['shares'])} at {_number(e['limit_price'])} or more"


_SALE_ENDED = {
    "done": "the cash-out is done",
    "lapsed": "the cash-out has lapsed",
    "overtaken": "the stop overtook the cash-out",
    "market_over": "the market ended the cash-out",
}


def _sale_ended(e: _Event) -> str:
    return f"{_SALE_ENDED[e['reason']]}: {_number(e['sold'])} sold, {_number(e['left'])} left"


def _triggered(e: _Event) -> str:
    quote = f"bid {_number(e['bid'])} ({_number(e['bid_size'])} shares)"
    if e["cause"] == "flatten":
        return f"flatten: everything is sold, {quote}"
    if e["cause"] == "time":
        return f"time is up: everything is sold, {quote}"
    return f"stop triggered: {quote}, stop {_number(e['stop_loss_price'])}"


_OBSTACLES = {
    "no_bid": "there is no bid",
    "below_floor": "all bids are below the floor",
    "below_minimum": "it is worth less than $1 at this bid",
}


def _stuck(e: _Event) -> str:
    return f"cannot sell now: {_OBSTACLES[e['obstacle']]} (bid {_number(e['bid'])})"


_VERBS = {
    "entry": "buy",
    "target": "offer",
    "stop": "arm the stop for",
    "exit": "sell",
}


def _order_sent(e: _Event) -> str:
    return f"{_VERBS[e['role']]} {_number(e['shares'])} at {_number(e['price'])}"


def _from_stop(slippage: Decimal) -> str:
    if slippage == 0:
        return "at the stop"
    return f"{_number(abs(slippage))} {'under' if slippage > 0 else 'above'} the stop"


def _order_filled(e: _Event) -> str:
    verb = "bought" if e["role"] == "entry" else "sold"
    slippage = e.get("slippage")
    slip = "" if slippage is None else f", {_from_stop(Decimal(slippage))}"
    fee = f"fee {_number(e['fee'])}, {e['liquidity']}"
    return f"{verb} {_number(e['shares'])} at {_number(e['price'])} ({e['role']}), {fee}{slip}"


def _fill_reversed(e: _Event) -> str:
    what = f"{_number(e['shares'])} at {_number(e['price'])}"
    return f"the trade of {what} ({e['role']}) failed to settle: it is undone"


def _order_closed(e: _Event) -> str:
    why = f": {e['reason']}" if e["reason"] else ""
    return f"order {_short(e)} {e['end']}{why}"


def _short(e: _Event) -> str:
    return "#" + str(e["order_id"]).rpartition("-")[2]


def _settled(e: _Event) -> str:
    shares = Decimal(str(e["shares"]))
    if shares == 0:
        return f"the market is resolved at {_number(e['payout'])}; nothing was held"
    if shares < 0:
        return f"{_number(-shares)} shares were not there to be paid {_number(e['payout'])} each"
    return f"resolved: {_number(e['shares'])} shares paid {_number(e['payout'])} each"


_TELL: dict[str, Callable[[_Event], str]] = {
    "opened": _opened,
    "adopted": _adopted,
    "amended": _amended,
    "entry_ended": _entry_ended,
    "sale_asked": _sale_asked,
    "sale_ended": _sale_ended,
    "triggered": _triggered,
    "stuck": _stuck,
    "unstuck": lambda e: f"can sell again: bid {_number(e['bid'])}",
    "bid_vanished": lambda _: "the book has no bid; nothing is sold for that",
    "bid_returned": lambda e: f"the book has a bid again: {_number(e['bid'])}",
    "order_sent": _order_sent,
    "order_accepted": lambda e: f"order {_short(e)} is working",
    "order_signed": lambda e: f"order {_short(e)} is signed as {e['venue_order_id']}",
    "order_filled": _order_filled,
    "fill_reversed": _fill_reversed,
    "order_closed": _order_closed,
    "cancel_sent": lambda e: f"cancel order {_short(e)}",
    "cancel_refused": lambda e: f"order {_short(e)} was not cancelled: {e['reason']}",
    "stop_released": lambda _: "the emulator reports the stop as triggered",
    "stop_dismissed": lambda e: (
        f"the trigger sells nothing: bid {_number(e['bid'])} is above where the stop is armed"
    ),
    "stop_moved": lambda e: f"stop moved: {_number(e['shares'])} at {_number(e['price'])}",
    "stop_raised": lambda e: f"stop raised to {_number(e['price'])}: {_number(e['seen'])} was seen",
    "stop_touched": lambda e: f"{_number(e['seen'])} is at the stop: it sells if that stays so",
    "stop_recovered": lambda e: f"{_number(e['seen'])} is above the stop again",
    "settled": _settled,
    "no_more_dust": lambda e: f"the tick changed: {_number(e['shares'])} shares can be sold again",
    "left_as_dust": lambda e: f"{_number(e['shares'])} shares are left: no price could sell them",
    "disputed": lambda e: f"the record and the venue disagree: {e['reason']}",
    "restarted": lambda _: "the node began anew: its stops are armed again",
    "reconciled": lambda _: "the venue has what the record says: the dispute is over",
}

ROUTINE = frozenset({"order_signed", "order_accepted", "cancel_sent", "stop_moved"})
"""Kinds that are part of the record but not worth a line on the terminal."""


def tell(event: _Event) -> str:
    """One sentence for an event, as `rows.story` gives it."""
    return _TELL[event["kind"]](event)
