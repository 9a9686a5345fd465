"""What came of a run: every position with its story, and the totals.

Pure. Money is USDC after fees, times are nanoseconds.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from positions.commands.messages import Reply
from positions.engine.effects import Step
from positions.model.durations import SECOND
from positions.model.formatting import to_json
from positions.model.instrument_book import InstrumentBook
from positions.model.position import ZERO, Position
from positions.storage.rows import fill, row, story


class Point(Struct, frozen=True):
    """The account at one time: cash, and with what is held at the bid and what was paid out."""

    time: int
    cash: Decimal
    equity: Decimal


class Outcome(Struct, frozen=True):
    """A run that is over.

    Parameters
    ----------
    rows
        Each position as `polybracket positions` shows it, oldest first.
    fills, events
        By position id, as `polybracket show --json` gives them.
    refused
        The replies to what was not accepted.
    equity
        The account over time.
    never_due
        The ids of commands that were due after the end.
    undated_since
        From when on commands without a time of their own were acted on; None = there were none.
    not_bought
        By position id, why nothing was bought.
    """

    rows: list[dict[str, Any]]
    fills: dict[str, list[dict[str, Any]]]
    events: dict[str, list[dict[str, Any]]]
    refused: list[Reply]
    equity: list[Point]
    never_due: tuple[str, ...] = ()
    undated_since: int | None = None
    not_bought: dict[str, str] = {}

    def to_rows(self) -> Iterable[dict[str, Any]]:
        """Each position with its fills and events."""
        for r in self.rows:
            story = {"fills": self.fills.get(r["id"], []), "events": self.events[r["id"]]}
            yield r | {"why_not_bought": self.not_bought.get(r["id"])} | story


def outcome(
    steps: Iterable[Step],
    markets: Mapping[str, InstrumentBook],
    replies: Iterable[Reply],
    equity: list[Point],
    never_due: Iterable[str] = (),
    undated_since: int | None = None,
) -> Outcome:
    """The outcome of the steps of a run, with the markets as they were at its end."""
    last: dict[str, Position] = {}
    fills: dict[str, list[dict[str, Any]]] = {}
    events: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        p = last[step.position.id] = step.position
        events.setdefault(p.id, []).append(to_json(story(p, step.event)))
        filled = fill(p, step.event)
        if filled is not None:
            del filled["position_id"]
            fills.setdefault(p.id, []).append(filled)
    rows = [_row(p, markets[p.outcome_id]) for p in last.values()]
    rows.sort(key=lambda r: (r["created_at"], r["id"]))
    refused = [r for r in replies if r.code]
    return Outcome(rows, fills, events, refused, equity, tuple(never_due), undated_since)


def _row(p: Position, m: InstrumentBook) -> dict[str, Any]:
    price = m.bid if m.payout is None else m.payout
    return row(p, None if p.is_over and p.held <= 0 else price, m.fee)


class Totals(Struct, frozen=True):
    """The totals of a run, in USDC, shares and seconds; None = there was nothing to measure.

    Parameters
    ----------
    net_profit
        Realized and estimated, after all fees.
    hit_rate
        The targets' part of what ended at its target or stop.
    stop_slippage, stop_slippage_max
        How far under their trigger the stops sold, per share: on average, and at most.
    seconds_held
        From the first fill to the exit or the end of the run, on average of what was bought.
    capital_max
        The most that was in positions at once, at cost.
    drawdown
        The largest fall of the account from a peak.
    """

    positions: int
    bought: int
    refused: int
    net_profit: Decimal
    fees: Decimal
    targets: int
    stops: int
    hit_rate: Decimal | None
    stop_slippage: Decimal | None
    stop_slippage_max: Decimal | None
    seconds_held: Decimal | None
    capital_max: Decimal
    drawdown: Decimal


_MICRO = Decimal("0.000001")


def totals(o: Outcome) -> Totals:
    """The totals of a run."""
    ended = [r["exit_reason"] for r in o.rows if r["status"] == "closed"]
    targets, stops = ended.count("target"), ended.count("stop")
    held = [r for r in o.rows if r["volume"] > 0]
    slips = list(_slippages(o))
    sold = sum((shares for _, shares in slips), ZERO)
    return Totals(
        positions=len(o.rows),
        bought=len(held),
        refused=len(o.refused),
        net_profit=sum((r["realized_pnl"] + (r["unrealized_pnl"] or 0) for r in o.rows), ZERO),
        fees=sum((r["fees"] for r in o.rows), ZERO),
        targets=targets,
        stops=stops,
        hit_rate=_ratio(Decimal(targets), Decimal(targets + stops)),
        stop_slippage=_ratio(sum((slip * shares for slip, shares in slips), ZERO), sold),
        stop_slippage_max=max((slip for slip, _ in slips), default=None),
        seconds_held=_ratio(sum((_seconds(r, o) for r in held), ZERO), Decimal(len(held))),
        capital_max=_capital_max(o),
        drawdown=_drawdown(o.equity),
    )


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(_MICRO) if whole else None


def _slippages(o: Outcome) -> Iterable[tuple[Decimal, Decimal]]:
    for events in o.events.values():
        for e in events:
            if e.get("slippage") is not None:
                yield Decimal(e["slippage"]), Decimal(e["shares"])


def _seconds(r: Mapping[str, Any], o: Outcome) -> Decimal:
    end = r["exit_time"] if r["held"] <= 0 and r["exit_time"] else o.equity[-1].time
    return Decimal(end - r["filled_at"]) / SECOND


def _capital_max(o: Outcome) -> Decimal:
    """The most that was bound at once; what is sold frees its part of the cost."""
    flows = sorted(
        (f["time"], number, i, f) for i, fills in o.fills.items() for number, f in enumerate(fills)
    )
    held: dict[str, Decimal] = {}
    cost: dict[str, Decimal] = {}
    bound = most = ZERO
    for _, _, i, f in flows:
        shares, paid = held.get(i, ZERO), cost.get(i, ZERO)
        if f["side"] == "buy":
            change = f["price"] * f["shares"] + f["fee"]
            held[i] = shares + f["shares"]
        else:
            change = -paid * f["shares"] / shares if shares else ZERO
            held[i] = shares - f["shares"]
        cost[i] = paid + change
        bound += change
        most = max(most, bound)
    return most.quantize(_MICRO)


def _drawdown(equity: Iterable[Point]) -> Decimal:
    peak = deepest = ZERO
    for point in equity:
        peak = max(peak, point.equity)
        deepest = max(deepest, peak - point.equity)
    return deepest
