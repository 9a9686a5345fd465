"""How a position looks to people and programs: the same names in every table, file and reply.

Pure. Rows carry Decimals and nanoseconds; `to_json` writes them as exact plain text and ISO 8601.
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from positions.model.events import (
    Adopted,
    AnyEvent,
    Fill,
    Opened,
    OrderFilled,
    OwnerSold,
    Settled,
)
from positions.model.formatting import term_texts
from positions.model.position import (
    PROTECTED,
    ZERO,
    ExitReason,
    Phase,
    Position,
    Role,
    entry_price,
    exit_price,
    realized_pnl,
)
from positions.model.venue_rules import FeeSchedule, micro, taker_fee

_STATUS = {Phase.CLOSED: "closed", Phase.DUST: "closed", Phase.CANCELLED: "cancelled"}
_BY_HAND = frozenset({ExitReason.MANUAL, ExitReason.FLATTEN, ExitReason.OWNER})


def status(p: Position) -> str:
    """open, closed or cancelled."""
    return _STATUS.get(p.phase, "open")


def unrealized_pnl(p: Position, bid: Decimal | None, fee: FeeSchedule) -> Decimal | None:
    """What selling all that is held at the bid would make, fees of both sides counted, in USDC."""
    if bid is None or p.held <= 0:
        return None
    paid = micro((p.ledger.cost + p.ledger.buy_fees) * p.held / p.ledger.bought)
    return micro(p.held * bid - taker_fee(p.held, bid, fee) - paid)


def row(p: Position, bid: Decimal | None, fee: FeeSchedule) -> dict[str, Any]:
    """Everything a person is shown of a position; `bid` is the current one, or the payout."""
    reason = p.ledger.exit_reason
    return {
        "id": p.id,
        "market_id": p.market_id,
        "market": p.market,
        "outcome_id": p.outcome_id,
        "outcome": p.outcome,
        "status": status(p),
        "phase": p.phase.value,
        "size": p.request.size,
        "max_bid_price": p.request.max_bid_price,
        "sell_price": p.request.sell_price,
        "stop_loss_price": p.request.stop_loss_price,
        "stop_in_force": p.stop_in_force,
        "floor_price": p.request.floor_price,
        "entry_price": entry_price(p),
        "filled_at": p.ledger.filled_at,
        "volume": p.ledger.bought,
        "held": p.held,
        "exit_price": exit_price(p),
        "exit_time": p.ledger.exit_time,
        "exit_reason": None if reason is None else reason.value,
        "was_auto": None if reason is None else reason not in _BY_HAND,
        "current_price": bid,
        "unrealized_pnl": unrealized_pnl(p, bid, fee),
        "realized_pnl": micro(realized_pnl(p)),
        "fees": p.fees,
        "waiting_for": _waiting_for(p),
        "terms": term_texts(msgspec.to_builtins(p.request.terms, builtin_types=(Decimal,))),
        "created_at": p.created_at,
        "updated_at": p.updated_at,
    }


def _waiting_for(p: Position) -> str | None:
    if p.phase in PROTECTED and p.decision.touch is not None:
        return "confirmation"
    if p.decision.stuck is None and p.phase in PROTECTED and p.stop_in_force is None:
        return None if p.request.terms.trail is None else "trail_from"
    return None if p.decision.stuck is None else p.decision.stuck.value


def story(p: Position, event: AnyEvent) -> dict[str, Any]:
    """One event of the story of `p`, as it is after the event: kind, time, and details.

    A sale by the stop also has its `slippage`: how far under the stop it sold, in USDC per share.
    """
    complete = replace(event, position=p) if isinstance(event, Opened) else event
    values: dict[str, Any] = msgspec.to_builtins(complete, builtin_types=(Decimal,))
    inner = values.pop("order", None) or values.pop("position", None) or values.pop("sale", None)
    for group in ("request", "ledger", "decision", "pacing") if isinstance(event, Opened) else ():
        inner |= inner.pop(group)
    if values.get("terms") is None:
        values.pop("terms", None)
    if isinstance(inner, dict):
        values |= {name: value for name, value in inner.items() if name not in values}
    if (
        isinstance(event, OrderFilled)
        and event.role is Role.EXIT
        and p.decision.cause is ExitReason.STOP
    ):
        values["slippage"] = (p.stop_in_force or ZERO) - event.price
    return {"seq": p.seq, "kind": values.pop("kind"), "time": values.pop("time")} | values


def fill(p: Position, event: AnyEvent) -> dict[str, Any] | None:
    """The fill that an event states, if it states one; one that is undone has negative shares."""
    order_id = trade_id = liquidity = ""
    match event:
        case Fill():
            order_id, trade_id, liquidity = event.order_id, event.trade_id, event.liquidity
            sign = 1 if isinstance(event, OrderFilled) else -1
            side, role = "buy" if event.role is Role.ENTRY else "sell", event.role.value
            amounts = (event.shares * sign, event.price, event.fee * sign)
        case OwnerSold():
            trade_id, liquidity, side, role = event.trade_id, event.liquidity, "sell", "owner"
            amounts = (event.shares, event.price, event.fee)
        case Settled() if event.shares:
            side, role, amounts = "sell", "settlement", (event.shares, event.payout, ZERO)
        case Adopted():  # like a settlement, it changes the ledger without an order of ours
            side, role = "buy", "adoption"
            amounts = (p.ledger.bought, p.request.max_bid_price, p.ledger.buy_fees)
        case _:
            return None
    shares, price, fee = amounts
    return {
        "position_id": p.id,
        "order_id": order_id,
        "trade_id": trade_id or f"{role}-{p.seq}",
        "time": event.time,
        "side": side,
        "shares": shares,
        "price": price,
        "fee": fee,
        "liquidity": liquidity or role,
        "role": role,
    }
