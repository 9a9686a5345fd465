"""Probes of cancels, and of what the user channel says and does not say."""

import json

from defects.lab import Spot
from defects.orders import CANCEL, CHANNEL, EXECUTION, RECONCILIATION
from defects.table import defect
from loopback import messages

# -- cancels ---------------------------------------------------------------------------------------


@defect(
    "The reply that lists an order as cancelled is not taken for its cancel",
    stock="accepted, canceled after asking",
    ours="accepted, canceled by the reply",
    mended_by=CANCEL,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("order CANCELLATION", token=spot.token)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    spot.lab.observer.cancel_order(order)
    await spot.closes(order, 30)
    asked = "after asking" if spot.questions(order) else "by the reply"
    return f"{spot.said(order)} {asked}"


@defect(
    "A cancel is asked for before the order is signed",
    stock="accepted; rests at the venue",
    ours="canceled; does not rest at the venue",
    mended_by=CANCEL,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    order = spot.order("BUY", "0.40")
    spot.lab.observer.cancel_order(order)
    await spot.closes(order, None if spot.lab.is_ours else 3)
    return f"{spot.said(order)}; {'rests' if spot.resting else 'does not rest'} at the venue"


@defect(
    "A cancel comes too late, and the fill is not told",
    stock="accepted; pending_cancel",
    ours="accepted, filled 10 @ 0.40; filled",
    mended_by=f"{CANCEL}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    for what in ("trade *", "order UPDATE"):
        spot.venue.faults.lose(what, token=spot.token, times=None)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    spot.quote(None, "0.52")
    spot.venue.take(spot.token, "SELL", "0.40", "10")
    spot.lab.observer.cancel_order(order)
    await spot.hears(order, "filled", None if spot.lab.is_ours else 2)
    return spot.state(order)


# -- the user channel ------------------------------------------------------------------------------


@defect(
    "The user channel is not open before the first order",
    stock="nobody listens",
    ours="listens to the market",
    mended_by=f"{EXECUTION}.prepare, MarketFinder.find",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    condition = spot.market.condition_id
    is_heard = await spot.lab.happens(lambda: spot.venue.listeners("user", condition), 3)
    return "listens to the market" if is_heard else "nobody listens"


@defect(
    "An immediate order's end is told before its last fill",
    stock="canceled, filled 5 @ 0.52; partially_filled",
    ours="accepted, filled 5 @ 0.52, canceled; canceled",
    mended_by=f"OrderFillTracker, {CHANNEL}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote("0.50", "0.52", size="5")
    spot.venue.faults.hang("POST /order", 0.5, after=True, token=spot.token)
    order = spot.order("BUY", "0.52", "8", "IOC")
    await spot.hears(order, "filled")
    await spot.hears(order, "canceled")
    return spot.state(order)


@defect(
    "The end of an immediate order is never told",
    stock="filled 5 @ 0.52; partially_filled",
    ours="accepted, filled 5 @ 0.52, canceled; canceled",
    mended_by=RECONCILIATION,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote("0.50", "0.52", size="5")
    spot.venue.faults.lose("order CANCELLATION", token=spot.token)
    order = spot.order("BUY", "0.52", "8", "IOC")
    return await spot.closes(order, None if spot.lab.is_ours else 4)


@defect(
    "A killed order's status is a sentence",
    stock="filled 5 @ 0.52; partially_filled",
    ours="accepted, filled 5 @ 0.52, canceled; canceled",
    mended_by=f"parsing, {CHANNEL}",
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote("0.50", "0.52", size="5")
    spot.venue.faults.killed_text = True
    order = spot.order("BUY", "0.52", "8", "IOC")
    return await spot.closes(order, None if spot.lab.is_ours else 2)


@defect(
    "A fill is told after the order's cancel",
    stock="accepted, canceled; canceled",
    ours="accepted, filled 4 @ 0.40, canceled; canceled",
    mended_by=f"OrderFillTracker, {CHANNEL}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.postpone("trade *", 2, token=spot.token, times=None)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    spot.quote(None, "0.52")
    spot.venue.take(spot.token, "SELL", "0.40", "4")
    spot.lab.observer.cancel_order(order)
    await spot.hears(order, "filled", 30 if spot.lab.is_ours else 5)
    await spot.closes(order)
    return spot.state(order)


@defect(
    "A trade fails to settle after it was told",
    stock="filled 10 @ 0.52",
    ours="accepted, filled 10 @ 0.52, reversed 10 @ 0.52",
    mended_by=f"OrderFillTracker, {CHANNEL}",
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    await spot.lab.happens(lambda: all(t.is_final for t in spot.venue.trades(spot.lab.funder)))
    spot.venue.faults.failing_trades = 1
    order = spot.order("BUY", "0.52")
    await spot.hears(order, "reversed", None if spot.lab.is_ours else 2)
    return spot.said(order)


@defect(
    "A fill over several prices",
    stock="filled 10 @ 0.53",
    ours="accepted, filled 6 @ 0.52, filled 4 @ 0.53",
    mended_by="parsing.trades_of",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.book(spot.token, [("0.50", "100")], [("0.52", "6"), ("0.53", "100")])
    order = spot.order("BUY", "0.53")
    await spot.closes(order)
    return spot.said(order)


@defect(
    "An order is told to be matched in part, and its trade is not",
    stock="accepted; accepted",
    ours="accepted, filled 4 @ 0.40; partially_filled",
    mended_by=f"{CHANNEL}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("trade *", token=spot.token, times=None)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    spot.quote(None, "0.52")
    spot.venue.take(spot.token, "SELL", "0.40", "4")
    await spot.hears(order, "filled", None if spot.lab.is_ours else 3)
    return spot.state(order)


async def _tell_by_hand(spot: Spot, **changes: object) -> str:
    """Let an order's trade come in a frame that is made otherwise than usual."""
    await spot.opened()
    spot.venue.faults.lose("trade *", token=spot.token, times=None)
    order = spot.order("BUY", "0.52")
    await spot.lab.happens(lambda: spot.trades)
    trade = spot.trades[0]
    told = messages.trade_event(trade, trade.taker, 0) | changes
    frame = [told] if not changes else {k: v for k, v in told.items() if v is not None}
    spot.venue.push("user", json.dumps(frame))
    await spot.hears(order, "filled", None if spot.lab.is_ours else 3)
    return f"{spot.said(order) or 'nothing'}"


@defect(
    "A frame of the user channel holds a list",
    stock="nothing",
    ours="accepted, filled 10 @ 0.52",
    mended_by=f"parsing.messages, {CHANNEL}",
)
async def _(spot: Spot) -> str:
    return await _tell_by_hand(spot)


@defect(
    "A message of the user channel lacks a field that nothing needs",
    stock="nothing",
    ours="accepted, filled 10 @ 0.52",
    mended_by=f"parsing, {CHANNEL}",
)
async def _(spot: Spot) -> str:
    return await _tell_by_hand(spot, bucket_index=None)


@defect(
    "A fill while the user channel is down",
    stock="accepted",
    ours="accepted, filled 10 @ 0.40",
    mended_by=f"{EXECUTION}.__init__ (handler_reconnect), {RECONCILIATION}",
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    spot.venue.faults.refused.add("user")
    spot.venue.drop("user")
    spot.quote(None, "0.40")
    await spot.lab.happens(lambda: spot.trades and spot.trades[0].is_final)
    spot.venue.faults.refused.clear()
    await spot.lab.happens(lambda: spot.venue.listeners("user", spot.market.condition_id), 30)
    await spot.hears(order, "filled", None if spot.lab.is_ours else 2)
    return spot.said(order)


@defect(
    "A sale while the user channel is down",
    stock="nothing; submitted",
    ours="accepted, filled 10 @ 0.50; filled",
    mended_by=f"{EXECUTION}._post_signed_order, {RECONCILIATION}",
    when="alone",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    bought = spot.order("BUY", "0.52")
    await spot.hears(bought, "filled")
    spot.venue.faults.refused.add("user")
    spot.venue.drop("user")
    condition = spot.market.condition_id
    await spot.lab.happens(lambda: not spot.venue.listeners("user", condition), 5)
    sale = spot.order("SELL", "0.50", kind="IOC")
    await spot.hears(sale, "filled", None if spot.lab.is_ours else 3)
    said = spot.state(sale)
    spot.venue.faults.refused.clear()
    await spot.lab.happens(lambda: spot.venue.listeners("user", condition), 30)
    return said
