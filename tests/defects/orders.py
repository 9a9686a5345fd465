"""Probes of what becomes of an order on its way to the venue, and of what is said of it."""

from defects.lab import Spot
from defects.table import defect

EXECUTION = "HardenedExecutionClient"
SUBMIT = f"{EXECUTION}._submit_order"
POST = f"{EXECUTION}._post_signed_order"
CANCEL = f"{EXECUTION}._cancel_order"
CHANNEL = f"{EXECUTION}._handle_ws_message"
RECONCILIATION = "OrderReconciliation"


# -- before the POST -------------------------------------------------------------------------------


@defect(
    "The first order waits for the tick and the version to be read",
    stock="GET /version, GET /tick-size",
    ours="nothing",
    mended_by="signing.OrderSigner",
    when="first",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    before = len(spot.venue.requests)
    order = spot.order("BUY", "0.52")
    await spot.hears(order, "filled")
    return ", ".join(sorted(spot.lab.since(before, "POST /order"), reverse=True)) or "nothing"


@defect(
    "The tick cannot be read before an order is signed",
    stock="nothing; initialized",
    ours="accepted; accepted",
    mended_by="signing.OrderSigner",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.answer("GET /tick-size", 500, times=None, token=spot.token)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted", 3)
    return spot.state(order)


@defect(
    "An order cannot be signed",
    stock="nothing; initialized",
    ours="denied; denied",
    mended_by=SUBMIT,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    return await spot.closes(spot.order("BUY", "1.00"), None if spot.lab.is_ours else 3)


@defect(
    "A stop that the emulator released cannot be signed",
    stock="emulated, released; released",
    ours="emulated, released, denied; denied",
    mended_by=SUBMIT,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    stop = spot.stop("1.00", trigger="0.45")
    await spot.hears(stop, "emulated")
    spot.quote("0.40", "0.52")
    await spot.hears(stop, "denied", None if spot.lab.is_ours else 3)
    return spot.state(spot.lab.node.cache.order(stop.client_order_id))


@defect(
    "A size that floats cut short",
    stock="20.39 rest",
    ours="20.4 rest",
    mended_by="signing.amounts",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.order("BUY", "0.40", "20.4")
    await spot.lab.happens(lambda: spot.resting)
    return f"{spot.resting[0].size.normalize():f} rest"


@defect(
    "An order on a finer tick than the first was signed on",
    stock="rests at 0.4",
    ours="rests at 0.405",
    mended_by="signing.OrderSigner",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    first = spot.order("BUY", "0.52")
    await spot.hears(first, "filled")
    spot.venue.change_tick(spot.market, "0.001")
    await spot.lab.happens(lambda: spot.instrument.price_precision == 3)
    spot.order("BUY", "0.405")
    await spot.lab.happens(lambda: spot.resting)
    return f"rests at {spot.resting[0].price.normalize():f}"


@defect(
    "A sale beyond the tick that the first was signed on",
    stock="nothing; initialized",
    ours="accepted; accepted",
    mended_by="signing.OrderSigner",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    first = spot.order("BUY", "0.52")
    await spot.hears(first, "filled")
    spot.venue.change_tick(spot.market, "0.001")
    await spot.lab.happens(lambda: spot.instrument.price_precision == 3)
    sale = spot.order("SELL", "0.995")
    await spot.hears(sale, "accepted", 3)
    return spot.state(sale)


@defect(
    "A market sale reads the book first, and cannot be signed when there are no bids",
    stock="nothing; initialized; GET /book",
    ours="denied; denied; nothing asked",
    mended_by=f"{SUBMIT} (limit orders only), positions.engine.plan (prices of exits)",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.quote(None, "0.52")
    order = spot.market_sale()
    await spot.closes(order, None if spot.lab.is_ours else 3)
    books = [r for r in spot.lab.asked("GET /book") if r.query.get("token_id") == spot.token]
    return f"{spot.state(order)}; {'GET /book' if books else 'nothing asked'}"


# -- the POST and its reply ------------------------------------------------------------------------


@defect(
    "The venue's reply to a POST is not taken for its acceptance",
    stock="accepted after asking",
    ours="accepted by the reply",
    mended_by=POST,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("order PLACEMENT", token=spot.token)
    order = spot.order("BUY", "0.40")
    await spot.hears(order, "accepted")
    asked = "after asking" if spot.questions(order) else "by the reply"
    return f"{spot.said(order)} {asked}"


@defect(
    "503 instead of taking an order",
    stock="rejected",
    ours="accepted, filled 10 @ 0.52",
    mended_by=f"{POST}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.answer("POST /order", 503, token=spot.token)
    order = spot.order("BUY", "0.52")
    await spot.closes(order)
    return spot.said(order)


@defect(
    "500 after the venue took an order that rests",
    stock="rejected; rests at the venue",
    ours="accepted; rests at the venue",
    mended_by=f"{POST}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.answer("POST /order", 500, after=True, token=spot.token)
    order = spot.order("BUY", "0.40")
    await spot.lab.happens(lambda: spot.said(order))
    return f"{spot.said(order)}; {'rests' if spot.resting else 'does not rest'} at the venue"


@defect(
    "500 after the venue matched an order",
    stock="rejected; 10 shares at the venue",
    ours="accepted, filled 10 @ 0.52; 10 shares at the venue",
    mended_by=f"{POST}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.answer("POST /order", 500, after=True, token=spot.token)
    order = spot.order("BUY", "0.52")
    await spot.closes(order)
    return f"{spot.said(order)}; {spot.held} shares at the venue"


@defect(
    "The venue calls an order a duplicate that it took",
    stock="rejected; rests at the venue",
    ours="accepted; rests at the venue",
    mended_by=f"{POST}, {RECONCILIATION}",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.answer(
        "POST /order", 400, after=True, error="order is invalid. Duplicated.", token=spot.token
    )
    order = spot.order("BUY", "0.40")
    await spot.lab.happens(lambda: spot.said(order))
    return f"{spot.said(order)}; {'rests' if spot.resting else 'does not rest'} at the venue"


@defect(
    "The connection is reset before the venue saw an order",
    stock="accepted, canceled",
    ours="accepted, filled 10 @ 0.52",
    mended_by=RECONCILIATION,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.reset("POST /order", token=spot.token)
    order = spot.order("BUY", "0.52", kind="IOC")
    await spot.closes(order, 30)
    return spot.said(order)


@defect(
    "The reply and the messages of a matched order are lost: its fee",
    stock="accepted, filled 10 @ 0.52 for 0.00",
    ours="accepted, filled 10 @ 0.52 for 0.10",
    mended_by=RECONCILIATION,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.lose("trade *", token=spot.token, times=None)
    spot.venue.faults.reset("POST /order", after=True, token=spot.token)
    order = spot.order("BUY", "0.52")
    await spot.closes(order, 30)
    return f"{spot.said(order)} for {spot.fee(order):.2f}"


@defect(
    "The reply to a POST takes longer than ack_timeout_secs: the fill's fee",
    stock="accepted, filled 10 @ 0.52 for 0.00",
    ours="accepted, filled 10 @ 0.52 for 0.10",
    mended_by=f"{POST} (the hash is known before)",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.hang("POST /order", 4, after=True, token=spot.token)
    order = spot.order("BUY", "0.52")
    await spot.closes(order, 30)
    return f"{spot.said(order)} for {spot.fee(order):.2f}"


@defect(
    "A fill that overtakes the reply to the POST",
    stock="told after the reply",
    ours="told before the reply",
    mended_by=f"{POST} (the hash is known before)",
)
async def _(spot: Spot) -> str:
    await spot.opened()
    spot.venue.faults.hang("POST /order", 1, after=True, token=spot.token)
    order = spot.order("BUY", "0.52")
    await spot.hears(order, "filled")
    return f"told {'after' if spot.posted()[0].status else 'before'} the reply"


@defect(
    "A FAK order that meets nothing is taken for a refusal",
    stock="rejected",
    ours="canceled",
    mended_by=POST,
)
async def _(spot: Spot) -> str:
    await spot.opened()
    order = spot.order("BUY", "0.40", kind="IOC")
    await spot.closes(order)
    return spot.said(order)
