"""Compares stops on recorded data: the same entries and sizes, and only the stop differs.

    .venv/bin/python examples/compare_stops.py --catalog catalog/mine --count 600 --seed 1

The entries are drawn from the recording: each buys 10 shares at the ask of some moment, with a stop
at a distance below and a target at twice the distance above. Every kind of stop is tried on all of
them by a backtest of its own. What is printed are tables for Markdown; docs/stops.md explains them.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace
from nautilus_trader.model.data import QuoteTick

import backtest
from positions.commands.files import checked
from positions.operations.settings import Settings, SettingsError, load
from positions.research.backtest_result import Outcome, Totals, totals
from recordings.catalog import Recording
from recordings.reading.values import RecordingError
from recordings.sweep import cores

CONFIG = Path(__file__).parents[1] / "config" / "backtest.toml"
KINDS = ("plain", "confirmed 3s", "confirmed 5 quotes", "confirmed 3s, hard stop", "trailing")
DISTANCES = (Decimal("0.03"), Decimal("0.05"), Decimal("0.10"))
"""How far below the max bid a stop stands, in USDC per share."""
CENT = Decimal("0.01")
LOWEST, HIGHEST, WIDEST = Decimal("0.20"), Decimal("0.75"), Decimal("0.02")
"""Between which prices, and up to which spread, an entry is drawn."""
SIZE = 10
PLENTY = Decimal(1_000_000)
Fields = dict[str, Any]


class Ended(NamedTuple):
    """How a position ended: what was bought, by what it was sold, and what came of it in USDC."""

    bought: tuple[Decimal, Decimal | None]
    reason: str
    was_stopped: bool
    profit: Decimal


def entries(recording: Recording, count: int, seed: int) -> list[Fields]:
    """So many requests with a plain stop, the same for a seed."""
    rng = random.Random(seed)
    found = list(_moments(recording))
    made = []
    for at, market, outcome, ask in sorted(rng.sample(found, min(count, len(found)))):
        max_bid, distance = Decimal(ask), rng.choice(DISTANCES)
        made.append(
            {
                "command": "submit",
                "at": at,
                "market": market,
                "outcome": outcome,
                "size": str(SIZE),
                "max_bid": str(max_bid),
                "stop": str(max_bid - distance),
                "target": str(max_bid + 2 * distance),
                "expires": "5s",
            }
        )
    return made


def _moments(recording: Recording) -> Iterator[tuple[str, str, str, str]]:
    """Time, market, outcome and ask of each quote at which an entry may be drawn."""
    names = {
        i.id: (i.info["condition_id"], i.id.symbol.value.rpartition("-")[2])
        for i in recording.instruments
    }
    for _, batch in recording.batches():
        for q in batch:
            if not isinstance(q, QuoteTick):
                continue
            bid, ask = q.bid_price.as_decimal(), q.ask_price.as_decimal()
            on_cents = ask % CENT == 0 and ask - bid <= WIDEST
            if on_cents and bid >= LOWEST and ask <= HIGHEST and q.ask_size >= SIZE:
                yield _after(q.ts_event), *names[q.instrument_id], str(ask.quantize(CENT))


def _after(nanos: int) -> str:
    """The first microsecond that is not before a time, in ISO 8601."""
    micros = int((Decimal(nanos) / 1000).to_integral_value(ROUND_CEILING))
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)).isoformat()


def with_stop(kind: str, request: Fields) -> Fields:
    """The request with another kind of stop, which begins at the same price."""
    stop = Decimal(request["stop"])
    distance = Decimal(request["max_bid"]) - stop
    match kind:
        case "confirmed 3s":
            return request | {"stop_confirm": "3s"}
        case "confirmed 5 quotes":
            return request | {"stop_confirm": "5quotes"}
        case "confirmed 3s, hard stop":
            return request | {"stop_confirm": "3s", "stop_hard": str(stop - distance)}
        case "trailing":
            return request | {"trail": str(distance)}
    return request


def play(settings: Settings, kind: str, requests: list[Fields]) -> tuple[Totals, dict[str, Ended]]:
    """One backtest with one kind of stop: the totals, and how each position ended."""
    asked = [with_stop(kind, r) for r in requests]
    o = backtest.run(settings, checked(asked, kind))
    return totals(o), {r["id"]: _ended(r, o) for r in o.rows if r["volume"] > 0}


def _ended(r: Mapping[str, Any], o: Outcome) -> Ended:
    reason = r["exit_reason"] if r["held"] <= 0 else "held to the end"
    was_stopped = any(e["kind"] == "triggered" and e["cause"] == "stop" for e in o.events[r["id"]])
    profit = r["realized_pnl"] + (r["unrealized_pnl"] or 0)
    return Ended((r["volume"], r["entry_price"]), reason, was_stopped, profit)


def totals_table(found: Mapping[str, Totals]) -> Iterator[str]:
    """What each kind of stop made and cost."""
    yield from _head("stop, bought, stopped, at target, net profit, fees, slippage, at most")
    for kind, t in found.items():
        money = f"{t.net_profit:+.2f}", f"{t.fees:.2f}"
        slips = (f"{s or 0:.4f}" for s in (t.stop_slippage, t.stop_slippage_max))
        yield _row(kind, t.bought, t.stops, t.targets, *money, *slips)


def shaken_table(found: Mapping[str, Mapping[str, Ended]]) -> Iterator[str]:
    """Pair by pair: where a plain stop sold and another did not, both did, or only the other."""
    yield from _head(
        "stop, pairs, only plain stopped, the other ended, plain made, other made,"
        " both stopped, plain made, other made, only other stopped, plain made, other made"
    )
    plain = found["plain"]
    for kind in KINDS[1:]:
        other = found[kind]
        same = [i for i in plain if i in other and plain[i].bought == other[i].bought]
        shaken = [i for i in same if plain[i].was_stopped and not other[i].was_stopped]
        both = [i for i in same if plain[i].was_stopped and other[i].was_stopped]
        alone = [i for i in same if other[i].was_stopped and not plain[i].was_stopped]
        ends = Counter(other[i].reason for i in shaken)
        told = ", ".join(f"{n} {reason}" for reason, n in sorted(ends.items())) or "-"
        cells: list[object] = [kind, len(same), len(shaken), told, *_made(plain, other, shaken)]
        cells += [len(both), *_made(plain, other, both), len(alone), *_made(plain, other, alone)]
        yield _row(*cells)


def _head(names: str) -> Iterator[str]:
    columns = names.split(", ")
    yield _row(*columns)
    yield f"|{'---|' * len(columns)}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _made(
    plain: Mapping[str, Ended], other: Mapping[str, Ended], ids: list[str]
) -> tuple[str, str]:
    one, two = (sum((ended[i].profit for i in ids), Decimal(0)) for ended in (plain, other))
    return f"{one:+.2f}", f"{two:+.2f}"


def main() -> int:
    """Compare the stops on the catalog that the command line names."""
    parser = argparse.ArgumentParser(description="Compare kinds of stops on recorded data.")
    parser.add_argument("--catalog", required=True, help="the recorded data")
    parser.add_argument("--count", type=int, default=600, help="how many positions")
    parser.add_argument("--seed", type=int, default=1, help="which positions")
    parser.add_argument("--cores", type=int, help="so many cores; without it, all")
    given = parser.parse_args()
    try:
        settings = load(CONFIG, backtest={"catalog": given.catalog})
        requests = entries(Recording(Path(given.catalog)), given.count, given.seed)
    except (SettingsError, RecordingError) as e:
        print(f"compare_stops: {e}", file=sys.stderr)
        return 1
    if not requests:
        print(f"compare_stops: {given.catalog}: holds no moment to buy at", file=sys.stderr)
        return 1
    settings = replace(
        settings,
        account=replace(settings.account, cash=PLENTY),
        limits=replace(settings.limits, max_total_stake=PLENTY),
    )
    with cores(given.cores) as executor:
        runs = {kind: executor.submit(play, settings, kind, requests) for kind in KINDS}
        found = {kind: run.result() for kind, run in runs.items()}
    print(f"{len(requests)} positions of {SIZE} shares, seed {given.seed}\n")
    print(*totals_table({kind: t for kind, (t, _) in found.items()}), sep="\n")
    print()
    print(*shaken_table({kind: ended for kind, (_, ended) in found.items()}), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
