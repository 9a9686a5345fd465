"""What a command comes to: it is checked, and gives the events to book and the reply.

Pure: a handler reads the engine by `Standing` and changes nothing in it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from positions.commands import pre_trade_checks, validation
from positions.commands.instruments import Listing
from positions.commands.messages import (
    ACCEPTED,
    Adopt,
    Amend,
    Cancel,
    Close,
    Command,
    Flatten,
    Halt,
    Refusal,
    Release,
    Reply,
    Resume,
    Sell,
    Submit,
    refused,
)
from positions.commands.preview import (
    amendment,
    amendment_figures,
    figures,
    no_stop_until,
    sale_figures,
    what_if,
)
from positions.commands.preview import sale as sale_preview
from positions.commands.validation import Funds, Limits
from positions.engine import adoption
from positions.engine.adoption import Holding
from positions.engine.transitions import apply
from positions.model import stops
from positions.model.events import (
    Adopted,
    AnyEvent,
    Opened,
    OwnerSold,
    Released,
    SaleEnded,
    Triggered,
)
from positions.model.formatting import iso, plain, term_texts, to_json
from positions.model.instrument_book import InstrumentBook
from positions.model.position import OVER, ExitReason, Position, SaleEnd, realized_pnl
from positions.model.venue_rules import micro

_SALE_ENDED = {
    SaleEnd.DONE: "sold {sold} shares; {held} are held",
    SaleEnd.LAPSED: "time is up: sold {sold} shares, {left} not; {held} held are protected again",
    SaleEnd.OVERTAKEN: "sold {sold} shares by hand; the rest is being sold by the stop",
    SaleEnd.MARKET_OVER: "sold {sold} shares; the market is resolved and paid the rest",
}


class Standing(Protocol):
    """What a handler reads of the engine."""

    @property
    def limits(self) -> Limits:
        """What the owner allows."""

    @property
    def listing(self) -> Listing:
        """The outcomes that are known, by their names."""

    @property
    def markets(self) -> Mapping[str, InstrumentBook]:
        """The same by outcome id."""

    @property
    def positions(self) -> Mapping[str, Position]:
        """The positions that are known, by id."""

    def open_positions(self) -> Iterable[Position]:
        """Those of which something may still come."""

    def funds(self) -> Funds:
        """The money as it stands."""


class Handled(Struct, frozen=True):
    """What a command comes to: events to book by position id, a halt or its end, and the reply."""

    reply: Reply
    events: tuple[tuple[str, AnyEvent], ...] = ()
    halted: bool | None = None


def handle(engine: Standing, c: Command, holding: Holding, now: int) -> Handled:
    """Check a command; what it comes to."""
    match c:
        case Submit():
            handled = _submit(engine, c, now)
        case Adopt():
            handled = _adopt(engine, c, holding, now)
        case Sell():
            handled = _sell(engine, c, now)
        case Cancel():
            handled = _cancel(engine, c, now)
        case Close() | Release():
            handled = _owners_word(engine, c, now)
        case Amend():
            handled = _amend(engine, c, now)
        case Halt():
            text = "halted: no new entries until `resume`"
            handled = Handled(_accept(c, now, text), halted=True)
        case Resume():
            handled = Handled(_accept(c, now, "resumed: entries are sent again"), halted=False)
        case Flatten():
            handled = _flatten(engine, c, now)
        case _:
            raise TypeError(f"{type(c).__name__} is not a command of the engine")
    return Handled(refused(c.id, handled, now)) if isinstance(handled, Refusal) else handled


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


def _dry_run(c: Command, now: int, text: str, figures: Mapping[str, Any]) -> Handled:
    reply = _accept(c, now, f"dry run: {text}")
    return Handled(replace(reply, preview=to_json(figures)))


def _submit(engine: Standing, c: Submit, now: int) -> Handled | Refusal:
    book = engine.listing.find(c)
    if isinstance(book, Refusal):
        return book
    p = validation.open_position(c, book, engine.funds(), engine.limits, now)
    if isinstance(p, Refusal):
        return p
    findings = pre_trade_checks.look(p, book, engine.limits.gate, now)
    refusal = pre_trade_checks.refusal(findings)
    if refusal is not None:
        return refusal
    if c.dry_run:
        funds, caps = engine.funds(), engine.limits
        left = {
            "cash": funds.cash - funds.reserved,
            "stake_left": caps.max_total_stake - funds.staked,
        }
        text = f"{what_if(p, book)}; {pre_trade_checks.summary(findings)}"
        return _dry_run(c, now, text, figures(p, book) | left)
    price = p.request.max_bid_price
    text = f"opened: buy {p.request.size} {p.outcome} of {p.market} at {price} or less"
    text += _warned(p)
    reply = _accept(c, now, f"{text}; {pre_trade_checks.summary(findings)}", p.id)
    return Handled(reply, ((p.id, Opened(time=now, position=p)),))


def _adopt(engine: Standing, c: Adopt, holding: Holding, now: int) -> Handled | Refusal:
    book = engine.listing.find(c)
    if isinstance(book, Refusal):
        return book
    ours = [p for p in engine.positions.values() if p.outcome_id == book.outcome_id]
    p = adoption.open_position(c, book, holding, ours, engine.limits, now)
    if isinstance(p, Refusal):
        return p
    findings = pre_trade_checks.summary(pre_trade_checks.look(p, book, engine.limits.gate, now))
    if c.dry_run:
        return _dry_run(c, now, f"{what_if(p, book)}; {findings}", figures(p, book))
    price = p.request.max_bid_price
    text = f"adopted: {p.request.size} {p.outcome} of {p.market} that cost {price} each"
    exits = f"target {_or_none(p.request.sell_price)}, stop {_or_none(p.stop_in_force)}{_warned(p)}"
    reply = _accept(c, now, f"{text}; {exits}; {findings}", p.id)
    return Handled(reply, ((p.id, Adopted(time=now, position=p)),))


def _sell(engine: Standing, c: Sell, now: int) -> Handled | Refusal:
    p = _find(engine, c.position_id)
    if isinstance(p, Refusal):
        return p
    asked = validation.sell(c, p, engine.markets[p.outcome_id], engine.limits, now)
    if isinstance(asked, Refusal):
        return asked
    sale = asked.sale
    if c.dry_run:
        book = engine.markets[p.outcome_id]
        return _dry_run(c, now, sale_preview(sale, book), sale_figures(sale, book))
    text = f"selling {sale.shares} shares at {sale.limit_price} or more"
    return Handled(_accept(c, now, text, p.id, done=False), ((p.id, asked),))


def _cancel(engine: Standing, c: Cancel, now: int) -> Handled | Refusal:
    p = _find(engine, c.position_id)
    if isinstance(p, Refusal):
        return p
    ended = validation.cancel(p, now)
    if isinstance(ended, Refusal):
        return ended
    rest = f"; {p.held} shares held stay protected" if p.held > 0 else ""
    reply = _accept(c, now, f"the entry is being taken back{rest}", p.id)
    return Handled(reply, ((p.id, ended),))


def _owners_word(engine: Standing, c: Close | Release, now: int) -> Handled | Refusal:
    """What the owner says became of shares: nothing is sent; the record has it as their word."""
    p = _find(engine, c.position_id)
    if isinstance(p, Refusal):
        return p
    book = engine.markets[p.outcome_id]
    event: OwnerSold | Released | Refusal
    if isinstance(c, Close):
        event = validation.close(c, p, book, now)
    else:
        event = validation.release(c, p, book, now)
    if isinstance(event, Refusal):
        return event
    after = apply(p, event)
    what = f"sold at {c.price}" if isinstance(c, Close) else "released"
    profit = f", {after.held:f} stay; profit {plain(micro(realized_pnl(after)))} USDC"
    text = f"by your word {event.shares:f} shares are {what}{profit}"
    if c.dry_run:
        return Handled(_accept(c, now, f"dry run: {text}"))
    return Handled(_accept(c, now, text, p.id), ((p.id, event),))


def _amend(engine: Standing, c: Amend, now: int) -> Handled | Refusal:
    p = _find(engine, c.position_id)
    if isinstance(p, Refusal):
        return p
    book = engine.markets[p.outcome_id]
    amended = validation.amend(c, p, book, engine.funds(), engine.limits, now)
    if isinstance(amended, Refusal):
        return amended
    before, p = p, apply(p, amended)
    if c.dry_run:
        text = amendment(before, p, book, now)
        return _dry_run(c, now, text, amendment_figures(before, p, book, now))
    exits = f"target {_or_none(p.request.sell_price)}, stop {_or_none(p.stop_in_force)}"
    terms = term_texts(to_builtins(p.request.terms, builtin_types=(Decimal,)))
    floor = f", floor {p.request.floor_price}" if p.request.floor_price else ""
    text = f"max bid {p.request.max_bid_price}, {exits}{floor}"
    if p.decision.entry_ended is None and p.request.entry_expires_at is not None:
        text += f", expires {iso(p.request.entry_expires_at)}"
    text += "".join(f", {name} {value}" for name, value in terms.items())
    text += _warned(p)
    if stops.is_reached(p, book):
        text += f"; the bid {book.bid} is at the stop already: it acts at once"
    return Handled(_accept(c, now, text, p.id), ((p.id, amended),))


def _flatten(engine: Standing, c: Flatten, now: int) -> Handled:
    """Halt, and sell everything: what is held, and what the entries still buy until they are off
    the book."""
    bound = [p for p in engine.open_positions() if p.decision.cause is None and p.phase not in OVER]
    events = tuple((p.id, _flattened(engine.markets.get(p.outcome_id), now)) for p in bound)
    selling = sum(p.sellable > 0 for p in bound)
    text = f"halted; selling {selling} positions, taking back all entries"
    lacking = sum(p.decision.missing > 0 for p in bound)
    if lacking:
        text += f"; the venue lacks shares of {lacking}: see `close`, `release`"
    return Handled(_accept(c, now, text), events, halted=True)


def _flattened(book: InstrumentBook | None, now: int) -> Triggered:
    return Triggered(
        time=now,
        cause=ExitReason.FLATTEN,
        bid=None if book is None else book.bid,
        bid_size=Decimal(0) if book is None else book.bid_size,
        stop_loss_price=None,
    )


def _find(engine: Standing, position_id: str) -> Position | Refusal:
    p = engine.positions.get(position_id)
    if p is None:
        rule = "is not known, or has been over for more than a day"
        return Refusal("UNKNOWN_POSITION", f"position_id was {position_id}, {rule}")
    return p


def _warned(p: Position) -> str:
    """That there is no stop yet, where one is to come."""
    warning = no_stop_until(p)
    return f"; {warning}" if warning else ""


def _or_none(value: Decimal | None) -> str:
    return "none" if value is None else str(value)
