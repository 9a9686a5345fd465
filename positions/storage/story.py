"""A position's story in plain words: one sentence per event."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from positions.model.formatting import plain, term_texts

_Event = Mapping[str, Any]


def _number(value: Any) -> str:
    return "none" if value is None else plain(Decimal(str(value)))


class _Values(dict[str, Any]):
    """An event's fields as a sentence names them: numbers are plain, and none may be missing."""

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if name == "terms":  # what else was asked for, as the fields' names and values
            return "".join(f", {term} {text}" for term, text in term_texts(value or {}).items())
        if name == "order_id":
            return "#" + str(value).rpartition("-")[2]
        return str(value) if name in _TEXTS else _number(value)


_TEXTS = frozenset({"reason", "end", "role", "liquidity", "venue_order_id"})


def _terms_priced(e: _Event) -> str:
    parts = "".join(f" {_number(t['price'])}" for t in e.get("targets") or ())
    prices = "target" + parts + " {sell_price}, stop {stop_loss_price}"
    return "the entry price is {entry_price}: " + prices


_ENTRY_ENDED = {
    "complete": "the entry is complete",
    "expired": "the entry has expired and is taken back",
    "stop_reached": "the bid is at the stop: the unfilled entry is taken back",
    "target_reached": "the target is selling: nothing more is bought",
    "cancelled": "the entry is taken back",
    "time_up": "time is up: nothing more is bought",
    "refused": "the venue refuses the entry for a reason that lasts: it is not sent again",
    "owner": "the owner took shares elsewhere: nothing more is bought",
    "taken_off": "the venue took the entry off its book: it is not sent again",
}
_SALE_ENDED = {
    "done": "the cash-out is done",
    "lapsed": "the cash-out has lapsed",
    "overtaken": "the stop overtook the cash-out",
    "market_over": "the market ended the cash-out",
}
_TRIGGERED = {
    "flatten": "flatten: everything is sold, bid {bid} ({bid_size} shares)",
    "time": "time is up: everything is sold, bid {bid} ({bid_size} shares)",
}
_OBSTACLES = {
    "no_bid": "there is no bid",
    "below_floor": "all bids are below the floor",
    "below_minimum": "it is worth less than $1 at this bid",
}
_SENT = {"entry": "buy", "target": "offer", "stop": "arm the stop for", "exit": "sell"}


def _order_filled(e: _Event) -> str:
    verb = "bought" if e["role"] == "entry" else "sold"
    slip = "" if e.get("slippage") is None else f", {_from_stop(Decimal(e['slippage']))}"
    return f"{verb} {{shares}} at {{price}} ({{role}}), fee {{fee}}, {{liquidity}}{slip}"


def _from_stop(slippage: Decimal) -> str:
    if slippage == 0:
        return "at the stop"
    return f"{_number(abs(slippage))} {'under' if slippage > 0 else 'above'} the stop"


def _owner_sold(e: _Event) -> str:
    if e["liquidity"] == "word":
        return "sold {shares} at {price} elsewhere, by the owner's word"
    return "the owner sold {shares} at {price} elsewhere, fee {fee}, {liquidity}"


def _settled(e: _Event) -> str:
    shares = Decimal(str(e["shares"]))
    if shares == 0:
        return "the market is resolved at {payout}; nothing was held"
    if shares < 0:
        return f"{_number(-shares)} shares were not there to be paid {{payout}} each"
    return "resolved: {shares} shares paid {payout} each"


_SENTENCES: dict[str, str | Callable[[_Event], str]] = {
    "opened": (
        "opened: buy {size} at {max_bid_price} or less,"
        " target {sell_price}, stop {stop_loss_price}{terms}"
    ),
    "adopted": (
        "adopted: {size} shares of the wallet, that cost {max_bid_price} each,"
        " target {sell_price}, stop {stop_loss_price}{terms}"
    ),
    "amended": lambda e: (
        "amended: max bid {max_bid_price}, target {sell_price}, stop {stop_loss_price}{terms}"
        + ("" if e.get("size") is None else ", size {size}")
        + ("" if e.get("floor_price") is None else ", floor {floor_price}")
        + ("" if e.get("post_only") is None else f", post only {str(e['post_only']).lower()}")
        + (f", expires {e['entry_expires_at'] or 'never'}" if "entry_expires_at" in e else "")
    ),
    "terms_priced": _terms_priced,
    "entry_ended": lambda e: _ENTRY_ENDED.get(e["reason"], "the entry is over ({reason})"),
    "sale_asked": "cash out by hand: {shares} at {limit_price} or more",
    "sale_ended": lambda e: _SALE_ENDED[e["reason"]] + ": {sold} sold, {left} left",
    "triggered": lambda e: _TRIGGERED.get(
        e["cause"], "stop triggered: bid {bid} ({bid_size} shares), stop {stop_loss_price}"
    ),
    "stuck": lambda e: f"cannot sell now: {_OBSTACLES[e['obstacle']]} (bid {{bid}})",
    "unstuck": "can sell again: bid {bid}",
    "bid_vanished": "the book has no bid; nothing is sold for that",
    "bid_returned": "the book has a bid again: {bid}",
    "order_sent": lambda e: _SENT[e["role"]] + " {shares} at {price}",
    "order_accepted": "order {order_id} is working",
    "order_signed": "order {order_id} is signed as {venue_order_id}",
    "order_filled": _order_filled,
    "fill_reversed": ("the trade of {shares} at {price} ({role}) failed to settle: it is undone"),
    "owner_sold": _owner_sold,
    "released": "{shares} shares are the owner's own again, by the owner's word",
    "order_closed": lambda e: "order {order_id} {end}" + (": {reason}" if e["reason"] else ""),
    "cancel_sent": "cancel order {order_id}",
    "cancel_refused": "order {order_id} was not cancelled: {reason}",
    "stop_released": "the emulator reports the stop as triggered",
    "stop_dismissed": "the trigger sells nothing: bid {bid} is above where the stop is armed",
    "stop_moved": "stop moved: {shares} at {price}",
    "stop_raised": "stop raised to {price}: {seen} was seen",
    "stop_touched": "{seen} is at the stop: it sells if that stays so",
    "stop_recovered": "{seen} is above the stop again",
    "settled": _settled,
    "no_more_dust": "the tick changed: {shares} shares can be sold again",
    "left_as_dust": "{shares} shares are left: no price could sell them",
    "disputed": "the record and the venue disagree: {reason}",
    "restarted": "the node began anew: its stops are armed again",
    "reconciled": "the venue has what the record says: the dispute is over",
}
"""A sentence for each kind of event, or what chooses one."""

ROUTINE = frozenset({"order_signed", "order_accepted", "cancel_sent", "stop_moved"})
"""Kinds that are part of the record but not worth a line on the terminal."""


def sentence(event: _Event) -> str:
    """One sentence for an event, as `rows.story` gives it."""
    template = _SENTENCES[event["kind"]]
    text = template if isinstance(template, str) else template(event)
    return text.format_map(_Values(event))
