"""One list of quotes and commands, told to a live node on the loopback venue and to a backtest.

The live node is fed in lock-step: the next step is played only when everything that the last one
caused is done and told, so that the two act on the same prices, whatever the machine does. Prices
are those of a market's first outcome; the second mirrors it.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import stories
from loopback.ledger import Level, Market, Side
from loopback.server import LoopbackPolymarket, MarketHandle
from msgspec import Struct
from trading import Session, trade

from positions.model.formatting import iso
from positions.model.instrument_book import InstrumentBook as Seen
from positions.model.position import OrderState, Role
from positions.storage.spool import Spool
from recordings.importer import import_recording

D = Decimal
ZERO = D(0)
START_NS = 1_776_096_000 * 10**9
GAP_NS = 10_000_000
"""Between two steps in the backtest: so short that no timer decides anything."""
_QUIET_PASSES = 4
_PAUSE = 0.002
LIMITS = {"default_stake": 50, "max_stake_per_position": 1000, "max_total_stake": 100_000}
CASH = "100000"
CONFIG = f"""
mode = "replay"
state = "unused"
[account]
cash = {CASH}
[safety]
dead_man = "off"
[limits]
""" + "\n".join(f"{name} = {value}" for name, value in LIMITS.items())


class Quote(Struct, frozen=True):
    """The best prices of one market, with what is displayed there; None for an empty side."""

    market: str
    bid: Decimal | None
    bid_size: Decimal
    ask: Decimal | None
    ask_size: Decimal


class Ask(Struct, frozen=True):
    """A command, as its file holds it, with its id."""

    fields: dict[str, str]


class Resolved(Struct, frozen=True):
    """A market ends; a share of its first outcome pays `payout`."""

    market: str
    payout: Decimal


Step = Quote | Ask | Resolved


# -- live ------------------------------------------------------------------------------------------


class Stage:
    """The venue's side of the steps."""

    def __init__(self, venue: LoopbackPolymarket) -> None:
        self.venue = venue
        self.markets: dict[str, MarketHandle] = {}
        self._shown: dict[str, Quote] = {}

    def market(self, slug: str) -> MarketHandle:
        """A market of this name, listed when it is first named."""
        if slug not in self.markets:
            self.markets[slug] = self.venue.add_market(slug)
        return self.markets[slug]

    def show(self, quote: Quote) -> None:
        """Let the outside offer this. A side that is as it was is not filled up again."""
        handle = self.market(quote.market)
        before = self._shown.get(quote.market)
        self._shown[quote.market] = quote
        known = self.venue.ledger.markets[handle.condition_id]
        bids = [] if quote.bid is None else [(quote.bid, quote.bid_size)]
        asks = [] if quote.ask is None else [(quote.ask, quote.ask_size)]
        if before is not None and (before.bid, before.bid_size) == (quote.bid, quote.bid_size):
            bids = _left(known, Side.BUY)
        if before is not None and (before.ask, before.ask_size) == (quote.ask, quote.ask_size):
            asks = _left(known, Side.SELL)
        self.venue.book(handle.tokens[0], bids, asks)

    def resolve(self, step: Resolved) -> None:
        """End a market."""
        handle = self.market(step.market)
        yes, no = handle.tokens
        self.venue.resolve(handle, yes if step.payout else no)

    def is_seen(self, s: Session) -> bool:
        """Whether the node knows every book as it is."""
        return all(
            _sees(seen, self.venue.ledger.by_token[seen.outcome_id])
            for seen in s.node.strategy.engine.markets.values()
        )


def _left(market: Market, side: Side) -> list[tuple[Decimal, Decimal]]:
    levels: Iterable[Level] = market.outside[side].values()
    return [(level.price, level.size) for level in levels]


def _sees(seen: Seen, market: Market) -> bool:
    """Whether a market is seen as it is, but for what is the node's own."""
    if market.is_closed:
        return seen.payout is not None
    shown = (seen.bid, seen.bid_size, seen.ask, seen.ask_size)
    return shown == touch_of_others(market, seen.outcome_id)


def touch_of_others(market: Market, token: str) -> tuple[Decimal | None | Decimal, ...]:
    """The best bid and ask at which others stand, each with all that is there."""
    depth = market.depth(token)
    found: list[Decimal | None] = []
    for side in Side:
        levels = market.outside[market.frame(token, side, ZERO)[0]]
        prices = [market.frame(token, side, price)[1] for price in levels]
        best = (max if side is Side.BUY else min)(prices, default=None)
        found += [best, ZERO if best is None else depth[side][best]]
    return tuple(found)


def is_at_rest(s: Session) -> bool:
    """Whether no order of the node is on its way, and all that was traded is booked."""
    orders = [o for p in s.positions.values() for o in p.orders]
    on_the_way = [
        o
        for o in orders
        if o.immediate
        or o.state is OrderState.CANCELLING
        or (o.role is not Role.STOP and o.state is OrderState.SENT)
    ]
    return s.node.strategy.is_idle and not on_the_way and _booked(s) == _traded(s)


