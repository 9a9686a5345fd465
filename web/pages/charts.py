"""The options of every chart, made of what was published. Pure; prices are drawn in cents."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from positions.model.durations import SECOND
from positions.model.formatting import plain
from positions.storage.bars import Bar
from web.pages.words import DAY

Row = Mapping[str, Any]
POINTS_MAX = 400
TEXT, GRID = "#748194", "rgba(128,140,155,.22)"
BID, ASK, GAIN, LOSS, ENTRY, MAX_BID = (
    *("#2f7de1", "#a06bd6", "#12a150", "#e5484d", "#8b95a3", "#d08700"),
)
TOP, BOTTOM = 34, 30
"""Pixels above and below the lines: what stands beside the chart leaves as much free."""
_MS = 1_000_000


class Scale(Struct, frozen=True):
    """The lowest and the highest price that a chart shows, in cents."""

    low: float
    high: float


def cents(value: Decimal | None) -> float | None:
    """A price in cents, for the eye."""
    return None if value is None else float(value * 100)


def thinned(bars: Sequence[Bar], most: int = POINTS_MAX) -> list[Bar]:
    """At most so many of them, evenly; the last one is always there."""
    if len(bars) <= most:
        return list(bars)
    step = -(-len(bars) // (most - 1))
    return [*bars[:-1:step], bars[-1]]


def _sides(bars: Sequence[Bar], now: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """Bid and ask as points; what did not change since the last bar holds until now."""
    shown = thinned(bars)
    until = [(max(now, shown[-1].time), shown[-1])] if shown else []
    points = [*((bar.time, bar) for bar in shown), *until]
    bids = [[time // _MS, cents(bar.bid)] for time, bar in points]
    return bids, [[time // _MS, cents(bar.ask)] for time, bar in points]


def scale(values: Iterable[float | None]) -> Scale:
    """What holds all values, with room above and below, within 0 and 100 cents."""
    known = [v for v in values if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 100.0)
    room = max(3.0, (high - low) * 0.12)
    return Scale(max(0.0, float(int(low - room))), min(100.0, float(int(high + room) + 1)))


def levels(p: Row) -> list[tuple[str, float, str]]:
    """The prices that a position has lines at: their names, cents and colours."""
    parts = [part.partition(":")[0] for part in str(p["terms"].get("target_prices", "")).split()]
    parts = parts or [t.partition(":")[0] for t in str(p["terms"].get("targets", "")).split()]
    marks = [Decimal(text) for text in parts if text.replace(".", "", 1).isdigit()]
    found: list[tuple[str, Decimal | None, str]] = [
        ("max bid", p["max_bid_price"], MAX_BID),
        ("entry", p["entry_price"], ENTRY),
        *(("target", mark, GAIN) for mark in marks),
        ("target", p["sell_price"], GAIN),
        ("stop", p["stop_in_force"], LOSS),
    ]
    return [(name, float(value * 100), color) for name, value, color in found if value is not None]


def stop_moves(events: Iterable[Row], now: int, stop: Decimal | None) -> list[list[Any]]:
    """Where the stop stood, as steps: [milliseconds, cents]."""
    steps: list[list[Any]] = []
    for e in events:
        name = "price" if e["kind"] == "stop_raised" else "stop_loss_price"
        if e["kind"] in ("opened", "adopted", "amended", "terms_priced", "stop_raised"):
            value = e.get(name)
            at = datetime.fromisoformat(e["time"]).timestamp() * 1000
            steps.append([at, None if value is None else float(Decimal(str(value)) * 100)])
    return [*steps, [now // _MS, cents(stop)]] if steps else []


def position_chart(
    p: Row, bars: Sequence[Bar], events: Sequence[Row], fills: Sequence[Row], now: int
) -> tuple[dict[str, Any], Scale]:
    """Bid and ask with every level, the stop as it moved, and the fills."""
    bids, asks = _sides(bars, now)
    moves = stop_moves(events, now, p["stop_in_force"])
    bought = [[f["time"] // _MS, cents(f["price"])] for f in fills if f["side"] == "buy"]
    sold = [[f["time"] // _MS, cents(f["price"])] for f in fills if f["side"] == "sell"]
    lines = levels(p)
    drawn = [y for _, y in (*bids, *asks, *moves, *bought, *sold)]
    span = scale([*drawn, *(value for _, value, _ in lines)])
    series = [
        _line("bid", bids, BID) | {"markLine": _marks(lines)},
        _line("ask", asks, ASK),
        _line("stop as it moved", moves, LOSS) | {"lineStyle": {"type": "dotted", "width": 2}},
        _points("bought", bought, GAIN, 0),
        _points("sold", sold, LOSS, 180),
    ]
    return _options(series, "time", {"min": span.low, "max": span.high}, "{value}¢"), span


def price_chart(bars: Sequence[Bar], now: int, before: Sequence[Any] = ()) -> dict[str, Any]:
    """Bid and ask of an outcome, and the venue's prices of before."""
    bids, asks = _sides(bars, now)
    step = -(-len(before) // POINTS_MAX) or 1
    earlier = [[bar.time // _MS, cents(bar.close)] for bar in before[::step]]
    span = scale(y for _, y in (*earlier, *bids, *asks))
    series = [_line("bid", bids, BID), _line("ask", asks, ASK)]
    if earlier:
        series.append(_line("before", earlier, ENTRY))
    return _options(series, "time", {"min": span.low, "max": span.high}, "{value}¢")


def equity_chart(rows: Iterable[Row]) -> dict[str, Any]:
    """The profit of what is sold, added up in the order of time."""
    total, points = Decimal(0), []
    ordered = sorted(rows, key=lambda r: r["exit_time"])
    if ordered:
        points.append([min(p["created_at"] for p in ordered) // _MS, 0.0])
    for p in ordered:
        total += p["realized_pnl"]
        points.append([p["exit_time"] // _MS, float(total)])
    series = [_line("profit", points, BID) | {"areaStyle": {"opacity": 0.12}}]
    return _options(series, "time", {}, "{value}")


def bars_chart(sums: Sequence[tuple[str, Decimal]]) -> dict[str, Any]:
    """A bar of profit or loss for each name."""
    data = [
        {"value": float(value), "itemStyle": {"color": GAIN if value >= 0 else LOSS}}
        for _, value in sums
    ]
    bars = {"type": "bar", "name": "profit", "data": data, "barMaxWidth": 42}
    options = _options([bars], "category", {}, "{value}")
    options["xAxis"]["data"] = [name for name, _ in sums]
    options["legend"] = {"show": False}
    return options


def day_sums(rows: Iterable[Row]) -> list[tuple[str, Decimal]]:
    """The profit of each day, in UTC, the oldest first."""
    return sums(rows, lambda p: _day(p["exit_time"]))


def sums(rows: Iterable[Row], key: Any) -> list[tuple[str, Decimal]]:
    """The profit of all positions with the same key, in the order of the keys."""
    found: dict[str, Decimal] = {}
    for p in rows:
        found[key(p)] = found.get(key(p), Decimal(0)) + p["realized_pnl"]
    return sorted(found.items())


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time // DAY * DAY // SECOND, UTC):%Y-%m-%d}"


def _line(name: str, data: list[list[Any]], color: str) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "data": data,
        "step": "end",
        "showSymbol": False,
        "lineStyle": {"width": 2},
        "itemStyle": {"color": color},
        "animation": False,
    }


def _points(name: str, data: list[list[Any]], color: str, turned: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "data": data,
        "symbol": "triangle",
        "symbolRotate": turned,
        "symbolSize": 13,
        "itemStyle": {"color": color, "borderColor": "#fff", "borderWidth": 1},
        "animation": False,
        "z": 5,
    }


_PLACES = {"entry": "insideMiddleTop", "max bid": "insideEndTop"}
"""Where the names of lines stand that may lie on each other."""


def _marks(lines: Sequence[tuple[str, float, str]]) -> dict[str, Any]:
    data = [
        {
            "yAxis": value,
            "lineStyle": {"color": color, "type": "solid" if name == "stop" else "dashed"},
            "label": {
                "formatter": f"{name} {plain(Decimal(str(round(value, 4))))}¢",
                "position": _PLACES.get(name, "insideStartTop"),
                "color": color,
            },
        }
        for name, value, color in lines
    ]
    return {"symbol": "none", "silent": True, "animation": False, "data": data}


def _options(
    series: list[dict[str, Any]], kind: str, y_axis: dict[str, Any], unit: str
) -> dict[str, Any]:
    text = {"color": TEXT}
    return {
        "grid": {"top": TOP, "bottom": BOTTOM, "left": 52, "right": 14},
        "legend": {"type": "scroll", "top": 0, "textStyle": text, "itemHeight": 8},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "type": kind,
            "axisLabel": text | {"hideOverlap": True},
            "axisLine": {"lineStyle": {"color": GRID}},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "axisLabel": text | {"formatter": unit},
            "splitLine": {"lineStyle": {"color": GRID}},
            **y_axis,
        },
        "series": series,
    }
