"""What a command does: it is checked, what it changes is noted at the desk, and it is answered."""

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import to_builtins

from positions.commands import checks, pre_trade_checks
from positions.commands.messages import (
    ACCEPTED,
    Adopt,
    Amend,
    Cancel,
    Command,
    Flatten,
    Halt,
    Refusal,
    Reply,
    Resume,
    Sell,
    Submit,
    refused,
)
from positions.commands.preview import what_if
from positions.engine import adoption
from positions.engine.adoption import Holding
from positions.model import stops
from positions.model.events import Adopted, Opened, SaleEnded, Triggered
from positions.model.formatting import told
from positions.model.position import OVER, ExitReason, Position, SaleEnd

if TYPE_CHECKING:
    from positions.engine.engine import Desk

_SALE_ENDED = {
    SaleEnd.DONE: "sold {sold} shares; {held} are held",
    SaleEnd.LAPSED: "time is up: sold {sold} shares, {left} not; {held} held are protected again",
    SaleEnd.OVERTAKEN: "sold {sold} shares by hand; the rest is being sold by the stop",
    SaleEnd.MARKET_OVER: "sold {sold} shares; the market is resolved and paid the rest",
}


def obey(desk: "Desk", c: Command, holding: Holding, now: int) -> Reply:
    """Act on a command; the reply to it.

    Parameters
    ----------
    desk
        Where it is to be noted.
    c
        The command.
    holding
        What the wallet has of the outcome, for an adoption.
    now
        The time in nanoseconds.
    """
    match c:
        case Submit():
            outcome = _submit(desk, c, now)
        case Adopt():
            outcome = _adopt(desk, c, holding, now)
        case Sell():
            outcome = _sell(desk, c, now)
        case Cancel():
            outcome = _cancel(desk, c, now)
        case Amend():
            outcome = _amend(desk, c, now)
        case Halt():
            desk.halt(True)
            outcome = _accept(c, now, "halted: no new entries until `resume`")
        case Resume():
            desk.halt(False)
            outcome = _accept(c, now, "resumed: entries are sent again")
        case Flatten():
            outcome = _flatten(desk, c, now)
        case _:
            raise TypeError(f"{type(c).__name__} is not a command of the desk")
    return refused(c.id, outcome, now) if isinstance(outcome, Refusal) else outcome


def sale_over(p: Position, ended: SaleEnded) -> Reply:
    """The last answer to a sale by hand."""
    text = _SALE_ENDED[ended.reason].format(sold=ended.sold, left=ended.left, held=p.held)
    return Reply(
        id=ended.command_id, status=ACCEPTED, message=text, position_id=p.id, time=ended.time
    )


def _accept(c: Command, now: int, text: str, position_id: str = "", *, done: bool = True) -> Reply:
    return Reply(
        id=c.id, status=ACCEPTED, message=text, position_id=position_id, done=done, time=now
    )


def _submit(desk: "Desk", c: Submit, now: int) -> Reply | Refusal:
    m = desk.listing.find(c)
    if isinstance(m, Refusal):
        return m
    p = checks.open_position(c, m, desk.funds(), desk.limits, now)
    if isinstance(p, Refusal):
        return p
    seen = pre_trade_checks.look(p, m, desk.limits.gate, now)
    refusal = pre_trade_checks.refusal(seen)
    if refusal is not None:
        return refusal
    if c.dry_run:
        return _accept(c, now, f"dry run: {what_if(p, m)}; {pre_trade_checks.tell(seen)}")
    desk.note(p.id, Opened(time=now, position=p))
    text = f"opened: buy {p.size} {p.outcome} of {p.market} at {p.max_bid_price} or less"
    return _accept(c, now, f"{text}; {pre_trade_checks.tell(seen)}", p.id)


def _adopt(desk: "Desk", c: Adopt, holding: Holding, now: int) -> Reply | Refusal:
    m = desk.listing.find(c)
    if isinstance(m, Refusal):
        return m
    ours = [p for p in desk.positions.values() if p.outcome_id == m.outcome_id]
    p = adoption.open_position(c, m, holding, ours, desk.limits, now)
    if isinstance(p, Refusal):
        return p
    seen = pre_trade_checks.tell(pre_trade_checks.look(p, m, desk.limits.gate, now))
    if c.dry_run:
        return _accept(c, now, f"dry run: {what_if(p, m)}; {seen}")
    desk.note(p.id, Adopted(time=now, position=p))
    text = f"adopted: {p.size} {p.outcome} of {p.market} that cost {p.max_bid_price} each"
    exits = f"target {_or_none(p.sell_price)}, stop {_or_none(p.stop_in_force)}"
    return _accept(c, now, f"{text}; {exits}; {seen}", p.id)


def _sell(desk: "Desk", c: Sell, now: int) -> Reply | Refusal:
    p = desk.find(c.position_id)
    if isinstance(p, Refusal):
        return p
    asked = checks.sell(c, p, desk.markets[p.outcome_id], desk.limits, now)
    if isinstance(asked, Refusal):
        return asked
    desk.note(p.id, asked)
    sale = asked.sale
    text = f"selling {sale.shares} shares at {sale.limit_price} or more"
    return _accept(c, now, text, p.id, done=False)


def _cancel(desk: "Desk", c: Cancel, now: int) -> Reply | Refusal:
    p = desk.find(c.position_id)
    if isinstance(p, Refusal):
        return p
    ended = checks.cancel(p, now)
    if isinstance(ended, Refusal):
        return ended
    desk.note(p.id, ended)
    rest = f"; {p.held} shares held stay protected" if p.held > 0 else ""
    return _accept(c, now, f"the entry is being taken back{rest}", p.id)


def _amend(desk: "Desk", c: Amend, now: int) -> Reply | Refusal:
    p = desk.find(c.position_id)
    if isinstance(p, Refusal):
        return p
    m = desk.markets[p.outcome_id]
    amended = checks.amend(c, p, m, desk.funds(), desk.limits, now)
    if isinstance(amended, Refusal):
        return amended
    p = desk.note(p.id, amended)
    exits = f"target {_or_none(p.sell_price)}, stop {_or_none(p.stop_in_force)}"
    terms = told(to_builtins(p.terms, builtin_types=(Decimal,)))
    text = f"max bid {p.max_bid_price}, {exits}"
    text += "".join(f", {name} {value}" for name, value in terms.items())
    if stops.is_reached(p, m):
        text += f"; the bid {m.bid} is at the stop already: it acts at once"
    return _accept(c, now, text, p.id)


def _flatten(desk: "Desk", c: Flatten, now: int) -> Reply:
    desk.halt(True)
    selling = 0
    for p in list(desk.open_positions()):
        if p.held > 0 and p.cause is None and p.phase not in OVER:
            desk.note(p.id, _flattened(desk, p, now))
            selling += 1
        elif p.entry_ended is None:
            ended = checks.cancel(p, now)
            if not isinstance(ended, Refusal):
                desk.note(p.id, ended)
    return _accept(c, now, f"halted; selling {selling} positions, taking back all entries")


def _flattened(desk: "Desk", p: Position, now: int) -> Triggered:
    m = desk.markets[p.outcome_id]
    return Triggered(
        time=now,
        cause=ExitReason.FLATTEN,
        bid=m.bid,
        bid_size=m.bid_size,
        stop_loss_price=None,
    )


def _or_none(value: Decimal | None) -> str:
    return "none" if value is None else str(value)