def _booked(s: Session) -> dict[str, tuple[Decimal, Decimal]]:
    """Shares bought and sold of each outcome that is still traded, as the node has booked them."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for p in s.positions.values():
        if p.ledger.bought and not s.venue.ledger.by_token[p.outcome_id].is_closed:
            bought, sold = found.get(p.outcome_id, (ZERO, ZERO))
            found[p.outcome_id] = (bought + p.ledger.bought, sold + p.ledger.sold)
    return found


def _traded(s: Session) -> dict[str, tuple[Decimal, Decimal]]:
    """The same as the venue has matched it."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for o in list(s.venue.ledger.orders.values()):
        if o.matched and not o.market.is_closed:
            bought, sold = found.get(o.token, (ZERO, ZERO))
            is_sale = o.side is Side.SELL
            found[o.token] = (bought + o.matched * (not is_sale), sold + o.matched * is_sale)
    return found


async def live(s: Session, stage: Stage, steps: Iterable[Step]) -> None:
    """Play the steps to a live node."""
    spool = Spool(s.state)
    for step in steps:
        match step:
            case Quote():
                stage.show(step)
            case Resolved():
                stage.resolve(step)
            case Ask(fields):
                spool.put(json.dumps(_command(fields)).encode(), fields["id"])
                await s.until(partial(_is_answered, spool, fields["id"]), f"{fields} is answered")
        await _rest(s, stage, step)


def _is_answered(spool: Spool, command_id: str) -> bool:
    return spool.read_reply(command_id) is not None


async def _rest(s: Session, stage: Stage, step: Step) -> None:
    """Wait until nothing is under way, and stays so while what is queued is handled."""
    quiet = 0

    def is_quiet() -> bool:
        return stage.is_seen(s) and is_at_rest(s)

    while quiet < _QUIET_PASSES:
        await s.until(is_quiet, f"nothing is under way after {step}", pause=_PAUSE)
        await asyncio.sleep(0)
        quiet = quiet + 1 if is_quiet() else 0


def _command(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name != "id"}


def told_live(folder: Path, steps: list[Step]) -> stories.Stories:
    """The stories of a live node."""
    state = folder / "live"
    with LoopbackPolymarket() as venue:
        stage = Stage(venue)

        async def script(s: Session) -> None:
            await live(s, stage, steps)

        trade(
            venue,
            state,
            script,
            cash=CASH,
            safety={"dead_man": "off"},
            limits=LIMITS,
        )
    return stories.told(state)


# -- backtest --------------------------------------------------------------------------------------


def told_by_backtest(folder: Path, steps: list[Step]) -> stories.Stories:
    """The stories of a backtest."""
    catalog = folder / "catalog"
    quotes, markets = folder / "quotes.csv", folder / "markets.json"
    lines = ["ts_event_ns,token_id,bid,bid_size,ask,ask_size"]
    requests = []
    handles = {s.market: _handle(s.market) for s in steps if not isinstance(s, Ask)}
    payouts = {s.market: s for s in steps if isinstance(s, Resolved)}
    ends: dict[str, int] = {}
    for number, step in enumerate(steps):
        at = START_NS + number * GAP_NS
        match step:
            case Quote(market, bid, bid_size, ask, ask_size):
                yes, no = handles[market].tokens
                lines.append(_line(at, yes, bid, bid_size, ask, ask_size))
                lines.append(_line(at, no, _other(ask), ask_size, _other(bid), bid_size))
            case Ask(fields):
                requests.append(fields | {"at": iso(at)})
            case Resolved(market):
                ends[market] = at
    quotes.write_text("\n".join(lines) + "\n")
    described = [_described(m, payouts.get(m.slug), ends.get(m.slug)) for m in handles.values()]
    markets.write_text(json.dumps(described))
    import_recording(quotes, markets, catalog)
    return stories.backtested(CONFIG, catalog, requests)


def _line(at: int, token: str, *values: Decimal | None) -> str:
    return ",".join([str(at), token, *("" if v is None else f"{v:f}" for v in values)])


def _other(price: Decimal | None) -> Decimal | None:
    return None if price is None else 1 - price


def _handle(slug: str) -> Market:
    """A market as the loopback lists it."""
    return Market(
        slug=slug,
        question="",
        outcomes=("Yes", "No"),
        tick=D("0.01"),
        minimum=D(5),
        fee_rate=D("0.04"),
        neg_risk=False,
        ends="",
    )


def _described(market: Market, resolved: Resolved | None, ends: int | None) -> dict[str, Any]:
    paid = (None, None) if resolved is None else (resolved.payout, 1 - resolved.payout)
    tokens = [
        {
            "token_id": token,
            "outcome": outcome,
            "tick_size": "0.01",
            "settlement_price_inferred": None if p is None else f"{p:f}",
        }
        for token, outcome, p in zip(market.tokens, market.outcomes, paid, strict=True)
    ]
    return {
        "slug": market.slug,
        "condition_id": market.condition_id,
        "min_order_size": "5",
        "fee_rate": "0.04",
        "start_ts_ns": START_NS,
        "tokens": tokens,
    } | ({} if ends is None else {"end_ts_ns": ends})
